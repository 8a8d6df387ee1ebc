//! Messages: the counters beside them, their versions, their identity and their JSON.

use crate::core::model::ids::{ConversationId, MessageId, PersonId};
use crate::core::model::message;
use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Statement};
use serde_json::value::RawValue;

use super::timelines::{ConversationNames, place};
use super::{Check, FROM_BACKUP};
use crate::core::Ms;
use crate::core::raw::{self, Served};
use crate::store::StoreError;
use crate::store::ids::probe;
use crate::store::read::timelines::OUTSIDE;

/// What the rows of a conversation add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    messages: i64,
    gone: i64,
    oldest: Option<Ms>,
    newest: Option<Ms>,
}

/// How many rows a table has, for progress.
fn rows(db: &Connection) -> Result<u64, StoreError> {
    let sum: i64 = db.query_row("SELECT ifnull(sum(messages), 0) FROM conversation", [], |row| row.get(0))?;
    Ok(u64::try_from(sum).unwrap_or_default())
}

/// What conversations and participants say of their messages is what there is.
pub(super) fn counters(
    db: &Connection,
    names: &ConversationNames,
    check: &mut Check<'_>,
) -> Result<u64, StoreError> {
    let of = rows(db)?;
    let (mut sums, mut wrote) =
        (BTreeMap::<ConversationId, Sum>::new(), BTreeMap::<(ConversationId, PersonId), i64>::new());
    let mut statement = db.prepare(&format!(
        "SELECT conversation, sender, sent_at_ms, gone_since_ms IS NOT NULL, {OUTSIDE} FROM message"
    ))?;
    let mut messages = statement.query([])?;
    let mut looked_at = 0;
    while let Some(row) = messages.next()? {
        let (conversation, sender, at): (ConversationId, PersonId, Ms) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let sum = sums.entry(conversation).or_default();
        sum.messages += 1;
        sum.gone += i64::from(row.get::<_, bool>(3)?);
        if !row.get::<_, bool>(4)? {
            sum.oldest = Some(sum.oldest.unwrap_or(at).min(at));
            sum.newest = Some(sum.newest.unwrap_or(at).max(at));
        }
        *wrote.entry((conversation, sender)).or_default() += 1;
        looked_at += 1;
        check.tick(looked_at, of);
    }
    let former = former_spans(db)?;
    let mut statement =
        db.prepare("SELECT id, messages, gone, oldest_ms, newest_ms FROM conversation ORDER BY id")?;
    let mut conversations = statement.query([])?;
    while let Some(row) = conversations.next()? {
        let id = row.get(0)?;
        let said = Sum { messages: row.get(1)?, gone: row.get(2)?, oldest: row.get(3)?, newest: row.get(4)? };
        compare(id, &said, &sums.get(&id).copied().unwrap_or_default(), former.get(&id), names, check);
    }
    participants(db, wrote, names, check)?;
    Ok(looked_at)
}

const COUNT_AGAIN: &str = "restore a backup, or, with no sync running, set the counter to what was counted";

fn compare(
    id: ConversationId,
    said: &Sum,
    there: &Sum,
    former: Option<&(Ms, Ms)>,
    names: &ConversationNames,
    check: &mut Check<'_>,
) {
    let mut wrong = |what: String| check.broken(place(names, id), what, COUNT_AGAIN);
    if said.messages != there.messages {
        wrong(format!("messages is {}, but {} are stored", said.messages, there.messages));
    }
    if said.gone != there.gone {
        wrong(format!("gone is {}, but {} are marked as gone", said.gone, there.gone));
    }
    // The edges never move inward: a message whose time was corrected had been there.
    let within = |said: Option<Ms>, there: Option<Ms>, former: Option<Ms>| match (said, there) {
        (Some(said), Some(there)) => {
            let former = former.unwrap_or(there);
            (there.min(former)..=there.max(former)).contains(&said)
        }
        (said, there) => said == there,
    };
    if !within(said.oldest, there.oldest, former.map(|f| f.0)) {
        wrong(format!(
            "oldest_ms is {}, but its oldest message is of {}",
            show(said.oldest),
            show(there.oldest)
        ));
    }
    if !within(said.newest, there.newest, former.map(|f| f.1)) {
        wrong(format!(
            "newest_ms is {}, but its newest message is of {}",
            show(said.newest),
            show(there.newest)
        ));
    }
}

