//! An archive on a medium that cannot be written, or that is nearly full, through the program.

use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::binary::{FakeApi, Home, Process, Ran, server};

fn api() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 60), ("Ben Sample", 3)]))
}

/// Runs the program after this shell script, which may mount what only the program sees.
fn after_mounting(home: &Home, script: &str, args: &[&str]) -> Ran {
    let script = format!("{script} && exec \"$@\"");
    Process::start(&mut home.archiver_with("unshare", &["-rm", "sh", "-c", &script, "sh"], args)).finish()
}

/// Not every system lets its users mount anything, not even for themselves.
fn cannot_mount() -> bool {
    let script = "mount -t tmpfs none /mnt";
    let tried = Command::new("unshare").args(["-rm", "sh", "-c", script]).stderr(Stdio::null()).status();
    let cannot = !tried.is_ok_and(|status| status.success());
    if cannot {
        eprintln!("skipped: nothing can be mounted here");
    }
    cannot
}

#[test]
fn without_room_for_a_page_nothing_is_asked() {
    if cannot_mount() {
        return;
    }
    let api = api();
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_ARCHIVE__PATH", "small/archive.db");
    std::fs::create_dir(home.path("small")).unwrap();
    let ran = after_mounting(&home, "mount -t tmpfs -o size=24m none small", &["sync", "--once"]).expect(74);
    assert!(ran.stderr.contains("there is too little room"), "{ran:?}");
    assert_eq!(api.requests(), 0);
    after_mounting(&home, "mount -t tmpfs -o size=64m none small", &["sync", "--once"]).expect(0);
}

#[test]
fn reading_commands_work_on_a_medium_that_cannot_be_written() {
    if cannot_mount() {
        return;
    }
    let api = api();
    let home = Home::of(&api, "v1");
    home.sync();
    let read_only = "mount --bind \"$PWD\" \"$PWD\" && mount -o remount,bind,ro \"$PWD\" && cd \"$PWD\"";
    let files = home.files();
    for args in [&["status"][..], &["show", "ada"], &["search", "message"], &["verify"], &["sql", "SELECT 1"]]
    {
        after_mounting(&home, read_only, args).expect(0);
    }
    let ran = after_mounting(&home, read_only, &["sync", "--once"]);
    assert!(matches!(ran.code, Some(73 | 74)), "{ran:?}");
    assert_eq!(home.files(), files);
    // Changes that wait in a log can only be read where SQLite may write beside the archive.
    let db = Connection::open(home.archive()).unwrap();
    db.execute_batch("UPDATE account SET name = name").unwrap();
    let log = home.path("archive.db-wal");
    std::fs::copy(&log, home.path("log")).unwrap();
    drop(db);
    std::fs::rename(home.path("log"), &log).unwrap();
    let ran = after_mounting(&home, read_only, &["status"]).expect(74);
    assert!(ran.stderr.contains("its folder cannot be written to"), "{ran:?}");
}
