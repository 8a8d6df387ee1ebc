//! What stands in for encryption in a build without it.

pub(super) use std::convert::Infallible as Key;
use std::io;
use std::path::Path;

use super::{Recipients, UnsealError};

/// Reads no public key, and says which builds can.
pub(super) fn key(_: &str) -> Result<Key, String> {
    let why = "this build does not support encryption; build it with `--features encrypt`, or install the package, which \
               has it";
    Err(why.to_owned())
}

/// Never called: there are no keys.
pub(in crate::store) fn seal(_: &Path, _: &Path, _: &Recipients, _: &dyn Fn() -> bool) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens nothing.
pub(in crate::store) fn unseal(
    _: &Path,
    _: &Path,
    _: &Path,
    _: &dyn Fn() -> bool,
) -> Result<(), UnsealError> {
    Err(UnsealError::NotBuilt)
}
