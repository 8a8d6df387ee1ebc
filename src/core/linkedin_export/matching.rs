//! Which rows of the member's own export are stored already, whichever way they came.

use std::collections::BTreeMap;

use crate::core::Ms;
use crate::core::model::message::{Message, is_outside};
use crate::core::timeline::identity::Stored;
use crate::core::timeline::pairing::{NEAR_MS, Pairing};

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
    let mut found = Pairs { fates: vec![Fate::New; rows.len()], taken: vec![false; stored.len()] };
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

struct Pairs {
    fates: Vec<Fate>,
    taken: Vec<bool>,
}

impl Pairs {
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
