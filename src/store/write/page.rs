//! The one transaction of a page: rows, versions, gaps, resolved conversation and settled cost, or nothing at all.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::budget::Receipt;
use crate::core::model::page::Page;
use crate::core::planner::next::Recheck;
use crate::core::timeline::apply;
use crate::core::timeline::apply::{Asked, Delta, Gap, Timeline};
use crate::core::timeline::identity::{Change, Known};
use crate::core::timeline::invariants;
use crate::core::timeline::recheck;
use crate::core::timeline::stall::Stall;
use crate::store::ledger::{Failed, Settlement, settle};
use crate::store::write::intern::Interned;
use crate::store::write::message;
use crate::store::write::message::Place;
use crate::store::write::{gaps, inbox, owner, resolve, targets};
use crate::store::{Store, StoreError};

/// A page that came and the request that bought it.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The conversation that was asked for.
    pub conversation: i64,
    /// What was asked.
    pub asked: &'a Asked,
    /// What came.
    pub page: &'a Page,
    /// What it cost.
    pub receipt: &'a Receipt,
    /// The HTTP status it came with.
    pub http_status: Option<u16>,
    /// When it came.
    pub now: Ms,
    /// Whether it is of a second reading: see [`crate::core::timeline::recheck`].
    pub recheck: bool,
}

/// What a page brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The conversation it belongs to: another one than was asked for when the answer showed the two to be one.
    pub conversation: i64,
    /// The id to ask it with from now on, once known.
    pub conversation_id: Option<String>,
    /// The conversation's course from now on.
    pub timeline: Timeline,
    /// Messages that were new.
    pub new_messages: u32,
    /// Messages whose text or type had changed.
    pub edited: u32,
    /// Messages that the API no longer returns.
    pub gone: u32,
    /// Why the walk stops here, if it does.
    pub stall: Option<Stall>,
    /// How far the second reading has come.
    pub recheck: Recheck,
}

impl Store {
    /// Stores a page and everything that follows from it, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the gap is no longer as it was when it was asked for; otherwise when the archive
    /// cannot be written. Nothing is stored then, and the reservation stands.
    pub fn commit_page(&mut self, commit: &Commit<'_>) -> Result<Committed, StoreError> {
        let done = self.transact(|tx, ids| write(tx, ids, commit))?;
        self.texts_waiting(done.new_messages.saturating_add(done.edited))?;
        Ok(done)
    }

    /// Settles a request that brought no page. When that says something about a gap, or about a head, the gap is marked
    /// as stalled in the same transaction. Returns the course of the conversation or the inbox.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn commit_failure(&mut self, failed: &Failed<'_>) -> Result<Timeline, StoreError> {
        self.transact(|tx, ids| {
            settle(tx, &ids.tally, &failed.settlement)?;
            match failed.conversation {
                Some(id) => fail(tx, id, failed),
                None => inbox::fail(tx, failed.account, failed),
            }
        })
    }
}

fn fail(tx: &Connection, conversation: i64, failed: &Failed<'_>) -> Result<Timeline, StoreError> {
    let tried = failed.asked.cursor.is_none().then_some(failed.now);
    tx.prepare_cached(
        "UPDATE conversation SET last_error = ?2, head_tried_ms = ifnull(?3, head_tried_ms),
           head_tried_run = CASE WHEN ?3 IS NULL THEN head_tried_run ELSE ?4 END WHERE id = ?1",
    )?
    .execute(params![conversation, failed.settlement.error, tried, failed.asked.run])?;
    let account = targets::account_of(tx, conversation)?;
    let before = gaps::of_conversation(tx, conversation)?;
    gaps::write(tx, account, Some(conversation), &before, &gaps::after_failure(&before, failed))?;
    targets::timeline(tx, conversation)
}

