//! Numbers and times as text.

use chrono::{DateTime, SecondsFormat, Utc};

use super::Ms;

/// A number with thousands separators: `12,345`.
#[must_use]
pub fn thousands(n: impl TryInto<i128>) -> String {
    // Every integer that occurs fits.
    let n: i128 = n.try_into().unwrap_or(i128::MAX);
    let digits = n.unsigned_abs().to_string();
    let mut out = String::from(if n < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and its noun, for nouns with a plural in -s: `1 message`, `12,345 messages`.
#[must_use]
pub fn plural(n: impl TryInto<i128>, word: &str) -> String {
    counted(n, word, &format!("{word}s"))
}

/// A number and the words for one or for many: `1 gap is`, `2 gaps are`.
#[must_use]
pub fn counted(n: impl TryInto<i128>, one: &str, many: &str) -> String {
    let n: i128 = n.try_into().unwrap_or(i128::MAX);
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// A time in ISO 8601, UTC, with milliseconds.
#[must_use]
pub fn iso_utc(ms: Ms) -> String {
    match DateTime::<Utc>::from_timestamp_millis(ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{ms} ms"),
    }
}

/// A time that JSON has in ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IsoTime(pub Ms);

impl serde::Serialize for IsoTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&iso_utc(self.0))
    }
}

/// A time's UTC date: `2025-04-21`.
#[must_use]
pub fn iso_date(ms: Ms) -> String {
    iso_utc(ms).split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let shown: Vec<String> =
            [0, 1, 999, 1_000, 12_345, 1_234_567, -1_000].into_iter().map(thousands).collect();
        assert_eq!(shown, ["0", "1", "999", "1,000", "12,345", "1,234,567", "-1,000"]);
        assert_eq!(
            (plural(1, "gap"), plural(0, "gap"), plural(1_000, "gap")),
            ("1 gap".into(), "0 gaps".into(), "1,000 gaps".into())
        );
    }

    #[test]
    fn times_for_machines_are_utc_and_impossible_ones_milliseconds() {
        assert_eq!(iso_utc(1_745_270_025_236), "2025-04-21T21:13:45.236Z");
        assert_eq!(iso_date(1_745_270_025_236), "2025-04-21");
        assert_eq!(iso_utc(Ms::MAX), format!("{} ms", Ms::MAX));
    }
}
