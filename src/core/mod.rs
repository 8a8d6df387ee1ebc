//! The pure heart: what a message, a page, a timeline, a plan and a budget are.
//!
//! Nothing in here reads a clock, draws a random number, looks at the environment or touches network or
//! disk: every function takes its state and `now` as arguments and returns values, so that a simulation
//! can run whole histories in microseconds.

pub mod alike;
pub mod backoff;
pub mod budget;
pub mod calendar;
pub mod check;
pub mod count;
mod cover;
mod end;
pub mod export;
pub mod forecast;
pub mod inbox;
pub mod insight;
pub mod message;
pub mod order;
pub mod page;
pub mod picture;
pub mod place;
pub mod plan;
pub mod query;
pub mod raw;
pub mod recheck;
pub mod reconcile;
pub mod render;
pub mod schedule;
pub mod select;
pub mod size;
pub mod stall;
mod start;
pub mod step;
pub mod timeline;
pub mod urn;
pub mod wanted;
pub mod words;

/// Milliseconds since the Unix epoch, UTC.
pub type Ms = i64;
