//! What to ask next, how much of it, and what that will cost.

pub mod backoff;
pub mod forecast;
pub mod in_flight;
pub mod next;
pub mod pace;
pub mod page_size;
pub mod plan;
pub mod queue;
pub mod state;
pub mod step;
pub mod target;
