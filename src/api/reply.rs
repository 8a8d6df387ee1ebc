//! An answer as it came off the wire, and lenient reading of the JSON objects in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::core::Ms;
use crate::core::raw::read_string;

/// An HTTP answer, as far as reading it needs to know.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// How long the server asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// When it came.
    pub(super) came_ms: Option<Ms>,
    /// The server's own time.
    pub(super) date_ms: Option<Ms>,
    /// The host that a redirect points to. It is never followed.
    pub(super) redirect_host: Option<String>,
    /// Decompressed; only its beginning when `cut` says so.
    pub(super) body: Vec<u8>,
    /// Why the body is not whole.
    pub(super) cut: Option<Cut>,
}

/// Why a body is not whole.
#[derive(Debug)]
pub(super) enum Cut {
    TooLarge,
    /// The connection broke or the time was up.
    Broken(String),
}

impl Reply {
    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text. Bytes that are no UTF-8 become U+FFFD: one bad byte in one message must not keep the
    /// page, and all that is older, out of the archive for ever.
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body))
    }
}

/// Reads a `Retry-After` header: seconds or an HTTP date. A time that is already over is none: the caller's own
/// patience then decides.
pub(super) fn retry_after(header: &str, now_ms: Ms) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds.ceil()).ok()?,
        Err(_) => {
            let until = chrono::DateTime::parse_from_rfc2822(header).ok()?.timestamp_millis();
            Duration::from_millis(u64::try_from(until.checked_sub(now_ms)?).ok()?)
        }
    };
    (!wait.is_zero()).then_some(wait)
}

/// Reads a `Date` header (ms).
pub(super) fn date(header: &str) -> Option<Ms> {
    Some(chrono::DateTime::parse_from_rfc2822(header.trim()).ok()?.timestamp_millis())
}

/// A JSON object with its members' values word for word; of a name that comes twice, the last one counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads an object; `None` for anything else.
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// A member that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|v| v.get() != "null")
    }

    /// A member, be it null.
    pub(super) fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    pub(super) fn object(&self, name: &str) -> Option<Object<'a>> {
        Object::parse(self.get(name)?.get())
    }

    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A string that is not empty.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        read_string(self.get(name)?).filter(|s| !s.is_empty()).map(Cow::into_owned)
    }

    /// A whole number, be it written as a string or with a fraction of zero.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        let text = self.get(name)?.get().trim_matches('"').trim();
        text.parse().ok().or_else(|| text.strip_suffix(".0")?.parse().ok())
    }

    /// Any finite number, be it written as a string.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let text = self.get(name)?.get().trim_matches('"').trim();
        text.parse().ok().filter(|f: &f64| f.is_finite())
    }

    /// A truth value, be it written as a string or as 0 or 1.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        read_flag(self.get(name)?)
    }
}

/// Reads a list as long as it has no more items than this; `None` where it has, and then nothing of it is kept.
pub(super) fn read_list(value: &RawValue, most: usize) -> serde_json::Result<Option<Vec<&RawValue>>> {
    serde_json::Deserializer::from_str(value.get()).deserialize_seq(Bounded { most })
}

struct Bounded {
    most: usize,
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == self.most {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            items.push(item);
        }
        Ok(Some(items))
    }
}

pub(super) fn read_flag(value: &RawValue) -> Option<bool> {
    match value.get().trim_matches('"').to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// What a JSON value is, in words; never its content.
pub(super) fn kind_of(value: &RawValue) -> &'static str {
    match value.get().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') if value.get().bytes().skip(1).all(|b| b.is_ascii_whitespace() || b == b']') => {
            "an empty list"
        }
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b'n') => "null",
        Some(b't' | b'f') => "a truth value",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        // 2015-10-21T07:28:00Z
        let now = 1_445_412_480_000;
        for (header, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0.2", Some(1)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:30 GMT", None),
            ("0", None),
            ("-3", None),
            ("1e999", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now).map(|d| d.as_secs()), seconds, "{header}");
        }
    }

    #[test]
    fn a_date_is_read_or_left_alone() {
        assert_eq!(date("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1_445_412_480_000));
        assert_eq!(date("today"), None);
    }

    #[test]
    fn members_are_read_leniently() {
        let json = r#"{"a":1,"a":"2","f":"3.0","n":null,"t":"True","z":0,"x":[1],"s":""}"#;
        let o = Object::parse(json).unwrap();
        assert_eq!((o.integer("a"), o.integer("f"), o.number("f")), (Some(2), Some(3), Some(3.0)));
        assert_eq!(
            (o.flag("t"), o.flag("z"), o.flag("x"), o.flag("n")),
            (Some(true), Some(false), None, None)
        );
        assert_eq!((o.string("s"), o.string("a").as_deref()), (None, Some("2")));
        assert!(o.get("n").is_none() && o.member("n").is_some() && o.member("q").is_none());
        assert!(Object::parse("[1]").is_none() && Object::parse("{} x").is_none());
    }

    #[test]
    fn a_body_with_a_bad_byte_or_a_byte_order_mark_is_still_text() {
        let reply = Reply { body: b"\xef\xbb\xbf{\"a\":\"\xff\"}".to_vec(), ..Reply::default() };
        assert_eq!(reply.text(), "{\"a\":\"\u{fffd}\"}");
    }
}
