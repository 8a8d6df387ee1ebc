//! Days and months of UTC, which budgets are counted by.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};

use super::Ms;

/// When the UTC day and month of a moment began (ms).
#[must_use]
pub fn day_and_month(now: Ms) -> (Ms, Ms) {
    let date = DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default().date_naive();
    let start = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    (start(date), start(date.with_day(1).unwrap_or(date)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_a_month_begin_at_midnight_utc() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T21:03:18.500Z").unwrap().timestamp_millis();
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339();
        let (day, month) = day_and_month(now);
        assert_eq!(
            (at(day), at(month)),
            ("2026-11-22T00:00:00+00:00".into(), "2026-11-01T00:00:00+00:00".into())
        );
    }
}
