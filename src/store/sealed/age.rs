//! Encryption and decryption by the age library.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

pub(super) use ::age::x25519::Recipient as Key;
use ::age::{DecryptError, Decryptor, Encryptor, IdentityFile};

use super::{Recipients, UnsealError};
use crate::store::schema::file::open_private;

/// Bytes between looks at whether to stop.
const CHUNK: usize = 1 << 20;

/// Reads a public key such as `age1…`.
pub(super) fn key(text: &str) -> Result<Key, String> {
    // Never repeated: it may be the private key.
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err("that is a private key; pass the public key (age1…)".to_owned());
    }
    text.parse().map_err(|why| format!("{text:?} is not an age public key (age1…): {why}"))
}

/// Encrypts a file into a new one of mode 0600. Returns whether it was not asked to stop.
pub(in crate::store) fn seal(
    from: &Path,
    to: &Path,
    keys: &Recipients,
    stop: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let encryptor = Encryptor::with_recipients(keys.0.iter().map(|key| key as &dyn ::age::Recipient));
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
pub(in crate::store) fn unseal(
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
        .and_then(|file| file.decrypt(keys.iter().map(|key| key.as_ref() as &dyn ::age::Identity)));
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
