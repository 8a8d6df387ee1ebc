//! The program: private files first, then the command line.

use std::process::ExitCode;

use rustix::fs::Mode;

fn main() -> ExitCode {
    // Whatever is created from here on is its owner's alone: the archive, its journals, keys.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    archiver::app::process::harden();
    archiver::cli::run(std::env::args_os())
}
