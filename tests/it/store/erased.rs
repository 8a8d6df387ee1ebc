//! What an erasure takes besides texts: served members without a column, subjects, odd items; and what it leaves.

use archiver::core::model::page::{Oddity, Page};
use archiver::store::verify::{Depth, verify};
use archiver::store::{Erasure, Selection, Trigger};

use crate::bench::{Bench, NOW, item, last_page, more_page};

const UNKNOWN: &str = "perspicacious wombat";
const SUBJECT: &str = "quixotic narwhal agenda";
const ODD: &str = "vexillological capybara";
const NAME: &str = "Zebulon Quickthorn";

/// A message of Zebulon's with members that the archive has no column for, one of Ada's, and an item of his that is none.
fn served() -> Page {
    let his = serde_json::json!({
        "text": "hello", "timestamp": NOW - 2000, "sender": NAME, "message_type": "TEXT", "entity_urn": "u2",
        "subject": SUBJECT, "attachments": [{"name": "octopodal invoice.pdf", "url": "https://files.example/1"}],
        "novelty": {"deep": UNKNOWN}, "sender_info": {"first_name": "Zebulon", "last_name": "Quickthorn"},
    });
    let mut page = last_page(&[item("u1", NOW - 1000, "Ada Example", "hello"), his.to_string()]);
    let json = serde_json::json!({"sender": NAME, "blob": ODD}).to_string();
    page.oddities.push(Oddity { reason: "it has no time".to_owned(), json, of_other_thread: false });
    page
}

fn erase_him(bench: &mut Bench) {
    let senders = bench.store.queries().senders().unwrap();
    let his = senders.iter().filter(|sender| sender.name == NAME).map(|sender| sender.id).collect();
    let selection = Selection { people: Some(his), ..Selection::default() };
    let erasure = Erasure { selection: &selection, reason: None, trigger: Trigger::Once, now: bench.now };
    let erased = bench.store.erase(&erasure).unwrap().unwrap();
    assert_eq!(erased.messages, 1);
    let proof = bench.store.finish_erasures(erased.traces, Some(bench.now)).unwrap();
    assert_eq!(proof.found, 0, "{proof:?}");
    assert!(proof.looked_for > 3, "{proof:?}");
}

fn holding(bench: &Bench, text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(bench.dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes())) {
            all.push(path.display().to_string());
        }
    }
    all
}

#[test]
fn members_without_a_column_subjects_attachments_and_odd_items_go_too_and_do_not_come_back() {
    let mut bench = Bench::new(1);
    bench.put(0, &served()).unwrap();
    bench.next_run();
    let words = [UNKNOWN, SUBJECT, ODD, NAME, "Quickthorn", "octopodal", "wombat", "narwhal"];
    for word in words {
        assert!(!holding(&bench, word).is_empty(), "{word}");
    }
    erase_him(&mut bench);
    for again in 0..3 {
        for word in words {
            assert_eq!(holding(&bench, word), Vec::<String>::new(), "{word} after {again} pages more");
        }
        let committed = bench.put(0, &served()).unwrap();
        assert_eq!((committed.new_messages, committed.gone, committed.timeline.messages), (0, 0, 2));
        bench.next_run();
    }
    assert_eq!(bench.all::<String>("SELECT sender FROM message_log"), ["Ada Example"]);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM quarantine"), 0);
    assert_eq!(verify(&bench.path(), Depth::Full, &mut |_| ()).unwrap().findings, []);
}

#[test]
fn an_erased_message_that_is_edited_deleted_and_there_again_counts_and_stays_erased() {
    let mut bench = Bench::new(1);
    let ada = item("u1", NOW - 1000, "Ada Example", "hello");
    let his = |text: &str| item("u2", NOW - 2000, NAME, text);
    bench.put(0, &last_page(&[ada.clone(), his("hello")])).unwrap();
    bench.next_run();
    erase_him(&mut bench);
    bench.put(0, &last_page(&[ada.clone(), his("hello, edited")])).unwrap();
    assert_eq!(bench.one::<i64>("SELECT erased - erased_gone FROM conversation"), 1);
    bench.put(0, &last_page(std::slice::from_ref(&ada))).unwrap();
    assert_eq!(bench.one::<i64>("SELECT erased - erased_gone FROM conversation"), 0);
    bench.put(0, &last_page(&[ada, his("hello, back")])).unwrap();
    assert_eq!(bench.one::<i64>("SELECT erased - erased_gone FROM conversation"), 1);
    bench.next_run();
    assert_eq!(bench.all::<String>("SELECT text FROM message_log"), ["hello"]);
    assert_eq!(verify(&bench.path(), Depth::Full, &mut |_| ()).unwrap().findings, []);
}

