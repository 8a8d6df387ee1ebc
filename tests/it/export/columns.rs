//! CSV: what a spreadsheet reads is what `message_log` says, and nothing in it is a formula.

use std::fs;

use archiver::export::columns::COLUMNS;
use archiver::export::{Format, Job};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::support::export::{export, job, odd_archive};

#[test]
fn every_row_of_message_log_is_a_row_that_no_spreadsheet_runs() {
    let bench = odd_archive();
    let out = bench.dir.path().join("all.csv");
    let columns: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    for bom in [false, true] {
        export(&bench.path(), &Job { bom, ..job(Format::Csv, &out) }).unwrap();
        let bytes = fs::read(&out).unwrap();
        assert_eq!(bytes.starts_with("\u{feff}".as_bytes()), bom);
        assert!(bytes.ends_with(b"\r\n"));
        let body = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        let mut reader = csv::Reader::from_reader(body);
        assert_eq!(reader.headers().unwrap(), columns);
        let db = Connection::open(bench.path()).unwrap();
        let mut statement = db
            .prepare(&format!("SELECT {} FROM message_log ORDER BY message_id", columns.join(", ")))
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        for record in reader.records() {
            let (record, row) = (record.unwrap(), rows.next().unwrap().unwrap());
            for (at, cell) in record.iter().enumerate() {
                assert!(!cell.starts_with(['=', '+', '@', '\t', '\r']), "{cell}");
                let expected = match row.get::<_, Value>(at).unwrap() {
                    Value::Null => String::new(),
                    Value::Integer(n) => n.to_string(),
                    Value::Text(text) => text,
                    other => panic!("{other:?}"),
                };
                // Which cells are guarded is tested where that is decided.
                let plain = cell.strip_prefix('\'').filter(|rest| *rest == expected).unwrap_or(cell);
                assert_eq!(plain, expected, "{}", columns[at]);
            }
        }
        assert!(rows.next().unwrap().is_none());
    }
}
