//! The inbox: which conversations there are, and when something last happened in each.

mod apply;
pub mod filter;
pub mod news;
mod page;

pub use apply::{SeenRows, apply, reads_again, span};
pub use page::{InboxPage, InboxRow};
