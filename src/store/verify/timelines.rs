//! Checks timelines: gaps, beginnings, and the API's counts.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Check, FROM_BACKUP};
use crate::core::model::ids::ConversationId;
use crate::core::timeline::gap::{ServerCount, Timeline};
use crate::core::timeline::invariants;
use crate::core::timeline::stall::Stall;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::read::timelines::{self, OUTSIDE};

/// What to call each conversation.
pub(super) type ConversationNames = BTreeMap<ConversationId, String>;

pub(super) fn names(db: &Connection) -> Result<ConversationNames> {
    let sql = "SELECT id, coalesce(alias, name, profile_url, urn, thread, '') FROM conversation ORDER BY id";
    db.all(sql, [])
}

pub(super) fn place(names: &ConversationNames, id: ConversationId) -> String {
    match names.get(&id).filter(|n| !n.is_empty()) {
        Some(name) => format!("conversation {id} ({name})"),
        None => format!("conversation {id}"),
    }
}

/// The invariants of every timeline, inboxes included.
pub(super) fn all(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    let names = names(db)?;
    let of = u64::try_from(names.len()).unwrap_or_default();
    let mut looked_at = 0;
    for id in names.keys() {
        let mut timeline = timelines::conversation(db, *id)?;
        if timeline.newest_ms.is_none() {
            timeline.messages = within(db, *id)?;
        }
        for wrong in broken(&timeline) {
            check.broken(place(&names, *id), wrong, FROM_BACKUP);
        }
        looked_at += 1;
        check.tick(looked_at, of);
    }
    let inboxes = "SELECT i.account, a.name FROM inbox i JOIN account a ON a.id = i.account";
    for (account, name) in db.all::<(_, String), Vec<_>>(inboxes, [])? {
        let timeline = timelines::inbox(db, account)?;
        // An inbox lists conversations and does not count them.
        let timeline = Timeline { messages: i64::from(timeline.newest_ms.is_some()), ..timeline };
        for wrong in broken(&timeline) {
            check.broken(format!("inbox of {name}"), wrong, FROM_BACKUP);
        }
        looked_at += 1;
    }
    Ok(looked_at)
}

/// How many messages a conversation's timeline has.
fn within(db: &Connection, conversation: ConversationId) -> Result<i64> {
    db.one(
        &format!("SELECT count(*) FROM message WHERE conversation = ?1 AND NOT ({OUTSIDE})"),
        [conversation],
    )
}

fn broken(timeline: &Timeline) -> Vec<String> {
    let mut wrong = invariants::broken(timeline);
    if timeline.messages > 0 && timeline.newest_ms.is_none() {
        wrong.push("there are messages, but no newest one".to_owned());
    }
    if let (Some(oldest), Some(newest)) = (timeline.oldest_ms, timeline.newest_ms)
        && oldest > newest
    {
        wrong.push(format!("the oldest message ({oldest}) is newer than the newest ({newest})"));
    }
    for gap in &timeline.gaps {
        // One that reaches up to now may wait for what the inbox shows already.
        if gap.stalled.is_none() && gap.stalls > 0 && gap.newer_ms.is_some() {
            wrong.push(format!("gap {} stalled {} times for no reason", gap.id, gap.stalls));
        }
    }
    wrong
}

/// In a complete conversation, the API counts no more messages than are stored.
pub(super) fn totals(db: &Connection, names: &ConversationNames, check: &mut Check<'_>) -> Result<u64> {
    // The API may contradict itself: then its end was doubted, repeated and finally believed.
    let doubted = "SELECT EXISTS (SELECT 1 FROM request WHERE conversation = ?1 AND stall_code = ?2)";
    let doubt = Stall::EndBeforeCount(0).code();
    let mut looked_at = 0;
    db.each(
        "SELECT id, served_total, messages + erased - gone - erased_gone, gone + erased_gone, count_extra, counts_gone FROM conversation c WHERE served_total IS NOT NULL
           AND beginning_seen_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id)",
        [],
        |(id, total, standing, gone, extra, with_gone): (ConversationId, i64, i64, i64, i64, bool)| {
            looked_at += 1;
            let counted = |extra| ServerCount { extra, with_gone }.expected(standing, gone);
            let what = format!("the API counts {total} messages, the archive holds {standing}");
            let deleted = "some were deleted where they have not been read again yet: nothing to do";
            let insisted = "it said again and again that there are no more: nothing to do";
            match total.cmp(&counted(0)) {
                Ordering::Equal => {}
                Ordering::Less => check.note(place(names, id), what, deleted),
                Ordering::Greater if total <= counted(extra) || db.one(doubted, params![id, doubt])? => {
                    check.note(place(names, id), what, insisted);
                }
                Ordering::Greater => check.broken(place(names, id), what, FROM_BACKUP),
            }
            Ok(())
        },
    )?;
    Ok(looked_at)
}
