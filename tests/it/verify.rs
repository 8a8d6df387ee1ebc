//! `archiver verify`: each kind of damage is found and named, and nothing else is.

use std::os::unix::fs::PermissionsExt as _;

use archiver::core::model::page::Below;
use archiver::core::raw;
use archiver::core::timeline::timestamps;
use archiver::store::verify::{Depth, Finding, Severity, Verification, verify};
use rusqlite::Connection;

use crate::bench::{Bench, NOW, item, last_page, more_page, page};
use crate::binary::{FakeApi, Home, server};

fn found(bench: &Bench, depth: Depth) -> Vec<Finding> {
    verify(&bench.path(), depth, &mut |_| ()).unwrap().findings
}

/// An archive of every oddity: edits, vanished and odd messages, gaps, letters of many scripts, an unfinished run,
/// corrected times and senders, no ids.
fn odd() -> Bench {
    let mut bench = Bench::new(4);
    let items = |texts: &[(&str, i64, &str)]| -> Vec<String> {
        texts.iter().map(|(id, ago, text)| item(id, NOW - ago * 1000, "Ada Example", text)).collect()
    };
    bench
        .put(
            0,
            &last_page(&items(&[("u3", 10, "three 例示花子 words"), ("u2", 20, "two"), ("u1", 30, "one")])),
        )
        .unwrap();
    // An edit, one that vanished, and one whose time was corrected outward and back again.
    bench.put(0, &last_page(&items(&[("u3", 10, "three, edited 例示花子様"), ("u1", 30, "one")]))).unwrap();
    bench.put(0, &last_page(&items(&[("u3", 10, "three, edited 例示花子様"), ("u1", 40, "one")]))).unwrap();
    // That is believed when it has been said often enough.
    while !bench.store.timeline(bench.targets[0].plan.id).unwrap().complete() {
        bench
            .put(0, &last_page(&items(&[("u3", 10, "three, edited 例示花子様"), ("u1", 25, "one")])))
            .unwrap();
    }
    bench
        .put(
            1,
            &more_page(
                &items(&[("v2", 10, "a \u{1} b \u{8} \"quoted\" \\ é"), ("v1", 50, "")]),
                NOW - 50_000,
            ),
        )
        .unwrap();
    let strange = [
        r#"{"text":null,"timestamp":"1749376790000","sender":{"name":"Ada","headline":"x"},"reactions":[1,{"a":2.50}]}"#.to_owned(),
        r#"{"text":"no id, no time"}"#.to_owned(),
        r#"{"text":"half \ud83d a pair","timestamp":1749376700,"sender":"Béla","message_type":"SYSTEM"}"#.to_owned(),
        "{}".to_owned(),
    ];
    bench.put(2, &page(&strange, Below::MoreWithoutCursor)).unwrap();
    // The same sender, described otherwise later.
    let described = item("w1", NOW - 5000, "Zoe New", "hi");
    bench.put(3, &last_page(std::slice::from_ref(&described))).unwrap();
    let otherwise = described.replace("\"first_name\":\"Zoe\"", "\"first_name\":\"Zoë\"");
    assert_ne!(otherwise, described);
    bench.put(3, &last_page(&[otherwise])).unwrap();
    // A run that was cut short leaves a reservation, and the next one marks it.
    let _reserved = bench.reserve(0, 10);
    bench.crash();
    bench.run = bench.store.begin_run(archiver::store::Trigger::Once, NOW + 100_000).unwrap();
    bench
}

#[test]
fn a_sound_archive_of_every_oddity_has_no_finding() {
    let mut bench = odd();
    assert_eq!(found(&bench, Depth::Full), [], "in the middle of a run");
    bench.next_run();
    for depth in [Depth::Quick, Depth::Full] {
        assert_eq!(found(&bench, depth), [], "{depth:?}");
    }
}

/// A damage, the check that finds it, where, and a part of what is said. `quick`: whether --quick finds it as well.
struct Damage {
    sql: &'static str,
    check: &'static str,
    place: &'static str,
    what: &'static str,
    quick: bool,
}

const fn damage(
    check: &'static str,
    place: &'static str,
    what: &'static str,
    quick: bool,
    sql: &'static str,
) -> Damage {
    Damage { sql, check, place, what, quick }
}

