//! Whether a message of the member's own export and one of the API are the same, though neither is exact: an export
//! tells whole seconds, names no message, and may write a text with markup.

use std::cmp::Reverse;

use crate::core::Ms;
use crate::core::markup::decoded;
use crate::core::model::message::{Message, Sender};
use crate::core::model::urn::profile_slug;

/// So far apart the two times of one message may be: an export cuts the second off, and takes it from the time of
/// creation or of delivery, which may lie on either side of a second's border.
pub const NEAR_MS: Ms = 2_000;

/// How LinkedIn calls everybody who has left: no name at all.
const LEFT: &str = "linkedin member";

/// A text reduced to what it says: without markup, character references and the amount of white space. For comparison
/// only.
#[must_use]
pub fn plain(text: &str) -> String {
    let without = if text.contains(['&', '<']) { without_tags(&decoded(text)) } else { text.to_owned() };
    let mut plain = String::with_capacity(without.len());
    for word in without.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}

/// Each tag as a space: `<` that begins no tag stays.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let begins = after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        match after.split_once('>').filter(|_| begins) {
            Some((_, then)) => {
                out.push(' ');
                rest = then;
            }
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What tells one sender from another, as far as two sources may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Who {
    /// Empty: unknown.
    name: String,
    slug: Option<String>,
}

impl Who {
    fn of(sender: &Sender) -> Self {
        let name = sender.name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let name = if name == LEFT { String::new() } else { name };
        Self { name, slug: sender.profile_url.as_deref().and_then(profile_slug) }
    }

    /// `None` where one of the two is unknown.
    fn is(&self, other: &Self) -> Option<bool> {
        if self.slug.is_some() && self.slug == other.slug {
            return Some(true);
        }
        (!self.name.is_empty() && !other.name.is_empty()).then(|| self.name == other.name)
    }
}

/// One side of a comparison, prepared.
struct Entry {
    at_ms: Ms,
    index: usize,
    who: Who,
    plain: String,
    taken: bool,
}

/// Two lists of messages of one conversation, to find out which of them are the same.
pub struct Pairing {
    /// Newest first, as the other side is.
    left: Vec<Entry>,
    right: Vec<Entry>,
}

impl std::fmt::Debug for Pairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pairing of {} and {}", self.left.len(), self.right.len())
    }
}

impl Pairing {
    /// Of these messages, each with the number that the pairs will name it by.
    #[must_use]
    pub fn new<'a>(
        left: impl Iterator<Item = (usize, &'a Message)>,
        right: impl Iterator<Item = (usize, &'a Message)>,
    ) -> Self {
        Self { left: prepared(left), right: prepared(right) }
    }

    /// Pairs messages of equal text near each other in time, in order from the newest on: where several say the same,
    /// none then takes what an older one needs. Those whose senders are both known go first.
    pub fn by_text(&mut self) -> Vec<(usize, usize)> {
        let mut pairs = self.pair(|l, r| near(l, r) && l.plain == r.plain && l.who.is(&r.who) == Some(true));
        pairs.extend(self.pair(|l, r| near(l, r) && l.plain == r.plain && l.who.is(&r.who).is_none()));
        pairs
    }

    /// Pairs what is left by sender and time alone: one of the two texts is then an edit of the other.
    pub fn by_place(&mut self) -> Vec<(usize, usize)> {
        self.pair(|l, r| near(l, r) && l.who.is(&r.who) == Some(true))
    }

    fn pair(&mut self, agree: impl Fn(&Entry, &Entry) -> bool) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let mut first = 0;
        for left in self.left.iter_mut().filter(|l| !l.taken) {
            let above = left.at_ms.saturating_add(NEAR_MS);
            first += self.right.iter().skip(first).take_while(|r| r.at_ms > above).count();
            let below = left.at_ms.saturating_sub(NEAR_MS);
            let mut within = self.right.iter_mut().skip(first).take_while(|r| r.at_ms >= below);
            if let Some(right) = within.find(|r| !r.taken && agree(left, r)) {
                (left.taken, right.taken) = (true, true);
                pairs.push((left.index, right.index));
            }
        }
        pairs
    }
}

