//! How fast an archive of a million messages is searched and opened at the terminal.
//!
//! `cargo bench -p archiver-bench --bench search`; `ARCHIVER_BENCH_MESSAGES` sets another number, and `ARCHIVER_BENCH_KEEP=PATH` keeps the
//! archive there, with its commonest and a rare word printed, to try the whole command on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and one that panics has failed"
)]

#[allow(dead_code, clippy::allow_attributes, reason = "not every benchmark uses all of it")]
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use archiver::core::search::query::Query;
use archiver::store::{Reader, Scope, Search, Store};
use criterion::{Criterion, criterion_group, criterion_main};

use archiver_bench::{Mailbox, NOW_MS, PAGE, walk};

fn search(query: &str) -> Search {
    Search { query: Query::parse(query), ..Search::default() }
}

fn searching(c: &mut Criterion) {
    let messages: u32 =
        std::env::var("ARCHIVER_BENCH_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let mailbox = Mailbox { chinese: 50, ..Mailbox::new(messages) };
    let folder = tempfile::tempdir().unwrap();
    let path =
        std::env::var("ARCHIVER_BENCH_KEEP").map_or_else(|_| folder.path().join("archive.db"), PathBuf::from);
    if !path.exists() {
        let mut store = Store::open(&path).unwrap();
        walk(&mailbox, &mut store);
        store.close().unwrap();
    }
    println!("  {} messages of {} looks each", messages, PAGE);
    let (common, second, rare) = (&mailbox.words[0], &mailbox.words[1], &mailbox.words[29_000]);
    println!("  the commonest word is {common}, a rare one {rare}");
    let reader = Reader::open(&path).unwrap();
    let queries = reader.queries();
    let mut group = c.benchmark_group("search");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    for (name, query) in [
        ("the commonest word", common.as_str()),
        ("two common words", &format!("{common} {second}")),
        ("a rare word", rare),
        ("no such word", "qqqqqqqqqqqqqq"),
        ("a beginning", "a*"),
        ("Chinese", "世界和平"),
        ("one Chinese letter", "世"),
    ] {
        let search = search(query);
        group.bench_function(format!("newest 20: {name}"), |b| {
            b.iter(|| queries.search(&search, 20).unwrap())
        });
        group.bench_function(format!("best 20: {name}"), |b| {
            b.iter(|| queries.search_best(&search, 20).unwrap())
        });
    }
    let conversation = queries.candidates().unwrap()[0].id;
    let within = Search { within: Some([conversation].into()), ..search(common) };
    group.bench_function("newest 20: the commonest word in one conversation", |b| {
        b.iter(|| queries.search(&within, 20).unwrap());
    });
    let from = Search { from: vec!["Example 7".into()], ..search(common) };
    group.bench_function("newest 20: the commonest word from one name", |b| {
        b.iter(|| queries.search(&from, 20).unwrap())
    });
    let month = Search {
        since: Some(NOW_MS - 90 * 86_400_000),
        until: Some(NOW_MS - 60 * 86_400_000),
        ..search(common)
    };
    group.bench_function("newest 20: the commonest word of a month", |b| {
        b.iter(|| queries.search(&month, 20).unwrap())
    });
    let links = Search { link: Some(true), ..search(common) };
    group.bench_function("newest 20: the commonest word with a link that none has, up to the bound", |b| {
        b.iter(|| queries.search(&links, 20).unwrap());
    });
    group.bench_function("why nothing was found", |b| {
        b.iter(|| queries.why_nothing(&search("qqqqqqqq")).unwrap())
    });
    let range = Scope { conversation: Some(conversation), ..Scope::default() };
    group.bench_function("show: the first message", |b| {
        b.iter(|| queries.messages(&range, None, |row| ControlFlow::Break(row.id)).unwrap());
    });
    group.bench_function("all messages of a conversation", |b| {
        b.iter(|| queries.messages(&range, None, |_| ControlFlow::<()>::Continue(())).unwrap());
    });
    group.finish();
}

criterion_group!(benches, searching);
criterion_main!(benches);
