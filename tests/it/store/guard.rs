//! The archive under the program's feet: moved, overwritten, linked, crafted, on a medium that cannot be written.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use archiver::core::Ms;
use archiver::core::budget::Purse;
use archiver::core::model::page::Below;
use archiver::store::backup::backup;
use archiver::store::verify::{Depth, verify};
use archiver::store::{
    ArchiveChange, Ledger, Outcome, Purpose, Reader, Request, Store, StoreError, Trigger, holder,
};
use rusqlite::Connection;

use crate::bench::{Bench, NOW, item, page};

/// Messages of a conversation, a page of them.
fn put(bench: &mut Bench, number: i64) -> Result<(), StoreError> {
    let text = |i: i64| item(&format!("u{number}-{i}"), NOW + number * 60_000 + i, "Ada Example", "words");
    let texts: Vec<String> = (0..5).map(text).collect();
    bench.put(0, &page(&texts, Below::End)).map(|_| ())
}

fn reserve(bench: &mut Bench) -> Result<(), StoreError> {
    let request = Request {
        run: bench.run,
        account: bench.targets[0].account_id,
        endpoint: "test",
        conversation: None,
        purpose: Purpose::Inbox,
        wanted: 10,
    };
    bench.store.reserve(&Purse::default(), &request, bench.now).map(|_| ())
}

fn sound(path: &Path) {
    assert_eq!(verify(path, Depth::Full, &mut |_| ()).unwrap().findings, []);
}

fn copied(bench: &Bench, name: &str) -> PathBuf {
    let to = bench.dir.path().join(name);
    backup(&bench.path(), &to, &mut |_, _| true, || false).unwrap();
    to
}

/// Closes the archive's store, and opens it again after something has happened to the file.
fn reopened(bench: &mut Bench, happens: impl FnOnce(&Path) -> io::Result<()>) {
    std::mem::replace(&mut bench.store, Store::in_memory().unwrap()).close().unwrap();
    happens(&bench.path()).unwrap();
    bench.store = Store::open(&bench.path()).unwrap();
}

/// What happens to an archive, with an older copy at hand.
type Move = fn(&Path, &Path);

#[test]
fn an_archive_that_was_moved_deleted_or_replaced_is_neither_spent_on_nor_written() {
    let moves: [(&str, Move); 3] = [
        ("deleted", |archive, _| fs::remove_file(archive).unwrap()),
        ("renamed", |archive, _| fs::rename(archive, archive.with_extension("old")).unwrap()),
        ("replaced", |archive, older| fs::rename(older, archive).unwrap()),
    ];
    for (what, happens) in moves {
        let mut bench = Bench::new(1);
        put(&mut bench, 1).unwrap();
        let older = copied(&bench, "older.db");
        put(&mut bench, 2).unwrap();
        happens(&bench.path(), &older);
        for refused in [reserve(&mut bench), bench.store.begin_run(Trigger::Once, NOW).map(|_| ())] {
            assert!(matches!(refused, Err(StoreError::Replaced { .. })), "{what}: {refused:?}");
        }
    }
}

#[test]
fn an_archive_overwritten_in_place_with_an_older_copy_is_refused_and_sound_afterwards() {
    for checkpoints in [0, 1, 2] {
        let mut bench = Bench::new(1);
        put(&mut bench, 1).unwrap();
        bench.store.checkpoint().unwrap();
        // A plain copy of the file, as it is when nothing waits in the log, and one by the program.
        let plain = bench.dir.path().join("plain.db");
        fs::copy(bench.path(), &plain).unwrap();
        let older = if checkpoints == 0 { copied(&bench, "older.db") } else { plain };
        put(&mut bench, 2).unwrap();
        for _ in 0..checkpoints {
            bench.store.checkpoint().unwrap();
            put(&mut bench, 3).unwrap();
        }
        fs::copy(&older, bench.path()).unwrap();
        for refused in [reserve(&mut bench), bench.store.begin_run(Trigger::Once, NOW).map(|_| ())] {
            assert!(matches!(refused, Err(StoreError::Replaced { .. })), "{checkpoints}: {refused:?}");
        }
        let (path, dir) = (bench.path(), bench.dir);
        drop(bench.store);
        sound(&path);
        assert_eq!(Reader::open(&path).unwrap().queries().summary().unwrap().messages, 5);
        Store::open(&path).unwrap();
        drop(dir);
    }
}

#[test]
fn an_archive_whose_log_was_deleted_is_not_spent_on_and_loses_nothing() {
    let mut bench = Bench::new(1);
    put(&mut bench, 1).unwrap();
    fs::remove_file(bench.dir.path().join("archive.db-wal")).unwrap();
    let refused = reserve(&mut bench);
    assert!(matches!(refused, Err(StoreError::Replaced { what: ArchiveChange::LogLost, .. })), "{refused:?}");
    let (path, dir) = (bench.path(), bench.dir);
    drop(bench.store);
    sound(&path);
    assert_eq!(Reader::open(&path).unwrap().queries().summary().unwrap().messages, 5);
    drop(dir);
}

