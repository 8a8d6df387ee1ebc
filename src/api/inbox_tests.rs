//! Tests of `inbox.rs`.

use super::super::ApiVersion;
use super::super::outcome::{Reading, judge};
use super::super::policy::FailureKind;
use super::super::testing::{URN, reply, scrubber};
use super::*;
use crate::core::budget::Charge;

const SAMPLE: &str = r#"{"status":"success","data":{"total_results":1,"next_cursor":"REVTQ0VORElORyYx","conversations":[
 {"conversation_id":"urn:li:msg_conversation:(urn:li:fsd_profile:ACoAAOWNER,2-OTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)",
  "participant":{"name":"Ada Example","headline":"Engineer","profile_url":"https://www.linkedin.com/in/ada-example/","profile_picture":"https://media.example/ada.jpg"},
  "last_message":{"text":"hi","time":1745270025236,"sender":{"name":"Béla Sample","is_me":true}},
  "unread":2,"type":"DIRECT","future":[1]}]}}"#;

fn read_as(version: ApiVersion, body: &str) -> Reading<InboxPage> {
    judge(version, &reply(200, body), &scrubber(), |body| read_inbox(body, 25, Some("asked")))
}

fn read(body: &str) -> Reading<InboxPage> {
    read_as(ApiVersion::V1, body)
}

/// The one row of a page that holds an item with these members.
fn row(members: &str) -> InboxRow {
    let body =
        format!(r#"{{"status":"success","data":{{"conversations":[{{"conversation_id":"c"{members}}}]}}}}"#);
    let page = read(&body).outcome.unwrap();
    assert_eq!((page.rows.len(), page.oddities.len()), (1, 0), "{members}");
    page.rows.into_iter().next().unwrap()
}

#[test]
fn the_documented_answer_is_read_in_full() {
    for reading in [ApiVersion::V1, ApiVersion::V2].map(|version| read_as(version, SAMPLE)) {
        assert_eq!(reading.charge, Charge::Known(1));
        let page = reading.outcome.unwrap();
        assert_eq!((page.returned, page.next_cursor.as_deref()), (1, Some("REVTQ0VORElORyYx")));
        assert!(!page.is_end() && page.oddities.is_empty());
        let text = |s: &str| Some(s.to_owned());
        let start = SAMPLE.find("{\"conversation_id\"").unwrap();
        let expected = InboxRow {
            conversation_urn: URN.to_owned(),
            name: text("Ada Example"),
            headline: text("Engineer"),
            profile_url: text("https://www.linkedin.com/in/ada-example/"),
            picture_url: text("https://media.example/ada.jpg"),
            group: false,
            last_at_ms: Some(1_745_270_025_236),
            last_text: text("hi"),
            unread: Some(2),
            kind: text("DIRECT"),
            raw: SAMPLE.get(start..SAMPLE.len() - "]}}".len()).unwrap().to_owned(),
        };
        assert_eq!(page.rows, [expected]);
    }
}

#[test]
fn the_other_side_may_be_one_several_or_unknown() {
    for (members, name, group) in [
        ("", None, false),
        (r#","participant":null"#, None, false),
        (r#","participant":[]"#, None, false),
        (r#","participant":7"#, None, false),
        (r#","participant":"Ada""#, Some("Ada"), false),
        (r#","participant":{"name":"Ada"},"title":"x""#, Some("Ada"), false),
        (r#","participant":{"first_name":"Ada","last_name":"Example"}"#, Some("Ada Example"), false),
        (r#","participant":[{"name":"Ada"}]"#, Some("Ada"), false),
        (r#","participant":[{"name":"Ada"},{"name":"Me","is_me":true}]"#, Some("Ada"), false),
        (r#","participant":[{"name":"Ada"},{"name":"Béla"}]"#, Some("Ada, Béla"), true),
        (r#","participants":[{"name":"Ada"},"Béla"]"#, Some("Ada, Béla"), true),
        (r#","participant":[{"name":"Ada"},{"name":"Béla"}],"title":"Choir""#, Some("Choir"), true),
        (r#","type":"GROUP_CHAT","title":"Choir""#, Some("Choir"), true),
    ] {
        let row = row(members);
        assert_eq!((row.name.as_deref(), row.group), (name, group), "{members}");
    }
}

#[test]
fn a_last_message_may_be_incomplete() {
    const AT: Option<i64> = Some(1_745_270_025_000);
    for (last_message, text, at) in [
        ("null", None, None),
        (r#""hi""#, Some("hi"), None),
        (r#"{"text":""}"#, Some(""), None),
        (r#"{"text":null,"time":"1745270025000"}"#, None, AT),
        (r#"{"timestamp":1745270025,"sender":"Ada"}"#, None, AT),
        (r#"{"time":0,"sender":{"name":"Ada","is_me":false}}"#, None, None),
    ] {
        let row = row(&format!(r#","last_message":{last_message}"#));
        assert_eq!((row.last_text.as_deref(), row.last_at_ms), (text, at), "{last_message}");
    }
    assert_eq!(row("").last_at_ms, None);
    assert_eq!((row(r#","unread":"3""#).unread, row(r#","unread_count":4"#).unread), (Some(3), Some(4)));
}

#[test]
fn the_end_of_the_inbox_is_a_missing_cursor_unless_more_is_announced() {
    for (members, cursor, cut) in [
        ("", None, false),
        (r#","next_cursor":null"#, None, false),
        (r#","next_cursor":"""#, None, false),
        (r#","next_cursor":"b""#, Some("b"), false),
        (r#","next_cursor":"b","has_next_page":false"#, None, false),
        (r#","has_next_page":true"#, None, true),
        (r#","cursor":"asked""#, None, true),
    ] {
        let body = format!(r#"{{"status":"success","data":{{"conversations":[]{members}}}}}"#);
        let page = read(&body).outcome.unwrap();
        assert_eq!((page.next_cursor.as_deref(), page.more_without_cursor), (cursor, cut), "{members}");
        assert_eq!(page.is_end(), cursor.is_none() && !cut);
    }
}

#[test]
fn items_that_name_no_conversation_are_kept_aside() {
    let page =
        read(r#"{"status":"success","data":{"conversations":[3,{"type":"x"},{"conversation_id":""}]}}"#);
    let page = page.outcome.unwrap();
    let kept: Vec<_> = page.oddities.iter().map(|o| (o.json.as_str(), o.reason.as_str())).collect();
    assert_eq!(
        kept,
        [
            ("3", "a number instead of an object"),
            (r#"{"type":"x"}"#, "an object without a `conversation_id`"),
            (r#"{"conversation_id":""}"#, "an object without a `conversation_id`"),
        ]
    );
    assert_eq!((page.rows.len(), page.returned), (0, 3));
}

#[test]
fn an_answer_without_a_list_of_conversations_is_malformed() {
    for body in [
        r#"{"status":"success","data":[]}"#,
        r#"{"status":"success","data":null}"#,
        r#"{"status":"success","data":{}}"#,
        r#"{"status":"success","data":{"conversations":null}}"#,
        r#"{"status":"success","data":{"messages":[]}}"#,
        "<html>",
    ] {
        let reading = read(body);
        assert!(matches!(reading.outcome, Err(e) if e.kind == FailureKind::Malformed), "{body}");
        assert_eq!(reading.charge, Charge::Unknown, "{body}");
    }
}
