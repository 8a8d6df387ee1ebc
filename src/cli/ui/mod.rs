//! How commands show things: output, tables, charts, pager, progress and dates.

pub(crate) mod account;
pub(crate) mod charts;
pub(crate) mod interrupt;
pub(crate) mod message_text;
pub(crate) mod output;
pub(crate) mod pager;
pub(crate) mod progress;
pub(crate) mod reading;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod terminal;
