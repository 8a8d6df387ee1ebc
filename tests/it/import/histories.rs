//! Histories that a seed draws: the API synced partly before, an export from the middle, edits and deletions between.

use archiver::api::ApiVersion;
use fake_linkup::Behaviour;
use fake_linkup::behaviour::CursorRule;
use fake_linkup::synth::{self, SynthOptions};

use super::csv;
use super::world::{Told, compare, import};
use crate::engine::world::{HOUR, NOW, World, server};
use crate::support::share;

const SEEDS: usize = 60;

#[tokio::test(flavor = "current_thread")]
async fn whatever_came_first_nothing_is_lost_and_nothing_there_twice() {
    let mut twice = 0;
    for seed in (0..).take(share(SEEDS)) {
        match history(seed).await {
            Ok(told) => {
                if told.twice_for_an_edit > 0 {
                    println!("seed {seed}: {told:?}");
                }
                twice += told.twice_for_an_edit;
            }
            Err(why) => panic!("seed {seed}: {why}"),
        }
    }
    // What two exports date a second apart, with another text, may be two messages: neither is dropped.
    println!("{} histories, {twice} messages twice because they were edited", share(SEEDS));
    assert!(twice <= 2, "{twice}");
}

async fn history(seed: u64) -> Result<Told, String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let options = SynthOptions { conversations: 5, max_messages: 90, ..SynthOptions::at(NOW - HOUR) };
    let rule = if rng.bool() { CursorRule::Inclusive } else { CursorRule::Exclusive };
    let behaviour = Behaviour { cursor: rule, ..Behaviour::default() };
    let version = if rng.bool() { ApiVersion::V1 } else { ApiVersion::V2 };
    let mut world = World::new(server(synth::mailbox(seed, &options), behaviour), version).await;
    if rng.bool() {
        world.discover();
    }
    for _ in 0..rng.u8(..3) {
        live(&mut world, &mut rng, 10);
        synced(&mut world, &mut rng).await;
    }
    let export = csv::of(world.server().mailbox(0).unwrap(), seed);
    if rng.bool() {
        live(&mut world, &mut rng, 10);
        synced(&mut world, &mut rng).await;
    }
    let first = import(&world, &export, 0);
    let state = dump(&world);
    let again = import(&world, &export, 0);
    if (again.new_messages, again.there + again.merged) != (0, first.rows) || dump(&world) != state {
        return Err(format!("importing it twice is not once: {first:?}, then {again:?}"));
    }
    live(&mut world, &mut rng, 25);
    synced(&mut world, &mut rng).await;
    if rng.bool() {
        let newer = csv::of(world.server().mailbox(0).unwrap(), seed + 1_000);
        import(&world, &newer, rng.u32(..5));
        import(&world, &export, 0);
        live(&mut world, &mut rng, 10);
    }
    world.settings.caps = Default::default();
    // A conversation that the inbox does not show is not asked for unless it is configured.
    world.by_id();
    world.settings.inbox = false;
    world.clock.advance(HOUR);
    world.run_until_quiet(80).await;
    compare(&world)
}

/// So many things happen, a few minutes apart.
fn live(world: &mut World, rng: &mut fastrand::Rng, most: u32) {
    for _ in 0..rng.u32(..most) {
        world.clock.advance(rng.i64(1..HOUR / 4));
        let now = world.clock_ms();
        synth::live(&mut world.server(), rng, now);
    }
    world.clock.advance(HOUR);
    if world.settings.inbox {
        world.discover();
    } else {
        world.by_id();
    }
}

/// A run with a budget that may be too small.
async fn synced(world: &mut World, rng: &mut fastrand::Rng) {
    world.cap_runs(rng.u32(1..40));
    world.run().await;
}

/// All messages, versions and gaps.
fn dump(world: &World) -> Vec<String> {
    let text = |sql: &str| world.query(sql, [], |r| r.get::<_, String>(0));
    let mut all = text(
        "SELECT id || ' ' || sent_at_ms || ' ' || text || ifnull(gone_since_ms, '') FROM message ORDER BY id",
    );
    all.extend(text("SELECT message || ' ' || text FROM message_version ORDER BY id"));
    all.extend(text(
        "SELECT id || ' ' || conversation || ' ' || ifnull(newer_ms, '') || ' ' || ifnull(older_ms, '') FROM gap WHERE conversation IS NOT NULL ORDER BY id",
    ));
    all.extend(text("SELECT conversation || ' ' || newest_ms FROM export_cover ORDER BY id"));
    all
}
