//! Parquet: what DuckDB reads is what `message_log` says, also after only some of the months were written anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use archiver::export::{Format, Job};
use rusqlite::Connection;

use crate::support::bench::{NOW, item, more_page};
use crate::support::export::{MINUTE, export, files, job, odd_archive};
use crate::{out, python};

const READ: &str = r#"
import duckdb, json, sys
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
rows = db.execute("""SELECT account, conversation_id, conversation, entity_urn, sent_at_ms,
  strftime(sent_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ'), sender, from_me::INT, message_type, text, versions,
  strftime(gone_since AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ'), raw, message_id, source
  FROM read_parquet(?, hive_partitioning = false) ORDER BY message_id""", [sys.argv[1]]).fetchall()
print(json.dumps(rows))
types = db.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = true)", [sys.argv[1]]).fetchall()
print(json.dumps({row[0]: row[1] for row in types}))
"#;

#[track_caller]
fn assert_same(archive: &Path, lake: &Path) {
    let read = out(python().args(["-c", READ]).arg(format!("{}/**/*.parquet", lake.display())));
    let mut lines = read.lines();
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(lines.next().unwrap()).unwrap();
    let db = Connection::open(archive).unwrap();
    let mut statement = db
        .prepare(
            "SELECT account, conversation_id, conversation, entity_urn, sent_at_ms, sent_at, sender, from_me, message_type, text,
               versions, gone_since, raw, message_id, source FROM message_log ORDER BY message_id",
        )
        .unwrap();
    let mut expected = statement.query([]).unwrap();
    for row in &rows {
        let other = expected.next().unwrap().expect("a row too many");
        for (at, value) in row.iter().enumerate() {
            let expected = match other.get::<_, rusqlite::types::Value>(at).unwrap() {
                rusqlite::types::Value::Null => serde_json::Value::Null,
                rusqlite::types::Value::Integer(n) => n.into(),
                rusqlite::types::Value::Text(text) => text.into(),
                other => panic!("{other:?}"),
            };
            assert_eq!(*value, expected, "column {at}");
        }
    }
    assert!(expected.next().unwrap().is_none(), "a row is missing");
    let types: BTreeMap<String, String> = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(types["sent_at"], "TIMESTAMP WITH TIME ZONE");
    assert_eq!(types["from_me"], "BOOLEAN");
    assert!(types.contains_key("month"), "{types:?}");
}

fn written(out: &Path) -> BTreeMap<PathBuf, SystemTime> {
    files(out).into_iter().map(|f| (f.clone(), fs::metadata(&f).unwrap().modified().unwrap())).collect()
}

#[test]
fn duckdb_reads_what_the_archive_holds_before_and_after_changes() {
    let mut bench = odd_archive();
    let out = bench.dir.path().join("lake");
    let since_last = Job { since_last: true, ..job(Format::Parquet, &out) };
    export(&bench.path(), &since_last).unwrap();
    assert_same(&bench.path(), &out);
    let before = written(&out);
    assert!(before.len() > 8, "{before:?}");
    // A new message, and an edit that moves another one to the next month.
    let page = [
        item("n1", NOW + 2 * MINUTE, "Ada Example", "brand new"),
        item("z", NOW + MINUTE, "Olivia <Owner>", "moved and edited"),
    ];
    bench.put(6, &more_page(&page, NOW - 2 * MINUTE)).unwrap();
    bench.next_run();
    let done = export(&bench.path(), &since_last).unwrap();
    assert!((1..4).contains(&done.files), "{done:?}");
    assert_same(&bench.path(), &out);
    let after = written(&out);
    let same = before.iter().filter(|(file, at)| after.get(*file) == Some(at)).count();
    assert!(same >= before.len() - 3, "{same} of {} are as they were", before.len());
    // Another name for whoever took part in all of it makes all of it new.
    bench.other().execute_batch("UPDATE conversation SET alias = 'Renamed'").unwrap();
    let done = export(&bench.path(), &since_last).unwrap();
    assert_eq!(done.files, after.len());
    assert_same(&bench.path(), &out);
}
