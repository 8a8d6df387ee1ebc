//! A whole mailbox: twenty thousand messages in an export, and what a sync costs afterwards.

use archiver::api::ApiVersion;
use fake_linkup::model::Conversation;
use fake_linkup::synth::{self, SynthOptions};
use fake_linkup::{Author, Behaviour};

use super::{csv, world};
use crate::engine::world::{DAY, HOUR, NOW, World, server};
use crate::support::share;

#[tokio::test(flavor = "current_thread")]
async fn a_whole_mailbox_comes_from_the_export_and_credits_go_to_what_is_newer() {
    let options =
        SynthOptions { conversations: 190, max_messages: share(1_500), ..SynthOptions::at(NOW - DAY) };
    let mailbox = synth::mailbox(7, &options);
    let csv = csv::of(&mailbox, 7);
    let messages: usize = mailbox.conversations().iter().map(|c| c.visible().count()).sum();
    assert!(messages >= share(20_000), "{messages}");
    let brief = |c: &&Conversation| {
        let first = c.visible().next().map_or(0, |m| m.at_ms);
        c.last().is_some_and(|last| last.at_ms - first <= 6_000)
    };
    let short = u32::try_from(mailbox.conversations().iter().filter(brief).count()).unwrap();
    let mut world = World::new(server(mailbox, Behaviour::default()), ApiVersion::V1).await;
    world.discover();

    let report = world::import(&world, &csv, 0);
    let rows = u64::try_from(messages).unwrap();
    assert_eq!((report.rows, report.new_messages), (rows, rows));
    assert_eq!((report.odd_rows.len(), report.there, report.merged), (0, 0, 0));
    assert!(report.credits_saved > u64::try_from(share(2_000)).unwrap(), "{}", report.credits_saved);
    world::compare(&world).unwrap();

    // The inbox shows that nothing has come since: only it is read, ten conversations a credit.
    let run = world.run().await;
    assert_eq!(run.outcome.as_str(), "complete", "{run:?}");
    world::compare(&world).unwrap();
    let inbox: u32 = world.requests().iter().filter(|r| r.path.contains("inbox")).map(|r| r.charged).sum();
    let others = world.charged() - inbox;
    println!("{messages} messages: {inbox} credits for the inbox, {others} for conversations");
    assert!(inbox <= 19, "{inbox}");
    // Conversations of a few seconds are not covered.
    assert!(others <= short, "{others} credits, {short} short conversations");

    // Three messages in one conversation, twelve in another: 1 and 2 credits, and one for the inbox.
    for (conversation, count) in [(0, 3), (1, 12)] {
        for number in 0..count {
            let at = NOW + HOUR + i64::from(number) * 60_000;
            let text = format!("news {number}");
            world.server().mailbox_mut(0).unwrap().send(conversation, Author::Owner, at, &text).unwrap();
        }
        if let Some(c) = world.server().mailbox_mut(0).unwrap().conversation_mut(conversation) {
            c.in_inbox = true;
        }
    }
    world.clock.advance(DAY);
    let run = world.run().await;
    assert_eq!((run.outcome.as_str(), run.new_messages), ("complete", 15));
    assert!(world.charged() <= 5, "{}", world.charged());
    world::compare(&world).unwrap();

    // The same file once more, and a newer one.
    let before = world.number("SELECT count(*) FROM message");
    let again = world::import(&world, &csv, 0);
    assert_eq!((again.new_messages, again.there + again.merged), (0, rows));
    assert_eq!(world.number("SELECT count(*) FROM message"), before);
    let newer = csv::of(world.server().mailbox(0).unwrap(), 7);
    assert_eq!(world::import(&world, &newer, 0).new_messages, 0);
    world::compare(&world).unwrap();
    assert_eq!(world.run().await.new_messages, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn places_to_check_cost_about_a_credit_each_and_bring_edits_and_deletions() {
    let mailbox = crate::engine::world::mailbox(&[300, 200]);
    let csv = csv::of(&mailbox, 3);
    let mut world = World::new(server(mailbox, Behaviour::default()), ApiVersion::V1).await;
    let report = world::import(&world, &csv, 20);
    assert_eq!(report.checks, 20);
    let gaps = world.number("SELECT count(*) FROM gap");
    assert_eq!(gaps, 22, "the heads of both, and the places to check");
    assert_eq!(world::import(&world, &csv, 20).checks, 0, "the same places again are open already");
    assert_eq!(world.number("SELECT count(*) FROM gap"), gaps);
    for index in 0..300 {
        if index % 2 == 0 {
            world.server().mailbox_mut(0).unwrap().delete(0, index);
        }
    }
    let run = world.run().await;
    assert_eq!((run.outcome.as_str(), run.gaps_left), ("complete", 0), "{run:?}");
    assert!((18..=34).contains(&world.charged()), "{}", world.charged());
    let gone = world.number("SELECT count(*) FROM message WHERE gone_since_ms IS NOT NULL");
    let served = world.number("SELECT count(*) FROM message WHERE source IS NULL");
    println!("{} credits, {served} messages seen again, {gone} gone", world.charged());
    assert!(gone > 20 && served > 100, "{gone} gone, {served} served");
    world::compare(&world).unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_message_that_the_api_shows_later_becomes_the_apis_and_keeps_the_row_as_a_version() {
    let mailbox = crate::engine::world::mailbox(&[25]);
    let csv = csv::of(&mailbox, 5);
    let mut world = World::new(server(mailbox, Behaviour::default()), ApiVersion::V1).await;
    world::import(&world, &csv, 0);
    let raw = "SELECT raw FROM message_log ORDER BY sent_at_ms DESC LIMIT 1";
    let exported: String = world.query(raw, [], |r| r.get(0)).remove(0);
    assert!(exported.contains("\"CONVERSATION ID\""), "{exported}");
    let run = world.run().await;
    assert_eq!((run.new_messages, run.changed_messages, run.gone_messages), (0, 0, 0), "{run:?}");
    assert_eq!(world.charged(), 1);
    let served: String = world.query(raw, [], |r| r.get(0)).remove(0);
    assert!(served.contains("entity_urn"), "{served}");
    assert_eq!(world.number("SELECT count(*) FROM message_version"), 10);
    assert_eq!(world.number("SELECT sum(edited) FROM message_version"), 0);
    assert_eq!(world.number("SELECT count(*) FROM message_log WHERE source = 'api' AND versions = 1"), 10);
    assert_eq!(world.number("SELECT count(*) FROM message"), 25);
    assert_eq!(world.complete(), 1);
    let written = "SELECT sum(messages) FROM participant";
    assert_eq!(world.number(written), 25);
}
