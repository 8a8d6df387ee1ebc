//! What changed between two versions of a text, word by word.

use crate::core::search::tokenize;

/// A piece of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffPiece<'a> {
    /// In both.
    Kept(&'a str),
    /// Only in the former.
    Removed(&'a str),
    /// Only in the latter.
    Added(&'a str),
}

/// Comparisons of words at most. Beyond that the differing part counts as replaced as a whole.
const MOST: usize = 1_000_000;

/// The pieces of both texts, in order.
#[must_use]
pub fn changes<'a>(old: &'a str, new: &'a str) -> Vec<DiffPiece<'a>> {
    let (old, new) = (words(old), words(new));
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let after = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, end) = old_rest.split_at(old_rest.len().saturating_sub(after));
    let (new_middle, _) = new_rest.split_at(new_rest.len().saturating_sub(after));
    let mut all: Vec<DiffPiece<'a>> = old.iter().take(before).map(|word| DiffPiece::Kept(word)).collect();
    if old_middle.len().saturating_mul(new_middle.len()) > MOST {
        all.extend(old_middle.iter().map(|word| DiffPiece::Removed(word)));
        all.extend(new_middle.iter().map(|word| DiffPiece::Added(word)));
    } else {
        middle(old_middle, new_middle, &mut all);
    }
    all.extend(end.iter().map(|word| DiffPiece::Kept(word)));
    all
}

/// The longest common subsequence, from a table of the lengths that are left from each place on.
fn middle<'a>(old: &[&'a str], new: &[&'a str], all: &mut Vec<DiffPiece<'a>>) {
    let width = new.len().saturating_add(1);
    let mut left = vec![0_u32; width.saturating_mul(old.len().saturating_add(1))];
    let at = |left: &[u32], a: usize, b: usize| left.get(a * width + b).copied().unwrap_or_default();
    for (a, old_word) in old.iter().enumerate().rev() {
        for (b, new_word) in new.iter().enumerate().rev() {
            let length = if old_word == new_word {
                at(&left, a + 1, b + 1).saturating_add(1)
            } else {
                at(&left, a + 1, b).max(at(&left, a, b + 1))
            };
            if let Some(cell) = left.get_mut(a * width + b) {
                *cell = length;
            }
        }
    }
    let (mut a, mut b) = (0, 0);
    loop {
        match (old.get(a), new.get(b)) {
            (Some(old_word), Some(new_word)) if old_word == new_word => {
                all.push(DiffPiece::Kept(old_word));
                (a, b) = (a + 1, b + 1);
            }
            (Some(old_word), new_word)
                if new_word.is_none() || at(&left, a + 1, b) >= at(&left, a, b + 1) =>
            {
                all.push(DiffPiece::Removed(old_word));
                a += 1;
            }
            (_, Some(new_word)) => {
                all.push(DiffPiece::Added(new_word));
                b += 1;
            }
            (_, None) => return,
        }
    }
}

/// A text in words and what is between them; of scripts without spaces, each letter is one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = tokenize::is_word(first);
        let single = tokenize::is_unspaced(first) || (!is_word && !first.is_whitespace());
        let goes_on = |c: char| {
            let same = if is_word { tokenize::is_word(c) } else { c.is_whitespace() };
            same && !tokenize::is_unspaced(c)
        };
        let end = match single {
            true => first.len_utf8(),
            false => rest.find(|c| !goes_on(c)).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `[-removed-]` and `{+added+}`.
    fn shown(old: &str, new: &str) -> String {
        let piece = |change| match change {
            DiffPiece::Kept(text) => text.to_owned(),
            DiffPiece::Removed(text) => format!("[-{text}-]"),
            DiffPiece::Added(text) => format!("{{+{text}+}}"),
        };
        changes(old, new).into_iter().map(piece).collect()
    }

    #[test]
    fn words_that_changed_are_told_from_those_that_stayed() {
        assert_eq!(shown("See you on Monday.", "See you on Friday."), "See you on [-Monday-]{+Friday+}.");
        assert_eq!(shown("a b c", "a c"), "a [-b-][- -]c");
        assert_eq!(shown("", "new"), "{+new+}");
        assert_eq!(shown("東京都", "東北都"), "東[-京-]{+北+}都");
        assert_eq!(shown("same", "same"), "same");
    }

    #[test]
    fn long_texts_with_nothing_in_common_are_replaced_as_a_whole() {
        let (old, new) = ("a ".repeat(50_000), "b\n".repeat(50_000));
        assert_eq!(changes(&old, &new).len(), 200_000);
    }

    proptest! {
        #[test]
        fn both_texts_are_in_the_pieces(old in "[ab東 .\n]{0,30}", new in "[ab東 .\n]{0,30}") {
            let all = changes(&old, &new);
            let (mut before, mut after) = (String::new(), String::new());
            for change in &all {
                match change {
                    DiffPiece::Kept(text) => {
                        before.push_str(text);
                        after.push_str(text);
                    }
                    DiffPiece::Removed(text) => before.push_str(text),
                    DiffPiece::Added(text) => after.push_str(text),
                }
            }
            prop_assert_eq!((before, after), (old.clone(), new.clone()));
        }
    }
}
