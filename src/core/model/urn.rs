//! LinkedIn's URNs: what can be read out of a message's or a conversation's name without asking anybody.
//!
//! A conversation is `urn:li:msg_conversation:(OWNER,2-THREAD)`, a message is
//! `urn:li:msg_message:(OWNER,2-BASE64)`; `OWNER` is the mailbox owner's profile URN, `THREAD` is the base64 of
//! the thread's own id, and `BASE64` is that of `<created ms><tag>&<thread's own id>`. Everything here falls
//! back to "unknown" on any other form: a URN is never rejected.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::core::Ms;

/// How the id of a thread begins that is known by its other side's name only: exports of some years have no ids.
pub const NAMED_THREAD: &str = "name:";

const MESSAGE_PREFIX: &str = "urn:li:msg_message:(";
const CONVERSATION_PREFIX: &str = "urn:li:msg_conversation:(";

/// A message URN cut in three, so that what all messages of a thread share can be stored once.
///
/// `prefix + key + suffix` is the URN again, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrnParts<'a> {
    /// Up to and including the `2-`: the same for a whole mailbox.
    pub prefix: &'a str,
    /// What differs from message to message.
    pub key: &'a str,
    /// The thread's id in base64 and the closing bracket: at most three forms a thread.
    pub suffix: &'a str,
}

/// Cuts a message URN in shared and own parts; a URN of another form is all key.
#[must_use]
pub fn split(urn: &str) -> UrnParts<'_> {
    let whole = UrnParts { prefix: "", key: urn, suffix: "" };
    let Some((owner, tail)) = owner_and_tail(urn, MESSAGE_PREFIX) else { return whole };
    let Some(tail) = tail.strip_prefix("2-") else { return whole };
    let prefix_len = MESSAGE_PREFIX.len() + owner.len() + ",2-".len();
    let Some(decoded) = decode(tail) else { return whole };
    let Some(amp) = decoded.iter().position(|b| *b == b'&') else { return whole };
    // Base64 turns three bytes into four characters, so the own part ends at the group that holds the `&`.
    let key_len = ((amp + 1).div_ceil(3) * 4).min(tail.len());
    match (urn.get(..prefix_len), urn.get(prefix_len..prefix_len + key_len), urn.get(prefix_len + key_len..))
    {
        (Some(prefix), Some(key), Some(suffix)) => UrnParts { prefix, key, suffix },
        _ => whole,
    }
}

/// When the message was created, as its URN says (ms since the epoch); a little before its `timestamp`.
#[must_use]
pub fn created_ms(urn: &str) -> Option<Ms> {
    let number = |key: &[u8]| digits(key).iter().fold(0, |made, digit| made * 10 + Ms::from(digit - b'0'));
    let mut room = [0; SHORT_KEY];
    match key_within(urn, &mut room) {
        Ok(short) => short.map(number),
        Err(()) => key(urn).as_deref().map(number),
    }
}

/// What a message's URN names, whatever its spelling: the decoded key of the message, which holds its time of creation
/// and its thread. The same message may come with another prefix, other letter case, or without padding. A URN of
/// another form is its own identity.
#[must_use]
pub fn identity(urn: &str) -> Cow<'_, [u8]> {
    key(urn).map_or(Cow::Borrowed(urn.as_bytes()), Cow::Owned)
}

/// Bytes that the key of a message has at the most, as far as is known.
const SHORT_KEY: usize = 192;

/// The decoded key of a message, `<created ms><tag>&<thread's own id>`.
fn key(urn: &str) -> Option<Vec<u8>> {
    let key = encoded_key(urn)?;
    let decoded = STANDARD_NO_PAD.decode(key).or_else(|_| URL_SAFE_NO_PAD.decode(key)).ok()?;
    (digits(&decoded).len() == 13).then_some(decoded)
}