fn show(ms: Option<Ms>) -> String {
    ms.map_or_else(|| "null".to_owned(), |ms| ms.to_string())
}

/// From when to when the earlier versions of a conversation's messages were dated, where that was another time.
fn former_spans(db: &Connection) -> Result<BTreeMap<ConversationId, (Ms, Ms)>, StoreError> {
    let mut statement = db.prepare(
        "SELECT m.conversation, min(v.sent_at_ms), max(v.sent_at_ms) FROM message_version v
         JOIN message m ON m.id = v.message WHERE v.sent_at_ms <> m.sent_at_ms GROUP BY m.conversation",
    )?;
    let spans = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(spans.collect::<Result<_, _>>()?)
}

fn participants(
    db: &Connection,
    mut wrote: BTreeMap<(ConversationId, PersonId), i64>,
    names: &ConversationNames,
    check: &mut Check<'_>,
) -> Result<(), StoreError> {
    let mut statement = db.prepare("SELECT conversation, person, messages FROM participant")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (conversation, person, said): (ConversationId, PersonId, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let there = wrote.remove(&(conversation, person)).unwrap_or_default();
        if said != there {
            let what =
                format!("person {person} is said to have written {said} messages, but {there} are stored");
            check.broken(place(names, conversation), what, COUNT_AGAIN);
        }
    }
    for ((conversation, person), there) in wrote {
        let what = format!("person {person} wrote {there} messages, but is no participant");
        check.broken(place(names, conversation), what, COUNT_AGAIN);
    }
    Ok(())
}

/// A message has one version more than it has edits.
pub(super) fn versions(db: &Connection, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let mut edited =
        db.prepare("SELECT message, sum(edited) FROM message_version GROUP BY message ORDER BY message")?;
    let mut messages = db.prepare("SELECT id, versions FROM message WHERE versions <> 1 ORDER BY id")?;
    let (mut edited, mut messages) = (edited.query([])?, messages.query([])?);
    let next = |rows: &mut rusqlite::Rows<'_>| -> Result<Option<(i64, i64)>, StoreError> {
        Ok(rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?))).transpose()?)
    };
    let (mut edit, mut message) = (next(&mut edited)?, next(&mut messages)?);
    let mut looked_at = 0;
    // Both ascend by the message's id; one that stands in one list only has 0 edits or 1 version.
    while let Some(id) = [edit, message].iter().flatten().map(|(id, _)| *id).min() {
        let here = |row: Option<(i64, i64)>| row.filter(|(at, _)| *at == id).map(|(_, n)| n);
        let (edits, versions) = (here(edit).unwrap_or(0), here(message).unwrap_or(1));
        if versions != edits + 1 {
            let what = format!("{versions} versions are counted, but {edits} edits are kept");
            check.broken(format!("message {id}"), what, FROM_BACKUP);
        }
        if here(edit).is_some() {
            edit = next(&mut edited)?;
        }
        if here(message).is_some() {
            message = next(&mut messages)?;
        }
        looked_at += 1;
    }
    Ok(looked_at)
}

