//! Stores a page in one transaction: rows, versions, gaps, the resolved conversation and the settled cost.

use rusqlite::types::ToSql;
use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::budget::Receipt;
use crate::core::erasure::floor;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::page::{Below, Oddity, Page};
use crate::core::planner::state::Recheck;
use crate::core::timeline::apply::{self, Update};
use crate::core::timeline::gap::{Asked, Gap, ServerCount, Timeline};
use crate::core::timeline::history::Origin;
use crate::core::timeline::identity::{Change, Known, Window};
use crate::core::timeline::stall::Stall;
use crate::core::timeline::{invariants, recheck};
use crate::store::Result;
use crate::store::erased::known::Which;
use crate::store::erased::{self, items, known as tombstones};
use crate::store::ledger::{Failed, Settlement, settle};
use crate::store::mailbox_owner;
use crate::store::query::Statements as _;
use crate::store::read::timelines;
use crate::store::write::intern::Interned;
use crate::store::write::message::{self, MessageWriter};
use crate::store::write::{gaps, inbox, resolve};
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
    /// How many runs at most pass between two looks at a conversation that the inbox never shows.
    pub longest_silence: u32,
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
    pub fn commit_page(&mut self, commit: &Commit<'_>) -> Result<Committed> {
        let done = self.paid(|tx, ids| write(tx, ids, commit))?;
        match self.texts_waiting(done.new_messages.saturating_add(done.edited)) {
            // The page is stored; its texts can wait.
            Err(error) if error.is_locked() => Ok(done),
            indexed => indexed.map(|()| done),
        }
    }

    /// Settles a request that brought no page. If the failure concerns a gap or a head, the gap is marked as stalled in
    /// the same transaction. Returns the timeline of the conversation or the inbox.
    pub fn commit_failure(&mut self, failed: &Failed<'_>) -> Result<Timeline> {
        self.paid(|tx, ids| {
            settle(tx, &ids.tally, &failed.settlement)?;
            match failed.conversation {
                Some(id) => fail(tx, id, failed),
                None => inbox::fail(tx, failed.account, failed),
            }
        })
    }
}

fn fail(tx: &Connection, conversation: ConversationId, failed: &Failed<'_>) -> Result<Timeline> {
    let tried = failed.asked.cursor.is_none().then_some(failed.now);
    tx.run(
        "UPDATE conversation SET last_error = ?2, head_tried_ms = ifnull(?3, head_tried_ms),
           head_tried_run = CASE WHEN ?3 IS NULL THEN head_tried_run ELSE ?4 END,
           look_run = CASE WHEN ?3 IS NULL THEN look_run ELSE ?4 + max(min(1 << min(silent_looks, 31), ?5), 1) END
         WHERE id = ?1",
        params![conversation, failed.settlement.error, tried, failed.asked.run, failed.longest_silence],
    )?;
    let account = timelines::account_of(tx, conversation)?;
    let before = timelines::of_conversation(tx, conversation)?;
    gaps::fail(tx, account, Some(conversation), &before, failed)?;
    gaps::rank(tx, conversation)?;
    timelines::conversation(tx, conversation)
}

