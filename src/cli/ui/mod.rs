//! How commands show things: output, charts, pager, progress and dates.

pub mod charts;
pub mod dates;
pub mod message_text;
pub mod output;
pub mod pager;
pub mod progress;
pub mod reading;
