//! The archive's files: private, refused when they are something else, and whole when the disk is full.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fake_linkup::{Fault, FaultRule};
use rusqlite::Connection;
use rustix::process::Signal;

use super::SYNC;
use crate::binary::{FakeApi, Home, Process, assert_complete, assert_sound, server};

const READERS: [&[&str]; 2] = [&["status"], &["sync", "--once", "--dry-run"]];

fn api() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 25)]))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everything_beside_the_archive_is_its_owners_alone() {
    let api = api();
    let home = Home::of(&api, "v1");
    api.server().faults.add(FaultRule::once(Fault::Hang));
    let requests = api.requests_as_they_come();
    let process = Process::start(&mut home.archiver_after("umask 022", SYNC));
    requests.recv().unwrap();
    for ending in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&home.path(&format!("archive.db{ending}"))), 0o600, "{ending}");
    }
    // Another one reads meanwhile, and leaves them as they are.
    Process::start(&mut home.archiver_after("umask 022", &["status"])).finish().expect(0);
    process.signal(Signal::KILL);
    process.finish();
    Process::start(&mut home.archiver_after("umask 022", SYNC)).finish().expect(0);
    for ending in ["", ".lock"] {
        assert_eq!(mode(&home.path(&format!("archive.db{ending}"))), 0o600, "{ending}");
    }
    assert!(!home.path("archive.db-wal").exists(), "a run that ended leaves one file and its lock");
}

#[test]
fn the_group_can_read_the_archive_and_what_lies_beside_it_where_that_is_configured() {
    let api = api();
    let mut home = Home::of(&api, "v1");
    let killed_during_a_request = |home: &Home| {
        api.server().faults.add(FaultRule::once(Fault::Hang));
        let requests = api.requests_as_they_come();
        let process = Process::start(&mut home.archiver(SYNC));
        requests.recv().unwrap();
        let modes =
            ["", "-wal", "-shm", ".lock"].map(|ending| mode(&home.path(&format!("archive.db{ending}"))));
        process.signal(Signal::KILL);
        process.finish();
        modes
    };
    assert_eq!(killed_during_a_request(&home), [0o600; 4]);
    home.env("ARCHIVER_ARCHIVE__READABLE_BY_GROUP", "true");
    assert_eq!(killed_during_a_request(&home), [0o640; 4], "what a crash has left as well");
    home.sync();
    home.run(&["verify"]).expect(0);
    home.run(&["backup", "copy.db"]).expect(0);
    assert_eq!(mode(&home.path("copy.db")), 0o600);
    for ending in [".backups", ".last-backup"] {
        assert_eq!(mode(&home.path(&format!("archive.db{ending}"))), 0o640, "{ending}");
    }
    let check = home.run(&["check"]).expect(0);
    assert!(!check.stdout.contains("chmod"), "{check:?}");
    fs::set_permissions(home.archive(), fs::Permissions::from_mode(0o660)).unwrap();
    assert!(home.run(&["verify"]).expect(1).stdout.contains("its mode is 0660, not 0640"));
}

#[test]
fn an_archive_that_cannot_be_created_is_73() {
    let api = api();
    for path in ["nowhere/at/all.db", "a-folder"] {
        let mut home = Home::of(&api, "v1");
        fs::create_dir(home.path("a-folder")).unwrap();
        home.env("ARCHIVER_ARCHIVE__PATH", path);
        let ran = home.run(SYNC).expect(73);
        assert!(ran.stderr.contains(path) && ran.stderr.contains("help: "), "{ran:?}");
        assert!(ran.stdout.is_empty());
    }
    assert_eq!(api.requests(), 0, "nothing is paid for what cannot be kept");
}

#[test]
fn reading_an_archive_that_is_not_there_is_74() {
    let api = api();
    let home = Home::of(&api, "v1");
    let ran = home.run(&["status"]).expect(74);
    assert!(ran.stderr.contains("there is none yet") && ran.stderr.contains("sync --once"), "{ran:?}");
    assert!(!home.archive().exists());
}

