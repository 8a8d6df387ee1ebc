//! The one transaction of an inbox page: what it shows of each conversation, the gaps that follow, and its cost.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::Ms;
use crate::core::budget::Receipt;
use crate::core::inbox::filter::Wanted;
use crate::core::inbox::{self, InboxPage, InboxRow};
use crate::core::linkedin_export::matching::{NEAR_MS, plain, profile_slug};
use crate::core::model::urn;
use crate::core::planner::next::Inbox;
use crate::core::timeline::apply::{Asked, Gap, Timeline};
use crate::core::timeline::stall::Stall;
use crate::store::ledger::spent::Tally;
use crate::store::ledger::{Failed, Settlement, settle};
use crate::store::write::targets;
use crate::store::write::targets::{Configured, Target};
use crate::store::write::{gaps, message};
use crate::store::{Store, StoreError};

/// An inbox page that came and the request that bought it.
#[derive(Debug)]
pub struct InboxCommit<'a> {
    /// Index of the account in the configuration.
    pub account: usize,
    /// The archive's id of the account.
    pub account_id: i64,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxCommitted {
    /// What is known of the inbox from now on.
    pub timeline: Timeline,
    /// The conversations it listed that the archive holds, those found just now among them, and what each is asked by.
    pub listed: Vec<(i64, Option<String>)>,
    /// Conversations that it should have listed and did not.
    pub unlisted: Vec<i64>,
    /// Conversations with news: each has a gap that reaches up to now.
    pub news: Vec<(i64, Timeline)>,
    /// Conversations that were not known.
    pub found: Vec<Target>,
    /// Why the walk stops here, if it does.
    pub stall: Option<Stall>,
}

impl Store {
    /// The inboxes of these accounts, each with the archive's id of its account; one that was never read is a gap over
    /// everything.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn inboxes(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<(i64, Inbox)>, StoreError> {
        self.transact(|tx, _| {
            let mut all = Vec::with_capacity(accounts.len());
            for (index, account) in accounts.iter().enumerate() {
                let (id, _) = targets::account_row(tx, account)?;
                let new = tx.execute("INSERT OR IGNORE INTO inbox (account) VALUES (?1)", [id])? > 0;
                if new {
                    tx.execute("INSERT INTO gap (account, opened_ms) VALUES (?1, ?2)", params![id, now])?;
                }
                let tried_ms =
                    tx.query_row("SELECT tried_ms FROM inbox WHERE account = ?1", [id], |r| r.get(0))?;
                remember_wanted(tx, id, account, now)?;
                let timeline = timeline(tx, id)?;
                all.push((id, Inbox { account: index, name: account.account.clone(), timeline, tried_ms }));
            }
            Ok(all)
        })
    }

    /// Stores what an inbox page shows and everything that follows from it, in one transaction: a conversation with news
    /// has a gap up to now from then on, so that nothing is forgotten when the run ends before it is asked.
    ///
    /// # Errors
    /// When the archive cannot be written. Nothing is stored then, and the reservation stands.
    pub fn commit_inbox(&mut self, commit: &InboxCommit<'_>) -> Result<InboxCommitted, StoreError> {
        self.transact(|tx, ids| write(tx, &ids.tally, commit))
    }
}

/// Notes that a request for a page of an inbox brought none.
pub(in crate::store) fn fail(
    tx: &Connection,
    account: i64,
    failed: &Failed<'_>,
) -> Result<Timeline, StoreError> {
    let tried = failed.asked.cursor.is_none().then_some(failed.now);
    tx.execute(
        "UPDATE inbox SET last_error = ?2, tried_ms = ifnull(?3, tried_ms) WHERE account = ?1",
        params![account, failed.settlement.error, tried],
    )?;
    let before = gaps::of_inbox(tx, account)?;
    gaps::fail(tx, account, None, &before, failed)?;
    timeline(tx, account)
}

/// Notes which conversations of an inbox are wanted. What was not wanted so far was passed by, so when that changes
/// the inbox is walked anew: a credit for every ten conversations.
fn remember_wanted(tx: &Connection, id: i64, account: &Configured, now: Ms) -> Result<(), StoreError> {
    let wanted =
        if account.discover { account.wanted.describe() } else { "only what is configured".to_owned() };
    let before: Option<String> =
        tx.query_row("SELECT wanted FROM inbox WHERE account = ?1", [id], |r| r.get(0))?;
    if before.as_ref() == Some(&wanted) {
        return Ok(());
    }
    tx.execute("UPDATE inbox SET wanted = ?2 WHERE account = ?1", params![id, wanted])?;
    if before.is_some() && account.discover {
        let gaps = gaps::of_inbox(tx, id)?;
        gaps::write(tx, id, None, &gaps, &[Gap::everything(now)])?;
        tx.execute("UPDATE inbox SET beginning_seen_ms = NULL WHERE account = ?1", [id])?;
    }
    Ok(())
}