const DAMAGES: &[Damage] = &[
    damage("counters", "conversation 1", "messages is 4, but 3", true, "UPDATE conversation SET messages = 4 WHERE id = 1"),
    damage("counters", "conversation 1", "gone is 0, but 1", true, "UPDATE conversation SET gone = 0 WHERE id = 1"),
    damage("counters", "conversation 2", "oldest_ms is", true, "UPDATE conversation SET oldest_ms = oldest_ms - 1 WHERE id = 2"),
    damage("counters", "conversation 2", "newest_ms is", true, "UPDATE conversation SET newest_ms = newest_ms + 1 WHERE id = 2"),
    damage("counters", "conversation 2", "said to have written 7", true, "UPDATE participant SET messages = 7 WHERE conversation = 2"),
    damage("counters", "conversation 2", "is no participant", true, "DELETE FROM participant WHERE conversation = 2"),
    damage("versions", "message", "3 versions are counted, but 1 edits", true, "UPDATE message SET versions = 3 WHERE versions = 2"),
    damage("versions", "message", "2 versions are counted, but 0", true, "DELETE FROM message_version WHERE edited = 1"),
    damage("timelines", "conversation 1", "no gap reaches down", true, "UPDATE conversation SET beginning_seen_ms = NULL WHERE id = 1"),
    damage("timelines", "conversation 2", "no gap reaches down", true, "DELETE FROM gap WHERE conversation = 2"),
    damage(
        "timelines",
        "conversation 1",
        "upside down",
        true,
        "INSERT INTO gap (account, conversation, newer_ms, older_ms, opened_ms) VALUES (1, 1, 5, 6, 0)",
    ),
    damage(
        "timelines",
        "conversation 1",
        "overlap",
        true,
        "INSERT INTO gap (account, conversation, newer_ms, older_ms, opened_ms) VALUES (1, 1, 60, 20, 0), (1, 1, 50, 10, 0)",
    ),
    damage("raw", "message", "does not parse", false, "UPDATE template SET json = replace(json, '}', '') WHERE id = (SELECT template FROM message WHERE text LIKE 'a %')"),
    damage(
        "raw",
        "message",
        "contradicts its columns: text",
        false,
        "UPDATE template SET json = replace(json, char(1), '\"else\"') WHERE json LIKE '{\"text\":' || char(1) || '}%'",
    ),
    damage(
        "raw",
        "message",
        "contradicts its columns: timestamp",
        false,
        "UPDATE message SET extra = replace(extra, '1749376700', '1749376999') WHERE extra LIKE '%1749376700%'",
    ),
    damage("raw", "message", "urn_probe", false, "UPDATE message SET urn_probe = 7 WHERE text LIKE 'a %'"),
    damage(
        "identity",
        "conversation 2",
        "2 messages have one id",
        true,
        "UPDATE message SET urn_key = (SELECT urn_key FROM message WHERE text LIKE 'a %'),
           urn_probe = (SELECT urn_probe FROM message WHERE text LIKE 'a %') WHERE conversation = 2",
    ),
    damage("full-text", "message", "is not in messages_fts", true, "DELETE FROM messages_fts_docsize WHERE id = (SELECT min(id) FROM messages_fts_docsize)"),
    damage(
        "full-text",
        "message",
        "has other words",
        false,
        "INSERT INTO messages_fts (messages_fts, rowid, text) SELECT 'delete', id, text FROM message WHERE text = 'two';
         INSERT INTO messages_fts (rowid, text) SELECT id, 'two words' FROM message WHERE text = 'two'",
    ),
    damage(
        "full-text",
        "messages_fts",
        "its words are not those",
        false,
        "INSERT INTO messages_fts (messages_fts, rowid, text) SELECT 'delete', id, text FROM message WHERE text = 'two';
         INSERT INTO messages_fts (rowid, text) SELECT id, 'zwei' FROM message WHERE text = 'two'",
    ),
    damage(
        "full-text",
        "message",
        "is not in messages_cjk_fts",
        true,
        "INSERT INTO messages_cjk_fts (messages_cjk_fts) VALUES ('delete-all')",
    ),
    damage("full-text", "messages_unindexed 77", "waits to be indexed", true, "INSERT INTO messages_unindexed VALUES (77)"),
    damage("totals", "conversation 1", "the API counts 9 messages, the archive holds 2", true, "UPDATE conversation SET served_total = 9 WHERE id = 1"),
    damage("figures", "conversation 1", "figures", true, "UPDATE written SET lines = (SELECT lines FROM written WHERE conversation = 2) WHERE conversation = 1"),
    damage("figures", "conversation 1", "cannot be read", true, "UPDATE written SET newest_ms = newest_ms + 1 WHERE conversation = 1"),
    damage("figures", "conversation 1", "figures count 0 messages that differ", true, "DELETE FROM written WHERE conversation = 1"),
    damage("changes", "message", "is among no changes", true, "DELETE FROM change WHERE seq = (SELECT max(seq) FROM change)"),
    damage("changes", "change", "numbers that the change before it has too", true, "INSERT INTO change SELECT seq + 1, 2, 'gone', 0, 1, 1, conversation, 1, 1 FROM change ORDER BY seq DESC LIMIT 1"),
    damage("changes", "change", "beyond the last number given", true, "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'change'"),
    damage("changes", "message", "share the number of a change", true, "UPDATE message SET change = change - 1 WHERE change = (SELECT b.seq FROM change b
           WHERE b.messages > 1 AND (SELECT count(*) FROM message m WHERE m.change IN (b.seq, b.seq - 1)) = 2 LIMIT 1)"),
    damage("ledger", "request", "is not settled", true, "UPDATE request SET credits_reserved = credits_spent, credits_spent = NULL WHERE id = (SELECT max(id) FROM request WHERE credits_spent NOT NULL)"),
    damage("ledger", "spent", "is not what the ledger has", true, "UPDATE spent SET credits = credits + 1"),
    damage("ledger", "request", "negative", true, "UPDATE request SET credits_reserved = -1 WHERE id = 1"),
    damage("ledger", "run 2", "no outcome", true, "UPDATE run SET outcome = NULL WHERE id = 2"),
    damage("references", "row 99 of quarantine", "points to a row of request", true, "INSERT INTO quarantine (id, request, reason, json) VALUES (99, 12345, 'x', '{}')"),
    damage("schema", "view gap_log", "is missing", true, "DROP VIEW gap_log"),
    damage("schema", "view gap_log", "is not as this version", true, "DROP VIEW gap_log; CREATE VIEW gap_log AS SELECT 1 AS conversation_id"),
    damage("schema", "index gap_of_inbox", "is missing", true, "DROP INDEX gap_of_inbox"),
    damage("schema", "table mine", "is not this program's", true, "CREATE TABLE mine (x)"),
    damage("schema", "table balance", "has other columns", true, "ALTER TABLE balance ADD COLUMN mine TEXT"),
];

