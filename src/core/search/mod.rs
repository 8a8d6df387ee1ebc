//! The search language: queries, and how texts become words.

mod letters;
mod plain;
pub mod query;
pub mod tokenize;
