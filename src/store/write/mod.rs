//! What changes the archive: one IMMEDIATE transaction for what belongs together.

pub(super) mod changes;
pub(super) mod configure;
pub(super) mod gaps;
pub(super) mod inbox;
pub(super) mod intern;
pub(super) mod linkedin_export;
pub(super) mod login;
pub(super) mod message;
pub(super) mod owner;
pub(super) mod page;
pub(super) mod resolve;
pub(super) mod restore;
