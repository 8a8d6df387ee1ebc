//! Names of backups that contain the time: `archive-%Y%m%dT%H%M%SZ.db`.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The name of a backup in a folder.
pub(super) const DEFAULT: &str = "archive-%Y%m%dT%H%M%SZ.db";

/// A file name with those of `strftime`'s placeholders that have a fixed width, for the time in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    /// Reads a name. An error says which placeholder is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = placeholders(text).find(|letter| !letter.is_some_and(|l| "YmdjHMSF%".contains(l)));
        match wrong {
            None => Ok(Self(text.to_owned())),
            Some(Some(letter)) => Err(format!("%{letter} is no placeholder")),
            Some(None) => Err("it ends with a single %".to_owned()),
        }
    }

    fn has(&self, part: char) -> bool {
        placeholders(&self.0).flatten().any(|l| l == part || (l == 'F' && "Ymd".contains(part)))
    }

    /// Whether names of it tell which of two is the older: they have the year, and every unit that is coarser than the
    /// finest one. Without the month, the 1st of a month is not after the 31st of the one before.
    pub(super) fn tells_the_order(&self) -> bool {
        let has = |part| self.has(part);
        let (year, month, day) = (has('Y'), has('m'), has('j') || (has('m') && has('d')));
        let units = [year, month || has('j'), day, has('H'), has('M'), has('S')];
        // A day of no month tells nothing, whatever else is there.
        let dangling = has('d') && !day;
        year && !dangling && units.is_sorted_by(|coarse, fine| coarse >= fine)
    }

    pub(super) fn name(&self, at: DateTime<Utc>) -> String {
        at.format(&self.0).to_string()
    }

    /// The first moment that has this name; `None` when the name is not of this pattern, or there is no such moment.
    pub(super) fn read(&self, name: &str) -> Option<NaiveDateTime> {
        let (mut pattern, mut text) = (self.0.clone(), name.to_owned());
        for (part, first) in [('m', "01"), ('d', "01"), ('H', "00"), ('M', "00"), ('S', "00")] {
            let by_day_of_year = self.has('j') && matches!(part, 'm' | 'd');
            if !self.has(part) && !by_day_of_year {
                pattern.push_str(&format!("/%{part}"));
                text.push_str(&format!("/{first}"));
            }
        }
        let moment = NaiveDateTime::parse_from_str(&text, &pattern).ok()?;
        // chrono also reads numbers with fewer digits, a sign or white space before them.
        (self.name(moment.and_utc()) == name).then_some(moment)
    }
}

/// The letter after each `%`; `None` after a last one.
fn placeholders(text: &str) -> impl Iterator<Item = Option<char>> {
    let mut chars = text.chars();
    std::iter::from_fn(move || chars.find(|c| *c == '%').map(|_| chars.next()))
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
            "archive-2026 103T040506Z.db",
            "archive-+2026103T040506Z.db",
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
