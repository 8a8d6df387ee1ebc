//! The one transaction of an inbox page: what it shows of each conversation, the gaps that follow, and its cost.

use std::borrow::Cow;

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::budget::Receipt;
use crate::core::inbox::filter::Wanted;
use crate::core::inbox::news::{self, Near};
use crate::core::inbox::{self, InboxPage, InboxRow};
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::core::planner::state::Inbox;
use crate::core::timeline::gap::{Asked, Gap, Timeline};
use crate::core::timeline::stall::Stall;
use crate::store::Result;
use crate::store::Store;
use crate::store::erased::items::HiddenBy;
use crate::store::erased::{self, items};
use crate::store::ledger::spent::SpentCache;
use crate::store::ledger::{Failed, Settlement, settle};
use crate::store::mailbox_owner;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::targets::{self, AskedBy, Configured, Target};
use crate::store::read::timelines;
use crate::store::write::page::quarantine;
use crate::store::write::{configure, gaps};

/// An inbox page that came and the request that bought it.
#[derive(Debug)]
pub struct InboxCommit<'a> {
    /// Index of the account in the configuration.
    pub account: usize,
    /// The archive's id of the account.
    pub account_id: AccountId,
    /// What was asked.
    pub asked: &'a Asked,
    /// What came.
    pub page: &'a InboxPage,
    /// Which conversations are archived although they are not configured; `None`: none of them.
    pub discover: Option<&'a Wanted>,
    /// What it cost.
    pub receipt: &'a Receipt,
    /// The HTTP status it came with.
    pub http_status: Option<u16>,
    /// When it came.
    pub now: Ms,
}

/// What an inbox page brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxCommitted {
    /// What is known of the inbox from now on.
    pub timeline: Timeline,
    /// The conversations it listed that the archive holds, those found just now among them, and what each is asked by.
    pub listed: Vec<(ConversationId, Option<String>)>,
    /// Conversations that it should have listed and did not, or of which it may hide what comes.
    pub unlisted: Vec<ConversationId>,
    /// Conversations that are asked for and have news: each has a gap that reaches up to now.
    pub news: Vec<Target>,
    /// Conversations that were not known.
    pub found: Vec<Target>,
    /// Why the walk stops here, if it does.
    pub stall: Option<Stall>,
}