#[test]
fn each_kind_of_damage_is_named_and_nothing_else_is() {
    let mut sound = odd();
    sound.next_run();
    sound.next_run();
    // The last run goes on; one that ended well holds a settled request.
    sound.put(3, &last_page(&[item("w1", NOW - 5000, "Zoe New", "hi")])).unwrap();
    sound.next_run();
    assert_eq!(found(&sound, Depth::Full), []);
    sound.other().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (number, damage) in DAMAGES.iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        std::fs::copy(sound.path(), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        db.execute_batch(damage.sql).unwrap();
        drop(db);
        let all = |depth| -> Verification { verify(&path, depth, &mut |_| ()).unwrap() };
        let full = all(Depth::Full).findings;
        assert!(!full.is_empty(), "{}", damage.sql);
        for finding in &full {
            assert_eq!(
                (finding.check, finding.severity),
                (damage.check, Severity::Broken),
                "{}: {full:#?}",
                damage.sql
            );
            assert!(finding.place.contains(damage.place), "{}: {full:#?}", damage.sql);
            assert!(finding.what.contains(damage.what), "{}: {full:#?}", damage.sql);
            assert!(!finding.help.is_empty());
        }
        assert_eq!(!all(Depth::Quick).findings.is_empty(), damage.quick, "--quick: {}", damage.sql);
    }
}

