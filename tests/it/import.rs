//! The member's own export: imported, and then synced over HTTP. Nothing is lost, nothing is there twice, and credits go
//! to what is newer than the export.

mod command;
mod csv;
mod exports;
mod histories;
mod mailbox;
mod world;
