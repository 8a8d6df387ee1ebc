//! The commands, one file or folder each.

pub(crate) mod backup;
pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod default_config;
#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod export;
#[cfg(feature = "demo")]
pub(crate) mod fake_api;
pub(crate) mod import;
pub(crate) mod login;
pub(crate) mod mcp;
pub(crate) mod notify;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod restore;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod sql;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod verify;
