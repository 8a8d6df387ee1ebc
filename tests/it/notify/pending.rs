//! What waits for a sink: changes that others have taken the place of, and no history.

use std::cell::RefCell;

use archiver::clock::SystemClock;
use archiver::core::Ms;
use archiver::core::notify::batch::PendingChange;
use archiver::notify::{Carrier, Courier, CourierStep, Delivered, Parcel};
use archiver::store::Outcome;
use archiver::store::verify::{Depth, verify};
use futures_util::FutureExt as _;

use super::sinks;
use crate::bench::{Bench, NOW, item, last_page};

fn pending(bench: &Bench, since: i64) -> Vec<(i64, &'static str)> {
    let part = bench.store.queries().pending(since, 1_000).unwrap();
    let told = |change: &PendingChange| (change.seq, change.kind.as_str());
    part.changes.iter().map(told).collect()
}

/// A first message of long ago, then these a second apart from now on.
pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    let mut items = vec![item("u0", NOW - 10_000_000_000, "Ada Example", "long ago")];
    items.extend(
        (1..)
            .zip(texts)
            .filter(|(_, text)| !text.is_empty())
            .map(|(n, text)| item(&format!("u{n}"), NOW + n * 1000, "Ada Example", text)),
    );
    items.reverse();
    items
}

#[test]
fn a_change_that_another_took_the_place_of_is_still_to_be_told_as_it_was() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&texts(&["one", "two", "three"]))).unwrap();
    bench.put(0, &last_page(&texts(&["one", "two, edited", "three"]))).unwrap();
    bench.put(0, &last_page(&texts(&["one", "", "three"]))).unwrap();
    bench.put(0, &last_page(&texts(&["one", "two, again", "three"]))).unwrap();
    let all = pending(&bench, 0);
    assert_eq!(all, [(2, "new"), (3, "new"), (4, "new"), (5, "edited"), (6, "gone"), (7, "back")]);
    assert_eq!(pending(&bench, 5), [(6, "gone"), (7, "back")]);
    let queries = bench.store.queries();
    let part = queries.pending(0, 1_000).unwrap();
    let said: Vec<String> =
        part.changes.iter().map(|change| queries.message_at(change).unwrap().unwrap().message.text).collect();
    let of_two: Vec<&str> = said.iter().map(String::as_str).filter(|text| text.starts_with("two")).collect();
    assert_eq!(of_two, ["two", "two, edited", "two, edited", "two, again"]);
    // The feed itself shows each message once, as ever.
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM change_log"), 4);
    assert_eq!(verify(&bench.path(), Depth::Full, &mut |_| ()).unwrap().findings, []);
}

#[test]
fn a_sender_whose_profile_changes_edits_nothing() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&texts(&["one", "two"]))).unwrap();
    let renamed = texts(&["one", "two, edited"]).join("\n").replace("\"Ada\"", "\"Adele\"");
    let items: Vec<String> = renamed.lines().map(str::to_owned).collect();
    bench.put(0, &last_page(&items)).unwrap();
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM change_log WHERE kind = 'edited'"), 3);
    let told: Vec<&str> = pending(&bench, 3).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(told, ["edited"], "only the text of one has changed");
}

#[test]
fn parts_of_the_feed_add_up_to_the_whole_of_it() {
    let mut bench = Bench::new(1);
    let many: Vec<String> = (0..40).map(|n| format!("message {n}")).collect();
    for end in [10, 17, 40] {
        let now: Vec<&str> = many[..end].iter().map(String::as_str).collect();
        bench.put(0, &last_page(&texts(&now))).unwrap();
    }
    let queries = bench.store.queries();
    let whole = queries.pending(0, 1_000).unwrap();
    assert!(!whole.more && whole.changes.len() == 40);
    let (mut parts, mut since) = (Vec::new(), 0);
    loop {
        let part = queries.pending(since, 1).unwrap();
        assert!(part.to > since || !part.more);
        parts.extend(part.changes);
        since = part.to;
        if !part.more {
            break;
        }
    }
    assert_eq!((parts, since), (whole.changes.clone(), whole.to));
}

/// Takes everything.
struct Everything(RefCell<Vec<Parcel>>);

impl Carrier for Everything {
    async fn deliver(&self, parcel: &Parcel, _: Ms) -> Delivered {
        self.0.borrow_mut().push(parcel.clone());
        Delivered::Accepted
    }
}

/// What a sink with these keys is told of all that has changed.
fn told(bench: &mut Bench, keys: &str) -> Vec<Parcel> {
    bench.store.finish_run(bench.run, Outcome::Complete, bench.now).unwrap();
    let text = format!("[[notify]]\nname = \"a\"\n{keys}\n");
    let sink = &sinks(&text)[0];
    let mut outbox = bench.store.outbox().unwrap();
    let mut courier = Courier::new(sink, &mut outbox).unwrap();
    outbox.update("a", |row| row.change = 0).unwrap();
    drop(std::mem::replace(&mut courier, Courier::new(sink, &mut outbox).unwrap()));
    let (outbox, carrier) = (RefCell::new(outbox), Everything(RefCell::default()));
    loop {
        match courier.step(&outbox, &carrier, &SystemClock, 0.0).now_or_never().unwrap().unwrap() {
            CourierStep::Delivered => {}
            step => {
                assert_eq!(step, CourierStep::Idle(None));
                return carrier.0.into_inner();
            }
        }
    }
}

#[test]
fn a_sink_is_told_what_its_query_finds() {
    for (query, expected) in [
        ("contract", vec!["the contract"]),
        ("-contract", vec!["hello", "see https://example.org"]),
        ("has:link", vec!["see https://example.org"]),
        ("from:bela", vec![]),
        ("from:ada hello OR contract", vec!["hello", "the contract"]),
        ("in:2-c0 hello", vec!["hello"]),
        ("in:nobody hello", vec![]),
        ("-in:nobody hello", vec!["hello"]),
    ] {
        let mut bench = Bench::new(2);
        bench.put(0, &last_page(&texts(&["hello", "the contract", "see https://example.org"]))).unwrap();
        let keys = format!("kind = \"command\"\ncommand = [\"x\"]\nquery = \"{query}\"");
        let found: Vec<String> = told(&mut bench, &keys)
            .iter()
            .map(|parcel| parcel.json["data"]["text"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn mail_comes_as_a_digest_and_very_much_as_a_summary() {
    let email = "kind = \"email\"\nurl = \"smtps://localhost\"\nfrom = \"a@b.c\"\nto = [\"d@e.f\"]";
    for (messages, over, kinds) in [
        (1, 10, vec!["message.new"]),
        (7, 10, vec!["digest"]),
        (11, 10, vec!["summary"]),
        (101, 0, vec!["digest", "message.new"]),
    ] {
        let mut bench = Bench::new(1);
        let some: Vec<String> = (0..messages).map(|n| format!("text {n}")).collect();
        bench.put(0, &last_page(&texts(&some.iter().map(String::as_str).collect::<Vec<_>>()))).unwrap();
        let parcels = told(&mut bench, &format!("{email}\nsummary_over = {over}"));
        let types: Vec<&str> = parcels.iter().map(|parcel| parcel.json["type"].as_str().unwrap()).collect();
        assert_eq!(types, kinds);
        let is_whole = over == 0 || messages <= over;
        let text = &parcels[0].text;
        assert_eq!(text.contains("text 0"), is_whole, "{text}");
        assert!(parcels[0].subject.contains("Ada") || !is_whole, "{}", parcels[0].subject);
    }
}
