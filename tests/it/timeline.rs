//! What pages do to a timeline, against an oracle that has the server's full list and knows no gaps.

mod archive;
mod examples;
mod server;
mod wild;
mod world;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::share;
use server::{Cursors, Manner, Urns};
use world::{Lie, Step, World};

fn manners() -> impl Strategy<Value = Manner> {
    let cursors =
        prop_oneof![6 => Just(Cursors::Ms), 1 => Just(Cursors::Seconds), 1 => Just(Cursors::Opaque)];
    let cap = prop_oneof![3 => Just(1000_usize), 1 => Just(12)];
    (cursors, any::<bool>(), any::<bool>(), any::<bool>(), cap).prop_map(
        |(cursors, inclusive, counts, late_end, cap)| Manner {
            cursors,
            inclusive,
            counts,
            late_end,
            cap,
            urns: Urns::All,
        },
    )
}

fn sends() -> impl Strategy<Value = Step> {
    let later = prop_oneof![2 => Just(0_u8), 2 => Just(1), 2 => 2..5_u8, 1 => 5..=255_u8];
    (1..9_u8, later, 0..5_u8, prop::bool::weighted(0.1))
        .prop_map(|(count, later, order, timeless)| Step::Send { count, later, order, timeless })
}

fn counts() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 1..6_u8, 1 => 6..20_u8]
}

fn asks() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => counts().prop_map(|count| Step::Head { count }),
        3 => (any::<u8>(), counts(), prop::bool::weighted(0.2))
            .prop_map(|(gap, count, verbatim)| Step::Fill { gap, count, verbatim }),
    ]
}

fn changes() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(|message| Step::Edit { message }),
        any::<u8>().prop_map(|message| Step::Delete { message }),
    ]
}

/// A history of an honest server.
fn honest() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![2 => sends(), 4 => asks(), 1 => changes()], 1..24)
}

fn play(world: &mut World, script: &[Step]) -> Result<(), TestCaseError> {
    for step in script {
        world.step(step).map_err(TestCaseError::fail)?;
    }
    Ok(())
}

/// The same scripts every time; with `PROPTEST_CASES` that many, and other ones.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let explore = std::env::var_os("PROPTEST_CASES").is_some();
    let rng_seed = if explore { default.rng_seed } else { RngSeed::Fixed(1) };
    let cases = if explore { default.cases } else { u32::try_from(share(8_000)).unwrap() };
    ProptestConfig { cases, max_shrink_iters: 20_000, failure_persistence: None, rng_seed, ..default }
}

/// A history in which old answers arrive again, also in the place of others.
fn with_repetitions() -> impl Strategy<Value = Vec<Step>> {
    let again = prop_oneof![
        any::<u8>().prop_map(|page| Step::Again { page }),
        (any::<u8>(), any::<u8>()).prop_map(|(page, gap)| Step::Instead { page, gap }),
    ];
    prop::collection::vec(prop_oneof![2 => sends(), 4 => asks(), 2 => again], 1..24)
}

/// A history in which some answers are wrong.
fn with_lies() -> impl Strategy<Value = Vec<Step>> {
    let lies = prop::sample::select(&[
        Lie::CursorUp,
        Lie::NoCursor,
        Lie::EmptyButMore,
        Lie::EmptyEnd,
        Lie::FalseEnd,
        Lie::NoTimes,
        Lie::Short,
        Lie::Twice,
        Lie::TopInstead,
        Lie::UpsideDown,
    ]);
    let lie = (any::<u8>(), counts(), lies).prop_map(|(gap, count, lie)| Step::Lie { gap, count, lie });
    prop::collection::vec(prop_oneof![2 => sends(), 3 => asks(), 3 => lie], 1..24)
}

/// What need not come to an end is taken out: where only the server can make cursors, a gap that was left without one
/// cannot be asked for any more; and where messages lack their times, a count is contradicted in ever new ways.
fn that_ends(manner: Manner, script: Vec<Step>) -> (Manner, Vec<Step>) {
    let exact = manner.cursors == Cursors::Opaque;
    let timed = exact || manner.counts;
    let script = script.into_iter().filter_map(|step| match step {
        Step::Delete { .. } if exact => None,
        Step::Send { count, later, order, .. } if timed => {
            Some(Step::Send { count, later, order, timeless: false })
        }
        step => Some(step),
    });
    (Manner { counts: manner.counts && !exact, ..manner }, script.collect())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn unseen_messages_lie_in_gaps_and_seen_ones_are_stored_once(manner in manners(), script in honest()) {
        play(&mut World::new(&manner), &script)?;
    }

    #[test]
    fn gaps_filled_in_any_order_leave_nothing_missing(
        manner in manners(),
        script in honest(),
        order in prop::collection::vec(any::<u8>(), 1..12),
        count in 6..20_u8,
    ) {
        let (manner, script) = that_ends(manner, script);
        let mut world = World::new(&manner);
        play(&mut world, &script)?;
        world.settle(&order, count).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_repeated_answer_loses_no_gap_and_stores_nothing_twice(manner in manners(), script in with_repetitions()) {
        // An exact cursor is not answered with the border again, so nothing tells that a page was skipped.
        let exact = manner.cursors == Cursors::Opaque;
        let mut world = World::new(&manner);
        world.stale = true;
        for step in script.iter().filter(|s| !exact || !matches!(s, Step::Instead { .. })) {
            world.step(step).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn a_suspicious_answer_shrinks_no_gap_beyond_what_it_proves(manner in manners(), script in with_lies()) {
        let mut world = World::new(&manner);
        world.stale = true;
        play(&mut world, &script)?;
    }

    #[test]
    fn messages_without_urn_are_told_apart_by_time_sender_text_and_number(
        manner in manners(),
        urns in prop::sample::select(&[Urns::None, Urns::Sometimes]),
        script in prop::collection::vec(prop_oneof![2 => sends(), 4 => asks()], 1..24),
    ) {
        let manner = Manner { urns, cursors: Cursors::Ms, ..manner };
        play(&mut World::new(&manner), &script)?;
    }
}
