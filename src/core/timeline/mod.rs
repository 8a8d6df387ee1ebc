//! The gaps of a conversation, and what one page of messages does to them.

pub mod apply;
pub mod bar;
pub(super) mod coverage;
pub(super) mod doubt;
pub mod gap;
pub mod identity;
pub mod invariants;
pub mod pairing;
pub mod recheck;
pub mod stall;
pub(super) mod start;
pub mod timestamps;
