//! Writes the rows of an export, one batch per IMMEDIATE transaction. A conversation counts as covered only with its last
//! batch, so a crash in between leaves its gaps as they were.

use crate::core::model::ids::{AccountId, ConversationId, MessageId, RunId};
use crate::store::Result;
use crate::store::query::{Statements as _, struct_rows};
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use crate::core::linkedin_export::coverage::{self, Span};
use crate::core::linkedin_export::matching::{Fate, fates};
use crate::core::linkedin_export::samples;
use crate::core::model::message::{Message, is_outside};
use crate::core::model::urn::profile_slug;
use crate::core::timeline::gap::Gap;
use crate::core::timeline::history::Origin;
use crate::core::timeline::identity::Stored;
use crate::core::timeline::invariants;
use crate::core::timeline::pairing::NEAR_MS;
use crate::core::{Ms, hash};
use crate::store::Store;
use crate::store::erased::{items, known as erased};
use crate::store::ledger::{Outcome, RunKind, Trigger};
use crate::store::read::status::Reader;
use crate::store::read::targets::{self, Configured};
use crate::store::read::timelines;
use crate::store::write::intern::Interned;
use crate::store::write::message::{self, MessageWriter};
use crate::store::write::{configure, gaps};

/// One import of a file, which is a run of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// The row of `import`.
    pub id: i64,
    /// The run.
    pub run: RunId,
    /// The archive's id of the account.
    pub account: AccountId,
}

/// A thread as an export describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportThread {
    /// Its own id, without padding.
    pub thread: String,
    /// What to call it.
    pub name: Option<String>,
    /// The other side's page, where there is one other side.
    pub profile_url: Option<String>,
    /// Whether it has several other sides.
    pub is_group: Option<bool>,
}

/// Rows of one thread.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The reading that they come from.
    pub import: Import,
    /// Their thread.
    pub thread: &'a ImportThread,
    /// Newest first; the batches of a thread come in this order, too.
    pub messages: &'a [Message],
    /// With the last batch, from when to when the export holds messages of the thread.
    pub covers: Option<Span>,
    /// Now.
    pub now: Ms,
}

/// What happened to the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Messages that were not stored before.
    pub new: u32,
    /// Of these, drafts and advertisements.
    pub new_outside: u32,
    /// Messages stored by an earlier import.
    pub there: u32,
    /// Messages already fetched from the API.
    pub merged: u32,
}

/// The stored messages that rows of a thread's earlier batches were paired with.
pub type PairedIds = BTreeSet<MessageId>;

/// The odd rows that are stored already, by line and a hash of their content: the table has no index on these, and a file
/// may have tens of thousands of them.
#[derive(Debug, Default)]
pub struct KnownOddRows(BTreeMap<(i64, i64), i64>);

impl Store {
    /// Begins the run of an import.
    pub fn begin_import(
        &mut self,
        account: &Configured,
        source: &str,
        file: &str,
        now: Ms,
    ) -> Result<Import> {
        let run = self.begin_run_of(RunKind::Import, Trigger::Once, now)?;
        self.transact(|tx, _| {
            let account = configure::account_row(tx, account)?;
            let sql = "INSERT INTO import (run, account, source, file) VALUES (?1, ?2, ?3, ?4)";
            Ok(Import { id: tx.insert(sql, params![run, account, source, file])?, run, account })
        })
    }

    /// Stores a batch and, with a thread's last one, that the export covers it.
    /// Nothing of the batch is stored on an error.
    pub fn import_batch(&mut self, batch: &Batch<'_>, taken: &mut PairedIds) -> Result<Imported> {
        let done = self.transact(|tx, ids| write(tx, ids, batch, taken))?;
        self.texts_waiting(done.new)?;
        Ok(done)
    }

