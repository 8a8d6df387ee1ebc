//! The server's own words made fit for errors and logs: short, in one line, without keys and tokens.

use std::borrow::Cow;

use super::mask::Mask;
use crate::secret::Secret;

/// The most characters of the server's words that an error repeats.
const MOST_CHARS: usize = 200;
/// How much of a text is looked at; what lies beyond cannot reach the first [`MOST_CHARS`].
const MOST_SCANNED: usize = 4_000;
/// So many characters of a secret in a row give it away.
const PART: usize = 8;

/// What must never be shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Scrubber {
    secrets: Vec<Secret>,
    /// What gives them away in an answer; empty where an answer is meant to hold one.
    mask: Mask,
}

impl Scrubber {
    pub(super) fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let secrets: Vec<Secret> = secrets.into_iter().filter(|s| !s.is_empty()).collect();
        let mask = Mask::of(secrets.iter().map(Secret::expose));
        Self { secrets, mask }
    }

    /// Of a login, which sends these as well, and whose answer holds a session.
    pub(super) fn of_login(&self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        let secrets = self.secrets.iter().cloned().chain(secrets).filter(|s| !s.is_empty()).collect();
        Self { secrets, mask: Mask::default() }
    }

    /// An answer's text without the secrets that it says back, in whatever common way it writes them: it is stored.
    pub(super) fn mask<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        match self.mask.apply(&text) {
            Some(masked) => Cow::Owned(masked),
            None => text,
        }
    }

    /// The text in one line, at most 200 characters, with each secret or long part of one replaced by `***`.
    pub(super) fn clean(&self, text: &str) -> String {
        let chars: Vec<char> = text.chars().take(MOST_SCANNED).collect();
        let mut out = String::new();
        let (mut at, mut length) = (0, 0);
        while let Some(c) = chars.get(at).copied() {
            let hidden = chars.get(at..).map_or(0, |rest| self.secret_at(rest));
            let shown = if hidden > 0 {
                "***".chars().collect()
            } else if c.is_control() || is_invisible(c) {
                vec![' ']
            } else {
                vec![c]
            };
            at += hidden.max(1);
            for c in shown {
                // Runs of white space carry nothing.
                if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
                    out.push(c);
                    length += 1;
                }
            }
            if length >= MOST_CHARS {
                out.push('…');
                break;
            }
        }
        out.trim_end().to_owned()
    }

    /// How many characters from here on belong to a secret.
    fn secret_at(&self, text: &[char]) -> usize {
        self.secrets.iter().map(|secret| part_at(text, secret.expose())).max().unwrap_or(0)
    }
}

/// The length of the longest stretch of `secret` that `text` begins with; 0 when that gives nothing away.
fn part_at(text: &[char], secret: &str) -> usize {
    let secret: Vec<char> = secret.chars().collect();
    let longest = (0..secret.len())
        .filter_map(|from| secret.get(from..))
        .map(|part| part.iter().zip(text).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count())
        .max()
        .unwrap_or(0);
    if longest >= PART.min(secret.len()) { longest } else { 0 }
}

/// Characters that change how a line reads without being seen: marks of direction and the like.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber() -> Scrubber {
        Scrubber::new([Secret::new("AQEDARxyz0123456789abcdef"), Secret::new("sk-1"), Secret::new("")])
    }

    #[test]
    fn secrets_and_long_parts_of_them_are_hidden() {
        for (said, shown) in [
            ("token AQEDARxyz0123456789abcdef is bad", "token *** is bad"),
            ("token ending in 89abcdef, sorry", "token ending in ***, sorry"),
            ("token AQEDARxyz01...", "token ***..."),
            ("TOKEN aqedarXYZ0123456789ABCDEF", "TOKEN ***"),
            ("key sk-1 and AQEDAR", "key *** and AQEDAR"),
            ("nothing to see", "nothing to see"),
        ] {
            assert_eq!(scrubber().clean(said), shown);
        }
    }

    #[test]
    fn a_secret_cut_by_the_limit_is_hidden_all_the_same() {
        let said = format!("{}AQEDARxyz0123456789abcdef and more", "x".repeat(195));
        let shown = scrubber().clean(&said);
        assert!(!shown.contains("AQED"), "{shown}");
        assert!(shown.chars().count() <= MOST_CHARS + 4, "{shown}");
    }

    #[test]
    fn words_become_one_short_line_without_control_characters() {
        assert_eq!(scrubber().clean("\u{1b}[31mbad\r\n\tidea\u{202e}!\n"), "[31mbad idea !");
        assert_eq!(scrubber().clean(&"é".repeat(5_000)).chars().count(), MOST_CHARS + 1);
    }
}
