//! `export` and `import jsonl` as a person or a script runs them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use fake_linkup::Author;
use rustix::process::Signal;
use serde_json::Value;

use super::add_older;
use crate::binary::{FakeApi, HOUR, Home, Process, START, assert_complete, server};
use crate::support::export::{contents, objects};

fn api() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3), ("例示 花子", 70)]))
}

/// An archive with an edit, a vanished message and a gap.
fn lively(api: &FakeApi) -> Home {
    let home = Home::of(api, "v1");
    home.run(&["sync", "--once", "--budget", "9"]).expect(0);
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        mailbox.send(0, Author::Owner, START + 900 * HOUR, "=1+1 <b>new</b>").unwrap();
        assert!(mailbox.edit(0, 23, "another text") && mailbox.delete(1, 1));
    }
    home.run(&["sync", "--once", "--budget", "3"]).expect(0);
    home
}

/// Exports with these flags, which must go well: what was said.
#[track_caller]
fn export(home: &Home, format: &str, out: &str, flags: &[&str]) -> String {
    let ran = home.run(&[&["export", "--format", format, "--out", out], flags].concat()).expect(0);
    assert_eq!(ran.stderr, "");
    ran.stdout
}

/// The messages of a JSON Lines export.
fn messages(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|r| r["record"] == "message").collect()
}

fn rows_of_csv(path: &Path) -> usize {
    csv::Reader::from_path(path).unwrap().records().map(Result::unwrap).count()
}

#[test]
fn every_format_holds_every_message_and_says_how_many() {
    let api = api();
    let home = lively(&api);
    let all = usize::try_from(home.count("SELECT count(*) FROM message_log")).unwrap();
    let said = |text: &str| assert!(text.starts_with(&format!("Wrote {all} messages")), "{text}");
    said(&export(&home, "jsonl", "all.jsonl", &[]));
    assert_eq!(messages(&home.path("all.jsonl")).len(), all);
    said(&export(&home, "csv", "all.csv", &["--bom"]));
    assert!(fs::read(home.path("all.csv")).unwrap().starts_with("\u{feff}account,".as_bytes()));
    assert_eq!(rows_of_csv(&home.path("all.csv")), all);
    for (format, first) in [("html", "index.html"), ("markdown", "README.md")] {
        said(&export(&home, format, format, &[]));
        let page = fs::read_to_string(home.path(format).join(first)).unwrap();
        for name in ["Ada Example", "Béla Sample", "例示 花子"] {
            assert!(page.contains(name), "{format}: {name} is not in {page}");
        }
    }
    for out in ["all.jsonl", "all.csv", "html", "markdown"] {
        assert_private(&home, out);
    }
}

