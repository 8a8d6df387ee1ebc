//! What only reads the archive.

pub(super) mod browse;
pub(super) mod census;
pub(super) mod changes;
pub(super) mod due;
pub(super) mod excerpt;
pub(super) mod figures;
pub(super) mod heads;
pub(super) mod history;
#[cfg(feature = "lake")]
pub(super) mod lake;
pub(super) mod message;
pub(super) mod pending;
pub(super) mod people;
pub(super) mod snapshot;
pub(super) mod sql;
pub(super) mod status;
pub(super) mod tables;
pub(super) mod targets;
pub(super) mod timelines;
pub(super) mod untold;
