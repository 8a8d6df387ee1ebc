//! Messages as rows: reading those that a page needs, inserting, and updating without losing what was there.

use rusqlite::{Connection, Row, params};

use crate::core::Ms;
use crate::core::model::message::{Message, Sender};
use crate::core::model::page::Page;
use crate::core::model::parts::Parts;
use crate::core::model::urn;
use crate::core::raw::Raw;
use crate::core::timeline::identity::{Known, Stored, Window};
use crate::core::timeline::pairing::{NEAR_MS, plain};
use crate::store::text_index;
use crate::store::write::intern::Interned;
use crate::store::{StoreError, ids as row_ids};

/// Where a message belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowContext {
    pub(crate) account: i64,
    pub(crate) conversation: i64,
    /// The run that writes.
    pub(crate) run: i64,
}

/// The ids of what a message's row points to.
struct Pointers {
    sender: i64,
    kind: i64,
    template: i64,
}

const COLUMNS: &str = "m.id, m.sent_at_ms, m.derived_time, p.name, p.first_name, p.last_name, p.profile_url, k.name, m.text,
    t.json, m.extra, u.prefix, m.urn_key, u.suffix, m.gone_since_ms, m.source
  FROM message m JOIN person p ON p.id = m.sender JOIN kind k ON k.id = m.kind JOIN template t ON t.id = m.template
  LEFT JOIN urn_shape u ON u.id = m.urn_shape";

/// The stored messages that matter for a page: those that its [`Window`] names.
pub(crate) fn known(
    db: &Connection,
    conversation: i64,
    page: &Page,
    Window { lo, hi, below }: Window,
) -> Result<Known, StoreError> {
    let mut known = Known { near: between(db, conversation, (lo, hi))?, below: Vec::new() };
    // What only an export has shown may stand a little beside its place.
    let mut beside = db.prepare_cached(&format!(
        "SELECT {COLUMNS} WHERE m.conversation = ?1 AND m.source = 'export' AND m.sent_at_ms BETWEEN ?2 AND ?3
         ORDER BY m.sent_at_ms DESC, m.id DESC"
    ))?;
    let borders = [
        (hi.saturating_add(1), hi.saturating_add(NEAR_MS)),
        (lo.saturating_sub(NEAR_MS), lo.saturating_sub(1)),
    ];
    for (from, to) in borders.into_iter().filter(|(from, _)| *from != Ms::MAX) {
        for row in beside.query_map(params![conversation, from, to], read)? {
            known.near.push(row?);
        }
    }
    let mut by_urn =
        db.prepare_cached(&format!("SELECT {COLUMNS} WHERE m.conversation = ?1 AND m.urn_probe = ?2"))?;
    for urn in page.messages.iter().filter_map(|m| m.urn.as_deref()) {
        if known.near.iter().any(|s| s.message.urn.as_deref() == Some(urn)) {
            continue;
        }
        for row in by_urn.query_map(params![conversation, row_ids::probe(urn)], read)? {
            let stored = row?;
            if stored.message.urn.as_deref() == Some(urn) {
                known.near.push(stored);
            }
        }
    }
    if below > 0 {
        let mut next = db.prepare_cached(&format!(
            "SELECT {COLUMNS} WHERE m.conversation = ?1 AND m.sent_at_ms < ?2 ORDER BY m.sent_at_ms DESC, m.id DESC LIMIT ?3"
        ))?;
        for row in next.query_map(params![conversation, lo, below], read)? {
            known.below.push(row?);
        }
    }
    Ok(known)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let urn = match (
        row.get::<_, Option<String>>(11)?,
        row.get::<_, Option<String>>(12)?,
        row.get::<_, Option<String>>(13)?,
    ) {
        (Some(prefix), Some(key), Some(suffix)) => Some(prefix + &key + &suffix),
        _ => None,
    };
    Ok(Stored {
        id: row.get(0)?,
        gone: row.get::<_, Option<Ms>>(14)?.is_some(),
        exported: row.get::<_, Option<String>>(15)?.is_some(),
        message: Message {
            urn,
            at_ms: row.get(1)?,
            derived_time: row.get::<_, Option<i64>>(2)?.is_some(),
            sender: Sender {
                name: row.get(3)?,
                first_name: row.get(4)?,
                last_name: row.get(5)?,
                profile_url: row.get(6)?,
            },
            kind: row.get(7)?,
            text: row.get(8)?,
            raw: Raw { template: row.get(9)?, extra: row.get(10)? },
        },
    })
}

