//! The gaps of a conversation, and what one page of messages does to them.
//!
//! A page takes one road, and enters each room once. `api` reads it and [`timestamps`] gives each message its place in
//! time; then, in one transaction, [`apply::apply`] matches it with what is stored ([`identity`]), weighs what speaks
//! for and against it (`doubt`), and returns what it changes as [`apply::Update`]s, which the store carries out.

pub mod apply;
pub mod bar;
pub(super) mod coverage;
mod doubt;
pub mod gap;
pub mod history;
pub mod identity;
pub mod invariants;
pub mod pairing;
pub mod recheck;
pub mod stall;
pub mod timestamps;
