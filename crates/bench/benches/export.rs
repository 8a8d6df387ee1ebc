//! How fast an archive becomes other files, and how much memory that takes.
//!
//! `cargo bench -p archiver-bench --bench export` writes an archive of 200,000 messages in every format;
//! `ARCHIVER_BENCH_MESSAGES=1000000` sets another number. The peak of memory is printed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark measures real time, and one that panics has failed"
)]

use std::time::Duration;

use archiver::export::{Format, Job, Unwatched, run};
use archiver::store::{Reader, Scope, Store};
use criterion::{Criterion, criterion_group, criterion_main};

use archiver_bench::{Mailbox, NOW_MS, PAGE, messages, peak_memory_kib, walk};

fn export(c: &mut Criterion) {
    let mailbox = Mailbox::new(messages());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    let mut store = Store::open(&path).unwrap();
    walk(&mailbox, &mut store);
    store.close().unwrap();
    let reader = Reader::open(&path).unwrap();
    println!("  made of pages of {PAGE}: {} KiB of memory at most so far", peak_memory_kib());
    let mut group = c.benchmark_group("export");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(1));
    group.throughput(criterion::Throughput::Elements(u64::from(messages())));
    for format in [Format::Jsonl, Format::Csv, Format::Parquet, Format::Markdown, Format::Html] {
        let out = folder.path().join(format!("out-{}", format.name()));
        let scope = Scope::default();
        let job = Job { scope, ..Job::new(format, out, NOW_MS) };
        group.bench_function(format.name(), |b| b.iter(|| run(&reader, &job, &mut Unwatched).unwrap()));
        println!("  {} KiB of memory at most so far", peak_memory_kib());
    }
    group.finish();
}

criterion_group!(benches, export);
criterion_main!(benches);
