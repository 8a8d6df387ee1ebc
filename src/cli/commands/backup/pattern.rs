//! Names of backups that hold the time: `archive-%Y%m%dT%H%M%SZ.db`.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, Timelike as _, Utc};

/// The name of a backup in a folder.
pub(in crate::cli) const DEFAULT: &str = "archive-%Y%m%dT%H%M%SZ.db";

/// A file name with places for the time, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(char),
    /// Which part of the time: the index into [`PARTS`].
    Part(usize),
}

/// Year, month, day, day of the year, hour, minute, second: their letters and how many digits they have.
const PARTS: [(char, usize); 7] = [('Y', 4), ('m', 2), ('d', 2), ('j', 3), ('H', 2), ('M', 2), ('S', 2)];

impl Pattern {
    /// Reads a name.
    ///
    /// # Errors
    /// Says which placeholder is none.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                pieces.push(Piece::Literal(c));
                continue;
            }
            match chars.next() {
                Some('%') => pieces.push(Piece::Literal('%')),
                Some('F') => pieces.extend([
                    Piece::Part(0),
                    Piece::Literal('-'),
                    Piece::Part(1),
                    Piece::Literal('-'),
                    Piece::Part(2),
                ]),
                Some(letter) => match PARTS.iter().position(|(known, _)| *known == letter) {
                    Some(part) => pieces.push(Piece::Part(part)),
                    None => return Err(format!("%{letter} is no placeholder")),
                },
                None => return Err("it ends with a single %".to_owned()),
            }
        }
        Ok(Self(pieces))
    }

    /// Whether names of it tell which of two is the older: they have the year, and every unit that is coarser than the
    /// finest one. Without the month, the 1st of a month is not after the 31st of the one before.
    pub(in crate::cli) fn tells_the_order(&self) -> bool {
        let has = |part| self.0.contains(&Piece::Part(part));
        let (year, month, day) = (has(0), has(1), has(3) || (has(1) && has(2)));
        let units = [year, month || has(3), day, has(4), has(5), has(6)];
        // A day of no month tells nothing, whatever else is there.
        let dangling = has(2) && !day;
        year && !dangling && units.is_sorted_by(|coarse, fine| coarse >= fine)
    }

    /// The name at a moment.
    pub(in crate::cli) fn name(&self, at: DateTime<Utc>) -> String {
        let year = u32::try_from(at.year()).unwrap_or_default();
        let moment = [year, at.month(), at.day(), at.ordinal(), at.hour(), at.minute(), at.second()];
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(c) => name.push(*c),
                Piece::Part(part) => {
                    let (value, width) = (moment.get(*part).copied().unwrap_or_default(), width(*part));
                    name.push_str(&format!("{value:0width$}"));
                }
            }
        }
        name
    }

    /// The moment that a name of this pattern tells, for comparing; `None` when it is not of this pattern, or there is
    /// no such moment.
    pub(in crate::cli) fn read(&self, name: &str) -> Option<NaiveDateTime> {
        let mut moment = [None; PARTS.len()];
        let mut rest = name;
        for piece in &self.0 {
            match piece {
                Piece::Literal(c) => rest = rest.strip_prefix(*c)?,
                Piece::Part(part) => {
                    let (digits, after) = rest.split_at_checked(width(*part))?;
                    if !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return None;
                    }
                    let value: u32 = digits.parse().ok()?;
                    // What stands in it twice says the same twice.
                    if moment.get_mut(*part)?.replace(value).is_some_and(|before| before != value) {
                        return None;
                    }
                    rest = after;
                }
            }
        }
        if rest.is_empty() { of(moment) } else { None }
    }
}

/// The first moment that has these parts.
fn of(
    [year, month, day, of_year, hour, minute, second]: [Option<u32>; PARTS.len()],
) -> Option<NaiveDateTime> {
    let year = i32::try_from(year?).ok()?;
    let date = match of_year {
        Some(ordinal) => NaiveDate::from_yo_opt(year, ordinal)?,
        None => NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1))?,
    };
    let agrees = month.is_none_or(|m| m == date.month()) && day.is_none_or(|d| d == date.day());
    let time = date.and_hms_opt(hour.unwrap_or(0), minute.unwrap_or(0), second.unwrap_or(0));
    time.filter(|_| agrees)
}

fn width(part: usize) -> usize {
    PARTS.get(part).map_or(0, |(_, width)| *width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_name_tells_its_time_and_is_read_back() {
        let pattern = Pattern::parse(DEFAULT).unwrap();
        let name = pattern.name(at("2026-11-03T04:05:06Z"));
        assert_eq!(name, "archive-20261103T040506Z.db");
        assert_eq!(pattern.read(&name), Some(at("2026-11-03T04:05:06Z").naive_utc()));
        assert!(pattern.read("archive-20261103T040507Z.db") > pattern.read(&name));
        for other in [
            "archive-2026.db",
            "archive-20261103T040506Z.db.old",
            "archive-2026११03T040506Z.db",
            "archive-20261303T040506Z.db",
            "",
        ] {
            assert_eq!(pattern.read(other), None, "{other}");
        }
    }

    #[test]
    fn days_are_compared_in_whatever_order_they_are_written() {
        let pattern = Pattern::parse("%d.%m.%Y 100%%").unwrap();
        assert_eq!(pattern.name(at("2026-11-03T04:05:06Z")), "03.11.2026 100%");
        assert!(pattern.read("01.12.2026 100%") > pattern.read("30.11.2026 100%"));
        assert!(pattern.read("31.11.2026 100%").is_none());
        assert_eq!(Pattern::parse("%F").unwrap().name(at("2026-01-02T00:00:00Z")), "2026-01-02");
        assert!(Pattern::parse("%q").is_err() && Pattern::parse("x%").is_err());
    }

    #[test]
    fn only_names_with_every_coarser_unit_tell_the_order() {
        let tells = |text: &str| Pattern::parse(text).unwrap().tells_the_order();
        for text in [DEFAULT, "%F", "%Y", "%Y-%m", "%d.%m.%Y", "%Y-%j", "%Y%j%d", "%S%M%H%F", "%Y%j %H"] {
            assert!(tells(text), "{text}");
        }
        for text in ["100%%", "%d", "%m-%d", "%j", "%H%M", "%Y-%d", "%Y-%H", "%F %M", "%F %H%S", "%Y%m %H"] {
            assert!(!tells(text), "{text}");
        }
        let both = Pattern::parse("%Y-%j-%d").unwrap();
        assert!(both.read("2026-032-01") > both.read("2026-031-31"), "1 February is after 31 January");
        assert_eq!(both.read("2026-032-02"), None, "the 32nd day is the 1st of a month");
        assert_eq!(Pattern::parse("%Y-%Y").unwrap().read("2025-2026"), None);
    }
}
