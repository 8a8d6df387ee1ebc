//! What other programs make of an archive and its exports: the sqlite3 shell, Datasette, DuckDB, Chromium; promtool of
//! the alert rules; axe-core of the pages of `serve`; the official MCP clients; an OpenSSL server of a CA of its own; age; the
//! reference library of Standard Webhooks; a mail server; and readers of Delta Lake.
//!
//! `contrib/test-foreign.sh` installs them and runs this; `cargo test` alone does not. A program that is missing fails
//! its tests.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and says where; it may look at its environment"
)]

mod age;
mod alerts;
mod assistants;
mod browser;
mod clients;
mod lake;
mod network;
mod notify;
mod pages;
mod parquet;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other binary uses the rest")]
mod support;
mod web;

use std::path::Path;
use std::process::Command;

/// A program that the machine must have.
fn program(name: &str) -> Command {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(name).is_file());
    assert!(found, "{name} is missing; contrib/test-foreign.sh installs it");
    Command::new(name)
}

/// The Python that has Datasette, DuckDB and the MCP client.
fn python() -> Command {
    python_of("py")
}

/// The Python that has readers of Delta Lake, and a stand-in for S3.
fn lake_python() -> Command {
    python_of("py-lake")
}

fn python_of(environment: &str) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join(environment).join("bin/python");
    assert!(python.is_file(), "{} is missing; contrib/test-foreign.sh makes it", python.display());
    Command::new(python)
}

/// What a program prints, which must end well.
#[track_caller]
fn out(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}
