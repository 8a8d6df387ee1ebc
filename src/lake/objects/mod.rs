//! The storage of a lake: a folder, or a bucket of S3.

mod aws;
mod bucket;
mod folder;
mod http;
mod profile;
mod trouble;
mod uploads;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

pub use self::aws::CloudEnv;
use self::bucket::Bucket;
use self::folder::Folder;
use self::uploads::Uploads;
use super::LakeError;
use super::storage::{Created, ListedObject, Storage};
use crate::api::Network;

/// How a place of S3 begins.
const S3: &str = "s3://";

/// What the environment and the configuration say about reaching a lake.
#[derive(Debug, Clone)]
pub struct ObjectAccess {
    /// The variables that cloud tools read: credentials, region, endpoint, and where their files are.
    pub env: CloudEnv,
    /// The region, if the configuration names one. It goes before the environment.
    pub region: Option<String>,
    /// The URL of the S3 server, if the configuration names one. It goes before the environment.
    pub endpoint: Option<String>,
    /// The proxy and further CA certificates.
    pub network: Network,
    /// How long a server may be silent.
    pub patience: Duration,
}

impl Default for ObjectAccess {
    fn default() -> Self {
        Self {
            env: CloudEnv::default(),
            region: None,
            endpoint: None,
            network: Network::default(),
            patience: Duration::from_secs(30),
        }
    }
}

/// The objects of a lake. Each call blocks until it is done, so that none may be made inside an async runtime.
pub struct Objects {
    backend: Arc<Backend>,
    uploads: Mutex<Uploads>,
}

enum Backend {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.place()).finish()
    }
}

impl Backend {
    fn put(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        match self {
            Self::Folder(folder) => folder.put(key, &bytes).map_err(|error| LakeError::storage(key, error)),
            Self::Bucket(bucket) => bucket.put(key, bytes).map_err(|error| LakeError::storage(key, error)),
        }
    }
}

impl Objects {
    fn of(backend: Backend) -> Self {
        Self { backend: Arc::new(backend), uploads: Mutex::default() }
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a folder, which is created if it is missing, or `s3://BUCKET/PREFIX`. Looks whether it can be read, and
    /// removes what a writer that crashed left unfinished in the folder.
    ///
    /// # Errors
    /// [`LakeError::Refused`] when the place cannot be used as it is given; says what to do.
    pub fn open(place: &Path, access: &ObjectAccess) -> Result<Self, LakeError> {
        match place.to_str().and_then(|text| text.strip_prefix(S3)) {
            Some(rest) => {
                let (bucket, prefix) = bucket_and_prefix(rest)?;
                let bucket = Bucket::open(bucket, prefix, access).map_err(|trouble| {
                    let what = format!("{}: {}", place.display(), trouble.message);
                    LakeError::refused(what, trouble.help)
                })?;
                Ok(Self::of(Backend::Bucket(Box::new(bucket))))
            }
            None => {
                check_folder(place)?;
                let folder = Folder::open(place).map_err(|error| folder::refused(place, &error))?;
                Ok(Self::of(Backend::Folder(folder)))
            }
        }
    }

    /// The place, as a message names it.
    #[must_use]
    pub fn place(&self) -> String {
        match &*self.backend {
            Backend::Folder(folder) => folder.root().display().to_string(),
            Backend::Bucket(bucket) => bucket.place(),
        }
    }

    /// Makes sure that of two who create the same object one is refused, on which every commit relies and which not
    /// every server that speaks S3 can do. Puts a small object and deletes it.
    ///
    /// # Errors
    /// [`LakeError::Refused`] when the storage overwrites; otherwise as [`Storage::create`].
    pub fn check_create(&self) -> Result<(), LakeError> {
        let key = format!("_archiver/probe-{:016x}", fastrand::u64(..));
        let created =
            [self.create(&key, Bytes::from_static(b"1")), self.create(&key, Bytes::from_static(b"2"))];
        self.delete(&[key])?;
        match created {
            [_, Ok(Created::Taken)] => Ok(()),
            [_, Ok(Created::Yes)] => Err(LakeError::refused(
                format!(
                    "{}: the server overwrites objects that are to be created (If-None-Match)",
                    self.place()
                ),
                "use a storage that supports conditional writes, such as AWS S3, Cloudflare R2 or a recent MinIO",
            )),
            [Err(error), _] | [_, Err(error)] => Err(error),
        }
    }
}

impl Storage for Objects {
    fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        check_key(key)?;
        match &*self.backend {
            Backend::Folder(folder) => folder.get(key).map_err(|error| LakeError::storage(key, error)),
            Backend::Bucket(bucket) => bucket.get(key).map_err(|error| LakeError::storage(key, error)),
        }
    }

