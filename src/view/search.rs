//! Searches as people describe them, and why one found nothing.

use std::collections::BTreeMap;

use chrono::TimeZone;

use crate::core::Ms;
use crate::core::format::{counted, plural};
use crate::core::model::ids::ConversationId;
use crate::core::planner::target;
use crate::core::search::query::{FILTERS, Filter, Query, Term, What};
use crate::core::search::tokenize;
use crate::error::Failure;
use crate::store::{Nothing, Queries, Search, StoreError};
use crate::view::dates;
use crate::view::message::from_to;

/// The search that a query describes. Its dates are days of `zone`.
pub(crate) fn search_of<E>(
    queries: &Queries<'_>,
    text: &str,
    now: Ms,
    zone: &impl TimeZone,
) -> Result<Search, E>
where
    E: From<StoreError> + From<Failure>,
{
    let query = Query::parse(text);
    let mut by_key: BTreeMap<String, ConversationId> = BTreeMap::new();
    let mut needs_names = false;
    for filter in &query.filters {
        let What::In(word) = &filter.what else { continue };
        match queries.conversation_by_key(word)? {
            Some(id) => drop(by_key.insert(word.clone(), id)),
            None => needs_names = true,
        }
    }
    // Names have no index.
    let candidates = if needs_names { queries.candidates()? } else { Vec::new() };
    let conversation = |word: &str| {
        if let Some(id) = by_key.get(word) {
            return Ok(*id);
        }
        let help = "the list of conversations shows what they are called";
        target::one(&candidates, word).map_err(|error| Failure::usage(error.to_string(), help))
    };
    Ok(with_filters(Search::default(), query, now, zone, conversation)?)
}

/// The search that a query describes, added to one that other filters have begun. `conversation` finds the one that a
/// word names.
pub(crate) fn with_filters(
    mut search: Search,
    query: Query,
    now: Ms,
    zone: &impl TimeZone,
    mut conversation: impl FnMut(&str) -> Result<ConversationId, Failure>,
) -> Result<Search, Failure> {
    let (mut since, mut until): (Vec<Ms>, Vec<Ms>) =
        (search.since.into_iter().collect(), search.until.into_iter().collect());
    let within = |text: &str| dates::parse(text, now, zone);
    for Filter { not, what } in &query.filters {
        let not = *not;
        match what {
            What::From(name) => if not { &mut search.not_from } else { &mut search.from }.push(name.clone()),
            What::In(word) => {
                let of = conversation(word)?;
                if not { &mut search.without } else { search.within.get_or_insert_default() }.insert(of);
            }
            What::Before(text) => {
                if not { &mut since } else { &mut until }.push(within(text)?.0);
            }
            What::After(text) => {
                if not { &mut until } else { &mut since }.push(within(text)?.1);
            }
            What::On(text) if not => search.outside.push(within(text)?),
            What::On(text) => {
                let (from, to) = within(text)?;
                since.push(from);
                until.push(to);
            }
            What::Kind(kind) => {
                if not { &mut search.not_kinds } else { &mut search.kinds }.push(kind.clone())
            }
            What::Link => search.link = Some(!not),
            What::Attachment => search.attachment = Some(!not),
            What::Edited => search.edited = Some(!not),
            What::Gone => search.gone = Some(!not),
        }
    }
    (search.since, search.until) = (since.into_iter().max(), until.into_iter().min());
    Ok(Search { query, ..search })
}

/// What of the query was not taken as it may have been meant.
pub(crate) fn misread(query: &Query) -> Vec<String> {
    let ignored = match query.ignored.as_slice() {
        [] => None,
        ignored if query.is_empty() => Some(format!(
            "Ignored: {}. Nothing else is asked for, so every message matches.",
            ignored.join(" ")
        )),
        ignored => Some(format!("Ignored: {}.", ignored.join(" "))),
    };
    let look = |word: &String| {
        format!("{word:?} is not a filter, so it is searched for as text. Filters: {FILTERS}")
    };
    ignored.into_iter().chain(query.not_filters.iter().map(look)).collect()
}

/// A hint for each word that is a part of a sender's name.
pub(crate) fn senders_named<'a>(search: &Search, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<String> = names.map(tokenize::fold).collect();
    let words = search.query.all.iter().filter(|group| group.len() == 1).flatten();
    let is_name = |word: &&Term| {
        let folded = tokenize::fold(&word.text);
        names.iter().any(|name| name.split_whitespace().any(|part| part == folded))
    };
    words.filter(is_name).map(|word| format!("{:?} is a sender: try from:{}", word.text, word.text)).collect()
}

/// Why nothing was found, one line per reason, each time as `minute` writes it.
pub(crate) fn explain(
    why: &Nothing,
    search: &Search,
    elsewhere: bool,
    minute: impl Fn(Ms) -> String,
) -> Vec<String> {
    if why.empty {
        return vec!["The archive is empty; run `archiver sync --once`.".to_owned()];
    }
    let mut lines = Vec::new();
    lines.extend(why.unknown.iter().map(|(word, nearest)| match nearest {
        Some(nearest) => format!("No message contains {word:?}. Did you mean {nearest:?}?"),
        None => format!("No message contains {word:?}."),
    }));
    lines.extend(why.nobody.iter().map(|name| format!("No sender's name contains {name:?}.")));
    match why.without_filters {
        Some((n, more)) if n > 0 => {
            let n = format!("{}{}", plural(n, "message"), if more { " or more" } else { "" });
            lines.push(format!("{n} would match without the filters."));
        }
        _ if lines.is_empty() && why.waiting == 0 && search.query.all.len() > 1 => {
            lines.push("Each word occurs, but not in the same message. Try OR.".to_owned());
        }
        _ => {}
    }
    if lines.is_empty() {
        lines.push("No message matches.".to_owned());
    }
    if why.waiting > 0 {
        let waiting = counted(why.waiting, "message is", "messages are");
        lines.push(format!("{waiting} not indexed yet; the next sync indexes them."));
    }
    if let Some((gaps, from, to)) = why.gaps {
        let (gaps, (from, to)) = (plural(gaps, "gap"), from_to(from, to, minute));
        let fills = if elsewhere {
            "`archiver sync --once` fills those that it asks for; `archiver status` names the others."
        } else {
            "`archiver sync --once` fills them."
        };
        lines.push(format!("Messages may be missing: {gaps} between {from} and {to}. {fills}"));
    }
    lines
}
