//! What archiving costs, to the credit.

use std::time::Duration;

use archiver::api::Version;
use archiver::core::budget::price;
use archiver::fake_api::behaviour::CursorRule;
use archiver::fake_api::{Author, Behaviour};
use serde_json::Value;

use super::relay::Relay;
use super::world::{HOUR, NOW, World, mailbox, server};

const SIZES: [usize; 7] = [1, 9, 10, 11, 20, 25, 137];

fn ideal() -> u32 {
    SIZES.iter().map(|n| price(u32::try_from(*n).unwrap())).sum()
}

/// First archive, then a poll after three new messages in each; what both were charged.
async fn first_archive_and_poll(version: Version, cursor: CursorRule, by_profile: bool) -> (u32, u32) {
    let behaviour = Behaviour { cursor, ..Behaviour::default() };
    let mut world = World::new(server(mailbox(&SIZES), behaviour), version).await;
    if by_profile {
        world.by_profile();
    }
    let report = world.run().await;
    let first = world.charged();
    assert_eq!((report.outcome, report.new_messages, report.credits_spent), ("complete", 213, first));
    world.assert_archived();
    for conversation in 0..SIZES.len() {
        for i in 0..3 {
            let at = NOW + HOUR + i64::try_from(conversation).unwrap() * 60_000 + i * 1_000;
            world.server().mailbox_mut(0).unwrap().send(
                conversation,
                Author::Other(0),
                at,
                &format!("news {i}"),
            );
        }
    }
    world.clock.advance(2 * HOUR);
    let report = world.run().await;
    assert_eq!((report.outcome, report.new_messages, report.requests), ("complete", 21, 7));
    assert!(world.requests().iter().all(|r| r.charged == 1));
    world.assert_archived();
    world.assert_ledger();
    let ledger = world.number("SELECT sum(credits_spent) FROM request_log");
    assert_eq!(ledger, i64::try_from(world.server().meter.charged()).unwrap());
    assert_eq!(world.complete(), 7);
    (first, world.charged())
}

#[tokio::test]
async fn the_first_archive_costs_hardly_more_than_its_messages_and_a_poll_one_credit_a_conversation() {
    for version in [Version::V1, Version::V2] {
        for cursor in [CursorRule::Exclusive, CursorRule::Inclusive] {
            for by_profile in [false, true] {
                let (first, poll) = first_archive_and_poll(version, cursor, by_profile).await;
                eprintln!(
                    "{version:?}, {cursor:?}, by {}: first archive {first} credits (at least {}), poll {poll}",
                    if by_profile { "profile" } else { "id" },
                    ideal()
                );
                assert!(first <= ideal() + 2 && poll == 7);
            }
        }
    }
}

/// Says a body by what it names: the profile's address or the conversation's id.
fn named_by(body: &Value) -> (&'static str, String) {
    let fields = body.get("params").unwrap_or(body);
    let names = ["linkedin_url", "profile_url", "conversation_id"];
    let named: Vec<_> =
        names.iter().filter_map(|n| Some((*n, fields.get(n)?.as_str()?.to_owned()))).collect();
    assert_eq!(named.len(), 1, "{body}");
    named[0].clone()
}

#[tokio::test]
async fn a_profile_is_looked_up_once_and_its_conversation_asked_by_id_from_then_on() {
    for (version, by_url) in [(Version::V1, "linkedin_url"), (Version::V2, "profile_url")] {
        let mut world = World::new(server(mailbox(&[137]), Behaviour::default()), version).await;
        world.by_profile();
        let relay = Relay::to(world.address());
        world.reach(&relay.base_url, Duration::from_secs(20));
        world.run().await;
        let by: Vec<_> = relay.bodies().iter().map(named_by).collect();
        let url = "https://www.linkedin.com/in/ada-n0/".to_owned();
        let id = ("conversation_id", world.urn(0));
        assert_eq!(by, [(by_url, url), id.clone(), id.clone()]);
        world.run().await;
        assert_eq!(relay.bodies().iter().map(named_by).collect::<Vec<_>>(), [id]);
        world.assert_archived();
    }
}

#[tokio::test]
async fn an_idle_poll_stores_nothing_and_says_so() {
    let mut world = World::new(server(mailbox(&SIZES), Behaviour::default()), Version::V1).await;
    world.run().await;
    let before = world.logged();
    world.clock.advance(HOUR);
    let report = world.run().await;
    assert_eq!((report.new_messages, report.changed_messages, report.gone_messages), (0, 0, 0));
    assert_eq!((report.requests, report.credits_spent, report.gaps_left), (7, 7, 0));
    assert_eq!(world.logged(), before);
    assert_eq!(world.number("SELECT count(*) FROM message_version"), 0);
}
