//! What stands in for encryption in a build without it.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use super::UnsealError;

/// Public keys that a backup is encrypted to: none can be had.
// Also in a build with encryption: there they can.
#[derive(Clone, Debug)]
pub struct Recipients(Infallible);

impl Recipients {
    /// Reads no public key.
    ///
    /// # Errors
    /// Where there is one, which builds can.
    pub fn parse(keys: &[String]) -> Result<Option<Self>, String> {
        if keys.is_empty() {
            return Ok(None);
        }
        Err("this build does not support encryption; build it with `--features encrypt`, or install the package, \
             which has it"
            .to_owned())
    }
}

/// Never called: there are no keys.
pub(in crate::store) fn seal(
    _: &Path,
    _: &Path,
    keys: &Recipients,
    _: &dyn Fn() -> bool,
) -> io::Result<bool> {
    match keys.0 {}
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
