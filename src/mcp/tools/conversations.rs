//! `list_conversations`, and a conversation as every tool shows it.

use std::ops::ControlFlow;

use serde_json::Value;

use super::json;
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::planner::state::Hints;
use crate::core::printable::printable;
use crate::core::search::tokenize;
use crate::look::{Glance, label};
use crate::mcp::answers::{ConversationItem, ConversationWords, ConversationsAnswer, NOTICE};
use crate::mcp::arguments::{Argument, ArgumentKind, Arguments, CURSOR, MAX_BYTES};
use crate::mcp::completeness::{self, LookedAt, price_of};
use crate::mcp::cursor::Onward;
use crate::mcp::failure::ToolFailure;
use crate::mcp::fit::{AnswerRoom, cut, word};
use crate::store::{ConversationHead, ConversationRow, HeadPlace, StoreError};
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
    let question = arguments.question();
    let (after, top_ms) =
        match arguments.text("cursor").map(|cursor| Onward::of(cursor, question)).transpose()? {
            Some(Onward::Head(place, top_ms)) => (Some(place), top_ms),
            _ => (None, None),
        };
    let asked = AskedList::of(look, arguments)?;
    let (total, heads) = asked.page(look, after, arguments.number("limit"))?;
    let top_ms = if after.is_some() { top_ms } else { heads.first().and_then(|head| head.newest_ms) };
    let looked_at = LookedAt { account: arguments.text("account").map(str::to_owned), ..LookedAt::default() };
    let longest = HeadPlace { newest_ms: Some(Ms::MIN), id: ConversationId(i64::MIN) };
    let mut answer = ConversationsAnswer {
        notice: NOTICE,
        total,
        shown: 0,
        next_cursor: Some(Onward::Head(longest, Some(Ms::MIN)).cursor(i64::MAX)),
        moved_up: match (after, top_ms) {
            (Some(_), Some(top_ms)) => look.queries.active_after(top_ms, asked.account)?,
            _ => 0,
        },
        completeness: completeness::of(look, &looked_at, completeness::GAPS)?,
        conversations: Vec::new(),
    };
    let mut room = AnswerRoom::around(&answer, arguments.number("max_bytes"));
    for head in heads.iter().take(arguments.number("limit")) {
        let Some((row, hints)) = look.queries.conversation(head.id)? else { continue };
        let item = item(look, &row, &hints)?;
        if !room.takes(&item) {
            break;
        }
        answer.conversations.push(item);
    }
    answer.shown = answer.conversations.len();
    let last =
        answer.shown.checked_sub(1).and_then(|last| heads.get(last)).filter(|_| answer.shown < heads.len());
    answer.next_cursor = last.map(|head| {
        let place = HeadPlace { newest_ms: head.newest_ms, id: head.id };
        Onward::Head(place, top_ms).cursor(question)
    });
    json(&answer)
}

/// Which conversations are asked for.
struct AskedList {
    account: Option<AccountId>,
    /// A part of the name, as it is compared.
    part: String,
    with_gaps: bool,
}

impl AskedList {
    fn of(look: &Glance<'_>, arguments: &Arguments) -> Result<Self, ToolFailure> {
        let account = match arguments.text("account") {
            None => None,
            Some(name) => {
                let known = look.queries.account_ids()?;
                let found = known.into_iter().find(|(_, known)| known == name).map(|(id, _)| id);
                Some(found.ok_or_else(|| {
                    let why = "the archive has no account of this name; archive_status lists them";
                    ToolFailure::argument("account", why.to_owned())
                })?)
            }
        };
        let part = tokenize::fold(arguments.text("name").unwrap_or_default());
        Ok(Self { account, part, with_gaps: arguments.flag("incomplete_only") })
    }

    fn fits(&self, head: &ConversationHead) -> bool {
        self.account.is_none_or(|account| head.account_id == account)
            && (self.part.is_empty() || tokenize::fold(&label(head)).contains(&self.part))
    }

    /// How many there are, and so many of them from after a place on, and one more. Names have no index: where one is asked
    /// for, all conversations are looked at.
    fn page(
        &self,
        look: &Glance<'_>,
        after: Option<HeadPlace>,
        limit: usize,
    ) -> Result<(usize, Vec<ConversationHead>), ToolFailure> {
        let (mut total, mut heads) = (0_usize, Vec::new());
        let is_next = |head: &ConversationHead| after.is_none_or(|after| after.is_before(head));
        if self.with_gaps || !self.part.is_empty() {
            let mut see = |head: ConversationHead| {
                if self.fits(&head) {
                    total = total.saturating_add(1);
                    heads.extend(Some(head).filter(|head| heads.len() <= limit && is_next(head)));
                }
            };
            if self.with_gaps {
                look.queries.conversations_with_gaps()?.into_iter().for_each(see);
            } else {
                look.queries.conversations_after(None, |head| {
                    see(head);
                    ControlFlow::<()>::Continue(())
                })?;
            }
            return Ok((total, heads));
        }
        look.queries.conversations_after(after, |head| {
            heads.extend(Some(head).filter(|head| self.fits(head)));
            if heads.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((look.queries.conversation_count(self.account)?, heads))
    }
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