/// No id stands in a conversation twice.
pub(super) fn duplicates(
    db: &Connection,
    names: &ConversationNames,
    check: &mut Check<'_>,
) -> Result<u64, StoreError> {
    // Ids that differ may share a probe, so equal probes are only where to look.
    let mut crowds = db.prepare(
        "SELECT conversation, urn_probe FROM message WHERE urn_probe IS NOT NULL
         GROUP BY conversation, urn_probe HAVING count(*) > 1",
    )?;
    let mut within = db.prepare(
        "SELECT min(id), max(id), count(*), urn_key FROM message WHERE conversation = ?1 AND urn_probe = ?2
         GROUP BY urn_shape, urn_key HAVING count(*) > 1",
    )?;
    let mut crowds = crowds.query([])?;
    while let Some(row) = crowds.next()? {
        let (conversation, probe): (ConversationId, i64) = (row.get(0)?, row.get(1)?);
        let mut twins = within.query((conversation, probe))?;
        while let Some(row) = twins.next()? {
            let (first, last, count): (MessageId, MessageId, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let what = format!("{count} messages have one id: {first} to {last}");
            check.broken(place(names, conversation), what, FROM_BACKUP);
        }
    }
    rows(db)
}

/// What the columns say of a message.
struct StoredColumns {
    id: MessageId,
    raw: String,
    served: Served,
    derived: bool,
    at_ms: Ms,
    of_export: bool,
    probe: Option<i64>,
}

fn columns(row: &Row<'_>) -> rusqlite::Result<StoredColumns> {
    let mut served = Served {
        urn: row.get(5)?,
        time_ms: None,
        sender: message::Sender {
            name: row.get(3)?,
            first_name: row.get(7)?,
            last_name: row.get(8)?,
            profile_url: row.get(9)?,
        },
        kind: row.get(4)?,
        text: row.get(2)?,
        raw: raw::Raw::default(),
    };
    let (at_ms, derived) = (row.get(6)?, row.get::<_, Option<i64>>(10)?.is_some());
    served.time_ms = (!derived).then_some(at_ms);
    Ok(StoredColumns {
        id: row.get(0)?,
        raw: row.get(1)?,
        served,
        derived,
        at_ms,
        of_export: row.get::<_, String>(11)? == "export",
        probe: row.get(12)?,
    })
}

fn all_raw(db: &Connection) -> Result<Statement<'_>, StoreError> {
    Ok(db.prepare(
        "SELECT l.message_id, l.raw, l.text, l.sender, l.message_type, l.entity_urn, l.sent_at_ms, p.first_name, p.last_name,
           p.profile_url, m.derived_time, l.source, m.urn_probe
         FROM message_log l JOIN message m ON m.id = l.message_id JOIN person p ON p.id = m.sender ORDER BY l.message_id",
    )?)
}

/// The JSON that the view puts together parses and says what the columns say.
pub(super) fn raw(db: &Connection, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let of = rows(db)?;
    let mut statement = all_raw(db)?;
    let mut rows = statement.query([])?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        let columns = columns(row)?;
        if let Some(wrong) = contradiction(&columns) {
            check.broken(format!("message {}", columns.id), wrong, FROM_BACKUP);
        }
        looked_at += 1;
        check.tick(looked_at, of);
    }
    Ok(looked_at)
}

fn contradiction(columns: &StoredColumns) -> Option<String> {
    if columns.served.urn.as_deref().map(probe) != columns.probe {
        return Some("it cannot be found by its id: urn_probe is another one's".to_owned());
    }
    let item: &RawValue = match serde_json::from_str(&columns.raw) {
        Ok(item) => item,
        Err(error) => return Some(format!("its raw JSON does not parse: {error}")),
    };
    let served = match raw::read(item) {
        Ok(served) => served,
        Err(error) => return Some(format!("its raw JSON is no message: {error}")),
    };
    // An export words its rows in its own way.
    if columns.of_export {
        return None;
    }
    let said = &columns.served;
    let differs = [
        ("text", served.text != said.text),
        ("message_type", served.kind != said.kind),
        ("sender", served.sender != said.sender),
        // An id or a time that was served once is kept when a later answer leaves it out.
        ("entity_urn", served.urn.is_some() && served.urn != said.urn),
        ("timestamp", served.time_ms.is_some_and(|at| columns.derived || at != columns.at_ms)),
    ];
    let names: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| format!("its raw JSON contradicts its columns: {}", names.join(", ")))
}
