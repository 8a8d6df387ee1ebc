//! What an erasure must not do: come undone, take more than it was asked for, or keep the archive from going on.

use std::fs;

use fake_linkup::Author;

use super::erase::{NAME as HERS, discovering, erase};
use crate::binary::{FakeApi, HOUR, Home, START, assert_complete, server};

fn messages(home: &Home) -> i64 {
    home.count("SELECT count(*) FROM message_log")
}

#[test]
fn a_reader_that_outlasts_an_erasure_undoes_nothing_and_what_is_synced_meanwhile_stays() {
    for dies in [false, true] {
        let api = FakeApi::serve(server(&[("Ada Example", 30), (HERS, 24)]));
        let home = discovering(&api, "v1");
        home.sync_until_complete();
        let reader = rusqlite::Connection::open(home.archive()).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
        home.run(&["erase", "--person", HERS, "--yes"]).expect(74);
        if !dies {
            home.run(&["erase", "--finish"]).expect(74);
        }
        api.server()
            .mailbox_mut(0)
            .unwrap()
            .send(0, Author::Other(0), START + 900 * HOUR, "meanwhile")
            .unwrap();
        home.sync();
        if dies {
            // Its connection is not closed, as that of a process that is killed.
            std::mem::forget(reader);
        } else {
            drop(reader);
            home.run(&["erase", "--finish"]).expect(0);
            home.run(&["verify"]).expect(0);
        }
        assert_eq!(home.count("SELECT count(*) FROM message_log WHERE sender LIKE 'Quetz%'"), 0);
        assert_eq!(home.count("SELECT count(*) FROM message_log WHERE text = 'meanwhile'"), 1);
        assert!(!home.files().iter().any(|name| name.contains("former")), "{:?}", home.files());
    }
}

#[test]
fn a_message_that_an_export_has_told_to_the_second_stays_erased_when_the_api_tells_it_to_the_millisecond() {
    let api = FakeApi::serve(server(&[(HERS, 3)]));
    let home = discovering(&api, "v1");
    let mut csv = "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,CONTENT,FOLDER,IS MESSAGE DRAFT\n".to_owned();
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        mailbox.send(0, Author::Other(0), START + 9 * HOUR + 123, "the newest of them").unwrap();
        let conversation = mailbox.conversation(0).unwrap();
        for message in conversation.visible().rev() {
            let sender = &mailbox.author(conversation, message.author).name;
            let hour = (message.at_ms - START) / HOUR;
            csv.push_str(&format!(
                "{},,{sender},,Olivia Owner,2021-01-01 {hour:02}:00:00 UTC,{},INBOX,No\n",
                conversation.thread, message.text
            ));
        }
    }
    home.write("messages.csv", &csv);
    home.run(&["import", "linkedin-export", "messages.csv"]).expect(0);
    let thread = home.sql::<String>("SELECT thread FROM conversation").remove(0);
    let all = messages(&home);
    assert_eq!(erase(&home, &["--conversation", &thread])["messages"], all);
    for _ in 0..3 {
        home.sync();
        assert_eq!(messages(&home), 0);
    }
    home.run(&["import", "linkedin-export", "messages.csv"]).expect(0);
    assert_eq!(messages(&home), 0);
    home.run(&["verify"]).expect(0);
}

#[test]
fn of_two_equal_messages_only_the_erased_one_goes_also_after_a_restore() {
    let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 3)]));
    for n in 0..2 {
        let at = START + 100 * HOUR + n;
        api.server().mailbox_mut(0).unwrap().send(1, Author::Other(0), at, "ok").unwrap();
    }
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    home.run(&["backup", "copy.db"]).expect(0);
    let all = messages(&home);
    let ids = home.sql::<i64>("SELECT message_id FROM message_log WHERE text = 'ok' ORDER BY 1");
    erase(&home, &["--message", &ids[0].to_string()]);
    assert_eq!(messages(&home), all - 1);
    assert_eq!(home.run(&["restore", "copy.db", "--json"]).expect(0).json()["erased"], 1);
    home.sync_until_complete();
    assert_eq!(messages(&home), all - 1);
    assert_eq!(home.count("SELECT count(*) FROM message_log WHERE text = 'ok'"), 1);
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_stopped_conversation_stays_so_when_its_profile_is_configured_later() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 24)]));
        let home = discovering(&api, version);
        home.sync_until_complete();
        let url = home.sql::<String>("SELECT profile_url FROM conversation WHERE messages = 24").remove(0);
        erase(&home, &["--conversation", HERS, "--and-future"]);
        home.edit("profiles = []", &format!("profiles = [{url:?}]"));
        let charged = api.charged();
        home.sync();
        home.sync();
        assert_eq!((messages(&home), api.charged() - charged), (5, 2), "{version}");
        home.run(&["verify"]).expect(0);
    }
}

