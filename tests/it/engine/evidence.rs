//! What proves that nothing is missing: messages that are known, and the server's count; never a position in time alone.

use archiver::api::ApiVersion;
use archiver::store::verify::{Depth, verify};
use fake_linkup::faults::{Fault, FaultRule, When};
use fake_linkup::{Author, Behaviour};

use super::inbox::say;
use super::world::{DAY, HOUR, NOW, World, mailbox, server};
use crate::support::sample;

const BOTH: [ApiVersion; 2] = [ApiVersion::V1, ApiVersion::V2];

fn send(world: &World, conversation: usize, at: i64, text: &str) {
    let mut server = world.server();
    server.mailbox_mut(0).unwrap().send(conversation, Author::Other(0), at, text).unwrap();
}

#[tokio::test]
async fn a_message_dated_ahead_hides_none_of_those_that_come_after_it() {
    let mut cases = Vec::new();
    for version in BOTH {
        for ahead in [HOUR, 3 * DAY, 40 * DAY] {
            cases.extend([11, 14, 25].map(|news| (version, ahead, news)));
        }
    }
    for (version, ahead, news) in sample(cases, 5) {
        let mut world = World::new(server(mailbox(&[40]), Behaviour::default()), version).await;
        world.run().await;
        send(&world, 0, world.clock_ms() + ahead, "from tomorrow");
        world.run().await;
        world.clock.advance(HOUR / 2);
        say(&world, 0, news);
        for _ in 0..6 {
            world.run().await;
            world.clock.advance(60_000);
        }
        let all = i64::try_from(41 + news).unwrap();
        assert_eq!(world.number("SELECT count(*) FROM message_log"), all, "{version:?} {ahead} {news}");
        assert_eq!(world.number("SELECT count(*) FROM message_log WHERE gone_since IS NOT NULL"), 0);
        assert_eq!((world.complete(), world.gaps().len()), (1, 0), "{version:?} {ahead} {news}");
        world.assert_archived();
        world.assert_ledger();
    }
}

#[tokio::test]
async fn a_cursor_that_went_up_once_is_not_kept() {
    for version in BOTH {
        let mut world = World::new(server(mailbox(&[137]), Behaviour::default()), version).await;
        world.settings.page_size = 20;
        let when = When { cursor: Some(true), ..When::default() };
        world.server().faults.add(FaultRule::once(Fault::CursorUp).when(when));
        world.run().await;
        assert_eq!(world.complete(), 0);
        world.run().await;
        assert_eq!((world.complete(), world.gaps().len()), (1, 0), "{version:?}: {:?}", world.gaps());
        world.assert_archived();
        assert_eq!(world.run().await.credits_spent, 1);
    }
}

#[tokio::test]
async fn a_campaign_in_one_millisecond_leaves_no_conversation_out() {
    for version in sample(BOTH.to_vec(), 2) {
        let mut world = World::new(server(mailbox(&[3; 40]), Behaviour::default()), version).await;
        world.discover();
        world.run().await;
        for round in 0..4 {
            world.clock.advance(HOUR);
            let at = world.clock_ms() - 1000;
            (0..40).for_each(|c| send(&world, c, at, &format!("campaign {round}")));
            world.run().await;
            world.run().await;
            let sql = format!("SELECT count(*) FROM message_log WHERE text = 'campaign {round}'");
            assert_eq!(world.number(&sql), 40, "{version:?}, round {round}");
        }
        world.assert_archived();
        assert_eq!((world.complete(), world.gaps().len()), (40, 0));
        // An instant that has long passed is read to its end once more, and then no more.
        world.clock.advance(HOUR);
        world.run().await;
        world.clock.advance(HOUR);
        assert_eq!(world.run().await.credits_spent, 1, "{:?}", world.requests());
        world.assert_ledger();
    }
}

