//! The commands, one file or folder each.

pub mod backup;
pub mod check;
pub mod completions;
pub mod default_config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod export;
#[cfg(feature = "demo")]
pub mod fake_api;
pub mod import;
pub mod login;
pub mod people;
pub mod plan;
pub mod search;
pub mod show;
pub mod sql;
pub mod stats;
pub mod status;
pub mod sync;
pub mod verify;
