//! Tests of `v2.rs`.

use serde_json::{Value, json};

use super::super::testing::{THREAD, URN, ask_conversation, ask_profile, reply, scrubber};
use super::*;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::Below;

const SAMPLE: &str = r#"{"success":true,"data":{"total_message_count":55,"unread_count":0,"last_seen_message":true,"last_seen_at":1777147641366,
 "messages":[{"text":"Sounds good!","timestamp":1777147641366,"sender":"Ada Example","sender_info":{"first_name":"Ada","last_name":"Example",
  "profile_url":"https://www.linkedin.com/in/ada-example/"},"message_type":"TEXT",
  "entity_urn":"urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)"}],
 "next_cursor":"1777146285823"},
 "metadata":{"action":"get_conversation","account_id":"69c1","credits_consumed":1,"timestamp":"2026-04-26T10:35:00Z"}}"#;

fn read(status: u16, body: &str) -> Reading<Page> {
    read_conversation(&reply(status, body), &ask_conversation(THREAD, None), &scrubber())
}

fn body(ask: &Ask) -> Value {
    serde_json::from_slice(&conversation_body(ask, 30, "69c1").unwrap()).unwrap()
}

#[test]
fn a_request_is_an_action_with_parameters_and_never_marks_as_read() {
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
fn the_price_is_what_the_answer_says_or_else_an_estimate() {
    let list = [r#"{"text":"a","timestamp":1745270025236}"#; 11].join(",");
    for (metadata, credits) in [
        (r#"{"credits_consumed":1}"#, 1),
        (r#"{"credits_consumed":0}"#, 0),
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
    let text = |code: &str, status: u16| format!("HTTP {status}: {code}: words");
    for (status, code) in [
        (403, "INVALID_API_KEY"),
        (404, "INVALID_ACCOUNT"),
        (403, "ACCOUNT_INACTIVE"),
        (400, "INVALID_ACTION"),
        (400, "INVALID_PARAMS"),
        (429, "RATE_LIMITED"),
        (402, "INSUFFICIENT_CREDITS"),
        (500, "INTERNAL_ERROR"),
        (200, "CHANNEL_ERROR"),
        (418, "SOMETHING_NEW"),
        (503, "SOMETHING_NEW"),
    ] {
        let message = text(code, status);
        let expected = match code {
            "INVALID_API_KEY" => ApiError::Key(message),
            "INVALID_ACCOUNT" | "ACCOUNT_INACTIVE" => ApiError::Account(message),
            "INSUFFICIENT_CREDITS" => ApiError::Credits(message),
            "RATE_LIMITED" => ApiError::RateLimited { message, retry_after: None },
            "INTERNAL_ERROR" | "CHANNEL_ERROR" => ApiError::Transient { message, retry_after: None },
            _ if status == 503 => ApiError::Transient { message, retry_after: None },
            _ => ApiError::Refused(message),
        };
        let body = |credits: &str| {
            format!(
                r#"{{"success":false,"error":{{"code":"{code}","message":"words"}},"metadata":{{"credits_consumed":{credits}}}}}"#
            )
        };
        let reading = read(status, &body("null"));
        assert_eq!((reading.charge, reading.outcome), (Charge::Known(0), Err(expected)), "{code}");
        assert_eq!(read(status, &body("2")).charge, Charge::Known(2));
    }
}

#[test]
fn errors_without_the_envelope_are_read_by_status_and_words() {
    for (status, body, expected) in [
        (404, "<html>", ApiError::Refused("HTTP 404".to_owned())),
        (403, r#"{"error":"invalid api key"}"#, ApiError::Key("HTTP 403: invalid api key".to_owned())),
        (
            502,
            "bad gateway",
            ApiError::Transient { message: "HTTP 502: bad gateway".to_owned(), retry_after: None },
        ),
    ] {
        let reading = read(status, body);
        assert_eq!((reading.charge, reading.outcome), (Charge::Known(0), Err(expected)), "{body}");
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
        assert!(matches!(reading.outcome, Err(ApiError::Malformed(_))), "{body}");
        assert_eq!(reading.charge, charge, "{body}");
    }
}

#[test]
fn an_answer_whose_messages_are_of_another_conversation_is_malformed() {
    let ask = ask_conversation("2-YW5vdGhlcg==", None);
    let reading = read_conversation(&reply(200, SAMPLE), &ask, &scrubber());
    assert_eq!(
        reading.outcome,
        Err(ApiError::Malformed("the answer is for another conversation".to_owned()))
    );
    assert_eq!(reading.charge, Charge::Known(1));
}
