//! Objects in a bucket of S3.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutPayload};
use tokio::runtime::{Builder, Runtime};

use super::super::storage::{Created, ListedObject};
use super::trouble::{BucketWords, Last, TRAIL, Trail, Trouble};
use super::{ObjectAccess, aws};
use crate::lake::LakeError;

/// So many objects are deleted at once, each by itself: the bulk request is not known to every server.
const DELETIONS: usize = 16;
/// A deletion whose answer was lost, and a creation that met another, are tried so often.
const TRIES: u32 = 5;

/// A bucket, or what begins with a prefix in it.
pub(super) struct Bucket {
    store: AmazonS3,
    words: BucketWords,
    prefix: String,
    runtime: Runtime,
}

impl Bucket {
    /// Opens it and looks whether it can be listed.
    pub(super) fn open(bucket: &str, prefix: &str, access: &ObjectAccess) -> Result<Self, Trouble> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Trouble::new(format!("cannot start the async runtime: {error}"), ""))?;
        let (store, words) = aws::connect(bucket, access)?;
        let bucket = Self { store, words, prefix: prefix.to_owned(), runtime };
        bucket.run(async {
            let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
            bucket
                .store
                .list_paginated(
                    Some(&format!("{prefix}/")).filter(|_| !prefix.is_empty()).map(String::as_str),
                    options,
                )
                .await
                .map_err(|error| bucket.words.explain(&error))
        })?;
        Ok(bucket)
    }

    pub(super) fn place(&self) -> String {
        match self.prefix.as_str() {
            "" => format!("s3://{}", self.words.bucket),
            prefix => format!("s3://{}/{prefix}", self.words.bucket),
        }
    }

    /// Waits until a call is done, which has a trail of its own.
    fn run<T>(&self, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        self.runtime.block_on(TRAIL.scope(Trail::default(), call))
    }

    fn path(&self, key: &str) -> Result<Path, Trouble> {
        let full = match (self.prefix.as_str(), key) {
            ("", key) => key.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, key) => format!("{prefix}/{key}"),
        };
        // Not `Path::from`, which would write a `%` of the key as `%25`.
        Path::parse(full).map_err(|error| Trouble::new(error.to_string(), ""))
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Bytes>, Trouble> {
        let path = self.path(key)?;
        self.run(async {
            let bytes = match self.store.get(&path).await {
                Ok(found) => found.bytes().await,
                Err(error) => Err(error),
            };
            match bytes {
                Ok(bytes) => Ok(Some(bytes)),
                Err(Error::NotFound { .. }) if !Trail::is("NoSuchBucket") => Ok(None),
                Err(error) => Err(self.words.explain(&error)),
            }
        })
    }

    pub(super) fn put(&self, key: &str, bytes: Bytes) -> Result<(), Trouble> {
        let path = self.path(key)?;
        self.run(async {
            let put = self.store.put(&path, PutPayload::from_bytes(bytes)).await;
            put.map(drop).map_err(|error| self.words.explain(&error))
        })
    }

    pub(super) fn create(&self, key: &str, bytes: Bytes) -> Result<Created, Trouble> {
        let path = self.path(key)?;
        self.run(async {
            let mut tries = 0;
            loop {
                let payload = PutPayload::from_bytes(bytes.clone());
                match self.store.put_opts(&path, payload, PutMode::Create.into()).await {
                    Ok(_) => return Ok(Created::Yes),
                    // A conflict is with another creation that may yet fail, or with a deletion.
                    Err(error @ Error::AlreadyExists { .. })
                        if Trail::status() == Some(http::StatusCode::CONFLICT) =>
                    {
                        let conflict = self.words.explain(&error);
                        match self.store.head(&path).await {
                            Ok(_) => return Ok(Created::Taken),
                            Err(Error::NotFound { .. }) if tries < TRIES => tries += 1,
                            Err(Error::NotFound { .. }) => return Err(conflict),
                            Err(error) => return Err(self.words.explain(&error)),
                        }
                        tokio::time::sleep(wait(tries)).await;
                    }
                    Err(Error::AlreadyExists { .. }) => return Ok(Created::Taken),
                    Err(error) => return Err(self.words.explain(&error)),
                }
            }
        })
    }

    pub(super) fn delete(&self, keys: &[String]) -> Result<(), LakeError> {
        let paths = keys.iter().map(|key| self.path(key).map(|path| (key, path)));
        let paths: Vec<(&String, Path)> =
            paths.collect::<Result<_, _>>().map_err(|trouble| LakeError::storage("", trouble))?;
        let deleted = stream::iter(&paths).map(|(key, path)| {
            TRAIL.scope(Trail::default(), async move {
                self.delete_one(path).await.map_err(|trouble| LakeError::storage(key, trouble))
            })
        });
        self.runtime.block_on(deleted.buffer_unordered(DELETIONS).try_collect::<()>())
    }

    async fn delete_one(&self, path: &Path) -> Result<(), Trouble> {
        let mut tries = 0;
        loop {
            match self.store.delete(path).await {
                Ok(()) => return Ok(()),
                Err(Error::NotFound { .. }) if !Trail::is("NoSuchBucket") => return Ok(()),
                // Whether it arrived or not, a deletion can be asked for again.
                Err(_) if tries < TRIES && matches!(Trail::last(), Some(Last::Lost { .. })) => tries += 1,
                Err(error) => return Err(self.words.explain(&error)),
            }
            tokio::time::sleep(wait(tries)).await;
        }
    }

    /// All objects below a folder, in the order of the server.
    pub(super) fn list(&self, below: &str) -> Result<Vec<ListedObject>, Trouble> {
        let folder = self.path(below)?;
        let root = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
        let inside = if below.is_empty() { root.clone() } else { format!("{root}{below}/") };
        self.run(async {
            let all = self.store.list(Some(&folder).filter(|path| !path.as_ref().is_empty()));
            let all: Vec<_> = all.try_collect().await.map_err(|error| self.words.explain(&error))?;
            let listed = all.into_iter().filter_map(|meta| {
                // An object that stands for the folder itself is none of its objects.
                let path = meta.location.as_ref();
                let key = path.strip_prefix(root.as_str()).filter(|_| path.starts_with(&inside))?.to_owned();
                Some(ListedObject {
                    key,
                    size: meta.size,
                    modified_ms: meta.last_modified.timestamp_millis(),
                })
            });
            Ok(listed.collect())
        })
    }
}

fn wait(tries: u32) -> Duration {
    Duration::from_millis(100) * 2_u32.saturating_pow(tries) + Duration::from_millis(fastrand::u64(..100))
}
