//! API keys and login tokens as a type that no log, error or debug output can show.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// A key or token, without the white space around it that files and copying bring along. Its memory is
/// overwritten when it is dropped.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text, trimmed; some editors begin a file with a byte order mark.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text.trim_start_matches('\u{feff}').trim()))
    }

    /// Takes a password, whose white space is a part of it.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself: for the request that needs it, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether nothing but white space was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        // Goes through `SecretString` so that the given copy is overwritten as well.
        Self::new(SecretString::from(text).expose_secret())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_trimmed_and_never_shown() {
        let secret = Secret::from("\u{feff} sk-12345678\r\n".to_owned());
        assert_eq!(secret.expose(), "sk-12345678");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert!(Secret::new(" \n").is_empty());
    }

    #[test]
    fn a_secret_can_be_read_from_a_file_of_settings() {
        let secret: Secret = serde_json::from_str("\"  abc \"").unwrap();
        assert_eq!(secret.expose(), "abc");
    }
}