fn near(left: &Entry, right: &Entry) -> bool {
    left.at_ms.abs_diff(right.at_ms) <= NEAR_MS.unsigned_abs()
}

fn prepared<'a>(messages: impl Iterator<Item = (usize, &'a Message)>) -> Vec<Entry> {
    let side = |(index, m): (usize, &Message)| Entry {
        at_ms: m.at_ms,
        index,
        who: Who::of(&m.sender),
        plain: plain(&m.text),
        taken: false,
    };
    let mut sides: Vec<Entry> = messages.map(side).collect();
    sides.sort_by_key(|s| Reverse(s.at_ms));
    sides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::raw::Raw;

    fn message(at_ms: Ms, name: &str, text: &str) -> Message {
        Message {
            urn: None,
            at_ms,
            derived_time: false,
            untrusted_ms: None,
            sender: Sender { name: name.into(), ..Sender::default() },
            kind: "TEXT".into(),
            text: text.into(),
            raw: Raw::default(),
        }
    }

    fn pairs(left: &[Message], right: &[Message]) -> Vec<(usize, usize)> {
        let mut pairs = Pairing::new(left.iter().enumerate(), right.iter().enumerate()).by_text();
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn texts_compare_without_line_ends_markup_and_character_references() {
        for (export, api) in [
            ("one\r\ntwo  \r\n", "one\ntwo"),
            ("<p>one<br/>two</p>", "one\ntwo"),
            ("Tom &amp; Jerry &#39;quote&#x27; &lt;3", "Tom & Jerry 'quote' <3"),
            ("&lt;b&gt;bold&lt;/b&gt;", "<b>bold</b>"),
            ("", "  \n"),
            ("a\u{a0}b", "a b"),
        ] {
            assert_eq!(plain(export), plain(api));
        }
        for (one, other) in [("a < b", "a"), ("R&D", "R"), ("1 <2> 3", "1 3"), ("&x; &", "")] {
            assert_ne!(plain(one), plain(other));
        }
    }

    #[test]
    fn equal_texts_pair_in_order_and_only_once() {
        let ok = |at| message(at, "Ada", "ok");
        assert_eq!(
            pairs(&[ok(10_000), ok(11_000), ok(12_000)], &[ok(12_900), ok(10_200), ok(11_500)]),
            [(0, 1), (1, 2), (2, 0)]
        );
        // A page that ends between them takes the newer ones.
        assert_eq!(pairs(&[ok(11_900)], &[ok(10_000), ok(11_000)]), [(0, 1)]);
        assert_eq!(pairs(&[ok(10_000)], &[ok(12_001)]), []);
        assert_eq!(pairs(&[ok(10_000)], &[ok(12_000)]), [(0, 0)]);
    }

    #[test]
    fn different_senders_pair_only_if_one_is_unknown() {
        let by = |name: &str| message(0, name, "hi");
        assert_eq!(pairs(&[by("Ada Example")], &[by("Béla Example")]), []);
        assert_eq!(pairs(&[by("Ada  example ")], &[by("ADA Example")]), [(0, 0)]);
        assert_eq!(pairs(&[by("LinkedIn Member")], &[by("Ada")]), [(0, 0)]);
        // Who is known goes first, whatever the order.
        assert_eq!(pairs(&[by(""), by("Ada")], &[by("Ada"), by("Béla")]), [(0, 1), (1, 0)]);
        let at = |url: &str, name: &str| {
            let mut m = by(name);
            m.sender.profile_url = Some(url.into());
            m
        };
        let (old, new) = ("https://www.linkedin.com/in/ada/", "https://linkedin.com/in/Ada?x");
        assert_eq!(pairs(&[at(old, "Ada Maiden")], &[at(new, "Ada Married")]), [(0, 0)]);
    }
}
