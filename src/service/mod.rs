//! The service: one loop that waits for its schedule and for signals, and makes one run at a time.
//!
//! Ticks and signals only wake it; what is due is worked out anew each time, from the schedule, the clock and the
//! archive. It holds the archive's lock as long as it lives.

pub mod alerts;
mod main_loop;
pub mod remote;
mod signals;
mod supervisor;
mod systemd;
mod wakeup;
mod watchdog;

pub use main_loop::serve;
