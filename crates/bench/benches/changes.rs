//! How soon the change feed tells: the first line after any number, and what is stored while it is followed.
//!
//! `ARCHIVER_BENCH_MESSAGES=1000000 cargo bench -p archiver-bench --bench changes` measures the query behind
//! `changes --since N` over a million messages, from numbers all over the feed, and prints the slowest. With the program's
//! path in `ARCHIVER_BENCH_PROGRAM`, it also starts `changes --since N --limit 1`, and it follows with `changes --follow`
//! what is stored one message at a time.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and one that panics has failed"
)]

use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use archiver::store::{Reader, Store};
use criterion::{Criterion, criterion_group, criterion_main};
use fastrand::Rng;

use archiver_bench::{Mailbox, messages, put_one, walk};

/// Numbers that are begun after.
const NUMBERS: usize = 500;
/// Messages that are stored one by one.
const FOLLOWED: u32 = 50;

fn middle_and_most(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort_unstable();
    (all.get(all.len() / 2).copied().unwrap_or_default(), all.last().copied().unwrap_or_default())
}

fn said(what: &str, all: Vec<Duration>) {
    let count = all.len();
    let (middle, most) = middle_and_most(all);
    println!("  {what}: {middle:?} in the middle, {most:?} at most, of {count}");
}

/// Numbers all over the feed, its ends included.
fn numbers(last: i64, count: usize) -> Vec<i64> {
    let mut rng = Rng::with_seed(1);
    let mut all = vec![0, 1, last / 2, last - 1];
    all.extend((all.len()..count).map(|_| rng.i64(0..last)));
    all
}

/// The least of three: what remains when other programs are left out of it.
fn least(mut took: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| took()).min().unwrap_or_default()
}

fn first_line(path: &Path, since: i64) -> Duration {
    let begin = Instant::now();
    let reader = Reader::open(path).unwrap();
    let first = reader.queries().changes(since, Some(1), ControlFlow::Break).unwrap();
    let took = begin.elapsed();
    assert!(first.is_some_and(|change| change.seq > since));
    took
}

/// How long the program takes from its start to the end of its first line.
fn first_line_of_program(program: &Path, archive: &Path, since: i64) -> Duration {
    let since = since.to_string();
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(["changes", "--since", &since, "--archive"])
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let took = begin.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.ends_with('\n'));
    took
}

/// How long after a message is stored its line can be read.
fn followed(program: &Path, archive: &Path, mailbox: &Mailbox, store: &mut Store) -> Vec<Duration> {
    let since = store.queries().last_change().unwrap().to_string();
    let mut child = Command::new(program)
        .args(["changes", "--follow", "--since", &since, "--archive"])
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut all = Vec::new();
    for n in 0..FOLLOWED {
        // At any moment between two of its looks.
        std::thread::sleep(Duration::from_millis(u64::from(n * 7 % 50)));
        let stored = put_one(mailbox, store, n);
        line.clear();
        stdout.read_line(&mut line).unwrap();
        all.push(stored.elapsed());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    all
}

fn changes(c: &mut Criterion) {
    let mailbox = Mailbox::new(messages());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    let mut store = Store::open(&path).unwrap();
    walk(&mailbox, &mut store);
    let last = store.queries().last_change().unwrap();
    let all = numbers(last, NUMBERS);
    said(
        "first line, the archive opened for it",
        all.iter().map(|since| least(|| first_line(&path, *since))).collect(),
    );
    if let Some(program) = std::env::var_os("ARCHIVER_BENCH_PROGRAM").map(PathBuf::from) {
        let took = numbers(last, 50)
            .into_iter()
            .map(|since| least(|| first_line_of_program(&program, &path, since)));
        said("first line, the program started for it", took.collect());
        said("a stored message, followed", followed(&program, &path, &mailbox, &mut store));
    }
    let mut next = all.iter().cycle();
    c.bench_function("the first change after any number", |b| {
        b.iter(|| first_line(&path, *next.next().unwrap_or(&0)));
    });
}

criterion_group!(benches, changes);
criterion_main!(benches);
