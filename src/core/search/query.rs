//! What a person types to search: words, "phrases", beginnings*, OR, -not and filters such as from:ada. Any text is a
//! query; what makes no sense as a filter is a word.

use crate::core::search::tokenize;
/// A query, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Of each of these groups one must be there.
    pub all: Vec<Vec<Term>>,
    /// None of these may be there.
    pub none: Vec<Term>,
    /// What else must hold.
    pub filters: Vec<Filter>,
    /// What was typed and has no effect: signs alone, and `AND`, `OR` or `NOT` with nothing to go with.
    pub ignored: Vec<String>,
    /// Words that look like filters and are none.
    pub not_filters: Vec<String>,
}

/// A word or phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As it was typed, without quotes and star.
    pub text: String,
    /// Whether a longer word that begins so will do.
    pub prefix: bool,
}

/// A condition on messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Whether it must not hold.
    pub not: bool,
    /// What.
    pub what: What,
}

/// What a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The sender's name has this part; `me` is the account's owner.
    From(String),
    /// The conversation.
    In(String),
    /// Sent before all of this date.
    Before(String),
    /// Sent after all of this date.
    After(String),
    /// Sent within this date.
    On(String),
    /// Its type.
    Kind(String),
    /// Has a link in its text.
    Link,
    /// Has an attachment.
    Attachment,
    /// Was edited.
    Edited,
    /// The API no longer returns it.
    Gone,
}

/// Terms and filters that a query has at most; what follows is not looked at.
pub const MOST: usize = 64;

/// The filters there are, for people.
pub const FILTERS: &str = "from:NAME in:CONVERSATION before:DATE after:DATE on:DATE type:TEXT has:link has:attachment is:edited is:gone is:mine";

/// What comes before the colon of a filter.
const KEYS: [&str; 9] = ["from", "in", "before", "after", "on", "during", "type", "has", "is"];

/// Letters of a query that are looked at.
const LONGEST: usize = 4096;

impl Query {
    /// Takes a text apart.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        // Whether the next word is an alternative to the last one, or unwanted.
        let (mut or, mut not) = (false, false);
        let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
        // Operators that wait for something to go with.
        let mut open: Vec<&str> = Vec::new();
        for item in items(text.get(..end).unwrap_or(text)).into_iter().take(MOST) {
            if matches!(item, Item::Filter(_) | Item::Term(..)) {
                let first = query.is_empty();
                query.ignored.extend(open.drain(..).filter(|o| first && *o != "NOT").map(str::to_owned));
            }
            match item {
                Item::Or => {
                    open.push("OR");
                    or = true;
                }
                Item::And => {
                    open.push("AND");
                    or = false;
                }
                Item::Not => {
                    open.push("NOT");
                    not = true;
                }
                Item::Nothing(text) => query.ignored.push(text),
                Item::Filter(filter) => {
                    query.filters.push(Filter { not: filter.not != not, ..filter });
                    (or, not) = (false, false);
                }
                Item::Term(minus, term) => {
                    let key = term.text.split_once(':').map(|(key, _)| key.to_ascii_lowercase());
                    if key.is_some_and(|key| KEYS.contains(&key.as_str())) {
                        query.not_filters.push(term.text.clone());
                    }
                    match query.all.last_mut() {
                        _ if minus || not => query.none.push(term),
                        Some(group) if or => group.push(term),
                        _ => query.all.push(vec![term]),
                    }
                    (or, not) = (false, false);
                }
            }
        }
        query.ignored.extend(open.into_iter().map(str::to_owned));
        query
    }

    /// All words and phrases that a message may have been found for.
    pub fn wanted(&self) -> impl Iterator<Item = &Term> {
        self.all.iter().flatten()
    }

    /// Whether it asks for nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.none.is_empty() && self.filters.is_empty()
    }
}

enum Item {
    And,
    Or,
    Not,
    Term(bool, Term),
    Filter(Filter),
    /// Nothing that could be looked for.
    Nothing(String),
}

/// Cuts a text at spaces outside of quotes. A quote that is never closed ends with the text.
fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (item, after) = item(rest);
        let typed = || rest.strip_suffix(after).unwrap_or(rest).trim().to_owned();
        items.push(item.unwrap_or_else(|| Item::Nothing(typed())));
        rest = after.trim_start();
    }
    items
}

/// The first item of a text that does not begin with space, and what follows it.
fn item(text: &str) -> (Option<Item>, &str) {
    let (minus, body) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(body) if body.starts_with(|c: char| !c.is_whitespace()) => (true, body),
        _ => (false, text),
    };
    if let Some((what, after)) = filter(body) {
        return (Some(Item::Filter(Filter { not: minus, what })), after);
    }
    if let Some((phrase, after)) = quoted(body) {
        let (prefix, after) = after.strip_prefix('*').map_or((false, after), |after| (true, after));
        return (term(minus, phrase, prefix), after);
    }
    let (word, after) =
        body.split_at(body.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(body.len()));
    let item = match word {
        "AND" | "&&" | "&" | "+" if !minus => Some(Item::And),
        "OR" | "||" | "|" if !minus => Some(Item::Or),
        "NOT" | "!" if !minus => Some(Item::Not),
        _ => {
            let stem = word.trim_end_matches('*');
            term(minus, stem, stem.len() < word.len())
        }
    };
    (item, after)
}

fn term(minus: bool, text: &str, prefix: bool) -> Option<Item> {
    let text: String = text.replace('\0', " ");
    // Brackets and other signs around a word are no part of it; a text of signs only is looked for as it is.
    let bare =
        if tokenize::has_word(&text) { text.trim_matches(|c: char| !tokenize::is_word(c)) } else { "" };
    let text = if bare.is_empty() { text.trim() } else { bare };
    let signs_only = bare.is_empty() && text.is_ascii();
    (!text.is_empty() && !signs_only).then(|| Item::Term(minus, Term { text: text.to_owned(), prefix }))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}