#[tokio::test]
async fn a_message_that_turns_up_late_is_missed_by_the_count_and_found() {
    let mut world = World::new(server(mailbox(&[80, 5]), Behaviour::default()), ApiVersion::V2).await;
    world.run().await;
    assert_eq!(world.complete(), 2);
    send(&world, 0, NOW - DAY - 40 * HOUR - 1234, "accepted at last");
    world.cap_runs(3);
    world.clock.advance(HOUR);
    world.run().await;
    assert_eq!(world.complete(), 1, "the count is doubted at once");
    assert!(world.gaps().iter().flatten().any(|why| why.contains("counts more")), "{:?}", world.gaps());
    for _ in 0..6 {
        world.clock.advance(HOUR);
        world.run().await;
    }
    assert_eq!(world.number("SELECT count(*) FROM message_log WHERE text = 'accepted at last'"), 1);
    assert_eq!((world.complete(), world.gaps().len()), (2, 0), "{:?}", world.gaps());
    world.assert_archived();
    world.assert_ledger();
}

#[tokio::test]
async fn another_persons_session_stores_nothing_and_the_owners_goes_on() {
    for version in BOTH {
        for inbox in [false, true] {
            let mut world = World::new(server(mailbox(&[40, 12]), Behaviour::default()), version).await;
            world.settings.inbox = inbox;
            world.run().await;
            let (own, before) = (world.server().mailbox(0).unwrap().clone(), world.logged());
            let mut other = fake_linkup::Mailbox::of("Eve", "Other");
            for (n, size) in [36_usize, 12].into_iter().enumerate() {
                let colleague = fake_linkup::Person::named("Ida", &format!("M{n}"));
                other.with_messages(colleague, size, NOW - 9 * DAY, HOUR);
            }
            *world.server().mailbox_mut(0).unwrap() = other;
            world.clock.advance(HOUR);
            let report = world.run().await;
            let said = format!("{report:?}");
            assert_eq!(world.logged(), before, "{version:?} {inbox}");
            assert!(report.credits_spent <= if inbox { 1 } else { 2 }, "{said}");
            assert!(!inbox || said.contains("another person's"), "{said}");
            *world.server().mailbox_mut(0).unwrap() = own;
            world.clock.advance(HOUR);
            say(&world, 0, 3);
            for _ in 0..3 {
                world.run().await;
                world.clock.advance(HOUR);
            }
            world.assert_archived();
            assert_eq!(world.complete(), 2);
        }
    }
}

#[tokio::test]
async fn a_page_of_another_thread_is_not_stored_and_takes_nothing_for_gone() {
    for version in BOTH {
        let behaviour =
            Behaviour { v1_conversation_id: false, v2_conversation_id: false, ..Behaviour::default() };
        let mut world = World::new(server(mailbox(&[40, 12]), behaviour), version).await;
        world.run().await;
        let before = world.logged();
        let when = When { conversation: Some(world.urn(0)), ..When::default() };
        world.server().faults.add(FaultRule::always(Fault::OtherConversation).when(when));
        for _ in 0..3 {
            world.clock.advance(HOUR);
            world.run().await;
        }
        assert_eq!(world.logged(), before, "{version:?}");
        assert_eq!(world.complete(), 1);
        world.server().faults.clear();
        for _ in 0..4 {
            world.clock.advance(HOUR);
            world.run().await;
        }
        assert_eq!((world.complete(), world.gaps().len()), (2, 0), "{:?}", world.gaps());
        world.assert_archived();
    }
}

