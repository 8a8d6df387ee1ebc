//! Messages of one millisecond: paging is by time, so they are the ones that slip through borders.

use archiver::api::ApiVersion;
use fake_linkup::behaviour::{CursorRule, Presence};
use fake_linkup::{Author, Behaviour, Mailbox, Person};

use super::world::{DAY, HOUR, NOW, World, server};
use crate::support::sample;

const RULES: [CursorRule; 2] = [CursorRule::Exclusive, CursorRule::Inclusive];

/// A conversation of `above + ties + 15` messages, `ties` of them in one millisecond.
fn tied(above: usize, ties: usize, text: impl Fn(usize) -> String) -> Mailbox {
    let mut mailbox = Mailbox::of("Olga", "Owner");
    let c = mailbox.new_conversation(vec![Person::named("Ada", "Tied")]);
    let mut at = NOW - 30 * DAY;
    for i in 0..15 + ties + above {
        let inside = i > 15 && i < 15 + ties;
        at += if inside { 0 } else { HOUR };
        mailbox.send(c, if i % 3 == 0 { Author::Owner } else { Author::Other(0) }, at, &text(i));
    }
    mailbox
}

async fn archive(world: &mut World, runs: u32) {
    world.run_until_quiet(runs).await;
    world.assert_archived();
    world.assert_ledger();
    assert_eq!((world.complete(), world.gaps().len()), (1, 0));
}

#[tokio::test]
async fn two_to_twelve_messages_of_one_millisecond_are_all_found_wherever_a_page_ends() {
    let mut cases = Vec::new();
    for cursor in RULES {
        for ties in 2..=12 {
            cases.extend([3, 10 - ties.min(10) / 2, 9, 10].map(|above| (cursor, ties, above)));
        }
    }
    for (cursor, ties, above) in sample(cases, 7) {
        let behaviour = Behaviour { cursor, ..Behaviour::default() };
        let mailbox = tied(above, ties, |i| format!("message {i}"));
        let mut world = World::new(server(mailbox, behaviour), ApiVersion::V1).await;
        world.settings.page_size = 10;
        archive(&mut world, 3).await;
        let (here, least) = (above + ties + 15, (above + ties + 15).div_ceil(10));
        let charged = usize::try_from(world.server().meter.charged()).unwrap();
        // The head once more, a page wasted on ties, and messages that are read twice.
        assert!(charged <= least + 6, "{charged} credits for {here} messages, {ties} ties below {above}");
    }
}

#[tokio::test]
async fn small_budgets_find_them_too_as_long_as_a_request_may_hold_them_all() {
    for cursor in RULES {
        for (ties, budget) in [(2, 1), (9, 1), (10, 2), (12, 2), (12, 3), (19, 2), (25, 3)] {
            let behaviour = Behaviour { cursor, ..Behaviour::default() };
            let mailbox = tied(8, ties, |i| format!("message {i}"));
            let mut world = World::new(server(mailbox, behaviour), ApiVersion::V2).await;
            world.cap_runs(budget);
            archive(&mut world, 40).await;
        }
    }
}

#[tokio::test]
async fn more_ties_than_the_budget_can_ask_for_stay_a_gap_and_are_found_when_it_can() {
    for cursor in RULES {
        let behaviour = Behaviour { cursor, ..Behaviour::default() };
        let mailbox = tied(5, 25, |i| format!("message {i}"));
        let mut world = World::new(server(mailbox, behaviour), ApiVersion::V1).await;
        world.cap_runs(1);
        for _ in 0..12 {
            world.run().await;
            world.clock.advance(DAY);
            assert_eq!((world.complete(), world.gaps().is_empty()), (0, false));
        }
        world.cap_runs(5);
        archive(&mut world, 12).await;
    }
}

#[tokio::test]
async fn equal_messages_without_ids_in_one_millisecond_are_counted_not_merged() {
    for cursor in RULES {
        for ties in [2, 4, 7, 12] {
            for above in [6, 8, 10] {
                let behaviour = Behaviour { cursor, entity_urn: Presence::Absent, ..Behaviour::default() };
                // Everybody says the same all the time.
                let mailbox = tied(above, ties, |_| "ok".to_owned());
                let mut world = World::new(server(mailbox, behaviour), ApiVersion::V1).await;
                world.settings.page_size = 10;
                archive(&mut world, 3).await;
                let before = world.logged();
                world.run().await;
                assert_eq!(world.logged(), before);
            }
        }
    }
}

#[tokio::test]
async fn news_in_the_millisecond_of_the_newest_stored_message_are_not_lost() {
    for cursor in RULES {
        for news in [1, 2, 9, 10, 11, 24] {
            for entity_urn in [Presence::Present, Presence::Absent] {
                let behaviour = Behaviour { cursor, entity_urn, ..Behaviour::default() };
                let mut world =
                    World::new(server(tied(3, 2, |i| format!("message {i}")), behaviour), ApiVersion::V1)
                        .await;
                archive(&mut world, 3).await;
                let at = world.message(0, 19).at_ms;
                for i in 0..news {
                    let sent = world.server().mailbox_mut(0).unwrap().send(
                        0,
                        Author::Owner,
                        at,
                        &format!("news {}", i / 2),
                    );
                    assert_eq!(sent, Some(20 + i));
                }
                let report = world.run().await;
                assert_eq!(report.new_messages, u32::try_from(news).unwrap(), "{cursor:?} {entity_urn:?}");
                archive(&mut world, 3).await;
            }
        }
    }
}

#[tokio::test]
async fn news_that_arrive_while_the_history_is_walked_are_found_by_the_next_run() {
    for cursor in RULES {
        let behaviour = Behaviour { cursor, ..Behaviour::default() };
        let mut world =
            World::new(server(tied(30, 12, |i| format!("message {i}")), behaviour), ApiVersion::V1).await;
        world.cap_runs(2);
        for i in 0..25 {
            let newest = world.server().mailbox(0).unwrap().conversation(0).unwrap().last().unwrap().at_ms;
            // Each time a few, some in the millisecond of the newest.
            for n in 0..i % 4 {
                world.server().mailbox_mut(0).unwrap().send(
                    0,
                    Author::Other(0),
                    newest + n / 2,
                    &format!("{i} {n}"),
                );
            }
            world.run().await;
            world.clock.advance(HOUR);
        }
        world.settings.caps.run = None;
        archive(&mut world, 5).await;
    }
}