/// A quoted text and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix(is_quote)?;
    let end = inner.find(is_quote).unwrap_or(inner.len());
    let (phrase, after) = inner.split_at_checked(end)?;
    Some((phrase, after.strip_prefix(is_quote).unwrap_or(after)))
}

/// A filter and what follows it.
fn filter(text: &str) -> Option<(What, &str)> {
    let (key, rest) = text.split_once(':')?;
    if !key.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let (value, after) = match quoted(rest) {
        Some(quoted) => quoted,
        None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
    };
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let owned = value.to_owned();
    let what = match (key.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
        ("from", _) => What::From(owned),
        ("in", _) => What::In(owned),
        ("before", _) => What::Before(owned),
        ("after", _) => What::After(owned),
        ("on" | "during", _) => What::On(owned),
        ("type", _) => What::Kind(owned),
        ("has", "link" | "links" | "url") => What::Link,
        ("has", "attachment" | "attachments" | "file" | "files") => What::Attachment,
        ("is", "edited") => What::Edited,
        ("is", "gone" | "deleted" | "vanished") => What::Gone,
        ("is", "mine") => What::From("me".to_owned()),
        _ => return None,
    };
    Some((what, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A query in brief: groups, then what is unwanted, then filters.
    fn brief(text: &str) -> String {
        let query = Query::parse(text);
        let term = |t: &Term| format!("{}{}", t.text, if t.prefix { "*" } else { "" });
        let group = |g: &Vec<Term>| g.iter().map(term).collect::<Vec<_>>().join("|");
        let mut parts: Vec<String> = query.all.iter().map(group).collect();
        parts.extend(query.none.iter().map(|t| format!("-{}", term(t))));
        parts.extend(query.filters.iter().map(|f| format!("{}{:?}", if f.not { "-" } else { "" }, f.what)));
        parts.join(" & ")
    }

    #[test]
    fn words_phrases_beginnings_alternatives_and_exclusions_are_told_apart() {
        for (text, expected) in [
            ("green house", "green & house"),
            ("\"green house\" garden", "green house & garden"),
            ("rep* \"quarterly rep\"*", "rep* & quarterly rep*"),
            ("a b OR c d", "a & b|c & d"),
            ("a | b | c", "a|b|c"),
            ("a AND b or c", "a & b & or & c"),
            ("-draft report NOT old -\"very old\"", "report & -draft & -old & -very old"),
            ("don't a.b@c.com (why?)", "don't & a.b@c.com & why"),
            ("co-op - x", "co-op & x"),
            ("„schön\u{201d} \u{201c}so\u{201d}", "schön & so"),
            ("say\"hello there\"now", "say & hello there & now"),
        ] {
            assert_eq!(brief(text), expected, "{text}");
        }
    }

    #[test]
    fn filters_are_known_by_their_names_and_anything_else_is_a_word() {
        for (text, expected) in [
            ("from:ada x", "x & From(\"ada\")"),
            ("from:\"Ada Example\" IN:contract", "From(\"Ada Example\") & In(\"contract\")"),
            (
                "before:2025-01-01 after:2024 on:today",
                "Before(\"2025-01-01\") & After(\"2024\") & On(\"today\")",
            ),
            ("has:link is:edited -is:gone type:voice", "Link & Edited & -Gone & Kind(\"voice\")"),
            ("has:attachment -has:files", "Attachment & -Attachment"),
            ("NOT from:me", "-From(\"me\")"),
            ("is:purple http://x.y from:", "is:purple & http://x.y & from"),
        ] {
            assert_eq!(brief(text), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_a_query_too() {
        for (text, expected) in [
            ("", ""),
            ("   ", ""),
            ("\"", ""),
            ("OR", ""),
            ("OR AND NOT", ""),
            ("a OR", "a"),
            ("OR a", "a"),
            ("--- *** ()", ""),
            ("\"unclosed phrase", "unclosed phrase"),
            ("a\0b", "a b"),
            ("🎉", "🎉"),
            ("-only", "-only"),
            ("NEAR(a b, 3) col:x ^a {a b}: c", "NEAR(a & b & 3 & col:x & a & a & b & c"),
        ] {
            assert_eq!(brief(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_has_no_effect_is_known_and_so_is_what_only_looks_like_a_filter() {
        for (text, ignored, not_filters) in [
            ("AND", "AND", ""),
            ("\"", "\"", ""),
            ("a OR", "OR", ""),
            ("OR a AND b", "OR", ""),
            ("a AND NOT b NOT", "NOT", ""),
            ("-- a () NOT b", "-- ()", ""),
            ("has:nonsense is:gone", "", "has:nonsense"),
            ("re:offer http://x.y form:ada", "", ""),
            ("NOT a AND b", "", ""),
        ] {
            let query = Query::parse(text);
            let said = (query.ignored.join(" "), query.not_filters.join(" "));
            assert_eq!(said, (ignored.to_owned(), not_filters.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_of_bounded_size(text in ".{0,80}|[a\"*:()\\-|^{}, +ORNTED世\\x00]{0,60}") {
            let query = Query::parse(&text);
            prop_assert!(query.all.len() + query.none.len() + query.filters.len() <= MOST);
            prop_assert!(query.all.iter().all(|group| !group.is_empty()));
            prop_assert!(query.wanted().chain(&query.none).all(|t| !t.text.is_empty() && !t.text.contains('\0')));
        }
    }
}