fn assert_private(home: &Home, out: &str) {
    let mode = fs::metadata(home.path(out)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{out} is its owner's alone");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_a_file_for_each_month() {
    let api = api();
    let home = lively(&api);
    let all = home.count("SELECT count(*) FROM message_log");
    let said = export(&home, "parquet", "lake", &[]);
    assert!(said.starts_with(&format!("Wrote {all} messages ")), "{said}");
    let months = fs::read_dir(home.path("lake/account=me")).unwrap().count();
    assert_eq!(
        i64::try_from(months).unwrap(),
        home.count("SELECT count(DISTINCT substr(sent_at, 1, 7)) FROM message_log")
    );
    assert_private(&home, "lake");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_which_builds_have_it() {
    let api = api();
    let home = lively(&api);
    let before = home.files();
    let ran = home.run(&["export", "--format", "parquet", "--out", "lake"]).expect(2);
    assert!(ran.stderr.contains("does not support Parquet"), "{ran:?}");
    assert!(ran.stderr.contains("`--features parquet`"), "{ran:?}");
    assert_eq!(home.files(), before);
}

#[test]
fn conversations_and_dates_choose_what_is_exported() {
    let api = api();
    let home = lively(&api);
    let count = |condition: &str| {
        usize::try_from(home.count(&format!("SELECT count(*) FROM message_log WHERE {condition}"))).unwrap()
    };
    for (flags, condition) in [
        (&["--in", "bela"][..], "conversation = 'Béla Sample'"),
        (&["--since", "2021-01-03"], "sent_at >= '2021-01-03'"),
        (&["--until", "2021-01-01"], "sent_at < '2021-01-02'"),
        (
            &["--in", "ada", "--since", "2021-01-02", "--until", "2021-01-02"],
            "conversation = 'Ada Example' AND sent_at LIKE '2021-01-02%'",
        ),
    ] {
        let expected = count(condition);
        assert!(expected > 0 && expected < count("true"), "{condition}");
        export(&home, "jsonl", "some.jsonl", flags);
        assert_eq!(messages(&home.path("some.jsonl")).len(), expected, "{flags:?}");
        export(&home, "csv", "some.csv", flags);
        assert_eq!(rows_of_csv(&home.path("some.csv")), expected, "{flags:?}");
    }
}

#[test]
fn since_last_writes_what_is_new_and_says_when_nothing_is() {
    let api = api();
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    let formats = [
        ("jsonl", "all.jsonl"),
        ("csv", "all.csv"),
        #[cfg(feature = "parquet")]
        ("parquet", "lake"),
        ("html", "html"),
        ("markdown", "notes"),
    ];
    for (format, out) in formats {
        let said = export(&home, format, out, &["--since-last"]);
        assert!(said.starts_with("Wrote 98 messages"), "{format}: {said}");
        let said = export(&home, format, out, &["--since-last"]);
        assert!(said.starts_with("Nothing has changed since the last export to "), "{format}: {said}");
    }
    api.server().mailbox_mut(0).unwrap().send(0, Author::Owner, START + 900 * HOUR, "news").unwrap();
    home.sync();
    for (format, out) in formats {
        let said = export(&home, format, out, &["--since-last"]);
        let new = if matches!(format, "jsonl" | "csv") { "Wrote 1 message " } else { "" };
        assert!(said.starts_with(new) && !said.contains("Nothing has changed"), "{format}: {said}");
    }
    assert_eq!(messages(&home.path("all.0001.jsonl")).len(), 1);
    assert_eq!(rows_of_csv(&home.path("all.0001.csv")), 1);
    // One that does not go on begins anew.
    export(&home, "jsonl", "all.jsonl", &[]);
    assert_eq!(messages(&home.path("all.jsonl")).len(), 99);
    assert!(!home.path("all.0001.jsonl").exists());
}

#[test]
fn what_makes_no_sense_or_stands_in_the_way_ends_before_anything_is_written() {
    let api = api();
    let home = lively(&api);
    home.write("notes.txt", "mine");
    fs::create_dir(home.path("folder")).unwrap();
    let before = home.files();
    for (args, code, words) in [
        (&["--format", "jsonl", "--out", "notes.txt"][..], 2, "notes.txt"),
        (&["--format", "csv", "--out", "folder"], 2, "is a folder"),
        (&["--format", "html", "--out", "notes.txt"], 2, "notes.txt"),
        (&["--format", "html", "--out", "pages", "--bom"], 2, "--bom"),
        (&["--format", "pdf", "--out", "x"], 2, "pdf"),
        (&["--format", "csv"], 2, "--out"),
        (&["--out", "x"], 2, "--format"),
        (&["--format", "csv", "--out", "x", "--in", "nobody"], 2, "nobody"),
        (&["--format", "csv", "--out", "x", "--in", "a"], 2, "may mean"),
        (&["--format", "csv", "--out", "x", "--since", "soon"], 2, "soon"),
        (&["--format", "jsonl", "--out", "nowhere/x.jsonl"], 73, "nowhere"),
    ] {
        let ran = home.run(&[&["export"], args].concat()).expect(code);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(words), "{args:?}: {ran:?}");
        assert_eq!(home.files(), before, "{args:?}");
    }
    assert_eq!(fs::read_to_string(home.path("notes.txt")).unwrap(), "mine");
    fs::remove_file(home.archive()).unwrap();
    let ran = home.run(&["export", "--format", "csv", "--out", "x"]).expect(74);
    assert!(ran.stderr.contains("there is none yet"), "{ran:?}");
}

#[test]
fn an_archive_restored_from_an_export_is_equal_in_every_view_and_goes_on() {
    let api = api();
    let home = lively(&api);
    export(&home, "jsonl", "all.jsonl", &["--since-last"]);
    home.sync();
    export(&home, "jsonl", "all.jsonl", &["--since-last"]);
    let again = home.copy();
    for old in ["archive.db", "archive.db.lock"] {
        fs::remove_file(again.path(old)).unwrap();
    }
    let report = again.run(&["import", "jsonl", "all.jsonl", "all.0001.jsonl", "--json"]).expect(0).json();
    assert_eq!(report["messages"], home.count("SELECT count(*) FROM message_log"));
    let views = objects(&home.archive(), "view");
    assert!(views.len() >= 5, "{views:?}");
    assert_eq!(contents(&home.archive(), &views), contents(&again.archive(), &views));
    assert_eq!(home.run(&["show", "ada", "--edits"]).stdout, again.run(&["show", "ada", "--edits"]).stdout);
    again.run(&["verify"]).expect(0);
    // Nothing that was paid for is paid for again.
    let charged = api.charged();
    again.sync_until_complete();
    assert_complete(&again, &api.server());
    assert!(api.charged() - charged < 20, "{}", api.charged() - charged);

    let ran = again.run(&["import", "jsonl", "all.jsonl"]).expect(73);
    assert!(ran.stderr.contains("already"), "{ran:?}");
    fs::remove_file(again.archive()).unwrap();
    let ran = again.run(&["import", "jsonl", "all.0001.jsonl"]).expect(2);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("help: "), "{ran:?}");
    assert!(!again.archive().exists());
}