#[test]
fn a_stopped_conversation_stays_so_when_a_profile_leads_to_it_that_nothing_had_told_of() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 24)]));
        // Hers is asked for by its id, and no inbox is read.
        let home = Home::of(&api, version);
        home.sync_until_complete();
        let thread = home.sql::<String>("SELECT thread FROM conversation WHERE messages = 24").remove(0);
        erase(&home, &["--conversation", &thread, "--and-future"]);
        let url = {
            let server = api.server();
            server.accounts()[0].mailbox.conversations()[1].others[0].profile_url.clone().unwrap()
        };
        home.edit("profiles = [", &format!("profiles = [{url:?}, "));
        for _ in 0..3 {
            let charged = api.charged();
            home.sync();
            assert_eq!(messages(&home), 5, "{version}");
            home.run(&["verify"]).expect(0);
            let plain = format!("SELECT count(*) FROM address WHERE profile_url = '{url}'");
            assert!(api.charged() > charged && home.count(&plain) == 0, "{version}");
        }
        let charged = api.charged();
        home.sync();
        assert_eq!(api.charged() - charged, 1, "{version}: only the other one is asked for");
        assert_eq!(home.count("SELECT count(*) FROM gap_log"), 0);
    }
}

#[test]
fn a_longer_retention_fetches_what_was_never_stored_and_leaves_what_was_erased() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(server(&[("Ada Example", 60), (HERS, 40)]));
        let home = discovering(&api, version);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let days = (i64::try_from(now.as_millis()).unwrap() - START) / (24 * HOUR);
        let keep = |days: i64| format!("[retention]\nkeep_days = {days}\n\n[budget]");
        // The last day of it, then all of it.
        home.edit("[budget]", &keep(days - 1));
        home.sync_until_complete();
        let few = messages(&home);
        assert!(few > 0 && few < 100, "{few}");
        home.run(&["verify"]).expect(0);
        home.edit(&format!("keep_days = {}", days - 1), &format!("keep_days = {}", days + 9));
        home.sync_until_complete();
        assert_eq!(messages(&home), 100, "{version}");
        assert_complete(&home, &api.server());
        home.edit(&format!("keep_days = {}", days + 9), &format!("keep_days = {}", days - 1));
        home.sync();
        assert_eq!(messages(&home), few, "{version}");
        home.run(&["verify"]).expect(0);
        home.edit(&format!("keep_days = {}", days - 1), &format!("keep_days = {}", days + 9));
        home.sync_until_complete();
        assert_eq!(messages(&home), few, "{version}: erased once, erased for good");
        home.run(&["verify"]).expect(0);
    }
}

#[test]
fn neither_a_restore_nor_another_archives_log_erases_what_is_on_hold() {
    let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 24)]));
    let home = discovering(&api, "v2");
    home.sync_until_complete();
    home.run(&["backup", "copy.db"]).expect(0);
    let other = home.copy();
    let thread = home.sql::<String>("SELECT thread FROM conversation WHERE messages = 24").remove(0);
    erase(&home, &["--conversation", HERS, "--and-future"]);
    let hold = format!("[retention]\nhold = [{thread:?}]\n\n[budget]");
    for held in [&home, &other] {
        held.edit("[budget]", &hold);
    }
    erase(&other, &["--from-log", home.archive().to_str().unwrap()]);
    home.run(&["restore", "copy.db"]).expect(0);
    api.server().mailbox_mut(0).unwrap().send(1, Author::Other(0), START + 900 * HOUR, "news").unwrap();
    for held in [&home, &other] {
        held.sync();
        assert_eq!(held.count("SELECT count(*) FROM message_log WHERE conversation LIKE 'Quetz%'"), 25);
        held.run(&["verify"]).expect(0);
    }
}

#[test]
fn a_date_in_the_future_is_refused() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    let said = home.run(&["erase", "--before", "2999-01-01", "--yes"]).expect(2);
    assert!(said.stderr.contains("future"), "{}", said.stderr);
    assert_eq!(messages(&home), 5);
}

