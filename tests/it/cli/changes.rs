//! `changes`: what changed since a number, and what changes while it runs.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::SYNC;
use crate::binary::{FakeApi, Home, Process, Ran, server};

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn seqs(lines: &[Value]) -> Vec<i64> {
    lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect()
}

#[test]
fn a_reader_goes_on_after_the_last_number_that_it_has() {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Ben Sample", 3)]));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    let all = lines(&home.run(&["changes"]).expect(0));
    assert_eq!(seqs(&all), (1..=28).collect::<Vec<_>>());
    for line in &all {
        for member in
            ["kind", "message_id", "conversation_id", "account", "sent_at", "sender", "text", "changed_at"]
        {
            assert!(!line[member].is_null(), "{member}: {line}");
        }
        assert_eq!((&line["kind"], &line["history"]), (&"new".into(), &true.into()));
    }
    let some = lines(&home.run(&["changes", "--since", "10", "--limit", "5"]).expect(0));
    assert_eq!(some, all[10..15]);
    assert!(home.run(&["changes", "--since", "28"]).expect(0).stdout.is_empty());
    let too_far = home.run(&["changes", "--since", "29"]).expect(2);
    assert!(too_far.stderr.contains("the archive's last change has the number 28, not 29"), "{too_far:?}");
}

#[test]
fn numbers_survive_a_backup_and_the_way_through_json_lines() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    let all = home.run(&["changes"]).expect(0).stdout;
    home.run(&["backup", "copy.db"]).expect(0);
    assert_eq!(home.run(&["changes", "--archive", "copy.db"]).expect(0).stdout, all);
    home.run(&["export", "--format", "jsonl", "--out", "all.jsonl"]).expect(0);
    home.run(&["import", "jsonl", "all.jsonl", "--archive", "new.db"]).expect(0);
    assert_eq!(home.run(&["changes", "--archive", "new.db"]).expect(0).stdout, all);
}

#[test]
fn what_is_stored_while_it_runs_is_told_and_it_ends_when_told() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once", "--budget", "1"]).expect(0);
    let known = lines(&home.run(&["changes"]).expect(0)).len();
    let mut process = Process::start(&mut home.archiver(&["changes", "--follow"]));
    let mut stdout = BufReader::new(process.child().stdout.take().unwrap());
    let mut read = |count: usize| {
        let mut all = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            all.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        all
    };
    assert_eq!(read(known).len(), known);
    home.run(SYNC).expect(0);
    let stored = Instant::now();
    let rest = read(25 - known);
    assert!(stored.elapsed() < Duration::from_secs(5), "{:?}", stored.elapsed());
    assert_eq!(rest.last().unwrap()["seq"], 25);
    process.signal(Signal::TERM);
    let ended = process.finish();
    assert_eq!((ended.code, ended.signal), (None, Some(Signal::TERM.as_raw())), "{ended:?}");
}

#[test]
fn it_ends_when_nobody_reads_on_or_another_archive_takes_the_place() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    let mut process = Process::start(&mut home.archiver(&["changes", "--follow"]));
    let mut line = String::new();
    let mut stdout = BufReader::new(process.child().stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    process.finish().expect(0);

    let process = Process::start(&mut home.archiver(&["changes", "--follow"]));
    std::thread::sleep(Duration::from_millis(300));
    home.run(&["backup", "copy.db"]).expect(0);
    std::fs::rename(home.path("copy.db"), home.archive()).unwrap();
    let lost = process.finish().expect(74);
    assert!(lost.stderr.contains("another file is at"), "{lost:?}");
}