    /// The odd rows that imports of the account have stored.
    pub fn known_odd_rows(&self, import: Import) -> Result<KnownOddRows> {
        let rows = self.db.all_by(
            "SELECT o.line, o.content, o.id FROM import_oddity o JOIN import i ON i.id = o.import WHERE i.account = ?1",
            [import.account],
            |row| Ok(((row.get(0)?, hash::of_text(row.get_ref(1)?.as_str()?)), row.get(2)?)),
        )?;
        Ok(KnownOddRows(rows))
    }

    /// Stores rows that are no messages, each with its line, the reason and its columns as JSON, unless they are `kept`
    /// already.
    pub fn keep_odd_rows(
        &mut self,
        import: Import,
        rows: &[(u64, String, String)],
        kept: &mut KnownOddRows,
    ) -> Result<()> {
        self.transact(|tx, _| {
            let mut same = tx.prepare_cached("SELECT content = ?2 FROM import_oddity WHERE id = ?1")?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO import_oddity (import, line, reason, content) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (line, reason, content) in rows {
                let line = i64::try_from(*line).unwrap_or(i64::MAX);
                let key = (line, hash::of_text(content));
                if let Some(id) = kept.0.get(&key)
                    && same.query_row(params![id, content], |row| row.get(0))?
                {
                    continue;
                }
                if items::is_erased(tx, content)? {
                    continue;
                }
                insert.execute(params![import.id, line, reason, content])?;
                kept.0.insert(key, tx.last_insert_rowid());
            }
            Ok(())
        })
    }

    /// Opens up to `wanted` gaps of about ten messages, spread evenly over what only exports have, within these
    /// conversations or all of the account's. Returns how many it opened.
    pub fn open_checks(
        &mut self,
        import: Import,
        within: Option<&BTreeSet<ConversationId>>,
        wanted: usize,
        now: Ms,
    ) -> Result<usize> {
        self.transact(|tx, _| open_checks(tx, import, within, wanted, now))
    }

    /// Ends the run of an import and stores its totals.
    pub fn finish_import(&mut self, import: Import, rows: u64, new: u32, odd: usize, now: Ms) -> Result<()> {
        self.transact(|tx, _| {
            tx.run(
                "UPDATE import SET rows = ?2, new_messages = ?3, odd_rows = ?4 WHERE id = ?1",
                params![
                    import.id,
                    i64::try_from(rows).unwrap_or(i64::MAX),
                    new,
                    i64::try_from(odd).unwrap_or(i64::MAX)
                ],
            )
        })?;
        self.finish_run(import.run, Outcome::Complete, now)
    }
}

struct_rows!(Span { oldest_ms, newest_ms });

