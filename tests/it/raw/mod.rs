//! What was served comes back as it was: from JSON to a message's fields, and again.

mod render;

use archiver::core::model::message::Message;
use archiver::core::raw::*;
use archiver::core::timeline::timestamps;
use serde_json::Value;
use serde_json::value::RawValue;

fn read_json(json: &str) -> Message {
    let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
    timestamps::place(vec![read(&raw).unwrap()], None).remove(0)
}

fn round_trip(json: &str) -> Message {
    let message = read_json(json);
    let served: Value = serde_json::from_str(json).unwrap();
    let rebuilt: Value = serde_json::from_str(&message.served_json()).unwrap();
    assert_eq!(rebuilt, served);
    message
}

#[test]
fn an_ordinary_message_needs_no_extra() {
    let m = round_trip(
        r#"{"text":"\ud83d\ude03 \"hi\"","timestamp":1745270025236,"sender":"Ada Example","sender_info":{"first_name":"Ada","last_name":"Example"},"message_type":"TEXT","entity_urn":"u1"}"#,
    );
    assert_eq!(m.raw.extra, None);
    assert_eq!(
        (m.text.as_str(), m.sender.name.as_str(), m.at_ms),
        ("😃 \"hi\"", "Ada Example", 1_745_270_025_236)
    );
}

#[test]
fn unknown_members_and_odd_forms_come_back_as_they_were() {
    round_trip(
        r#"{"text":null,"timestamp":"1745270025236","sender":{"name":"Ada","headline":"x"},"attachments":null,"reactions":[{"emoji":"👍","by":[1,2.50]}]}"#,
    );
    round_trip(
        r#"{"a":{"b":"\u0001"},"timestamp":1745270025,"text":"100%","sender":null,"sender_info":{"first_name":"A","age":7}}"#,
    );
    round_trip("{}");
    round_trip(r#"{"only":{"extra":1}}"#);
}

#[test]
fn a_lone_surrogate_is_readable_and_kept() {
    let json = r#"{"text":"cut \ud83d here","timestamp":1745270025236}"#;
    let m = read_json(json);
    assert_eq!(m.text, "cut \u{fffd} here");
    assert!(m.served_json().contains(r#""text":"cut \ud83d here""#));
}

#[test]
fn a_timestamp_may_be_a_string_or_in_seconds_and_an_implausible_one_is_ignored() {
    let time = |json: &str| read_time(&serde_json::from_str::<Box<RawValue>>(json).unwrap());
    assert_eq!(time("1745270025236"), Some(1_745_270_025_236));
    assert_eq!(time("\"1745270025236\""), Some(1_745_270_025_236));
    assert_eq!(time("1745270025"), Some(1_745_270_025_000));
    assert_eq!(time("1745270025.5"), Some(1_745_270_025_500));
    for absurd in ["null", "0", "-5", "1e300", "9007199254740993", "\"soon\"", "[]"] {
        assert_eq!(time(absurd), None, "{absurd}");
    }
}