/// The inboxes without writing anything: those that the archive does not know are taken for never read.
pub(in crate::store) fn look_up(
    db: Option<&Connection>,
    accounts: &[Configured],
    now: Ms,
) -> Result<Vec<Inbox>, StoreError> {
    let mut all = Vec::with_capacity(accounts.len());
    for (index, account) in accounts.iter().enumerate() {
        let known: Option<(i64, Option<Ms>)> = match db {
            Some(db) => db
                .query_row(
                    "SELECT i.account, i.tried_ms FROM inbox i JOIN account a ON a.id = i.account WHERE a.name = ?1",
                    [&account.account],
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )
                .optional()?,
            None => None,
        };
        let (timeline, tried_ms) = match (db, known) {
            (Some(db), Some((id, tried_ms))) => (timeline(db, id)?, tried_ms),
            _ => (Timeline::unknown(now), None),
        };
        all.push(Inbox { account: index, name: account.account.clone(), timeline, tried_ms });
    }
    Ok(all)
}

pub(in crate::store) fn timeline(db: &Connection, account: i64) -> Result<Timeline, StoreError> {
    let gaps = gaps::of_inbox(db, account)?;
    let mut statement = db.prepare_cached(
        "SELECT newest_ms, oldest_ms, beginning_seen_ms IS NOT NULL FROM inbox WHERE account = ?1",
    )?;
    let timeline = statement.query_row([account], |row| {
        let (newest_ms, oldest_ms, beginning_seen) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Timeline { gaps, newest_ms, oldest_ms, beginning_seen, ..Timeline::default() })
    })?;
    Ok(timeline)
}

