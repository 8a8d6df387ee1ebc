//! The lake.

mod baton;
mod committers;
mod log;
mod memory;
mod replay;
