//! Stores a page in one transaction: rows, versions, gaps, the resolved conversation and the settled cost.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::budget::Receipt;
use crate::core::model::ids::{ConversationId, PersonId};
use crate::core::model::page::Page;
use crate::core::planner::state::Recheck;
use crate::core::timeline::apply::{self, Update};
use crate::core::timeline::gap::{Asked, Gap, Timeline};
use crate::core::timeline::identity::{Change, Known, Window};
use crate::core::timeline::stall::Stall;
use crate::core::timeline::{invariants, recheck};
use crate::store::ledger::{Failed, Settlement, settle};
use crate::store::read::timelines;
use crate::store::write::intern::Interned;
use crate::store::write::message::{self, RowContext};
use crate::store::write::{gaps, inbox, owner, resolve};
use crate::store::{Store, StoreError};

/// A page that came and the request that bought it.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The conversation that was asked for.
    pub conversation: ConversationId,
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
    /// Whether it belongs to a second reading: see [`crate::core::timeline::recheck`].
    pub recheck: bool,
}

/// What a page brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The conversation it belongs to: another one than was asked for when the answer showed the two to be one.
    pub conversation: ConversationId,
    /// The id to ask it with from now on, once known.
    pub conversation_id: Option<String>,
    /// The conversation's timeline from now on.
    pub timeline: Timeline,
    /// New messages.
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

    /// Settles a request that brought no page. If the failure concerns a gap or a head, the gap is marked as stalled in
    /// the same transaction. Returns the timeline of the conversation or the inbox.
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

fn fail(tx: &Connection, conversation: ConversationId, failed: &Failed<'_>) -> Result<Timeline, StoreError> {
    let tried = failed.asked.cursor.is_none().then_some(failed.now);
    tx.prepare_cached(
        "UPDATE conversation SET last_error = ?2, head_tried_ms = ifnull(?3, head_tried_ms),
           head_tried_run = CASE WHEN ?3 IS NULL THEN head_tried_run ELSE ?4 END WHERE id = ?1",
    )?
    .execute(params![conversation, failed.settlement.error, tried, failed.asked.run])?;
    let account = timelines::account_of(tx, conversation)?;
    let before = timelines::of_conversation(tx, conversation)?;
    gaps::fail(tx, account, Some(conversation), &before, failed)?;
    timelines::conversation(tx, conversation)
}

