//! What the member's own export tells: its rows as messages, and the stretch of a conversation that it covers.
//!
//! An export holds every message of a conversation that was there when it was made, from the beginning on. Its times
//! are whole seconds that may be off by [`NEAR_MS`], so what it covers ends that much below its newest message:
//! nothing that was sent after the export can lie deeper. What lies higher stays unknown, and is asked for as a gap
//! whose messages are then recognised.

use crate::core::raw;
use std::collections::BTreeMap;

use crate::core::Ms;
use crate::core::linkedin_export::matching::{DRAFT, NEAR_MS, Pairing, SPONSORED, is_outside};
use crate::core::model::message::{Message, Sender};
use crate::core::raw::{Raw, mark};
use crate::core::timeline::apply::{Gap, Timeline};
use crate::core::timeline::identity::Stored;

/// From when to when an export holds messages of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its oldest message there.
    pub oldest_ms: Ms,
    /// Its newest.
    pub newest_ms: Ms,
}

impl Span {
    /// Down from where nothing is missing any more, if there is such a place: an export whose messages all lie within
    /// a few seconds covers nothing for sure.
    #[must_use]
    pub fn covered_ms(&self) -> Option<Ms> {
        let covered = self.newest_ms.saturating_sub(NEAR_MS);
        (self.oldest_ms.saturating_add(NEAR_MS) < covered).then_some(covered)
    }
}

/// A conversation's gaps, newest first, and whether its beginning has been seen, once an export of it is stored: what
/// lies in the covered stretch is closed, and what reaches out of it above keeps that part. What earlier exports
/// covered, up to `already_ms`, was opened again for a reason, and stays.
#[must_use]
pub fn cover(timeline: &Timeline, span: Span, already_ms: Option<Ms>) -> (Vec<Gap>, bool) {
    let unchanged = || (timeline.gaps.clone(), timeline.beginning_seen);
    let Some(covered) = span.covered_ms().filter(|covered| Some(*covered) > already_ms) else {
        return unchanged();
    };
    let reopened =
        |gap: &Gap| already_ms.is_some_and(|already| gap.older_ms.is_none_or(|older| older < already));
    let rest = timeline.gaps.iter().filter(|g| reopened(g) || g.newer_ms.is_none_or(|newer| newer > covered));
    let cut = |gap: &Gap| match gap.older_ms {
        Some(older) if older >= covered => gap.clone(),
        _ if reopened(gap) => gap.clone(),
        // Another floor makes it another gap: what came to nothing before may not any more.
        _ => Gap { older_ms: Some(covered), stalled: None, stalls: 0, ask_at_least: 0, ..gap.clone() },
    };
    let gaps: Vec<Gap> = rest.map(cut).collect();
    let beginning_seen = gaps.iter().all(|g| g.older_ms.is_some());
    (gaps, beginning_seen)
}

/// The gap up to now that has to be there before an export's message is stored above all that is known: how far it is
/// from there to the next message, nobody knows.
#[must_use]
pub fn gap_above(timeline: &Timeline, newest_stored_ms: Ms, now: Ms) -> Option<Gap> {
    let above = timeline.newest_ms.is_none_or(|newest| newest_stored_ms > newest);
    (above && timeline.top_gap().is_none()).then(|| Gap::head(timeline.newest_ms, now))
}

/// What a row of an export is to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not stored yet.
    New,
    /// It is this stored message.
    Stored(usize),
    /// It is what this message said before it was edited, or says since.
    OtherText(usize),
}

/// Which rows of an export are stored already, in whichever way they came; none is paired twice. `rows` and `stored` are
/// of one conversation and one stretch of time. A longer one comes in parts from its newest on, and `stored` then lacks
/// what was paired in an earlier part; where this is the `last`, no row below waits for its own.
#[must_use]
pub fn fates(rows: &[Message], stored: &[Stored], last: bool) -> Vec<Fate> {
    let mut found = Found { fates: vec![Fate::New; rows.len()], taken: vec![false; stored.len()] };
    // The very row, from an earlier import: it must not take another's place.
    let identity = |m: &Message| (m.at_ms, m.text.clone(), m.sender.clone(), m.raw.clone());
    let mut exact: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, s) in stored.iter().enumerate().filter(|(_, s)| s.exported) {
        exact.entry(identity(&s.message)).or_default().push(index);
    }
    let again = if exact.is_empty() { &[] } else { rows };
    for (index, row) in again.iter().enumerate() {
        if let Some(same) = exact.get_mut(&identity(row)).and_then(Vec::pop) {
            found.pair(index, same, Fate::Stored(same));
        }
    }
    let mut pairing = Pairing::new(found.open_rows(rows, |_| true), found.open_stored(stored, |_| true));
    for (row, same) in pairing.by_text() {
        found.pair(row, same, Fate::Stored(same));
    }
    let mut pairing = Pairing::new(
        found.open_rows(rows, |row| !is_outside(&row.kind)),
        found.open_stored(stored, |s| !s.exported && !s.message.derived_time),
    );
    for (row, other) in pairing.by_place() {
        found.pair(row, other, Fate::OtherText(other));
    }
    // Two exports with an edit between them: the same sender at the very same time.
    let lowest = rows.iter().map(|row| row.at_ms).min().filter(|_| !last);
    let floor = lowest.map_or(Ms::MIN, |lowest| lowest.saturating_add(NEAR_MS));
    let mut pairing = Pairing::new(
        found.open_rows(rows, |row| !is_outside(&row.kind)),
        found.open_stored(stored, |s| s.exported && !s.outside() && s.message.at_ms > floor),
    );
    for (row, other) in pairing.by_place() {
        let times = (rows.get(row).map(|r| r.at_ms), stored.get(other).map(|s| s.message.at_ms));
        if times.0 == times.1 {
            found.pair(row, other, Fate::OtherText(other));
        }
    }
    found.fates
}