impl Store {
    /// The inboxes of these accounts, each with the archive's id of its account; one that was never read is a gap over
    /// everything.
    pub fn inboxes(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<(AccountId, Inbox)>> {
        self.transact(|tx, _| {
            let mut all = Vec::with_capacity(accounts.len());
            for (index, account) in accounts.iter().enumerate() {
                let id = configure::account_row(tx, account)?;
                if tx.changed("INSERT OR IGNORE INTO inbox (account) VALUES (?1)", [id])? > 0 {
                    tx.run("INSERT INTO gap (account, opened_ms) VALUES (?1, ?2)", params![id, now])?;
                }
                remember_wanted(tx, id, account, now)?;
                let (tried_ms, walked_ms, troubled) = tx.one(
                    "SELECT tried_ms, beginning_seen_ms, last_error IS NOT NULL FROM inbox WHERE account = ?1",
                    [id],
                )?;
                let timeline = timelines::inbox(tx, id)?;
                let name = account.account.clone();
                all.push((id, Inbox { tried_ms, walked_ms, troubled, ..Inbox::new(index, name, timeline) }));
            }
            Ok(all)
        })
    }

    /// Stores what an inbox page shows and everything that follows from it, in one transaction: a conversation with news
    /// has a gap up to now from then on, so that nothing is forgotten when the run ends before it is asked.
    ///
    /// # Errors
    /// When the archive cannot be written. Nothing is stored then, and the reservation stands.
    pub fn commit_inbox(&mut self, commit: &InboxCommit<'_>) -> Result<InboxCommitted> {
        self.paid(|tx, ids| write(tx, &ids.tally, commit))
    }
}

/// Notes that a request for a page of an inbox brought none.
pub(crate) fn fail(tx: &Connection, account: AccountId, failed: &Failed<'_>) -> Result<Timeline> {
    let tried = failed.asked.cursor.is_none().then_some(failed.now);
    tx.run(
        "UPDATE inbox SET last_error = ?2, tried_ms = ifnull(?3, tried_ms) WHERE account = ?1",
        params![account, failed.settlement.error, tried],
    )?;
    let before = timelines::of_inbox(tx, account)?;
    gaps::fail(tx, account, None, &before, failed)?;
    timelines::inbox(tx, account)
}

/// Notes which conversations of an inbox are wanted. What was not wanted so far was passed by, so when that changes
/// the inbox is walked anew: a credit for every ten conversations.
fn remember_wanted(tx: &Connection, id: AccountId, account: &Configured, now: Ms) -> Result<()> {
    let wanted =
        if account.discover { account.wanted.describe() } else { "only what is configured".to_owned() };
    let before: Option<String> = tx.one("SELECT wanted FROM inbox WHERE account = ?1", [id])?;
    if before.as_ref() == Some(&wanted) {
        return Ok(());
    }
    tx.run("UPDATE inbox SET wanted = ?2 WHERE account = ?1", params![id, wanted])?;
    if before.is_some() && account.discover {
        let gaps = timelines::of_inbox(tx, id)?;
        gaps::write(tx, id, None, &gaps, &[Gap::everything(now)])?;
        tx.run("UPDATE inbox SET beginning_seen_ms = NULL WHERE account = ?1", [id])?;
    }
    Ok(())
}

fn write(tx: &Connection, tally: &SpentCache, commit: &InboxCommit<'_>) -> Result<InboxCommitted> {
    let before = timelines::inbox(tx, commit.account_id)?;
    let any_erased = erased::any(tx)?;
    let seen = seen(tx, commit, any_erased)?;
    let (after, stall) = inbox::apply(&before, commit.asked, commit.page, &seen, commit.now);
    let mut done = InboxCommitted { timeline: after, stall, ..InboxCommitted::default() };
    let is_whole = commit.asked.cursor.is_none() && commit.page.is_end() && done.stall.is_none();
    let all_kept = is_whole && commit.discover == Some(&Wanted::default());
    let all_known = all_kept || targets::knows_all(tx, commit.account_id)?;
    for row in news::of_one_profile(commit.page) {
        resolve_profile(tx, commit.account_id, row, all_known)?;
    }
    // Oldest first, so that ids of new conversations follow their activity.
    for row in commit.page.rows.iter().rev() {
        write_row(tx, commit, row, any_erased, &mut done)?;
    }
    unlist(tx, commit, &mut done)?;
    gaps::write(tx, commit.account_id, None, &before.gaps, &done.timeline.gaps)?;
    done.timeline.gaps = timelines::of_inbox(tx, commit.account_id)?;
    let error = done.stall.as_ref().map(ToString::to_string);
    let tried = commit.asked.cursor.is_none().then_some(commit.now);
    let t = &done.timeline;
    // Reading it again is not tried in each run.
    let is_read = commit.page.is_end() || (done.stall.is_some() && inbox::reads_again(commit.asked));
    tx.run(
        "UPDATE inbox SET newest_ms = ?2, oldest_ms = ?3, beginning_seen_ms = iif(?4, iif(?8, ?5, ifnull(beginning_seen_ms, ?5)), beginning_seen_ms),
           tried_ms = ifnull(?6, tried_ms), synced_ms = ?5, last_error = ?7 WHERE account = ?1",
        params![
            commit.account_id, t.newest_ms, t.oldest_ms, t.beginning_seen, commit.now, tried, error, is_read
        ],
    )?;
    if let Some(owner) = commit.page.owner() {
        mailbox_owner::of_inbox(tx, commit.account_id, owner)?;
    }
    quarantine(tx, None, commit.receipt, &commit.page.oddities)?;
    settle(
        tx,
        tally,
        &Settlement {
            returned: Some(commit.page.returned),
            stall: done.stall.as_ref(),
            ..Settlement::bare(commit.receipt, commit.http_status, error.as_deref())
        },
    )?;
    Ok(done)
}

/// What is known of the page's rows.
fn seen(tx: &Connection, commit: &InboxCommit<'_>, any_erased: bool) -> Result<inbox::SeenRows> {
    let mut unchanged = Vec::with_capacity(commit.page.rows.len());
    for row in &commit.page.rows {
        unchanged.push(match known(tx, commit.account_id, row)? {
            Some(id) => {
                let (row, known) = load(tx, commit.account_id, id, row, any_erased)?;
                news::is_unchanged(&row, &known)
            }
            // What is passed by leaves no trace to compare with.
            None => !wants(tx, commit, row, any_erased)?,
        });
    }
    let lowest = inbox::span(commit.page, commit.now).map_or(Ms::MIN, |(lo, _)| lo);
    let below = "SELECT max(inbox_last_message_ms) FROM conversation WHERE account = ?1
           AND inbox_seen_ms IS NOT NULL AND inbox_last_message_ms < ?2";
    Ok(inbox::SeenRows { unchanged, below_ms: tx.one(below, params![commit.account_id, lowest])? })
}

/// Whether a conversation that is not known yet is to be archived.
fn wants(tx: &Connection, commit: &InboxCommit<'_>, row: &InboxRow, any_erased: bool) -> Result<bool> {
    let (name, page) = (row.name.as_deref(), row.profile_url.as_deref());
    let takes = |wanted: &Wanted| wanted.takes(name, page, Some(&row.conversation_urn));
    Ok(commit.discover.is_some_and(takes) && !(any_erased && items::is_too_old(tx, row)?))
}

fn write_row(
    tx: &Connection,
    commit: &InboxCommit<'_>,
    row: &InboxRow,
    any_erased: bool,
    done: &mut InboxCommitted,
) -> Result<()> {
    let wanted = wants(tx, commit, row, any_erased)?;
    let (id, new) = match (known(tx, commit.account_id, row)?, wanted) {
        (Some(id), _) => (id, false),
        (None, true) => (discover(tx, commit, row)?, true),
        (None, false) => return Ok(()),
    };
    let (row, known) = load(tx, commit.account_id, id, row, any_erased)?;
    let row = row.as_ref();
    if known.stopped {
        done.listed.push((id, None));
        let sql = "UPDATE conversation SET inbox_seen_ms = ?2, inbox_last_message_ms = ?3 WHERE id = ?1";
        return tx.run(sql, params![id, commit.now, row.last_at_ms]);
    }
    let before = timelines::conversation(tx, id)?;
    let update = news::update(row, &known, &before, wanted, commit.now);
    let target = || targets::target(tx, commit.account, commit.account_id, id);
    if new {
        done.found.push(target()?);
    }
    done.listed.push((id, timelines::urn(tx, id)?));
    let hides = news::may_hide_more(row, commit.now);
    write_shown(tx, id, row, update.adopted, (!hides).then_some(commit.now))?;
    done.unlisted.extend(hides.then_some(id));
    if update.adopted {
        configure::ask_for(tx, id, AskedBy::Name)?;
    }
    gaps::write(tx, commit.account_id, Some(id), &before.gaps, &update.gaps)?;
    if update.news || update.adopted {
        gaps::rank(tx, id)?;
    }
    if update.news && tx.one("SELECT asked > 0 FROM conversation WHERE id = ?1", [id])? {
        done.news.push(target()?);
    }
    if update.adopted {
        done.found.push(target()?);
    }
    Ok(())
}

struct_rows!(Near { at_ms, text, exported, derived });

/// What the archive knows of the conversation that a row is about, and the row without what was erased.
fn load<'r>(
    tx: &Connection,
    account: AccountId,
    id: ConversationId,
    row: &'r InboxRow,
    any_erased: bool,
) -> Result<(Cow<'r, InboxRow>, news::KnownConversation)> {
    let mut near = Vec::new();
    if let Some((from, to)) = row.last_at_ms.map(news::around) {
        near = tx.all(
            "SELECT sent_at_ms, text, source IS NOT NULL, derived_time IS NOT NULL FROM message
             WHERE conversation = ?1 AND sent_at_ms BETWEEN ?2 AND ?3 AND gone_since_ms IS NULL",
            params![id, from, to],
        )?;
    }
    let mut statement = tx.prepare_cached(
        "SELECT inbox_seen_ms IS NOT NULL, inbox_last_message_ms, inbox_last_text_hash, unread, asked = 0, stopped
         FROM conversation WHERE id = ?1",
    )?;
    let mut known = statement.query_row([id], |r| {
        Ok(news::KnownConversation {
            in_inbox: r.get(0)?,
            last_message_ms: r.get(1)?,
            last_text_hash: r.get(2)?,
            unread: r.get(3)?,
            left_out: r.get(4)?,
            stopped: r.get(5)?,
            near,
        })
    })?;
    if !any_erased {
        return Ok((Cow::Borrowed(row), known));
    }
    Ok((Cow::Owned(items::row_without(tx, account, id, row, &mut known)?), known))
}

