//! The archive as Delta Lake tables, and where they are kept.

mod bucket;
mod credentials;
mod folder;
mod s3;
mod signature;
mod storage;