    fn create(&self, key: &str, bytes: Bytes) -> Result<Created, LakeError> {
        check_key(key)?;
        match &*self.backend {
            Backend::Folder(folder) => {
                folder.create(key, &bytes).map_err(|error| LakeError::storage(key, error))
            }
            Backend::Bucket(bucket) => {
                bucket.create(key, bytes).map_err(|error| LakeError::storage(key, error))
            }
        }
    }

    fn put(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        check_key(key)?;
        self.backend.put(key, bytes)
    }

    fn put_soon(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        check_key(key)?;
        let (backend, key) = (Arc::clone(&self.backend), key.to_owned());
        self.uploads().begin(bytes.len(), move || backend.put(&key, bytes))
    }

    fn settle(&self) -> Result<(), LakeError> {
        self.uploads().end()
    }

    fn delete(&self, keys: &[String]) -> Result<(), LakeError> {
        keys.iter().try_for_each(|key| check_key(key))?;
        match &*self.backend {
            Backend::Folder(folder) => folder.delete(keys),
            Backend::Bucket(bucket) => bucket.delete(keys),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<ListedObject>, LakeError> {
        let below = match folder {
            "" => "",
            _ => {
                folder.strip_suffix('/').ok_or_else(|| bad_key(folder, "a folder's key ends with a slash"))?
            }
        };
        if !below.is_empty() {
            check_key(below)?;
        }
        let mut listed = match &*self.backend {
            Backend::Folder(of) => of.list(below).map_err(|error| LakeError::storage(folder, error))?,
            Backend::Bucket(of) => of.list(below).map_err(|error| LakeError::storage(folder, error))?,
        };
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }
}

/// Keys are paths that every storage takes as they are.
fn check_key(key: &str) -> Result<(), LakeError> {
    match what_is_wrong(key) {
        Some(what) => Err(bad_key(key, what)),
        None => Ok(()),
    }
}

fn what_is_wrong(key: &str) -> Option<&'static str> {
    if key.split('/').any(str::is_empty) {
        return Some("an object's key neither begins nor ends with a slash, nor has two in a row");
    }
    if key.split('/').any(|part| part == "." || part == "..") {
        return Some("an object's key has no part `.` or `..`");
    }
    if key.chars().any(char::is_control) {
        return Some("an object's key has no control characters");
    }
    let is_staging = key.split('/').next() == Some(folder::STAGING);
    is_staging.then_some("this folder is for objects that are being written")
}

fn bad_key(key: &str, what: &str) -> LakeError {
    LakeError::storage(&key.escape_debug().to_string(), what)
}

/// What S3 calls a bucket, and the prefix of the lake's keys.
fn bucket_and_prefix(rest: &str) -> Result<(&str, &str), LakeError> {
    let wrong = |what: String| LakeError::refused(what, "write it as s3://BUCKET or s3://BUCKET/PREFIX");
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(fits) {
        let what = "has 3 to 63 lower-case letters, digits, dots and hyphens";
        // What is not a bucket's name may be a URL with a password.
        return Err(wrong(format!("the name of a bucket {what}")));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.contains(['?', '#']) {
        return Err(wrong("the prefix in a bucket has no `?` or `#`".to_owned()));
    }
    match what_is_wrong(prefix).filter(|_| !prefix.is_empty()) {
        Some(what) => Err(wrong(format!("the prefix in the bucket {bucket}: {what}"))),
        None => Ok((bucket, prefix)),
    }
}

/// A URL of another kind is no folder's name.
///
/// # Errors
/// [`LakeError::Refused`] when it is one.
pub(crate) fn check_folder(place: &Path) -> Result<(), LakeError> {
    let text = place.to_string_lossy();
    let scheme = text.split_once(":/").map(|(scheme, _)| scheme);
    let is_scheme = |text: &&str| text.len() > 1 && text.chars().all(|c| c.is_ascii_alphanumeric());
    match scheme.filter(is_scheme) {
        Some(scheme) => Err(LakeError::refused(
            format!("a lake cannot be at {}://", scheme.to_lowercase()),
            "name a folder, or s3://BUCKET/PREFIX (lake.endpoint names a server other than AWS)",
        )),
        None if text.is_empty() => {
            Err(LakeError::refused("the lake's folder has no name", "name a folder, or s3://BUCKET/PREFIX"))
        }
        None => Ok(()),
    }
}
