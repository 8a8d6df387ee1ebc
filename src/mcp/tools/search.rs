//! `search_messages`: what a search finds, or why it finds nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ZONE, conversation_called, json};
use crate::core::format::{counted, iso_utc};
use crate::look::Glance;
use crate::mcp::answers::{NOTICE, SearchAnswer, SearchWords};
use crate::mcp::arguments::{Argument, ArgumentKind, Arguments, CURSOR, MAX_BYTES, MAX_TEXT_BYTES};
use crate::mcp::completeness::{self, LookedAt};
use crate::mcp::cursor::Onward;
use crate::mcp::failure::ToolFailure;
use crate::mcp::fit::{AnswerRoom, word};
use crate::mcp::message::{TextPart, fitting};
use crate::store::{Found, RANKED, Search};
use crate::view::search::{misread, search_of};

pub(super) const ARGUMENTS: &[Argument] = &[
    Argument {
        name: "query",
        kind: ArgumentKind::Text,
        required: true,
        about: "What to search for: words and filters.",
    },
    Argument {
        name: "conversation",
        kind: ArgumentKind::Name,
        required: false,
        about: "Only in this conversation: its number (best), LinkedIn's id, a profile's address, or a part of its name that \
            only it has.",
    },
    Argument {
        name: "order",
        kind: ArgumentKind::Choice(&["newest", "best"]),
        required: false,
        about: "Newest first, or the best of the newest 2,000 matches first.",
    },
    Argument {
        name: "limit",
        kind: ArgumentKind::Number { least: 1, most: 50, default: 20 },
        required: false,
        about: "Messages at most.",
    },
    Argument {
        name: "max_text_bytes",
        kind: ArgumentKind::Number { least: 100, most: 32_768, default: 1_000 },
        required: false,
        about: MAX_TEXT_BYTES.about,
    },
    MAX_BYTES,
    CURSOR,
];

/// Messages that a search with filters looks at to count its matches: those of most archives, in a second or two.
const COUNTED: u64 = 300_000;
/// Bytes of a remark, how many there are at most, and the bytes of all of them in an answer that has messages as well.
const REMARK: usize = 400;
const REMARKS: usize = 5;
const OF_REMARKS: usize = 4096;
/// Hints at most, why nothing was found.
const HINTS: usize = 8;

pub(super) fn call(look: &Glance<'_>, arguments: &Arguments) -> Result<Value, ToolFailure> {
    let query = arguments.text("query").unwrap_or_default();
    let mut search: Search = search_of::<ToolFailure>(&look.queries, query, look.now, &ZONE)?;
    if let Some(word) = arguments.text("conversation") {
        let id = conversation_called(look, word)?;
        let within = search.within.get_or_insert_with(|| BTreeSet::from([id]));
        within.retain(|other| *other == id);
    }
    let (limit, max_bytes) = (arguments.number("limit"), arguments.number("max_bytes"));
    let (found, skipped) = find(look, arguments, &mut search, limit)?;
    let search = Search { below: None, ..search };
    // By words, no search finds them.
    let unindexed = if search.query.all.is_empty() { 0 } else { look.queries.unindexed()? };
    let (total, more) = look.queries.search_count_within(&search, COUNTED)?;
    let mut answer = SearchAnswer {
        notice: NOTICE,
        total,
        total_is_minimum: more || unindexed > 0,
        shown: 0,
        next_cursor: None,
        searched_back_to: found.ended.map(|end| iso_utc(end.at_ms)),
        remarks: Vec::new(),
        completeness: completeness::of(look, &looked_at(&search), completeness::GAPS)?,
        untrusted: SearchWords::default(),
        messages: Vec::new(),
    };
    // The cursor is as long as it can be.
    answer.next_cursor = Some("x".repeat(80));
    let (mut room, wanted) = (AnswerRoom::around(&answer, max_bytes), search.wanted());
    let waiting = (unindexed > 0).then(|| {
        let messages = counted(unindexed, "message is", "messages are");
        format!("{messages} not indexed yet and cannot be found by words; the next sync indexes them.")
    });
    let remarks = waiting.into_iter().chain(misread(&search.query));
    let remarks = remarks.map(|remark| word(&remark, REMARK));
    answer.remarks = room.take_within(OF_REMARKS, remarks, REMARKS);
    if total == 0 {
        let hints = look.reasons(&search, ZONE)?;
        answer.untrusted.hints = room.take(hints.iter().map(|line| word(line, REMARK)), HINTS);
    }
    let text_bytes = arguments.number("max_text_bytes");
    for row in found.messages.iter().take(limit) {
        let must = answer.messages.is_empty();
        let Some(item) = fitting(&mut room, row, TextPart::Around(&wanted), text_bytes, must) else { break };
        answer.messages.push(item);
    }
    answer.shown = answer.messages.len();
    let last =
        found.messages.get(answer.shown.saturating_sub(1)).filter(|_| answer.shown < found.messages.len());
    let onward = match (skipped, last) {
        (Some(skipped), Some(_)) => Some(Onward::Skip(skipped.saturating_add(answer.shown))),
        (None, Some(last)) => Some(Onward::Below(last.id)),
        (None, None) => found.ended.map(|end| Onward::Below(end.id)),
        (Some(_), None) => None,
    };
    answer.next_cursor = onward.map(|onward| onward.cursor(arguments.question()));
    json(&answer)
}

/// The messages of a page and one more, and how many came before them where they are ranked.
fn find(
    look: &Glance<'_>,
    arguments: &Arguments,
    search: &mut Search,
    limit: usize,
) -> Result<(Found, Option<usize>), ToolFailure> {
    let onward =
        arguments.text("cursor").map(|cursor| Onward::of(cursor, arguments.question())).transpose()?;
    let more = limit.saturating_add(1);
    if arguments.text("order") == Some("best") {
        let skipped = match onward {
            Some(Onward::Skip(n)) => n.min(RANKED),
            _ => 0,
        };
        let mut found = look.queries.search_best(search, skipped.saturating_add(more))?;
        found.messages.drain(..skipped.min(found.messages.len()));
        return Ok((found, Some(skipped)));
    }
    if let Some(Onward::Below(id)) = onward {
        search.below = Some(id);
    }
    Ok((look.queries.search(search, more)?, None))
}

fn looked_at(search: &Search) -> LookedAt {
    LookedAt {
        within: search.within.clone(),
        without: search.without.clone(),
        since: search.since,
        until: search.until,
        ..LookedAt::default()
    }
}
