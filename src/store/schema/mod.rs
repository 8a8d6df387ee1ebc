//! The schema of the archive file: opening, creating and upgrading it.

pub(super) mod migrate;
pub(super) mod open;
