//! Times and texts as the formats write them.

use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Tz;

use crate::core::Ms;

/// Times in a time zone, as people and files have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times(pub(crate) Tz);

impl Times {
    pub(crate) const UTC: Self = Self(Tz::UTC);

    /// `None` beyond the year 9999.
    fn at(self, ms: Ms) -> Option<DateTime<Tz>> {
        let at = DateTime::<Utc>::from_timestamp_millis(ms)?.with_timezone(&self.0);
        (0..=9999).contains(&at.year()).then_some(at)
    }

    /// As the archive's views write a time: ISO 8601 with milliseconds, of UTC with a `Z`.
    pub(crate) fn iso(self, ms: Ms) -> Option<String> {
        let offset = if self.0 == Tz::UTC { "Z" } else { "%:z" };
        Some(self.at(ms)?.format(&format!("%Y-%m-%dT%H:%M:%S%.3f{offset}")).to_string())
    }

    fn shown(self, ms: Ms, form: &str) -> String {
        self.at(ms).map_or_else(|| format!("{ms} ms"), |at| at.format(form).to_string())
    }

    /// `2025-04-21`.
    pub(crate) fn day(self, ms: Ms) -> String {
        self.shown(ms, "%Y-%m-%d")
    }

    /// `21 April 2025`.
    pub(crate) fn long_day(self, ms: Ms) -> String {
        self.shown(ms, "%-d %B %Y")
    }

    /// `21:13`.
    pub(crate) fn clock(self, ms: Ms) -> String {
        self.at(ms).map(|at| at.format("%H:%M").to_string()).unwrap_or_default()
    }

    /// `2025-04-21 21:13`.
    pub(crate) fn minute(self, ms: Ms) -> String {
        self.shown(ms, "%Y-%m-%d %H:%M")
    }
}

/// A part of a file's name, of any text: letters and digits of all scripts stay, all else becomes one hyphen.
pub(crate) fn slug(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut slug = String::new();
    for c in text.chars() {
        if slug.len() >= LONGEST {
            break;
        }
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Text in HTML, escaped, with a replacement character for whatever HTML cannot contain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl maud::Render for Text<'_> {
    fn render_to(&self, out: &mut String) {
        for c in self.0.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                '\n' | '\t' => out.push(c),
                '\r' => out.push_str("&#13;"),
                c if c.is_control() => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_the_views_tell_them_and_in_other_zones() {
        let (at, times) = (1_745_270_025_236, Times::UTC);
        assert_eq!(times.iso(at).as_deref(), Some("2025-04-21T21:13:45.236Z"));
        assert_eq!(times.iso(-1).as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(times.iso(Ms::MAX), None);
        assert_eq!(times.minute(at), "2025-04-21 21:13");
        assert_eq!(times.long_day(at), "21 April 2025");
        assert_eq!(times.day(Ms::MAX), format!("{} ms", Ms::MAX));
        let tokyo = Times(Tz::Asia__Tokyo);
        assert_eq!(tokyo.iso(at).as_deref(), Some("2025-04-22T06:13:45.236+09:00"));
        assert_eq!((tokyo.day(at).as_str(), tokyo.clock(at).as_str()), ("2025-04-22", "06:13"));
    }

    #[test]
    fn names_of_files_hold_nothing_that_a_file_system_or_a_link_minds() {
        assert_eq!(slug("Béla, contract / ../x"), "béla-contract-x");
        assert_eq!(slug("张小样"), "张小样");
        assert_eq!(slug("../..\u{0}"), "");
        assert!(slug(&"ß".repeat(500)).len() <= 62);
    }

    #[test]
    fn text_is_never_markup() {
        assert_eq!(
            maud::Render::render(&Text("<a href='x' b=\"y\">&\u{0}\u{1b}")).into_string(),
            "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;\u{fffd}\u{fffd}"
        );
    }
}
