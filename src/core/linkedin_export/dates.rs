//! The dates of exports, which have changed their form over the years.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::core::{Ms, raw};

/// Which of two numbers comes first in a date such as `10/5/18`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    /// As in the United States.
    #[default]
    MonthFirst,
    /// As nearly everywhere else.
    DayFirst,
}

impl DateOrder {
    /// What a date tells of the order, if anything.
    pub fn told_by(date: &str) -> Option<Self> {
        let words = words(date);
        let mut numbers = words.first()?.split('/').map(|number| number.parse::<u32>().ok());
        match (numbers.next()??, numbers.next()??) {
            (13..=31, 1..=12) => Some(Self::DayFirst),
            (1..=12, 13..=31) => Some(Self::MonthFirst),
            _ => None,
        }
    }
}

/// The moment that an export's date names (ms): `2026-02-15 00:04:28 UTC`, the forms of ISO 8601, and such as
/// `10/5/18, 3:04 PM`. A date without a zone is UTC.
pub fn moment(date: &str, order: DateOrder) -> Option<Ms> {
    let date = date.trim();
    iso(date).or_else(|| worded(date, order)).filter(|ms| raw::plausible(*ms))
}

/// Whether the date is of a form that no order matters for.
pub fn is_iso(date: &str) -> bool {
    iso(date.trim()).is_some()
}

fn iso(date: &str) -> Option<Ms> {
    let utc = date
        .strip_suffix("UTC")
        .or_else(|| date.strip_suffix("GMT"))
        .or_else(|| date.strip_suffix('Z'))
        .map_or(date, str::trim_end);
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(utc, form).ok())
        .or_else(|| NaiveDate::parse_from_str(utc, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .map(|time| time.and_utc().timestamp_millis());
    naive.or_else(|| {
        ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"]
            .iter()
            .find_map(|form| DateTime::parse_from_str(date, form).ok())
            .map(|time| time.timestamp_millis())
    })
}

fn worded(date: &str, order: DateOrder) -> Option<Ms> {
    let text = words(date).join(" ");
    let days: &[&str] = match order {
        DateOrder::MonthFirst => &["%m/%d/%Y", "%m/%d/%y"],
        DateOrder::DayFirst => &["%d/%m/%Y", "%d/%m/%y"],
    };
    let days = days.iter().chain(&["%Y/%m/%d", "%b %d %Y", "%d %b %Y", "%a %b %d %Y"]);
    let times = ["%I:%M %p", "%I:%M:%S %p", "%H:%M", "%H:%M:%S"];
    let mut moments =
        days.flat_map(|day| times.iter().map(move |time| format!("{day} {time}"))).filter_map(|form| {
            let time = NaiveDateTime::parse_from_str(&text, &form).ok()?;
            Some(time.and_utc().timestamp_millis())
        });
    // A year of two digits is one of the first century for the other form.
    moments.find(|ms| raw::plausible(*ms)).or_else(|| {
        let day = ["%m/%d/%Y", "%d/%m/%Y"].get(usize::from(order == DateOrder::DayFirst))?;
        Some(NaiveDate::parse_from_str(&text, day).ok()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
    })
}

/// The words of a date, with slashes between the numbers of the day.
fn words(date: &str) -> Vec<String> {
    let without = date.trim().trim_end_matches("UTC").trim_end_matches("GMT").replace(',', " ");
    let mut words: Vec<String> = without.split_whitespace().map(str::to_owned).collect();
    if let Some(first) = words.first_mut().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        *first = first.replace(['.', '-'], "/");
    }
    // `3:04PM` is `3:04 PM`.
    if let Some(last) = words.last_mut()
        && let Some(time) = last.to_uppercase().strip_suffix("AM").or(last.to_uppercase().strip_suffix("PM"))
        && !time.is_empty()
    {
        let half = last.to_uppercase().split_off(time.len());
        *last = format!("{time} {half}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_in_several_forms() {
        let expected = Some(1_771_113_868_000);
        for form in [
            "2026-02-15 00:04:28 UTC",
            " 2026-02-15T00:04:28Z",
            "2026-02-15 00:04:28",
            "2026-02-15T01:04:28+01:00",
            "2026-02-15T01:04:28+0100",
            "2026-02-15 00:04:28 +0000",
            "2026-02-15 00:04:28.000 UTC",
            "2/15/2026, 12:04:28 AM",
            "02/15/26 00:04:28",
            "Feb 15, 2026, 12:04:28 AM",
            "Sun Feb 15 2026 00:04:28",
        ] {
            assert_eq!(moment(form, DateOrder::MonthFirst), expected, "{form}");
        }
        for form in
            ["2026-02-15 00:04 UTC", "2/15/26, 12:04 AM", "2/15/26, 12:04\u{202f}AM", "2/15/26 12:04am"]
        {
            assert_eq!(moment(form, DateOrder::MonthFirst), Some(1_771_113_840_000), "{form}");
        }
        for none in
            ["", "yesterday", "2026-02-30 00:00:00 UTC", "1970-01-01 00:00:00 UTC", "13/13/18, 3:04 PM"]
        {
            assert_eq!(moment(none, DateOrder::MonthFirst), None, "{none}");
        }
    }

    #[test]
    fn the_order_of_day_and_month_is_told_by_a_day_beyond_the_twelfth() {
        assert_eq!(DateOrder::told_by("10/13/18, 3:04 PM"), Some(DateOrder::MonthFirst));
        assert_eq!(DateOrder::told_by("13.10.2018 15:04"), Some(DateOrder::DayFirst));
        for silent in ["10/5/18, 3:04 PM", "2018-10-13 15:04", "", "soon"] {
            assert_eq!(DateOrder::told_by(silent), None, "{silent}");
        }
        let october = Some(1_538_751_840_000);
        assert_eq!(moment("10/5/18, 3:04 PM", DateOrder::MonthFirst), october);
        assert_eq!(moment("5.10.2018 15:04", DateOrder::DayFirst), october);
        assert_eq!(moment("05/10/18 15:04", DateOrder::DayFirst), october);
    }
}
