//! Checks what figures count against the messages.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::timelines::{ConversationNames, place};
use super::{Check, messages_in};
use crate::core::Ms;
use crate::core::model::ids::{ConversationId, PersonId};
use crate::core::written::Line;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::written::{self, COUNTED};

const MAKE_ANEW: &str = "restore a backup, or make the archive anew: `archiver export --format jsonl`, then `archiver import jsonl`";

/// Messages of a conversation, in whichever order: how many, and a sum that differs when any of them does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fingerprint {
    messages: u64,
    mark: u64,
}

impl Fingerprint {
    fn add(&mut self, (at_ms, sender): Line) {
        self.messages += 1;
        let mixed = at_ms.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ sender.0.cast_unsigned().wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        self.mark = self.mark.wrapping_add((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    }
}

/// What `people` and `stats` read is what the messages say.
pub(super) fn all(db: &Connection, names: &ConversationNames, check: &mut Check<'_>) -> Result<u64> {
    let of = messages_in(db)?;
    let mut there: BTreeMap<ConversationId, Fingerprint> = BTreeMap::new();
    let mut looked_at = 0;
    let sql = format!("SELECT conversation, sent_at_ms, sender FROM message WHERE {COUNTED}");
    db.each(&sql, [], |(conversation, at_ms, sender): (_, Ms, PersonId)| {
        there.entry(conversation).or_default().add((at_ms, sender));
        looked_at += 1;
        check.tick(looked_at, of);
        Ok(())
    })?;
    let mut said: BTreeMap<ConversationId, Fingerprint> = BTreeMap::new();
    let mut before: Option<(ConversationId, Ms)> = None;
    let rows =
        "SELECT conversation, oldest_ms, newest_ms, lines FROM written ORDER BY conversation, oldest_ms";
    let mut statement = db.prepare(rows)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (conversation, oldest_ms, newest_ms): (ConversationId, Ms, Ms) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let lines = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let sum = said.entry(conversation).or_default();
        let (mut first, mut last) = (None, None);
        let read = written::read(conversation, oldest_ms, lines, |line| {
            sum.add(line);
            first = first.or(Some(line.0));
            last = Some(line.0);
        });
        let overlaps = before.is_some_and(|(id, newest)| id == conversation && newest >= oldest_ms);
        if read.is_err() || overlaps || (first, last) != (Some(oldest_ms), Some(newest_ms)) {
            check.broken(place(names, conversation), "the figures of its messages cannot be read", MAKE_ANEW);
        }
        before = Some((conversation, newest_ms));
    }
    for (conversation, sum) in &there {
        let said = said.remove(conversation).unwrap_or_default();
        if said != *sum {
            let what = format!(
                "figures count {} messages that differ from the {} that are stored",
                said.messages, sum.messages
            );
            check.broken(place(names, *conversation), what, MAKE_ANEW);
        }
    }
    for (conversation, sum) in said {
        let what = format!("figures count {} messages that are not stored", sum.messages);
        check.broken(place(names, conversation), what, MAKE_ANEW);
    }
    Ok(looked_at)
}
