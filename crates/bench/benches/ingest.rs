//! How fast pages become rows, what a message weighs on disk, and how much memory that takes.
//!
//! `cargo bench -p archiver-bench --bench ingest` measures a page in the pure core and 200,000 messages through the store;
//! `ARCHIVER_BENCH_MESSAGES=1000000` sets another number. Bytes a message and the peak of memory are printed, and how many
//! messages a second of processor time stores, which the disk and other programs do not change.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark measures real time, and one that panics has failed"
)]

use std::hint::black_box;
use std::time::Duration;

use archiver::core::model::ids::RunId;
use archiver::core::timeline::apply;
use archiver::core::timeline::gap::{Asked, Timeline};
use archiver::core::timeline::identity::Known;
use archiver::store::Store;
use criterion::{Criterion, criterion_group, criterion_main};

use archiver_bench::{Mailbox, NOW_MS, PAGE, look, messages, peak_memory_kib, walk};

fn ingest(c: &mut Criterion) {
    let messages = messages();
    let mailbox = Mailbox::new(messages);
    let mut group = c.benchmark_group("ingest");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(1));
    group.throughput(criterion::Throughput::Elements(u64::from(messages)));
    group.bench_function(format!("{messages} new messages, full text on"), |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("archive.db");
                let mut store = Store::open(&path).unwrap();
                let took = walk(&mailbox, &mut store);
                spent += took.wall;
                store.close().unwrap();
                let bytes = std::fs::metadata(&path).unwrap().len();
                println!(
                    "  {} a second of processor time, {} bytes a message, {} KiB of memory at most",
                    a_second(messages, took.cpu),
                    bytes / u64::from(messages),
                    peak_memory_kib()
                );
            }
            spent
        });
    });
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("archive.db")).unwrap();
    walk(&mailbox, &mut store);
    let looked_at = mailbox.conversations * PAGE;
    group.throughput(criterion::Throughput::Elements(u64::from(looked_at)));
    group.bench_function("the newest page of each conversation again", |b| {
        b.iter_custom(|rounds| {
            let looks = (0..rounds).map(|_| look(&mailbox, &mut store));
            looks
                .inspect(|took| println!("  {} a second of processor time", a_second(looked_at, took.cpu)))
                .map(|took| took.wall)
                .sum()
        });
    });
    group.finish();
}

fn a_second(messages: u32, took: Duration) -> u128 {
    u128::from(messages) * 1_000_000 / took.as_micros().max(1)
}

fn apply(c: &mut Criterion) {
    let mailbox = Mailbox::new(1000);
    let page = mailbox.page(0, 0);
    let timeline = Timeline::unknown(NOW_MS);
    let asked =
        Asked { gap: timeline.gaps[0].clone(), cursor: None, count: PAGE, most: u32::MAX, run: RunId(1) };
    c.bench_function("apply a page of 50 to an empty conversation", |b| {
        b.iter(|| apply::apply(&timeline, &asked, black_box(&page), &Known::default(), NOW_MS));
    });
}

criterion_group!(benches, apply, ingest);
criterion_main!(benches);
