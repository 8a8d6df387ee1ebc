//! From a query to the two indexes' own language, in which no input can be wrong, and what is left to check by hand.

use crate::core::search::query::{Query, Term};
use crate::core::search::tokenize::{self, Phrase};

/// A query as the indexes are asked.
#[derive(Debug, Default)]
pub(super) struct Match {
    /// For `messages_fts`; `None`: it cannot have any.
    pub(super) words: Option<String>,
    /// For `messages_cjk_fts`.
    pub(super) runs: Option<String>,
    /// Whether there are words to be found at all. If not, all messages come into question.
    pub(super) positive: bool,
    /// Whether the index of runs alone decides on messages that have any.
    pub(super) runs_decide: bool,
    /// What no index tells: of each of these groups one must be in the text.
    pub(super) groups: Vec<Vec<Look>>,
    /// None of these may be.
    pub(super) none: Vec<Look>,
}

/// Something to look for in a text.
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

    /// Whether a text has it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => text.contains(literal.as_str()),
            Self::Words(wanted) => !tokenize::hits(text, std::slice::from_ref(wanted)).0.is_empty(),
        }
    }
}

/// Whether a term has anything that the indexes hold.
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
            runs_decide: query.none.iter().any(|t| tokenize::has_unspaced(&t.text)),
            ..Self::default()
        };
        if !matched.positive {
            matched.none = query.none.iter().map(Look::of).collect();
            return matched;
        }
        let (without, by_hand): (Vec<_>, Vec<_>) = query.none.iter().partition(|term| is_indexed(term));
        matched.none = by_hand.into_iter().map(Look::of).collect();
        matched.runs = expression(&indexed, &without, &|term| Some(in_runs(term)));
        // A term with letters of runs is in no text that has none.
        matched.words = expression(&indexed, &without, &|term| {
            (!tokenize::has_unspaced(&term.text)).then(|| in_words(term))
        });
        matched
    }

    /// The same with every text read: the indexes are not asked.
    pub(super) fn by_hand(query: &Query) -> Self {
        let looks = |terms: &[Term]| terms.iter().map(Look::of).collect();
        Self {
            groups: query.all.iter().map(|group| looks(group)).collect(),
            none: looks(&query.none),
            ..Self::default()
        }
    }

    /// Whether the text has to be read.
    pub(super) fn reads_text(&self) -> bool {
        self.runs_decide || !self.groups.is_empty() || !self.none.is_empty()
    }
}

/// One of each group and none of the rest; `None` when a group has nothing that could be found.
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

fn in_runs(term: &Term) -> String {
    let (phrase, lone) = tokenize::wanted(&term.text);
    quoted(&phrase, term.prefix || lone)
}

/// A phrase in FTS5's own quotes, within which nothing but the quote means anything.
fn quoted(phrase: &str, prefix: bool) -> String {
    format!("\"{}\"{}", phrase.replace('"', "\"\""), if prefix { " *" } else { "" })
}

/// One term alone, for each index.
pub(super) fn alone(term: &Term) -> Option<(String, String)> {
    is_indexed(term).then(|| (in_words(term), in_runs(term)))
}
