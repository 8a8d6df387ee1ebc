//! A conversation's course as a row of cells: archived, missing, not asked yet.

use crate::core::Ms;
use crate::core::timeline::gap::Timeline;

/// What is known of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// The conversation had not begun.
    Before,
    /// All of it is archived.
    Covered,
    /// Something of it may be missing.
    Partly,
    /// All of it is missing.
    Missing,
    /// Nobody has asked since.
    Unknown,
}

/// A stretch of time, from its first to its last moment, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first moment (ms).
    pub from_ms: Ms,
    /// Its last.
    pub to_ms: Ms,
    /// What is known of it.
    pub cell: Cell,
}

/// What is known from `from` up to `now`, oldest first and without holes: `asked` is when its newest page last came.
#[must_use]
pub fn stretches(timeline: &Timeline, asked: Option<Ms>, from: Ms, now: Ms) -> Vec<Stretch> {
    let mut edges: Vec<(Ms, Ms, Cell)> = Vec::new();
    // Newest first, as gaps are; `at` is how far down it is settled.
    let mut at = now;
    let take = |down_to: Ms, cell: Cell, at: &mut Ms, edges: &mut Vec<(Ms, Ms, Cell)>| {
        let down_to = down_to.clamp(from, now);
        if down_to < *at {
            edges.push((down_to, *at, cell));
            *at = down_to;
        }
    };
    if timeline.top_gap().is_none() {
        take(
            asked.unwrap_or(from).max(timeline.newest_ms.unwrap_or(from)),
            Cell::Unknown,
            &mut at,
            &mut edges,
        );
    }
    for gap in &timeline.gaps {
        take(gap.newer_ms.unwrap_or(now), Cell::Covered, &mut at, &mut edges);
        take(gap.older_ms.unwrap_or(from), Cell::Missing, &mut at, &mut edges);
    }
    take(timeline.oldest_ms.unwrap_or(from), Cell::Covered, &mut at, &mut edges);
    let below = if timeline.beginning_seen { Cell::Before } else { Cell::Missing };
    take(from, below, &mut at, &mut edges);
    edges.reverse();
    edges.into_iter().map(|(from_ms, to_ms, cell)| Stretch { from_ms, to_ms, cell }).collect()
}

/// The same as so many cells.
#[must_use]
pub fn cells(stretches: &[Stretch], from: Ms, now: Ms, width: usize) -> Vec<Cell> {
    let span = now.saturating_sub(from).max(1);
    let count = Ms::try_from(width).unwrap_or(1).max(1);
    let edge = |n: Ms| {
        from.saturating_add(
            i64::try_from(i128::from(span) * i128::from(n) / i128::from(count)).unwrap_or(span),
        )
    };
    (0..count)
        .map(|n| {
            let (lo, hi) = (edge(n), edge(n + 1));
            let within: Vec<&Stretch> =
                stretches.iter().filter(|s| s.from_ms < hi.max(lo + 1) && s.to_ms > lo).collect();
            let any = |cell| within.iter().any(|s| s.cell == cell);
            match within.as_slice() {
                [] => Cell::Before,
                [one] => one.cell,
                _ if any(Cell::Missing) && !any(Cell::Covered) => Cell::Missing,
                _ if any(Cell::Missing) => Cell::Partly,
                _ if any(Cell::Covered) => Cell::Covered,
                _ => Cell::Unknown,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::timeline::gap::Gap;

    fn draw(timeline: &Timeline, asked: Option<Ms>) -> String {
        let stretches = stretches(timeline, asked, 0, 100);
        for two in stretches.windows(2) {
            assert_eq!(two[0].to_ms, two[1].from_ms, "{stretches:?}");
        }
        assert_eq!((stretches[0].from_ms, stretches.last().unwrap().to_ms), (0, 100));
        let glyph = |cell| match cell {
            Cell::Before => ' ',
            Cell::Covered => '#',
            Cell::Partly => '+',
            Cell::Missing => '-',
            Cell::Unknown => '.',
        };
        cells(&stretches, 0, 100, 10).into_iter().map(glyph).collect()
    }

    fn timeline(span: Option<(Ms, Ms)>, gaps: &[(Option<Ms>, Option<Ms>)], beginning_seen: bool) -> Timeline {
        let gap = |(newer_ms, older_ms): &(Option<Ms>, Option<Ms>)| Gap {
            newer_ms: *newer_ms,
            older_ms: *older_ms,
            ..Gap::default()
        };
        Timeline {
            gaps: gaps.iter().map(gap).collect(),
            oldest_ms: span.map(|s| s.0),
            newest_ms: span.map(|s| s.1),
            messages: i64::from(span.is_some()),
            beginning_seen,
            ..Timeline::default()
        }
    }

    #[test]
    fn archived_missing_and_unasked_stretches_are_drawn_differently() {
        assert_eq!(draw(&Timeline::unknown(0), None), "----------");
        assert_eq!(draw(&timeline(Some((20, 60)), &[], true), Some(80)), "  ######..");
        assert_eq!(draw(&timeline(Some((40, 60)), &[(Some(40), None)], false), Some(100)), "----######");
        let holes = timeline(Some((20, 90)), &[(None, Some(90)), (Some(70), Some(42))], true);
        assert_eq!(draw(&holes, Some(100)), "  ##+--##-");
        assert_eq!(draw(&timeline(None, &[], true), Some(100)), "##########");
    }
}
