//! A key or a token: printable by nobody, wiped from memory when dropped.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// A secret text. `Debug` prints `***`; there is no `Display`.
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a secret, without the white space around it that files and terminals add.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into().trim()))
    }

    /// The secret itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