/// The same without a place of its own in memory; an error where the room is too small.
fn key_within<'r>(urn: &str, room: &'r mut [u8; SHORT_KEY]) -> Result<Option<&'r [u8]>, ()> {
    let Some(key) = encoded_key(urn) else { return Ok(None) };
    if key.len() > SHORT_KEY {
        return Err(());
    }
    let decoded =
        STANDARD_NO_PAD.decode_slice(key, room).or_else(|_| URL_SAFE_NO_PAD.decode_slice(key, room));
    let decoded = decoded.ok().and_then(|length| room.get(..length));
    Ok(decoded.filter(|key| digits(key).len() == 13))
}

fn encoded_key(urn: &str) -> Option<&str> {
    // The last `2-`, by its dash: every message of every page comes here, and a single byte is found sooner than a text.
    let two = |(dash, _): (usize, &str)| urn.get(..dash)?.strip_suffix('2').map(|before| (before, dash));
    let (before, dash) = urn.rmatch_indices('-').find_map(two)?;
    let key = urn.get(dash + 1..)?;
    before.ends_with([',', ':', '(']).then(|| key.trim_end_matches([')', '=']))
}

/// What a key begins with: when its message was created.
fn digits(key: &[u8]) -> &[u8] {
    let count = key.iter().take_while(|byte| byte.is_ascii_digit()).count();
    key.get(..count).unwrap_or_default()
}

/// The thread that a message's URN names, as [`thread_key`] writes it; `None` for a URN of another form.
#[must_use]
pub fn thread_of_message(urn: &str) -> Option<String> {
    let key = key(urn)?;
    let amp = key.iter().position(|byte| *byte == b'&')?;
    let thread = key.get(amp + 1..).filter(|thread| !thread.is_empty())?;
    Some(format!("2-{}", STANDARD_NO_PAD.encode(thread)))
}

/// The profile of the mailbox's owner that a message's or conversation's URN names, such as `ACoAAOWNER`.
#[must_use]
pub fn owner(urn: &str) -> Option<&str> {
    let (inside, _) = urn.split_once('(')?.1.rsplit_once(",2-")?;
    let profile = inside.rsplit(':').next()?;
    (!profile.is_empty()).then_some(profile)
}

/// The conversation's URN, as one of its messages' URNs tells it.
#[must_use]
pub fn conversation_of(message_urn: &str) -> Option<String> {
    let (owner, tail) = owner_and_tail(message_urn, MESSAGE_PREFIX)?;
    let decoded = decode(tail.strip_prefix("2-")?)?;
    let amp = decoded.iter().position(|b| *b == b'&')?;
    let thread = decoded.get(amp + 1..).filter(|t| !t.is_empty())?;
    Some(format!("{CONVERSATION_PREFIX}{owner},2-{})", STANDARD.encode(thread)))
}

/// The thread part of a conversation's name, `2-…` without base64 padding: equal for the full URN, the bare
/// thread id and either with or without its `=`. Anything else is its own thread key.
#[must_use]
pub fn thread_key(conversation: &str) -> String {
    let tail = owner_and_tail(conversation, CONVERSATION_PREFIX).map_or(conversation, |(_, tail)| tail);
    tail.trim_end_matches('=').to_owned()
}

/// The full name of a bare thread id `2-…` of the same mailbox as another conversation.
#[must_use]
pub fn beside(conversation: &str, thread: &str) -> Option<String> {
    let (owner, _) = owner_and_tail(conversation, CONVERSATION_PREFIX)?;
    Some(format!("{CONVERSATION_PREFIX}{owner},{})", padded(thread)?))
}

/// A bare thread id `2-…` with its base64 padding, as full names and browsers have it.
#[must_use]
pub fn padded(thread: &str) -> Option<String> {
    let bare = thread.trim_end_matches('=');
    let padding = ["", "", "==", "="].get(bare.strip_prefix("2-")?.len() % 4)?;
    Some(format!("{bare}{padding}"))
}

