//! What happens to messages after they were archived: edited, recalled, deleted, restored.

use archiver::api::ApiVersion;
use fake_linkup::behaviour::Presence;
use fake_linkup::faults::{Fault, FaultRule};
use fake_linkup::{Author, Behaviour, Mailbox};

use super::world::{HOUR, Logged, World, mailbox, server};

const BOTH: [ApiVersion; 2] = [ApiVersion::V1, ApiVersion::V2];

async fn archived(sizes: &[usize], version: ApiVersion) -> World {
    let mut world = World::new(server(mailbox(sizes), Behaviour::default()), version).await;
    world.run().await;
    world.assert_archived();
    world.clock.advance(HOUR);
    world
}

impl World {
    fn change(&self, change: impl FnOnce(&mut Mailbox) -> bool) {
        assert!(change(self.server().mailbox_mut(0).unwrap()), "there is no such message");
    }

    /// The message's row, by the server's own id of it.
    fn row(&self, conversation: usize, index: usize) -> Logged {
        let urn = self.message(conversation, index).urn;
        let rows = self.log_of(conversation);
        let found: Vec<_> = rows.iter().filter(|r| r.urn.as_deref() == Some(urn.as_str())).collect();
        assert_eq!(found.len(), 1, "{rows:?}");
        found[0].clone()
    }

    /// Texts that full-text search finds for a word.
    fn found(&self, word: &str) -> Vec<String> {
        let sql = "SELECT m.text FROM messages_fts f JOIN message_log m ON m.message_id = f.rowid
                   WHERE messages_fts MATCH ?1 ORDER BY f.rowid";
        self.query(sql, [format!("\"{word}\"")], |row| row.get(0))
    }

