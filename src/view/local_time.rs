//! Times for people, in the reader's own time zone (`TZ`, or the system's).

use std::fmt::Display;

use chrono::{DateTime, Local, TimeZone};

use crate::core::Ms;

/// The time as chrono's format `form` says.
pub(crate) fn local(ms: Ms, form: &str) -> String {
    formatted(&Local, ms, form)
}

/// `2025-04-21 23:13`.
pub(crate) fn local_minute(ms: Ms) -> String {
    local(ms, "%Y-%m-%d %H:%M")
}

/// `2025-04-21`.
pub(crate) fn local_date(ms: Ms) -> String {
    local(ms, "%Y-%m-%d")
}

/// `2025-04-21 – 2025-06-30`; empty if there is nothing.
pub(crate) fn span(oldest: Option<Ms>, newest: Option<Ms>) -> String {
    let days = oldest.zip(newest).map(|(from, to)| format!("{} – {}", local_date(from), local_date(to)));
    days.unwrap_or_default()
}

/// [`local_minute`] of a time written in ISO 8601.
pub(crate) fn local_minute_of(iso: &str) -> String {
    DateTime::parse_from_rfc3339(iso)
        .map_or_else(|_| iso.to_owned(), |time| local_minute(time.timestamp_millis()))
}

fn formatted<Z: TimeZone<Offset: Display>>(zone: &Z, ms: Ms, format: &str) -> String {
    match zone.timestamp_millis_opt(ms).single() {
        Some(time) => time.format(format).to_string(),
        None => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use chrono_tz::Europe::Berlin;

    #[test]
    fn times_are_shown_in_the_zone_and_impossible_ones_as_milliseconds() {
        assert_eq!(formatted(&Berlin, 1_745_270_025_236, "%Y-%m-%d %H:%M"), "2025-04-21 23:13");
        assert_eq!(formatted(&Utc, Ms::MIN, "%H:%M"), format!("{} ms", Ms::MIN));
    }
}