fn write(tx: &Connection, ids: &mut Interned, commit: &Commit<'_>) -> Result<Committed, StoreError> {
    let conversation = resolve::conversation(tx, commit.conversation, commit.page, commit.now)?;
    let before = targets::timeline(tx, conversation)?;
    let asked = still_asked(&before, commit, conversation)?;
    let known = message::known(tx, conversation, commit.page, apply::window(&asked, commit.page))?;
    let delta = if commit.recheck {
        let (delta, next) = recheck::apply(&before, &asked, commit.page, &known, commit.now);
        tx.prepare_cached(
            "UPDATE conversation SET recheck_at_ms = ?2, rechecked_ms = CASE WHEN ?2 IS NULL THEN ?3 ELSE rechecked_ms END
             WHERE id = ?1",
        )?
        .execute(params![conversation, next, commit.now])?;
        delta
    } else {
        apply::apply(&before, &asked, commit.page, &known, commit.now)
    };
    let place = Place { account: targets::account_of(tx, conversation)?, conversation, run: asked.run };
    let counts = write_messages(tx, ids, place, commit, &known, &delta)?;
    gaps::write(tx, place.account, Some(conversation), &before.gaps, &delta.gaps)?;
    write_conversation(tx, conversation, commit, &asked, &delta, &counts)?;
    for oddity in &commit.page.oddities {
        tx.prepare_cached(
            "INSERT INTO quarantine (conversation, request, reason, json) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![conversation, commit.receipt.request_id(), oddity.reason, oddity.json])?;
    }
    let stall = delta.stall.as_ref().map(ToString::to_string);
    settle(
        tx,
        &ids.tally,
        &Settlement {
            conversation: Some(conversation),
            returned: Some(commit.page.returned),
            new_messages: counts.new,
            changed_messages: counts.edited,
            ..Settlement::bare(commit.receipt, commit.http_status, stall.as_deref())
        },
    )?;
    let timeline = targets::timeline(tx, conversation)?;
    debug_assert_eq!(invariants::broken(&timeline), Vec::<String>::new(), "conversation {conversation}");
    Ok(Committed {
        conversation,
        conversation_id: targets::urn(tx, conversation)?,
        timeline,
        new_messages: counts.new,
        edited: counts.edited,
        gone: counts.gone,
        stall: delta.stall,
        recheck: targets::recheck(tx, conversation)?,
    })
}

/// The request as it applies to the conversation as it is now. A look at the newest page applies to whatever is known
/// of the head; a page of a gap needs that gap to be as it was.
fn still_asked(now: &Timeline, commit: &Commit<'_>, conversation: i64) -> Result<Asked, StoreError> {
    let asked = commit.asked.clone();
    if now.gaps.contains(&asked.gap) || (commit.recheck && now.complete()) {
        return Ok(asked);
    }
    if asked.cursor.is_none() {
        let gap = now.top_gap().cloned().unwrap_or_else(|| Gap::head(now.newest_ms, commit.now));
        return Ok(Asked { gap, ..asked });
    }
    Err(StoreError::Changed { conversation })
}

#[derive(Default)]
struct Counts {
    new: u32,
    edited: u32,
    gone: u32,
    back: u32,
    /// Messages that only an export had shown until now.
    merged: u32,
    lowest: Option<Ms>,
    highest: Option<Ms>,
}

fn write_messages(
    tx: &Connection,
    ids: &mut Interned,
    place: Place,
    commit: &Commit<'_>,
    known: &Known,
    delta: &Delta,
) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let mut wrote: BTreeMap<i64, i64> = BTreeMap::new();
    for change in &delta.changes {
        match change {
            Change::Insert(index) => {
                let Some(message) = commit.page.messages.get(*index) else { continue };
                let (_, sender) = message::insert(tx, ids, place, message, false)?;
                *wrote.entry(sender).or_default() += 1;
                counts.new += 1;
                counts.lowest = Some(counts.lowest.unwrap_or(message.at_ms).min(message.at_ms));
                counts.highest = Some(counts.highest.unwrap_or(message.at_ms).max(message.at_ms));
            }
            Change::Update { stored, index, edited, was_gone, .. } => {
                let (Some(stored), Some(message)) =
                    (known.near.get(*stored), commit.page.messages.get(*index))
                else {
                    continue;
                };
                if *was_gone {
                    counts.back += message::set_back(tx, stored.id, place.run)?;
                }
                message::update(tx, ids, place, stored, message, *edited, commit.now)?;
                counts.merged += u32::from(stored.exported);
                counts.edited += u32::from(*edited);
                if !message.derived_time {
                    counts.lowest = Some(counts.lowest.unwrap_or(message.at_ms).min(message.at_ms));
                    counts.highest = Some(counts.highest.unwrap_or(message.at_ms).max(message.at_ms));
                }
            }
            Change::Back(id) => counts.back += message::set_back(tx, *id, place.run)?,
            Change::AllBack => counts.back += message::set_all_back(tx, place.conversation, place.run)?,
            Change::AllGone => {
                counts.gone += message::set_all_gone(tx, place.conversation, commit.now, place.run)?
            }
            Change::Gone(id) => counts.gone += message::set_gone(tx, *id, commit.now, place.run)?,
        }
    }
    for (person, messages) in wrote {
        owner::wrote(tx, place.conversation, person, messages)?;
    }
    Ok(counts)
}

