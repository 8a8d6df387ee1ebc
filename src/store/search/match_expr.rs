//! Translates a query into match expressions for the two full-text indexes, and into checks that no index can make.

use crate::core::search::query::{Query, Term};
use crate::core::search::tokenize::{self, Phrase};

/// A translated query.
#[derive(Debug, Default)]
pub(super) struct Match {
    /// For `messages_fts`; `None` if it cannot match.
    pub(super) words: Option<String>,
    /// For `messages_cjk_fts`.
    pub(super) cjk: Option<String>,
    /// Whether any word must occur. If not, every message is a candidate.
    pub(super) positive: bool,
    /// Whether `messages_cjk_fts` alone decides on the messages that it holds.
    pub(super) cjk_decides: bool,
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
    fn of(term: &Term) -> Self {
        if is_indexed(term) {
            Self::Words(Phrase::new(&term.text, term.prefix || tokenize::wanted(&term.text).1))
        } else {
            Self::Literal(term.text.clone())
        }
    }

    /// Whether the text contains it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => text.contains(literal.as_str()),
            Self::Words(wanted) => !tokenize::hits(text, std::slice::from_ref(wanted)).0.is_empty(),
        }
    }
}

/// Whether an index can find this term.
fn is_indexed(term: &Term) -> bool {
    term.text.chars().any(|c| tokenize::is_word(c) || tokenize::is_unspaced(c))
}

impl Match {
    pub(super) fn of(query: &Query) -> Self {
        let (indexed, by_hand): (Vec<_>, Vec<_>) =
            query.all.iter().partition(|group| group.iter().all(is_indexed));
        let mut matched = Self {
            positive: !indexed.is_empty(),
            groups: by_hand.into_iter().map(|group| group.iter().map(Look::of).collect()).collect(),
            cjk_decides: query.none.iter().any(|t| tokenize::has_unspaced(&t.text)),
            ..Self::default()
        };
        if !matched.positive {
            matched.none = query.none.iter().map(Look::of).collect();
            return matched;
        }
        let (without, by_hand): (Vec<_>, Vec<_>) = query.none.iter().partition(|term| is_indexed(term));
        matched.none = by_hand.into_iter().map(Look::of).collect();
        matched.cjk = expression(&indexed, &without, &|term| Some(in_cjk(term)));
        // A term with unspaced letters occurs in no text without them.
        matched.words = expression(&indexed, &without, &|term| {
            (!tokenize::has_unspaced(&term.text)).then(|| in_words(term))
        });
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
        self.cjk_decides || !self.groups.is_empty() || !self.none.is_empty()
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

fn in_words(term: &Term) -> String {
    quoted(&term.text, term.prefix)
}

fn in_cjk(term: &Term) -> String {
    let (phrase, lone) = tokenize::wanted(&term.text);
    quoted(&phrase, term.prefix || lone)
}

/// A phrase in FTS5 quotes, where only the quote itself is special.
fn quoted(phrase: &str, prefix: bool) -> String {
    format!("\"{}\"{}", phrase.replace('"', "\"\""), if prefix { " *" } else { "" })
}

/// A single term as an expression for each index.
pub(super) fn alone(term: &Term) -> Option<(String, String)> {
    is_indexed(term).then(|| (in_words(term), in_cjk(term)))
}
