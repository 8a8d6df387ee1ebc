//! An API that is not what one takes it for: wrong times, two threads with one person, rows that leave the inbox, another
//! idea of prices.

use archiver::api::ApiVersion;
use archiver::core::budget::Caps;
use archiver::store::Configured;
use fake_linkup::behaviour::{CursorRule, Pricing};
use fake_linkup::faults::{Fault, FaultRule, When};
use fake_linkup::model::{Author, Person};
use fake_linkup::{Behaviour, Mailbox};

use super::inbox::say;
use super::world::{DAY, HOUR, NOW, World, mailbox, server};

/// Two threads with the same person, in this order of time; the API leads the profile to the first. So many others were
/// active in between.
fn twins(order: [i64; 2], between: i64) -> Mailbox {
    let mut mailbox = Mailbox::of("Olga", "Owner");
    for thread in order {
        let c = mailbox.new_conversation(vec![Person::named("Ada", "Twice")]);
        for i in 0..35 {
            let at = NOW - 40 * DAY + thread * 20 * DAY + i * HOUR;
            mailbox.send(c, Author::Other(0), at, &format!("thread {thread}, message {i}"));
        }
    }
    for other in 0..between {
        let c = mailbox.new_conversation(vec![Person::named("Bob", &format!("N{other}"))]);
        mailbox.send(c, Author::Other(0), NOW - 30 * DAY + other * HOUR, &format!("thread of {other}"));
    }
    mailbox
}

#[tokio::test]
async fn two_threads_with_one_person_are_never_mixed_and_a_profile_is_where_the_api_says() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        for discover in [true, false] {
            for (order, between) in [([0, 1], 0), ([1, 0], 0), ([0, 1], 30), ([1, 0], 30)] {
                let mailbox = twins(order, between);
                let url = mailbox.conversations()[0].others[0].profile_url.clone().unwrap();
                let wanted = mailbox.conversations()[0].urn.clone();
                let mut world = World::new(server(mailbox, Behaviour::default()), version).await;
                world.settings.accounts = vec![Configured {
                    account: "me".into(),
                    profiles: vec![(url, None)],
                    discover,
                    ..Configured::default()
                }];
                world.settings.inbox = true;
                for _ in 0..3 {
                    world.run().await;
                    world.clock.advance(HOUR);
                }
                let mixed =
                    "SELECT count(*) FROM (SELECT conversation_id FROM message_log GROUP BY conversation_id
                    HAVING count(DISTINCT substr(text, 1, 8)) > 1)";
                assert_eq!(world.number(mixed), 0);
                let of_profile = format!(
                    "SELECT messages FROM conversation_log WHERE conversation_id = '{wanted}' AND complete = 1"
                );
                let told = format!("{version:?} {discover} {order:?} {between}");
                assert_eq!(world.number(&of_profile), 35, "{told}");
                let all = world.number("SELECT count(*) FROM message_log");
                assert_eq!(all, if discover { 70 + between } else { 35 }, "{told}");
                world.assert_ledger();
            }
        }
    }
}

#[tokio::test]
async fn a_message_from_the_far_future_hides_none_that_come_after_it() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        // The inbox would show that message as the last one for ever: only looks at the conversations themselves help.
        let mut world = World::new(server(mailbox(&[40, 5]), Behaviour::default()), version).await;
        world.run().await;
        for conversation in [0, 1] {
            let at = 4_000_000_000_000 + i64::try_from(conversation).unwrap();
            world.server().mailbox_mut(0).unwrap().send(conversation, Author::Other(0), at, "from nowhere");
        }
        for _ in 0..3 {
            world.clock.advance(HOUR);
            say(&world, 0, 25);
            say(&world, 1, 3);
            world.run().await;
        }
        world.clock.advance(HOUR);
        world.run().await;
        assert_eq!(world.number("SELECT count(*) FROM message_log"), 45 + 2 + 3 * 28);
        assert_eq!(world.number("SELECT count(*) FROM message_log WHERE gone_since IS NOT NULL"), 0);
        assert_eq!(world.complete(), 2);
        let kept = "SELECT count(*) FROM message_log WHERE json_extract(raw, '$.timestamp') >= 4000000000000 AND sent_at_ms < 2000000000000";
        assert_eq!(world.number(kept), 2, "the served time is kept, but nobody goes by it");
        world.assert_ledger();
    }
}