#[test]
fn a_new_archive_is_not_begun_where_one_has_disappeared() {
    let mut bench = Bench::new(1);
    put(&mut bench, 1).unwrap();
    let (path, dir) = (bench.path(), bench.dir);
    bench.store.close().unwrap();
    fs::remove_file(&path).unwrap();
    for refused in [Store::open(&path).map(|_| ()), Ledger::open(&path).map(|_| ())] {
        assert!(matches!(refused, Err(StoreError::Gone { .. })), "{refused:?}");
    }
    assert!(!path.exists());
    fs::remove_file(dir.path().join("archive.db.lock")).unwrap();
    Store::open(&path).unwrap().close().unwrap();
    drop(dir);
}

#[test]
fn other_programs_that_read_or_move_the_log_into_the_file_disturb_nothing() {
    let mut bench = Bench::new(1);
    for number in 0..4 {
        put(&mut bench, number).unwrap();
        let other = bench.other();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        copied(&bench, &format!("copy{number}.db"));
        Reader::open(&bench.path()).unwrap().queries().summary().unwrap();
        put(&mut bench, number + 10).unwrap();
    }
    bench.next_run();
    sound(&bench.path());
}

/// The credits of the day and the month that an archive knows of, once a run has begun.
fn spent(path: &Path, now: Ms) -> (u32, u32) {
    let mut store = Store::open(path).unwrap();
    let run = store.begin_run(Trigger::Once, now).unwrap();
    let spent = store.spent(run, now).unwrap();
    store.finish_run(run, Outcome::Complete, now).unwrap();
    store.close().unwrap();
    (spent.day, spent.month)
}

#[test]
fn what_was_spent_since_an_older_copy_is_not_spent_again() {
    const DAY: Ms = 86_400_000;
    let mut bench = Bench::new(1);
    put(&mut bench, 1).unwrap();
    let older = copied(&bench, "older.db");
    // Six credits on one day and a reservation that is never settled on the next.
    for number in 2..8 {
        put(&mut bench, number).unwrap();
    }
    bench.next_run();
    bench.now += DAY;
    let _lost = bench.reserve(0, 40);
    let (path, now, dir) = (bench.path(), bench.now, bench.dir);
    drop(bench.store);
    assert_eq!(spent(&path, now), (4, 11));
    fs::copy(&older, &path).unwrap();
    assert_eq!(spent(&path, now), (4, 11), "as if nothing had happened");
    assert_eq!(spent(&path, now), (4, 11), "once");
    sound(&path);
    // A login beside the service is told the same.
    fs::copy(&older, &path).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    let login = ledger.begin("me", now).unwrap();
    assert_eq!(ledger.left(&Purse::default(), "me", now).unwrap(), None);
    ledger.finish(login, Outcome::Complete, now).unwrap();
    ledger.close().unwrap();
    assert_eq!(spent(&path, now), (4, 11));
    assert_eq!(spent(&path, now + DAY), (0, 11), "another day is another day");
    drop(dir);
}

#[test]
fn an_older_copy_is_read_as_soon_as_a_run_has_begun_on_it() {
    let mut bench = Bench::new(1);
    put(&mut bench, 1).unwrap();
    let older = bench.dir.path().join("older.db");
    // Closed, everything is in the main file: a copy of that alone is whole, and looks like an earlier state of it.
    reopened(&mut bench, |path| fs::copy(path, &older).map(|_| ()));
    for number in 2..8 {
        put(&mut bench, number).unwrap();
    }
    reopened(&mut bench, |_| Ok(()));
    reserve(&mut bench).unwrap();
    reopened(&mut bench, |path| fs::copy(&older, path).map(|_| ()));
    bench.store.begin_run(Trigger::Once, bench.now).unwrap();
    Reader::open(&bench.path()).unwrap();
}

#[test]
fn what_a_clock_that_was_ahead_has_spent_is_not_spent_again_from_an_older_copy() {
    for ahead in [86_400_000, 40 * 86_400_000] {
        let mut bench = Bench::new(1);
        put(&mut bench, 1).unwrap();
        let older = copied(&bench, "older.db");
        bench.now += ahead;
        bench.next_run();
        for number in 2..8 {
            put(&mut bench, number).unwrap();
        }
        let (path, now, dir) = (bench.path(), bench.now - ahead, bench.dir);
        drop(bench.store);
        let apart = dir.path().join("apart.db");
        fs::copy(&path, &apart).unwrap();
        let known = spent(&apart, now);
        assert!(known.0 >= 6, "{known:?}");
        fs::copy(&older, &path).unwrap();
        // The last request is remembered as it was reserved.
        let told = spent(&path, now);
        assert!(told.0 >= known.0 && told.1 >= known.1, "{ahead}: {told:?} of {known:?}");
        drop(dir);
    }
}

