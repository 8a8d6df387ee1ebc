//! The archive's files: private, locked by one writer, and complete in one file when closed.

use std::os::unix::fs::PermissionsExt as _;

use archiver::store::{Reader, Store, StoreError};

use crate::bench::{Bench, NOW, item, last_page};

#[test]
fn nobody_else_can_read_the_archive_or_what_lies_beside_it() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("u1", NOW, "Ada Example", "one")])).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{names:?}");
    }
    names.sort();
    assert_eq!(names, ["archive.db", "archive.db-shm", "archive.db-wal", "archive.db.lock"]);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_done_and_readers_are_not() {
    let bench = Bench::new(1);
    let path = bench.path();
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(&refused, StoreError::Busy(p) if *p == path), "{refused}");
    assert_eq!(Reader::open(&path).unwrap().queries().conversations().unwrap().len(), 1);
    bench.store.close().unwrap();
    Store::open(&path).unwrap();
}

#[test]
fn a_closed_archive_is_one_file() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("u1", NOW, "Ada Example", "one")])).unwrap();
    let (path, dir) = (bench.path(), bench.dir);
    bench.store.close().unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "archive.db" || name == "archive.db.lock"), "{left:?}");
    assert_eq!(Reader::open(&path).unwrap().queries().summary().unwrap().messages, 1);
}

#[test]
fn nothing_can_be_written_through_a_reader() {
    let bench = Bench::new(1);
    let reader = Reader::open(&bench.path()).unwrap();
    let before = bench.one::<i64>("PRAGMA data_version");
    reader.queries().conversations().unwrap();
    reader.queries().summary().unwrap();
    drop(reader);
    assert_eq!(bench.one::<i64>("PRAGMA data_version"), before);
}
