//! What archiving costs, to the credit.

use std::time::Duration;

use archiver::api::ApiVersion;
use archiver::core::budget::price;
use archiver::store::Configured;
use fake_linkup::behaviour::CursorRule;
use fake_linkup::{Author, Behaviour};
use serde_json::Value;

use super::relay::Relay;
use super::world::{HOUR, NOW, World, mailbox, server};

const SIZES: [usize; 7] = [1, 9, 10, 11, 20, 25, 137];

fn ideal() -> u32 {
    SIZES.iter().map(|n| price(u32::try_from(*n).unwrap())).sum()
}

/// First archive, then a poll after three new messages in each; what both were charged.
async fn first_archive_and_poll(version: ApiVersion, cursor: CursorRule, by_profile: bool) -> (u32, u32) {
    let behaviour = Behaviour { cursor, ..Behaviour::default() };
    let mut world = World::new(server(mailbox(&SIZES), behaviour), version).await;
    if by_profile {
        world.by_profile();
    }
    let report = world.run().await;
    let first = world.charged();
    assert_eq!(
        (report.outcome.as_str(), report.new_messages, report.credits_spent),
        ("complete", 213, first)
    );
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
    assert_eq!((report.outcome.as_str(), report.new_messages, report.requests), ("complete", 21, 7));
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
    for version in [ApiVersion::V1, ApiVersion::V2] {
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
    for (version, by_url) in [(ApiVersion::V1, "linkedin_url"), (ApiVersion::V2, "profile_url")] {
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
    let mut world = World::new(server(mailbox(&SIZES), Behaviour::default()), ApiVersion::V1).await;
    world.run().await;
    let before = world.logged();
    world.clock.advance(HOUR);
    let report = world.run().await;
    assert_eq!((report.new_messages, report.changed_messages, report.gone_messages), (0, 0, 0));
    assert_eq!((report.requests, report.credits_spent, report.gaps_left), (7, 7, 0));
    assert_eq!(world.logged(), before);
    assert_eq!(world.number("SELECT count(*) FROM message_version"), 0);
}

/// The rows that the archive has for conversations, as address, name and number of messages.
fn conversations(world: &World) -> Vec<(Option<String>, Option<String>, i64)> {
    world.query("SELECT profile_url, conversation_id, messages FROM conversation_log ORDER BY 2", [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })
}

#[tokio::test]
async fn targets_that_turn_out_to_be_one_conversation_become_one_row_and_nothing_is_lost() {
    let url = "https://www.linkedin.com/in/ada-n0/".to_owned();
    let spelled = "https://fr.linkedin.com/in/Ada-N0?trk=x".to_owned();
    for version in [ApiVersion::V1, ApiVersion::V2] {
        for (profiles, by_id, archived_before) in [
            (vec![url.clone(), spelled.clone()], false, 0),
            (vec![url.clone()], true, 0),
            (vec![url.clone(), spelled.clone()], true, 1),
            (vec![url.clone(), spelled.clone()], true, 2),
        ] {
            let mut world = World::new(server(mailbox(&[137, 4]), Behaviour::default()), version).await;
            let ids = vec![(world.urn(0), None)];
            // What was configured at first may have been archived before the others were added.
            let alone = |i| Configured {
                account: "me".to_owned(),
                profiles: if i == 1 { vec![(spelled.clone(), None)] } else { vec![] },
                conversations: if i == 2 { ids.clone() } else { vec![] },
                ..Configured::default()
            };
            if archived_before > 0 {
                world.settings.accounts = vec![alone(archived_before)];
                world.run().await;
            }
            world.settings.accounts = vec![Configured {
                account: "me".to_owned(),
                profiles: profiles.iter().map(|p| (p.clone(), None)).collect(),
                conversations: if by_id { ids.clone() } else { vec![] },
                ..Configured::default()
            }];
            let report = world.run().await;
            assert_eq!(report.conversations.len(), 1, "{report:?}");
            assert_eq!(world.log_of(0).len(), 137);
            let rows = conversations(&world);
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert_eq!((rows[0].1.as_deref(), rows[0].2), (Some(world.urn(0).as_str()), 137));
            let report = world.run().await;
            assert_eq!((report.requests, report.new_messages), (1, 0), "{report:?}");
            assert_eq!((world.complete(), world.gaps().len()), (1, 0));
            world.assert_ledger();
            // The other conversation of the mailbox was never asked for.
            assert!(world.log_of(1).is_empty());
        }
    }
}
