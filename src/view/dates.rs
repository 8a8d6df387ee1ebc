//! Dates on the command line, in the user's time zone, with one meaning in every command.

use chrono::{
    DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
};

use crate::core::Ms;
use crate::error::Failure;

/// The accepted forms.
const FORMS: &str =
    "2024, 2024-03, 2024-03-05, 2024-03-05T14:30, today, yesterday, 12h, 7d, 2w, 6mo or 1y (ago)";

/// The period that a date names, from its first moment to the first one after it: `--since 2024-03` starts on March 1,
/// and `--until 2024-03` includes all of March.
pub(crate) fn parse<Z: TimeZone>(text: &str, now: Ms, zone: &Z) -> Result<(Ms, Ms), Failure> {
    let not_a_date = || Failure::usage(format!("{text:?} is not a date"), format!("use one of: {FORMS}"));
    period(text, now, zone).ok_or_else(not_a_date)
}

/// A relative date is one millisecond.
fn period<Z: TimeZone>(text: &str, now: Ms, zone: &Z) -> Option<(Ms, Ms)> {
    let text = text.trim();
    let today = || Some(zone.timestamp_millis_opt(now).single()?.date_naive());
    let days = |from: NaiveDate, to: NaiveDate| {
        Some((first(zone, from.and_time(NaiveTime::MIN))?, first(zone, to.and_time(NaiveTime::MIN))?))
    };
    match text.to_ascii_lowercase().as_str() {
        "now" => return Some((now, now.checked_add(1)?)),
        "today" => return days(today()?, today()?.succ_opt()?),
        "yesterday" => return days(today()?.pred_opt()?, today()?),
        word => {
            if let Some(then) = ago(word, now, zone) {
                return Some((then, then.checked_add(1)?));
            }
        }
    }
    if let Some((from, to)) = calendar(text) {
        return days(from, to);
    }
    moment(text, zone)
}

/// `7d` and the like.
fn ago<Z: TimeZone>(word: &str, now: Ms, zone: &Z) -> Option<Ms> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = word.split_at_checked(digits)?;
    let number: u32 = number.parse().ok()?;
    let then = zone.timestamp_millis_opt(now).single()?;
    let then = match unit.trim() {
        "h" => then.checked_sub_signed(TimeDelta::try_hours(number.into())?)?,
        "d" => then.checked_sub_days(Days::new(number.into()))?,
        "w" => then.checked_sub_days(Days::new(u64::from(number).checked_mul(7)?))?,
        "mo" => then.checked_sub_months(Months::new(number))?,
        "y" => then.checked_sub_months(Months::new(number.checked_mul(12)?))?,
        _ => return None,
    };
    Some(then.timestamp_millis())
}

/// A year, month or day: its first day and the day after its last.
fn calendar(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    [("%Y", "-01-01"), ("%Y-%m", "-01"), ("%Y-%m-%d", "")].into_iter().find_map(|(form, rest)| {
        let from = NaiveDate::parse_from_str(&format!("{text}{rest}"), "%Y-%m-%d").ok()?;
        // chrono also reads fewer digits, signs and spaces.
        let named = from.year() > 0 && from.format(form).to_string() == text;
        let to = match form {
            "%Y" => from.checked_add_months(Months::new(12))?,
            "%Y-%m" => from.checked_add_months(Months::new(1))?,
            _ => from.succ_opt()?,
        };
        named.then_some((from, to))
    })
}

/// A date with a time: all of the minute, second or millisecond that it names.
fn moment<Z: TimeZone>(text: &str, zone: &Z) -> Option<(Ms, Ms)> {
    let text = text.replacen(' ', "T", 1);
    for (form, lasts) in
        [("%Y-%m-%dT%H:%M", 60_000), ("%Y-%m-%dT%H:%M:%S", 1000), ("%Y-%m-%dT%H:%M:%S%.3f", 1)]
    {
        let from = match NaiveDateTime::parse_from_str(&text, form) {
            Ok(local) => first(zone, local),
            Err(_) => {
                let named = text.strip_suffix('Z').map_or_else(|| text.clone(), |utc| format!("{utc}+00:00"));
                DateTime::parse_from_str(&named, &format!("{form}%:z")).ok().map(|t| t.timestamp_millis())
            }
        };
        if let Some(from) = from {
            return Some((from, from.checked_add(lasts)?));
        }
    }
    None
}

