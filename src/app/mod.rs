//! What commands and the service both need: wiring, the runtime, metrics and the outlook.

pub mod advice;
pub mod alert_text;
pub(crate) mod attendant;
pub(crate) mod backups;
pub(crate) mod census;
mod context;
#[cfg(feature = "lake")]
pub(crate) mod lake;
pub(crate) mod lake_note;
pub mod metrics;
pub mod outlook;
pub mod parked;
pub mod process;
pub(crate) mod replace;
pub(crate) mod retention;
mod runtime;
pub(crate) mod user_command;
pub mod wiring;

pub use context::Context;
pub(crate) use runtime::runtime_with;
pub use runtime::{Runtime, runtime};