#[tokio::test]
async fn a_clock_that_was_wrong_for_a_while_loses_and_doubles_nothing() {
    for version in BOTH {
        for new_within in [false, true] {
            let mut world = World::new(server(mailbox(&[39, 12]), Behaviour::default()), version).await;
            if !new_within {
                world.run().await;
            }
            world.server().faults.add(FaultRule::always(Fault::TimesAhead));
            world.cap_runs(3);
            for round in 0..3 {
                world.clock.advance(HOUR);
                say(&world, 0, 2 + round);
                world.run().await;
            }
            world.server().faults.clear();
            for _ in 0..12 {
                world.clock.advance(HOUR);
                world.run().await;
            }
            assert_eq!((world.complete(), world.gaps().len()), (2, 0), "{version:?}: {:?}", world.gaps());
            assert_eq!(world.number("SELECT count(*) FROM message_log"), 39 + 12 + 9, "{version:?}");
            assert_eq!(world.number("SELECT count(*) FROM message_log WHERE gone_since IS NOT NULL"), 0);
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_a_while_edits_nothing_and_keeps_the_archive_sound() {
    for version in BOTH {
        let mut world = World::new(server(mailbox(&[9]), Behaviour::default()), version).await;
        world.run().await;
        let changes = |world: &World| world.number("SELECT max(change) FROM message");
        let before = changes(&world);
        world.server().faults.add(FaultRule::always(Fault::TimesAhead));
        world.clock.advance(HOUR);
        let report = world.run().await;
        assert_eq!((changes(&world), report.changed_messages), (before, 0), "{version:?}");
        assert!(world.server().mailbox_mut(0).unwrap().edit(0, 4, "in other words"));
        world.run().await;
        assert_eq!(world.number("SELECT count(*) FROM message_version WHERE edited"), 1);
        let findings = |world: &World| verify(&world.path(), Depth::Full, &mut |_| ()).unwrap().findings;
        assert_eq!(findings(&world), [], "{version:?}");
        world.server().faults.clear();
        world.run().await;
        assert_eq!(findings(&world), [], "{version:?}");
        world.assert_archived();
    }
}

#[tokio::test]
async fn an_end_that_is_never_told_is_settled_by_the_count_or_asked_ever_less_often() {
    for version in sample(BOTH.to_vec(), 2) {
        let mut world = World::new(server(mailbox(&[25, 12, 3]), Behaviour::default()), version).await;
        world.server().faults.add(FaultRule::always(Fault::NeverEnds));
        let mut spent = Vec::new();
        for _ in 0..96 {
            spent.push(world.run().await.credits_spent);
            world.clock.advance(HOUR / 2);
        }
        let of = |day: usize| spent[day * 48..(day + 1) * 48].iter().sum::<u32>();
        // Each of the three is polled once a run where no inbox tells of news.
        let polls = 3 * 48;
        assert!(of(1) <= polls + 3, "{version:?}: {} then {}: {spent:?}", of(0), of(1));
        world.assert_archived();
        if version == ApiVersion::V2 {
            assert_eq!(world.complete(), 3, "{:?}", world.gaps());
        }
        world.server().faults.clear();
    }
}

#[tokio::test]
async fn a_message_whose_id_is_spelled_otherwise_is_the_same_message() {
    for version in BOTH {
        let mut world = World::new(server(mailbox(&[24, 12]), Behaviour::default()), version).await;
        world.run().await;
        world.server().faults.add(FaultRule::always(Fault::Respelled));
        for _ in 0..3 {
            world.clock.advance(HOUR);
            say(&world, 0, 2);
            world.run().await;
        }
        world.server().faults.clear();
        world.clock.advance(HOUR);
        world.run().await;
        assert_eq!(world.number("SELECT count(*) FROM message_log"), 24 + 12 + 6, "{version:?}");
        assert_eq!(world.number("SELECT count(*) FROM message_log WHERE gone_since IS NOT NULL"), 0);
        assert_eq!((world.complete(), world.gaps().len()), (2, 0), "{version:?}: {:?}", world.gaps());
    }
}

#[tokio::test]
async fn a_price_that_lies_lifts_no_cap_and_closes_no_month() {
    for (fault, most) in [(Fault::SaidFree, 20), (Fault::SaidDear, 20)] {
        let mut world = World::new(server(mailbox(&[300]), Behaviour::default()), ApiVersion::V2).await;
        world.settings.caps.run = Some(most);
        world.server().faults.add(FaultRule::always(fault.clone()));
        let report = world.run().await;
        let booked = world.number("SELECT sum(ifnull(credits_spent, credits_reserved)) FROM request");
        assert!(world.charged() <= most, "{fault}: {} charged, {report:?}", world.charged());
        assert!(i64::from(world.charged()) <= booked && booked <= i64::from(most), "{fault}: {booked}");
        assert!(report.new_messages > 0, "{fault}: {report:?}");
    }
}
