//! The archive as Delta Lake tables, in a folder or on S3, which many archives share.

pub mod delta;
mod error;
pub mod storage;

pub use self::error::LakeError;
