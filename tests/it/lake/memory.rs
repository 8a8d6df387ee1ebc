//! A lake in memory, for tests, with a clock of its own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use archiver::lake::LakeError;
use archiver::lake::storage::{Created, ListedObject, Storage};
use bytes::Bytes;

#[derive(Default)]
pub(crate) struct MemoryStorage {
    objects: Mutex<BTreeMap<String, (Bytes, i64)>>,
    /// What the storage believes the time to be.
    pub(crate) now: AtomicI64,
    /// How many calls there were.
    pub(crate) calls: AtomicU64,
}

impl MemoryStorage {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    fn stamped(&self, bytes: Bytes) -> (Bytes, i64) {
        (bytes, self.now.load(Ordering::Relaxed))
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Storage for MemoryStorage {
    fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        self.count();
        Ok(self.objects.lock().unwrap().get(key).map(|(bytes, _)| bytes.clone()))
    }

    fn create(&self, key: &str, bytes: Bytes) -> Result<Created, LakeError> {
        self.count();
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(key) {
            return Ok(Created::Taken);
        }
        objects.insert(key.to_owned(), self.stamped(bytes));
        Ok(Created::Yes)
    }

    fn put(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        self.count();
        self.objects.lock().unwrap().insert(key.to_owned(), self.stamped(bytes));
        Ok(())
    }

    fn delete(&self, keys: &[String]) -> Result<(), LakeError> {
        self.count();
        let mut objects = self.objects.lock().unwrap();
        keys.iter().for_each(|key| drop(objects.remove(key)));
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<ListedObject>, LakeError> {
        self.count();
        let objects = self.objects.lock().unwrap();
        let of = |(key, (bytes, when)): (&String, &(Bytes, i64))| ListedObject {
            key: key.clone(),
            size: bytes.len() as u64,
            modified_ms: *when,
        };
        Ok(objects
            .range(folder.to_owned()..)
            .take_while(|(key, _)| key.starts_with(folder))
            .map(of)
            .collect())
    }
}
