//! Backups as age files: encrypted to public keys, and opened with the identity file that has the private one.

#[cfg(feature = "encrypt")]
mod age;
#[cfg(not(feature = "encrypt"))]
mod without;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::StoreError;

#[cfg(feature = "encrypt")]
use self::age::{Key, key};
#[cfg(feature = "encrypt")]
pub(super) use self::age::{seal, unseal};
#[cfg(not(feature = "encrypt"))]
use self::without::{Key, key};
#[cfg(not(feature = "encrypt"))]
pub(super) use self::without::{seal, unseal};

/// What an age file begins with.
const HEADER: &[u8] = b"age-encryption.org/v1\n";
/// How its name ends.
pub const ENDING: &str = ".age";
/// Public keys that a backup is encrypted to; each of their private keys opens it alone.
#[derive(Clone)]
pub struct Recipients(Vec<Key>);

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

impl Recipients {
    /// Reads public keys such as `age1…`; `None` if there are none.
    ///
    /// # Errors
    /// What is wrong with the first that is no public key, or that this build has no encryption.
    pub fn parse(keys: &[String]) -> Result<Option<Self>, String> {
        let keys: Vec<Key> = keys.iter().map(|text| key(text)).collect::<Result<_, String>>()?;
        Ok((!keys.is_empty()).then_some(Self(keys)))
    }
}

/// Why an age file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// The archive is in use, or its folder cannot be written.
    #[error(transparent)]
    Archive(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The identity file holds no private key that can be used.
    #[error("{0}")]
    Identity(String),
    /// It was encrypted to other keys.
    #[error("it was encrypted to other keys")]
    OtherKeys,
    /// It is cut, was changed, or is no age file.
    #[error("{0}")]
    Damaged(String),
    /// This program cannot.
    #[error("this build does not support encryption")]
    NotBuilt,
    /// It was asked to stop.
    #[error("stopped before it was done")]
    Stopped,
}

#[cfg(feature = "encrypt")]
impl UnsealError {
    fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path: path.clone(), source }
    }
}

/// Whether a file is an age file by its name and its first line.
#[must_use]
pub fn is_sealed(path: &Path) -> bool {
    has_ending(path) && has_header(path)
}

/// Whether a file begins as an age file does, whatever its name.
#[must_use]
pub fn has_header(path: &Path) -> bool {
    let mut head = [0; HEADER.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == HEADER
}

/// Whether a name is that of an age file.
#[must_use]
pub fn has_ending(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(ENDING.as_bytes())
}
