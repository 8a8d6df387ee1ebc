//! All integration tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and says where; it may look at its environment"
)]

mod answers;
mod backup;
mod binary;
mod cli;
mod clients;
mod crash;
mod engine;
mod export;
mod import;
mod layering;
mod schema;
mod search;
mod secrets;
mod service;
mod sim;
mod store;
mod timeline;
mod verify;