struct Found {
    fates: Vec<Fate>,
    taken: Vec<bool>,
}

impl Found {
    fn pair(&mut self, row: usize, stored: usize, fate: Fate) {
        if let (Some(place), Some(taken)) = (self.fates.get_mut(row), self.taken.get_mut(stored)) {
            (*place, *taken) = (fate, true);
        }
    }

    fn open_rows<'a>(
        &self,
        rows: &'a [Message],
        which: impl Fn(&Message) -> bool,
    ) -> impl Iterator<Item = (usize, &'a Message)> {
        let rows = rows.iter().enumerate().zip(&self.fates);
        rows.filter(move |((_, row), fate)| **fate == Fate::New && which(row)).map(|(row, _)| row)
    }

    fn open_stored<'a>(
        &self,
        stored: &'a [Stored],
        which: impl Fn(&Stored) -> bool,
    ) -> impl Iterator<Item = (usize, &'a Message)> {
        let stored = stored.iter().enumerate().zip(&self.taken);
        stored.filter(move |((_, s), taken)| !**taken && which(s)).map(|((index, s), _)| (index, &s.message))
    }
}

/// How many messages of an export one credit looks at again.
pub const CHECKED_AT_ONCE: usize = 8;

/// Which blocks of [`CHECKED_AT_ONCE`] to look at again, so that `wanted` of them lie evenly over all: of conversations
/// with so many messages, each as conversation and block, in order.
#[must_use]
pub fn spots(messages: &[usize], wanted: usize) -> Vec<(usize, usize)> {
    let blocks = |n: &usize| n / (CHECKED_AT_ONCE + 2);
    let total: usize = messages.iter().map(blocks).sum();
    let wanted = wanted.min(total);
    let mut spots = Vec::with_capacity(wanted);
    let (mut conversation, mut before) = (0, 0);
    for number in 0..wanted {
        let place = (number * 2 + 1) * total / (wanted * 2);
        while let Some(here) = messages.get(conversation).map(blocks) {
            if place < before + here {
                spots.push((conversation, place - before));
                break;
            }
            before += here;
            conversation += 1;
        }
    }
    spots
}

/// The gap of one such block of places, newest first: its uppermost message is asked for as well, and the ten that come
/// reach below its lowest. `None` where the block is not [`CHECKED_AT_ONCE`] messages long or all of one moment.
#[must_use]
pub fn check_gap(newest_first: &[Ms], now: Ms) -> Option<Gap> {
    let newer = newest_first.first()?.saturating_add(NEAR_MS);
    let older = *newest_first.get(CHECKED_AT_ONCE.saturating_sub(1))?;
    (newer > older.saturating_add(NEAR_MS)).then(|| Gap {
        newer_ms: Some(newer),
        older_ms: Some(older),
        opened_ms: now,
        ..Gap::default()
    })
}

/// The columns of an export that the archive models; `None` where the file has no such column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns {
    /// `CONVERSATION ID`.
    pub conversation: Option<usize>,
    /// `CONVERSATION TITLE`.
    pub title: Option<usize>,
    /// `FROM`.
    pub from: Option<usize>,
    /// `SENDER PROFILE URL`.
    pub profile: Option<usize>,
    /// `TO`.
    pub to: Option<usize>,
    /// `RECIPIENT PROFILE URLS`.
    pub recipients: Option<usize>,
    /// `DATE`.
    pub date: Option<usize>,
    /// `CONTENT`.
    pub content: Option<usize>,
    /// `FOLDER`.
    pub folder: Option<usize>,
    /// `IS MESSAGE DRAFT`.
    pub message_draft: Option<usize>,
    /// `IS CONVERSATION DRAFT`.
    pub conversation_draft: Option<usize>,
}

