//! The archive file: what it is created from, what its views promise, what is refused, and that hot queries use an index.

use std::path::Path;

use archiver::core::timeline::stall::Stall;
use archiver::store::verify::{Depth, Severity, verify};
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
    strings_at(db, sql, 0)
}

fn strings_at(db: &Connection, sql: &str, column: usize) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(column)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn fresh() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db
}

/// The statements that made a schema's tables, indexes, views and triggers, without comments, quotes and layout.
fn shape(db: &Connection) -> Vec<String> {
    let statements =
        strings(db, "SELECT type || ' ' || name || ' ' || ifnull(sql, '') FROM sqlite_schema ORDER BY 1");
    let plain = |statement: &String| {
        let code = statement.lines().map(|line| line.split(" -- ").next().unwrap_or_default());
        let code = code.collect::<Vec<_>>().join(" ").replace(['"', '\''], "");
        let words = code.split_whitespace().collect::<Vec<_>>().join(" ");
        words.replace("( ", "(").replace(" )", ")").replace(" ,", ",")
    };
    statements.iter().map(plain).collect()
}

#[test]
fn a_new_archive_is_what_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    Store::open(&path).unwrap().close().unwrap();
    assert_eq!(shape(&Connection::open(&path).unwrap()), shape(&fresh()));
}

/// The scripts that make an archive of an older version, with rows in every table.
fn frozen(version: i64) -> Vec<&'static str> {
    let rows = include_str!("fixtures/rows-1.sql");
    match version {
        1 => vec![include_str!("fixtures/schema-1.sql"), rows],
        _ => vec![include_str!("fixtures/schema-2.sql"), rows, include_str!("fixtures/rows-2.sql")],
    }
}

fn make(path: &Path, version: i64) {
    let db = Connection::open(path).unwrap();
    for script in frozen(version) {
        db.execute_batch(script).unwrap();
    }
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// The tables whose rows an upgrade must keep: all but the full-text indexes.
fn tables(db: &Connection) -> Vec<String> {
    strings(
        db,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name <> 'sqlite_schema' ORDER BY 1",
    )
}

/// Every row of a table: the values of these columns as SQL literals.
fn rows(db: &Connection, table: &str, columns: &[String]) -> Vec<String> {
    let values: Vec<String> = columns.iter().map(|c| format!("quote(\"{c}\")")).collect();
    strings(db, &format!("SELECT concat_ws(', ', {}) FROM \"{table}\" ORDER BY 1", values.join(", ")))
}

/// What schema 3 calls a table or a column; `None` for a column that became others.
fn renamed<'a>(table: &'a str, column: &'a str) -> (&'a str, Option<&'a str>) {
    match (table, column) {
        ("account", "own_name") => (table, Some("owner_name")),
        ("conversation", "given_name") => (table, Some("alias")),
        ("conversation", "listed_ms") => (table, Some("inbox_seen_ms")),
        ("conversation", "listed_at_ms") => (table, Some("inbox_last_message_ms")),
        ("conversation", "listed_text") => (table, Some("inbox_last_text_hash")),
        ("attention", "kind") => ("alert", Some("cause")),
        ("attention", _) => ("alert", Some(column)),
        ("gap", "stalled") | ("run", "trigger") | ("request", "purpose") | ("message", "changed_run") => {
            (table, None)
        }
        _ => (table, Some(column)),
    }
}