/// Neither syncing nor reading changes a byte of this archive, or asks anything; they end with these codes.
fn is_refused(home: &Home, sync: i32, read: i32, words: &str) {
    let before = fs::read(home.archive()).unwrap();
    let files = home.files();
    for (command, code) in [(SYNC, sync), (READERS[0], read), (READERS[1], read)] {
        let ran = home.run(command).expect(code);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("archive.db"), "{ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
        assert!(fs::read(home.archive()).unwrap() == before, "{command:?} has changed the file");
    }
    let left: Vec<String> = home.files().into_iter().filter(|f| f != "archive.db.lock").collect();
    assert_eq!(left, files.into_iter().filter(|f| f != "archive.db.lock").collect::<Vec<_>>());
}

#[test]
fn what_is_no_archive_is_refused_and_stays_as_it_is() {
    let api = api();
    let home = Home::of(&api, "v1");
    home.write("archive.db", "Dear diary,\n");
    is_refused(&home, 73, 74, "not an SQLite database");
    fs::remove_file(home.archive()).unwrap();
    let db = Connection::open(home.archive()).unwrap();
    db.execute_batch("CREATE TABLE song (title TEXT); INSERT INTO song VALUES ('x')").unwrap();
    db.close().unwrap();
    is_refused(&home, 73, 74, "another program");
    assert_eq!(api.requests(), 0);
}

#[test]
fn an_archive_of_a_newer_version_is_refused_and_stays_as_it_is() {
    let api = api();
    let home = Home::of(&api, "v1");
    home.sync();
    let asked = api.requests();
    let db = Connection::open(home.archive()).unwrap();
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    db.pragma_update(None, "user_version", version + 1).unwrap();
    db.close().unwrap();
    is_refused(&home, 73, 74, &format!("schema version {}", version + 1));
    assert_eq!(api.requests(), asked);
}

#[test]
fn a_damaged_archive_is_74_and_costs_nothing() {
    let api = api();
    let home = Home::of(&api, "v1");
    home.sync();
    let asked = api.requests();
    let mut bytes = fs::read(home.archive()).unwrap();
    // All but the first page, by which it is still known as an archive.
    bytes[4096..].fill(0xa5);
    fs::write(home.archive(), &bytes).unwrap();
    home.run(SYNC).expect(74);
    home.run(&["status"]).expect(74);
    assert_eq!(api.requests(), asked);
}

#[test]
fn a_full_disk_is_74_and_loses_nothing_that_was_stored() {
    for blocks in [800, 900, 1050] {
        let api = FakeApi::serve(server(&[("Ada Example", 300)]));
        let mut home = Home::of(&api, "v1");
        home.env("ARCHIVER_SYNC__PAGE_SIZE", "20");
        // A write beyond the limit then fails, as it does where there is no room.
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}");
        let ran = Process::start(&mut home.archiver_after(&shell, SYNC)).finish().expect(74);
        assert!(ran.stderr.contains("error: ") && ran.stderr.contains("full disk"), "{ran:?}");
        assert!(api.requests() > 0, "{blocks}");
        assert_sound(&home, api.charged());
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_report_that_cannot_be_written_is_74_and_a_log_that_cannot_be_is_no_matter() {
    let api = api();
    let home = Home::of(&api, "v1");
    let ran = Process::start(&mut home.archiver_after("exec >/dev/full", SYNC)).finish().expect(74);
    assert!(ran.stderr.contains("cannot write to standard output"), "{ran:?}");
    assert_complete(&home, &api.server());
    for shell in ["exec 2>/dev/full", "exec 2>&-", "exec 2>&- <&-"] {
        let ran = Process::start(&mut home.archiver_after(shell, SYNC)).finish().expect(0);
        assert_eq!(ran.json()["outcome"], "complete", "{shell}");
    }
}

#[test]
fn the_status_page_and_the_metrics_replace_only_what_they_wrote_themselves() {
    let api = api();
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_METRICS__TEXTFILE", "archiver.prom");
    home.sync();
    let (archive, config) =
        (fs::read(home.archive()).unwrap(), fs::read(home.path("archiver.toml")).unwrap());
    fs::create_dir(home.path("folder")).unwrap();
    for other in ["archive.db", "archiver.toml", "api_key", "folder"] {
        let ran = home.run(&["status", "--html", other]).expect(2);
        assert!(ran.stderr.contains("is not a status page, and is left alone"), "{ran:?}");
        home.env("ARCHIVER_METRICS__TEXTFILE", other);
        let ran = home.run(SYNC).expect(0);
        assert!(ran.stderr.contains("it holds something else, which is left alone"), "{ran:?}");
    }
    assert!(fs::read(home.archive()).unwrap().starts_with(&archive[..16]));
    assert!(fs::read(home.path("archiver.toml")).unwrap() == config);
    // Their own they do replace, and an empty file.
    home.write("empty.html", "");
    home.env("ARCHIVER_METRICS__TEXTFILE", "archiver.prom");
    for _ in 0..2 {
        home.run(&["status", "--html", "empty.html"]).expect(0);
        let ran = home.run(SYNC).expect(0);
        assert!(!ran.stderr.contains("left alone"), "{ran:?}");
    }
}

/// Runs the program as somebody to whom the archive does not belong.
fn as_another_user(home: &Home, args: &[&str]) -> crate::binary::Ran {
    let command = if rustix::process::getuid().is_root() {
        home.archiver_with("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups"], args)
    } else {
        home.archiver(args)
    };
    let mut command = command;
    Process::start(&mut command).finish()
}

