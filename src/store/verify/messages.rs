//! Checks messages: counters, versions, identity and JSON.

use crate::core::model::ids::{ConversationId, MessageId, PersonId};
use crate::core::model::message;
use crate::core::model::urn;
use crate::store::Result;
use crate::store::query::{FromRow, Statements as _};
use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use serde_json::value::RawValue;

use super::timelines::{ConversationNames, place};
use super::{Check, FROM_BACKUP, messages_in};
use crate::core::Ms;
use crate::core::raw::{self, Served};
use crate::store::ids::probe;
use crate::store::read::timelines::OUTSIDE;

/// Totals of a conversation's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    messages: i64,
    gone: i64,
    oldest: Option<Ms>,
    newest: Option<Ms>,
}

/// Counters of conversations and participants equal what is stored.
pub(super) fn counters(db: &Connection, names: &ConversationNames, check: &mut Check<'_>) -> Result<u64> {
    let of = messages_in(db)?;
    let (mut sums, mut wrote) =
        (BTreeMap::<ConversationId, Sum>::new(), BTreeMap::<(ConversationId, PersonId), i64>::new());
    let sql =
        format!("SELECT conversation, sender, sent_at_ms, gone_since_ms IS NOT NULL, {OUTSIDE} FROM message");
    let mut looked_at = 0;
    db.each(&sql, [], |(conversation, sender, at, gone, outside): (_, _, Ms, bool, bool)| {
        let sum = sums.entry(conversation).or_default();
        sum.messages += 1;
        sum.gone += i64::from(gone);
        if !outside {
            sum.oldest = Some(sum.oldest.unwrap_or(at).min(at));
            sum.newest = Some(sum.newest.unwrap_or(at).max(at));
        }
        *wrote.entry((conversation, sender)).or_default() += 1;
        looked_at += 1;
        check.tick(looked_at, of);
        Ok(())
    })?;
    let former = former_spans(db)?;
    db.each(
        "SELECT id, messages, gone, oldest_ms, newest_ms FROM conversation ORDER BY id",
        [],
        |(id, messages, gone, oldest, newest)| {
            let said = Sum { messages, gone, oldest, newest };
            compare(id, &said, &sums.get(&id).copied().unwrap_or_default(), former.get(&id), names, check);
            Ok(())
        },
    )?;
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
    // The edges never move inward, even if the time of a message was corrected.
    let within = |said: Option<Ms>, there: Option<Ms>, former: Option<Ms>| match (said, there) {
        (Some(said), Some(there)) => {
            let former = former.unwrap_or(there);
            (there.min(former)..=there.max(former)).contains(&said)
        }
        (said, there) => said == there,
    };
    let former = (former.map(|f| f.0), former.map(|f| f.1));
    for (edge, end, said, there, former) in [
        ("oldest_ms", "oldest", said.oldest, there.oldest, former.0),
        ("newest_ms", "newest", said.newest, there.newest, former.1),
    ] {
        if !within(said, there, former) {
            wrong(format!("{edge} is {}, but its {end} message is of {}", show(said), show(there)));
        }
    }
}

fn show(ms: Option<Ms>) -> String {
    ms.map_or_else(|| "null".to_owned(), |ms| ms.to_string())
}

/// The range of former times of messages whose time was corrected, by conversation.
fn former_spans(db: &Connection) -> Result<BTreeMap<ConversationId, (Ms, Ms)>> {
    let spans: Vec<(ConversationId, Ms, Ms)> = db.all(
        "SELECT m.conversation, min(v.sent_at_ms), max(v.sent_at_ms) FROM message_version v
         JOIN message m ON m.id = v.message WHERE v.sent_at_ms <> m.sent_at_ms GROUP BY m.conversation",
        [],
    )?;
    Ok(spans.into_iter().map(|(conversation, from, to)| (conversation, (from, to))).collect())
}

fn participants(
    db: &Connection,
    mut wrote: BTreeMap<(ConversationId, PersonId), i64>,
    names: &ConversationNames,
    check: &mut Check<'_>,
) -> Result<()> {
    let sql = "SELECT conversation, person, messages FROM participant";
    db.each(sql, [], |(conversation, person, said): (_, _, i64)| {
        let there = wrote.remove(&(conversation, person)).unwrap_or_default();
        if said != there {
            let what =
                format!("person {person} is said to have written {said} messages, but {there} are stored");
            check.broken(place(names, conversation), what, COUNT_AGAIN);
        }
        Ok(())
    })?;
    for ((conversation, person), there) in wrote {
        let what = format!("person {person} wrote {there} messages, but is no participant");
        check.broken(place(names, conversation), what, COUNT_AGAIN);
    }
    Ok(())
}

