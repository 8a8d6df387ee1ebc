//! The archive as Delta Lake tables, in a folder or on S3, which many archives share.

mod changes;
pub mod delta;
mod error;
mod files;
pub mod objects;
pub mod push;
mod reuse;
mod state;
pub mod storage;
mod tables;
mod tidy;
pub mod verify;

pub use self::error::LakeError;
