//! The change feed: every message once, at its latest change, in the order of changes.

use std::ops::ControlFlow;

use archiver::store::ChangeRow;
use archiver::store::verify::{Depth, verify};

use crate::bench::{Bench, NOW, item, last_page, more_page};

/// What changed after a number: the number, how, and the text.
fn since(bench: &Bench, number: i64) -> Vec<(i64, String, String)> {
    let mut all = Vec::new();
    let add = |change: ChangeRow| {
        let text = change.message.stored().map_or_else(String::new, |row| row.message.text);
        all.push((change.seq, change.kind, text));
        ControlFlow::<()>::Continue(())
    };
    bench.store.queries().changes(number, None, add).unwrap();
    all
}

fn told(rows: &[(i64, &str, &str)]) -> Vec<(i64, String, String)> {
    rows.iter().map(|(seq, kind, text)| (*seq, (*kind).to_owned(), (*text).to_owned())).collect()
}

fn three(first: &str) -> Vec<String> {
    [("u3", 1000, first), ("u2", 2000, "two"), ("u1", 3000, "one")]
        .iter()
        .map(|(id, ago, text)| item(id, NOW - ago, "Ada Example", text))
        .collect()
}

#[test]
fn each_message_stands_once_at_its_latest_change() {
    let mut bench = Bench::new(2);
    bench.put(0, &last_page(&three("three"))).unwrap();
    assert_eq!(since(&bench, 0), told(&[(1, "new", "one"), (2, "new", "two"), (3, "new", "three")]));
    bench.put(0, &last_page(&three("three, edited"))).unwrap();
    assert_eq!(since(&bench, 3), told(&[(4, "edited", "three, edited")]));
    assert_eq!(
        since(&bench, 0),
        told(&[(1, "new", "one"), (2, "new", "two"), (4, "edited", "three, edited")])
    );
    let mut without = three("three, edited");
    let two = without.remove(1);
    bench.put(0, &last_page(&without)).unwrap();
    assert_eq!(since(&bench, 4), told(&[(5, "gone", "two")]));
    without.insert(1, two.replace("two", "two, edited"));
    bench.put(0, &last_page(&without)).unwrap();
    bench.put(1, &last_page(&[item("x", NOW - 9000, "Cid Test", "other")])).unwrap();
    let all =
        [(1, "new", "one"), (4, "edited", "three, edited"), (6, "back", "two, edited"), (7, "new", "other")];
    assert_eq!(since(&bench, 0), told(&all));
    assert_eq!(since(&bench, 6), told(&all[3..]));
    assert_eq!(since(&bench, 7), []);
    // The view says the same.
    let view = "SELECT seq || ' ' || kind || ' ' || (SELECT text FROM message m WHERE m.id = message_id) FROM change_log ORDER BY seq";
    let lines: Vec<String> = all.iter().map(|(seq, kind, text)| format!("{seq} {kind} {text}")).collect();
    assert_eq!(bench.all::<String>(view), lines);
}

#[test]
fn a_conversation_that_is_emptied_and_comes_back_is_told_message_by_message() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&three("three"))).unwrap();
    bench.put(0, &last_page(&[])).unwrap();
    bench.next_run();
    bench.put(0, &last_page(&[])).unwrap();
    assert_eq!(since(&bench, 3), told(&[(4, "gone", "one"), (5, "gone", "two"), (6, "gone", "three")]));
    bench.put(0, &last_page(&three("three"))).unwrap();
    assert_eq!(since(&bench, 6), told(&[(7, "back", "one"), (8, "back", "two"), (9, "back", "three")]));
}

#[test]
fn a_page_that_is_not_stored_takes_no_number() {
    let mut bench = Bench::new(1);
    bench.put(0, &more_page(&three("three"), NOW - 3000)).unwrap();
    bench.store.let_triggers_act().unwrap();
    let other = bench.other();
    other
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON change BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    bench.put(0, &last_page(&three("three, edited"))).unwrap_err();
    other.execute_batch("DROP TRIGGER broken").unwrap();
    bench.put(0, &last_page(&three("three, edited"))).unwrap();
    assert_eq!(since(&bench, 3), told(&[(4, "edited", "three, edited")]));
}

#[test]
fn what_was_sent_before_the_account_was_watched_is_history() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&three("three"))).unwrap();
    let mut next = three("three, edited");
    next.insert(0, item("u4", NOW + 5000, "Ada Example", "four"));
    bench.put(0, &last_page(&next)).unwrap();
    let told = bench.all::<String>("SELECT kind || ' ' || history FROM change_log ORDER BY seq");
    assert_eq!(told, ["new 1", "new 1", "edited 0", "new 0"]);
    bench.next_run();
    assert_eq!(verify(&bench.path(), Depth::Full, &mut |_| ()).unwrap().findings, []);
}
