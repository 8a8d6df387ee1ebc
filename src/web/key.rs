//! The key to the archive: whoever has it may read. A browser exchanges it once for a cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::secret::Secret;

/// Bytes of chance in a key.
const BYTES: usize = 32;
/// The least letters that a key of the user's own must have.
pub const SHORTEST: usize = 20;

/// The key, and the cookie that stands for it.
#[derive(Debug, Clone)]
pub struct AccessKey {
    key: Secret,
    cookie: Secret,
}

impl AccessKey {
    /// A new key of the system's randomness; `None` if that cannot be had.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0_u8; BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self::of(Secret::new(&URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// A key that is kept; `None` if it is too short, or has letters that a URL cannot hold as they are.
    #[must_use]
    pub fn kept(key: Secret) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
        (key.expose().len() >= SHORTEST && key.expose().chars().all(is_plain)).then(|| Self::of(key))
    }

    fn of(key: Secret) -> Self {
        let signed = sign(key.expose().as_bytes(), b"archiver: the cookie of a browser");
        let cookie = Secret::new(&URL_SAFE_NO_PAD.encode(signed.as_ref()));
        Self { key, cookie }
    }

    /// The key itself, for whoever is to have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.key.expose()
    }

    /// The cookie's value.
    pub(super) fn cookie(&self) -> &str {
        self.cookie.expose()
    }

    /// Whether this is the key. Takes as long whatever is wrong about it.
    pub(super) fn is(&self, given: &str) -> bool {
        same(self.key.expose(), given)
    }

    /// Whether this is the cookie's value.
    pub(super) fn is_cookie(&self, given: &str) -> bool {
        same(self.cookie.expose(), given)
    }
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

/// Compares two texts by what both are signed to, which tells nothing of where they begin to differ.
fn same(expected: &str, given: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, expected.as_bytes());
    let tag = hmac::sign(&key, expected.as_bytes());
    hmac::verify(&key, given.trim().as_bytes(), tag.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_random_and_safe_in_a_url() {
        let (one, other) = (AccessKey::random().unwrap(), AccessKey::random().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), other.expose());
        assert!(AccessKey::kept(Secret::new(one.expose())).is_some());
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn only_the_key_is_the_key_and_only_the_cookie_the_cookie() {
        let key = AccessKey::kept(Secret::new("a-key-of-the-users-own")).unwrap();
        assert!(key.is("a-key-of-the-users-own") && key.is(" a-key-of-the-users-own\n"));
        assert!(!key.is("a-key-of-the-users-owN") && !key.is("") && !key.is(key.cookie()));
        assert!(key.is_cookie(key.cookie()) && !key.is_cookie(key.expose()) && !key.is_cookie(""));
        assert!(AccessKey::kept(Secret::new("short")).is_none());
        assert!(AccessKey::kept(Secret::new("with a space in between it")).is_none());
    }
}
