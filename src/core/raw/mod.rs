//! From one served JSON item to a message's fields and back: nothing that was paid for is thrown away.
//!
//! A served message mostly repeats what the columns already hold. So the JSON itself is not stored; what is
//! stored is its *template*: the item with each modelled value replaced by one control character, which no
//! JSON text can hold inside a string. Templates are the same for all messages of one shape and so are stored
//! once. Members that the columns do not model are kept word for word as `extra` and spliced back in at their
//! own mark. The view `message_log` undoes this with nothing but SQLite's own `replace` and `json_quote`.

pub mod render;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Ms;

/// Marks in a template. They are control characters because a JSON text can hold none of these raw.
pub mod mark {
    /// The text.
    pub const TEXT: char = '\u{1}';
    /// The timestamp in ms.
    pub const TIME: char = '\u{2}';
    /// The sender's display name.
    pub const NAME: char = '\u{3}';
    /// `sender_info.first_name`.
    pub const FIRST: char = '\u{4}';
    /// `sender_info.last_name`.
    pub const LAST: char = '\u{5}';
    /// `sender_info.profile_url`.
    pub const PROFILE: char = '\u{6}';
    /// The message type.
    pub const KIND: char = '\u{7}';
    /// The message's URN.
    pub const URN: char = '\u{8}';
    /// Where the unmodelled members go.
    pub const EXTRA: char = '\u{e}';
}

/// How to rebuild the served JSON of a message from its columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Raw {
    /// The item with a mark for each modelled value.
    pub template: String,
    /// The members that the columns do not model, as served, with the comma that joins them to the rest.
    pub extra: Option<String>,
}

/// Who sent a message, as far as the answer says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Sender {
    /// Display name; empty when the API gave none.
    pub name: String,
    /// First name, where the answer has `sender_info`.
    pub first_name: Option<String>,
    /// Last name, where the answer has `sender_info`.
    pub last_name: Option<String>,
    /// Profile page, which v2 adds.
    pub profile_url: Option<String>,
}

/// One served item, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The API's id.
    pub urn: Option<String>,
    /// The served timestamp in ms, unless missing or absurd.
    pub time_ms: Option<Ms>,
    /// Who sent it.
    pub sender: Sender,
    /// `message_type`, empty when missing.
    pub kind: String,
    /// The text, empty when missing.
    pub text: String,
    /// The rest.
    pub raw: Raw,
}

/// Earliest time taken for real: a second before which no such message can have been sent (2001-09-09).
pub(super) const EARLIEST_MS: Ms = 1_000_000_000_000;
/// Latest time taken for real (2100-01-01).
const LATEST_MS: Ms = 4_102_444_800_000;
/// Numbers below this are seconds, not milliseconds.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// Reads one item of an answer's message list.
///
/// # Errors
/// Says why, when the item is not a JSON object.
pub fn read(item: &RawValue) -> Result<Served, String> {
    let members: Members<'_> =
        serde_json::from_str(item.get()).map_err(|e| format!("not a JSON object: {e}"))?;
    let mut served = Served {
        urn: None,
        time_ms: None,
        sender: Sender::default(),
        kind: String::new(),
        text: String::new(),
        raw: Raw::default(),
    };
    let mut shape = Shape::default();
    for (key, value) in &members.0 {
        let own = match key.as_ref() {
            "text" => take_string(value, mark::TEXT, &mut served.text),
            "message_type" => take_string(value, mark::KIND, &mut served.kind),
            "entity_urn" => take_urn(value, &mut served.urn),
            "timestamp" => take_time(value, &mut served.time_ms),
            "sender" => take_sender(value, &mut served.sender),
            "sender_info" => take_sender_info(value, &mut served.sender),
            _ => None,
        };
        shape.member(key, own, value);
    }
    if served.sender.name.is_empty() {
        served.sender.name = full_name(&served.sender);
    }
    served.raw = shape.finish();
    Ok(served)
}

/// Reads a timestamp: a number or a numeric string, in ms or (below 10^11) in seconds; `None` when absurd.
#[must_use]
pub fn read_time(value: &RawValue) -> Option<Ms> {
    let text = value.get().trim_matches('"').trim();
    let ms = match text.parse::<i64>() {
        Ok(n) if n < SECONDS_BELOW => n.checked_mul(1000)?,
        Ok(n) => n,
        Err(_) => {
            let seconds_or_ms = text.parse::<f64>().ok().filter(|f| f.is_finite())?;
            #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
            let scale = if seconds_or_ms < SECONDS_BELOW as f64 { 1000.0 } else { 1.0 };
            let ms = seconds_or_ms * scale;
            if !(0.0..9e15).contains(&ms) {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "checked to lie in 0..9e15 just above")]
            let ms = ms as i64;
            ms
        }
    };
    plausible(ms).then_some(ms)
}

/// Reads a JSON string, lossily where it holds half a surrogate pair or a NUL; `None` for anything else.
#[must_use]
pub fn read_string(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    if !json.starts_with('"') {
        return None;
    }
    if !json.contains('\\') {
        return json.get(1..json.len().saturating_sub(1)).map(Cow::Borrowed);
    }
    let exact = serde_json::from_str::<String>(json).ok();
    let text = match exact {
        Some(text) => text,
        None => serde_json::from_str(&without_lone_surrogates(json)).ok()?,
    };
    Some(Cow::Owned(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }))
}

