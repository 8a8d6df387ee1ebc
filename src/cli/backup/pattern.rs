//! Names of backups that hold the time: `archive-%Y%m%dT%H%M%SZ.db`.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

/// The name of a backup in a folder.
pub(super) const DEFAULT: &str = "archive-%Y%m%dT%H%M%SZ.db";

/// A file name with places for the time, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(char),
    /// Which part of the time: the index into [`Moment`].
    Part(usize),
}

/// Year, month, day, day of the year, hour, minute, second.
type Moment = [u32; 7];

const PARTS: [(char, usize); 7] = [('Y', 4), ('m', 2), ('d', 2), ('j', 3), ('H', 2), ('M', 2), ('S', 2)];

impl Pattern {
    /// Reads a name.
    ///
    /// # Errors
    /// Says which placeholder is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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

    /// Whether names of it differ from time to time.
    pub(super) fn tells_the_time(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Part(_)))
    }

    /// The name at a moment.
    pub(super) fn name(&self, at: DateTime<Utc>) -> String {
        let year = u32::try_from(at.year()).unwrap_or_default();
        let moment: Moment = [year, at.month(), at.day(), at.ordinal(), at.hour(), at.minute(), at.second()];
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

    /// The moment that a name of this pattern tells, for comparing; `None` when it is not of this pattern.
    pub(super) fn read(&self, name: &str) -> Option<Moment> {
        let mut moment = Moment::default();
        let mut rest = name;
        for piece in &self.0 {
            match piece {
                Piece::Literal(c) => rest = rest.strip_prefix(*c)?,
                Piece::Part(part) => {
                    let (digits, after) = rest.split_at_checked(width(*part))?;
                    if !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return None;
                    }
                    *moment.get_mut(*part)? = digits.parse().ok()?;
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(moment)
    }
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
        assert_eq!(pattern.read(&name), Some([2026, 11, 3, 0, 4, 5, 6]));
        assert!(pattern.read("archive-20261103T040507Z.db") > pattern.read(&name));
        for other in ["archive-2026.db", "archive-20261103T040506Z.db.old", "archive-2026११03T040506Z.db", ""]
        {
            assert_eq!(pattern.read(other), None, "{other}");
        }
    }

    #[test]
    fn days_are_compared_in_whatever_order_they_are_written() {
        let pattern = Pattern::parse("%d.%m.%Y 100%%").unwrap();
        assert_eq!(pattern.name(at("2026-11-03T04:05:06Z")), "03.11.2026 100%");
        assert!(pattern.read("01.12.2026 100%") > pattern.read("31.11.2026 100%"));
        assert!(pattern.tells_the_time() && !Pattern::parse("100%%").unwrap().tells_the_time());
        assert_eq!(Pattern::parse("%F").unwrap().name(at("2026-01-02T00:00:00Z")), "2026-01-02");
        assert!(Pattern::parse("%q").is_err() && Pattern::parse("x%").is_err());
    }
}
