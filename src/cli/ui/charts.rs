//! Charts made of characters: bars, sparklines and timelines, in ASCII where the locale has nothing else.

use crate::config::Env;
use crate::core::timeline::bar;

/// The characters that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glyphs {
    unicode: bool,
}

impl Glyphs {
    /// Those that the locale can show.
    pub(crate) fn of(env: &Env) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env.text(name));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self { unicode: locale.contains("utf-8") || locale.contains("utf8") }
    }

    #[cfg(test)]
    const fn unicode() -> Self {
        Self { unicode: true }
    }

    /// A bar for a value: `most` fills the width.
    pub(crate) fn bar(self, value: i64, most: i64, width: usize) -> String {
        let eighths = scaled(value, most, width.saturating_mul(8));
        let (whole, rest) = (eighths / 8, eighths % 8);
        if !self.unicode {
            return "#".repeat(whole + usize::from(rest >= 4 || (whole == 0 && rest > 0)));
        }
        let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(rest).copied().unwrap_or_default();
        format!("{}{part}", "█".repeat(whole))
    }

    /// One character per value, higher for larger ones, and a dot for zero.
    pub(crate) fn spark(self, values: &[i64]) -> String {
        let most = values.iter().copied().max().unwrap_or_default();
        let levels: &[char] = if self.unicode {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['_', '.', ':', '-', '=', '+', '*', '#']
        };
        let glyph = |value: i64| match value {
            ..=0 if self.unicode => '·',
            ..=0 => ' ',
            value => {
                let level = scaled(value, most, levels.len()).saturating_sub(1);
                levels.get(level).copied().unwrap_or(' ')
            }
        };
        values.iter().map(|v| glyph(*v)).collect()
    }

    /// The character for a stretch of time.
    pub(crate) fn cell(self, cell: bar::Cell) -> char {
        use crate::core::timeline::bar::Cell;
        match (cell, self.unicode) {
            (Cell::Covered, true) => '█',
            (Cell::Covered, false) => '#',
            (Cell::Partly, true) => '▒',
            (Cell::Partly, false) => '+',
            (Cell::Missing, true) => '░',
            (Cell::Missing, false) => '-',
            (Cell::Unknown, true) => '·',
            (Cell::Unknown, false) => '.',
            (Cell::Before, _) => ' ',
        }
    }
}

/// `value` of `most` as a part of `whole`, rounded up so that only zero is zero.
fn scaled(value: i64, most: i64, whole: usize) -> usize {
    let (value, most) = (u128::from(value.max(0).unsigned_abs()), u128::from(most.max(1).unsigned_abs()));
    let whole = u128::try_from(whole).unwrap_or_default();
    usize::try_from((value * whole).div_ceil(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn with(name: &str, value: &str) -> Glyphs {
        Glyphs::of(&Env::fixed(Path::new("/"), [(name, value)]))
    }

    #[test]
    fn the_locale_decides_what_can_be_shown() {
        assert!(with("LANG", "de_DE.UTF-8").unicode && with("LC_ALL", "C.utf8").unicode);
        assert!(!with("LANG", "C").unicode && !with("NOTHING", "UTF-8").unicode);
    }

    #[test]
    fn bars_and_sparklines_show_every_value_but_zero() {
        let (rich, plain) = (Glyphs::unicode(), with("LANG", "C"));
        assert_eq!(rich.bar(5, 10, 4), "██");
        assert_eq!((rich.bar(1, 1000, 4), plain.bar(1, 1000, 4)), ("▏".into(), "#".into()));
        assert_eq!((rich.bar(0, 10, 4), plain.bar(10, 10, 4)), (String::new(), "####".into()));
        assert_eq!(rich.spark(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(plain.spark(&[0, 1, 8]), " _#");
        assert_eq!(rich.spark(&[]), "");
    }
}
