//! A gap-free, credit-frugal SQLite archive of your own LinkedIn conversations.
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`core`] | pure: messages, timelines, plans, budgets | nothing below |
//! | [`api`] | the edge to LinkupAPI | `core`, `secret`, `clock` |
//! | `store` | the edge to SQLite, the only SQL | `core`, `clock` |
//! | `sync` | the engine: plan, reserve, fetch, write, report | `core`, `api`, `store`, `clock` |
//! | `import` | history from files the user has | `core`, `store` |
//! | `export` | the archive as other files, and back from JSON Lines | `core`, `store` |
//! | `fake_api` | the stand-in for LinkupAPI | `core` types only |
//! | [`clock`], [`secret`] | time and keys as arguments | nothing |
//! | `daemon` | the service: schedule, signals, one run at a time | everything |
//! | `cli`, `config`, `logging` | what a person sees | everything |

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod error;
pub mod export;
pub mod linkedin_export;
pub mod logging;
pub mod secret;
pub mod service;
pub mod store;
pub mod sync;