impl Columns {
    /// The columns of this header, whatever their order and case.
    #[must_use]
    pub fn of(header: &[String]) -> Self {
        let plain = |name: &str| {
            let words = name.trim().trim_start_matches('\u{feff}').to_uppercase().replace(['_', '-'], " ");
            words.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let at = |wanted: &str| header.iter().position(|name| plain(name) == wanted);
        Self {
            conversation: at("CONVERSATION ID"),
            title: at("CONVERSATION TITLE"),
            from: at("FROM"),
            profile: at("SENDER PROFILE URL"),
            to: at("TO"),
            recipients: at("RECIPIENT PROFILE URLS"),
            date: at("DATE"),
            content: at("CONTENT"),
            folder: at("FOLDER"),
            message_draft: at("IS MESSAGE DRAFT"),
            conversation_draft: at("IS CONVERSATION DRAFT"),
        }
    }

    /// The same of most messages of a thread that one person sent, and therefore kept once for all of them.
    fn shared(&self, column: usize) -> bool {
        [self.conversation, self.title, self.to, self.recipients, self.folder].contains(&Some(column))
    }
}

/// One row of an export, with a field for every column of its header.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which column is which.
    pub columns: &'a Columns,
    /// Their names, as the file has them.
    pub header: &'a [String],
    /// What the row says in each.
    pub fields: &'a [&'a str],
}

impl<'a> Row<'a> {
    /// A field, empty where there is none.
    #[must_use]
    pub fn field(&self, column: Option<usize>) -> &'a str {
        column.and_then(|c| self.fields.get(c)).copied().unwrap_or_default()
    }

    /// The message's type, as far as the columns tell.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let c = self.columns;
        let folder = self.field(c.folder).trim().to_uppercase();
        let said = |column| matches!(self.field(column).trim().to_lowercase().as_str(), "yes" | "true" | "1");
        if said(c.message_draft) || said(c.conversation_draft) || folder.starts_with("DRAFT") {
            return DRAFT;
        }
        let title = self.field(c.title).trim().to_lowercase();
        if folder.contains("SPONSORED") || title == "sponsored conversation" {
            return SPONSORED;
        }
        "TEXT"
    }

    /// The row as a message of this moment. Every column is in its `raw`, word for word.
    #[must_use]
    pub fn message(&self, at_ms: Ms) -> Message {
        let c = self.columns;
        let content = self.field(c.content);
        let url = self.field(c.profile).trim();
        Message {
            urn: None,
            at_ms,
            derived_time: false,
            sender: Sender {
                name: self.field(c.from).trim().replace('\0', "\u{fffd}"),
                profile_url: (!url.is_empty()).then(|| url.replace('\0', "\u{fffd}")),
                ..Sender::default()
            },
            kind: self.kind().to_owned(),
            text: content.replace('\0', "\u{fffd}"),
            raw: self.raw(content),
        }
    }

    /// The row as a JSON object of its columns, told as a template and what is the row's own.
    fn raw(&self, content: &str) -> Raw {
        let c = self.columns;
        let (mut shared, mut own) = (String::new(), String::new());
        for (index, (name, field)) in self.header.iter().zip(self.fields).enumerate() {
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            // A value that the column holds in another form, such as without the blanks around it, is kept as it is.
            let exact = !field.contains('\0') && (field.trim() == *field || c.content == Some(index));
            let marked = match index {
                _ if !exact => None,
                i if c.content == Some(i) => Some(mark::TEXT),
                i if c.from == Some(i) => Some(mark::NAME),
                i if c.profile == Some(i) && !field.is_empty() => Some(mark::PROFILE),
                _ => None,
            };
            let common = field.is_empty() || c.shared(index);
            let (into, value) = match marked {
                Some(mark) => (&mut shared, mark.to_string()),
                None if common => (&mut shared, quoted(field)),
                None => (&mut own, quoted(field)),
            };
            if !into.is_empty() {
                into.push(',');
            }
            into.push_str(&format!("{}:{value}", quoted(name)));
        }
        debug_assert_eq!(content, self.field(c.content));
        if own.is_empty() {
            return Raw { template: format!("{{{shared}}}"), extra: None };
        }
        let comma = if shared.is_empty() { "" } else { "," };
        Raw { template: format!("{{{shared}{}}}", mark::EXTRA), extra: Some(format!("{comma}{own}")) }
    }
}

/// The moment that an export's date names (ms): `2026-02-15 00:04:28 UTC` and the forms of ISO 8601. A date without a
/// zone is UTC.
#[must_use]
pub fn moment(date: &str) -> Option<Ms> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    let date = date.trim();
    let utc = date
        .strip_suffix("UTC")
        .or_else(|| date.strip_suffix("GMT"))
        .or_else(|| date.strip_suffix('Z'))
        .map_or(date, str::trim_end);
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(utc, form).ok())
        .or_else(|| NaiveDate::parse_from_str(utc, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .map(|time| time.and_utc().timestamp_millis());
    let zoned = || {
        ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"]
            .iter()
            .find_map(|form| DateTime::parse_from_str(date, form).ok())
            .map(|time| time.timestamp_millis())
    };
    naive.or_else(zoned).filter(|ms| raw::plausible(*ms))
}

#[cfg(test)]
mod tests;
