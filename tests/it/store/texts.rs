//! Full-text search finds every stored text as it is now, after crashes too.

use archiver::core::Ms;
use archiver::store::Store;

use crate::bench::{Bench, NOW, item, last_page, more_page};

/// The texts of messages that match, newest first.
fn found(bench: &Bench, query: &str) -> Vec<String> {
    let db = bench.other();
    let mut statement = db
        .prepare(
            "SELECT l.text FROM messages_fts f JOIN message_log l ON l.message_id = f.rowid
             WHERE messages_fts MATCH ?1 ORDER BY f.rowid DESC",
        )
        .unwrap();
    statement.query_map([query], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// FTS5's own check, against the texts themselves.
fn check_index(bench: &Bench) {
    bench
        .other()
        .execute_batch(
            "INSERT INTO messages_fts (messages_fts) VALUES ('integrity-check');
             INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1);",
        )
        .unwrap();
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM messages_unindexed"), 0);
}

fn words(i: i64) -> String {
    format!("word{i} Grüße żółw 東京 number {i}")
}

#[test]
fn after_a_run_every_stored_text_is_found() {
    let mut bench = Bench::new(2);
    for batch in 0..6 {
        let items: Vec<String> = (0..50)
            .map(|i| batch * 50 + i)
            .map(|i| item(&format!("u{i}"), NOW - i * 61_000, "Ada Example", &words(i)))
            .collect();
        let conversation = usize::try_from(batch % 2).unwrap();
        bench.put(conversation, &more_page(&items, NOW - batch * 50 * 61_000)).unwrap();
    }
    bench.next_run();
    check_index(&bench);
    for i in 0..300 {
        assert_eq!(found(&bench, &format!("word{i}")), [words(i)]);
    }
    let newest_first: Vec<String> = (0..300).map(words).collect();
    assert_eq!(found(&bench, "number"), newest_first);
    assert_eq!(found(&bench, "grusse").len(), 0, "ß is a letter of its own");
    assert_eq!(found(&bench, "zołw").len(), 300, "accents do not matter, ł is a letter of its own");
}

#[test]
fn an_edited_text_is_found_as_it_is_now_and_not_as_it_was() {
    let mut bench = Bench::new(1);
    let text = |text: &str| last_page(&[item("u1", NOW, "Ada Example", text)]);
    bench.put(0, &text("first")).unwrap();
    bench.next_run();
    bench.put(0, &text("second")).unwrap();
    bench.put(0, &text("third")).unwrap();
    bench.next_run();
    check_index(&bench);
    assert_eq!((found(&bench, "first").len(), found(&bench, "second").len()), (0, 0));
    assert_eq!(found(&bench, "third"), ["third"]);
    // Edited before it ever was in the index, and back to what it was.
    bench
        .put(
            0,
            &last_page(&[
                item("u2", NOW + 5000, "Ada Example", "early"),
                item("u1", NOW, "Ada Example", "third"),
            ]),
        )
        .unwrap();
    bench
        .put(
            0,
            &last_page(&[
                item("u2", NOW + 5000, "Ada Example", "late"),
                item("u1", NOW, "Ada Example", "first"),
            ]),
        )
        .unwrap();
    bench.next_run();
    check_index(&bench);
    assert_eq!((found(&bench, "early").len(), found(&bench, "third").len()), (0, 0));
    assert_eq!(found(&bench, "late OR first"), ["late", "first"]);
}

#[test]
fn a_crash_between_a_page_and_its_indexing_is_healed_when_the_archive_is_opened() {
    let mut bench = Bench::new(1);
    let text = |text: &str| last_page(&[item("u1", NOW, "Ada Example", text)]);
    bench.put(0, &text("indexed")).unwrap();
    bench.next_run();
    bench.put(0, &text("edited")).unwrap();
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM messages_unindexed"), 1);
    bench.crash();
    check_index(&bench);
    assert_eq!((found(&bench, "indexed").len(), found(&bench, "edited").len()), (0, 1));
}

#[test]
fn a_failed_indexing_is_made_up_for() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("u1", NOW, "Ada Example", "hello")])).unwrap();
    let other = bench.other();
    bench.store.let_triggers_act().unwrap();
    other
        .execute_batch("CREATE TRIGGER broken BEFORE DELETE ON messages_unindexed BEGIN SELECT RAISE(ABORT, 'broken'); END")
        .unwrap();
    bench.store.index_texts().unwrap_err();
    assert!(found(&bench, "hello").is_empty(), "nothing of it stayed");
    other.execute_batch("DROP TRIGGER broken").unwrap();
    bench.store.index_texts().unwrap();
    check_index(&bench);
    assert_eq!(found(&bench, "hello"), ["hello"]);
}

#[test]
fn many_texts_are_indexed_before_the_run_ends() {
    let mut bench = Bench::new(1);
    for batch in 0..17_i64 {
        let at = |i: i64| NOW - (batch * 1000 + i) * 5000;
        let items: Vec<String> =
            (0..1000).map(|i| item(&format!("u{batch}-{i}"), at(i), "Ada Example", "many")).collect();
        bench.put(0, &more_page(&items, at(999))).unwrap();
    }
    let waiting = bench.one::<i64>("SELECT count(*) FROM messages_unindexed");
    assert!(waiting < 1000, "{waiting} are waiting");
    bench.next_run();
    check_index(&bench);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'many'"), 17_000);
}

#[test]
fn the_index_holds_no_second_copy_of_the_texts() {
    let mut bench = Bench::new(1);
    let text = "unmistakable ".repeat(40_000);
    bench.put(0, &last_page(&[item("u1", NOW, "Ada Example", &text)])).unwrap();
    let path = bench.path();
    bench.store.close().unwrap();
    let size = Ms::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    let text = Ms::try_from(text.len()).unwrap();
    assert!(size < text * 2, "{size} bytes for a text of {text}");
    Store::open(&path).unwrap();
}