impl Reader {
    /// What would happen to a batch of rows, without writing anything. `last`: it is the last of its thread. Without an
    /// `archive` everything is new.
    pub fn import_outlook(
        archive: Option<&Self>,
        account: &str,
        thread: &ImportThread,
        (mut messages, last): (&[Message], bool),
        taken: &mut PairedIds,
    ) -> Result<Imported> {
        let above: Vec<Message>;
        let known = match archive {
            Some(reader) => {
                let account = targets::account_id(reader.db(), account)?;
                let found = account.map(|account| find(reader.db(), account, thread)).transpose()?.flatten();
                let floor = found.map(|id| erased::floor(reader.db(), id)).transpose()?.unwrap_or(Ms::MIN);
                above = messages.iter().filter(|m| m.at_ms >= floor).cloned().collect();
                messages = &above;
                found.map(|id| known(reader.db(), id, messages, taken)).transpose()?.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let fates = fates(messages, &known, last);
        let mut counts = Imported::default();
        for (message, fate) in messages.iter().zip(&fates) {
            count(&mut counts, message, *fate, &known, taken);
        }
        Ok(counts)
    }
}

/// The stored messages that rows may be: in their stretch of time and a little beside it, but for those taken.
fn known(
    db: &Connection,
    conversation: ConversationId,
    messages: &[Message],
    taken: &PairedIds,
) -> Result<Vec<Stored>> {
    let times = messages.iter().map(|m| m.at_ms);
    let (Some(lo), Some(hi)) = (times.clone().min(), times.max()) else { return Ok(Vec::new()) };
    let around = (lo.saturating_sub(NEAR_MS), hi.saturating_add(NEAR_MS));
    let mut known = message::between(db, conversation, around)?;
    known.extend(erased::between(db, conversation, messages, around)?);
    known.sort_by_key(|s| std::cmp::Reverse((s.message.at_ms, s.id)));
    known.retain(|s| !taken.contains(&s.id));
    Ok(known)
}

fn count(counts: &mut Imported, message: &Message, fate: Fate, known: &[Stored], taken: &mut PairedIds) {
    let stored = match fate {
        Fate::New => {
            counts.new += 1;
            counts.new_outside += u32::from(is_outside(&message.kind));
            return;
        }
        Fate::Stored(index) | Fate::OtherText(index) => known.get(index),
    };
    let Some(stored) = stored else { return };
    taken.insert(stored.id);
    if stored.exported { counts.there += 1 } else { counts.merged += 1 }
}

fn write(tx: &Connection, ids: &mut Interned, batch: &Batch<'_>, taken: &mut PairedIds) -> Result<Imported> {
    let (import, now) = (batch.import, batch.now);
    let conversation = conversation(tx, import.account, batch.thread, now)?;
    let floor = erased::floor(tx, conversation)?;
    let above: Vec<Message> = batch.messages.iter().filter(|m| m.at_ms >= floor).cloned().collect();
    let batch = &Batch { messages: &above, ..*batch };
    let known = known(tx, conversation, batch.messages, taken)?;
    let fates = fates(batch.messages, &known, batch.covers.is_some());
    let new = || batch.messages.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::New).map(|(m, _)| m);
    let dated = || new().filter(|m| !is_outside(&m.kind)).map(|m| m.at_ms);

    let before = timelines::conversation(tx, conversation)?;
    let mut after = before.gaps.clone();
    if let Some(gap) = dated().max().and_then(|newest| coverage::gap_above(&before, newest, now)) {
        after.insert(0, gap);
        gaps::write(tx, import.account, Some(conversation), &before.gaps, &after)?;
    }

    let mut counts = Imported::default();
    let mut writer =
        MessageWriter::new(tx, ids, (import.account, conversation), (import.run, Origin::Import), now);
    // Oldest first, in the order of ids.
    for (message, fate) in batch.messages.iter().zip(&fates).rev() {
        count(&mut counts, message, *fate, &known, taken);
        match fate {
            Fate::New => taken.extend([writer.insert(message, true)?]),
            Fate::OtherText(index) => {
                let stored = known.get(*index).filter(|stored| !stored.erased);
                stored.map_or(Ok(()), |stored| writer.add_version(stored, message))?;
            }
            Fate::Stored(_) => writer.pass(),
        }
    }
    writer.finish()?;
    tx.run(
        "UPDATE conversation SET messages = messages + ?2, oldest_ms = min(ifnull(oldest_ms, ?3), ifnull(?3, oldest_ms)),
           newest_ms = max(ifnull(newest_ms, ?4), ifnull(?4, newest_ms)) WHERE id = ?1",
        params![conversation, counts.new, dated().min(), dated().max()],
    )?;
    if let Some(span) = batch.covers {
        cover(tx, import, conversation, span, now)?;
    }
    debug_assert_eq!(invariants::broken(&timelines::conversation(tx, conversation)?), Vec::<String>::new());
    Ok(counts)
}

/// Closes what the export covers.
fn cover(tx: &Connection, import: Import, conversation: ConversationId, span: Span, now: Ms) -> Result<()> {
    let before = timelines::conversation(tx, conversation)?;
    let already = covered(tx, conversation)?;
    let (after, beginning_seen) = coverage::cover(&before, span, already);
    gaps::write(tx, import.account, Some(conversation), &before.gaps, &after)?;
    tx.run(
        "UPDATE conversation SET beginning_seen_ms = CASE WHEN ?2 THEN ifnull(beginning_seen_ms, ?3) END WHERE id = ?1",
        params![conversation, beginning_seen, now],
    )?;
    tx.run(
        "INSERT INTO export_cover (import, conversation, oldest_ms, newest_ms) SELECT ?1, ?2, ?3, ?4
         WHERE NOT EXISTS (SELECT 1 FROM export_cover WHERE conversation = ?2 AND oldest_ms = ?3 AND newest_ms = ?4)",
        params![import.id, conversation, span.oldest_ms, span.newest_ms],
    )
}

/// How far up earlier exports cover a conversation.
fn covered(tx: &Connection, conversation: ConversationId) -> Result<Option<Ms>> {
    let spans: Vec<Span> =
        tx.all("SELECT oldest_ms, newest_ms FROM export_cover WHERE conversation = ?1", [conversation])?;
    Ok(spans.iter().filter_map(Span::covered_ms).max())
}

/// The thread's conversation, created if it does not exist. It is synced once the inbox lists it or it is configured.
fn conversation(
    tx: &Connection,
    account: AccountId,
    thread: &ImportThread,
    now: Ms,
) -> Result<ConversationId> {
    let id = match find(tx, account, thread)? {
        Some(id) => id,
        None => {
            let sql = "INSERT INTO conversation (account, thread) VALUES (?1, ?2)";
            configure::begin_conversation(tx, account, now, sql, params![account, thread.thread])?
        }
    };
    if items::is_stopped(tx, id)? {
        return Ok(id);
    }
    let (name, page) = (thread.name.as_deref(), thread.profile_url.as_deref());
    let (name, page) = (items::allowed(tx, account, name)?, items::allowed(tx, account, page)?);
    // An id stands for good, but for one that was made of a name.
    tx.run(
        "UPDATE conversation SET thread = iif(thread IS NULL OR thread LIKE 'name:%', ?2, thread), name = ifnull(name, ?3), profile_url = ifnull(profile_url, ?4),
           is_group = ifnull(is_group, ?5) WHERE id = ?1",
        params![id, thread.thread, name, page, thread.is_group],
    )?;
    Ok(id)
}

/// The archive's conversation of a thread: by its id, or by the profile that it is configured by and was never asked.
fn find(db: &Connection, account: AccountId, thread: &ImportThread) -> Result<Option<ConversationId>> {
    if let Some(id) = targets::known_thread(db, account, &thread.thread)? {
        return Ok(Some(id));
    }
    if let Some(id) = by_name(db, account, thread)? {
        return Ok(Some(id));
    }
    let Some(slug) = thread.profile_url.as_deref().and_then(profile_slug) else { return Ok(None) };
    let unresolved: Vec<(String, ConversationId)> = db.all(
        "SELECT a.profile_url, c.id FROM address a JOIN conversation c ON c.id = a.conversation
         WHERE a.account = ?1 AND c.thread IS NULL ORDER BY c.id",
        [account],
    )?;
    let is_it = |(url, _): &&(String, _)| profile_slug(url).as_deref() == Some(slug.as_str());
    Ok(unresolved.iter().find(is_it).map(|(_, id)| *id))
}

/// The conversation with somebody of this name, where an export without ids tells no more: either of the two may.
fn by_name(db: &Connection, account: AccountId, thread: &ImportThread) -> Result<Option<ConversationId>> {
    let Some(name) = thread.name.as_deref().filter(|_| thread.is_group == Some(false)) else {
        return Ok(None);
    };
    let ids: Vec<ConversationId> = db.all(
        "SELECT id FROM conversation WHERE account = ?1 AND name = ?2 AND is_group IS NOT 1 AND thread IS NOT ?3
           AND (?3 LIKE 'name:%' OR thread LIKE 'name:%') LIMIT 2",
        params![account, name, thread.thread],
    )?;
    Ok(if let [only] = ids.as_slice() { Some(*only) } else { None })
}

fn open_checks(
    tx: &Connection,
    import: Import,
    within: Option<&BTreeSet<ConversationId>>,
    wanted: usize,
    now: Ms,
) -> Result<usize> {
    let mut of: Vec<(ConversationId, i64)> = tx.all(
        "SELECT m.conversation, count(*) FROM message m JOIN conversation c ON c.id = m.conversation JOIN kind k ON k.id = m.kind
         WHERE c.account = ?1 AND m.source = 'export' AND m.gone_since_ms IS NULL AND k.name NOT IN ('DRAFT', 'SPONSORED')
           AND c.beginning_seen_ms IS NOT NULL
         GROUP BY m.conversation ORDER BY m.conversation",
        [import.account],
    )?;
    of.retain(|(id, _)| within.is_none_or(|ids| ids.contains(id)));
    let sizes: Vec<usize> = of.iter().map(|(_, n)| usize::try_from(*n).unwrap_or_default()).collect();
    let mut opened = 0;
    let mut positions: (ConversationId, Vec<Ms>) = (ConversationId::default(), Vec::new());
    for (index, block) in samples::spots(&sizes, wanted) {
        let Some((conversation, _)) = of.get(index).copied() else { continue };
        if positions.0 != conversation {
            positions = (conversation, shown_by_exports(tx, conversation)?);
            // What lies at a gap up to now is asked for anyway.
            let head =
                timelines::of_conversation(tx, conversation)?.into_iter().find(|g| g.newer_ms.is_none());
            let floor = head.and_then(|g| g.older_ms).unwrap_or(Ms::MAX);
            positions.1.retain(|at| at.saturating_add(NEAR_MS) < floor);
        }
        let chunk = positions.1.chunks(samples::CHECKED_AT_ONCE + 2).nth(block).unwrap_or_default();
        let Some(gap) = samples::check_gap(chunk, now) else { continue };
        let before = timelines::of_conversation(tx, conversation)?;
        let apart = |g: &Gap| {
            g.older_ms.is_some_and(|older| gap.newer_ms < Some(older))
                || g.newer_ms.is_some_and(|newer| Some(newer) < gap.older_ms)
        };
        if before.iter().all(apart) {
            let mut after = before.clone();
            after.push(gap);
            gaps::write(tx, import.account, Some(conversation), &before, &after)?;
            opened += 1;
        }
    }
    Ok(opened)
}

/// The times of the messages of a conversation that only exports have, newest first.
fn shown_by_exports(tx: &Connection, conversation: ConversationId) -> Result<Vec<Ms>> {
    tx.all(
        "SELECT m.sent_at_ms FROM message m JOIN kind k ON k.id = m.kind
         WHERE m.conversation = ?1 AND m.source = 'export' AND m.gone_since_ms IS NULL
           AND k.name NOT IN ('DRAFT', 'SPONSORED') ORDER BY m.sent_at_ms DESC",
        [conversation],
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn keeping_an_odd_row_takes_no_longer_when_many_are_kept() {
        let mut store = Store::in_memory().unwrap();
        let account = Configured { account: "me".into(), ..Configured::default() };
        let import = store.begin_import(&account, "linkedin-export", "messages.csv", 1).unwrap();
        let rows: Vec<_> = (0..3_000).map(|n| (n, "no date".to_owned(), format!("{{\"n\":{n}}}"))).collect();
        let steps = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&steps);
        store
            .db
            .progress_handler(1, Some(move || count.fetch_add(1, Ordering::Relaxed) == u64::MAX))
            .unwrap();
        for _ in 0..2 {
            let mut kept = store.known_odd_rows(import).unwrap();
            store.keep_odd_rows(import, &rows, &mut kept).unwrap();
        }
        assert!(steps.load(Ordering::Relaxed) < 3_000 * 200, "{steps:?}");
        let held: i64 = store.db.query_row("SELECT count(*) FROM import_oddity", [], |r| r.get(0)).unwrap();
        assert_eq!(held, 3_000, "none twice");
    }
}