fn write(tx: &Connection, tally: &Tally, commit: &InboxCommit<'_>) -> Result<InboxCommitted, StoreError> {
    let before = timeline(tx, commit.account_id)?;
    let (after, stall) = inbox::apply(&before, commit.asked, commit.page, commit.now);
    let mut done = InboxCommitted {
        timeline: after,
        listed: vec![],
        unlisted: vec![],
        news: vec![],
        found: vec![],
        stall,
    };
    // Of several conversations with one person, only the API knows which one a profile leads to.
    let profile = |row: &InboxRow| row.profile_url.as_deref().and_then(profile_slug).filter(|_| !row.group);
    for row in &commit.page.rows {
        let alike = commit.page.rows.iter().filter(|other| profile(other) == profile(row)).count();
        if alike == 1 {
            resolve_profile(tx, commit.account_id, row)?;
        }
    }
    // Oldest first, so that ids of new conversations follow their activity.
    for row in commit.page.rows.iter().rev() {
        write_row(tx, commit, row, &mut done)?;
    }
    unlist(tx, commit, &mut done)?;
    gaps::write(tx, commit.account_id, None, &before.gaps, &done.timeline.gaps)?;
    done.timeline.gaps = gaps::of_inbox(tx, commit.account_id)?;
    let error = done.stall.as_ref().map(ToString::to_string);
    let tried = commit.asked.cursor.is_none().then_some(commit.now);
    let t = &done.timeline;
    tx.execute(
        "UPDATE inbox SET newest_ms = ?2, oldest_ms = ?3, beginning_seen_ms = CASE WHEN ?4 THEN ifnull(beginning_seen_ms, ?5) END,
           tried_ms = ifnull(?6, tried_ms), synced_ms = ?5, last_error = ?7 WHERE account = ?1",
        params![commit.account_id, t.newest_ms, t.oldest_ms, t.beginning_seen, commit.now, tried, error],
    )?;
    for oddity in &commit.page.oddities {
        tx.execute(
            "INSERT INTO quarantine (request, reason, json) VALUES (?1, ?2, ?3)",
            params![commit.receipt.request_id(), oddity.reason, oddity.json],
        )?;
    }
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

/// Whether a conversation that is not known yet is to be archived.
fn wants(commit: &InboxCommit<'_>, row: &InboxRow) -> bool {
    let (name, page) = (row.name.as_deref(), row.profile_url.as_deref());
    commit.discover.is_some_and(|wanted| wanted.takes(name, page, Some(&row.conversation_urn)))
}

fn write_row(
    tx: &Connection,
    commit: &InboxCommit<'_>,
    row: &InboxRow,
    done: &mut InboxCommitted,
) -> Result<(), StoreError> {
    let mut adopted = false;
    let found = match known(tx, commit.account_id, row)? {
        Some(id) => {
            adopted = wants(commit, row) && adopt(tx, id)?;
            id
        }
        None if wants(commit, row) => {
            let id = discover(tx, commit, row)?;
            done.found.push(targets::target(tx, commit.account, commit.account_id, id, None)?);
            id
        }
        None => return Ok(()),
    };
    done.listed.push((found, targets::urn(tx, found)?));
    let exported = ends_with_export(tx, found, row)?;
    let news = exported.is_none() && has_news(tx, found, row)?;
    tx.prepare_cached(
        "UPDATE conversation SET news_at_least = news_at_least + max(ifnull(?7 - unread, 0), 0), name = ifnull(?2, name), headline = ifnull(?3, headline), picture_url = ifnull(?4, picture_url),
           profile_url = ifnull(profile_url, ?5), is_group = ?6, unread = ifnull(?7, unread), inbox_seen_ms = ?8, inbox_last_message_ms = ?9,
           inbox_last_text_hash = ?10 WHERE id = ?1",
    )?
    .execute(params![
        found,
        row.name,
        row.headline,
        row.picture_url,
        row.profile_url,
        row.group,
        row.unread,
        commit.now,
        row.last_at_ms,
        row.last_text.as_deref().map(message::hash)
    ])?;
    let before = targets::timeline(tx, found)?;
    if let Some(newest) = exported {
        // Nothing has come since the export, so there is nothing between what it covers and now.
        let covered = Some(newest.saturating_sub(NEAR_MS));
        let own = |g: &Gap| g.newer_ms.is_none() && g.older_ms >= covered && g.stalled.is_none();
        let after: Vec<Gap> = before.gaps.iter().filter(|g| !own(g)).cloned().collect();
        gaps::write(tx, commit.account_id, Some(found), &before.gaps, &after)?;
    }
    if news {
        if before.top_gap().is_none() {
            let mut after = before.gaps.clone();
            after.insert(0, Gap::head(before.newest_ms, commit.now));
            gaps::write(tx, commit.account_id, Some(found), &before.gaps, &after)?;
        }
        done.news.push((found, targets::timeline(tx, found)?));
    }
    if adopted {
        done.found.push(targets::target(tx, commit.account, commit.account_id, found, None)?);
    }
    Ok(())
}

/// The archive's conversation that a row is about.
fn known(tx: &Connection, account: i64, row: &InboxRow) -> Result<Option<i64>, StoreError> {
    if let Some(id) = targets::known_thread(tx, account, &row.conversation_urn)? {
        // However it was configured: what the inbox calls it is what the API knows it by.
        let full = urn::is_conversation_urn(&row.conversation_urn).then_some(&row.conversation_urn);
        tx.prepare_cached(
            "UPDATE conversation SET urn = ?2 WHERE id = ?1 AND urn IS NOT ?2 AND ?2 IS NOT NULL",
        )?
        .execute(params![id, full])?;
        return Ok(Some(id));
    }
    Ok(None)
}

/// Gives a conversation that is configured by a profile and was not asked for yet its name, if this row is of that
/// person.
fn resolve_profile(tx: &Connection, account: i64, row: &InboxRow) -> Result<(), StoreError> {
    let Some(profile) = row.profile_url.as_deref().filter(|_| !row.group) else { return Ok(()) };
    let unresolved: Option<i64> = tx
        .prepare_cached(
            "SELECT c.id FROM address a JOIN conversation c ON c.id = a.conversation
             WHERE a.account = ?1 AND lower(rtrim(a.profile_url, '/')) = lower(rtrim(?2, '/')) AND c.thread IS NULL",
        )?
        .query_row(params![account, profile], |r| r.get(0))
        .optional()?;
    match unresolved {
        Some(id) if targets::known_thread(tx, account, &row.conversation_urn)?.is_none() => name(tx, id, row),
        _ => Ok(()),
    }
}

/// Takes back that conversations are listed which the page should show and does not: they have left the inbox, so that
/// from now on they are looked at themselves.
fn unlist(tx: &Connection, commit: &InboxCommit<'_>, done: &mut InboxCommitted) -> Result<(), StoreError> {
    let times = || commit.page.rows.iter().filter_map(|row| row.last_at_ms);
    if !times().is_sorted_by(|newer, older| newer >= older) {
        return Ok(());
    }
    let (Some(newest), Some(oldest)) = (times().next(), times().next_back()) else { return Ok(()) };
    // The first page reaches up to now, the last one down to the beginning.
    let newest = if commit.asked.cursor.is_none() { Ms::MAX } else { newest };
    let oldest = if commit.page.is_end() { Ms::MIN } else { oldest };
    let mut listed = tx.prepare_cached(
        "SELECT id FROM conversation WHERE account = ?1 AND inbox_seen_ms IS NOT NULL AND inbox_last_message_ms > ?2 AND inbox_last_message_ms < ?3",
    )?;
    let within = listed.query_map(params![commit.account_id, oldest, newest], |r| r.get(0))?;
    for id in within.collect::<Result<Vec<i64>, _>>()? {
        if !done.listed.iter().any(|(listed, _)| *listed == id) {
            tx.execute("UPDATE conversation SET inbox_seen_ms = NULL WHERE id = ?1", [id])?;
            done.unlisted.push(id);
        }
    }
    Ok(())
}

/// Makes a conversation that only an export has shown so far, and nobody has configured, one that is archived; whether
/// it was such a one.
fn adopt(tx: &Connection, conversation: i64) -> Result<bool, StoreError> {
    let adopted = tx
        .prepare_cached(
            "UPDATE conversation SET discovered = 1 WHERE id = ?1 AND discovered = 0 AND inbox_seen_ms IS NULL AND synced_ms IS NULL
               AND EXISTS (SELECT 1 FROM message WHERE conversation = ?1 AND source = 'export')",
        )?
        .execute([conversation])?;
    Ok(adopted > 0)
}

/// The time of the newest message stored, where a row's last message is at the end of what only an export has shown: of
/// that text and at about that time, and nothing is stored that is newer.
fn ends_with_export(tx: &Connection, conversation: i64, row: &InboxRow) -> Result<Option<Ms>, StoreError> {
    let (Some(at), Some(text)) = (row.last_at_ms, row.last_text.as_deref()) else { return Ok(None) };
    let (from, to) = (at.saturating_sub(NEAR_MS), at.saturating_add(NEAR_MS));
    let mut near = tx.prepare_cached(
        "SELECT c.newest_ms, m.text FROM message m JOIN conversation c ON c.id = m.conversation
         WHERE m.conversation = ?1 AND m.sent_at_ms BETWEEN ?2 AND ?3 AND c.newest_ms <= ?3 AND m.source = 'export'
           AND m.gone_since_ms IS NULL",
    )?;
    let near = near.query_map([conversation, from, to], |r| Ok((r.get(0)?, r.get::<_, String>(1)?)))?;
    for found in near {
        let (newest, said) = found?;
        if plain(&said) == plain(text) {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}

fn discover(tx: &Connection, commit: &InboxCommit<'_>, row: &InboxRow) -> Result<i64, StoreError> {
    tx.execute(
        "INSERT INTO conversation (account, discovered, name) VALUES (?1, 1, ?2)",
        params![commit.account_id, row.name],
    )?;
    let id = tx.last_insert_rowid();
    name(tx, id, row)?;
    targets::open_everything(tx, commit.account_id, id, commit.now)?;
    Ok(id)
}

/// Gives a conversation the name that the inbox calls it by.
fn name(tx: &Connection, id: i64, row: &InboxRow) -> Result<(), StoreError> {
    // A bare thread id serves to ask with as well as a full name does.
    tx.execute(
        "UPDATE conversation SET thread = ?2, urn = ?3 WHERE id = ?1",
        params![id, urn::thread_key(&row.conversation_urn), row.conversation_urn],
    )?;
    Ok(())
}

/// Whether a row tells of something that the archive has not seen: its last message is neither the one that the inbox
/// showed last time nor the newest one stored.
fn has_news(tx: &Connection, conversation: i64, row: &InboxRow) -> Result<bool, StoreError> {
    let text = row.last_text.as_deref();
    let Some(at) = row.last_at_ms else {
        // Without a time: the same text, or no text and no more unread messages, is what was there before.
        let mut same = tx.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM conversation WHERE id = ?1 AND inbox_seen_ms IS NOT NULL AND inbox_last_message_ms IS NULL
               AND inbox_last_text_hash IS ?2 AND unread IS ?3 AND (?2 IS NOT NULL OR ?3 IS NOT NULL))",
        )?;
        let same: bool =
            same.query_row(params![conversation, text.map(message::hash), row.unread], |r| r.get(0))?;
        return Ok(!same);
    };
    let (newest, listed_at, inbox_last_text_hash): (Option<Ms>, Option<Ms>, Option<i64>) = tx
        .prepare_cached("SELECT newest_ms, inbox_last_message_ms, inbox_last_text_hash FROM conversation WHERE id = ?1")?
        .query_row([conversation], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    if listed_at == Some(at) && (text.is_none() || inbox_last_text_hash == text.map(message::hash)) {
        return Ok(false);
    }
    if newest != Some(at) {
        return Ok(true);
    }
    let stored: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM message WHERE conversation = ?1 AND sent_at_ms = ?2 AND gone_since_ms IS NULL
               AND (?3 IS NULL OR text = ?3))",
        )?
        .query_row(params![conversation, at, text], |r| r.get(0))?;
    Ok(!stored)
}
