//! The archive as Delta Lake tables, in a folder or on S3, which many archives share.

mod error;
pub mod objects;
pub mod storage;

pub use self::error::LakeError;
