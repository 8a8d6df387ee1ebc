//! What a push writes of a file in which little has changed.

use std::sync::atomic::Ordering;

use archiver::core::lake::RowSizes;
use archiver::lake::push::{NoPushWatch, PushedTable, push};
use archiver::lake::storage::Storage as _;
use archiver::store::{Reader, name_archive};

use super::memory::MemoryStorage;
use crate::bench::{Bench, NOW, item, more_page};
use crate::support::lake::{differences, live};

const SIZES: RowSizes = RowSizes { file: 1_000, group: 4 };
const MINUTE: i64 = 60_000;

struct Month {
    bench: Bench,
    lake: MemoryStorage,
    texts: Vec<String>,
}

impl Month {
    /// Forty messages of one month are pushed.
    fn new() -> Self {
        let bench = Bench::new(1);
        name_archive(&bench.path()).unwrap();
        let lake = MemoryStorage::default();
        lake.now.store(NOW, Ordering::Relaxed);
        let texts = (0..40).map(|number| format!("number {number}")).collect();
        let mut month = Self { bench, lake, texts };
        let messages = month.push();
        assert_eq!((messages.rows, messages.added), (40, 1));
        month
    }

    /// Reads the page of all messages, and pushes.
    fn push(&mut self) -> PushedTable {
        let items: Vec<String> = (0..)
            .zip(&self.texts)
            .map(|(n, text)| item(&format!("u{n}"), NOW - n * MINUTE, "Ada Example", text))
            .collect();
        self.bench.next_run();
        drop(self.bench.put(0, &more_page(&items, NOW - 39 * MINUTE)));
        let reader = Reader::open(&self.bench.path()).unwrap();
        let pushed = push(&self.lake, &reader.snapshot().unwrap(), SIZES, NOW, &mut NoPushWatch).unwrap();
        let lake = |key: &str| self.lake.get(key).unwrap();
        assert_eq!(differences(&[&self.bench.other()], &lake), Vec::<String>::new());
        pushed.tables.into_iter().find(|table| table.name == "messages").unwrap()
    }

    /// The one file of the month.
    fn file(&self) -> String {
        let live = live("messages", &|key| self.lake.get(key).unwrap());
        assert_eq!(live.len(), 1, "{live:?}");
        live.into_keys().next().unwrap()
    }
}

#[test]
fn a_changed_message_has_its_row_group_written_again_and_the_rest_of_the_file_is_taken_over() {
    let mut month = Month::new();
    month.texts[17].push_str(", edited");
    let messages = month.push();
    assert_eq!((messages.rows, messages.added, messages.removed), (4, 1, 1));
    month.texts[0].push_str(", edited");
    month.texts[39].push_str(", edited");
    assert_eq!(month.push().rows, 8);
}

#[test]
fn of_a_file_that_was_damaged_nothing_is_taken_over() {
    let mut month = Month::new();
    let key = month.file();
    let mut bytes = month.lake.get(&key).unwrap().unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    month.lake.put(&key, bytes.into()).unwrap();
    month.texts[17].push_str(", edited");
    assert_eq!(month.push().rows, 40);
}

#[test]
fn a_file_that_is_lost_is_written_again_from_the_archive() {
    let mut month = Month::new();
    month.lake.delete(&[month.file()]).unwrap();
    month.texts[17].push_str(", edited");
    assert_eq!(month.push().rows, 40);
}

#[test]
fn a_push_without_news_makes_few_requests() {
    let month = Month::new();
    let reader = Reader::open(&month.bench.path()).unwrap();
    let push = || {
        let before = month.lake.calls.load(Ordering::Relaxed);
        let pushed = push(&month.lake, &reader.snapshot().unwrap(), SIZES, NOW, &mut NoPushWatch).unwrap();
        (pushed.tables.len(), month.lake.calls.load(Ordering::Relaxed) - before)
    };
    push();
    let (tables, calls) = push();
    println!("{calls} requests");
    assert_eq!(tables, 0);
    assert!(calls <= 40, "{calls} requests");
}