/// Stores what a row shows of its conversation. `seen`: when, if it shows whatever comes.
fn write_shown(
    tx: &Connection,
    id: ConversationId,
    row: &InboxRow,
    adopted: bool,
    seen: Option<Ms>,
) -> Result<()> {
    tx.run(
        "UPDATE conversation SET news_at_least = news_at_least + max(ifnull(?7 - unread, 0), 0), name = ifnull(?2, name),
           headline = ifnull(?3, headline), picture_url = ifnull(?4, picture_url), profile_url = ifnull(profile_url, ?5),
           is_group = ?6, unread = ifnull(?7, unread), inbox_seen_ms = ?8, inbox_last_message_ms = ?9,
           inbox_last_text_hash = ?10, discovered = max(discovered, ?11) WHERE id = ?1",
        params![
            id, row.name, row.headline, row.picture_url, row.profile_url, row.group, row.unread, seen, row.last_at_ms,
            news::text_hash(row), adopted
        ],
    )
}

/// The archive's conversation that a row is about.
fn known(tx: &Connection, account: AccountId, row: &InboxRow) -> Result<Option<ConversationId>> {
    let mut known = targets::known_thread(tx, account, &row.conversation_urn)?;
    if let (None, Some(profile), false) = (known, row.profile_url.as_deref(), row.group) {
        // One that was erased for good before its thread was known.
        known = items::stopped_by(tx, HiddenBy::Profile, account, profile)?.filter(|id| {
            tx.one("SELECT thread IS NULL FROM conversation WHERE id = ?1", [id]).unwrap_or_default()
        });
    }
    // However it was configured: what the inbox calls it is what the API knows it by.
    if let (Some(id), true) = (known, urn::is_conversation_urn(&row.conversation_urn)) {
        let sql = "UPDATE conversation SET urn = ?2 WHERE id = ?1 AND urn IS NOT ?2 AND stopped = 0";
        tx.run(sql, params![id, row.conversation_urn])?;
    }
    Ok(known)
}

