//! What the API serves, as values: messages, pages, cursors and URNs.

pub mod api_version;
pub mod change_kind;
pub mod cursor;
pub mod ids;
pub mod message;
pub mod page;
pub mod parts;
pub mod urn;
