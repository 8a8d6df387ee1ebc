//! The archive as Delta Lake tables, and where they are kept.

mod baton;
mod bucket;
mod command;
mod committers;
mod credentials;
mod folder;
mod log;
mod memory;
mod page;
mod replay;
mod row_groups;
mod s3;
mod signature;
mod storage;
mod union;
