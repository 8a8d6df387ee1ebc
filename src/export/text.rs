//! Times and texts as the formats write them.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

use crate::core::Ms;

/// A time as the archive's views write it: ISO 8601, UTC, with milliseconds. `None` beyond the year 9999.
pub(super) fn iso(ms: Ms) -> Option<String> {
    let at = DateTime::<Utc>::from_timestamp_millis(ms).filter(|at| (0..=9999).contains(&at.year()))?;
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.timestamp_subsec_millis());
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// A day, in UTC: `2025-04-21`.
pub(super) fn day(ms: Ms) -> String {
    iso(ms).and_then(|iso| iso.get(..10).map(str::to_owned)).unwrap_or_else(|| format!("{ms} ms"))
}

/// A day as people write it, in UTC: `21 April 2025`.
pub(super) fn long_day(ms: Ms) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms)
        .map_or_else(|| format!("{ms} ms"), |at| at.format("%-d %B %Y").to_string())
}

/// The time of day, in UTC: `21:13`.
pub(super) fn clock(ms: Ms) -> String {
    iso(ms).and_then(|iso| iso.get(11..16).map(str::to_owned)).unwrap_or_default()
}

/// A minute, in UTC: `2025-04-21 21:13`.
pub(super) fn minute(ms: Ms) -> String {
    format!("{} {}", day(ms), clock(ms))
}

/// A part of a file's name, of any text: letters and digits of all scripts stay, all else becomes one hyphen.
pub(super) fn slug(text: &str) -> String {
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
pub(super) struct Text<'a>(pub(super) &'a str);

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
    fn times_are_told_as_the_views_tell_them() {
        assert_eq!(iso(1_745_270_025_236).as_deref(), Some("2025-04-21T21:13:45.236Z"));
        assert_eq!(iso(Ms::MAX), None);
        assert_eq!(minute(1_745_270_025_236), "2025-04-21 21:13");
        assert_eq!(long_day(1_745_270_025_236), "21 April 2025");
        assert_eq!(day(Ms::MAX), format!("{} ms", Ms::MAX));
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
