//! Which files of a lake are written anew when rows have changed: as few rows as can be, in as few files as can be.
//!
//! The rows of a partition are in files, each with the rows whose ids lie in a range of its own. A changed row makes its
//! file due. New rows become a file of their own and take small neighbours along, so that a file is taken along only while
//! it has fewer rows than what is written anyway: each row is so written again only about as often as its number of
//! rows doubles, and a partition never has more than a few files.

/// How many rows lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSizes {
    /// Rows of a file at the most.
    pub file: u64,
    /// Rows of a row group at the most. A changed row has those of its group written again; with fewer in each, that is
    /// quicker, files grow, and scans slow down.
    pub group: u64,
}

impl RowSizes {
    /// What serves both those who read everything and those who change a little.
    pub const USUAL: Self = Self { file: 50_000, group: 500 };

    /// A file with fewer rows is taken along whenever its neighbour is written.
    const fn small_file(self) -> u64 {
        self.file / 25
    }
}

/// Files of a partition that hold less than they could.
const MOST_PARTLY_FILLED: u64 = 6;

/// Rows that lie together, in a file of a partition or in a row group of a file: what has an id in the range is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRows {
    /// The least id.
    pub first: i64,
    /// The greatest.
    pub last: i64,
    /// How many rows.
    pub rows: u64,
}

/// Rows that were added, changed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedRows {
    /// The least id among them.
    pub first: i64,
    /// The greatest.
    pub last: i64,
    /// How many there are now; 0: all are gone.
    pub rows: u64,
}

/// What is to be written: all rows in a range of ids, in place of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// The least id of the range.
    pub first: i64,
    /// The greatest.
    pub last: i64,
    /// The files, by their places in the list, whose rows are all in the range.
    pub replaces: Vec<usize>,
}

/// Neighbouring ids that stay together.
#[derive(Debug, Clone)]
struct IdStretch {
    first: i64,
    last: i64,
    rows: u64,
    files: Vec<usize>,
    due: bool,
}

impl IdStretch {
    fn take(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.rows = self.rows.saturating_add(other.rows);
        self.files.extend(other.files);
        self.due |= other.due;
    }

    /// How many files it will have.
    fn files_after(&self, sizes: RowSizes) -> u64 {
        if self.due { self.rows.div_ceil(sizes.file) } else { 1 }
    }
}

/// Which files of a partition are replaced, and by which ranges of rows. Both lists may be in any order, and files of
/// other writers may overlap. Each changed id is in exactly one range, no range touches a file that stays, and ranges are
/// in the order of the ids.
#[must_use]
pub fn plan(files: &[StoredRows], changed: &[ChangedRows], sizes: RowSizes) -> Vec<Rewrite> {
    let stretches = enlarged(stretches(files, changed), sizes);
    let due = bounded(stretches, sizes).into_iter().filter(|stretch| stretch.due);
    due.map(|IdStretch { first, last, files, .. }| Rewrite { first, last, replaces: files }).collect()
}

/// What overlaps belongs together.
fn stretches(files: &[StoredRows], changed: &[ChangedRows]) -> Vec<IdStretch> {
    let of_files = files.iter().enumerate().map(|(at, file)| IdStretch {
        first: file.first,
        last: file.last,
        rows: file.rows,
        files: vec![at],
        due: false,
    });
    let of_changes = changed.iter().map(|change| IdStretch {
        first: change.first,
        last: change.last,
        rows: change.rows,
        files: Vec::new(),
        due: true,
    });
    let mut all: Vec<IdStretch> = of_files.chain(of_changes).collect();
    all.sort_by_key(|stretch| (stretch.first, stretch.last));
    let mut apart: Vec<IdStretch> = Vec::new();
    for mut next in all {
        match apart.last_mut() {
            Some(last) if next.first <= last.last => {
                // Rows that a file has are counted with it.
                if next.files.is_empty() && !last.files.is_empty() {
                    next.rows = 0;
                } else if last.files.is_empty() {
                    last.rows = 0;
                }
                last.take(next);
            }
            // New rows that nothing stands between are one file.
            Some(last) if last.due && next.due => last.take(next),
            _ => apart.push(next),
        }
    }
    apart
}

/// What is written takes along its neighbours that are small beside it.
fn enlarged(stretches: Vec<IdStretch>, sizes: RowSizes) -> Vec<IdStretch> {
    let mut kept: Vec<IdStretch> = Vec::new();
    for mut next in stretches {
        while let Some(last) = kept.pop_if(|last| joins(last, &next, sizes)) {
            let after = std::mem::replace(&mut next, last);
            next.take(after);
        }
        kept.push(next);
    }
    kept
}

fn joins(one: &IdStretch, other: &IdStretch, sizes: RowSizes) -> bool {
    let (fits, small) = (one.rows.saturating_add(other.rows) <= sizes.file, sizes.small_file());
    match (one.due, other.due) {
        (true, true) => fits || one.rows.min(other.rows) <= small,
        (true, false) => fits && other.rows <= one.rows.max(small),
        (false, true) => fits && one.rows <= other.rows.max(small),
        (false, false) => false,
    }
}

