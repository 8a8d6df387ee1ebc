//! The command as a person or a script meets it.

use archiver::linkedin_export::{self, ExportFile, Options};
use archiver::store::{Configured, Store};
use rusqlite::Connection;

use crate::binary::Home;

const HEADER: &str =
    "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,CONTENT,FOLDER,IS MESSAGE DRAFT";

/// A home with an account, whose folder has a `messages.csv` of 30 messages an hour apart, a draft and two odd rows.
fn home() -> Home {
    let home = Home::empty();
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\ncountry = \"FR\"\n");
    let mut csv = format!("{HEADER}\n");
    for hour in (0..30).rev() {
        let day = 1 + hour / 24;
        csv.push_str(&format!(
            "2-QUJD=,,Ada,https://www.linkedin.com/in/ada/,Me,2021-02-0{day} {:02}:00:00 UTC,message {hour},INBOX,No\n",
            hour % 24
        ));
    }
    csv.push_str("2-QUJD=,,Me,,Ada,2021-03-01 00:00:00 UTC,not sent,INBOX,Yes\n");
    csv.push_str(",,Ada,,Me,2021-02-01 00:00:00 UTC,nowhere,INBOX,No\n2-QUJD=,,Ada,,Me,never,x,INBOX,No\n");
    home.write("messages.csv", &csv);
    home
}

const IMPORT: &[&str] = &["import", "linkedin-export", "messages.csv", "--json"];

#[test]
fn an_import_is_previewed_and_then_done_once() {
    let home = home();
    let dry = home.run(&[IMPORT, &["--dry-run"]].concat()).expect(0).json();
    assert!(!home.archive().exists(), "{:?}", home.files());
    let report = home.run(IMPORT).expect(0).json();
    for told in [&dry, &report] {
        assert_eq!(told["rows"], 33);
        assert_eq!((&told["new_messages"], &told["credits_saved"]), (&31.into(), &3.into()));
        assert_eq!(
            told["odd_rows"],
            serde_json::json!([[33, "it names no conversation"], [34, "\"never\" is no date"]])
        );
    }
    assert_eq!(home.count("SELECT count(*) FROM import_oddity"), 2);
    // A draft has no time among the messages.
    assert_eq!(home.sql::<String>("SELECT newest_at FROM conversation_log"), ["2021-02-02T05:00:00.000Z"]);
    assert_eq!(home.sql::<i64>("SELECT older_ms FROM gap_log"), [1_612_241_998_000]);
    let kinds =
        "SELECT group_concat(DISTINCT message_type || source) FROM message_log WHERE text = 'not sent'";
    assert_eq!(home.sql::<String>(kinds), ["DRAFTexport"]);
    assert_eq!(
        home.sql::<String>("SELECT DISTINCT json_extract(raw, '$.\"CONVERSATION ID\"') FROM message_log"),
        ["2-QUJD="]
    );
    assert_eq!(home.count("SELECT count(*) FROM change_log WHERE run_id = (SELECT max(id) FROM run) AND kind = 'new' AND history = 1"), 31);
    let again = home.run(IMPORT).expect(0).json();
    assert_eq!((&again["new_messages"], &again["there"]), (&0.into(), &31.into()));
    assert_eq!(home.count("SELECT count(*) FROM import_oddity"), 2);
    assert_eq!(home.count("SELECT count(*) FROM import_log"), 2);
    let shown = home.run(&["import", "linkedin-export", "."]).expect(0).stdout;
    assert!(shown.contains("0 messages new, 31 already imported"), "{shown}");
    assert!(home.run(&["status"]).expect(0).stdout.contains("31"));
}

#[test]
fn an_import_that_fails_halfway_leaves_a_gap_and_the_next_one_completes_it() {
    let home = home();
    let mut csv = format!("{HEADER}\n");
    for minute in 0..2_500 {
        let (day, hour) = (1 + minute / 1_440, minute / 60 % 24);
        csv.push_str(&format!(
            "2-QUJD=,,Ada,,Me,2021-02-0{day} {hour:02}:{:02}:00 UTC,message {minute},INBOX,No\n",
            minute % 60
        ));
    }
    home.write("messages.csv", &csv);
    // The archive has to be there to be broken: the third batch holds the oldest messages.
    home.write("first.csv", &format!("{HEADER}\n"));
    home.run(&["import", "linkedin-export", "first.csv"]).expect(0);
    let mut store = Store::open(&home.archive()).unwrap();
    store.let_triggers_act().unwrap();
    let db = Connection::open(home.archive()).unwrap();
    db.execute_batch(
        "CREATE TRIGGER broken BEFORE INSERT ON message WHEN NEW.text = 'message 7' BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )
    .unwrap();
    let account = Configured { account: "me".into(), ..Configured::default() };
    let accounts = std::slice::from_ref(&account);
    let options = Options {
        accounts,
        account: &account,
        file: "messages.csv",
        check: 0,
        now: 1_800_000_000_000,
        any_owner: false,
    };
    let export = ExportFile::open(&home.path("messages.csv"), 1_800_000_000_000).unwrap();
    linkedin_export::import(&mut store, &export, &options, &mut |_| {}).unwrap_err();
    drop(store);
    assert_eq!(home.count("SELECT count(*) FROM message"), 2_000);
    assert_eq!(home.count("SELECT count(*) FROM export_cover"), 0);
    assert_eq!(home.count("SELECT count(*) FROM gap WHERE newer_ms IS NULL AND older_ms IS NULL"), 1);
    db.execute_batch("DROP TRIGGER broken").unwrap();
    let report = home.run(IMPORT).expect(0).json();
    assert_eq!((&report["new_messages"], &report["there"]), (&500.into(), &2_000.into()));
    assert_eq!(home.count("SELECT count(*) FROM gap WHERE newer_ms IS NULL AND older_ms IS NOT NULL"), 1);
    assert_eq!(home.count("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'message'"), 2_500);
}

#[test]
fn a_file_that_cannot_be_imported_is_a_usage_error_with_help() {
    let home = home();
    home.write("other.csv", "a,b\n");
    home.write("broken.zip", "PK, and no zip");
    for (path, word) in
        [("none.zip", "cannot read"), ("other.csv", "CONVERSATION ID"), ("broken.zip", "cannot unpack")]
    {
        let ran = home.run(&["import", "linkedin-export", path]).expect(2);
        assert!(ran.stderr.contains(word) && ran.stderr.contains("help:"), "{}", ran.stderr);
    }
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\n[[accounts]]\nname = \"firm\"\n");
    let ran = home.run(IMPORT).expect(2);
    assert!(ran.stderr.contains("--account") && ran.stderr.contains(r#""me", "firm""#), "{}", ran.stderr);
    home.run(&[IMPORT, &["--account", "firm"]].concat()).expect(0);
}

#[test]
fn gaps_that_no_run_fills_are_counted_apart() {
    let home = home();
    home.run(IMPORT).expect(0);
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert!(status["gaps"].as_i64().unwrap() > 0, "{status:#}");
    assert_eq!(status["gaps_not_synced"], status["gaps"]);
    let text = home.run(&["status"]).expect(0).stdout;
    assert!(text.contains(" 0 gaps\n") && text.contains("that sync does not ask for"), "{text}");
}
