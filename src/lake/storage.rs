//! What a lake needs of the place that its objects are in.

use bytes::Bytes;

use super::LakeError;
use crate::core::Ms;

/// An object of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key within the lake, such as `messages/_delta_log/00000000000000000000.json`.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the storage's clock (ms).
    pub modified_ms: Ms,
}

/// Whether an object was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was.
    Yes,
    /// There was one of this key before.
    Taken,
}

/// Where a lake's objects are: a folder, a bucket. Keys are relative to the lake. An object is seen whole or not at all.
pub trait Storage {
    /// An object's bytes; `None` when there is none.
    ///
    /// # Errors
    /// When the storage cannot be reached or read.
    fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError>;

    /// Puts an object where there is none: of several who try, one succeeds.
    ///
    /// # Errors
    /// When the storage cannot be reached or written. The object may be there nevertheless: look before trying again.
    fn create(&self, key: &str, bytes: Bytes) -> Result<Created, LakeError>;

    /// Puts an object, whether there was one or not.
    ///
    /// # Errors
    /// When the storage cannot be reached or written. The object may be there nevertheless.
    fn put(&self, key: &str, bytes: Bytes) -> Result<(), LakeError>;

    /// As [`put`](Self::put), but it may return before the object is there: it is when [`settle`](Self::settle) has
    /// returned.
    ///
    /// # Errors
    /// As `put`, also those of objects that were put before.
    fn put_soon(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        self.put(key, bytes)
    }

    /// Waits until all objects that are put soon are there.
    ///
    /// # Errors
    /// As [`put`](Self::put), when any of them is not.
    fn settle(&self) -> Result<(), LakeError> {
        Ok(())
    }

    /// Deletes objects; those that are not there do not matter.
    ///
    /// # Errors
    /// When the storage cannot be reached or written. Some may be deleted nevertheless.
    fn delete(&self, keys: &[String]) -> Result<(), LakeError>;

    /// All objects below a folder's key, which ends with `/`, in the order of their keys.
    ///
    /// # Errors
    /// When the storage cannot be reached or read.
    fn list(&self, folder: &str) -> Result<Vec<ListedObject>, LakeError>;
}
