//! The store by itself: transactions, ledger, texts, names, and every character there is.

mod changes;
mod erased;
mod files;
mod flat;
mod guard;
mod ledger;
mod media;
mod page;
mod people;
mod plans;
mod raw;
mod texts;
