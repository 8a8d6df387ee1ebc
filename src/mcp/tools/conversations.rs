//! `list_conversations`, and a conversation as every tool shows it.

use serde_json::Value;

use super::json;
use crate::core::format::iso_utc;
use crate::core::planner::state::Hints;
use crate::core::printable::printable;
use crate::look::{Glance, Listed};
use crate::mcp::answers::{ConversationItem, ConversationWords, ConversationsAnswer, NOTICE};
use crate::mcp::arguments::{Argument, ArgumentKind, Arguments, CURSOR, MAX_BYTES};
use crate::mcp::completeness::{self, LookedAt, price_of};
use crate::mcp::cursor::Onward;
use crate::mcp::failure::ToolFailure;
use crate::mcp::fit::{AnswerRoom, cut, word};
use crate::store::{ConversationRow, StoreError};
use crate::view;

pub(super) const ARGUMENTS: &[Argument] = &[
    Argument {
        name: "name",
        kind: ArgumentKind::Text,
        required: false,
        about: "Only conversations whose name has this part.",
    },
    Argument {
        name: "account",
        kind: ArgumentKind::Text,
        required: false,
        about: "Only conversations of this account, as archive_status names it.",
    },
    Argument {
        name: "incomplete_only",
        kind: ArgumentKind::Flag,
        required: false,
        about: "Only conversations with gaps.",
    },
    Argument {
        name: "limit",
        kind: ArgumentKind::Number { least: 1, most: 100, default: 25 },
        required: false,
        about: "Conversations at most.",
    },
    MAX_BYTES,
    CURSOR,
];

/// Bytes of names, and of a message's beginning.
const NAME: usize = 160;
const BEGINNING: usize = 160;

pub(super) fn call(look: &Glance<'_>, arguments: &Arguments) -> Result<Value, ToolFailure> {
    let (limit, max_bytes) = (arguments.number("limit"), arguments.number("max_bytes"));
    let part = arguments.text("name").unwrap_or_default();
    let listed = Listed::after(look, arguments.text("account"), part, None, usize::MAX - 1)?;
    let mut heads = listed.map(|listed| listed.heads).ok_or_else(|| {
        let why = "the archive has no account of this name; archive_status lists them".to_owned();
        ToolFailure::argument("account", why)
    })?;
    if arguments.flag("incomplete_only") {
        heads.retain(|head| head.gaps > 0);
    }
    let question = arguments.question();
    let skipped = skipped(arguments, question)?;
    let looked_at = LookedAt { account: arguments.text("account").map(str::to_owned), ..LookedAt::default() };
    let mut answer = ConversationsAnswer {
        notice: NOTICE,
        total: heads.len(),
        shown: 0,
        next_cursor: Some(Onward::Skip(usize::MAX).cursor(i64::MAX)),
        completeness: completeness::of(look, &looked_at, completeness::GAPS)?,
        conversations: Vec::new(),
    };
    let mut room = AnswerRoom::around(&answer, max_bytes);
    for head in heads.iter().skip(skipped).take(limit) {
        let Some((row, hints)) = look.queries.conversation(head.id)? else { continue };
        let item = item(look, &row, &hints)?;
        if !room.takes(&item) {
            break;
        }
        answer.conversations.push(item);
    }
    answer.shown = answer.conversations.len();
    answer.next_cursor = next(skipped, answer.shown, answer.total, question);
    json(&answer)
}

/// How many items of a list came before.
pub(super) fn skipped(arguments: &Arguments, question: i64) -> Result<usize, ToolFailure> {
    match arguments.text("cursor").map(|cursor| Onward::of(cursor, question)).transpose()? {
        Some(Onward::Skip(n)) => Ok(n),
        _ => Ok(0),
    }
}

/// The cursor of the rest of a list.
pub(super) fn next(skipped: usize, shown: usize, total: usize, question: i64) -> Option<String> {
    let end = skipped.saturating_add(shown);
    (shown > 0 && end < total).then(|| Onward::Skip(end).cursor(question))
}

/// A conversation as it is shown.
pub(super) fn item(
    look: &Glance<'_>,
    row: &ConversationRow,
    hints: &Hints,
) -> Result<ConversationItem, ToolFailure> {
    let timeline = &row.timeline;
    let (mut last_sender, mut last_text) = (None, None);
    look.queries.newest_message(row.id, |message| {
        last_sender = Some(word(message.fields.name, NAME));
        let shown = printable(cut(message.fields.text, 4 * BEGINNING));
        last_text = Some(cut(&shown, BEGINNING).to_owned());
        Ok::<_, StoreError>(())
    })?;
    Ok(ConversationItem {
        conversation_id: row.id.0,
        linkedin_id: row.conversation_id.as_deref().map(|id| word(id, 240)),
        account: word(&row.account, 80),
        messages: timeline.messages,
        gone: timeline.gone,
        unread: row.unread,
        oldest_at: timeline.oldest_ms.map(iso_utc),
        newest_at: timeline.newest_ms.map(iso_utc),
        complete: timeline.complete(),
        gaps: timeline.gaps.len(),
        price: price_of(row, hints, look.shared.config.sync.page_size),
        untrusted: ConversationWords {
            name: word(&view::label(row), NAME),
            profile_url: row.profile_url.as_deref().map(|url| word(url, 240)),
            last_sender,
            last_text,
        },
    })
}
