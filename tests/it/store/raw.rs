//! What was served can be read back by plain SQL: text and JSON, every character, every form.

use archiver::core::raw::mark;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bench::{Bench, NOW, last_page};
use crate::support::{share, worked};

/// The texts and the raw JSON of the stored messages, by SQLite's own functions.
fn read_back(bench: &Bench) -> Vec<(String, Value)> {
    let db = bench.other();
    let mut statement =
        db.prepare("SELECT text, raw, json_valid(raw) FROM message_log ORDER BY sent_at_ms DESC").unwrap();
    let rows = statement.query_map([], |row| {
        let (text, raw, valid): (String, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        assert!(valid, "{raw}");
        Ok((text, serde_json::from_str(&raw).unwrap()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Stores the items and compares what comes back with what was served.
fn round_trip(items: &[String]) -> Vec<String> {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(items)).unwrap();
    let back = read_back(&bench);
    assert_eq!(back.len(), items.len());
    for ((_, raw), served) in back.iter().zip(items) {
        assert_eq!(*raw, serde_json::from_str::<Value>(served).unwrap(), "{served}");
    }
    back.into_iter().map(|(text, _)| text).collect()
}

fn with_text(at: i64, text: &str) -> String {
    json!({"text": text, "timestamp": NOW - at, "sender": text, "message_type": text,
           "sender_info": {"first_name": text, "last_name": text, "profile_url": text},
           "entity_urn": format!("u{at}{text}"), "unknown": {text: [text]}})
    .to_string()
}

#[test]
fn every_plane_of_unicode_comes_back() {
    let plane = |plane: u32| -> String {
        let first = plane << 16;
        (first..first + 0x1_0000).step_by(97).filter_map(char::from_u32).collect()
    };
    let texts: Vec<String> = (0..=16).map(plane).collect();
    let items: Vec<String> = texts.iter().zip(0..).map(|(text, i)| with_text(i * 5000, text)).collect();
    let expected: Vec<String> = texts.iter().map(|t| t.replace('\0', "\u{fffd}")).collect();
    assert_eq!(round_trip(&items), expected);
}

#[test]
fn control_characters_and_the_marks_themselves_come_back() {
    let marks = [
        mark::TEXT,
        mark::TIME,
        mark::NAME,
        mark::FIRST,
        mark::LAST,
        mark::PROFILE,
        mark::KIND,
        mark::URN,
        mark::EXTRA,
    ];
    let marks: String = marks.iter().collect();
    let controls: String = ('\u{1}'..='\u{1f}').chain('\u{7f}'..='\u{9f}').collect();
    let odd = "\u{feff}\u{200b}\u{202e}\u{2028}\u{2029}\u{fffe}\u{ffff}\"\\/'%_--;\r\n\t`$1\\u0001 </script> '); DROP TABLE message;";
    let texts = [marks, controls, odd.to_owned(), " ".repeat(40), String::new()];
    let items: Vec<String> = texts.iter().zip(0..).map(|(text, i)| with_text(i * 5000, text)).collect();
    assert_eq!(round_trip(&items), texts);
}

#[test]
fn a_megabyte_of_text_comes_back() {
    let text = "0123456789abcdef\u{1}\"😀é".repeat(45_000);
    assert!(text.len() > 1_000_000);
    assert_eq!(round_trip(&[with_text(0, &text)]), [text]);
}

#[test]
fn eighty_thousand_members_come_back_without_much_work() {
    let members: serde_json::Map<String, Value> =
        (0..80_000).map(|number| (format!("member {number}"), json!(number))).collect();
    let mut item = json!({"text": "many", "timestamp": NOW, "entity_urn": "u1"});
    item.as_object_mut().unwrap().extend(members);
    let began = worked();
    assert_eq!(round_trip(&[item.to_string()]), ["many"]);
    let took = worked() - began;
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn what_no_column_can_hold_is_readable_in_the_text_and_whole_in_the_json() {
    let item =
        |i: i64, text: &str| format!(r#"{{"timestamp":{},"text":"{text}","entity_urn":"u{i}"}}"#, NOW - i);
    // NUL: SQLite's text functions stop at it.
    assert_eq!(round_trip(&[item(1, r"a\u0000b")]), ["a\u{fffd}b"]);
    // Half a surrogate pair is no character at all; JSON can spell it all the same.
    let halves = [r"\ud83d end", r"start \ude00", r"\ude00\ud83d", r"\ud83d\ud83d\ude00", r"\uD83D\n\u0041"];
    let texts = ["\u{fffd} end", "start \u{fffd}", "\u{fffd}\u{fffd}", "\u{fffd}😀", "\u{fffd}\nA"];
    let mut bench = Bench::new(1);
    let items: Vec<String> = halves.iter().zip(1..).map(|(half, i)| item(i * 5000, half)).collect();
    bench.put(0, &last_page(&items)).unwrap();
    let stored = bench.all::<String>("SELECT text FROM message_log ORDER BY sent_at_ms DESC");
    assert_eq!(stored, texts);
    let raws = bench.all::<String>("SELECT raw FROM message_log ORDER BY sent_at_ms DESC");
    for (raw, half) in raws.iter().zip(halves) {
        assert!(raw.contains(&format!(r#""text":"{half}""#)), "{raw} does not hold {half}");
    }
}

#[test]
fn every_form_that_a_message_may_take_comes_back() {
    let forms = [
        "{}".to_owned(),
        r#"{"text":null,"timestamp":null,"sender":null,"sender_info":null,"message_type":null,"entity_urn":null}"#.to_owned(),
        r#"{"text":17,"timestamp":"soon","sender":["a"],"sender_info":"x","message_type":{"a":1},"entity_urn":3.5}"#.to_owned(),
        format!(r#"{{"timestamp":"{}","text":"numeric string"}}"#, NOW - 1),
        format!(r#"{{"timestamp":{}.0,"text":"float"}}"#, NOW - 2),
        format!(r#"{{"timestamp":{},"text":"seconds"}}"#, NOW / 1000),
        r#"{"timestamp":-1,"text":"before time"}"#.to_owned(),
        r#"{"timestamp":99999999999999999999999999,"text":"after time"}"#.to_owned(),
        format!(r#"{{"text":"a","text":"b","timestamp":{}}}"#, NOW - 3),
        format!(r#"{{"sender":{{"name":"Ada","profile_url":"p","headline":null}},"sender_info":{{"profile_url":"q"}},"timestamp":{}}}"#, NOW - 4),
        format!(r#"{{"sender_info":{{"first_name":"Ada","age":7}},"sender":"","timestamp":{}}}"#, NOW - 5),
        format!(" {{ \"text\" :\t\"spaced\" ,\n\"a\" : [ 1 , 2.50 , 1e3 ] , \"timestamp\":{} }} ", NOW - 6),
        format!(r#"{{"{}":"keys","\u0001":1,"timestamp":{}}}"#, "k".repeat(300), NOW - 7),
        format!(r#"{{"deep":{}1{},"timestamp":{}}}"#, "[".repeat(100), "]".repeat(100), NOW - 8),
    ];
    for form in forms {
        round_trip(&[form]);
    }
}

#[test]
fn messages_of_one_form_share_it() {
    let mut bench = Bench::new(1);
    let items: Vec<String> = (0..40)
        .map(|i| crate::bench::item(&format!("u{i}"), NOW - i * 5000, "Ada Example", &format!("text {i}")))
        .collect();
    bench.put(0, &last_page(&items)).unwrap();
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM template"), 1);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM message WHERE extra IS NOT NULL"), 0);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\u{1}-\u{10}\"\\\\]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An item whose known members hold anything at all, among unknown ones.
fn any_item() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 9] =
        ["text", "timestamp", "sender", "sender_info", "message_type", "entity_urn", "first_name", "x", ""];
    let member = (prop::sample::select(&NAMES[..]), any_json());
    prop::collection::vec(member, 0..9)
        .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(u32::try_from(share(400)).unwrap()) })]

    #[test]
    fn any_object_comes_back_equal(items in prop::collection::vec(any_item(), 1..4)) {
        for item in items {
            round_trip(&[item.to_string()]);
        }
    }
}