/// The stored messages of a conversation from one moment to another, both included, newest first.
pub(crate) fn between(
    db: &Connection,
    conversation: i64,
    (lo, hi): (Ms, Ms),
) -> Result<Vec<Stored>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} WHERE m.conversation = ?1 AND m.sent_at_ms BETWEEN ?2 AND ?3 ORDER BY m.sent_at_ms DESC, m.id DESC"
    ))?;
    let rows = statement.query_map(params![conversation, lo, hi], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps another text of a stored message as if it had been replaced, unless it is there already. Returns whether it
/// was not.
pub(crate) fn add_version(
    db: &Connection,
    ids: &mut Interned,
    place: RowContext,
    stored: i64,
    message: &Message,
    now: Ms,
) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached("SELECT text FROM message_version WHERE message = ?1")?;
    let texts = statement.query_map([stored], |row| row.get::<_, String>(0))?;
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    if texts.iter().any(|text| plain(text) == plain(&message.text)) {
        return Ok(false);
    }
    let to = pointers(db, ids, place, message)?;
    db.prepare_cached(
        "INSERT INTO message_version (message, replaced_ms, edited, sent_at_ms, sender, kind, template, text, extra)
         VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        stored, now, message.at_ms, to.sender, to.kind, to.template, message.text, message.raw.extra
    ])?;
    db.prepare_cached("UPDATE message SET changed_run = ?2 WHERE id = ?1")?.execute([stored, place.run])?;
    Ok(true)
}

