//! A month of life: mailboxes that people write in, edit and delete, a server that fails in every way, a small budget.

use std::collections::{BTreeMap, BTreeSet};

use archiver::api::ApiVersion;
use archiver::core::budget::Caps;
use archiver::store::Configured;
use fake_linkup::Behaviour;
use fake_linkup::synth::{self, SynthOptions};
use fastrand::Rng;

use super::budgets::trouble;
use super::world::{HOUR, NOW, World, server};

/// What is asked for: everything by name, or what the inbox shows and the rest by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Named,
    Discovered,
}

impl World {
    /// Configures what the month has brought so far.
    fn want(&mut self, wanted: Wanted) {
        let server = self.server();
        let named = server.mailbox(0).unwrap().conversations().iter();
        let named = named.filter(|c| wanted == Wanted::Named || !c.in_inbox).map(|c| (c.urn.clone(), None));
        let configured = Configured {
            account: "me".to_owned(),
            conversations: named.collect(),
            discover: wanted == Wanted::Discovered,
            ..Configured::default()
        };
        drop(server);
        self.settings.inbox = wanted == Wanted::Discovered;
        self.settings.accounts = vec![configured];
    }

    /// Everything that is there is here, once, as it is or once was; nothing was made up, nothing there is called gone.
    fn assert_lived(&self) {
        let logged = self.logged();
        let versions: BTreeSet<(String, String)> = self
            .query(
                "SELECT m.entity_urn, v.text FROM message_version v JOIN message_log m ON m.message_id = v.message",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .into_iter()
            .collect();
        let server = self.server();
        for c in server.mailbox(0).unwrap().conversations() {
            let rows = logged.get(&c.urn).map_or(&[][..], Vec::as_slice);
            let here: BTreeMap<&str, _> = rows.iter().map(|r| (r.urn.as_deref().unwrap(), r)).collect();
            assert_eq!(here.len(), rows.len(), "a message is here twice");
            let there: BTreeMap<&str, _> = c.messages().iter().map(|m| (m.urn.as_str(), m)).collect();
            assert!(here.keys().all(|urn| there.contains_key(urn)), "a message was made up");
            for (urn, m) in &there {
                let Some(row) = here.get(urn) else {
                    assert!(m.deleted, "{} is missing: {m:?}", c.urn);
                    continue;
                };
                assert!(row.gone_since.is_none() || m.deleted, "{m:?} is there, but called gone");
                assert_eq!(row.at_ms, m.at_ms);
                let ever: Vec<&str> =
                    m.earlier.iter().map(|e| e.text.as_str()).chain([m.text.as_str()]).collect();
                assert!(ever.contains(&row.text.as_str()), "{row:?} was never said: {ever:?}");
                // What an edit replaced is kept.
                let kept = versions.iter().filter(|(u, _)| u == urn).count();
                assert!(kept >= usize::try_from(row.versions - 1).unwrap(), "{row:?}");
            }
        }
    }
}

async fn month(version: ApiVersion, wanted: Wanted, seed: u64) {
    let options = SynthOptions { conversations: 8, max_messages: 150, now_ms: NOW, years: 4 };
    let mailbox = synth::mailbox(seed, &options);
    let mut world = World::new(server(mailbox, Behaviour::default()), version).await;
    world.settings.caps = Caps { run: Some(9), day: Some(15), month: Some(400) };
    let mut rng = Rng::with_seed(seed);
    for day_half in 0..60 {
        for _ in 0..rng.usize(0..12) {
            world.clock.advance(rng.i64(1..HOUR));
            let now = world.clock_ms();
            synth::live(&mut world.server(), &mut rng, now);
        }
        // Good days and bad ones.
        match day_half % 10 {
            0 => world.server().faults.clear(),
            4 => trouble(&world, seed + day_half, 8.0),
            8 => trouble(&world, seed + day_half, 2.5),
            _ => {}
        }
        world.want(wanted);
        world.run().await;
        world.assert_lived_so_far();
        world.clock.advance(6 * HOUR);
    }
    let troubled = world.server().meter.charged();
    world.server().faults.clear();
    world.settings.caps = Caps::default();
    world.want(wanted);
    // Those that the inbox never shows are looked at ever less often while they are silent.
    let runs = if wanted == Wanted::Discovered { 70 } else { 20 };
    for _ in 0..runs {
        world.run().await;
        world.clock.advance(6 * HOUR);
    }
    world.assert_lived();
    world.assert_ledger();
    let conversations = world.number("SELECT count(*) FROM conversation");
    assert_eq!(world.complete(), conversations);
    let messages = world.number("SELECT count(*) FROM message_log");
    let changed = world.number("SELECT count(*) FROM message_log WHERE versions > 1");
    let gone = world.number("SELECT count(*) FROM message_log WHERE gone_since IS NOT NULL");
    eprintln!(
        "{version:?}, {wanted:?}: {messages} messages in {conversations} conversations, {changed} changed, {gone} gone, \
         {troubled} credits in 60 runs"
    );
    assert!(changed > 0 && gone > 0, "a month in which nothing happened");
}

impl World {
    /// What holds at any moment: no message twice, none made up, and the ledger covers what was charged.
    fn assert_lived_so_far(&self) {
        let twice = "SELECT count(*) - count(DISTINCT entity_urn) FROM message_log";
        assert_eq!(self.number(twice), 0);
        self.assert_ledger();
    }
}

#[tokio::test]
async fn a_month_of_v1_with_everything_named_ends_whole() {
    month(ApiVersion::V1, Wanted::Named, 1).await;
}

#[tokio::test]
async fn a_month_of_v2_with_everything_named_ends_whole() {
    month(ApiVersion::V2, Wanted::Named, 2).await;
}

#[tokio::test]
async fn a_month_of_v1_with_what_its_inbox_shows_ends_whole() {
    month(ApiVersion::V1, Wanted::Discovered, 3).await;
}

#[tokio::test]
async fn a_month_of_v2_with_what_its_inbox_shows_ends_whole() {
    month(ApiVersion::V2, Wanted::Discovered, 4).await;
}
