//! Makes LinkedIn's names: conversation and message URNs, thread ids, profile keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::Ms;

/// Distinct tags before they repeat; far more than messages can be created in one millisecond.
const TAGS: u64 = 99_000;

/// A well-mixed number for a counter: the same input gives the same output for ever (splitmix64).
#[must_use]
pub fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number for a text, stable for ever (FNV-1a).
#[must_use]
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A random-looking UUID for a number.
#[must_use]
pub fn uuid(number: u64) -> String {
    let (a, b) = (mix(number), mix(number ^ 0x5bf0_3635_d1f2_a4c7));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}

/// A profile id such as `ACoAAB…` for a number.
#[must_use]
pub fn profile_id(number: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut id = String::from("ACoAA");
    for part in 0..34_u64 {
        let letter = mix(number.wrapping_mul(64).wrapping_add(part)) & 63;
        id.push(usize::try_from(letter).ok().and_then(|l| LETTERS.get(l)).map_or('A', |l| char::from(*l)));
    }
    id
}

/// The bare thread id, `2-…`, of the thread with this UUID.
#[must_use]
pub fn thread(uuid: &str) -> String {
    format!("2-{}", STANDARD.encode(format!("{uuid}_013")))
}

/// The full name of a thread in one owner's mailbox.
#[must_use]
pub fn conversation(owner_id: &str, thread: &str) -> String {
    format!("urn:li:msg_conversation:(urn:li:fsd_profile:{owner_id},{thread})")
}

/// The name of a message. `serial` is its number in the mailbox: it makes equal milliseconds distinct.
#[must_use]
pub fn message(owner_id: &str, created_ms: Ms, serial: u64, uuid: &str) -> String {
    // 7919 and 99 000 have no common factor, so that no two serials within 99 000 of each other share a tag.
    let tag = 1_000 + serial.wrapping_mul(7_919) % TAGS;
    let id = format!("{created_ms}b{tag}-100&{uuid}_013");
    let mut urn = String::with_capacity(48 + owner_id.len() + id.len().div_ceil(3) * 4);
    urn.push_str("urn:li:msg_message:(urn:li:fsd_profile:");
    urn.push_str(owner_id);
    urn.push_str(",2-");
    STANDARD.encode_string(id, &mut urn);
    urn.push(')');
    urn
}

/// What all spellings of one profile's address share: case, host, trailing slash and query do not matter.
/// `None` when it is no profile address.
#[must_use]
pub fn profile_key(address: &str) -> Option<String> {
    let address = address.trim();
    let url = Url::parse(address).or_else(|_| Url::parse(&format!("https://{address}"))).ok()?;
    let host = url.host_str()?;
    if host != "linkedin.com" && !host.ends_with(".linkedin.com") {
        return None;
    }
    let slug = url.path().trim_end_matches('/').strip_prefix("/in/")?;
    (!slug.is_empty() && !slug.contains('/')).then(|| slug.to_lowercase())
}

/// The bare thread id, without padding, that a conversation's URN or the thread id itself names.
#[must_use]
pub fn thread_key(conversation: &str) -> String {
    let tail = owner_and_thread(conversation).map_or(conversation, |(_, thread)| thread);
    tail.trim_end_matches('=').to_owned()
}

/// Whether this is a conversation's URN, rather than a bare thread id.
#[must_use]
pub fn is_conversation(name: &str) -> bool {
    owner_and_thread(name).is_some()
}

fn owner_and_thread(urn: &str) -> Option<(&str, &str)> {
    urn.strip_prefix("urn:li:msg_conversation:(")?.strip_suffix(')')?.rsplit_once(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_millisecond_have_different_names() {
        let names: std::collections::BTreeSet<String> =
            (0..2_000).map(|serial| message("A", 1_745_270_025_091, serial, "u")).collect();
        assert_eq!(names.len(), 2_000);
    }

    #[test]
    fn a_uuid_and_a_profile_id_have_the_usual_form() {
        let parts: Vec<usize> = uuid(1).split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(profile_id(1).len(), 39);
        assert_ne!(profile_id(1), profile_id(2));
    }

    #[test]
    fn all_spellings_of_a_profile_address_are_one() {
        let key = profile_key("https://www.linkedin.com/in/ada-example/");
        assert_eq!(key.as_deref(), Some("ada-example"));
        for same in [
            "https://WWW.LinkedIn.com/in/ada-example",
            "http://fr.linkedin.com/in/Ada-Example/?trk=x&y=1#top",
            " linkedin.com/in/ada-example ",
        ] {
            assert_eq!(profile_key(same), key, "{same}");
        }
        assert_eq!(
            profile_key("https://www.linkedin.com/in/béla/"),
            profile_key("https://www.linkedin.com/in/b%C3%A9la")
        );
        for other in
            ["https://example.com/in/ada-example", "https://www.linkedin.com/company/x/", "ada-example", ""]
        {
            assert_eq!(profile_key(other), None, "{other}");
        }
    }
}
