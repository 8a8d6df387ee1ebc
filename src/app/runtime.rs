//! The async runtime that commands and the service run on.

use crate::error::Failure;

/// The program's one thread of waiting.
///
/// # Errors
/// When the system gives no more of what it takes.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Machine(format!("the program cannot wait for the network: {error}")))
}