/// Where too many files remain, the least neighbours become one.
fn bounded(mut stretches: Vec<IdStretch>, sizes: RowSizes) -> Vec<IdStretch> {
    if !stretches.iter().any(|stretch| stretch.due) {
        return stretches;
    }
    let rows: u64 = stretches.iter().map(|stretch| stretch.rows).sum();
    let most = MOST_PARTLY_FILLED.saturating_add(rows.div_ceil(sizes.file / 4));
    while stretches.iter().map(|stretch| stretch.files_after(sizes)).sum::<u64>() > most {
        let pairs = stretches.windows(2).enumerate();
        let sum = |pair: &[IdStretch]| pair.iter().map(|stretch| stretch.rows).sum::<u64>();
        let Some(at) = pairs.min_by_key(|(_, pair)| sum(pair)).map(|(at, _)| at) else { break };
        let after = stretches.remove(at + 1);
        if let Some(before) = stretches.get_mut(at) {
            before.take(after);
            before.due = true;
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const USUAL: RowSizes = RowSizes::USUAL;

    /// A partition as its ids, and the files that they are in.
    #[derive(Debug, Default)]
    struct GrowingPartition {
        ids: BTreeSet<i64>,
        files: Vec<StoredRows>,
        written: u64,
    }

    impl GrowingPartition {
        /// Adds the ids from one to before another, and removes some.
        fn push(&mut self, added: &[(i64, i64)], removed: &[i64]) {
            added.iter().for_each(|(from, until)| self.ids.extend(*from..*until));
            removed.iter().for_each(|id| assert!(self.ids.remove(id), "{id}"));
            let runs = added.iter().map(|(from, until)| (*from, until - 1, until.abs_diff(*from)));
            let changes = runs.chain(removed.iter().map(|id| (*id, *id, 0)));
            let changed: Vec<ChangedRows> =
                changes.map(|(first, last, rows)| ChangedRows { first, last, rows }).collect();
            let plan = plan(&self.files, &changed, USUAL);
            for change in &changed {
                let holding = plan.iter().filter(|r| r.first <= change.first && change.last <= r.last);
                assert_eq!(holding.count(), 1, "{change:?} in {plan:?}");
            }
            let replaced: BTreeSet<usize> = plan.iter().flat_map(|r| r.replaces.clone()).collect();
            let mut next: Vec<StoredRows> = Vec::new();
            for (at, file) in self.files.iter().enumerate().filter(|(at, _)| !replaced.contains(at)) {
                let touched = plan.iter().any(|r| r.first <= file.last && file.first <= r.last);
                assert!(!touched, "{at} {file:?} in {plan:?}");
                next.push(*file);
            }
            for rewrite in plan {
                let rows: Vec<i64> = self.ids.range(rewrite.first..=rewrite.last).copied().collect();
                self.written += rows.len() as u64;
                next.extend(rows.chunks(usize::try_from(USUAL.file).unwrap()).map(|rows| StoredRows {
                    first: rows[0],
                    last: rows[rows.len() - 1],
                    rows: rows.len() as u64,
                }));
            }
            next.sort_by_key(|file| file.first);
            assert!(next.windows(2).all(|pair| pair[0].last < pair[1].first), "{next:?}");
            assert_eq!(
                next.iter().map(|f| f.rows).sum::<u64>(),
                self.ids.len() as u64,
                "rows are in one file each"
            );
            self.files = next;
        }
    }

    #[test]
    fn an_unchanged_partition_is_left_alone() {
        let files = [StoredRows { first: 1, last: 9, rows: 3 }, StoredRows { first: 12, last: 20, rows: 4 }];
        assert_eq!(plan(&files, &[], USUAL), []);
    }

    #[test]
    fn overlapping_files_of_another_writer_are_replaced_together() {
        let files =
            [StoredRows { first: 1, last: 9_000, rows: 5_000 }, StoredRows { first: 5, last: 20, rows: 4 }];
        let changed = [ChangedRows { first: 7, last: 7, rows: 1 }];
        assert_eq!(plan(&files, &changed, USUAL), [Rewrite { first: 1, last: 9_000, replaces: vec![0, 1] }]);
    }

    #[test]
    fn an_edit_in_a_large_file_leaves_its_large_neighbours_alone() {
        let files: Vec<StoredRows> = (0..5)
            .map(|n| StoredRows { first: n * 50_000, last: n * 50_000 + 49_999, rows: 50_000 })
            .collect();
        let changed = [ChangedRows { first: 120_000, last: 120_000, rows: 1 }];
        assert_eq!(
            plan(&files, &changed, USUAL),
            [Rewrite { first: 100_000, last: 149_999, replaces: vec![2] }]
        );
    }

    #[test]
    fn a_month_that_grows_by_the_hour_is_written_a_few_times_over_and_stays_in_a_few_files() {
        for (step, backwards) in [(10, false), (10, true), (300, false), (1_000, true)] {
            let mut month = GrowingPartition::default();
            let mut most = 0;
            for push in 0..60_000 / step {
                let from = if backwards { -push * step } else { push * step };
                month.push(&[(from, from + step)], &[]);
                most = most.max(month.files.len());
            }
            // Small files are cheap: what is below the least size is written again each time.
            let small = if step < 100 { 110 } else { 20 };
            assert!(month.written < 60_000 * small, "{} rows in steps of {step}", month.written);
            assert!(most <= 12, "{most} files in steps of {step}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_row_is_in_exactly_one_file_after_any_pushes(
            pushes in prop::collection::vec(
                (prop::collection::vec((-40_000_i64..40_000, 1_i64..9_000), 0..4), any::<u64>()), 1..16,
            )
        ) {
            let mut partition = GrowingPartition::default();
            for (runs, seed) in pushes {
                let added: Vec<(i64, i64)> = runs.iter().map(|(from, rows)| (*from, from + rows)).collect();
                let stays = |id: &i64| added.iter().any(|(from, until)| from <= id && id < until);
                let every = 1_000 + seed % 5_000;
                let removed: Vec<i64> =
                    partition.ids.iter().copied().filter(|id| id.unsigned_abs() % every == 0 && !stays(id)).collect();
                partition.push(&added, &removed);
                let bound = 8 + partition.ids.len() as u64 / (USUAL.file / 4);
                prop_assert!(partition.files.len() as u64 <= bound, "{:?}", partition.files);
            }
        }
    }
}