fn write(tx: &Connection, ids: &mut Interned, commit: &Commit<'_>) -> Result<Committed> {
    let conversation = resolve::conversation(tx, commit.conversation, commit.page, commit.now)?;
    if conversation != commit.conversation && items::is_stopped(tx, conversation)? {
        return of_stopped(tx, ids, commit, conversation);
    }
    let any_erased = erased::any(tx)?;
    let floor = if any_erased { tombstones::floor(tx, conversation)? } else { Ms::MIN };
    let page = floor::cut(commit.page, floor);
    if page.messages.len() < commit.page.messages.len() {
        tx.run("UPDATE conversation SET cut_ms = ?2 WHERE id = ?1", params![conversation, floor])?;
    }
    if floor > Ms::MIN {
        // An earlier count grows old: there is no later one.
        let sql = "UPDATE conversation SET served_total = NULL WHERE id = ?1 AND served_total IS NOT NULL";
        tx.run(sql, [conversation])?;
    }
    let commit = &Commit { page: &page, ..*commit };
    let before = timelines::conversation(tx, conversation)?;
    let as_it_was = (commit.recheck && before.complete()).then(|| commit.asked.clone());
    let asked = as_it_was.or_else(|| commit.asked.renewed(&before, commit.now));
    let asked = asked.ok_or(StoreError::Changed { conversation })?;
    let (before, asked) = match page.below {
        Below::End if floor > Ms::MIN => at_floor(tx, conversation, (before, asked), floor, commit.now)?,
        _ => (before, asked),
    };
    let window = Window::of(&asked, commit.page);
    let mut known = message::known(tx, conversation, commit.page, window)?;
    if any_erased {
        tombstones::add(tx, conversation, &commit.page.messages, window, &mut known)?;
    }
    let apply = if commit.recheck { recheck::apply } else { apply::apply };
    let updates = apply(&before, &asked, commit.page, &known, commit.now);

    let account = timelines::account_of(tx, conversation)?;
    let origin = Origin::Page {
        open_below: asked.gap.older_ms.is_none(),
        watched_since_ms: watched_since(tx, account, commit.now)?,
    };
    let writer = MessageWriter::new(tx, ids, (account, conversation), (asked.run, origin), commit.now);
    let counts = write_messages(tx, writer, commit, (conversation, &known), &updates)?;
    if let Some(owner) = commit.page.owner().filter(|_| counts.new > 0) {
        mailbox_owner::of_messages(tx, account, owner)?;
    }
    let stall = write_conversation(tx, (account, conversation), commit, &before.gaps, &counts, &updates)?;
    quarantine(tx, Some(conversation), commit.receipt, &commit.page.oddities)?;
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
    if !timeline.gaps.is_empty() {
        gaps::rank(tx, conversation)?;
    }
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

/// A profile has led to a conversation that was erased for good: nothing of its page is kept.
fn of_stopped(
    tx: &Connection,
    ids: &Interned,
    commit: &Commit<'_>,
    conversation: ConversationId,
) -> Result<Committed> {
    let settlement = Settlement {
        conversation: Some(conversation),
        returned: Some(commit.page.returned),
        ..Settlement::bare(commit.receipt, commit.http_status, None)
    };
    settle(tx, &ids.tally, &settlement)?;
    Ok(Committed {
        conversation,
        conversation_id: None,
        timeline: timelines::conversation(tx, conversation)?,
        new_messages: 0,
        edited: 0,
        gone: 0,
        stall: None,
        recheck: timelines::recheck(tx, conversation)?,
    })
}

/// What is known of a conversation and what was asked for, once a page has come to the end of what is archived: a gap that
/// led to erased messages below leads to the beginning, for none of them will be met.
fn at_floor(
    tx: &Connection,
    conversation: ConversationId,
    (before, asked): (Timeline, Asked),
    floor: Ms,
    now: Ms,
) -> Result<(Timeline, Asked)> {
    let asked = Asked { gap: floor::at_bottom(&asked.gap, floor), ..asked };
    let gaps: Vec<Gap> =
        floor::clip(&before, floor).0.iter().map(|gap| floor::at_bottom(gap, floor)).collect();
    if gaps == before.gaps {
        return Ok((before, asked));
    }
    tx.run("UPDATE conversation SET cut_ms = ?2 WHERE id = ?1", params![conversation, floor])?;
    let account = timelines::account_of(tx, conversation)?;
    gaps::write(tx, account, Some(conversation), &before.gaps, &gaps)?;
    // Where the only gap lay below the floor, nothing is left to be asked for.
    tx.run(
        "UPDATE conversation SET beginning_seen_ms = CASE WHEN ?2 THEN ifnull(beginning_seen_ms, ?3) END WHERE id = ?1",
        params![conversation, gaps.iter().all(|gap| gap.older_ms.is_some()), now],
    )?;
    Ok((timelines::conversation(tx, conversation)?, asked))
}

/// When an account was first asked for anything.
fn watched_since(tx: &Connection, account: AccountId, now: Ms) -> Result<Ms> {
    let first = "SELECT at_ms FROM request WHERE account = ?1 ORDER BY id LIMIT 1";
    Ok(tx.first(first, [account])?.unwrap_or(now))
}

/// Keeps items of an answer that are not what was asked for.
pub(super) fn quarantine(
    tx: &Connection,
    conversation: Option<ConversationId>,
    receipt: &Receipt,
    oddities: &[Oddity],
) -> Result<()> {
    for oddity in oddities {
        if items::is_erased(tx, &oddity.json)? {
            continue;
        }
        tx.run(
            "INSERT INTO quarantine (conversation, request, reason, json) VALUES (?1, ?2, ?3, ?4)",
            params![conversation, receipt.request_id(), oddity.reason, oddity.json],
        )?;
    }
    Ok(())
}

/// How many messages were written, and in which way.
#[derive(Default)]
struct Counts {
    new: u32,
    edited: u32,
    gone: u32,
    back: u32,
    /// Whether what is known of the erased ones has changed.
    erased: bool,
}

fn write_messages(
    tx: &Connection,
    mut writer: MessageWriter<'_>,
    commit: &Commit<'_>,
    (conversation, known): (ConversationId, &Known),
    updates: &[Update],
) -> Result<Counts> {
    let mut counts = Counts::default();
    let (page, now) = (commit.page, commit.now);
    let any_erased = erased::any(tx)? && tombstones::any(tx, conversation)?;
    let erased_gone =
        |which, since: Option<Ms>| Ok::<_, StoreError>(any_erased && tombstones::set_gone(tx, which, since)?);
    for update in updates {
        let Update::Message(change) = update else { continue };
        match change {
            Change::Insert(index) => {
                if let Some(message) = page.messages.get(*index) {
                    writer.insert(message, false)?;
                    counts.new += 1;
                }
            }
            Change::Update { stored, index, edited, was_gone, .. } => {
                if let (Some(stored), Some(message)) = (known.near.get(*stored), page.messages.get(*index)) {
                    if stored.erased {
                        counts.erased |= tombstones::shown(tx, stored, message)?;
                        counts.erased |= erased_gone(Which::One(stored.id), None)?;
                        continue;
                    }
                    counts.back += u32::from(*was_gone);
                    writer.update(stored, message, *edited)?;
                    counts.edited += u32::from(*edited);
                }
            }
            Change::Back(id) => {
                counts.back += writer.set_back(*id)?;
                counts.erased |= erased_gone(Which::One(*id), None)?;
            }
            Change::AllBack => {
                counts.back += writer.set_all_back()?;
                counts.erased |= erased_gone(Which::All(conversation), None)?;
            }
            Change::Gone(id) => {
                counts.gone += writer.set_gone(*id)?;
                counts.erased |= erased_gone(Which::One(*id), Some(now))?;
            }
            Change::AllGone => {
                counts.gone += writer.set_all_gone()?;
                counts.erased |= erased_gone(Which::All(conversation), Some(now))?;
            }
        }
    }
    writer.finish()?;
    Ok(counts)
}

/// Carries out what concerns the conversation rather than a message of it. Returns why its walk stops here, if it does.
fn write_conversation(
    tx: &Connection,
    (account, conversation): (AccountId, ConversationId),
    commit: &Commit<'_>,
    gaps_before: &[Gap],
    counts: &Counts,
    updates: &[Update],
) -> Result<Option<Stall>> {
    let (now, page) = (commit.now, commit.page);
    let set = |columns: &str, values: &[&dyn ToSql]| {
        let values: Vec<&dyn ToSql> =
            std::iter::once(&conversation as &dyn ToSql).chain(values.iter().copied()).collect();
        tx.run(&format!("UPDATE conversation SET {columns} WHERE id = ?1"), values.as_slice())
    };
    let mut stall = None;
    for update in updates {
        match update {
            Update::Message(_) => {}
            Update::Span { oldest_ms, newest_ms } => {
                set("oldest_ms = ?2, newest_ms = ?3", &[oldest_ms, newest_ms])?;
            }
            Update::SpanMoved => measure(tx, conversation)?,
            Update::Gaps(after) => gaps::write(tx, account, Some(conversation), gaps_before, after)?,
            Update::Beginning { seen } => set("beginning_seen_ms = ?2", &[&seen.then_some(now)])?,
            Update::HeadAsked => {
                set(
                    "head_tried_ms = ?2, head_tried_run = ?3, news_at_least = 0,
                     look_run = ?3 + max(min(1 << min(silent_looks, 31), ?4), 1)",
                    &[&now, &commit.asked.run, &commit.longest_silence],
                )?;
            }
            Update::Silent(goes_on) => {
                set(
                    "silent_looks = CASE WHEN ?2 THEN silent_looks + 1 ELSE 0 END,
                     look_run = head_tried_run
                       + max(min(1 << min(CASE WHEN ?2 THEN silent_looks + 1 ELSE 0 END, 31), ?3), 1)",
                    &[goes_on, &commit.longest_silence],
                )?;
            }
            Update::RecheckAt(next) => set(
                "recheck_at_ms = ?2, rechecked_ms = CASE WHEN ?2 IS NULL THEN ?3 ELSE rechecked_ms END",
                &[next, &now],
            )?,
            Update::Counted(ServerCount { extra, with_gone }) => {
                set("count_extra = ?2, counts_gone = ?3", &[extra, with_gone])?;
            }
            Update::Stalled(why) => stall = Some(why.clone()),
        }
    }
    // With erased messages, the timeline's span is not that of the stored ones, and new ones may stand within it.
    if erased::any(tx)? && tombstones::any(tx, conversation)? {
        measure(tx, conversation)?;
    }
    if counts.erased {
        tombstones::count(tx, conversation)?;
    }
    // What every page tells.
    let error = stall.as_ref().map(ToString::to_string);
    set(
        "messages = messages + ?2, gone = gone + ?3 - ?4, synced_ms = ?5, last_error = ?6, unread = ifnull(?7, unread),
         last_seen_ms = ifnull(?8, last_seen_ms), served_total = ifnull(?9, served_total)",
        &[
            &counts.new, &counts.gone, &counts.back, &now, &error, &page.unread, &page.last_seen_ms, &page.total,
        ],
    )?;
    Ok(stall)
}

/// Finds the oldest and the newest message again, after some have moved by a second: the conversation has no others.
pub(crate) fn measure(tx: &Connection, conversation: ConversationId) -> Result<()> {
    tx.run(
        "UPDATE conversation SET
           oldest_ms = (SELECT m.sent_at_ms FROM message m JOIN kind k ON k.id = m.kind WHERE m.conversation = ?1
             AND NOT (m.source IS NOT NULL AND k.name IN ('DRAFT', 'SPONSORED')) ORDER BY m.sent_at_ms LIMIT 1),
           newest_ms = (SELECT m.sent_at_ms FROM message m JOIN kind k ON k.id = m.kind WHERE m.conversation = ?1
             AND NOT (m.source IS NOT NULL AND k.name IN ('DRAFT', 'SPONSORED')) ORDER BY m.sent_at_ms DESC LIMIT 1)
         WHERE id = ?1",
        [conversation],
    )
}
