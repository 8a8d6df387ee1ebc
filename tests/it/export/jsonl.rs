//! JSON Lines: an archive made of an export is the archive that was exported.

use std::fs;
use std::path::{Path, PathBuf};

use archiver::core::model::ids::ConversationId;
use archiver::core::raw::without_lone_surrogates;
use archiver::export::{ExportError, Format, Job, Unwatched, restore};
use archiver::store::{Restore, Scope, Store, TABLES};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::export::{contents, export, job, objects, odd_archive};

fn import(files: &[&Path], archive: &Path) -> Result<archiver::store::backup::Contents, ExportError> {
    let files: Vec<PathBuf> = files.iter().map(|f| (*f).to_owned()).collect();
    restore::jsonl(&files, archive, &mut Unwatched)
}

/// Everything that the two archives hold is the same.
#[track_caller]
pub(super) fn assert_equal(one: &Path, other: &Path) {
    let mut names = objects(one, "view");
    names.extend(objects(one, "table"));
    assert!(names.len() > 25, "{names:?}");
    let (left, right) = (contents(one, &names), contents(other, &names));
    assert!(left.len() > 100);
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left.get(..2000), right.get(..2000));
    }
    assert!(left == right, "{} and {} rows", left.len(), right.len());
}

#[test]
fn an_archive_made_of_an_export_is_equal_and_works() {
    let bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    let done = export(&bench.path(), &job(Format::Jsonl, &out)).unwrap();
    let again = bench.dir.path().join("again.db");
    let restored = import(&[&out], &again).unwrap();
    assert_eq!(u64::try_from(restored.messages).unwrap(), done.messages);
    assert_equal(&bench.path(), &again);
    let db = Connection::open(&again).unwrap();
    db.execute_batch("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)").unwrap();
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'vanishes'"), 2);
    assert_eq!(one("SELECT count(*) FROM messages_unindexed"), 0);
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    drop(db);
    // The ledger goes on where it was, and no number is given twice.
    let mut store = Store::open(&again).unwrap();
    let mut old = Store::open(&bench.dir.path().join("other.db")).unwrap();
    assert!(
        store.begin_run(archiver::store::Trigger::Once, 7).unwrap()
            > old.begin_run(archiver::store::Trigger::Once, 7).unwrap().plus(2)
    );
    // And an export of the copy is the same file.
    store.close().unwrap();
}

#[test]
fn exporting_a_restored_archive_makes_the_same_file() {
    let bench = odd_archive();
    let path = |name: &str| bench.dir.path().join(name);
    export(&bench.path(), &job(Format::Jsonl, &path("a.jsonl"))).unwrap();
    import(&[&path("a.jsonl")], &path("b.db")).unwrap();
    export(&path("b.db"), &job(Format::Jsonl, &path("b.jsonl"))).unwrap();
    assert!(fs::read(path("a.jsonl")).unwrap() == fs::read(path("b.jsonl")).unwrap());
}

#[test]
fn every_table_of_the_schema_is_in_an_export() {
    let bench = odd_archive();
    let mut known: Vec<String> = TABLES.iter().map(|(name, _, _)| (*name).to_owned()).collect();
    // The last two repeat what the ledger and messages say, and are made anew.
    known.extend(["message", "message_version", "spent", "written"].map(str::to_owned));
    known.sort();
    assert_eq!(known, objects(&bench.path(), "table"));
}

#[test]
fn a_record_of_a_message_has_the_columns_of_message_log() {
    let bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    export(&bench.path(), &job(Format::Jsonl, &out)).unwrap();
    let text = fs::read_to_string(&out).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let db = Connection::open(bench.path()).unwrap();
    let columns = "account conversation_id conversation entity_urn sent_at_ms sent_at sender from_me message_type text \
                   versions gone_since message_id source raw";
    let columns: Vec<&str> = columns.split(' ').collect();
    let mut statement =
        db.prepare(&format!("SELECT {} FROM message_log ORDER BY message_id", columns.join(", "))).unwrap();
    let mut rows = statement.query([]).unwrap();
    for record in records.iter().filter(|r| r["record"] == "message") {
        let row = rows.next().unwrap().unwrap();
        for (at, column) in columns.iter().enumerate() {
            let expected = match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                rusqlite::types::Value::Null => Value::Null,
                rusqlite::types::Value::Integer(n) => n.into(),
                rusqlite::types::Value::Text(json) if *column == "raw" => {
                    serde_json::from_str(&without_lone_surrogates(&json)).unwrap()
                }
                rusqlite::types::Value::Text(text) => text.into(),
                other => panic!("{other:?}"),
            };
            assert_eq!(record[column], expected, "{column}");
        }
    }
    assert!(rows.next().unwrap().is_none());
    assert_eq!(records[0]["version"], 1);
    assert_eq!(records.last().unwrap()["records"], records.len() - 1);
}