#[tokio::test]
async fn a_conversation_that_leaves_the_inbox_is_looked_at_itself() {
    let mut world = World::new(server(mailbox(&[12, 12, 12]), Behaviour::default()), ApiVersion::V1).await;
    world.discover();
    world.run().await;
    world.clock.advance(HOUR);
    assert_eq!(world.run().await.credits_spent, 1);
    for hidden in [0, 1] {
        world.server().mailbox_mut(0).unwrap().conversation_mut(hidden).unwrap().in_inbox = false;
    }
    world.clock.advance(HOUR);
    say(&world, 0, 4);
    say(&world, 1, 13);
    for _ in 0..4 {
        world.run().await;
        world.clock.advance(HOUR);
    }
    world.assert_archived();
    assert_eq!(world.number("SELECT count(*) FROM message_log"), 36 + 17);
}

#[tokio::test]
async fn what_left_the_inbox_below_its_first_page_is_found_when_the_inbox_is_read_again() {
    let mut world = World::new(server(mailbox(&[3; 30]), Behaviour::default()), ApiVersion::V2).await;
    world.discover();
    world.settings.recheck_days = Some(7);
    world.run().await;
    world.clock.advance(HOUR);
    let last = |i: &usize| world.server().mailbox(0).unwrap().conversation(*i).unwrap().last().unwrap().at_ms;
    let oldest = (0..30).min_by_key(last).unwrap();
    world.server().mailbox_mut(0).unwrap().conversation_mut(oldest).unwrap().in_inbox = false;
    for conversation in (0..30).filter(|i| *i != oldest).take(9).chain([oldest]) {
        say(&world, conversation, 2);
    }
    world.run().await;
    assert_eq!(world.log_of(oldest).len(), 3, "nothing tells of it");
    for _ in 0..8 {
        world.clock.advance(DAY);
        world.run().await;
    }
    world.clock.advance(HOUR);
    world.run().await;
    assert_eq!(world.log_of(oldest).len(), 5);
    world.assert_archived();
    world.clock.advance(HOUR);
    assert!(world.run().await.credits_spent <= 2, "the inbox, and what is not in it");
}

#[tokio::test]
async fn an_inbox_that_says_it_is_short_is_believed_for_ten_conversations_at_a_time() {
    let mut world = World::new(server(mailbox(&[3; 60]), Behaviour::default()), ApiVersion::V2).await;
    world.discover();
    world.run().await;
    world.clock.advance(HOUR);
    world.server().faults.add(FaultRule::once(Fault::EmptyEnd));
    let report = world.run().await;
    assert_eq!((report.requests, report.gaps_left), (11, 0), "{report:?}");
    world.clock.advance(HOUR);
    world.run().await;
    world.assert_archived();
}

#[tokio::test]
async fn an_inbox_whose_last_cursor_leads_nowhere_is_asked_ever_less_often() {
    let mut world = World::new(server(mailbox(&[3; 45]), Behaviour::default()), ApiVersion::V1).await;
    world.discover();
    let below = When { path: Some("inbox".to_owned()), cursor: Some(true), ..When::default() };
    world.server().faults.add(FaultRule::always(Fault::RepeatCursor).when(below));
    world.run().await;
    let mut spent = 0;
    for _ in 0..40 {
        world.clock.advance(HOUR);
        spent += world.run().await.credits_spent;
    }
    assert!(spent <= 40 + 25, "{spent} credits in 40 runs");
    world.server().faults.clear();
    for _ in 0..70 {
        world.clock.advance(HOUR);
        world.run().await;
    }
    world.assert_archived();
}

#[tokio::test]
async fn what_the_inbox_shows_is_waited_for_where_a_page_lags_behind() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let mut world = World::new(server(mailbox(&[12, 0, 30]), Behaviour::default()), version).await;
        world.discover();
        world.run().await;
        world.clock.advance(HOUR);
        let before = world.clock_ms();
        for conversation in 0..3 {
            world.server().mailbox_mut(0).unwrap().conversation_mut(conversation).unwrap().pages_up_to =
                Some(before);
        }
        world.clock.advance(HOUR);
        for conversation in 0..3 {
            say(&world, conversation, 2);
        }
        let report = world.run().await;
        assert_eq!((report.new_messages, report.gaps_left), (0, 3), "{report:?}");
        assert_eq!(world.complete(), 0, "the inbox shows more than there is");
        world.clock.advance(HOUR);
        for conversation in 0..3 {
            world.server().mailbox_mut(0).unwrap().conversation_mut(conversation).unwrap().pages_up_to = None;
        }
        let report = world.run().await;
        assert_eq!((report.new_messages, report.gaps_left), (6, 0), "{report:?}");
        world.assert_archived();
    }
}