/// Compares what an upgrade must not change, row by row.
fn same_rows(old: &Connection, new: &Connection) {
    for table in tables(old) {
        let columns = strings(old, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let kept: Vec<(String, &str)> =
            columns.iter().filter_map(|column| Some((column.clone(), renamed(&table, column).1?))).collect();
        let before: Vec<String> = kept.iter().map(|(old, _)| old.clone()).collect();
        let after: Vec<String> = kept.iter().map(|(_, new)| (*new).to_owned()).collect();
        let there = rows(old, &table, &before);
        assert!(!there.is_empty(), "the fixture has no rows in {table}");
        let mut here = rows(new, renamed(&table, "").0, &after);
        if table == "sqlite_sequence" {
            here.retain(|row| !row.starts_with("'change'"));
        }
        assert_eq!(here, there, "{table}");
    }
}

/// What became of the columns that schema 3 replaces.
fn replaced(db: &Connection) -> [Vec<String>; 3] {
    [
        "SELECT concat_ws(' ', id, stall_code, stall_detail, due_run) FROM gap ORDER BY id",
        "SELECT concat_ws(' ', id, kind, trigger) FROM run ORDER BY id",
        "SELECT concat_ws(' ', id, purpose, stall_code) FROM request ORDER BY id",
    ]
    .map(|sql| strings(db, sql))
}

#[test]
fn an_older_archive_is_migrated_and_keeps_every_row() {
    for version in 1..SCHEMA_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        make(&path, version);
        let old = Connection::open_in_memory().unwrap();
        frozen(version).iter().for_each(|script| old.execute_batch(script).unwrap());
        // A reader migrates as well, but indexes nothing.
        Reader::open(&path).unwrap();
        let new = Connection::open(&path).unwrap();
        assert_eq!(shape(&new), shape(&fresh()), "schema {version}");
        assert_eq!(new.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(SCHEMA_VERSION));
        same_rows(&old, &new);
        let [gaps, runs, requests] = replaced(&new);
        let gap_3 = "3 end_before_count 5 5";
        assert_eq!(gaps, ["1 0", "2 cursor_not_down 4", gap_3, "4 request_failed a gateway said no 20"]);
        let mut kinds = vec!["1 sync once", "2 sync schedule", "3 sync start"];
        let mut purposes = vec!["1 gap", "2 gap end_before_count", "3 head", "4 inbox", "5 walk"];
        if version > 1 {
            kinds.extend(["4 import once", "5 login once", "6 watch schedule", "7 sync schedule"]);
            purposes.extend(["6 login", "7 watch"]);
        }
        assert_eq!(runs, kinds);
        assert_eq!(requests, purposes);
        let found = "SELECT rowid || '' FROM messages_cjk_fts WHERE messages_cjk_fts MATCH '界平'";
        assert_eq!(strings(&new, found), ["1700000003"]);
        drop(new);
        Store::open(&path).unwrap().close().unwrap();
        let findings = verify(&path, Depth::Full, &mut |_| ()).unwrap().findings;
        let broken: Vec<_> = findings.iter().filter(|f| f.severity == Severity::Broken).collect();
        assert!(broken.is_empty(), "schema {version}: {broken:?}");
    }
}

#[test]
fn an_export_of_an_older_schema_makes_the_archive_that_its_migration_makes() {
    let folder = tempfile::tempdir().unwrap();
    let (migrated, restored) = (folder.path().join("migrated.db"), folder.path().join("restored.db"));
    make(&migrated, 2);
    Store::open(&migrated).unwrap().close().unwrap();
    let export = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/export-2.jsonl");
    archiver::export::restore::jsonl(&[export], &restored, &mut archiver::export::Unwatched).unwrap();
    let [migrated, restored] = [migrated, restored].map(|path| Connection::open(path).unwrap());
    assert_eq!(shape(&restored), shape(&fresh()));
    for table in tables(&migrated).iter().filter(|t| *t != "messages_unindexed") {
        let columns = strings(&migrated, &format!("SELECT name FROM pragma_table_info('{table}')"));
        assert_eq!(rows(&restored, table, &columns), rows(&migrated, table, &columns), "{table}");
    }
    let found = "SELECT rowid || '' FROM messages_cjk_fts WHERE messages_cjk_fts MATCH '界平'";
    assert_eq!(strings(&restored, found), ["1700000003"]);
}

#[test]
fn gap_log_words_each_stall_as_the_program_does() {
    let db = fresh();
    db.execute_batch("INSERT INTO account (id, name) VALUES (1, 'me')").unwrap();
    for stall in [
        Stall::RepeatedPage,
        Stall::CursorNotDown,
        Stall::MoreWithoutCursor,
        Stall::EmptyButMore,
        Stall::EmptyButStored,
        Stall::NewestMissing,
        Stall::BorderMissing,
        Stall::NoTimes,
        Stall::EndAboveKnown,
        Stall::EndBeforeCount(7),
        Stall::OneMillisecond,
        Stall::RequestFailed("HTTP 502".to_owned()),
    ] {
        db.execute_batch("DELETE FROM gap").unwrap();
        let insert = "INSERT INTO gap (account, opened_ms, stall_code, stall_detail) VALUES (1, 1, ?1, ?2)";
        db.execute(insert, (stall.code(), stall.detail())).unwrap();
        assert_eq!(strings(&db, "SELECT stalled FROM gap_log"), [stall.to_string()]);
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
         AND name NOT LIKE 'messages_fts%' AND name NOT LIKE 'messages_cjk_fts%' AND name NOT LIKE 'sqlite_%'",
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
fn queries_over_the_views_use_an_index() {
    let db = fresh();
    for (query, index) in [
        ("SELECT text FROM message_log WHERE conversation_id = 'x' AND account = 'me'", "SEARCH m USING"),
        (
            "SELECT m.text FROM messages_fts f JOIN message_log m ON m.message_id = f.rowid WHERE f.text MATCH 'x' ORDER BY f.rowid DESC",
            "VIRTUAL TABLE INDEX",
        ),
    ] {
        let plan = strings_at(&db, &format!("EXPLAIN QUERY PLAN {query}"), 3).join("; ");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{query}\n{plan}");
    }
}
