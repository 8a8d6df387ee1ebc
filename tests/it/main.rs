//! The integration tests that need nothing but the program, in one binary: what `cargo test` runs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and says where; it may look at its environment"
)]

mod answers;
mod backup;
mod cli;
mod crash;
mod engine;
mod export;
mod gateway;
mod import;
#[cfg(feature = "lake")]
mod lake;
mod layering;
mod limits;
mod notify;
mod raw;
mod schema;
#[cfg(feature = "encrypt")]
mod sealed;
mod search;
mod search_letters;
mod secrets;
mod service;
mod sim;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod timeline;
mod verify;
mod web;

use support::{bench, binary};