#[test]
fn an_archive_that_one_may_not_read_is_not_said_to_be_missing() {
    let api = api();
    let mut home = Home::of(&api, "v1");
    fs::create_dir(home.path("private")).unwrap();
    home.env("ARCHIVER_ARCHIVE__PATH", "private/archive.db");
    home.sync();
    let set = |name: &str, mode| {
        fs::set_permissions(home.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["archiver.toml", "api_key", "token.me"] {
        set(name, 0o644);
    }
    set("", 0o755);
    for (folder, file) in [(0o000, 0o600), (0o755, 0o000)] {
        set("private/archive.db", file);
        set("private", folder);
        for args in [
            &["status"][..],
            &["show", "ada"],
            &["sql", "SELECT 1"],
            &["verify"],
            &["plan"],
            &["sync", "--once", "--dry-run"],
            &["backup", "/tmp/never.db"],
            &["check"],
        ] {
            let ran = as_another_user(&home, args).expect(74);
            assert!(
                ran.stderr.contains("permission denied") && ran.stderr.contains("help: run it as"),
                "{ran:?}"
            );
            assert!(!ran.stderr.contains("there is none"), "{ran:?}");
        }
        set("private", 0o755);
    }
}

#[test]
fn a_backup_is_read_without_a_configuration() {
    let api = api();
    let home = Home::of(&api, "v1");
    home.sync();
    assert!(home.run(&["status", "--json"]).expect(0).json()["last_backup_at"].is_null());
    home.run(&["backup", "copy.db"]).expect(0);
    assert!(home.run(&["status", "--json"]).expect(0).json()["last_backup_at"].is_string());
    assert!(home.run(&["status"]).expect(0).stdout.contains("Last backup: "));

    let bare = Home::empty();
    let copy = home.path("copy.db");
    let copy = copy.to_str().unwrap();
    for args in [
        &["status"][..],
        &["show", "ada"],
        &["search", "message"],
        &["sql", "SELECT count(*) FROM message_log"],
        &["people"],
        &["stats"],
        &["verify"],
        &["export", "--format", "csv", "--out", "all.csv"],
        &["backup", "second.db"],
    ] {
        bare.run(args).expect(78);
        bare.run(&[args, &["--archive", copy]].concat()).expect(0);
    }
    // It also takes the place of the configured one.
    fs::remove_file(home.archive()).unwrap();
    home.run(&["status"]).expect(74);
    let status = home.run(&["status", "--json", "--archive", "copy.db"]).expect(0).json();
    assert_eq!(status["messages"], 25);
}
