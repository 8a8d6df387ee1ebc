//! A gap-free, credit-frugal SQLite archive of your own LinkedIn conversations.
//!
//! Imports run downward in this table, and a test reads it: a module imports those named in its last column, and no
//! others.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | [`cli`] | the commands and what a person sees | `web`, `mcp`, `look`, `service`, `notify`, `view`, `app`, `sync`, `lake`, `export`, `linkedin_export`, `api`, `store`, `core`, `config`, `clock`, `secret`, `error`, `logging` |
//! | [`web`] | the archive in a browser, and as JSON over HTTP | `mcp`, `look`, `view`, `export`, `app`, `store`, `core`, `config`, `secret`, `error` |
//! | `mcp` | the archive for assistants: a Model Context Protocol server | `look`, `view`, `app`, `store`, `core`, `error` |
//! | `look` | looks at the archive for the requests of others, few and bounded | `view`, `export`, `app`, `store`, `core`, `config`, `clock`, `error` |
//! | [`service`] | the service: its loop, signals, alerts and the service manager | `notify`, `app`, `sync`, `api`, `store`, `core`, `config`, `clock`, `error` |
//! | [`notify`] | notifications: webhooks, commands and mail | `view`, `app`, `api`, `store`, `core`, `config`, `clock`, `secret`, `error` |
//! | `view` | what a reader is shown, whichever way they look | `app`, `store`, `core`, `config`, `error` |
//! | [`app`] | what commands and the service share: wiring, parked accounts, metrics, the forecast, the lake | `sync`, `lake`, `api`, `store`, `core`, `config`, `clock`, `secret`, `error` |
//! | [`sync`] | a run: plan, reserve, fetch, write, report | `api`, `store`, `core`, `clock` |
//! | [`export`] | the archive as other files, and back from JSON Lines | `store`, `core` |
//! | `lake` | the archive as Delta Lake tables, which many archives share | `export`, `api`, `store`, `core`, `secret` |
//! | [`linkedin_export`] | reads the member's own export from LinkedIn | `store`, `core` |
//! | [`api`] | HTTP: LinkupAPI and webhooks | `core`, `clock`, `secret` |
//! | [`store`] | the edge to SQLite, and the only SQL | `core` |
//! | [`core`] | pure: messages, timelines, plans, budgets, schedules | nothing |
//! | [`error`] | how the program fails: messages, help, exit codes | `api`, `config` |
//! | [`logging`] | the log | `core`, `config` |
//! | [`config`] | the configuration and where secrets come from | `core`, `secret` |
//! | [`clock`] | time as an argument | `core` |
//! | [`secret`] | keys and tokens that no log can show | nothing |

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod error;
pub mod export;
#[cfg(feature = "lake")]
pub mod lake;
pub mod linkedin_export;
pub mod logging;
mod look;
#[cfg(feature = "mcp")]
mod mcp;
pub mod notify;
pub mod secret;
pub mod service;
pub mod store;
pub mod sync;
mod view;
pub mod web;