fn write_conversation(
    tx: &Connection,
    conversation: i64,
    commit: &Commit<'_>,
    asked: &Asked,
    delta: &Delta,
    counts: &Counts,
) -> Result<(), StoreError> {
    let page = commit.page;
    let head_tried = asked.cursor.is_none().then_some(commit.now);
    let stall = delta.stall.as_ref().map(ToString::to_string);
    tx.prepare_cached(
        "UPDATE conversation SET
           messages = messages + ?2,
           gone = gone + ?12 - ?13,
           oldest_ms = CASE WHEN ?3 IS NULL THEN oldest_ms ELSE min(ifnull(oldest_ms, ?3), ?3) END,
           newest_ms = CASE WHEN ?4 IS NULL THEN newest_ms ELSE max(ifnull(newest_ms, ?4), ?4) END,
           beginning_seen_ms = CASE WHEN ?5 THEN ifnull(beginning_seen_ms, ?6) END,
           head_tried_ms = ifnull(?7, head_tried_ms),
           head_tried_run = CASE WHEN ?7 IS NULL THEN head_tried_run ELSE ?14 END,
           silent_looks = CASE WHEN ?2 > 0 THEN 0 WHEN ?7 IS NULL THEN silent_looks ELSE silent_looks + 1 END,
           synced_ms = ?6,
           unread = ifnull(?8, unread),
           last_seen_ms = ifnull(?9, last_seen_ms),
           served_total = ifnull(?10, served_total),
           news_at_least = CASE WHEN ?7 IS NULL THEN news_at_least ELSE 0 END,
           last_error = ?11
         WHERE id = ?1",
    )?
    .execute(params![
        conversation,
        counts.new,
        counts.lowest,
        counts.highest,
        delta.beginning_seen,
        commit.now,
        head_tried,
        page.unread,
        page.last_seen_ms,
        page.total,
        stall,
        counts.gone,
        counts.back,
        asked.run
    ])?;
    if counts.merged > 0 {
        measure(tx, conversation)?;
    }
    Ok(())
}

/// Finds the oldest and the newest message again, after some have moved by a second: the conversation has no others.
fn measure(tx: &Connection, conversation: i64) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE conversation SET
           oldest_ms = (SELECT m.sent_at_ms FROM message m JOIN kind k ON k.id = m.kind WHERE m.conversation = ?1
             AND NOT (m.source IS NOT NULL AND k.name IN ('DRAFT', 'SPONSORED')) ORDER BY m.sent_at_ms LIMIT 1),
           newest_ms = (SELECT m.sent_at_ms FROM message m JOIN kind k ON k.id = m.kind WHERE m.conversation = ?1
             AND NOT (m.source IS NOT NULL AND k.name IN ('DRAFT', 'SPONSORED')) ORDER BY m.sent_at_ms DESC LIMIT 1)
         WHERE id = ?1",
    )?
    .execute([conversation])?;
    Ok(())
}
