//! The stand-in for LinkupAPI: the contract made executable.
//!
//! [`model`] is one mailbox as LinkedIn holds it, [`server`] answers requests over mailboxes, both pure:
//! a simulation calls them directly. [`serve`] puts a server behind a socket for tests, `archiver fake-api` and
//! `archiver demo`. Everything that the API's documentation leaves open is a switch in [`behaviour`], everything
//! that can go wrong a [`crate::faults::Fault`].

mod ask;
pub mod behaviour;
mod bomb;
pub mod compare;
mod config;
mod control;
mod dialogues;
pub mod faults;
mod http;
pub mod inbox;
mod login;
mod mailbox;
pub mod meanwhile;
pub mod meter;
pub mod mischief;
pub mod model;
mod pages;
mod people;
pub mod refusal;
mod script;
pub mod serve;
pub mod server;
pub mod synth;
pub mod urn;
mod webhooks;
mod wire;

pub use behaviour::Behaviour;
pub use faults::{Fault, FaultRule, Form, RetryAfter, Times, When};
pub use model::{Author, Mailbox, Person, ServerMessage, TypedPage};
pub use server::{Account, Reply, Request, Server};

/// Milliseconds since the Unix epoch, UTC.
pub type Ms = i64;

#[cfg(test)]
mod tests;
