//! Numbers and times as people and machines read them.

use chrono::{DateTime, SecondsFormat, Utc};

use super::Ms;

/// A number with its thousands apart: `12,345`.
#[must_use]
pub fn thousands(n: impl TryInto<i128>) -> String {
    // Every integer there is a use for fits.
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

/// So many of something, for words that end in a plain s: `1 message`, `12,345 messages`.
#[must_use]
pub fn plural(n: impl TryInto<i128>, word: &str) -> String {
    let n: i128 = n.try_into().unwrap_or(i128::MAX);
    format!("{} {word}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// A time in ISO 8601, UTC, with milliseconds: for machines.
#[must_use]
pub fn iso_utc(ms: Ms) -> String {
    match DateTime::<Utc>::from_timestamp_millis(ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{ms} ms"),
    }
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
}
