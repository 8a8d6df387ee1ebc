//! The invariants of a timeline, as one function that tests, debug builds and `verify` share.

use crate::core::timeline::gap::Timeline;

/// Everything that is wrong with a conversation's timeline; empty when it keeps its promises.
#[must_use]
pub fn broken(timeline: &Timeline) -> Vec<String> {
    let mut wrong = Vec::new();
    let gaps = &timeline.gaps;
    for (i, gap) in gaps.iter().enumerate() {
        if i > 0 && gap.newer_ms.is_none() {
            wrong.push(format!("gap {} reaches up to now but is not the first", gap.id));
        }
        if i + 1 < gaps.len() && gap.older_ms.is_none() {
            wrong.push(format!("gap {} reaches down to the beginning but is not the last", gap.id));
        }
        if let (Some(newer), Some(older)) = (gap.newer_ms, gap.older_ms)
            && newer < older
        {
            wrong.push(format!("gap {} is upside down: {newer} to {older}", gap.id));
        }
    }
    for (above, below) in gaps.iter().zip(gaps.iter().skip(1)) {
        if let (Some(older), Some(newer)) = (above.older_ms, below.newer_ms)
            && older < newer
        {
            wrong.push(format!("gaps {} and {} overlap", above.id, below.id));
        }
        if above.asks_the_same_as(below) {
            wrong.push(format!("gaps {} and {} are the same", above.id, below.id));
        }
    }
    let open_below = gaps.last().is_some_and(|g| g.older_ms.is_none());
    if open_below == timeline.beginning_seen {
        wrong.push(format!(
            "the beginning is said to be {}seen, but {} gap reaches down to it",
            if timeline.beginning_seen { "" } else { "not " },
            if open_below { "a" } else { "no" },
        ));
    }
    if !(0..=timeline.messages).contains(&timeline.gone) {
        wrong.push(format!("{} of {} messages are said to be gone", timeline.gone, timeline.messages));
    }
    if timeline.messages == 0 && timeline.newest_ms.is_some() {
        wrong.push("there are no messages, but there is a newest one".to_owned());
    }
    wrong
}
