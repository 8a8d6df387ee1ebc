//! What is noted of a sink: when the archive cannot be written, when nothing is left to send, and when a sink is skipped.

use std::cell::{Cell, RefCell};

use archiver::clock::SystemClock;
use archiver::config::Sink;
use archiver::core::Ms;
use archiver::core::notify::batch::BatchForm;
use archiver::notify::{Carrier, Courier, CourierStep, Delivered, Parcel, skip};
use archiver::store::{Outbox, Outcome, SinkRow, StoreError};
use futures_util::FutureExt as _;

use super::pending::texts;
use super::sinks;
use crate::bench::{Bench, last_page};

const SINK: &str = "[[notify]]\nname = \"a\"\nkind = \"command\"\ncommand = [\"x\"]\n";

/// Answers as it is told to, after something has happened.
struct Answering<'a> {
    answer: Delivered,
    meanwhile: &'a dyn Fn(),
    sent: Cell<u32>,
}

impl Carrier for Answering<'_> {
    async fn deliver(&self, _: &Parcel, _: Ms) -> Delivered {
        self.sent.set(self.sent.get() + 1);
        (self.meanwhile)();
        self.answer.clone()
    }
}

/// An archive with a message that waits for a sink, and its courier.
fn bench() -> (Bench, Sink, RefCell<Outbox>, Courier) {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&texts(&["hello"]))).unwrap();
    let sink = sinks(SINK).remove(0);
    let mut outbox = bench.store.outbox().unwrap();
    Courier::new(&sink, &mut outbox).unwrap();
    outbox.update("a", |row| row.change = 0).unwrap();
    let courier = Courier::new(&sink, &mut outbox).unwrap();
    bench.store.finish_run(bench.run, Outcome::Complete, bench.now).unwrap();
    (bench, sink, RefCell::new(outbox), courier)
}

fn step(
    courier: &mut Courier,
    outbox: &RefCell<Outbox>,
    carrier: &Answering<'_>,
) -> Result<CourierStep, StoreError> {
    courier.step(outbox, carrier, &SystemClock, 0.0).now_or_never().unwrap()
}

#[test]
fn what_was_accepted_but_could_not_be_noted_is_noted_later_and_not_sent_again() {
    let (bench, _, outbox, mut courier) = bench();
    let other = bench.other();
    // An index that no sink with a delivery fits into.
    let refuse = "CREATE INDEX full ON sink (abs(iif(delivered > 0, -9223372036854775808, 0)))";
    let meanwhile = || other.execute_batch(refuse).unwrap_or_default();
    let carrier = Answering { answer: Delivered::Accepted, meanwhile: &meanwhile, sent: Cell::new(0) };
    for _ in 0..3 {
        assert!(step(&mut courier, &outbox, &carrier).is_err());
    }
    other.execute_batch("DROP INDEX full").unwrap();
    assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Delivered);
    assert_eq!(outbox.borrow().sink("a").unwrap().delivered, 1);
    assert_eq!(carrier.sent.get(), 1);
}

#[test]
fn a_failure_that_could_not_be_noted_is_noted_later_and_the_event_is_not_sent_again_before() {
    let (bench, _, outbox, mut courier) = bench();
    let other = bench.other();
    let refuse = "CREATE INDEX full ON sink (abs(iif(attempts > 0, -9223372036854775808, 0)))";
    for (answer, has_ended) in
        [(Delivered::failed("500"), false), (Delivered::Ended("gone".to_owned()), true)]
    {
        let meanwhile = || other.execute_batch(refuse).unwrap_or_default();
        let carrier = Answering { answer, meanwhile: &meanwhile, sent: Cell::new(0) };
        for _ in 0..3 {
            assert!(step(&mut courier, &outbox, &carrier).is_err());
        }
        other.execute_batch("DROP INDEX full").unwrap();
        assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Failed);
        let row = outbox.borrow().sink("a").unwrap();
        assert_eq!((row.attempts, row.ended_ms.is_some(), carrier.sent.get()), (1, has_ended, 1));
        outbox.borrow_mut().update("a", SinkRow::forgive).unwrap();
    }
}

#[test]
fn what_is_sent_next_by_itself_is_begun_as_the_last_one_is_noted() {
    let (mut bench, _, outbox, mut courier) = bench();
    bench.put(0, &last_page(&texts(&["hello", "one", "two"]))).unwrap();
    bench.store.finish_run(bench.run, Outcome::Complete, bench.now).unwrap();
    let carrier = Answering { answer: Delivered::Accepted, meanwhile: &|| {}, sent: Cell::new(0) };
    let last = bench.store.queries().last_change().unwrap();
    for next in [Some(last - 1), Some(last), None] {
        assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Delivered);
        let begun = outbox.borrow().sink("a").unwrap().open();
        assert_eq!(begun, next.map(|seq| (seq, BatchForm::Single)));
    }
    assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Idle(None));
}

#[test]
fn what_was_begun_is_forgotten_where_an_older_copy_of_the_archive_took_its_place() {
    let (bench, sink, outbox, _) = bench();
    let last = bench.store.queries().last_change().unwrap();
    let mut outbox = outbox.borrow_mut();
    for (told, begun, is_kept) in [(0, last, true), (0, last + 5, false), (last + 3, last + 5, false)] {
        let begin = |row: &mut SinkRow| {
            row.change = told;
            row.set_open(Some((begun, BatchForm::Summary)));
        };
        outbox.update("a", begin).unwrap();
        Courier::new(&sink, &mut outbox).unwrap();
        let row = outbox.sink("a").unwrap();
        assert_eq!((row.change, row.open().is_some()), (told.min(last), is_kept), "{told} {begun}");
    }
}

#[test]
fn a_sink_that_failed_and_has_nothing_left_to_get_fails_no_more() {
    let (_bench, _, outbox, mut courier) = bench();
    let carrier = Answering { answer: Delivered::failed("500"), meanwhile: &|| {}, sent: Cell::new(0) };
    assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Failed);
    let row = outbox.borrow().sink("a").unwrap();
    assert_eq!((row.attempts, row.waiting), (1, 1));
    // Its owner narrows what it wants, and tries again.
    let narrow = sinks(&format!("{SINK}query = \"nobody\"\n")).remove(0);
    let mut courier = Courier::new(&narrow, &mut outbox.borrow_mut()).unwrap();
    outbox.borrow_mut().update("a", |row| row.next_try_ms = None).unwrap();
    assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Idle(None));
    let row = outbox.borrow().sink("a").unwrap();
    assert_eq!((row.attempts, row.waiting, row.last_error, carrier.sent.get()), (0, 0, None, 1));
}

#[test]
fn an_event_that_is_skipped_while_it_is_sent_leaves_no_failure_behind() {
    let (bench, sink, outbox, mut courier) = bench();
    let other = RefCell::new(bench.store.outbox().unwrap());
    let meanwhile = || {
        skip(&sink, &mut other.borrow_mut(), bench.now).unwrap();
    };
    let carrier = Answering { answer: Delivered::failed("500"), meanwhile: &meanwhile, sent: Cell::new(0) };
    assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Failed);
    let row = outbox.borrow().sink("a").unwrap();
    assert_eq!((row.attempts, row.waiting, row.last_error), (0, 0, None));
    assert_eq!(step(&mut courier, &outbox, &carrier).unwrap(), CourierStep::Idle(None));
}