#[test]
fn a_message_without_an_id_is_known_by_its_second_sender_and_text_and_by_its_place() {
    let mut bench = Bench::new(1);
    let nameless = |at, sender: &str, text: &str| {
        let mut value: serde_json::Value = serde_json::from_str(&item("u", at, sender, text)).unwrap();
        value.as_object_mut().unwrap().remove("entity_urn");
        value.to_string()
    };
    let page = |his: &str| {
        last_page(&[
            nameless(NOW - 1000, "Ada Example", "newest"),
            nameless(NOW - 2500, NAME, his),
            nameless(NOW - 4000, "Ada Example", "oldest"),
        ])
    };
    bench.put(0, &page("hello")).unwrap();
    bench.next_run();
    erase_him(&mut bench);
    for text in ["hello", "hello, edited", "hello"] {
        assert_eq!(bench.put(0, &page(text)).unwrap().new_messages, 0, "{text}");
    }
    assert_eq!(bench.all::<String>("SELECT text FROM message_log ORDER BY sent_at_ms"), ["oldest", "newest"]);
}

/// A word that is like no other, also without its first letters, which FTS5 leaves out where the word before has them.
fn word(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..12).map(|_| random.lowercase()).collect()
}

#[test]
fn no_word_of_what_was_erased_stays_in_the_indexes_however_their_pieces_were_merged() {
    let mut bench = Bench::new(2);
    let mut next = 0;
    let mut news = |bench: &mut Bench, conversation: usize, count: u64| {
        let texts: Vec<String> = (0..count).map(|i| word(next + count - i)).collect();
        let at = |i: usize| bench.now - 1000 * i64::try_from(i).unwrap();
        let items: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| item(&format!("u{}", next + i as u64), at(i), "Ada Example", text))
            .collect();
        next += count;
        bench.put(conversation, &more_page(&items, bench.now - 3_000_000)).unwrap();
        bench.next_run();
        bench.store.index_texts().unwrap();
        bench.now += 10_000_000;
    };
    news(&mut bench, 0, 400);
    news(&mut bench, 1, 6);
    let mut erased: Vec<String> = Vec::new();
    let mut erase = |bench: &mut Bench, which: &str| {
        let ids: Vec<i64> = bench.all(&format!("SELECT id FROM message {which}"));
        erased.extend(bench.all::<String>(&format!("SELECT text FROM message {which}")));
        let ids = ids.into_iter().map(archiver::core::model::ids::MessageId).collect();
        let selection = Selection { messages: Some(ids), ..Selection::default() };
        let erasure = Erasure { selection: &selection, reason: None, trigger: Trigger::Once, now: bench.now };
        let done = bench.store.erase(&erasure).unwrap().unwrap();
        assert_eq!(bench.store.finish_erasures(done.traces, Some(bench.now)).unwrap().found, 0, "{which}");
        for word in &erased {
            let end: String = word.chars().skip(5).collect();
            assert_eq!(holding(bench, &end), Vec::<String>::new(), "{word} after {which}");
        }
    };
    erase(&mut bench, "ORDER BY id LIMIT 1");
    news(&mut bench, 0, 1);
    news(&mut bench, 1, 1);
    erase(&mut bench, "WHERE conversation = 1");
    news(&mut bench, 1, 30);
    erase(&mut bench, "ORDER BY id DESC LIMIT 1");
    news(&mut bench, 1, 2);
    erase(&mut bench, "ORDER BY id LIMIT 3");
}
