//! `archiver backup`: copies made while pages are committed, and what is never replaced or deleted.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use archiver::store::Store;
use archiver::store::backup::{BackupError, backup};
use archiver::store::verify::{Depth, verify};
use rusqlite::Connection;

use crate::bench::{Bench, NOW, item, more_page};
use crate::binary::{FakeApi, Home, server};

/// Ids and texts of all messages, in the order in which they were stored.
pub(crate) fn messages(path: &std::path::Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut statement = db.prepare("SELECT text FROM message ORDER BY CAST(text AS INTEGER)").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn copies_made_while_pages_are_committed_are_sound_and_each_is_a_beginning_of_the_whole() {
    let mut bench = Bench::new(1);
    let page = |n: i64| {
        let text = |i: i64| format!("{} {}", n * 20 + i, "words ".repeat(40));
        let items: Vec<String> = (0..20)
            .rev()
            .map(|i| item(&format!("u{n}-{i}"), NOW + (n * 20 + i) * 5000, "Ada Example", &text(i)))
            .collect();
        more_page(&items, NOW + n * 100_000)
    };
    for n in 0..30 {
        bench.put(0, &page(n)).unwrap();
    }
    let (archive, folder) = (bench.path(), tempfile::tempdir().unwrap());
    let done = AtomicBool::new(false);
    let copies = thread::scope(|scope| {
        let copier = scope.spawn(|| {
            let mut copies = Vec::new();
            while copies.len() < 3 || !done.load(Ordering::Relaxed) {
                let to = folder.path().join(format!("{}.db", copies.len()));
                let copied = backup(&archive, &to, &mut |_, _| true, || false).unwrap();
                copies.push((to, copied));
            }
            copies
        });
        for n in 30..90 {
            bench.put(0, &page(n)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        copier.join().unwrap()
    });
    let whole = messages(&archive);
    assert_eq!(whole.len(), 1800);
    for (path, copied) in copies {
        let part = messages(&path);
        assert_eq!(i64::try_from(part.len()).unwrap(), copied.contents.messages);
        assert_eq!(part.len() % 20, 0, "a page is there in full or not at all");
        assert_eq!(part, whole[..part.len()]);
        let found = verify(&path, Depth::Full, &mut |_| ()).unwrap().findings;
        assert_eq!(found, [], "{}", path.display());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(copied.bytes, std::fs::metadata(&path).unwrap().len());
        // It can be synced on from.
        Store::open(&path).unwrap().close().unwrap();
    }
}

#[test]
fn stopped_at_any_moment_it_leaves_nothing() {
    let mut bench = Bench::new(1);
    for n in 0..40 {
        let items = [item(&format!("u{n}"), NOW + n * 5000, "Ada Example", &"much text ".repeat(2000))];
        bench.put(0, &more_page(&items, NOW + n * 5000)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    let while_copying = backup(&bench.path(), &to, &mut |_, _| false, || false);
    assert!(matches!(while_copying, Err(BackupError::Stopped)), "{while_copying:?}");
    let while_checking = backup(&bench.path(), &to, &mut |_, _| true, || true);
    assert!(matches!(while_checking, Err(BackupError::Stopped)), "{while_checking:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn only_archives_that_nobody_uses_are_replaced() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v2");
    home.run(&["backup", "copy.db"]).expect(74);
    home.sync();
    home.write("precious.txt", "not an archive");
    let ran = home.run(&["backup", "precious.txt"]).expect(73);
    assert!(ran.stderr.contains("is no archive of this program"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(home.path("precious.txt")).unwrap(), "not an archive");
    assert!(home.run(&["backup", "archive.db"]).expect(73).stderr.contains("is the archive itself"));
    home.run(&["backup", "nowhere/copy.db"]).expect(73);
    for _ in 0..2 {
        let said = home.run(&["backup", "copy.db", "--json"]).expect(0).json();
        assert_eq!((&said["messages"], &said["path"]), (&25.into(), &"copy.db".into()));
    }
    let used = Store::open(&home.path("copy.db")).unwrap();
    assert!(home.run(&["backup", "copy.db"]).expect(73).stderr.contains("being synced"));
    drop(used);
    assert!(home.run(&["verify", "copy.db"]).expect(0).stdout.contains("is sound"));
    assert!(!home.files().iter().any(|f| f.starts_with(".archiver")), "{:?}", home.files());
}

#[test]
fn keep_deletes_old_backups_of_the_same_form_and_nothing_else() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = Home::of(&api, "v2");
    home.sync();
    std::fs::create_dir(home.path("kept")).unwrap();
    home.run(&["backup", "kept/copy.db"]).expect(0);
    for day in ["20200101T000000Z", "20200102T000000Z", "20200103T000000Z"] {
        std::fs::copy(home.path("kept/copy.db"), home.path(&format!("kept/archive-{day}.db"))).unwrap();
    }
    home.write("kept/archive-20190101T000000Z.db", "the name of a backup, but no archive");
    let ran = home.run(&["backup", "kept", "--keep", "2"]).expect(0);
    assert_eq!(ran.stdout.matches("Deleted ").count(), 2, "{ran:?}");
    let mut names: Vec<String> = std::fs::read_dir(home.path("kept"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("archive-2026") && !name.starts_with("archive-203"))
        .collect();
    names.sort();
    names.retain(|name| name <= &"archive-2021".to_owned() || name == "copy.db");
    assert_eq!(names, ["archive-20190101T000000Z.db", "archive-20200103T000000Z.db", "copy.db"]);
    assert!(home.run(&["backup", "copy.db", "--keep", "2"]).expect(2).stderr.contains("the full date"));
    for of_no_order in ["kept/%d.db", "kept/%m-%d.db", "kept/%H%M%S.db"] {
        home.run(&["backup", of_no_order, "--keep", "7"]).expect(2);
    }
    assert!(home.run(&["backup", "%q.db"]).expect(2).stderr.contains("%q is no placeholder"));
    home.run(&["backup", "kept", "--keep", "0"]).expect(2);
}

#[test]
fn keep_never_deletes_the_archive_nor_one_in_use() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let mut home = Home::of(&api, "v2");
    std::fs::create_dir(home.path("live")).unwrap();
    let name = |day: u32| format!("live/archive-2020010{day}T000000Z.db");
    home.env("ARCHIVER_ARCHIVE__PATH", &name(1));
    home.sync();
    for day in 2..6 {
        std::fs::copy(home.path(&name(1)), home.path(&name(day))).unwrap();
    }
    let _synced = Store::open(&home.path(&name(2))).unwrap();
    home.write(&format!("{}-wal", name(3)), "what a crash left");
    std::os::unix::fs::symlink("archive-20200105T000000Z.db", home.path(&name(6))).unwrap();
    let ran = home.run(&["backup", "live", "--keep", "1"]).expect(0);
    assert_eq!(ran.stdout.matches("Deleted ").count(), 2, "{ran:?}");
    let there: Vec<u32> = (1..7).filter(|day| home.path(&name(*day)).symlink_metadata().is_ok()).collect();
    assert_eq!(there, [1, 2, 3, 6], "{ran:?}");
    home.run(&["verify"]).expect(0);
}

#[test]
fn keep_never_deletes_the_copy_just_made() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = Home::of(&api, "v2");
    home.sync();
    std::fs::create_dir(home.path("kept")).unwrap();
    // Their clock was ahead.
    for year in [2098, 2099] {
        home.run(&["backup", &format!("kept/archive-{year}0101T000000Z.db")]).expect(0);
    }
    let said = home.run(&["backup", "kept", "--keep", "2", "--json"]).expect(0).json();
    assert!(home.path(said["path"].as_str().unwrap()).exists(), "{said}");
    assert_eq!(said["deleted"], serde_json::json!(["kept/archive-20980101T000000Z.db"]));
}

#[test]
fn what_a_former_archive_left_is_not_put_into_a_new_copy() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = Home::of(&api, "v2");
    home.sync();
    for ending in ["-wal", "-shm", "-journal"] {
        let left = format!("copy.db{ending}");
        home.write(&left, "the last changes of another archive");
        let ran = home.run(&["backup", "copy.db"]).expect(73);
        assert!(ran.stderr.contains(&left) && ran.stderr.contains("move it away"), "{ran:?}");
        assert!(!home.path("copy.db").exists());
        std::fs::remove_file(home.path(&left)).unwrap();
    }
    home.run(&["backup", "copy.db"]).expect(0);
}

#[cfg(not(feature = "encrypt"))]
#[test]
fn a_build_without_encryption_says_which_builds_have_it() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = Home::of(&api, "v2");
    home.sync();
    let ran = home.run(&["backup", "copy.db.age", "--encrypt-to", "age1any"]).expect(2);
    assert!(ran.stderr.contains("`--features encrypt`"), "{ran:?}");
    home.write("copy.db.age", "age-encryption.org/v1\n");
    let ran = home.run(&["restore", "copy.db.age", "--identity", "copy.db.age"]).expect(2);
    assert!(ran.stderr.contains("`--features encrypt`"), "{ran:?}");
}
