//! What the process asks of the system before it does anything: no core dumps, no death by a file size limit, and enough
//! file descriptors.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

use crate::error::Failure;

/// So many files are open at once at most: the archive and its journals, connections, pipes.
const FILES: u64 = 32;
/// So many are allowed where that is for this process to say.
const PLENTY: u64 = 256;

/// Makes the process safe. What the system does not grant is no reason to stop.
pub fn harden() {
    // A core dump would hold the secrets. Programs that receive dumps through a pipe heed the limit by courtesy, so that
    // nothing is left for them to receive. The process stays dumpable by name: `sync --now` recognises it in /proc.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap_or_default();
    fs::write("/proc/self/coredump_filter", "0").unwrap_or_default();
    // Caught, the signal lets the write fail with an error that is reported like any other.
    drop(signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))));
    let files = getrlimit(Resource::Nofile);
    if let Some(current) = files.current.filter(|current| *current < PLENTY) {
        let most = files.maximum.unwrap_or(PLENTY).min(PLENTY).max(current);
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..files }).unwrap_or_default();
    }
}

/// Whether the system lets the process open as many files as it may need.
///
/// # Errors
/// [`Failure::Machine`], where it does not.
pub fn check_files() -> Result<(), Failure> {
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < FILES => Err(Failure::Machine(format!(
            "only {allowed} files may be open at once, and {FILES} are needed: raise the limit with `ulimit -n`"
        ))),
        _ => Ok(()),
    }
}