#[tokio::test]
async fn what_pages_never_show_is_not_waited_for_without_end() {
    let mut world = World::new(server(mailbox(&[12]), Behaviour::default()), ApiVersion::V1).await;
    world.discover();
    world.run().await;
    world.clock.advance(HOUR);
    let before = world.clock_ms();
    world.server().mailbox_mut(0).unwrap().conversation_mut(0).unwrap().pages_up_to = Some(before);
    world.clock.advance(HOUR);
    say(&world, 0, 1);
    let mut spent = 0;
    for _ in 0..40 {
        spent += world.run().await.credits_spent;
        world.clock.advance(HOUR);
    }
    assert_eq!((spent, world.complete()), (40 + 5, 1));
}

#[tokio::test]
async fn a_conversation_that_moved_up_without_a_message_hides_no_news_below_it() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let mut world = World::new(server(mailbox(&[3; 30]), Behaviour::default()), version).await;
        world.discover();
        world.run().await;
        world.clock.advance(HOUR);
        for conversation in 0..5 {
            say(&world, conversation, 1);
        }
        world.clock.advance(HOUR);
        let now = world.clock_ms();
        world.server().mailbox_mut(0).unwrap().conversation_mut(29).unwrap().moved_up_ms = Some(now);
        world.clock.advance(HOUR);
        for conversation in 10..19 {
            say(&world, conversation, 1);
        }
        let report = world.run().await;
        assert_eq!((report.new_messages, report.credits_spent), (14, 2 + 14), "{report:?}");
        world.assert_archived();
        world.clock.advance(HOUR);
        assert_eq!(world.run().await.credits_spent, 1, "nothing has left the inbox");
    }
}

#[tokio::test]
async fn a_profile_that_is_configured_later_buys_nothing_that_is_archived() {
    let mut world = World::new(server(mailbox(&[60, 60]), Behaviour::default()), ApiVersion::V1).await;
    world.discover();
    world.run().await;
    world.by_profile();
    world.settings.accounts[0].discover = true;
    world.clock.advance(HOUR);
    let report = world.run().await;
    assert_eq!((report.credits_spent, report.new_messages), (1, 0));
    assert_eq!(world.number("SELECT count(*) FROM conversation_log"), 2);
}

#[tokio::test]
async fn where_v1_charges_what_was_asked_for_the_caps_hold_and_the_ledger_says_so() {
    let behaviour = Behaviour { v1_pricing: Pricing::Requested, ..Behaviour::default() };
    let mut world = World::new(server(mailbox(&[12, 33, 7, 51, 12, 12]), behaviour), ApiVersion::V1).await;
    world.server().meter.balance = 500;
    world.settings.reconcile = true;
    world.cap_runs(7);
    for _ in 0..12 {
        let report = world.run().await;
        assert_eq!(report.credits_spent, world.charged(), "{report:?}");
        world.clock.advance(HOUR);
    }
    world.assert_archived();
    assert_eq!(world.complete(), 6);
}

#[tokio::test]
async fn what_a_budget_left_unasked_is_not_said_to_be_complete() {
    let mut world = World::new(server(mailbox(&[12, 12, 12]), Behaviour::default()), ApiVersion::V1).await;
    assert!(world.run().await.horizon.is_some());
    world.clock.advance(HOUR);
    (0..3).for_each(|conversation| say(&world, conversation, 1));
    world.cap_runs(1);
    let report = world.run().await;
    assert_eq!((report.credits_spent, report.horizon), (1, None));
    world.settings.caps = Caps::default();
    assert!(world.run().await.horizon.is_some());
}

#[tokio::test]
async fn an_instant_that_no_cap_pays_for_stays_a_gap_and_hides_nothing_below_it() {
    for cursor in [CursorRule::Exclusive, CursorRule::Inclusive] {
        let mut mailbox = mailbox(&[30]);
        for i in 0..25 {
            mailbox.send(0, Author::Other(0), NOW - DAY + HOUR, &format!("at once {i}"));
        }
        mailbox.send(0, Author::Other(0), NOW - HOUR, "the last");
        let behaviour = Behaviour { cursor, ..Behaviour::default() };
        let mut world = World::new(server(mailbox, behaviour), ApiVersion::V2).await;
        world.cap_runs(1);
        for _ in 0..30 {
            world.run().await;
            world.clock.advance(DAY);
        }
        assert_eq!(world.number("SELECT count(*) FROM message_log WHERE text NOT LIKE 'at once%'"), 31);
        let gap = "SELECT count(*) FROM gap_log WHERE newer_ms = older_ms AND stalled IS NOT NULL";
        assert!(world.number(gap) >= 1 && world.complete() == 0);
        world.cap_runs(6);
        for _ in 0..12 {
            world.run().await;
            world.clock.advance(DAY);
        }
        assert_eq!(world.number("SELECT count(*) FROM message_log"), 56);
        world.assert_archived();
        assert_eq!((world.complete(), world.gaps().len()), (1, 0), "{cursor:?}");
        world.assert_ledger();
    }
}