/// Whether a message can have been sent then.
pub(super) fn plausible(ms: Ms) -> bool {
    (EARLIEST_MS..LATEST_MS).contains(&ms)
}

fn full_name(sender: &Sender) -> String {
    let parts = [sender.first_name.as_deref(), sender.last_name.as_deref()];
    parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether the string read from this value can be quoted again without loss.
fn exact(value: &RawValue) -> bool {
    serde_json::from_str::<String>(value.get()).is_ok_and(|s| !s.contains('\0'))
}

fn take_string(value: &RawValue, mark: char, into: &mut String) -> Option<String> {
    *into = read_string(value)?.into_owned();
    exact(value).then(|| mark.to_string())
}

fn take_optional(value: &RawValue, mark: char, into: &mut Option<String>) -> Option<String> {
    *into = Some(read_string(value)?.into_owned());
    exact(value).then(|| mark.to_string())
}

fn take_urn(value: &RawValue, into: &mut Option<String>) -> Option<String> {
    *into = read_string(value).filter(|s| !s.is_empty()).map(Cow::into_owned);
    (into.is_some() && exact(value)).then(|| mark::URN.to_string())
}

fn take_time(value: &RawValue, into: &mut Option<Ms>) -> Option<String> {
    *into = read_time(value);
    let digits = (*into)?.to_string();
    if value.get() == digits {
        Some(mark::TIME.to_string())
    } else if value.get() == format!("\"{digits}\"") {
        Some(format!("\"{}\"", mark::TIME))
    } else {
        None
    }
}

fn take_sender(value: &RawValue, into: &mut Sender) -> Option<String> {
    if let Some(name) = read_string(value) {
        into.name = name.into_owned();
        // An empty name may be filled from `sender_info`, so it is no mark but stands in the template itself.
        return (exact(value) && !into.name.is_empty()).then(|| mark::NAME.to_string());
    }
    let members: Members<'_> = serde_json::from_str(value.get()).ok()?;
    for (key, value) in &members.0 {
        match key.as_ref() {
            "name" => into.name = read_string(value).unwrap_or_default().into_owned(),
            "profile_url" if into.profile_url.is_none() => {
                into.profile_url = read_string(value).map(Cow::into_owned);
            }
            _ => {}
        }
    }
    None
}

fn take_sender_info(value: &RawValue, into: &mut Sender) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(value.get()).ok()?;
    let mut shape = Shape::default();
    for (key, value) in &members.0 {
        let own = match key.as_ref() {
            "first_name" => take_optional(value, mark::FIRST, &mut into.first_name),
            "last_name" => take_optional(value, mark::LAST, &mut into.last_name),
            "profile_url" => take_optional(value, mark::PROFILE, &mut into.profile_url),
            _ => None,
        };
        shape.member(key, own, value);
    }
    // Extra members have one place, at the top level: a `sender_info` with any is kept there whole.
    shape.extra.is_empty().then(|| shape.finish().template)
}

/// A template under construction.
#[derive(Default)]
struct Shape {
    members: String,
    extra: String,
}

impl Shape {
    fn member(&mut self, key: &str, own: Option<String>, value: &RawValue) {
        let value = value.get();
        let constant = matches!(value, "null" | "true" | "false" | "\"\"" | "[]" | "{}");
        let (into, value) = match &own {
            Some(marked) => (&mut self.members, marked.as_str()),
            None if constant => (&mut self.members, value),
            None => (&mut self.extra, value),
        };
        if !into.is_empty() {
            into.push(',');
        }
        into.push_str(&serde_json::Value::from(key).to_string());
        into.push(':');
        into.push_str(value);
    }

    fn finish(self) -> Raw {
        if self.extra.is_empty() {
            return Raw { template: format!("{{{}}}", self.members), extra: None };
        }
        let comma = if self.members.is_empty() { "" } else { "," };
        Raw {
            template: format!("{{{}{}}}", self.members, mark::EXTRA),
            extra: Some(format!("{comma}{}", self.extra)),
        }
    }
}

/// A JSON object's members in served order; of a name that comes twice, the last one counts.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key.0, value));
                }
                keep_last_of_each_name(&mut members);
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Of members of one name keeps the last, at its place. An item may have as many members as an answer has room for.
fn keep_last_of_each_name(members: &mut Vec<(Cow<'_, str>, &RawValue)>) {
    let mut names = BTreeSet::new();
    if members.iter().all(|(name, _)| names.insert(name.as_ref())) {
        return;
    }
    names.clear();
    let mut last: Vec<bool> = members.iter().rev().map(|(name, _)| names.insert(name.as_ref())).collect();
    members.retain(|_| last.pop().unwrap_or_default());
}

/// A member's name, borrowed where it holds no escape.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, s: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(s)))
            }
            fn visit_str<E>(self, s: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(s.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Replaces each half of a surrogate pair that stands alone by U+FFFD, in a JSON string literal.
#[must_use]
pub fn without_lone_surrogates(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => {
                out.push_str(escape.get(..12).unwrap_or_default());
                12
            }
            (Some(0xd800..=0xdfff), _) => {
                out.push('\u{fffd}');
                6
            }
            _ => {
                let len = escape.char_indices().nth(2).map_or(escape.len(), |(i, _)| i);
                out.push_str(escape.get(..len).unwrap_or_default());
                len
            }
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The UTF-16 unit that an escape of four hexadecimal digits at the start of the text stands for.
fn unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}
