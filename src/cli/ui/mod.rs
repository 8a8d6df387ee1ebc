//! How commands show things: output, tables, charts, pager, progress and dates.

pub mod charts;
pub mod dates;
pub mod interrupt;
pub mod local_time;
pub mod message_text;
pub mod output;
pub mod pager;
pub mod printable;
pub mod progress;
pub mod reading;
pub mod style;
pub mod table;
