//! The schema of the archive file: opening, creating and upgrading it.

pub(super) mod file;
pub(super) mod lock;
pub(super) mod main_file;
pub(super) mod migrate;
pub(super) mod open;
pub(super) mod shape;
