//! The courses of conversations after an erasure: where a whole stretch went, they begin above it from then on.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::params;

use crate::core::Ms;
use crate::core::erasure::floor;
use crate::core::model::ids::ConversationId;
use crate::core::timeline::gap::Gap;
use crate::store::Result;
use crate::store::erase::Eraser;
use crate::store::erase::messages::Affected;
use crate::store::erase::selection::Selection;
use crate::store::erased::items;
use crate::store::erased::known;
use crate::store::query::Statements as _;
use crate::store::read::timelines;
use crate::store::write::{gaps, page};

/// Conversations of which a whole stretch is erased, and where they begin from then on.
#[derive(Debug, Default)]
pub(super) struct Courses(pub(super) BTreeMap<ConversationId, Ms>);

/// The courses that a selection shortens.
pub(super) fn of(tx: &Connection, selection: &Selection, now: Ms) -> Result<Courses> {
    if !selection.is_stretch() {
        return Ok(Courses::default());
    }
    let within = selection.within();
    let on_hold = selection.on_hold();
    if let (true, Some(floor)) = (selection.retention, selection.before_ms) {
        // Only those that have anything below.
        let rows: Vec<ConversationId> = tx.all(
            &format!(
                "SELECT DISTINCT conversation FROM temp.erasing
                 UNION SELECT c.id FROM gap g JOIN conversation c ON c.id = g.conversation
                   WHERE g.newer_ms < ?1 AND NOT {on_hold}
                 UNION SELECT c.id FROM conversation c WHERE c.erased_oldest_ms < ?1 AND NOT {on_hold}"
            ),
            [floor],
        )?;
        return Ok(Courses(rows.into_iter().map(|id| (id, floor)).collect()));
    }
    // What nobody has seen yet stays: the stretch ends with the newest message that goes, or that the inbox has shown.
    let rows: Vec<(ConversationId, Option<Ms>)> = tx.all(
        &format!(
            "SELECT c.id, coalesce(?1, c.newest_ms + 1, c.inbox_last_message_ms + 1, ?2) FROM conversation c
             WHERE {within} AND NOT {on_hold}"
        ),
        params![selection.before_ms, now],
    )?;
    Ok(Courses(rows.into_iter().map(|(id, floor)| (id, floor.unwrap_or(Ms::MIN))).collect()))
}

