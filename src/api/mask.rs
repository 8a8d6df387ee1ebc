//! Secrets that an answer says back are masked before anything of it is stored, however they are written.
//!
//! A secret may stand in an answer as it is, in hexadecimal or in base64, and each character of that may be escaped as
//! JSON (`\\u0041`, `\\/`) or percent-encoded. What is left of it afterwards is [`MASK`].

use std::iter;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What stands in place of a secret.
const MASK: &str = "***";
/// Shorter texts stand in an answer by chance.
const SHORTEST: usize = 6;
/// The same where a text is another one's encoding.
const SHORTEST_ENCODED: usize = 8;

/// Texts that give secrets away.
#[derive(Clone, Default)]
pub(super) struct Mask {
    needles: Vec<Needle>,
    /// The bytes that one may begin with.
    first: Vec<u8>,
}

#[derive(Clone)]
struct Needle {
    text: Vec<u8>,
    alphabet: Alphabet,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Plain,
    /// Capitals or not.
    Hex,
    /// `-_` or `+/`.
    Base64,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").field("needles", &self.needles.len()).finish_non_exhaustive()
    }
}

impl Mask {
    pub(super) fn of<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let needles: Vec<Needle> =
            secrets.filter(|secret| secret.len() >= SHORTEST).flat_map(needles).collect();
        let begins = |byte: &u8| {
            let first =
                |needle: &Needle| needle.text.first().is_some_and(|f| needle.alphabet.same(*byte, *f));
            matches!(byte, b'\\' | b'%') || needles.iter().any(first)
        };
        let first = if needles.is_empty() { Vec::new() } else { (0..=255).filter(begins).collect() };
        Self { needles, first }
    }

    /// The text with each of them masked; `None` where there is none.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let mut out = String::new();
        let (mut at, mut kept) = (0, 0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(next) = rest.iter().position(|byte| self.first.contains(byte)) else { break };
            at += next;
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(length) = self.needles.iter().filter_map(|needle| needle.length_at(rest)).max() else {
                at += 1;
                continue;
            };
            out.push_str(text.get(kept..at)?);
            out.push_str(MASK);
            at += length;
            kept = at;
        }
        (kept > 0).then(|| out + text.get(kept..).unwrap_or_default())
    }
}

fn needles(secret: &str) -> Vec<Needle> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let plain = Needle { text: secret.as_bytes().to_vec(), alphabet: Alphabet::Plain };
    let hex = Needle { text: hex.into_bytes(), alphabet: Alphabet::Hex };
    // In base64 a text looks different after 0, 1 and 2 other bytes, and its ends depend on its neighbours.
    let base64 = (0..3).filter_map(|before| {
        let bytes: Vec<u8> = iter::repeat_n(0, before).chain(secret.bytes()).collect();
        let whole = STANDARD_NO_PAD.encode(&bytes);
        let inner = whole.get((before * 8).div_ceil(6)..bytes.len() * 8 / 6)?;
        let text = inner.as_bytes().to_vec();
        (text.len() >= SHORTEST_ENCODED).then_some(Needle { text, alphabet: Alphabet::Base64 })
    });
    [plain, hex].into_iter().chain(base64).collect()
}

impl Needle {
    /// How many bytes of the text, from its beginning on, write this; `None` where they write something else.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        self.length(&self.text, text)
    }

    fn length(&self, wanted: &[u8], text: &[u8]) -> Option<usize> {
        let Some((first, others)) = wanted.split_first() else { return Some(0) };
        // What looks like an escape may be part of the secret itself.
        let literal = text.first().map(|byte| (*byte, 1));
        let once = escaped(text);
        // The percent sign of an escape may itself be escaped.
        let twice = once.filter(|(byte, _)| *byte == b'%').and_then(|(_, taken)| {
            let (byte, digits) = from_hex(text.get(taken..)?)?;
            Some((byte, taken + digits))
        });
        [literal, once, twice].into_iter().flatten().find_map(|(byte, taken)| {
            let fits = self.alphabet.same(byte, *first);
            fits.then(|| Some(taken + self.length(others, text.get(taken..)?)?)).flatten()
        })
    }
}

impl Alphabet {
    fn same(self, a: u8, b: u8) -> bool {
        a == b
            || match self {
                Self::Plain => false,
                Self::Hex => a.eq_ignore_ascii_case(&b),
                Self::Base64 => matches!((a, b), (b'-', b'+') | (b'_', b'/')),
            }
    }
}

/// The byte whose escape the text begins with, and how many bytes that takes.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'u', b'0', b'0', digits @ ..] => from_hex(digits).map(|(byte, taken)| (byte, taken + 4)),
        [b'\\', byte @ (b'/' | b'"' | b'\\'), ..] => Some((*byte, 2)),
        [b'%', digits @ ..] => from_hex(digits).map(|(byte, taken)| (byte, taken + 1)),
        _ => None,
    }
}

fn from_hex(digits: &[u8]) -> Option<(u8, usize)> {
    let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
    u8::from_str_radix(digits, 16).ok().map(|byte| (byte, 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    const SECRET: &str = "sk+live/0123?456789>%3Dabcdef";

    fn masked(text: &str) -> String {
        Mask::of(iter::once(SECRET)).apply(text).unwrap_or_else(|| text.to_owned())
    }

    fn percent(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    #[test]
    fn a_secret_is_masked_in_every_form_that_an_answer_may_give_it() {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        let json: String = SECRET.bytes().map(|byte| format!("\\u00{byte:02X}")).collect();
        for written in [
            SECRET.to_owned(),
            SECRET.replace('/', "\\/"),
            percent(SECRET),
            percent(SECRET).to_lowercase(),
            percent(SECRET).replace('%', "%25"),
            SECRET.replace('+', "%2B").replace('/', "%2f").replace('?', "%3F").replace('>', "%3E"),
            json.clone(),
            json.replace("\\u006B", "k"),
            hex.to_uppercase(),
            hex,
        ] {
            assert_eq!(masked(&format!("{{\"a\":\"x{written}y\"}}")), "{\"a\":\"x***y\"}", "{written}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        for text in ["", "sk+live/0123", "%", "%2", "\\u00", "\\", "é%é", "100% \\u00e9"] {
            assert_eq!(Mask::of(iter::once(SECRET)).apply(text), None, "{text}");
        }
        assert_eq!(Mask::of(iter::once("short")).apply("short"), None);
    }

    proptest! {
        #[test]
        fn nothing_of_a_secret_can_be_decoded_from_base64(before in "[a-z]{0,9}", after in "[a-z]{0,9}", url in any::<bool>()) {
            let text = format!("{before}{SECRET}{after}");
            let written = if url { URL_SAFE.encode(&text) } else { STANDARD.encode(&text) };
            let masked = masked(&format!("cursor {written}"));
            prop_assert!(masked.contains(MASK), "{masked}");
            // The ends, which neighbours share, give away two bytes at the most.
            prop_assert!(masked.len() <= "cursor ".len() + MASK.len() + written.len() - (SECRET.len() - 4) * 4 / 3 + 4);
        }

        #[test]
        fn any_text_can_be_masked(text in any::<String>(), within in "[\\\\%u0-9a-f\\PC]{0,40}") {
            let masked = masked(&format!("{text}{within}"));
            prop_assert!(!masked.contains(SECRET));
        }
    }
}