/// A message's version count is its edits plus one.
pub(super) fn versions(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    let mut looked_at = 0;
    db.each(
        "SELECT i.id, ifnull(m.versions, 1), (SELECT ifnull(sum(edited), 0) FROM message_version WHERE message = i.id)
         FROM (SELECT id FROM message WHERE versions <> 1 UNION SELECT message FROM message_version) i
         LEFT JOIN message m ON m.id = i.id ORDER BY i.id",
        [],
        |(id, versions, edits): (MessageId, i64, i64)| {
            if versions != edits + 1 {
                let what = format!("{versions} versions are counted, but {edits} edits are kept");
                check.broken(format!("message {id}"), what, FROM_BACKUP);
            }
            looked_at += 1;
            Ok(())
        },
    )?;
    Ok(looked_at)
}

/// No conversation has two messages with the same id.
pub(super) fn duplicates(db: &Connection, names: &ConversationNames, check: &mut Check<'_>) -> Result<u64> {
    // Different ids may share a probe, so equal probes only narrow the search.
    db.each(
        "WITH crowd AS MATERIALIZED (SELECT conversation, urn_probe FROM message WHERE urn_probe IS NOT NULL
           GROUP BY conversation, urn_probe HAVING count(*) > 1)
         SELECT m.conversation, min(m.id), max(m.id), count(*) FROM crowd c CROSS JOIN message m
           ON m.conversation = c.conversation AND m.urn_probe = c.urn_probe
         GROUP BY m.conversation, m.urn_probe, m.urn_shape, m.urn_key HAVING count(*) > 1",
        [],
        |(conversation, first, last, count): (ConversationId, MessageId, MessageId, i64)| {
            let what = format!("{count} messages have one id: {first} to {last}");
            check.broken(place(names, conversation), what, FROM_BACKUP);
            Ok(())
        },
    )?;
    messages_in(db)
}

/// A message's columns, and the JSON that the view rebuilds.
struct StoredColumns {
    id: MessageId,
    raw: String,
    served: Served,
    of_export: bool,
    probe: Option<i64>,
}

impl FromRow for StoredColumns {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let derived = row.get::<_, Option<i64>>(4)?.is_some();
        Ok(Self {
            id: row.get(0)?,
            raw: row.get(1)?,
            probe: row.get(2)?,
            of_export: row.get::<_, String>(5)? == "export",
            served: Served {
                urn: row.get(6)?,
                time_ms: if derived { None } else { row.get(3)? },
                kind: row.get(7)?,
                text: row.get(8)?,
                sender: message::Sender {
                    name: row.get(9)?,
                    first_name: row.get(10)?,
                    last_name: row.get(11)?,
                    profile_url: row.get(12)?,
                },
                raw: raw::Raw::default(),
            },
        })
    }
}

/// The JSON that the view rebuilds parses and agrees with the columns.
pub(super) fn raw(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    let of = messages_in(db)?;
    let mut looked_at = 0;
    db.each(
        "SELECT l.message_id, l.raw, m.urn_probe, l.sent_at_ms, m.derived_time, l.source, l.entity_urn, l.message_type,
           l.text, l.sender, p.first_name, p.last_name, p.profile_url
         FROM message_log l JOIN message m ON m.id = l.message_id JOIN person p ON p.id = m.sender ORDER BY l.message_id",
        [],
        |columns: StoredColumns| {
            if let Some(wrong) = contradiction(&columns) {
                check.broken(format!("message {}", columns.id), wrong, FROM_BACKUP);
            }
            looked_at += 1;
            check.tick(looked_at, of);
            Ok(())
        },
    )?;
    Ok(looked_at)
}

/// Whether the time of the JSON contradicts the column. It does not where the id says when the message was made, and the
/// column is nearer to that: while the API's clock is wrong, an edited message keeps the time that it had.
fn contradicts((in_json, in_column): (Ms, Ms), said: &Served) -> bool {
    let made = said.urn.as_deref().and_then(urn::created_ms);
    let explained = made.is_some_and(|made| in_column.abs_diff(made) < in_json.abs_diff(made));
    in_json != in_column && !explained
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
    // Rows of an export are worded differently.
    if columns.of_export {
        return None;
    }
    let said = &columns.served;
    let differs = [
        ("text", served.text != said.text),
        ("message_type", served.kind != said.kind),
        ("sender", served.sender != said.sender),
        // An id or a time that was served once is kept when a later answer leaves it out. A derived time is one that
        // was not served, or that cannot be meant.
        ("entity_urn", served.urn.is_some() && served.urn != said.urn),
        ("timestamp", served.time_ms.zip(said.time_ms).is_some_and(|times| contradicts(times, said))),
    ];
    let names: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| format!("its raw JSON contradicts its columns: {}", names.join(", ")))
}