/// Gives a conversation that is configured by a profile, and of which no answer has told the name, that of this row: if it
/// holds the row's last message, or if nothing of it was bought so far and no other conversation with that person can be.
/// Of several, only the API knows which one a profile leads to.
fn resolve_profile(tx: &Connection, account: AccountId, row: &InboxRow, all_known: bool) -> Result<()> {
    let Some(profile) = row.profile_url.as_deref().filter(|_| !row.group) else { return Ok(()) };
    let unresolved: Option<(ConversationId, i64)> = tx.first(
        "SELECT c.id, c.messages FROM address a JOIN conversation c ON c.id = a.conversation
         WHERE a.account = ?1 AND lower(rtrim(a.profile_url, '/')) = lower(rtrim(?2, '/')) AND c.thread IS NULL",
        params![account, profile],
    )?;
    let Some((id, messages)) = unresolved else { return Ok(()) };
    if targets::known_thread(tx, account, &row.conversation_urn)?.is_some() {
        return Ok(());
    }
    let is_it = if messages > 0 {
        let holds =
            "SELECT EXISTS (SELECT 1 FROM message WHERE conversation = ?1 AND sent_at_ms = ?2 AND text = ?3)";
        tx.one(holds, params![id, row.last_at_ms, row.last_text])?
    } else {
        all_known && targets::of_profile(tx, account, profile)?.is_empty()
    };
    if is_it { name(tx, id, row) } else { Ok(()) }
}

/// Marks conversations as no longer in the inbox that the page should show and does not. From then on they are polled
/// themselves.
fn unlist(tx: &Connection, commit: &InboxCommit<'_>, done: &mut InboxCommitted) -> Result<()> {
    let Some(should) = news::should_show(commit.page, commit.asked, commit.now) else { return Ok(()) };
    let mut expected: Vec<ConversationId> = tx.all(
        "SELECT id FROM conversation WHERE account = ?1 AND inbox_seen_ms < ?4
           AND inbox_last_message_ms > ?2 AND inbox_last_message_ms < ?3",
        params![commit.account_id, should.above, should.below, should.seen_before],
    )?;
    let is_shown = |id: &ConversationId| done.listed.iter().any(|(listed, _)| listed == id);
    if should.most_older > 0 {
        let most = usize::try_from(should.most_older).unwrap_or_default();
        // Those that it does show are among them.
        let limit = i64::try_from(most.saturating_add(done.listed.len())).unwrap_or_default();
        let older: Vec<ConversationId> = tx.all(
            "SELECT id FROM conversation WHERE account = ?1 AND inbox_seen_ms < ?3 AND inbox_last_message_ms <= ?2
             ORDER BY inbox_last_message_ms DESC LIMIT ?4",
            params![commit.account_id, should.above, should.seen_before, limit],
        )?;
        expected.extend(older.into_iter().filter(|id| !is_shown(id)).take(most));
    }
    expected.retain(|id| !is_shown(id));
    for id in &expected {
        tx.run("UPDATE conversation SET inbox_seen_ms = NULL WHERE id = ?1", [id])?;
    }
    done.unlisted.extend(expected);
    Ok(())
}

fn discover(tx: &Connection, commit: &InboxCommit<'_>, row: &InboxRow) -> Result<ConversationId> {
    let sql = "INSERT INTO conversation (account, discovered, asked, name) VALUES (?1, 1, 1, ?2)";
    let values = params![commit.account_id, row.name];
    let id = configure::begin_conversation(tx, commit.account_id, commit.now, sql, values)?;
    name(tx, id, row)?;
    gaps::rank(tx, id)?;
    Ok(id)
}

/// Gives a conversation the name that the inbox calls it by.
fn name(tx: &Connection, id: ConversationId, row: &InboxRow) -> Result<()> {
    // A bare thread id serves to ask with as well as a full name does.
    tx.run(
        "UPDATE conversation SET thread = ?2, urn = ?3 WHERE id = ?1",
        params![id, urn::thread_key(&row.conversation_urn), row.conversation_urn],
    )
}