impl Courses {
    /// Whether the selection changes what is archived, even where no message is stored.
    pub(super) fn change_anything(&self, tx: &Connection, selection: &Selection) -> Result<bool> {
        if selection.retention {
            return Ok(!self.0.is_empty());
        }
        for (id, floor) in &self.0 {
            let stops = selection.and_future && !items::is_stopped(tx, *id)?;
            if stops || *floor > known::floor(tx, *id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Brings the conversations to what is left of them.
pub(super) fn shorten(
    work: &mut Eraser<'_>,
    selection: &Selection,
    courses: &Courses,
    affected: &Affected,
) -> Result<()> {
    let db = work.db;
    for (conversation, floor) in courses.0.iter().filter(|(_, floor)| **floor > Ms::MIN) {
        // The server's count says nothing of what is left.
        db.run("UPDATE conversation SET served_total = NULL WHERE id = ?1", [conversation])?;
        if !selection.retention {
            let sql = "UPDATE conversation SET floor_ms = max(ifnull(floor_ms, ?2), ?2) WHERE id = ?1";
            db.run(sql, params![conversation, floor])?;
        }
    }
    for conversation in courses.0.keys().filter(|_| selection.and_future) {
        stop(work, *conversation)?;
    }
    for conversation in affected.conversations.keys() {
        page::measure(db, *conversation)?;
        known::count(db, *conversation)?;
        // The hash of a text says whether it is this one.
        db.run("UPDATE conversation SET inbox_last_text_hash = NULL WHERE id = ?1", [conversation])?;
    }
    for conversation in courses.0.keys() {
        clip(db, *conversation)?;
        known::count(db, *conversation)?;
    }
    Ok(())
}

/// Cuts a conversation's gaps off at its floor.
pub(super) fn clip(db: &Connection, conversation: ConversationId) -> Result<()> {
    let before = timelines::conversation(db, conversation)?;
    let floor = known::floor(db, conversation)?;
    let (after, beginning_seen) = floor::clip(&before, floor);
    if (&after, beginning_seen) == (&before.gaps, before.beginning_seen) && !floor::is_across(&before, floor)
    {
        return Ok(());
    }
    let account = timelines::account_of(db, conversation)?;
    gaps::write(db, account, Some(conversation), &before.gaps, &after)?;
    db.run(
        "UPDATE conversation SET recheck_at_ms = NULL, cut_ms = ?3, beginning_seen_ms = CASE WHEN ?2 THEN
           ifnull(beginning_seen_ms, (SELECT max(started_ms) FROM run)) END WHERE id = ?1",
        params![conversation, beginning_seen, floor],
    )?;
    gaps::rank(db, conversation)
}

/// The same of a conversation that another archive has stopped.
pub(super) fn stop_as(
    db: &Connection,
    conversation: ConversationId,
    hidden: Option<&str>,
    profiles: &[String],
) -> Result<()> {
    db.run("DELETE FROM address WHERE conversation = ?1", [conversation])?;
    for profile in profiles {
        let sql = "INSERT OR IGNORE INTO address (account, profile_url, conversation)
           SELECT account, ?2, id FROM conversation WHERE id = ?1";
        db.run(sql, params![conversation, profile])?;
    }
    forget_course(db, conversation)?;
    db.run(
        "UPDATE conversation SET stopped = 1, asked = 0, discovered = 0, thread = ?2, urn = NULL, alias = NULL, name = NULL,
           headline = NULL, picture_url = NULL, profile_url = NULL, last_error = NULL WHERE id = ?1",
        params![conversation, hidden],
    )
}

/// Opens what lies below the place where a conversation was cut off, once its floor is lower than that.
pub(super) fn reopen(db: &Connection, now: Ms) -> Result<()> {
    let cut: Vec<(ConversationId, Ms)> =
        db.all("SELECT id, cut_ms FROM conversation WHERE cut_ms IS NOT NULL AND stopped = 0", [])?;
    for (conversation, cut) in cut {
        if known::floor(db, conversation)? >= cut {
            continue;
        }
        let before = timelines::conversation(db, conversation)?;
        let mut open = before.gaps.clone();
        // What it reached down to has been erased.
        open.iter_mut().for_each(|gap| *gap = floor::at_bottom(gap, cut));
        if open.iter().all(|gap| gap.older_ms.is_some()) {
            let newer_ms = open.last().map_or(before.oldest_ms, |gap| gap.older_ms);
            open.push(Gap { newer_ms, opened_ms: now, ..Gap::default() });
        }
        let account = timelines::account_of(db, conversation)?;
        gaps::write(db, account, Some(conversation), &before.gaps, &open)?;
        let sql = "UPDATE conversation SET cut_ms = NULL, beginning_seen_ms = NULL WHERE id = ?1";
        db.run(sql, [conversation])?;
        gaps::rank(db, conversation)?;
    }
    Ok(())
}

/// From now on a conversation is not archived, and nothing but marks tells which one it was.
fn stop(work: &mut Eraser<'_>, conversation: ConversationId) -> Result<()> {
    let (db, key) = (work.db, &work.key.1);
    let (thread, urn, alias): (Option<String>, Option<String>, Option<String>) =
        db.one("SELECT thread, urn, alias FROM conversation WHERE id = ?1", [conversation])?;
    forget_course(db, conversation)?;
    // Whoever configures the profile later means this conversation, too.
    db.run(
        "INSERT OR IGNORE INTO address (account, profile_url, conversation)
         SELECT account, profile_url, id FROM conversation WHERE id = ?1 AND profile_url IS NOT NULL AND is_group IS NOT 1",
        [conversation],
    )?;
    [&thread, &urn, &alias].into_iter().flatten().for_each(|name| work.traces.add(name));
    let hidden = thread.map(|thread| items::hidden(key.of_name(&thread)));
    db.run(
        "UPDATE conversation SET stopped = 1, asked = 0, discovered = 0, thread = ?2, urn = NULL, alias = NULL,
           last_error = NULL WHERE id = ?1",
        params![conversation, hidden],
    )?;
    items::hide_addresses(db, conversation)?.iter().for_each(|address| work.traces.add(address));
    db.run("DELETE FROM export_cover WHERE conversation = ?1", [conversation])
}

/// Nothing is missing in a conversation that is not archived.
fn forget_course(db: &Connection, conversation: ConversationId) -> Result<()> {
    db.run("DELETE FROM gap WHERE conversation = ?1", [conversation])?;
    db.run(
        "UPDATE conversation SET served_total = NULL, recheck_at_ms = NULL,
           beginning_seen_ms = ifnull(beginning_seen_ms, (SELECT max(started_ms) FROM run)) WHERE id = ?1",
        [conversation],
    )
}
