//! What anybody reads in a lake: the commits from the first on, and the Parquet files that they leave in a table.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// A row: values by column, as text.
pub(crate) type TextRow = BTreeMap<String, String>;

/// What stands for no value.
const NULL: &str = "∅";

/// The live files of a table with their partition values, by their keys in the lake.
pub(crate) fn live(
    table: &str,
    get: &dyn Fn(&str) -> Option<Bytes>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut live = BTreeMap::new();
    for version in 0.. {
        let Some(commit) = get(&format!("{table}/_delta_log/{version:020}.json")) else { break };
        for line in String::from_utf8(commit.to_vec()).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            let key = |file: &serde_json::Value| {
                let path = file["path"].as_str().unwrap();
                format!("{table}/{}", archiver::lake::delta::path::decoded(path))
            };
            if let Some(remove) = action.get("remove") {
                assert!(live.remove(&key(remove)).is_some(), "{table}: {remove} was not there");
            }
            if let Some(add) = action.get("add") {
                let values: BTreeMap<String, String> =
                    serde_json::from_value(add["partitionValues"].clone()).unwrap();
                assert!(live.insert(key(add), values).is_none(), "{table}: {add} is there twice");
            }
        }
    }
    live
}

/// The rows of a Parquet file.
pub(crate) fn parquet_rows(bytes: Bytes) -> Vec<TextRow> {
    let reader = SerializedFileReader::new(bytes).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        row.get_column_iter().map(|(name, field)| (name.clone(), text(field))).collect()
    });
    rows.collect()
}

fn text(field: &Field) -> String {
    match field {
        Field::Null => NULL.to_owned(),
        Field::Bool(yes) => i32::from(*yes).to_string(),
        Field::Long(n) => n.to_string(),
        Field::Str(text) => text.clone(),
        Field::TimestampMicros(at) => iso(at / 1_000),
        Field::TimestampMillis(at) => iso(*at),
        other => panic!("{other:?}"),
    }
}

fn iso(ms: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(ms).unwrap();
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// All rows of a table.
pub(crate) fn rows(table: &str, get: &dyn Fn(&str) -> Option<Bytes>) -> Vec<TextRow> {
    let mut all = Vec::new();
    for (key, values) in live(table, get) {
        let file = get(&key).unwrap_or_else(|| panic!("{key} is in the table, but not there"));
        for mut row in parquet_rows(file) {
            row.extend(values.clone());
            all.push(row);
        }
    }
    all
}

/// What an archive's view says, as rows of this archive in a lake.
pub(crate) fn view(archive: &Connection, sql: &str, times: &[&str]) -> Vec<TextRow> {
    let id: String = archive.query_row("SELECT archive FROM identity", [], |row| row.get(0)).unwrap();
    let mut statement = archive.prepare(sql).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(Vec::<Value>::new())).unwrap();
    let mut all = Vec::new();
    while let Some(row) = found.next().unwrap() {
        let value = |at: usize, name: &str| match row.get::<_, Value>(at).unwrap() {
            Value::Null => NULL.to_owned(),
            Value::Integer(at) if times.contains(&name) => iso(at),
            Value::Integer(n) => n.to_string(),
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        };
        let mut cells: TextRow =
            names.iter().enumerate().map(|(at, name)| (name.clone(), value(at, name))).collect();
        cells.insert("archive_id".to_owned(), id.clone());
        all.push(cells);
    }
    all
}

/// The tables, and what each must say of an archive.
pub(crate) const VIEWS: &[(&str, &str, &[&str])] = &[
    ("messages", "SELECT * FROM message_log", &[]),
    (
        "message_versions",
        "SELECT v.message AS message_id, v.replaced_ms AS replaced_at, v.edited, v.sent_at_ms, v.sent_at_ms AS sent_at, v.text,
           p.name AS sender, l.account, l.conversation_id, l.conversation, l.entity_urn, k.name AS message_type,
           row_number() OVER (PARTITION BY v.message ORDER BY v.id) AS version
         FROM message_version v JOIN message_log l ON l.message_id = v.message JOIN person p ON p.id = v.sender
         JOIN kind k ON k.id = v.kind",
        &["replaced_at", "sent_at"],
    ),
    ("conversations", "SELECT * FROM conversation_log", &[]),
    ("gaps", "SELECT * FROM gap_log", &[]),
    ("runs", "SELECT * FROM run_log", &[]),
    ("requests", "SELECT * FROM request_log", &[]),
];

/// What is not the same in the tables and in the archives: rows that only one of both has, a few of them.
pub(crate) fn differences(archives: &[&Connection], get: &dyn Fn(&str) -> Option<Bytes>) -> Vec<String> {
    differing(archives, &mut |table| rows(table, get))
}

/// The same for tables that another program reads.
pub(crate) fn differing(archives: &[&Connection], read: &mut dyn FnMut(&str) -> Vec<TextRow>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (table, sql, times) in VIEWS {
        let mut balance: BTreeMap<Vec<(String, String)>, i64> = BTreeMap::new();
        let mut wanted: Vec<String> = Vec::new();
        for archive in archives {
            for row in view(archive, sql, times) {
                wanted = row.keys().cloned().collect();
                *balance.entry(row.into_iter().collect()).or_default() += 1;
            }
        }
        for mut row in read(table) {
            row.retain(|name, _| wanted.is_empty() || wanted.contains(name));
            *balance.entry(row.into_iter().collect()).or_default() -= 1;
        }
        let differing = balance.into_iter().filter(|(_, n)| *n != 0);
        wrong.extend(differing.take(4).map(|(row, n)| {
            let side = if n > 0 { "only the archive has" } else { "only the lake has" };
            let mut row = format!("{row:?}");
            row.truncate(row.floor_char_boundary(600));
            format!("{table}: {side} {n}× {row}")
        }));
    }
    wrong
}