#[test]
fn a_conversation_of_which_nothing_is_stored_is_not_bought_once_it_is_erased() {
    for and_future in [&[][..], &["--and-future"]] {
        let api = FakeApi::serve(server(&[(HERS, 35), ("Ada Example", 40)]));
        let home = discovering(&api, "v1");
        home.run(&["sync", "--once", "--budget", "2"]).expect(0);
        let empty = home.sql::<String>("SELECT name FROM conversation WHERE messages = 0").remove(0);
        let some = messages(&home);
        erase(&home, &[&["--conversation", empty.as_str()][..], and_future].concat());
        home.sync_until_complete();
        home.sync();
        let other = if empty == HERS { 40 } else { 35 };
        assert!(some > 0 && messages(&home) == other, "{some} {empty} {}", messages(&home));
        assert!(fs::metadata(home.archive()).is_ok());
        home.run(&["verify"]).expect(0);
    }
}

/// The credits that the next run pays for a message of the first conversation's that nobody has seen yet, here and in a
/// copy in which nothing was erased.
fn cost_of_news(version: &str, erase_all: impl Fn(&Home)) -> (i64, i64) {
    let api = FakeApi::serve(server(&[("Ada Example", 40), (HERS, 5)]));
    let home = discovering(&api, version);
    home.sync_until_complete();
    let untouched = home.copy();
    erase_all(&home);
    let at = START + 900 * HOUR;
    api.server().mailbox_mut(0).unwrap().send(0, Author::Other(0), at, "news").unwrap();
    home.run(&["verify"]).expect(0);
    let cost = |home: &Home| {
        let before = api.charged();
        home.sync();
        home.run(&["verify"]).expect(0);
        assert_eq!(home.count("SELECT count(*) FROM message_log WHERE text = 'news'"), 1, "{version}");
        api.charged() - before
    };
    (cost(&home), cost(&untouched))
}

#[test]
fn news_of_a_conversation_that_an_erasure_has_emptied_cost_no_more_than_of_one_that_is_stored() {
    for version in ["v1", "v2"] {
        let (erased, stored) = cost_of_news(version, |home| {
            erase(home, &["--conversation", "Ada Example"]);
        });
        assert!(erased <= stored, "{version}: {erased} credits instead of {stored} after --conversation");
        let (erased, stored) = cost_of_news(version, |home| {
            erase(home, &["--before", "2021-02-01"]);
        });
        assert!(erased <= stored, "{version}: {erased} credits instead of {stored} after --before");
    }
}

#[test]
fn an_archive_is_sound_while_the_news_of_an_emptied_conversation_wait_and_its_backup_can_be_restored() {
    let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 3)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    erase(&home, &["--conversation", "Ada Example"]);
    api.server().mailbox_mut(0).unwrap().send(0, Author::Other(0), START + 900 * HOUR, "news").unwrap();
    home.run(&["sync", "--once", "--budget", "1"]).expect(0);
    assert_eq!(home.count("SELECT count(*) FROM gap_log"), 1, "the inbox has shown it");
    home.run(&["verify"]).expect(0);
    home.run(&["backup", "copy.db"]).expect(0);
    home.run(&["restore", "copy.db"]).expect(0);
    home.sync_until_complete();
    assert_eq!(messages(&home), 4);
    home.run(&["verify"]).expect(0);
}

