//! Erased messages: how one is known again without a word of what it said.

pub mod floor;
pub mod twin;
pub mod undated;

use std::fmt;

use ring::hmac;

use crate::core::Ms;
use crate::core::model::message::Message;
use crate::core::model::urn;
use crate::core::timeline::pairing::plain;

/// The secret that marks are made with: 64 hexadecimal digits. It says nothing in a log.
#[derive(Clone)]
pub struct MarkKey(hmac::Key);

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MarkKey(…)")
    }
}

impl MarkKey {
    /// The key of these digits.
    #[must_use]
    pub fn new(digits: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, digits.as_bytes()))
    }

    /// The mark of a message's id, however it is spelt.
    #[must_use]
    pub fn of_urn(&self, given: &str) -> i64 {
        self.mark(b"urn", &[&urn::identity(given)])
    }

    /// The mark of what a sender said in the second of this time (ms).
    #[must_use]
    pub fn of_text(&self, at_ms: Ms, sender: &str, text: &str) -> i64 {
        self.mark(b"text", &[&second(at_ms), sender.as_bytes(), plain(text).as_bytes()])
    }

    /// The mark of a sender having said something in the second of this time (ms).
    #[must_use]
    pub fn of_place(&self, at_ms: Ms, sender: &str) -> i64 {
        self.mark(b"place", &[&second(at_ms), sender.as_bytes()])
    }

    /// The mark of a name, a profile's URL or a thread's id, as it is written.
    #[must_use]
    pub fn of_name(&self, name: &str) -> i64 {
        self.mark(b"name", &[name.as_bytes()])
    }

    /// The mark of a profile, however its URL is spelt.
    #[must_use]
    pub fn of_profile(&self, url: &str) -> i64 {
        let slug = urn::profile_slug(url);
        self.mark(b"profile", &[slug.unwrap_or_else(|| url.trim_end_matches('/').to_lowercase()).as_bytes()])
    }

    /// All marks of a message.
    #[must_use]
    pub fn of_message(&self, message: &Message) -> Marks {
        let (at_ms, sender) = (message.at_ms, message.sender.name.as_str());
        Marks {
            urn: message.urn.as_deref().map(|given| self.of_urn(given)),
            text: self.of_text(at_ms, sender, &message.text),
            place: self.of_place(at_ms, sender),
        }
    }

    fn mark(&self, kind: &[u8], parts: &[&[u8]]) -> i64 {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&kind).chain(parts) {
            // With its length, so that no two lists of parts run together into the same bytes.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        tag.as_ref().first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes))
    }
}

fn second(at_ms: Ms) -> [u8; 8] {
    at_ms.div_euclid(1000).to_be_bytes()
}

/// The marks of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Of its id; `None`: the API gave none.
    pub urn: Option<i64>,
    /// Of its second, sender and text.
    pub text: i64,
    /// Of its second and sender.
    pub place: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_messages_apart_and_keys_make_them_unrelated() {
        let (one, other) = (MarkKey::new("01"), MarkKey::new("02"));
        assert_eq!(one.of_text(1_999, "Ada", "a  b"), one.of_text(1_000, "Ada", "a b"));
        assert_ne!(one.of_text(2_000, "Ada", "a b"), one.of_text(1_999, "Ada", "a b"));
        assert_ne!(one.of_text(1_000, "Ad", "aa b"), one.of_text(1_000, "Ada", "a b"));
        assert_ne!(one.of_name("Ada"), other.of_name("Ada"));
        assert_ne!(one.of_place(1_000, "Ada"), one.of_text(1_000, "Ada", ""));
        assert_eq!(format!("{one:?}"), "MarkKey(…)");
    }
}
