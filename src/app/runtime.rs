//! The async runtime that commands and the service run on.

use crate::error::Failure;

/// A runtime on the current thread.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Machine(format!("cannot start the async runtime: {error}")))
}
