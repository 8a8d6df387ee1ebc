//! The messages of an erasure: each becomes what it is known again by, and its row goes from every table.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use crate::core::model::change_kind::ChangeKind;
use crate::core::model::ids::{ConversationId, PersonId};
use crate::core::timeline::timestamps::ahead;
use crate::store::Result;
use crate::store::erase::{Eraser, undated};
use crate::store::query::Statements as _;
use crate::store::read::message::{ExportRow, NAMELESS};
use crate::store::text_index;
use crate::store::write::changes::Changes;
use crate::store::written;

/// What an erasure has touched.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Conversations that messages were erased of, and whether any of them was another's than the owner's.
    pub(super) conversations: BTreeMap<ConversationId, bool>,
    /// Who wrote them.
    pub(super) people: BTreeSet<PersonId>,
    /// The rows of `template`, `urn_shape` and `kind` that they pointed to.
    pub(super) templates: BTreeSet<i64>,
    pub(super) shapes: BTreeSet<i64>,
    pub(super) kinds: BTreeSet<i64>,
    /// The messages' own parts of their ids, where there are odd items that may name them.
    pub(super) urn_keys: BTreeSet<String>,
}

/// Erases the messages in `temp.erasing`.
pub(super) fn erase(work: &mut Eraser<'_>) -> Result<Affected> {
    let mut affected = Affected::default();
    let conversations: Vec<ConversationId> =
        work.db.all("SELECT DISTINCT conversation FROM temp.erasing ORDER BY 1", [])?;
    former_versions(work, &mut affected)?;
    let odd_items = "SELECT EXISTS (SELECT 1 FROM quarantine) OR EXISTS (SELECT 1 FROM import_oddity)";
    let odd_items: bool = work.db.one(odd_items, [])?;
    for conversation in conversations {
        of_conversation(work, conversation, odd_items, &mut affected)?;
    }
    for sql in [
        "DELETE FROM change_before WHERE message IN (SELECT id FROM temp.erasing)",
        "DELETE FROM message_version WHERE message IN (SELECT id FROM temp.erasing)",
        "DELETE FROM messages_unindexed WHERE id IN (SELECT id FROM temp.erasing)",
        "DELETE FROM message WHERE id IN (SELECT id FROM temp.erasing)",
    ] {
        work.db.run(sql, [])?;
    }
    Ok(affected)
}

fn former_versions(work: &mut Eraser<'_>, affected: &mut Affected) -> Result<()> {
    let Eraser { db, traces, .. } = work;
    db.each(
        "SELECT v.text, v.extra, v.sender, v.template, v.kind FROM temp.erasing e
         CROSS JOIN message_version v ON v.message = e.id",
        [],
        |(text, extra, sender, template, kind): (String, Option<String>, PersonId, i64, i64)| {
            traces.add(&text);
            traces.add(extra.as_deref().unwrap_or_default());
            affected.people.insert(sender);
            affected.templates.insert(template);
            affected.kinds.insert(kind);
            Ok(())
        },
    )
}

fn of_conversation(
    work: &mut Eraser<'_>,
    conversation: ConversationId,
    odd_items: bool,
    affected: &mut Affected,
) -> Result<()> {
    let db = work.db;
    let mut changes = Changes::default();
    let mut wrote: BTreeMap<PersonId, i64> = BTreeMap::new();
    let (mut count, mut gone, mut of_others) = (0_i64, 0_i64, false);
    let mut rows = db.prepare_cached(&format!(
        "{NAMELESS} WHERE m.id IN (SELECT id FROM temp.erasing WHERE conversation = ?1) ORDER BY m.sent_at_ms, m.id"
    ))?;
    let mut insert = db.prepare_cached(
        "INSERT INTO erased (id, erasure, key, conversation, sent_at_ms, source, gone_since_ms, urn_mark, text_mark, place_mark, change)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let mut rows = rows.query([conversation])?;
    while let Some(row) = rows.next()? {
        let row = ExportRow::read(row)?;
        let (id, at, fields) = (row.id, row.sent_at_ms, &row.fields);
        text_index::forget(db, id)?;
        let change = changes.next(db, ChangeKind::Erased, false, at)?;
        let (key_id, key) = &work.key;
        let urn = fields.urn.map(|parts| parts.concat());
        let draft = row.source.is_some() && crate::core::model::message::is_outside(fields.kind);
        // What a page covers, neither a draft tells nor what was dated ahead of when it came.
        let outside = draft
            || row.derived_time.is_some() && undated::first_stored(db, id)?.is_some_and(|by| ahead(at, by));
        insert.execute(params![
            id,
            work.erasure,
            key_id,
            conversation,
            at,
            if outside { Some("outside") } else { row.source },
            row.gone_since_ms,
            urn.as_deref().map(|urn| key.of_urn(urn)),
            key.of_text(at, fields.name, fields.text),
            key.of_place(at, fields.name),
            change
        ])?;
        let parts =
            [Some(fields.text), fields.extra, row.subject, row.attachments, fields.urn.map(|urn| urn[1])];
        parts.into_iter().flatten().for_each(|part| work.traces.add(part));
        affected.urn_keys.extend(fields.urn.filter(|_| odd_items).map(|[_, key, _]| key.to_owned()));
        affected.people.insert(row.sender_row);
        affected.templates.insert(row.template_row);
        affected.shapes.extend(row.shape_row);
        affected.kinds.insert(row.kind_row);
        *wrote.entry(row.sender_row).or_default() += 1;
        if written::counts(fields.kind, row.source.is_some()) {
            written::remove(db, conversation, (at, row.sender_row))?;
        }
        (count, gone) = (count + 1, gone + i64::from(row.gone_since_ms.is_some()));
        of_others |= row.from_me != Some(1);
    }
    changes.write(db, conversation, work.run, work.now)?;
    affected.conversations.insert(conversation, of_others);
    for (person, messages) in wrote {
        let fewer = "UPDATE participant SET messages = messages - ?3 WHERE conversation = ?1 AND person = ?2";
        db.run(fewer, params![conversation, person, messages])?;
    }
    db.run("DELETE FROM participant WHERE conversation = ?1 AND messages <= 0", [conversation])?;
    let fewer = "UPDATE conversation SET messages = messages - ?2, gone = gone - ?3 WHERE id = ?1";
    db.run(fewer, params![conversation, count, gone])
}