#[test]
fn an_erasure_after_a_run_that_was_killed_leaves_no_run_open_and_neither_does_a_restore() {
    let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 3)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    let open = "UPDATE run SET finished_ms = NULL, outcome = NULL WHERE id = (SELECT max(id) FROM run)";
    rusqlite::Connection::open(home.archive()).unwrap().execute(open, []).unwrap();
    home.run(&["backup", "copy.db"]).expect(0);
    erase(&home, &["--conversation", HERS]);
    home.run(&["verify"]).expect(0);
    assert_eq!(home.count("SELECT count(*) FROM run_log WHERE outcome = 'interrupted'"), 1);
    home.run(&["restore", "copy.db", "--spent", "1"]).expect(0);
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_backup_of_an_archive_with_an_unfinished_erasure_is_restored_and_the_erasure_finished() {
    let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 30)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    {
        let reader = rusqlite::Connection::open(home.archive()).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
        home.run(&["erase", "--person", HERS, "--yes"]).expect(74);
        home.run(&["backup", "copy.db"]).expect(0);
    }
    std::fs::remove_file(home.archive()).unwrap();
    for end in ["-wal", "-shm"] {
        drop(std::fs::remove_file(home.path(&format!("archive.db{end}"))));
    }
    home.run(&["restore", "copy.db"]).expect(0);
    assert_eq!(home.count("SELECT count(*) FROM erasure_log WHERE finished_at IS NULL"), 0);
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_restore_keeps_what_was_erased_when_and_why_and_says_what_a_hold_has_brought_back() {
    let api = FakeApi::serve(server(&[("Ada Example", 5), (HERS, 24)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    home.run(&["backup", "copy.db"]).expect(0);
    let of_hers = home.count("SELECT count(*) FROM message_log WHERE sender LIKE 'Quetz%'");
    erase(&home, &["--person", HERS, "--reason", "a request"]);
    erase(&home, &["--conversation", "Ada Example"]);
    let log = "SELECT erased_at || selector || messages || ifnull(reason, '') FROM erasure_log ORDER BY 1";
    let (before, thread) =
        (home.sql::<String>(log), home.sql::<String>("SELECT thread FROM conversation WHERE floor_ms > 0"));
    let told = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert_eq!((&told["erased"], &told["on_hold"]), (&(of_hers + 5).into(), &0.into()));
    let reasons: Vec<_> =
        told["erasures"].as_array().unwrap().iter().map(|one| one["reason"].clone()).collect();
    assert_eq!(reasons, [serde_json::json!("a request"), serde_json::Value::Null]);
    assert_eq!(home.sql::<String>(log), before);
    home.run(&["verify"]).expect(0);
    // What was erased of Ada's conversation comes back if it is on hold by then, and that is said.
    home.edit("[budget]", &format!("[retention]\nhold = [{:?}]\n\n[budget]", thread[0]));
    let said = home.run(&["restore", "copy.db"]).expect(0).stdout;
    assert!(
        said.contains("5 messages on hold")
            && said.contains(&format!("one person, {of_hers} messages (a request)")),
        "{said}"
    );
    assert_eq!(home.sql::<String>(log), before);
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_conversation_on_hold_that_the_archive_does_not_have_is_pointed_out() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    let thread = home.sql::<String>("SELECT thread FROM conversation").remove(0);
    let retention =
        format!("[retention]\nkeep_days = 20000\nhold = [{thread:?}, \"2-dHlwbw==\"]\n\n[budget]");
    home.edit("[budget]", &retention);
    let checked = home.run(&["check"]).expect(0).stdout;
    assert!(checked.contains("1 of 2 conversations is not in the archive: 2-dHlwbw"), "{checked}");
    for command in ["status", "plan"] {
        let told = home.run(&[command]).stdout;
        assert!(told.contains("2 conversations on hold, 1 of them not in the archive"), "{told}");
    }
    let status = home.run(&["status", "--json"]).json();
    let retention = &status["erasures"]["retention"];
    assert_eq!((&retention["hold"], &retention["hold_not_in_archive"]), (&1.into(), &1.into()));
}

#[test]
fn an_archive_made_of_parts_of_an_export_has_nothing_in_its_file_that_was_erased_between_them() {
    let api = FakeApi::serve(server(&[("Ada Example", 12), (HERS, 24)]));
    let home = discovering(&api, "v1");
    home.sync_until_complete();
    let (canary, at) = ("xylographic quokka manifesto", START + 900 * HOUR);
    api.server().mailbox_mut(0).unwrap().send(1, Author::Other(0), at, canary).unwrap();
    home.sync();
    let export = ["export", "--format", "jsonl", "--out", "all.jsonl", "--since-last"];
    home.run(&export).expect(0);
    erase(&home, &["--person", HERS]);
    home.run(&export).expect(0);
    home.run(&["import", "jsonl", "all.jsonl", "all.0001.jsonl", "--archive", "new.db"]).expect(0);
    let bytes = fs::read(home.path("new.db")).unwrap();
    for text in [canary, HERS] {
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
}

#[test]
fn a_count_from_before_retention_was_configured_says_nothing_of_what_is_archived_since() {
    let api = FakeApi::serve(server(&[("Ada Example", 30)]));
    let home = discovering(&api, "v2");
    home.edit("[sync]", "[sync]\npage_size = 20");
    home.run(&["sync", "--once", "--budget", "3"]).expect(0);
    assert!((1..30).contains(&messages(&home)), "{}", messages(&home));
    home.edit("[budget]", "[retention]\nkeep_days = 20000\n\n[budget]");
    for index in [1, 3] {
        assert!(api.server().mailbox_mut(0).unwrap().delete(0, index));
    }
    home.sync_until_complete();
    assert_eq!(messages(&home), 28);
    home.run(&["verify"]).expect(0);
}
