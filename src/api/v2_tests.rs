//! Tests of `v2.rs`.

use serde_json::{Value, json};

use super::super::outcome::Reading;
use super::super::testing::{THREAD, URN, ask_conversation, ask_profile, read_page, reply};
use super::super::{ApiError, ApiVersion};
use super::*;
use crate::core::model::page::{Below, Page};

const SAMPLE: &str = r#"{"success":true,"data":{"total_message_count":55,"unread_count":0,"last_seen_message":true,"last_seen_at":1777147641366,
 "messages":[{"text":"Sounds good!","timestamp":1777147641366,"sender":"Ada Example","sender_info":{"first_name":"Ada","last_name":"Example",
  "profile_url":"https://www.linkedin.com/in/ada-example/"},"message_type":"TEXT",
  "entity_urn":"urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)"}],
 "next_cursor":"1777146285823"},
 "metadata":{"action":"get_conversation","account_id":"69c1","credits_consumed":1,"timestamp":"2026-04-26T10:35:00Z"}}"#;

fn read(status: u16, body: &str) -> Reading<Page> {
    read_page(ApiVersion::V2, &reply(status, body), &ask_conversation(THREAD, None))
}

#[test]
fn a_request_is_an_action_with_parameters_and_never_marks_as_read() {
    let body = |ask: &Ask| -> Value { serde_json::from_slice(&conversation_body(ask, 30, "69c1")).unwrap() };
    assert_eq!(
        body(&ask_profile()),
        json!({"account_id": "69c1", "action": "get_conversation",
            "params": {"profile_url": "https://www.linkedin.com/in/ada-example/", "count": 30}})
    );
    assert_eq!(
        body(&ask_conversation(URN, Some("9"))),
        json!({"account_id": "69c1", "action": "get_conversation",
            "params": {"conversation_id": URN, "count": 30, "cursor": "9"}})
    );
}

#[test]
fn the_documented_answer_is_read_in_full() {
    let reading = read(200, SAMPLE);
    let page = reading.outcome.unwrap();
    assert_eq!(reading.charge, Charge::Known(1));
    assert_eq!((page.total, page.unread, page.returned), (Some(55), Some(0), 1));
    assert_eq!(page.last_seen_ms, Some(1_777_147_641_366));
    assert_eq!(page.below, Below::More(Cursor::served("1777146285823".to_owned())));
    assert_eq!(page.conversation_urn.as_deref(), Some(URN));
    assert_eq!(
        page.messages[0].sender.profile_url.as_deref(),
        Some("https://www.linkedin.com/in/ada-example/")
    );
}

#[test]
fn the_end_is_a_missing_cursor_unless_more_is_announced() {
    for (members, expected) in [
        ("", Below::End),
        (r#","next_cursor":null"#, Below::End),
        (r#","next_cursor":"""#, Below::End),
        (r#","next_cursor":null,"has_next_page":true"#, Below::MoreWithoutCursor),
        (r#","next_cursor":"8","has_next_page":false"#, Below::End),
        (r#","next_cursor":8"#, Below::More(Cursor::served("8".to_owned()))),
    ] {
        let reading = read(200, &format!(r#"{{"success":true,"data":{{"messages":[]{members}}}}}"#));
        assert_eq!(reading.outcome.unwrap().below, expected, "{members}");
    }
}

#[test]
fn the_price_is_what_the_answer_says_and_never_less_than_the_list_price() {
    let list = [r#"{"text":"a","timestamp":1745270025236}"#; 11].join(",");
    for (metadata, credits) in [
        (r#"{"credits_consumed":1}"#, 2),
        (r#"{"credits_consumed":0}"#, 2),
        (r#"{"credits_consumed":1.1}"#, 2),
        (r#"{"credits_consumed":"3"}"#, 3),
        (r#"{"credits_consumed":null}"#, 2),
        (r#"{"credits_consumed":-1}"#, 2),
        (r#"{"credits_consumed":1e300}"#, 2),
        (r#"{"credits_consumed":"many"}"#, 2),
        ("{}", 2),
        ("null", 2),
    ] {
        let body = format!(r#"{{"success":true,"data":{{"messages":[{list}]}},"metadata":{metadata}}}"#);
        assert_eq!(read(200, &body).charge, Charge::Known(credits), "{metadata}");
    }
}

#[test]
fn error_codes_tell_what_to_do_and_cost_nothing_unless_they_say_so() {
    use FailureKind::{Account, Credits, Key, RateLimited, Refused, Transient};
    for (status, code, kind) in [
        (403, "INVALID_API_KEY", Key),
        (404, "INVALID_ACCOUNT", Account),
        (403, "ACCOUNT_INACTIVE", Account),
        (400, "INVALID_ACTION", Refused),
        (400, "INVALID_PARAMS", Refused),
        (429, "RATE_LIMITED", RateLimited),
        (402, "INSUFFICIENT_CREDITS", Credits),
        (500, "INTERNAL_ERROR", Transient),
        (200, "CHANNEL_ERROR", Transient),
        (418, "SOMETHING_NEW", Refused),
        (503, "SOMETHING_NEW", Transient),
    ] {
        let body = |credits: &str| {
            format!(
                r#"{{"success":false,"error":{{"code":"{code}","message":"words"}},"metadata":{{"credits_consumed":{credits}}}}}"#
            )
        };
        let reading = read(status, &body("null"));
        let expected = ApiError::new(kind, format!("HTTP {status}: {code}: words"));
        assert_eq!((reading.charge, reading.outcome), (Charge::Known(0), Err(expected)), "{code}");
        assert_eq!(read(status, &body("2")).charge, Charge::Known(2));
    }
}

#[test]
fn errors_without_the_envelope_are_read_by_status_and_words() {
    for (status, body, kind, said) in [
        (403, r#"{"error":"invalid api key"}"#, FailureKind::Key, "HTTP 403: invalid api key"),
        (502, r#"{"success":false}"#, FailureKind::Transient, "HTTP 502"),
    ] {
        let reading = read(status, body);
        assert_eq!((reading.charge, reading.outcome), (Charge::Known(0), Err(ApiError::new(kind, said))));
    }
}

#[test]
fn an_answer_without_a_list_is_malformed() {
    for (body, charge) in [
        (r#"{"success":true,"data":[]}"#, Charge::Unknown),
        (r#"{"success":true,"data":null,"metadata":{"credits_consumed":1}}"#, Charge::Known(1)),
        (r#"{"success":true,"data":{"total_message_count":3}}"#, Charge::Unknown),
        ("<html>", Charge::Unknown),
        (SAMPLE.get(..500).unwrap(), Charge::Unknown),
    ] {
        let reading = read(200, body);
        assert!(matches!(reading.outcome, Err(e) if e.kind == FailureKind::Malformed), "{body}");
        assert_eq!(reading.charge, charge, "{body}");
    }
}

#[test]
fn an_answer_whose_messages_are_of_another_conversation_is_malformed() {
    let ask = ask_conversation("2-YW5vdGhlcg==", None);
    let reading = read_page(ApiVersion::V2, &reply(200, SAMPLE), &ask);
    assert_eq!(reading.outcome.unwrap_err().message, "the answer is for another conversation");
    assert_eq!(reading.charge, Charge::Known(1));
}