#[test]
fn an_archive_has_one_writer_by_whatever_name_and_without_its_locks_file() {
    let bench = Bench::new(1);
    let (link, twin) = (bench.dir.path().join("link.db"), bench.dir.path().join("twin.db"));
    symlink(bench.path(), &link).unwrap();
    fs::hard_link(bench.path(), &twin).unwrap();
    assert!(matches!(Store::open(&link).unwrap_err(), StoreError::Busy(_)));
    assert_eq!(holder(&link).unwrap(), holder(&bench.path()).unwrap());
    if cfg!(target_os = "linux") {
        assert!(matches!(Store::open(&twin).unwrap_err(), StoreError::Busy(_)));
        fs::remove_file(bench.dir.path().join("archive.db.lock")).unwrap();
        assert!(matches!(Store::open(&bench.path()).unwrap_err(), StoreError::Busy(_)));
    }
    bench.store.close().unwrap();
    Store::open(&link).unwrap().close().unwrap();
}

#[test]
fn links_in_the_place_of_the_programs_files_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (victim, archive) = (folder.path().join("victim"), folder.path().join("archive.db"));
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.path().join("archive.db.lock")).unwrap();
    Store::open(&archive).unwrap_err();
    Ledger::open(&archive).unwrap_err();
    fs::remove_file(folder.path().join("archive.db.lock")).unwrap();
    symlink(folder.path().join("nowhere"), &archive).unwrap();
    Store::open(&archive).unwrap_err();
    Ledger::open(&archive).unwrap_err();
    assert!(!folder.path().join("nowhere").exists());
    fs::remove_file(&archive).unwrap();
    symlink(&victim, &archive).unwrap();
    Store::open(&archive).unwrap_err();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn crafted_tables_views_and_triggers_are_refused_before_anything_is_read_or_spent() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id FROM n";
    for craft in [
        format!("PRAGMA foreign_keys = OFF; DROP TABLE failure; CREATE VIEW failure AS {endless}"),
        format!("DROP VIEW run_log; CREATE VIEW run_log AS {endless}"),
        "CREATE TRIGGER free AFTER INSERT ON request BEGIN UPDATE request SET credits_reserved = 0; END"
            .to_owned(),
        "CREATE TABLE extra (x)".to_owned(),
    ] {
        let mut bench = Bench::new(1);
        put(&mut bench, 1).unwrap();
        let (path, dir) = (bench.path(), bench.dir);
        bench.store.close().unwrap();
        Connection::open(&path).unwrap().execute_batch(&craft).unwrap();
        let began = Instant::now();
        for refused in [
            Store::open(&path).map(|_| ()).unwrap_err(),
            Ledger::open(&path).map(|_| ()).unwrap_err(),
            Reader::open(&path).map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(refused, StoreError::Altered { .. }), "{craft}: {refused}");
        }
        let findings = verify(&path, Depth::Full, &mut |_| ()).unwrap().findings;
        assert!(!findings.is_empty() && findings.iter().all(|f| f.check == "schema"), "{findings:#?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{craft}: {:?}", began.elapsed());
        drop(dir);
    }
}

#[test]
fn a_trigger_that_comes_later_does_not_act() {
    let mut bench = Bench::new(1);
    bench
        .other()
        .execute_batch(
            "CREATE TRIGGER free AFTER INSERT ON request BEGIN UPDATE request SET credits_reserved = 0; END",
        )
        .unwrap();
    let _reserved = bench.reserve(0, 50);
    assert_eq!(bench.one::<i64>("SELECT credits_reserved FROM request"), 5);
}

#[test]
fn an_archive_in_a_folder_that_cannot_be_written_is_read_where_nothing_waits_in_a_log() {
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere; the store's own tests read a file as immutable.
        return;
    }
    let mut bench = Bench::new(1);
    put(&mut bench, 1).unwrap();
    let (path, dir) = (bench.path(), bench.dir);
    bench.store.close().unwrap();
    let mode = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let read = Reader::open(&path).map(|reader| reader.queries().summary().unwrap().messages);
    let verified = verify(&path, Depth::Full, &mut |_| ()).map(|done| done.findings.len());
    mode(0o700);
    fs::write(dir.path().join("archive.db-wal"), "x").unwrap();
    mode(0o500);
    let waits = Reader::open(&path);
    mode(0o700);
    assert_eq!((read.unwrap(), verified.unwrap()), (5, 0));
    assert!(matches!(waits, Err(StoreError::FolderNotWritable(_))), "{waits:?}");
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo.db");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let began = Instant::now();
    for path in [fifo.as_path(), Path::new("/dev/zero"), folder.path()] {
        for error in [
            Reader::open(path).map(|_| ()).unwrap_err(),
            verify(path, Depth::Quick, &mut |_| ()).map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        }
    }
    Store::open(&fifo).unwrap_err();
    Ledger::open(&fifo).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