/// A short name for a conversation that has none: the beginning of its thread's id, or a profile's slug.
#[must_use]
pub fn label(name: &str) -> String {
    if let Some(slug) = name.split("/in/").nth(1) {
        return slug.trim_end_matches('/').to_owned();
    }
    let thread = thread_key(name);
    match thread.char_indices().nth(14) {
        Some((cut, _)) => format!("{}…", thread.get(..cut).unwrap_or(&thread)),
        None => thread,
    }
}

/// The part of a profile's URL that identifies it, such as `ada-example`, in lower case.
#[must_use]
pub fn profile_slug(url: &str) -> Option<String> {
    let slug = url.split_once("/in/")?.1.split(['/', '?', '#']).next()?;
    (!slug.is_empty()).then(|| slug.to_lowercase())
}

/// Whether this names a conversation in full, mailbox owner included.
#[must_use]
pub fn is_conversation_urn(name: &str) -> bool {
    owner_and_tail(name, CONVERSATION_PREFIX).is_some()
}

/// Splits `PREFIXowner,tail)`.
fn owner_and_tail<'a>(urn: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    urn.strip_prefix(prefix)?.strip_suffix(')')?.rsplit_once(',')
}

fn decode(base64: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(base64.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "urn:li:fsd_profile:ACoAAOWNER";
    const URN: &str = "urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)";
    const THREAD: &str = "2-OTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==";

    #[test]
    fn a_message_urn_tells_its_creation_time_and_its_conversation() {
        assert_eq!(created_ms(URN), Some(1_745_270_025_091));
        assert_eq!(conversation_of(URN).unwrap(), format!("urn:li:msg_conversation:({OWNER},{THREAD})"));
    }

    #[test]
    fn the_thread_part_of_a_message_urn_is_shared_by_the_whole_thread() {
        let parts = split(URN);
        assert_eq!(parts.key, "MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAm");
        assert!(parts.suffix.starts_with("OTFjNWU3"));
        assert_eq!(format!("{}{}{}", parts.prefix, parts.key, parts.suffix), URN);
    }

    #[test]
    fn a_bare_thread_id_gets_the_owner_of_another_conversation() {
        let other = format!("urn:li:msg_conversation:({OWNER},2-QUJDRA==)");
        let full = format!("urn:li:msg_conversation:({OWNER},{THREAD})");
        assert_eq!(beside(&other, THREAD), Some(full.clone()));
        assert_eq!(beside(&other, THREAD.trim_end_matches('=')), Some(full));
        assert_eq!(padded(THREAD.trim_end_matches('=')).as_deref(), Some(THREAD));
        assert_eq!(padded(THREAD).as_deref(), Some(THREAD));
        assert_eq!(beside("2-QUJDRA==", THREAD), None);
        assert_eq!(beside(&other, "something else"), None);
    }

    #[test]
    fn a_label_is_short_and_tells_profiles_from_threads() {
        assert_eq!(label("https://www.linkedin.com/in/ada-example/"), "ada-example");
        assert_eq!(label(&format!("urn:li:msg_conversation:({OWNER},{THREAD})")), "2-OTFjNWU3YWMt…");
        assert_eq!(label("2-QUJD"), "2-QUJD");
    }

    #[test]
    fn any_text_survives_being_split() {
        for urn in [
            "",
            "x",
            "urn:li:msg_message:(",
            "urn:li:msg_message:(a,2-)",
            "urn:li:msg_message:(é,2-é)",
            "urn:li:msg_message:(a,2-MTc0)",
        ] {
            let p = split(urn);
            assert_eq!(format!("{}{}{}", p.prefix, p.key, p.suffix), urn);
        }
    }

    #[test]
    fn a_thread_is_the_same_with_or_without_owner_and_padding() {
        let full = format!("urn:li:msg_conversation:({OWNER},{THREAD})");
        assert_eq!(thread_key(&full), thread_key(THREAD));
        assert_eq!(thread_key(THREAD.trim_end_matches('=')), thread_key(THREAD));
        assert!(is_conversation_urn(&full) && !is_conversation_urn(THREAD));
    }
}
