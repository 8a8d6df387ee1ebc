//! The search language: queries, and how texts become words.

pub mod query;
pub mod tokenize;
