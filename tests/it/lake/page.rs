//! `docs/lake.md` against the tables that are really made.

use std::sync::atomic::Ordering;

use archiver::core::lake::RowSizes;
use archiver::lake::push::{NoPushWatch, push};
use archiver::lake::storage::Storage as _;
use archiver::store::{Reader, name_archive};
use serde_json::Value;

use super::memory::MemoryStorage;
use crate::bench::{Bench, NOW};
use crate::support::lake::VIEWS;

const PAGE: &str = include_str!("../../../docs/lake.md");

/// What a table's log says of it at first.
fn metadata(lake: &MemoryStorage, table: &str) -> Value {
    let commit = lake.get(&format!("{table}/_delta_log/{:020}.json", 0)).unwrap().unwrap();
    let commit = String::from_utf8(commit.to_vec()).unwrap();
    let mut actions = commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    actions.find_map(|action| action.get("metaData").cloned()).unwrap()
}

#[test]
fn every_table_and_column_is_documented() {
    let bench = Bench::new(1);
    name_archive(&bench.path()).unwrap();
    let lake = MemoryStorage::default();
    lake.now.store(NOW, Ordering::Relaxed);
    let reader = Reader::open(&bench.path()).unwrap();
    push(&lake, &reader.snapshot().unwrap(), RowSizes::USUAL, NOW, &mut NoPushWatch).unwrap();
    let mut missing = Vec::new();
    for (table, ..) in VIEWS {
        let metadata = metadata(&lake, table);
        let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
        let apart: Vec<&str> =
            metadata["partitionColumns"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        let columns: Vec<String> = schema["fields"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|field| {
                let name = field["name"].as_str().unwrap();
                (!apart.contains(&name)).then(|| format!("`{name}` {}", field["type"].as_str().unwrap()))
            })
            .collect();
        let apart: Vec<String> = apart.iter().map(|name| format!("`{name}`")).collect();
        let row = [format!("| `{table}` | "), format!(" | {} |", apart.join(", "))];
        let is_row = |line: &str| line.starts_with(&row[0]) && line.ends_with(&row[1]);
        missing.extend((!PAGE.lines().any(is_row)).then(|| row.concat()));
        let list = format!("**`{table}`**: {}.", columns.join(", "));
        let is_list = |paragraph: &str| paragraph.replace('\n', " ") == list;
        missing.extend((!PAGE.split("\n\n").any(is_list)).then_some(list));
    }
    assert!(missing.is_empty(), "docs/lake.md lacks:\n{}", missing.join("\n"));
}
