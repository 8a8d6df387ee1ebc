//! What is spent in each window, remembered between requests so that no request has to add up the ledger again.

use std::cell::Cell;

use rusqlite::Connection;

use super::StoreError;
use super::ledger::{spent, windows};
use crate::core::Ms;
use crate::core::budget::Spent;

/// Sums of the ledger for one run, day and month. There is one writer, so they stay true until it forgets them.
#[derive(Debug, Default)]
pub(super) struct Tally(Cell<Option<Sums>>);

#[derive(Debug, Clone, Copy)]
struct Sums {
    run: i64,
    day: Ms,
    month: Ms,
    spent: Spent,
}

/// A request that was settled: when it was made, and what it was thought to cost and did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub(super) run: i64,
    pub(super) at_ms: Ms,
    pub(super) counted: u32,
    pub(super) credits: u32,
}

impl Tally {
    /// What counts as spent in the windows of this run and moment: added up where they have changed.
    pub(super) fn spent(&self, db: &Connection, run: i64, now: Ms) -> Result<Spent, StoreError> {
        let (day, month) = windows(now);
        if let Some(sums) = self.0.get().filter(|s| (s.run, s.day, s.month) == (run, day, month)) {
            return Ok(sums.spent);
        }
        let spent = spent(db, run, now)?;
        self.0.set(Some(Sums { run, day, month, spent }));
        Ok(spent)
    }

    /// Counts a reservation that was made now, in the windows that were asked for last.
    pub(super) fn reserved(&self, credits: u32) {
        self.0.set(self.0.get().map(|sums| {
            let more = |n: u32| n.saturating_add(credits);
            let Spent { run, day, month } = sums.spent;
            Sums { spent: Spent { run: more(run), day: more(day), month: more(month) }, ..sums }
        }));
    }

    /// Counts what a request cost instead of what was reserved for it, in the windows that it falls into.
    pub(super) fn settled(&self, settled: Settled) {
        self.0.set(self.0.get().map(|sums| {
            let change = |n: u32, within: bool| match within {
                true => n.saturating_sub(settled.counted).saturating_add(settled.credits),
                false => n,
            };
            let spent = Spent {
                run: change(sums.spent.run, settled.run == sums.run),
                day: change(sums.spent.day, settled.at_ms >= sums.day),
                month: change(sums.spent.month, settled.at_ms >= sums.month),
            };
            Sums { spent, ..sums }
        }));
    }
}