    /// Type and text of a message before each of its edits, oldest first.
    fn earlier(&self, urn: &str) -> Vec<(String, String)> {
        let sql = "SELECT k.name, v.text FROM message_version v JOIN kind k ON k.id = v.kind
                   JOIN message_log m ON m.message_id = v.message WHERE m.entity_urn = ?1 AND v.edited ORDER BY v.id";
        self.query(sql, [urn], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn gone(&self, conversation: usize) -> Vec<String> {
        self.log_of(conversation).into_iter().filter(|r| r.gone_since.is_some()).map(|r| r.text).collect()
    }

    fn is_gone_by_count(&self) -> i64 {
        self.number("SELECT sum(gone) FROM conversation")
    }
}

#[tokio::test]
async fn an_edited_message_is_a_new_version_and_search_finds_the_new_text_alone() {
    for version in BOTH {
        let mut world = archived(&[25], version).await;
        assert_eq!(world.found("25"), ["message 25"]);
        world.change(|m| m.edit(0, 24, "quinquereme"));
        let report = world.run().await;
        assert_eq!((report.new_messages, report.changed_messages, report.credits_spent), (0, 1, 1));
        let row = world.row(0, 24);
        assert_eq!((row.text.as_str(), row.versions, row.gone_since), ("quinquereme", 2, None));
        let text = |t: &str| ("TEXT".to_owned(), t.to_owned());
        assert_eq!(world.earlier(row.urn.as_deref().unwrap()), [text("message 25")]);
        assert_eq!((world.found("25").len(), world.found("quinquereme").len()), (0, 1));
        // And back again, word for word.
        world.change(|m| m.edit(0, 24, "message 25"));
        world.run().await;
        let row = world.row(0, 24);
        assert_eq!((row.text.as_str(), row.versions), ("message 25", 3));
        assert_eq!(world.earlier(row.urn.as_deref().unwrap()), [text("message 25"), text("quinquereme")]);
        assert_eq!((world.found("25").len(), world.found("quinquereme").len()), (1, 0));
        assert_eq!(world.log_of(0).len(), 25);
        world.assert_archived();
    }
}

#[tokio::test]
async fn a_recalled_message_keeps_what_it_said() {
    for version in BOTH {
        let mut world = archived(&[25, 3], version).await;
        for (conversation, index) in [(0, 20), (1, 0)] {
            world.change(|m| m.recall(conversation, index));
        }
        assert_eq!(world.run().await.changed_messages, 2);
        for (conversation, index, said) in [(0, 20, "message 21"), (1, 0, "message 1")] {
            let row = world.row(conversation, index);
            assert_eq!((row.kind.as_str(), row.text.as_str(), row.versions), ("RECALLED", "", 2));
            let before = ("TEXT".to_owned(), said.to_owned());
            assert_eq!(world.earlier(row.urn.as_deref().unwrap()), [before]);
        }
        assert_eq!(world.found("21"), [""; 0]);
        world.assert_archived();
    }
}

#[tokio::test]
async fn a_message_deleted_in_a_stretch_that_is_read_again_is_gone_but_kept_until_it_is_back() {
    for version in BOTH {
        // In the middle of the newest page, at its lower end, and at the very top.
        for index in [20, 15, 24] {
            let mut world = archived(&[25], version).await;
            world.change(|m| m.delete(0, index));
            let report = world.run().await;
            assert_eq!((report.gone_messages, report.changed_messages), (1, 0), "{index}");
            let row = world.row(0, index);
            let text = format!("message {}", index + 1);
            assert!(row.gone_since.is_some_and(|at| at.starts_with("2025-10-09T09:53:20")), "{index}");
            assert_eq!((row.text.as_str(), row.versions), (text.as_str(), 1));
            assert_eq!((world.found(&(index + 1).to_string()), world.gone(0).len()), (vec![text], 1));
            assert_eq!(world.complete(), 1);
            world.assert_archived();
            // Said once is enough, and it stays gone since then.
            let before = world.row(0, index);
            world.clock.advance(HOUR);
            assert_eq!(world.run().await.gone_messages, 0);
            assert_eq!(world.row(0, index), before);
            world.change(|m| m.restore(0, index));
            let report = world.run().await;
            assert_eq!((report.new_messages, report.gone_messages, report.changed_messages), (0, 0, 0));
            assert_eq!((world.gone(0).len(), world.is_gone_by_count()), (0, 0));
            world.assert_archived();
        }
    }
}

#[tokio::test]
async fn a_message_edited_while_it_was_deleted_comes_back_as_a_new_version() {
    let mut world = archived(&[12], ApiVersion::V1).await;
    world.change(|m| m.delete(0, 11));
    world.run().await;
    world.change(|m| m.edit(0, 11, "second thoughts") && m.restore(0, 11));
    assert_eq!(world.run().await.changed_messages, 1);
    let row = world.row(0, 11);
    assert_eq!((row.text.as_str(), row.versions, row.gone_since), ("second thoughts", 2, None));
    assert_eq!(world.is_gone_by_count(), 0);
    world.assert_archived();
}

#[tokio::test]
async fn in_short_conversations_any_message_may_vanish_and_return() {
    for version in BOTH {
        for size in [2, 3, 9, 10] {
            for index in [0, size / 2, size - 1] {
                let mut world = archived(&[size], version).await;
                world.change(|m| m.delete(0, index));
                assert_eq!(world.run().await.gone_messages, 1, "{index} of {size}");
                assert_eq!(world.gone(0), [format!("message {}", index + 1)]);
                assert_eq!((world.complete(), world.gaps().len()), (1, 0));
                world.change(|m| m.restore(0, index));
                world.run().await;
                assert_eq!((world.gone(0).len(), world.complete()), (0, 1));
                world.assert_archived();
            }
        }
    }
}

#[tokio::test]
async fn a_conversation_that_was_emptied_is_believed_when_it_is_said_again_and_may_begin_anew() {
    for version in BOTH {
        for size in [1, 4, 25] {
            let mut world = archived(&[size], version).await;
            world.change(|m| (0..size).all(|i| m.delete(0, i)));
            let report = world.run().await;
            assert_eq!((report.gone_messages, report.gaps_left, world.complete()), (0, 1, 0));
            assert!(world.gaps()[0].as_deref().unwrap().contains("empty"), "{:?}", world.gaps());
            world.clock.advance(HOUR);
            let report = world.run().await;
            let all = u32::try_from(size).unwrap();
            assert_eq!((report.gone_messages, report.gaps_left, world.complete()), (all, 0, 1));
            assert_eq!((world.gone(0).len(), world.log_of(0).len()), (size, size));
            let at = world.clock_ms();
            for i in 0..30 {
                world.change(|m| m.send(0, Author::Other(0), at + i * 1000, "anew").is_some());
            }
            world.clock.advance(HOUR);
            world.run_until_quiet(5).await;
            assert_eq!((world.gone(0).len(), world.log_of(0).len()), (size, size + 30));
            world.assert_archived();
            assert_eq!(world.complete(), 1);
        }
    }
}

#[tokio::test]
async fn a_false_word_that_a_conversation_is_empty_is_taken_back_with_its_first_message() {
    for (version, believed) in [(ApiVersion::V1, true), (ApiVersion::V2, false)] {
        let mut world = archived(&[61], version).await;
        // One of them was really deleted before.
        world.change(|m| m.delete(0, 58));
        world.run().await;
        world.server().faults.add(FaultRule::always(Fault::EmptyEnd));
        for _ in 0..2 {
            world.clock.advance(HOUR);
            world.run().await;
        }
        // v2 counts its messages, so that an empty page contradicts itself.
        assert_eq!(world.gone(0).len(), if believed { 61 } else { 1 });
        world.server().faults.clear();
        world.clock.advance(HOUR);
        world.run().await;
        assert_eq!(world.gone(0), ["message 59"]);
        assert_eq!(world.is_gone_by_count(), 1);
        world.assert_archived();
        assert_eq!(world.complete(), 1);
    }
}

#[tokio::test]
async fn without_ids_an_edit_is_still_an_edit_and_a_deletion_a_deletion() {
    for entity_urn in [Presence::Absent, Presence::Null] {
        let behaviour = Behaviour { entity_urn, ..Behaviour::default() };
        let mut world = World::new(server(mailbox(&[25]), behaviour), ApiVersion::V1).await;
        world.run().await;
        world.change(|m| m.edit(0, 20, "corrected") && m.delete(0, 22));
        let report = world.run().await;
        assert_eq!((report.new_messages, report.changed_messages, report.gone_messages), (0, 1, 1));
        let rows = world.log_of(0);
        let row = |text: &str| rows.iter().find(|r| r.text == text).unwrap();
        assert_eq!((row("corrected").versions, rows.len()), (2, 25));
        assert!(row("message 23").gone_since.is_some());
        world.assert_archived();
    }
}
