//! The service: one loop that waits for its schedule and for signals, and makes one run at a time.
//!
//! Ticks and signals only wake it; what is due is worked out anew each time, from the schedule, the clock and the
//! archive. It holds the archive's lock as long as it lives.

mod attend;
pub mod attention;
pub mod control;
pub mod metrics;
mod notify;
mod pulse;
mod service;
mod signals;
mod ticker;

pub use service::serve;