fn write(tx: &Connection, ids: &mut Interned, commit: &Commit<'_>) -> Result<Committed, StoreError> {
    let conversation = resolve::conversation(tx, commit.conversation, commit.page, commit.now)?;
    let before = timelines::conversation(tx, conversation)?;
    let as_it_was = (commit.recheck && before.complete()).then(|| commit.asked.clone());
    let asked = as_it_was.or_else(|| commit.asked.renewed(&before, commit.now));
    let asked = asked.ok_or(StoreError::Changed { conversation })?;
    let known = message::known(tx, conversation, commit.page, Window::of(&asked, commit.page))?;
    let apply = if commit.recheck { recheck::apply } else { apply::apply };
    let updates = apply(&before, &asked, commit.page, &known, commit.now);

    let place =
        RowContext { account: timelines::account_of(tx, conversation)?, conversation, run: asked.run };
    let counts = write_messages(tx, ids, place, commit, &known, &updates)?;
    let stall = write_conversation(tx, place, commit, &before.gaps, &counts, &updates)?;
    for oddity in &commit.page.oddities {
        tx.prepare_cached(
            "INSERT INTO quarantine (conversation, request, reason, json) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![conversation, commit.receipt.request_id(), oddity.reason, oddity.json])?;
    }
    let error = stall.as_ref().map(ToString::to_string);
    settle(
        tx,
        &ids.tally,
        &Settlement {
            conversation: Some(conversation),
            returned: Some(commit.page.returned),
            new_messages: counts.new,
            changed_messages: counts.edited,
            stall: stall.as_ref(),
            ..Settlement::bare(commit.receipt, commit.http_status, error.as_deref())
        },
    )?;
    let timeline = timelines::conversation(tx, conversation)?;
    debug_assert_eq!(invariants::broken(&timeline), Vec::<String>::new(), "conversation {conversation}");
    Ok(Committed {
        conversation,
        conversation_id: timelines::urn(tx, conversation)?,
        timeline,
        new_messages: counts.new,
        edited: counts.edited,
        gone: counts.gone,
        stall,
        recheck: timelines::recheck(tx, conversation)?,
    })
}

/// How many messages were written, and in which way.
#[derive(Default)]
struct Counts {
    new: u32,
    edited: u32,
    gone: u32,
    back: u32,
}

fn write_messages(
    tx: &Connection,
    ids: &mut Interned,
    place: RowContext,
    commit: &Commit<'_>,
    known: &Known,
    updates: &[Update],
) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let mut wrote: BTreeMap<PersonId, i64> = BTreeMap::new();
    for update in updates {
        let Update::Message(change) = update else { continue };
        match change {
            Change::Insert(index) => {
                let Some(message) = commit.page.messages.get(*index) else { continue };
                let (_, sender) = message::insert(tx, ids, place, message, false)?;
                *wrote.entry(sender).or_default() += 1;
                counts.new += 1;
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
                counts.edited += u32::from(*edited);
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

/// Carries out what concerns the conversation rather than a message of it. Returns why its walk stops here, if it does.
fn write_conversation(
    tx: &Connection,
    place: RowContext,
    commit: &Commit<'_>,
    gaps_before: &[Gap],
    counts: &Counts,
    updates: &[Update],
) -> Result<Option<Stall>, StoreError> {
    let conversation = place.conversation;
    let mut stall = None;
    for update in updates {
        match update {
            Update::Message(_) => {}
            Update::Span { oldest_ms, newest_ms } => {
                tx.prepare_cached("UPDATE conversation SET oldest_ms = ?2, newest_ms = ?3 WHERE id = ?1")?
                    .execute(params![conversation, oldest_ms, newest_ms])?;
            }
            Update::SpanMoved => measure(tx, conversation)?,
            Update::Gaps(after) => {
                gaps::write(tx, place.account, Some(conversation), gaps_before, after)?;
            }
            Update::Beginning { seen } => {
                tx.prepare_cached("UPDATE conversation SET beginning_seen_ms = ?2 WHERE id = ?1")?
                    .execute(params![conversation, seen.then_some(commit.now)])?;
            }
            Update::HeadAsked => {
                tx.prepare_cached(
                    "UPDATE conversation SET head_tried_ms = ?2, head_tried_run = ?3, news_at_least = 0 WHERE id = ?1",
                )?
                .execute(params![conversation, commit.now, place.run])?;
            }
            Update::Silent(goes_on) => {
                tx.prepare_cached(
                    "UPDATE conversation SET silent_looks = CASE WHEN ?2 THEN silent_looks + 1 ELSE 0 END WHERE id = ?1",
                )?
                .execute(params![conversation, goes_on])?;
            }
            Update::RecheckAt(next) => {
                tx.prepare_cached(
                    "UPDATE conversation SET recheck_at_ms = ?2,
                       rechecked_ms = CASE WHEN ?2 IS NULL THEN ?3 ELSE rechecked_ms END WHERE id = ?1",
                )?
                .execute(params![conversation, next, commit.now])?;
            }
            Update::Stalled(why) => stall = Some(why.clone()),
        }
    }
    note_page(tx, conversation, commit, counts, stall.as_ref())?;
    Ok(stall)
}

/// Notes with the conversation what every page tells.
fn note_page(
    tx: &Connection,
    conversation: ConversationId,
    commit: &Commit<'_>,
    counts: &Counts,
    stall: Option<&Stall>,
) -> Result<(), StoreError> {
    let page = commit.page;
    tx.prepare_cached(
        "UPDATE conversation SET messages = messages + ?2, gone = gone + ?3 - ?4, synced_ms = ?5, last_error = ?6,
           unread = ifnull(?7, unread), last_seen_ms = ifnull(?8, last_seen_ms), served_total = ifnull(?9, served_total)
         WHERE id = ?1",
    )?
    .execute(params![
        conversation,
        counts.new,
        counts.gone,
        counts.back,
        commit.now,
        stall.map(ToString::to_string),
        page.unread,
        page.last_seen_ms,
        page.total
    ])?;
    Ok(())
}

/// Finds the oldest and the newest message again, after some have moved by a second: the conversation has no others.
fn measure(tx: &Connection, conversation: ConversationId) -> Result<(), StoreError> {
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
