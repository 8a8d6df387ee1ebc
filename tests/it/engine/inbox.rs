//! What a whole mailbox costs when its inbox tells what has changed.

use archiver::api::ApiVersion;
use fake_linkup::behaviour::Behaviour;
use fake_linkup::model::{Author, Person};
use fastrand::Rng;

use super::world::{self, World};
use crate::support::share;

const HOUR: i64 = 3_600_000;

/// A mailbox of so many conversations with a few messages each, everything found by its inbox.
async fn discovered(conversations: usize, version: ApiVersion) -> World {
    let sizes: Vec<usize> = (0..conversations).map(|i| 1 + i * 7 % 23).collect();
    let mut world = World::new(world::server(world::mailbox(&sizes), Behaviour::default()), version).await;
    world.discover();
    world
}

pub(super) fn say(world: &World, conversation: usize, messages: usize) {
    let now = world.clock_ms();
    let mut server = world.server();
    for i in 0..messages {
        let at = now - 60_000 + i64::try_from(i).unwrap() * 977;
        server.mailbox_mut(0).unwrap().send(
            conversation,
            Author::Other(0),
            at,
            &format!("news {i} at {now}"),
        );
    }
}

async fn idle_four_and_fifteen(version: ApiVersion) {
    let mut world = discovered(120, version).await;
    let least: u32 = (0..120).map(|i: u32| (1 + i * 7 % 23).div_ceil(10)).sum();
    let first = world.run().await;
    assert_eq!((first.outcome.as_str(), first.gaps_left), ("complete", 0));
    eprintln!("{version:?}: first archive {} credits, {least} at least", first.credits_spent);
    assert!(first.credits_spent <= least + 12, "{} credits, {least} at least", first.credits_spent);
    world.assert_archived();
    for _ in 0..3 {
        world.clock.advance(HOUR);
        let idle = world.run().await;
        assert_eq!((idle.credits_spent, idle.requests, idle.outcome.as_str()), (1, 1, "complete"));
    }
    world.clock.advance(HOUR);
    for conversation in [3, 40, 77, 119] {
        say(&world, conversation, 2);
    }
    let four = world.run().await;
    assert_eq!((four.credits_spent, four.new_messages), (5, 8));
    world.clock.advance(HOUR);
    let fresh = world.server().mailbox_mut(0).unwrap().new_conversation(vec![Person::named("Nora", "New")]);
    say(&world, fresh, 15);
    let new = world.run().await;
    assert_eq!((new.credits_spent, new.new_messages), (3, 15));
    assert_eq!(
        world.number("SELECT count(*) FROM conversation_log WHERE name = 'Nora New' AND complete = 1"),
        1
    );
    world.assert_archived();
    world.assert_ledger();
}

#[tokio::test]
async fn v1_120_conversations_cost_1_when_idle_5_when_4_changed_and_3_for_a_new_one_of_15() {
    idle_four_and_fifteen(ApiVersion::V1).await;
}

#[tokio::test]
async fn v2_120_conversations_cost_1_when_idle_5_when_4_changed_and_3_for_a_new_one_of_15() {
    idle_four_and_fifteen(ApiVersion::V2).await;
}

#[tokio::test]
async fn a_lively_month_costs_at_most_5_percent_more_than_the_least_that_any_client_could_spend() {
    for seed in (0..).take(share(3)) {
        let mut rng = Rng::with_seed(seed);
        let mut world = discovered(60, if rng.bool() { ApiVersion::V1 } else { ApiVersion::V2 }).await;
        world.run().await;
        let (mut spent, mut least) = (0, 0);
        for _ in 0..30 * 4 {
            world.clock.advance(6 * HOUR);
            least += 1;
            for _ in 0..rng.usize(0..5) {
                let (conversation, messages) =
                    (rng.usize(0..60), [1, 1, 1, 2, 2, 3, 4, 7, 12][rng.usize(0..9)]);
                let before =
                    world.server().mailbox(0).unwrap().conversation(conversation).unwrap().messages().len();
                say(&world, conversation, messages);
                assert_eq!(
                    world.server().mailbox(0).unwrap().conversation(conversation).unwrap().messages().len(),
                    before + messages
                );
            }
            let report = world.run().await;
            assert_eq!(report.outcome.as_str(), "complete");
            spent += report.credits_spent;
            least += report.conversations.iter().map(|c| c.new_messages.div_ceil(10)).sum::<u32>();
        }
        world.assert_archived();
        eprintln!("seed {seed}: {spent} credits, {least} at least");
        assert!(spent * 100 <= least * 105, "seed {seed}: {spent} credits, {least} at least");
    }
}

#[tokio::test]
async fn a_configured_profile_and_its_row_in_the_inbox_are_one_conversation() {
    let mut world = discovered(5, ApiVersion::V1).await;
    let discover = world.settings.accounts.clone();
    world.by_profile();
    world.settings.accounts[0].discover = discover[0].discover;
    world.run().await;
    assert_eq!(world.number("SELECT count(*) FROM conversation_log"), 5);
    world.assert_archived();
}

#[tokio::test]
async fn a_budget_that_ends_a_run_after_the_inbox_forgets_no_news() {
    let mut world = discovered(30, ApiVersion::V2).await;
    world.run().await;
    world.clock.advance(HOUR);
    for conversation in 0..12 {
        say(&world, conversation, 3);
    }
    world.cap_runs(1);
    for _ in 0..60 {
        world.run().await;
        world.clock.advance(HOUR);
    }
    world.assert_archived();
    assert_eq!(world.number("SELECT count(*) FROM gap_log"), 0);
}
