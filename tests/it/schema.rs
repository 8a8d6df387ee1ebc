//! The archive file: what it is created from, what its views promise, what is refused, and that hot queries use an index.

use std::path::Path;

use archiver::store::{Reader, SCHEMA, SCHEMA_VERSION, Store, StoreError};
use rusqlite::Connection;

/// The views and columns that users and scripts rely on: they may grow, nothing in them is renamed or removed.
const PROMISED: &[(&str, &str)] = &[
    (
        "message_log",
        "account conversation_id conversation entity_urn sent_at_ms sent_at sender from_me message_type text versions gone_since raw",
    ),
    (
        "conversation_log",
        "account conversation_id profile_url name messages oldest_at newest_at gaps complete last_synced_at",
    ),
    ("gap_log", "conversation_id newer_ms older_ms opened_at stalled"),
    (
        "run_log",
        "run_id started_at finished_at trigger outcome requests new_messages credits_reserved credits_spent",
    ),
    (
        "request_log",
        "request_id run_id at account endpoint conversation_id asked returned credits_reserved credits_spent http_status error",
    ),
];

fn strings(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn fresh() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db
}

/// Everything that SQLite knows of a schema, comments aside.
fn shape(db: &Connection) -> Vec<String> {
    let mut shape = strings(db, "SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1");
    for table in strings(db, "SELECT name FROM pragma_table_list WHERE schema = 'main' ORDER BY 1") {
        for part in [
            format!(
                "SELECT '{table} ' || cid || name || type || \"notnull\" || ifnull(dflt_value, '') || pk FROM pragma_table_xinfo('{table}')"
            ),
            format!(
                "SELECT '{table} ' || name || \"unique\" || partial FROM pragma_index_list('{table}') ORDER BY 1"
            ),
            format!(
                "SELECT '{table} ' || \"table\" || \"from\" || ifnull(\"to\", '') FROM pragma_foreign_key_list('{table}') ORDER BY 1"
            ),
        ] {
            shape.extend(strings(db, &part));
        }
    }
    shape
}

#[test]
fn a_new_archive_is_what_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    Store::open(&path).unwrap().close().unwrap();
    assert_eq!(shape(&Connection::open(&path).unwrap()), shape(&fresh()));
}

/// An archive as the first version of this program left it.
fn of_schema_1(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(include_str!("fixtures/schema-1.sql")).unwrap();
    db.execute_batch(
        "INSERT INTO account (id, name) VALUES (1, 'me');
         INSERT INTO person (id, account, name) VALUES (1, 1, 'Ada Example');
         INSERT INTO kind (id, name) VALUES (1, 'TEXT');
         INSERT INTO template (id, json) VALUES (1, '{}');
         INSERT INTO conversation (id, account, thread, urn, messages) VALUES (1, 1, '2-a', '2-a', 1);
         INSERT INTO message (id, conversation, sent_at_ms, sender, kind, template, text)
           VALUES (1700000000, 1, 1740800000000, 1, 1, 1, 'kept word for word');
         INSERT INTO messages_unindexed VALUES (1700000000);",
    )
    .unwrap();
}

#[test]
fn an_older_archive_is_brought_to_the_present_schema_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("written.db");
    let read = folder.path().join("read.db");
    for path in [&written, &read] {
        of_schema_1(path);
    }
    Store::open(&written).unwrap().close().unwrap();
    Reader::open(&read).unwrap();
    for path in [&written, &read] {
        let db = Connection::open(path).unwrap();
        assert_eq!(shape(&db), shape(&fresh()), "{}", path.display());
        assert_eq!(strings(&db, "SELECT text || source FROM message_log"), ["kept word for wordapi"]);
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, SCHEMA_VERSION);
    }
}

#[test]
fn an_older_archive_that_is_being_written_to_is_left_alone_by_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    let _writer = Store::open(&path).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    assert!(matches!(Reader::open(&path), Err(StoreError::Older { found: 1, .. })));
}

#[test]
fn the_views_have_every_promised_column() {
    let db = fresh();
    for (view, columns) in PROMISED {
        let there = strings(&db, &format!("SELECT name FROM pragma_table_info('{view}')"));
        for column in columns.split(' ') {
            assert!(there.iter().any(|c| c == column), "{view} lacks {column}");
        }
    }
    let fts = strings(&db, "SELECT sql FROM sqlite_schema WHERE name = 'messages_fts'");
    assert!(fts[0].contains("fts5"), "{fts:?}");
}

#[test]
fn every_table_is_strict() {
    let db = fresh();
    let lax = strings(
        &db,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0
         AND name NOT LIKE 'messages_fts%' AND name NOT LIKE 'messages_runs%' AND name NOT LIKE 'sqlite_%'",
    );
    assert_eq!(lax, Vec::<String>::new());
}

#[test]
fn what_is_no_archive_or_a_newer_one_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer.db");
    Store::open(&newer).unwrap().close().unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE notes (a)").unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "These are the notes of somebody else, and no database at all.\n".repeat(40))
        .unwrap();
    for path in [&newer, &foreign, &text] {
        let before = std::fs::read(path).unwrap();
        let error = Store::open(path).unwrap_err();
        let newer = matches!(error, StoreError::Newer { found, .. } if found == SCHEMA_VERSION + 1);
        assert!(newer || matches!(error, StoreError::NotAnArchive { .. }), "{error}");
        assert!(Reader::open(path).is_err());
        assert_eq!(std::fs::read(path).unwrap(), before, "{} was touched", path.display());
    }
    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    assert!(Store::open(&empty).is_ok());
    assert!(matches!(Reader::open(Path::new("/nowhere/archive.db")), Err(StoreError::Missing(_))));
}

#[test]
fn hot_queries_use_an_index() {
    let db = fresh();
    for (query, index) in [
        (
            "SELECT 1 FROM message WHERE conversation = 1 AND sent_at_ms BETWEEN 1 AND 2 ORDER BY sent_at_ms DESC",
            "message_by_time",
        ),
        ("SELECT 1 FROM message WHERE conversation = 1 AND urn_probe = 2", "message_by_urn"),
        ("SELECT 1 FROM gap WHERE conversation = 1", "gap_by_conversation"),
        (
            "SELECT sum(ifnull(credits_spent, credits_reserved)) FROM request WHERE at_ms >= 1",
            "COVERING INDEX request_by_time",
        ),
        ("SELECT 1 FROM request WHERE run = 1", "request_by_run"),
        ("SELECT text FROM message_log WHERE conversation_id = 'x' AND account = 'me'", "SEARCH m USING"),
        (
            "SELECT m.text FROM messages_fts f JOIN message_log m ON m.message_id = f.rowid WHERE f.text MATCH 'x' ORDER BY f.rowid DESC",
            "VIRTUAL TABLE INDEX",
        ),
    ] {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let plan: Vec<String> =
            statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index), "{query}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{query}\n{plan}");
    }
}
