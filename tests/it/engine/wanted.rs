//! Which of the conversations in an inbox are archived, and what happens when that changes.

use archiver::api::ApiVersion;
use archiver::core::inbox::filter::Wanted;
use fake_linkup::Behaviour;
use fake_linkup::model::Person;

use super::world::{HOUR, NOW, World, server};
use fake_linkup::{Author, Mailbox};

const NAMES: [(&str, &str); 4] =
    [("Ada", "Example"), ("Béla", "Sample"), ("Cleo", "Recruiter"), ("Dan", "Recruiting")];

fn mailbox() -> Mailbox {
    let mut mailbox = Mailbox::new(Person::named("Me", "Myself"));
    for (index, (first, last)) in NAMES.iter().enumerate() {
        let conversation = mailbox.new_conversation(vec![Person::named(first, last)]);
        for n in 0..12 {
            let at = NOW - HOUR * 500 + i64::try_from(index * 100 + n).unwrap() * 60_000;
            mailbox.send(conversation, Author::Other(0), at, &format!("{first} says {n}")).unwrap();
        }
    }
    mailbox
}

fn rules(include: &[&str], exclude: &[&str]) -> Wanted {
    let own = |rules: &[&str]| rules.iter().map(|r| (*r).to_owned()).collect();
    Wanted { include: own(include), exclude: own(exclude) }
}

impl World {
    fn want_only(&mut self, wanted: Wanted) {
        self.settings.accounts[0].wanted = wanted;
    }

    fn archived(&self) -> Vec<String> {
        self.query(
            "SELECT name || ' ' || messages FROM conversation_log WHERE complete = 1 ORDER BY name",
            [],
            |row| row.get(0),
        )
    }
}

#[tokio::test]
async fn what_is_excluded_costs_nothing_and_leaves_no_trace() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let mut world = World::new(server(mailbox(), Behaviour::default()), version).await;
        world.discover();
        world.want_only(rules(&[], &["*recruit*"]));
        let report = world.run().await;
        assert_eq!((report.outcome.as_str(), report.gaps_left), ("complete", 0));
        assert_eq!(world.archived(), ["Ada Example 12", "Béla Sample 12"]);
        let names = world.number("SELECT count(*) FROM conversation WHERE name LIKE '%recruit%'");
        assert_eq!(names, 0);
        world.clock.advance(HOUR);
        assert_eq!(world.run().await.credits_spent, 1);
    }
}

#[tokio::test]
async fn what_is_wanted_later_is_found_later_and_what_is_no_longer_wanted_is_kept_and_left_alone() {
    let mut world = World::new(server(mailbox(), Behaviour::default()), ApiVersion::V2).await;
    world.discover();
    world.want_only(rules(&["ada*", "Cleo Recruiter"], &[]));
    world.run().await;
    assert_eq!(world.archived(), ["Ada Example 12", "Cleo Recruiter 12"]);
    world.clock.advance(HOUR);
    world.want_only(rules(&[], &["cleo*"]));
    world.run().await;
    assert_eq!(
        world.archived(),
        ["Ada Example 12", "Béla Sample 12", "Cleo Recruiter 12", "Dan Recruiting 12"]
    );
    let at = world.clock_ms();
    world.server().mailbox_mut(0).unwrap().send(2, Author::Other(0), at, "news of Cleo").unwrap();
    world.clock.advance(HOUR);
    let report = world.run().await;
    assert_eq!((report.new_messages, report.credits_spent), (0, 1));
    // That something is missing there is known, and it is fetched as soon as it is wanted again.
    let gaps = "SELECT count(*) FROM gap_log WHERE conversation = 'Cleo Recruiter'";
    assert_eq!(world.number(gaps), 1);
    world.want_only(rules(&[], &[]));
    world.clock.advance(HOUR);
    assert_eq!(world.run().await.new_messages, 1);
    world.assert_archived();
}

#[tokio::test]
async fn an_inbox_that_was_only_probed_is_walked_again_when_it_is_to_be_discovered() {
    let mut world = World::new(server(mailbox(), Behaviour::default()), ApiVersion::V1).await;
    world.settings.inbox = true;
    let first = world.settings.accounts[0].conversations[0].clone();
    world.settings.accounts[0].conversations = vec![first];
    world.run().await;
    assert_eq!(world.archived().len(), 1);
    world.settings.accounts[0].discover = true;
    world.clock.advance(HOUR);
    world.run().await;
    assert_eq!(world.archived().len(), 4);
    world.assert_archived();
}
