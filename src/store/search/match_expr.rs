//! Translates a query into match expressions for the two full-text indexes, and into checks that no index can make.

use crate::core::search::query::{Query, Term};
use crate::core::search::tokenize::{self, Phrase};

/// A translated query.
#[derive(Debug, Default)]
pub(super) struct Match {
    /// For `messages_fts`, which decides on the messages that `messages_cjk_fts` does not hold; `None` if it cannot match.
    pub(super) words: Option<String>,
    /// For `messages_cjk_fts`.
    pub(super) cjk: Option<String>,
    /// Whether any word must occur. If not, every message is a candidate.
    pub(super) positive: bool,
    /// Checked in the text: one of each group must occur.
    pub(super) groups: Vec<Vec<Look>>,
    /// Checked in the text: none of these may occur.
    pub(super) none: Vec<Look>,
}

/// A check of a text.
#[derive(Debug)]
pub(super) enum Look {
    Literal(String),
    Words(Phrase),
}

impl Look {
    pub(super) fn of(term: &Term) -> Self {
        let phrase = phrase(term);
        if phrase.is_empty() { Self::Literal(term.text.clone()) } else { Self::Words(phrase) }
    }

    /// Whether the text contains it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => text.contains(literal.as_str()),
            Self::Words(wanted) => !tokenize::hits(text, std::slice::from_ref(wanted)).0.is_empty(),
        }
    }
}

fn phrase(term: &Term) -> Phrase {
    Phrase::new(&term.text, term.prefix)
}

/// Whether an index can find this term.
fn is_indexed(term: &Term) -> bool {
    !phrase(term).is_empty()
}

impl Match {
    pub(super) fn of(query: &Query) -> Self {
        let (indexed, by_hand): (Vec<_>, Vec<_>) =
            query.all.iter().partition(|group| group.iter().all(is_indexed));
        let mut matched = Self {
            positive: !indexed.is_empty(),
            groups: by_hand.into_iter().map(|group| group.iter().map(Look::of).collect()).collect(),
            ..Self::default()
        };
        if !matched.positive {
            matched.none = query.none.iter().map(Look::of).collect();
            return matched;
        }
        let (without, by_hand): (Vec<_>, Vec<_>) = query.none.iter().partition(|term| is_indexed(term));
        matched.none = by_hand.into_iter().map(Look::of).collect();
        matched.cjk = expression(&indexed, &without, &|term| Some(in_cjk(&phrase(term))));
        matched.words = expression(&indexed, &without, &|term| in_words(&phrase(term)));
        matched
    }

    /// The same query, checked in each text without the indexes.
    pub(super) fn by_hand(query: &Query) -> Self {
        let looks = |terms: &[Term]| terms.iter().map(Look::of).collect();
        Self {
            groups: query.all.iter().map(|group| looks(group)).collect(),
            none: looks(&query.none),
            ..Self::default()
        }
    }

    /// Whether texts have to be read.
    pub(super) fn reads_text(&self) -> bool {
        !self.groups.is_empty() || !self.none.is_empty()
    }
}

/// Matches one of each group and none of the rest; `None` if a group cannot match.
fn expression(
    groups: &[&Vec<Term>],
    without: &[&Term],
    spell: &dyn Fn(&Term) -> Option<String>,
) -> Option<String> {
    let mut all = Vec::new();
    for group in groups {
        let terms: Vec<String> = group.iter().filter_map(spell).collect();
        if terms.is_empty() {
            return None;
        }
        all.push(format!("({})", terms.join(" OR ")));
    }
    let none: Vec<String> = without.iter().filter_map(|term| spell(term)).collect();
    let all = all.join(" AND ");
    Some(if none.is_empty() { all } else { format!("({all}) NOT ({})", none.join(" OR ")) })
}

fn in_words(phrase: &Phrase) -> Option<String> {
    phrase.in_plain_texts().map(|(words, prefix)| quoted(&words, prefix))
}

fn in_cjk(phrase: &Phrase) -> String {
    let (words, prefix) = phrase.in_other_texts();
    quoted(&words, prefix)
}

/// A phrase in FTS5 quotes. Words have no quotes in them.
fn quoted(words: &str, prefix: bool) -> String {
    format!("\"{words}\"{}", if prefix { " *" } else { "" })
}

/// A single term as an expression for each index, `messages_fts` first; `None` if no index can find it.
pub(super) fn alone(term: &Term) -> Option<(Option<String>, String)> {
    let phrase = phrase(term);
    (!phrase.is_empty()).then(|| (in_words(&phrase), in_cjk(&phrase)))
}
