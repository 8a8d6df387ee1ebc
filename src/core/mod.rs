//! The pure heart: what a message, a page, a timeline, a plan and a budget are.
//!
//! Nothing in here reads a clock, draws a random number, looks at the environment or touches network or
//! disk: every function takes its state and `now` as arguments and returns values, so that a simulation
//! can run whole histories in microseconds.

pub mod address;
pub mod alert;
pub mod budget;
pub mod diff;
pub mod erasure;
pub mod format;
pub(crate) mod hash;
pub mod inbox;
#[cfg(feature = "lake")]
pub mod lake;
pub mod linkedin_export;
pub mod markup;
pub mod model;
pub mod notify;
pub mod owner;
pub mod people;
pub mod planner;
pub mod printable;
pub mod raw;
#[cfg(feature = "lake")]
pub mod row_groups;
pub mod schedule;
pub mod search;
pub mod timeline;
pub mod written;

/// Milliseconds since the Unix epoch, UTC.
pub type Ms = i64;
