//! The word that was probably meant by one that no message has.
//!
//! Words that are one slip away are looked up one by one, and only then words with the same beginning are listed, up to
//! a bound: neither takes longer for words that many messages have, or for a larger archive.

use std::collections::BTreeSet;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _};

use crate::core::search::query::Term;
use crate::core::search::tokenize;
use crate::store::Result;

/// Letters of a word, at most and at least, for which slips are looked for.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=20;
/// Letters that a word has in common with one that is more than a slip away.
const SAME: usize = 3;
/// Words with the same beginning that are compared, at most: some milliseconds.
const COMPARED: usize = 200;
/// How much alike two words must be, after Jaro and Winkler.
const ALIKE: f64 = 0.85;

/// The word of the index that looks most like this one.
pub(super) fn nearest(db: &Connection, term: &Term) -> Result<Option<String>> {
    let folded = tokenize::fold(&term.text);
    let letters: Vec<char> = folded.chars().collect();
    let single = letters.iter().all(|c| tokenize::is_word(*c) && !tokenize::is_unspaced(*c));
    if !single || !LETTERS.contains(&letters.len()) {
        return Ok(None);
    }
    let mut index = Vocabulary::of(db)?;
    let mut best = Best { word: &folded, found: None };
    let alphabet = alphabet(&letters);
    let mut before = String::new();
    for at in 0..=letters.len() {
        // Where no word begins like this, none comes of a slip further on.
        if !index.next(&before)?.is_some_and(|word| word.starts_with(&before)) {
            break;
        }
        for slip in slips(&letters, at, &alphabet) {
            if index.has(&slip)? {
                best.compare(slip);
            }
        }
        before.extend(letters.get(at));
    }
    if best.found.is_none() {
        let beginning: String = letters.iter().take(SAME).collect();
        let mut from = beginning.clone();
        for _ in 0..COMPARED {
            let Some(word) = index.next(&from)?.filter(|word| word.starts_with(&beginning)) else { break };
            // No word has a control character: this is what comes next after it.
            from = format!("{word}\u{1}");
            best.compare(word);
        }
    }
    Ok(best.found.map(|(_, word)| word))
}

/// The index's words in their order.
struct Vocabulary<'a> {
    next: CachedStatement<'a>,
    has: CachedStatement<'a>,
}

impl<'a> Vocabulary<'a> {
    fn of(db: &'a Connection) -> Result<Self> {
        // The list of the index's words is a table of this connection only; it holds nothing, but creating it counts
        // as writing. It has a row for each place of a word, since one for each word would have all its places counted.
        db.pragma_update(None, "query_only", false)?;
        let made = db.execute_batch(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.indexed_places USING fts5vocab(main, messages_fts, instance)",
        );
        db.pragma_update(None, "query_only", true)?;
        made?;
        Ok(Self {
            next: db.prepare_cached("SELECT term FROM temp.indexed_places WHERE term >= ?1 LIMIT 1")?,
            has: db.prepare_cached("SELECT 1 FROM temp.indexed_places WHERE term = ?1 LIMIT 1")?,
        })
    }

    /// Whether there is this word: to look for one that is not there stops sooner than [`Vocabulary::next`].
    fn has(&mut self, word: &str) -> Result<bool> {
        Ok(self.has.exists([word])?)
    }

    /// This word, or the first after it.
    fn next(&mut self, word: &str) -> Result<Option<String>> {
        Ok(self.next.query_row([word], |row| row.get(0)).optional()?)
    }
}

/// The best so far.
struct Best<'a> {
    word: &'a str,
    found: Option<(f64, String)>,
}

impl Best<'_> {
    fn compare(&mut self, other: String) {
        let like = strsim::jaro_winkler(self.word, &other);
        if like > ALIKE && self.found.as_ref().is_none_or(|(most, _)| like > *most) {
            self.found = Some((like, other));
        }
    }
}

/// All that come of a word by a slip at this place: one letter more, less or other, or two neighbours exchanged.
fn slips(letters: &[char], at: usize, alphabet: &BTreeSet<char>) -> BTreeSet<String> {
    let (before, after) = letters.split_at(at);
    let with =
        |between: &[char], after: &[char]| -> String { before.iter().chain(between).chain(after).collect() };
    let mut all: BTreeSet<String> = alphabet.iter().map(|c| with(&[*c], after)).collect();
    if let [first, rest @ ..] = after {
        all.insert(with(&[], rest));
        all.extend(alphabet.iter().map(|c| with(&[*c], rest)));
        if let [second, rest @ ..] = rest {
            all.insert(with(&[*second, *first], rest));
        }
    }
    all.remove(&with(&[], after));
    all
}

/// The letters that may have been meant: those of the word, and of the alphabets that they are of.
fn alphabet(letters: &[char]) -> BTreeSet<char> {
    let mut all: BTreeSet<char> = letters.iter().copied().collect();
    for own in [('a', 'z'), ('α', 'ω'), ('а', 'я'), ('א', 'ת')] {
        if letters.iter().any(|c| (own.0..=own.1).contains(c)) {
            all.extend(own.0..=own.1);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_letter_more_less_or_other_or_two_exchanged() {
        let all = |word: &str| -> BTreeSet<String> {
            let letters: Vec<char> = word.chars().collect();
            (0..=letters.len()).flat_map(|at| slips(&letters, at, &alphabet(&letters))).collect()
        };
        let of_abc = all("abc");
        for slip in ["bc", "ac", "ab", "abcd", "xabc", "abxc", "xbc", "axc", "abz", "bac", "acb"] {
            assert!(of_abc.contains(slip), "{slip}");
        }
        for other in ["abc", "cba", "a", "abcde", "xyc"] {
            assert!(!of_abc.contains(other), "{other}");
        }
        assert!(all("мор").contains("море") && all("λογο").contains("λογοσ"));
    }
}
