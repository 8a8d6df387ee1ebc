//! A message dated ahead through the binary: it hides nothing, and is not erased for what it stands beside.

use std::time::{SystemTime, UNIX_EPOCH};

use fake_linkup::Author;

use super::erase::{discovering, erase};
use crate::binary::{FakeApi, HOUR, Home, server};

/// An archive of a conversation of long ago, in which a message dated two hours ahead has just arrived.
fn with_one_ahead(version: &str) -> (FakeApi, Home, i64) {
    let api = FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3)]));
    let home = discovering(&api, version);
    home.sync_until_complete();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let ahead = i64::try_from(now).unwrap() + 2 * HOUR;
    send(&api, Author::Other(0), ahead, "dated ahead");
    (api, home, ahead)
}

fn send(api: &FakeApi, author: Author, at: i64, text: &str) {
    api.server().mailbox_mut(0).unwrap().send(0, author, at, text).unwrap();
}

#[test]
fn it_hides_nothing_that_comes_after_it_from_a_look_at_the_inbox() {
    for version in ["v1", "v2"] {
        let (api, home, ahead) = with_one_ahead(version);
        home.sync();
        for n in 0..15 {
            send(&api, Author::Other(0), ahead - HOUR + n, "after it");
        }
        home.sync();
        assert_eq!(home.count("SELECT count(*) FROM message_log WHERE text = 'after it'"), 15);
        // The owner's own leave no trace in the inbox at all.
        send(&api, Author::Owner, ahead - HOUR + 20, "an answer");
        for _ in 0..4 {
            home.sync();
        }
        assert_eq!(home.count("SELECT count(*) FROM message_log WHERE text = 'an answer'"), 1);
        home.sync_until_complete();
        let charged = api.charged();
        home.sync();
        assert!(api.charged() - charged <= 2, "{}", api.charged() - charged);
        home.run(&["verify"]).expect(0);
    }
}

#[test]
fn it_is_as_old_as_it_is_stored_for_whatever_erases_by_date() {
    for version in ["v1", "v2"] {
        let (api, home, ahead) = with_one_ahead(version);
        home.sync();
        home.run(&["backup", "copy.db"]).expect(0);
        let told = erase(&home, &["--before", "2025-01-01"]);
        assert_eq!(told["messages"], 15);
        let left = || home.sql::<String>("SELECT text FROM message_log");
        assert_eq!(left(), ["dated ahead"]);
        let erasures = || home.count("SELECT count(*) FROM erasure_log");
        assert_eq!(erasures(), 1);
        home.edit("[budget]", "[retention]\nkeep_days = 10\n\n[budget]");
        home.sync();
        assert_eq!((left(), erasures()), (vec!["dated ahead".to_owned()], 1));
        // Also in a backup in which it still stands beside the others.
        home.run(&["restore", "copy.db", "--json"]).expect(0);
        assert_eq!(left(), ["dated ahead"]);
        send(&api, Author::Owner, ahead - HOUR, "an answer");
        home.sync();
        home.sync();
        assert_eq!(home.count("SELECT count(*) FROM message_log"), 2);
        home.run(&["verify"]).expect(0);
    }
}

#[test]
fn one_that_comes_after_an_erasure_is_dated_and_that_is_no_erasure() {
    let (_api, home, _) = with_one_ahead("v1");
    erase(&home, &["--before", "2025-01-01"]);
    home.sync();
    assert_eq!(home.sql::<String>("SELECT text FROM message_log WHERE sent_at < '2025'"), ["dated ahead"]);
    erase(&home, &["--before", "2025-01-01"]);
    assert_eq!(home.sql::<String>("SELECT text FROM message_log WHERE sent_at > '2025'"), ["dated ahead"]);
    assert_eq!(home.count("SELECT count(*) FROM erasure_log"), 1);
    home.run(&["verify"]).expect(0);
}