#[test]
fn an_interrupted_export_leaves_what_was_there_and_nothing_half() {
    let api = api();
    let home = lively(&api);
    // So many that an export is at work for a while.
    add_older(&home);
    export(&home, "csv", "all.csv", &["--in", "bela"]);
    let (before, files) = (fs::read(home.path("all.csv")).unwrap(), home.files());
    for (signal, format, out) in [
        (Signal::INT, "csv", "all.csv"),
        (Signal::HUP, "jsonl", "all.jsonl"),
        (Signal::TERM, "html", "pages"),
        (Signal::INT, "markdown", "notes"),
        #[cfg(feature = "parquet")]
        (Signal::TERM, "parquet", "lake"),
    ] {
        let process = Process::start(&mut home.archiver(&["export", "--format", format, "--out", out]));
        let begun = Instant::now();
        let at_work =
            || home.files().iter().any(|f| f.starts_with(".archiver-export-")) || home.path(out).is_dir();
        while !at_work() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{format} never began");
            thread::yield_now();
        }
        process.signal(signal);
        let ran = process.finish().expect(128 + signal.as_raw());
        assert!(ran.stdout.is_empty() && ran.stderr.contains("interrupted: nothing was replaced"), "{ran:?}");
        assert_eq!(home.files(), files, "{format}");
        assert!(fs::read(home.path("all.csv")).unwrap() == before);
    }
}

#[test]
fn an_export_without_room_says_so_and_leaves_nothing_half() {
    let api = api();
    let home = lively(&api);
    add_older(&home);
    let files = home.files();
    for format in ["csv", "jsonl"] {
        // A write beyond the limit fails, as it does where there is no room.
        let args = ["export", "--format", format, "--out", "all.txt"];
        let ran = Process::start(&mut home.archiver_after("ulimit -f 200", &args)).finish().expect(73);
        assert!(ran.stderr.contains("File too large") && ran.stderr.contains("make room"), "{ran:?}");
        assert_eq!(home.files(), files, "{format}");
    }
}
