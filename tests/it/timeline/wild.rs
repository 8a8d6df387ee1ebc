//! Answers that no server would give: whatever comes, the timeline stays a timeline.

use archiver::core::model::cursor::Cursor;
use archiver::core::model::ids::RunId;
use archiver::core::model::message::{Message, Sender};
use archiver::core::model::page::{Below, Page};
use archiver::core::raw::Raw;
use archiver::core::timeline::gap::Asked;
use proptest::prelude::*;

use super::archive::Archive;
use super::server::{Served, T0};
use super::world::proves;

/// An answer, and to which request: a gap (counted from the top, or the head) and how many were asked for.
#[derive(Debug, Clone)]
struct Wild {
    gap: Option<u8>,
    stalls: u32,
    count: u32,
    messages: Vec<(u8, i64, bool)>,
    below: Below,
    total: Option<i64>,
}

fn belows() -> impl Strategy<Value = Below> {
    prop_oneof![
        3 => (-2_i64..40).prop_map(|at| Below::More(Cursor::made(T0 + at))),
        1 => (0_i64..4).prop_map(|at| Below::More(Cursor::made(T0 / 1000 + at))),
        1 => Just(Below::More(Cursor::served("opaque".into()))),
        1 => Just(Below::MoreWithoutCursor),
        2 => Just(Below::End),
    ]
}

fn wilds() -> impl Strategy<Value = Wild> {
    let message = (0..12_u8, 0..40_i64, prop::bool::weighted(0.1));
    (
        prop::option::weighted(0.7, any::<u8>()),
        0..4_u32,
        1..8_u32,
        prop::collection::vec(message, 0..7),
        belows(),
        prop::option::weighted(0.3, 0..20_i64),
    )
        .prop_map(|(gap, stalls, count, messages, below, total)| Wild {
            gap,
            stalls,
            count,
            messages,
            below,
            total,
        })
}

/// Of twelve messages the last three have no URN.
fn page(wild: &Wild) -> Page {
    let message = |(id, at, derived): &(u8, i64, bool)| Message {
        urn: (*id < 9).then(|| format!("u{id}")),
        at_ms: T0 + at,
        derived_time: *derived,
        untrusted_ms: None,
        sender: Sender::default(),
        kind: "TEXT".into(),
        text: format!("m{}", id % 5),
        raw: Raw::default(),
    };
    Page {
        // Listed twice it is the same both times.
        messages: wild
            .messages
            .iter()
            .map(|m| wild.messages.iter().find(|n| n.0 == m.0).unwrap())
            .map(message)
            .collect(),
        below: wild.below.clone(),
        returned: u32::try_from(wild.messages.len()).unwrap(),
        conversation_urn: None,
        total: wild.total,
        unread: None,
        last_seen_ms: None,
        oddities: Vec::new(),
    }
}

fn take(archive: &mut Archive, wild: &Wild) -> Result<(), String> {
    let gaps = &mut archive.timeline.gaps;
    let of_gap = wild.gap.filter(|_| !gaps.is_empty()).map(|pick| usize::from(pick) % gaps.len());
    let gap = match of_gap {
        Some(at) => {
            gaps[at].stalls = wild.stalls;
            gaps[at].clone()
        }
        None => archive.timeline.top_gap().cloned().unwrap_or_else(|| archive.head()),
    };
    let asked = Asked { cursor: gap.cursor_to_send(), gap, count: wild.count, most: u32::MAX, run: RunId(1) };
    let served = Served { page: page(wild), ids: vec![0; wild.messages.len()] };
    let before: Vec<bool> = (0..40).map(|at| archive.in_gap(T0 + at)).collect();
    let counted = archive.counted(&served.page);
    archive.commit(&asked, &served)?;
    for (at, was_in_gap) in (T0..).zip(before) {
        let counted = counted || archive.counted(&served.page);
        if was_in_gap && !archive.in_gap(at) && !counted && !proves(&asked, &served.page, at) {
            return Err(format!("nothing proves that nothing is missing at {}", at - T0));
        }
    }
    let mut urns: Vec<&str> = archive.stored.iter().filter_map(|s| s.message.urn.as_deref()).collect();
    urns.sort_unstable();
    if urns.windows(2).any(|two| two[0] == two[1]) {
        return Err(format!("a message is stored twice: {urns:?}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(super::config())]

    #[test]
    fn no_answer_breaks_the_invariants(answers in prop::collection::vec(wilds(), 1..10)) {
        let mut archive = Archive::new();
        for (i, wild) in answers.iter().enumerate() {
            let before = archive.picture();
            take(&mut archive, wild)
                .map_err(|why| TestCaseError::fail(format!("{why}, at answer {i}: {before}, then {}", archive.picture())))?;
        }
    }
}
