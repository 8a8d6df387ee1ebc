//! Backups as age files: encrypted to public keys, and opened with the identity file that has the private one.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use age::x25519::Recipient;
use age::{DecryptError, Decryptor, Encryptor, IdentityFile};

use super::StoreError;
use super::schema::file::open_private;

/// What an age file begins with.
const HEADER: &[u8] = b"age-encryption.org/v1\n";
/// How its name ends.
pub const ENDING: &str = ".age";
/// Bytes between looks at whether to stop.
const CHUNK: usize = 1 << 20;

/// Public keys that a backup is encrypted to; each of their private keys opens it alone.
#[derive(Clone)]
pub struct Recipients(Vec<Recipient>);

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

impl Recipients {
    /// Reads public keys such as `age1…`; `None` if there are none.
    ///
    /// # Errors
    /// What is wrong with the first that is no public key.
    pub fn parse(keys: &[String]) -> Result<Option<Self>, String> {
        let parse = |key: &String| {
            // Never repeated: it may be the private key.
            if key.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                return Err("that is a private key, which must not be passed around".to_owned());
            }
            key.parse::<Recipient>().map_err(|why| format!("{key:?} is no public key of age: {why}"))
        };
        let keys: Vec<Recipient> = keys.iter().map(parse).collect::<Result<_, String>>()?;
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
    /// It was asked to stop.
    #[error("stopped before it was done")]
    Stopped,
}

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
    path.extension().is_some_and(|ending| ending == "age")
}

/// Encrypts a file into a new one of mode 0600. Returns whether it was not asked to stop.
pub(super) fn seal(from: &Path, to: &Path, keys: &Recipients, stop: &dyn Fn() -> bool) -> io::Result<bool> {
    let encryptor = Encryptor::with_recipients(keys.0.iter().map(|key| key as &dyn age::Recipient));
    let encryptor = encryptor.map_err(io::Error::other)?;
    let mut plain = File::open(from)?;
    let mut sealed = encryptor.wrap_output(BufWriter::new(open_private(to)?))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        if stop() {
            return Ok(false);
        }
        match plain.read(&mut chunk)? {
            0 => break,
            n => sealed.write_all(chunk.get(..n).unwrap_or_default())?,
        }
    }
    sealed.finish()?.flush()?;
    Ok(true)
}

/// Decrypts an age file into a new one of mode 0600. What was written is left when it fails.
pub(super) fn unseal(
    from: &Path,
    identity: &Path,
    to: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<(), UnsealError> {
    let unusable = |why: String| UnsealError::Identity(format!("{}: {why}", identity.display()));
    let keys = File::open(identity).map_err(UnsealError::file(identity))?;
    let keys = IdentityFile::from_buffer(BufReader::new(keys)).map_err(|e| unusable(e.to_string()))?;
    let keys = keys.into_identities().map_err(|e| unusable(e.to_string()))?;
    if keys.is_empty() {
        return Err(unusable("it holds no private key".to_owned()));
    }
    let sealed = File::open(from).map_err(UnsealError::file(from))?;
    let opened = Decryptor::new(BufReader::new(sealed))
        .and_then(|file| file.decrypt(keys.iter().map(|key| key.as_ref() as &dyn age::Identity)));
    let mut opened = opened.map_err(|error| match error {
        DecryptError::NoMatchingKeys => UnsealError::OtherKeys,
        other => UnsealError::Damaged(other.to_string()),
    })?;
    let mut plain = open_private(to).map_err(UnsealError::file(to))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        if stop() {
            return Err(UnsealError::Stopped);
        }
        match opened.read(&mut chunk) {
            Ok(0) => return plain.flush().map_err(UnsealError::file(to)),
            Ok(n) => plain.write_all(chunk.get(..n).unwrap_or_default()).map_err(UnsealError::file(to))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(UnsealError::Damaged(error.to_string())),
        }
    }
}
