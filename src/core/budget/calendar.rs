//! Days and months of UTC, which budgets are counted by.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};

use crate::core::Ms;

/// When the UTC day and month of a moment began (ms).
#[must_use]
pub fn day_and_month(now: Ms) -> (Ms, Ms) {
    let day = date(now);
    (midnight(day), midnight(first_of_month(day)))
}

/// When the next UTC day and the next month after those of a moment begin (ms).
#[must_use]
pub fn next_day_and_month(now: Ms) -> (Ms, Ms) {
    let day = date(now);
    let month = first_of_month(day).checked_add_months(Months::new(1));
    (midnight(day.succ_opt().unwrap_or(day)), midnight(month.unwrap_or(day)))
}

fn date(now: Ms) -> NaiveDate {
    DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default().date_naive()
}

fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

fn midnight(day: NaiveDate) -> Ms {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_a_month_begin_and_end_at_midnight_utc() {
        let now = DateTime::parse_from_rfc3339("2026-12-31T21:03:18.500Z").unwrap().timestamp_millis();
        let at = |(day, month)| {
            [day, month].map(|ms| DateTime::from_timestamp_millis(ms).unwrap().format("%FT%T%.f").to_string())
        };
        assert_eq!(at(day_and_month(now)), ["2026-12-31T00:00:00", "2026-12-01T00:00:00"]);
        assert_eq!(at(next_day_and_month(now)), ["2027-01-01T00:00:00", "2027-01-01T00:00:00"]);
    }
}
