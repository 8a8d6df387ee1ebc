//! The word that was probably meant by one that no message has.
//!
//! Words that are one slip away are looked up one by one, which takes the same time however large the archive is. Only
//! then the index's words with the same beginning are read: listing one costs as much as it is common, so that their
//! messages have a bound together.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::core::query::Term;
use crate::core::words;
use crate::store::StoreError;

/// Letters of a word, at most and at least, for which slips are looked for.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=20;
/// Letters that a word has in common with one that is more than a slip away.
const SAME: usize = 3;
/// Messages that the words which are read are in, at most: some milliseconds.
const POSTINGS: i64 = 100_000;
/// How much alike two words must be, after Jaro and Winkler.
const ALIKE: f64 = 0.85;

/// The word of the index that looks most like this one.
pub(super) fn nearest(db: &Connection, term: &Term) -> Result<Option<String>, StoreError> {
    let folded = words::fold(&term.text);
    let single = folded.chars().all(|c| words::is_word(c) && !words::is_run(c));
    if !single || !LETTERS.contains(&folded.chars().count()) {
        return Ok(None);
    }
    let mut best = Best { word: &folded, found: None };
    let mut known = db.prepare_cached("SELECT 1 FROM messages_fts WHERE messages_fts MATCH ?1")?;
    for slip in slips(&folded) {
        if known.exists([format!("\"{slip}\"")])? {
            best.compare(slip);
        }
    }
    if best.found.is_none() {
        with_same_beginning(db, &folded, &mut best)?;
    }
    Ok(best.found.map(|(_, word)| word))
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

/// All that come of a word by one letter more, less or other, or by two neighbours that change places.
fn slips(word: &str) -> BTreeSet<String> {
    let letters: Vec<char> = word.chars().collect();
    let alphabet = alphabet(&letters);
    let mut all = BTreeSet::new();
    for at in 0..=letters.len() {
        let (before, after) = letters.split_at(at);
        let with = |between: &[char], after: &[char]| -> String {
            before.iter().chain(between).chain(after).collect()
        };
        all.extend(alphabet.iter().map(|c| with(&[*c], after)));
        let [first, rest @ ..] = after else { continue };
        all.insert(with(&[], rest));
        all.extend(alphabet.iter().map(|c| with(&[*c], rest)));
        if let [second, rest @ ..] = rest {
            all.insert(with(&[*second, *first], rest));
        }
    }
    all.remove(word);
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

fn with_same_beginning(db: &Connection, folded: &str, best: &mut Best<'_>) -> Result<(), StoreError> {
    let from: String = folded.chars().take(SAME).collect();
    let mut after: Vec<char> = from.chars().collect();
    if let Some(last) = after.last_mut() {
        *last = char::from_u32(u32::from(*last).saturating_add(1)).unwrap_or(char::MAX);
    }
    // The list of the index's words is a table of this connection only; it holds nothing, but creating it counts as
    // writing.
    db.pragma_update(None, "query_only", false)?;
    let made = db.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.indexed_words USING fts5vocab(main, messages_fts, row)",
    );
    db.pragma_update(None, "query_only", true)?;
    made?;
    let mut statement =
        db.prepare_cached("SELECT term, doc FROM temp.indexed_words WHERE term >= ?1 AND term < ?2")?;
    let mut rows = statement.query((from, after.into_iter().collect::<String>()))?;
    let mut left = POSTINGS;
    while left > 0
        && let Some(row) = rows.next()?
    {
        left = left.saturating_sub(row.get(1)?);
        best.compare(row.get(0)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_letter_more_less_or_other_or_two_exchanged() {
        let slips = slips("abc");
        for slip in ["bc", "ac", "ab", "abcd", "xabc", "abxc", "xbc", "axc", "abz", "bac", "acb"] {
            assert!(slips.contains(slip), "{slip}");
        }
        for other in ["abc", "cba", "a", "abcde", "xyc"] {
            assert!(!slips.contains(other), "{other}");
        }
        assert!(super::slips("мор").contains("море") && super::slips("λογο").contains("λογοσ"));
    }
}