#[test]
fn a_message_of_a_time_to_come_leaves_a_sound_archive() {
    let mut bench = Bench::new(2);
    let served = |id: &str, at| {
        let item = serde_json::value::RawValue::from_string(item(id, at, "Ada Example", "words")).unwrap();
        raw::read(&item).unwrap()
    };
    let (in_2099, now) = (4_070_908_800_000, NOW);
    for (conversation, others) in [(0, 3), (1, 0)] {
        let mut items = vec![served("u9", in_2099)];
        items.extend((0..others).map(|n| served(&format!("u{n}"), now - 1000 * (1 + n))));
        let mut page = last_page(&[]);
        page.returned = u32::try_from(items.len()).unwrap();
        page.messages = timestamps::place(items, Some(now));
        bench.put(conversation, &page).unwrap();
    }
    bench.next_run();
    let derived_time: i64 = bench.one("SELECT count(*) FROM message WHERE derived_time");
    assert!(derived_time > 0);
    assert_eq!(found(&bench, Depth::Full), []);
}

#[test]
fn a_total_that_the_api_itself_contradicted_is_no_broken_promise() {
    let bench = odd();
    bench
        .other()
        .execute_batch(
            "UPDATE conversation SET served_total = 9 WHERE id = 1;
             UPDATE request SET stall_code = 'end_before_count' WHERE conversation = 1",
        )
        .unwrap();
    let findings = found(&bench, Depth::Full);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].check, findings[0].severity), ("totals", Severity::Note));
}

#[test]
fn what_is_said_to_repair_the_index_repairs_it() {
    let mut bench = odd();
    bench.next_run();
    let db = bench.other();
    db.execute_batch(
        "DELETE FROM messages_fts_docsize; INSERT INTO messages_cjk_fts (messages_cjk_fts) VALUES ('delete-all')",
    )
    .unwrap();
    let findings = found(&bench, Depth::Full);
    assert!(findings.iter().all(|f| f.check == "full-text"), "{findings:#?}");
    let (_, command) = findings[0].help.split_once('"').unwrap();
    db.execute_batch(command.split_once('"').unwrap().0).unwrap();
    drop(db);
    bench.crash();
    assert_eq!(found(&bench, Depth::Full), []);
}

#[test]
fn bytes_that_changed_on_disk_are_found() {
    let mut bench = odd();
    bench.next_run();
    bench.other().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let path = bench.dir.path().join("copy.db");
    let mut bytes = std::fs::read(bench.path()).unwrap();
    let page: usize = bench
        .one::<i64>("SELECT rootpage FROM sqlite_schema WHERE name = 'message_by_time'")
        .try_into()
        .unwrap();
    let size: usize = bench.one::<i64>("PRAGMA page_size").try_into().unwrap();
    // The first cell of an index: what it points to is another row.
    for byte in &mut bytes[page * size - 12..page * size] {
        *byte ^= 0x55;
    }
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let findings = verify(&path, Depth::Full, &mut |_| ()).unwrap().findings;
    assert!(findings.iter().any(|f| f.check == "integrity"), "{findings:#?}");
    std::fs::write(&path, "not a database at all, but long enough to be looked at").unwrap();
    let findings = verify(&path, Depth::Full, &mut |_| ()).unwrap().findings;
    assert_eq!((findings.len(), findings[0].check), (1, "file"), "{findings:#?}");
}

#[test]
fn the_command_says_what_is_wrong_and_ends_with_1() {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3)]));
    let home = Home::of(&api, "v2");
    home.sync();
    let ran = home.run(&["verify"]).expect(0);
    assert!(ran.stdout.contains("The archive is sound."), "{ran:?}");
    assert_eq!(home.run(&["verify", "--json"]).expect(0).json()["ok"], true);
    std::fs::set_permissions(home.archive(), std::fs::Permissions::from_mode(0o644)).unwrap();
    Connection::open(home.archive())
        .unwrap()
        .execute("UPDATE conversation SET messages = 26 WHERE id = 1", [])
        .unwrap();
    let ran = home.run(&["verify"]).expect(1);
    for part in
        ["its mode is 0644, not 0600", "messages is 26, but 25 are stored", "WRONG file", "WRONG counters"]
    {
        assert!(ran.stdout.contains(part), "{part}: {ran:#?}");
    }
    assert!(ran.stderr.contains(" problems"), "{ran:?}");
    let said = home.run(&["verify", "--json", "--quick"]).expect(1).json();
    assert_eq!((&said["ok"], &said["quick"]), (&false.into(), &true.into()));
    let wheres: Vec<&str> =
        said["findings"].as_array().unwrap().iter().map(|f| f["where"].as_str().unwrap()).collect();
    assert!(wheres.iter().any(|w| w.contains("Ada Example")), "{wheres:?}");
    home.run(&["verify", "nowhere.db"]).expect(74);
}
