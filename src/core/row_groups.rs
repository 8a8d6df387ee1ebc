//! What of the files that a lake replaces is taken over as it is: the row groups in which nothing has changed.

use super::lake::{ChangedRows, RowSizes, StoredRows};

/// A part of what is written in place of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePart {
    /// The rows with ids in a range, as the archive has them.
    Written {
        /// The least id.
        first: i64,
        /// The greatest.
        last: i64,
    },
    /// A row group, by its place in the list, as it is.
    Kept(usize),
}

/// Neighbouring ids, and the row group that they are, if that is kept.
struct Neighbours {
    rows: StoredRows,
    group: Option<usize>,
}

impl Neighbours {
    /// Whether it is written together with a neighbour of which this is so, too.
    fn is_loose(&self, sizes: RowSizes) -> bool {
        self.group.is_none() || self.rows.rows < sizes.group / 2
    }

    /// Is written together with what comes after it.
    fn take(&mut self, after: &Self) {
        self.rows.first = self.rows.first.min(after.rows.first);
        self.rows.last = self.rows.last.max(after.rows.last);
        self.group = None;
    }
}

/// What stands in place of these row groups when these rows have changed, in the order of the ids. Both lists may be in
/// any order, and row groups may overlap.
#[must_use]
pub fn parts(groups: &[StoredRows], changed: &[ChangedRows], sizes: RowSizes) -> Vec<FilePart> {
    let of_groups = groups.iter().enumerate().map(|(at, rows)| Neighbours { rows: *rows, group: Some(at) });
    let of_changes = changed.iter().map(|ChangedRows { first, last, rows }| Neighbours {
        rows: StoredRows { first: *first, last: *last, rows: *rows },
        group: None,
    });
    let mut all: Vec<Neighbours> = of_groups.chain(of_changes).collect();
    all.sort_by_key(|one| (one.rows.first, one.rows.last));
    let mut apart: Vec<Neighbours> = Vec::new();
    for next in all {
        match apart.last_mut() {
            Some(last) if next.rows.first <= last.rows.last => last.take(&next),
            _ => apart.push(next),
        }
    }
    let mut parts: Vec<Neighbours> = Vec::new();
    for mut next in apart {
        while let Some(mut before) = parts.pop_if(|before| before.is_loose(sizes) && next.is_loose(sizes)) {
            before.take(&next);
            next = before;
        }
        parts.push(next);
    }
    let part = |one: &Neighbours| match one.group {
        Some(at) => FilePart::Kept(at),
        None => FilePart::Written { first: one.rows.first, last: one.rows.last },
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const USUAL: RowSizes = RowSizes::USUAL;

    /// A file as its ids in row groups.
    #[derive(Debug, Default)]
    struct Grouped(Vec<Vec<i64>>);

    impl Grouped {
        fn stored(&self) -> Vec<StoredRows> {
            let of = |ids: &Vec<i64>| StoredRows {
                first: ids[0],
                last: ids[ids.len() - 1],
                rows: ids.len() as u64,
            };
            self.0.iter().map(of).collect()
        }

        /// Writes what has changed; returns how many rows that took.
        fn write(&mut self, ids: &BTreeSet<i64>, changed: &[i64]) -> usize {
            let one = |id: &i64| ChangedRows { first: *id, last: *id, rows: u64::from(ids.contains(id)) };
            let changed: Vec<ChangedRows> = changed.iter().map(one).collect();
            let (mut next, mut written) = (Vec::new(), 0);
            for part in parts(&self.stored(), &changed, USUAL) {
                match part {
                    FilePart::Kept(at) => next.push(self.0[at].clone()),
                    FilePart::Written { first, last } => {
                        let rows: Vec<i64> = ids.range(first..=last).copied().collect();
                        written += rows.len();
                        next.extend(rows.chunks(usize::try_from(USUAL.group).unwrap()).map(<[i64]>::to_vec));
                    }
                }
            }
            self.0 = next;
            assert_eq!(self.0.concat(), ids.iter().copied().collect::<Vec<_>>());
            written
        }
    }

    #[test]
    fn a_changed_row_has_its_row_group_written_again_and_no_other() {
        let ids: BTreeSet<i64> = (0..16_400).collect();
        let mut file = Grouped::default();
        file.write(&ids, &ids.iter().copied().collect::<Vec<_>>());
        assert_eq!(file.write(&ids, &[]), 0);
        assert_eq!(file.write(&ids, &[7_300]), 500);
        assert_eq!(file.write(&ids, &[16_100, 50]), 900);
    }

    #[test]
    fn rows_that_are_added_by_the_hundred_are_written_a_few_times_over() {
        let (mut file, mut ids, mut written) = (Grouped::default(), BTreeSet::new(), 0);
        for push in 0..200_i64 {
            let new: Vec<i64> = (push * 100..push * 100 + 100).collect();
            ids.extend(&new);
            written += file.write(&ids, &new);
        }
        assert!(written < 4 * ids.len(), "{written}");
    }

    #[test]
    fn overlapping_row_groups_are_written_together() {
        let group = |first, last| StoredRows { first, last, rows: 900 };
        let groups = [group(1, 1_000), group(1_000, 2_000), group(2_001, 3_000), group(10, 20)];
        let changed = [ChangedRows { first: 4_000, last: 4_000, rows: 1 }];
        let expected = [
            FilePart::Written { first: 1, last: 2_000 },
            FilePart::Kept(2),
            FilePart::Written { first: 4_000, last: 4_000 },
        ];
        assert_eq!(parts(&groups, &changed, USUAL), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_row_is_in_one_row_group_after_any_changes_and_few_groups_are_small(
            pushes in prop::collection::vec(
                (prop::collection::vec((0_i64..30_000, 1_i64..3_000), 0..4), any::<u64>()), 1..12,
            )
        ) {
            let (mut file, mut ids) = (Grouped::default(), BTreeSet::new());
            for (added, seed) in pushes {
                let new: BTreeSet<i64> = added.iter().flat_map(|(from, rows)| *from..from + rows).collect();
                ids.extend(&new);
                let every = 100 + seed % 5_000;
                let gone: Vec<i64> = ids
                    .iter()
                    .copied()
                    .filter(|id: &i64| id.unsigned_abs().is_multiple_of(every) && !new.contains(id))
                    .collect();
                gone.iter().for_each(|id| assert!(ids.remove(id)));
                let changed: Vec<i64> = new.iter().chain(&gone).copied().collect();
                file.write(&ids, &changed);
                let most = 1 + 4 * ids.len() as u64 / USUAL.group;
                prop_assert!(file.0.len() as u64 <= most, "{:?}", file.stored());
            }
        }
    }
}
