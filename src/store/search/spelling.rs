//! Suggests a word for one that no message contains.
//!
//! Words at an edit distance of one are looked up one by one; failing that, words with the same prefix are listed, up to a
//! bound. Neither depends on how common the words are or how large the archive is.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::core::search::query::Term;
use crate::core::search::tokenize;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::search::why::known;
use crate::store::text_index::list_words;

/// Lengths of words that get suggestions.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=20;
/// Length of the prefix that more distant words must share.
const SAME: usize = 3;
/// At most this many words with the same prefix are compared, which takes milliseconds.
const COMPARED: usize = 200;
/// The least Jaro-Winkler similarity of a suggestion.
const ALIKE: f64 = 0.85;

/// The most similar word of the index.
pub(super) fn nearest(db: &Connection, term: &Term) -> Result<Option<String>> {
    let folded = tokenize::fold(&term.text);
    let letters: Vec<char> = folded.chars().collect();
    let single = letters.iter().all(|c| tokenize::is_word(*c) && !tokenize::is_unspaced(*c));
    if !single || !LETTERS.contains(&letters.len()) {
        return Ok(None);
    }
    list_words(db)?;
    let mut best = Best { word: &folded, found: None };
    let alphabet = alphabet(&letters);
    let mut before = String::new();
    for at in 0..=letters.len() {
        // If no word has this prefix, edits further on cannot match either.
        if !next_word(db, &before)?.is_some_and(|word| word.starts_with(&before)) {
            break;
        }
        for slip in slips(&letters, at, &alphabet) {
            if is_word(db, &slip)? {
                best.compare(slip);
            }
        }
        before.extend(letters.get(at));
    }
    if best.found.is_none() {
        let beginning: String = letters.iter().take(SAME).collect();
        let mut from = beginning.clone();
        for _ in 0..COMPARED {
            let Some(word) = next_word(db, &from)?.filter(|word| word.starts_with(&beginning)) else { break };
            // Words have no control characters, so this is the next one after it.
            from = format!("{word}\u{1}");
            best.compare(word);
        }
    }
    // The first index has pieces of words that it cut, and words that the second one has in another spelling.
    let Some((_, word)) = best.found else { return Ok(None) };
    let is_one = known(db, &Term { text: word.clone(), prefix: false })?;
    Ok(is_one.then_some(word))
}

/// Whether the word occurs. Faster than [`next_word`] for words that do not.
fn is_word(db: &Connection, word: &str) -> Result<bool> {
    db.one(
        "SELECT EXISTS (SELECT 1 FROM temp.indexed_places WHERE term = ?1)
           OR EXISTS (SELECT 1 FROM temp.folded_places WHERE term = ?1)",
        [word],
    )
}

/// The word, or the next one in order.
fn next_word(db: &Connection, word: &str) -> Result<Option<String>> {
    let one: Option<String> =
        db.first("SELECT term FROM temp.indexed_places WHERE term >= ?1 LIMIT 1", [word])?;
    let other: Option<String> =
        db.first("SELECT term FROM temp.folded_places WHERE term >= ?1 LIMIT 1", [word])?;
    Ok(one.into_iter().chain(other).min())
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

/// All edits at this place: a letter inserted, deleted or replaced, or two letters swapped.
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

/// Letters to try: those of the word, and of its alphabets.
fn alphabet(letters: &[char]) -> BTreeSet<char> {
    let mut all: BTreeSet<char> = letters.iter().copied().collect();
    for own in [('a', 'z'), ('α', 'ω'), ('а', 'я'), ('א', 'ת'), ('ا', 'ي')] {
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