/// Inserts a message, which an export or the API has shown, and returns its id and its sender.
pub(crate) fn insert(
    db: &Connection,
    ids: &mut Interned,
    place: RowContext,
    message: &Message,
    exported: bool,
) -> Result<(i64, i64), StoreError> {
    let to = pointers(db, ids, place, message)?;
    let (shape, probe, key) = urn_columns(db, ids, message.urn.as_deref())?;
    let mut statement = db.prepare_cached(
        "INSERT INTO message (id, conversation, sent_at_ms, sender, kind, template, urn_shape, urn_probe, urn_key, derived_time, text, extra, changed_run, source,
           subject, attachments, attachment_names)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    let derived = message.derived_time.then_some(1);
    let parts = Parts::of(message.raw.extra.as_deref(), exported);
    let (attachments, names) = (parts.attachments_json(), parts.attachment_names());
    let mut id = row_ids::rowid_of(message.at_ms);
    loop {
        let done = statement.execute(params![
            id,
            place.conversation,
            message.at_ms,
            to.sender,
            to.kind,
            to.template,
            shape,
            probe,
            key,
            derived,
            message.text,
            message.raw.extra,
            place.run,
            exported.then_some("export"),
            parts.subject,
            attachments,
            names
        ]);
        match done {
            Ok(_) => break,
            Err(rusqlite::Error::SqliteFailure(e, _))
                if e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY =>
            {
                id = free_above(db, id)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    text_index::unindexed(db, id)?;
    Ok((id, to.sender))
}

/// A free id just above a crowd that begins with this taken one. Steps that double find its end, and halving them finds
/// the place next to it, so that even thousands of messages of one instant take few looks each and stay together.
fn free_above(db: &Connection, taken: i64) -> Result<i64, StoreError> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1)")?;
    let mut is_taken = |id: i64| statement.query_row([id], |row| row.get::<_, bool>(0));
    let (mut taken, mut step) = (taken, 1_i64);
    while is_taken(taken.saturating_add(step))? {
        taken = taken.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let mut free = taken.saturating_add(step);
    while free.saturating_sub(taken) > 1 {
        let middle = taken.midpoint(free);
        if is_taken(middle)? { taken = middle } else { free = middle }
    }
    Ok(free)
}

/// Brings a stored message to what was served now; what was there before becomes a row of `message_version`.
pub(crate) fn update(
    db: &Connection,
    ids: &mut Interned,
    place: RowContext,
    stored: &Stored,
    message: &Message,
    edited: bool,
    now: Ms,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO message_version (message, replaced_ms, edited, sent_at_ms, sender, kind, template, text, extra)
         SELECT id, ?2, ?3, sent_at_ms, sender, kind, template, text, extra FROM message WHERE id = ?1",
    )?
    .execute(params![stored.id, now, edited])?;
    let parts = Parts::of(message.raw.extra.as_deref(), false);
    let before = Parts::of(stored.message.raw.extra.as_deref(), stored.exported);
    if stored.message.text != message.text || parts != before {
        text_index::forget(db, stored.id)?;
        text_index::unindexed(db, stored.id)?;
    }
    let to = pointers(db, ids, place, message)?;
    move_participant(db, place.conversation, stored.id, to.sender)?;
    // A time and an id that were served once are kept when a later answer leaves them out.
    let (at_ms, derived) = if message.derived_time {
        (stored.message.at_ms, stored.message.derived_time)
    } else {
        (message.at_ms, false)
    };
    let (shape, probe, key) = urn_columns(db, ids, message.urn.as_deref().or(stored.message.urn.as_deref()))?;
    db.prepare_cached(
        "UPDATE message SET sent_at_ms = ?2, derived_time = ?3, sender = ?4, kind = ?5, template = ?6, text = ?7, extra = ?8,
           urn_shape = ?9, urn_probe = ?10, urn_key = ?11, versions = versions + ?12, gone_since_ms = NULL,
           source = NULL, changed_run = ?13, subject = ?14, attachments = ?15,
           attachment_names = ?16 WHERE id = ?1",
    )?
    .execute(params![
        stored.id, at_ms, derived.then_some(1), to.sender, to.kind, to.template, message.text, message.raw.extra, shape,
        probe, key, i64::from(edited), place.run, parts.subject, parts.attachments_json(),
        parts.attachment_names()
    ])?;
    Ok(())
}

/// Counts a message for its sender as now served, and no longer for the one it was of.
fn move_participant(db: &Connection, conversation: i64, id: i64, to: i64) -> Result<(), StoreError> {
    let from: i64 =
        db.prepare_cached("SELECT sender FROM message WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    if from == to {
        return Ok(());
    }
    db.prepare_cached(
        "UPDATE participant SET messages = messages - 1 WHERE conversation = ?1 AND person = ?2",
    )?
    .execute([conversation, from])?;
    db.prepare_cached("DELETE FROM participant WHERE conversation = ?1 AND person = ?2 AND messages = 0")?
        .execute([conversation, from])?;
    db.prepare_cached(
        "INSERT INTO participant (conversation, person, messages) VALUES (?1, ?2, 1)
         ON CONFLICT DO UPDATE SET messages = messages + 1",
    )?
    .execute([conversation, to])?;
    Ok(())
}

/// Marks a message as gone, and returns how many that are: none when it already was.
pub(crate) fn set_gone(db: &Connection, id: i64, since: Ms, run: i64) -> Result<u32, StoreError> {
    let marked = db
        .prepare_cached(
            "UPDATE message SET gone_since_ms = ?2, changed_run = ?3 WHERE id = ?1 AND gone_since_ms IS NULL",
        )?
        .execute(params![id, since, run])?;
    Ok(u32::try_from(marked).unwrap_or(u32::MAX))
}

/// Marks a message as back, and returns how many that are: none when it was not gone.
pub(crate) fn set_back(db: &Connection, id: i64, run: i64) -> Result<u32, StoreError> {
    let marked = db
        .prepare_cached(
            "UPDATE message SET gone_since_ms = NULL, changed_run = ?2 WHERE id = ?1 AND gone_since_ms IS NOT NULL",
        )?
        .execute([id, run])?;
    Ok(u32::try_from(marked).unwrap_or(u32::MAX))
}

/// Marks all of a conversation's messages as gone that are not yet, and returns how many that are.
pub(crate) fn set_all_gone(
    db: &Connection,
    conversation: i64,
    since: Ms,
    run: i64,
) -> Result<u32, StoreError> {
    let marked = db
        .prepare_cached(
            "UPDATE message SET gone_since_ms = ?2, changed_run = ?3 WHERE conversation = ?1 AND gone_since_ms IS NULL",
        )?
        .execute(params![conversation, since, run])?;
    Ok(u32::try_from(marked).unwrap_or(u32::MAX))
}

/// Marks those of a conversation's messages as back that were marked as gone last, and returns how many that are.
pub(crate) fn set_all_back(db: &Connection, conversation: i64, run: i64) -> Result<u32, StoreError> {
    let marked = db
        .prepare_cached(
            "UPDATE message SET gone_since_ms = NULL, changed_run = ?2 WHERE conversation = ?1
               AND gone_since_ms = (SELECT max(gone_since_ms) FROM message WHERE conversation = ?1)",
        )?
        .execute([conversation, run])?;
    Ok(u32::try_from(marked).unwrap_or(u32::MAX))
}

fn pointers(
    db: &Connection,
    ids: &mut Interned,
    place: RowContext,
    message: &Message,
) -> Result<Pointers, StoreError> {
    Ok(Pointers {
        sender: ids.person(db, place.account, &message.sender)?,
        kind: ids.kind(db, &message.kind)?,
        template: ids.template(db, &message.raw.template)?,
    })
}

type UrnColumns<'a> = (Option<i64>, Option<i64>, Option<&'a str>);

fn urn_columns<'a>(
    db: &Connection,
    ids: &mut Interned,
    urn: Option<&'a str>,
) -> Result<UrnColumns<'a>, StoreError> {
    let Some(urn) = urn else { return Ok((None, None, None)) };
    let parts = urn::split(urn);
    Ok((Some(ids.shape(db, parts.prefix, parts.suffix)?), Some(row_ids::probe(urn)), Some(parts.key)))
}