#[test]
fn an_archive_that_is_there_is_left_alone() {
    let bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    export(&bench.path(), &job(Format::Jsonl, &out)).unwrap();
    drop(bench.store);
    let archive = bench.dir.path().join("archive.db");
    let before = fs::read(&archive).unwrap();
    let error = import(&[&out], &archive).unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
    assert!(fs::read(&archive).unwrap() == before);
}

#[test]
fn what_a_former_archive_left_is_not_put_into_the_new_one() {
    let bench = odd_archive();
    let path = |name: &str| bench.dir.path().join(name);
    export(&bench.path(), &job(Format::Jsonl, &path("all.jsonl"))).unwrap();
    for left in ["new.db-wal", "new.db-shm", "new.db-journal"] {
        fs::write(path(left), "the last changes of another archive").unwrap();
        let error = import(&[&path("all.jsonl")], &path("new.db")).unwrap_err();
        assert!(error.to_string().contains(left), "{error}");
        assert!(!path("new.db").exists() && path(left).exists());
        fs::remove_file(path(left)).unwrap();
    }
    // A link that leads to nothing yet.
    std::os::unix::fs::symlink(path("elsewhere.db"), path("linked.db")).unwrap();
    let error = import(&[&path("all.jsonl")], &path("linked.db")).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(fs::symlink_metadata(path("linked.db")).unwrap().is_symlink() && !path("elsewhere.db").exists());
    // One that appears while the rows come.
    let restore = Restore::begin(&path("new.db"), archiver::store::SCHEMA_VERSION).unwrap();
    fs::write(path("new.db-wal"), "late").unwrap();
    assert!(restore.finish().is_err());
    assert!(!path("new.db").exists());
}

#[test]
fn a_file_that_is_not_whole_makes_no_archive() {
    let bench = odd_archive();
    let path = |name: &str| bench.dir.path().join(name);
    export(&bench.path(), &job(Format::Jsonl, &path("all.jsonl"))).unwrap();
    let text = fs::read_to_string(path("all.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n");
    let message = lines.iter().position(|l| l.starts_with("{\"record\":\"message\"")).unwrap();
    let cases = [
        ("cut at a line", lines[..lines.len() - 1].join("\n")),
        ("cut within a line", text.chars().take(text.chars().count() * 2 / 3).collect()),
        ("a message is missing", without(message)),
        ("a person is missing", without(lines.iter().position(|l| l.contains("\"person\"")).unwrap())),
        ("a line too many", format!("{text}{}\n", lines[message])),
        ("an unknown record", text.replacen("\"record\":\"gap\"", "\"record\":\"gop\"", 1)),
        ("an unknown column", text.replacen("\"purpose\"", "\"pur\\\"pose\"", 1)),
        ("a broken promise", text.replacen("\"trigger\":\"once\"", "\"trigger\":\"never\"", 1)),
        ("another table", text.replacen("\"record\":\"gap\"", "\"record\":\"sqlite_schema\"", 1)),
        ("a newer version", text.replacen("\"version\":1", "\"version\":2", 1)),
        ("a part of the archive", text.replacen("\"whole\":true", "\"whole\":false", 1)),
        ("no export at all", "{}\n".to_owned()),
        ("nothing", String::new()),
    ];
    for (what, damaged) in cases {
        assert_ne!(damaged, text, "{what}");
        fs::write(path("damaged.jsonl"), damaged).unwrap();
        let error = import(&[&path("damaged.jsonl")], &path("new.db")).expect_err(what);
        assert!(matches!(error, ExportError::Refused { .. } | ExportError::Store(_)), "{what}: {error}");
        assert!(!path("new.db").exists() && !path("new.db.importing").exists(), "{what}");
    }
    // What a crash left of an import is no obstacle.
    fs::write(path("new.db.importing"), "half of it").unwrap();
    import(&[&path("all.jsonl")], &path("new.db")).unwrap();
    assert_equal(&bench.path(), &path("new.db"));
}

#[test]
fn an_export_of_one_conversation_names_nobody_else() {
    let bench = odd_archive();
    let out = bench.dir.path().join("one.jsonl");
    let conversation =
        ConversationId(bench.one("SELECT conversation FROM message WHERE text = 'one above a gap'"));
    let scope = Scope { conversation: Some(conversation), ..Scope::default() };
    let done = export(&bench.path(), &Job { scope, ..job(Format::Jsonl, &out) }).unwrap();
    assert_eq!(done.messages, 1);
    let text = fs::read_to_string(&out).unwrap();
    assert!(
        text.contains("one above a gap") && !text.contains("Ada") && !text.contains("\"request\""),
        "{text}"
    );
    let error = import(&[&out], &bench.dir.path().join("new.db")).unwrap_err();
    assert!(error.to_string().contains("only a part"), "{error}");
}