/// The first moment at which clocks in the zone show this, or have passed it if they were put forward.
fn first<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> Option<Ms> {
    // No zone skips more than a day, and none is ever moved by less than a quarter of an hour.
    (0..=96).find_map(|quarters| {
        let local = local.checked_add_signed(TimeDelta::try_minutes(15 * quarters)?)?;
        zone.from_local_datetime(&local).earliest().map(|t| t.timestamp_millis())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use chrono_tz::America::Sao_Paulo;
    use chrono_tz::Europe::Berlin;
    use proptest::prelude::*;

    /// 2025-03-31T10:20:30.456Z.
    const NOW: Ms = 1_743_416_430_456;

    fn utc(text: &str) -> Option<(String, String)> {
        let show = |ms| DateTime::<Utc>::from_timestamp_millis(ms).unwrap().format("%FT%T%.3f").to_string();
        period(text, NOW, &Utc).map(|(from, to)| (show(from), show(to)))
    }

    #[test]
    fn since_starts_a_period_and_until_includes_it() {
        for (text, from, to) in [
            ("2024", "2024-01-01T00:00:00.000", "2025-01-01T00:00:00.000"),
            ("2024-02", "2024-02-01T00:00:00.000", "2024-03-01T00:00:00.000"),
            (" 2024-02-29 ", "2024-02-29T00:00:00.000", "2024-03-01T00:00:00.000"),
            ("2024-02-29 14:30", "2024-02-29T14:30:00.000", "2024-02-29T14:31:00.000"),
            ("2024-02-29T14:30:05", "2024-02-29T14:30:05.000", "2024-02-29T14:30:06.000"),
            ("2024-02-29T14:30:05.123Z", "2024-02-29T14:30:05.123", "2024-02-29T14:30:05.124"),
            ("2024-02-29T14:30+02:00", "2024-02-29T12:30:00.000", "2024-02-29T12:31:00.000"),
            ("today", "2025-03-31T00:00:00.000", "2025-04-01T00:00:00.000"),
            ("Yesterday", "2025-03-30T00:00:00.000", "2025-03-31T00:00:00.000"),
            ("7d", "2025-03-24T10:20:30.456", "2025-03-24T10:20:30.457"),
            ("2w", "2025-03-17T10:20:30.456", "2025-03-17T10:20:30.457"),
            ("1mo", "2025-02-28T10:20:30.456", "2025-02-28T10:20:30.457"),
            ("1y", "2024-03-31T10:20:30.456", "2024-03-31T10:20:30.457"),
            ("12h", "2025-03-30T22:20:30.456", "2025-03-30T22:20:30.457"),
            ("now", "2025-03-31T10:20:30.456", "2025-03-31T10:20:30.457"),
        ] {
            assert_eq!(utc(text), Some((from.into(), to.into())), "{text}");
        }
        let bad = " |soon|24|2024-13|2024-02-30|2024-2-3|2024-|7|d|0000|2024-01-01-01|99999999999d|4294967295y|\
                   2024-02-29T25:00|７d|-5d";
        for text in bad.split('|') {
            assert_eq!(utc(text), None, "{text}");
        }
        let failure = parse("soon", NOW, &Utc).unwrap_err();
        assert_eq!((failure.exit_code(), failure.to_string().as_str()), (2, "\"soon\" is not a date"));
    }

    #[test]
    fn days_begin_and_end_in_the_users_zone() {
        // Clocks went forward on 30 March: that day has 23 hours.
        let (from, to) = period("2025-03-30", NOW, &Berlin).unwrap();
        assert_eq!((to - from) / 3_600_000, 23);
        assert_eq!(parse("2025-03-29", NOW, &Berlin).unwrap().1, from);
        // In São Paulo they once went forward at midnight, so that the day began at one o'clock.
        let (from, to) = period("2018-11-04", NOW, &Sao_Paulo).unwrap();
        assert_eq!((to - from) / 3_600_000, 23);
        assert_eq!(
            period("2025-03-30T02:30", NOW, &Berlin).unwrap().0,
            period("2025-03-30T03:00", NOW, &Berlin).unwrap().0
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_period_or_rejected(text in "\\PC{0,12}|[0-9dwmoyhTZ: +-]{0,24}", now in any::<i64>()) {
            if let Some((from, to)) = period(&text, now, &Berlin) {
                prop_assert!(from < to, "{text}");
            }
        }
    }
}
