//! Exports: what leaves the archive is what is in it, in every format, and nothing else is touched.

mod columns;
mod html;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod parts;
mod place;
mod since_last;
mod streams;
