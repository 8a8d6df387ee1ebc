//! What an export covers, compared with each moment by itself.

use proptest::prelude::*;

use crate::core::linkedin_export::coverage::*;
use crate::core::timeline::invariants;

fn gap(newer_ms: Option<Ms>, older_ms: Option<Ms>) -> Gap {
    Gap { id: 1, newer_ms, older_ms, ..Gap::default() }
}

const SPAN: Span = Span { oldest_ms: 10_000, newest_ms: 100_000 };

fn covered(gaps: Vec<Gap>) -> Vec<(Option<Ms>, Option<Ms>)> {
    let beginning_seen = gaps.last().is_none_or(|g| g.older_ms.is_some());
    let timeline = Timeline { gaps, beginning_seen, ..Timeline::default() };
    let (gaps, seen) = cover(&timeline, SPAN, None);
    assert!(seen);
    gaps.iter().map(|g| (g.newer_ms, g.older_ms)).collect()
}

#[test]
fn an_export_closes_what_it_covers_and_nothing_above() {
    assert_eq!(covered(vec![gap(None, None)]), [(None, Some(98_000))]);
    assert_eq!(
        covered(vec![gap(None, Some(150_000)), gap(Some(120_000), None)]),
        [(None, Some(150_000)), (Some(120_000), Some(98_000))]
    );
    assert_eq!(covered(vec![gap(Some(98_000), Some(50_000)), gap(Some(40_000), None)]), []);
    assert_eq!(covered(vec![gap(Some(98_001), Some(97_999))]), [(Some(98_001), Some(98_000))]);
    assert_eq!(covered(vec![]), []);
    let short = Span { oldest_ms: 96_000, ..SPAN };
    let timeline = Timeline::unknown(0);
    assert_eq!(cover(&timeline, short, None), (timeline.gaps.clone(), false));
}

#[test]
fn a_message_newer_than_all_others_opens_the_head() {
    let known = Timeline { newest_ms: Some(50), messages: 1, beginning_seen: true, ..Timeline::default() };
    assert_eq!(gap_above(&known, 51, 7), Some(Gap::head(Some(50), 7)));
    assert_eq!(gap_above(&known, 50, 7), None);
    assert_eq!(gap_above(&Timeline::unknown(0), 50, 7), None);
}

/// A course that keeps its invariants, from borders in falling order and which of the stretches between are gaps.
fn timelines() -> impl Strategy<Value = Timeline> {
    let borders = proptest::collection::btree_set(0_i64..40, 0..10);
    (borders, proptest::collection::vec(any::<bool>(), 12)).prop_map(|(borders, open)| {
        let mut edges: Vec<Option<Ms>> = vec![None];
        edges.extend(borders.iter().rev().map(|b| Some(b * 1_000)));
        edges.push(None);
        let mut gaps = Vec::new();
        for (i, pair) in edges.windows(2).enumerate() {
            if open[i % open.len()] {
                gaps.push(Gap { id: i64::try_from(i).unwrap() + 1, ..gap(pair[0], pair[1]) });
            }
        }
        let beginning_seen = gaps.last().is_none_or(|g| g.older_ms.is_some());
        Timeline { gaps, beginning_seen, ..Timeline::default() }
    })
}

fn open_at(gaps: &[Gap], at: Ms) -> bool {
    gaps.iter().any(|g| g.newer_ms.is_none_or(|n| at <= n) && g.older_ms.is_none_or(|o| at >= o))
}

proptest! {
    /// The oracle looks at each moment by itself: strictly above the border everything is as it was, strictly below it
    /// nothing is open, and the border is the edge of what was open there. What reaches below what earlier exports
    /// covered stays as it was.
    #[test]
    fn each_moment_is_open_as_it_was_above_the_export_and_closed_below(
        timeline in timelines(), oldest in 0_i64..40, length in 0_i64..40, already in proptest::option::of(0_i64..50),
    ) {
        let span = Span { oldest_ms: oldest * 1_000, newest_ms: (oldest + length) * 1_000 };
        let already = already.map(|a| a * 1_000);
        let (gaps, beginning_seen) = cover(&timeline, span, already);
        let after = Timeline { gaps, beginning_seen, ..timeline.clone() };
        prop_assert_eq!(invariants::broken(&after), Vec::<String>::new());
        let stays: Vec<Gap> = timeline
            .gaps
            .iter()
            .filter(|g| already.is_some_and(|a| g.older_ms.unwrap_or(Ms::MIN) < a))
            .cloned()
            .collect();
        for at in (-500..90_000).step_by(250) {
            let expected = match span.covered_ms().filter(|c| Some(*c) > already) {
                Some(covered) if at < covered => open_at(&stays, at),
                Some(covered) if at == covered => open_at(&timeline.gaps, at + 1) || open_at(&stays, at),
                _ => open_at(&timeline.gaps, at),
            };
            prop_assert_eq!(open_at(&after.gaps, at), expected, "at {}: {:?}", at, after.gaps);
        }
        prop_assert_eq!(cover(&after, span, already), (after.gaps.clone(), after.beginning_seen), "twice is once");
        prop_assert_eq!(cover(&after, span, span.covered_ms()), (after.gaps, after.beginning_seen), "and for ever");
    }
}
