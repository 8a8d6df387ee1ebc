//! Tests of `v1.rs`.

use serde_json::{Value, json};

use super::super::outcome::Reading;
use super::super::policy::FailureKind;
use super::super::reply::Reply;
use super::super::testing::{
    MESSAGE_URN, THREAD, TOKEN, URN, ask_conversation, ask_profile, leaks, read_page, reply,
};
use super::super::{ApiError, ApiVersion, Retry};
use super::*;
use crate::core::model::page::{Below, Page};

const SAMPLE: &str = r#"{"status":"success","data":{
 "conversation_id":"urn:li:msg_conversation:(urn:li:fsd_profile:ACoAAOWNER,2-OTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)",
 "profile_url":"https://www.linkedin.com/in/ada-example/","total_results":2,"total_other_member_message_count":32,
 "unread_count":3,"last_seen_message":true,"last_seen_at":1749403535456,
 "messages":[
  {"text":"😃","timestamp":1745270025236,"sender":"Ada Example","sender_info":{"first_name":"Ada","last_name":"Example"},"message_type":"TEXT",
   "entity_urn":"urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)"},
  {"text":"","timestamp":1745266498889,"sender":"Béla Sample","sender_info":{"first_name":"Béla","last_name":"Sample"},"message_type":"SYSTEM",
   "entity_urn":"urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI2NjQ5ODc0NGIxMDAwMS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)"}],
 "next_cursor":"1745266498889","has_next_page":true}}"#;

fn read(status: u16, body: &str) -> Reading<Page> {
    read_page(ApiVersion::V1, &reply(status, body), &ask_profile())
}

/// A page of an answer of success with these members in its `data`.
fn page(data: &str) -> Page {
    read(200, &format!(r#"{{"status":"success","data":{{{data}}}}}"#)).outcome.unwrap()
}

fn more(cursor: &str) -> Below {
    Below::More(Cursor::served(cursor.to_owned()))
}

#[test]
fn a_request_names_the_conversation_once_and_its_cursor_as_a_string() {
    let body =
        |ask: &Ask| -> Value { serde_json::from_slice(&conversation_body(ask, 50, "DE", TOKEN)).unwrap() };
    assert_eq!(
        body(&ask_profile()),
        json!({"linkedin_url": "https://www.linkedin.com/in/ada-example/", "total_results": 50, "country": "DE", "login_token": TOKEN})
    );
    assert_eq!(
        body(&ask_conversation(URN, Some("1745266498889"))),
        json!({"conversation_id": URN, "total_results": 50, "cursor": "1745266498889", "country": "DE", "login_token": TOKEN})
    );
}

#[test]
fn the_documented_answer_is_read_in_full() {
    let reading = read(200, SAMPLE);
    let page = reading.outcome.unwrap();
    assert_eq!(reading.charge, Charge::Known(1));
    assert_eq!((page.returned, page.unread, page.total), (2, Some(3), None));
    assert_eq!((page.last_seen_ms, &page.below), (Some(1_749_403_535_456), &more("1745266498889")));
    assert_eq!(page.conversation_urn.as_deref(), Some(URN));
    let [newer, older] = page.messages.as_slice() else { panic!("{page:?}") };
    assert_eq!((newer.text.as_str(), newer.at_ms), ("😃", 1_745_270_025_236));
    assert_eq!((older.kind.as_str(), older.sender.name.as_str()), ("SYSTEM", "Béla Sample"));
    assert_eq!(page.oddities, []);
}

#[test]
fn the_end_is_only_what_is_documented_as_one() {
    for (inside, outside, expected) in [
        ("", "", Below::End),
        (r#","next_cursor":null"#, "", Below::End),
        (r#","next_cursor":"""#, "", Below::End),
        (r#","has_next_page":false"#, "", Below::End),
        (r#","has_next_page":false,"next_cursor":"9""#, "", Below::End),
        (r#","has_next_page":"false","next_cursor":"9""#, "", Below::End),
        ("", r#","has_next_page":false"#, Below::End),
        (r#","pagination":{"has_next_page":false},"next_cursor":"9""#, "", Below::End),
        (r#","has_next_page":null,"next_cursor":null"#, "", Below::End),
        (r#","has_next_page":true"#, "", Below::MoreWithoutCursor),
        (r#","has_next_page":true,"next_cursor":null"#, "", Below::MoreWithoutCursor),
        (r#","has_next_page":true,"next_cursor":"""#, "", Below::MoreWithoutCursor),
        (r#","pagination":{"has_next_page":true}"#, "", Below::MoreWithoutCursor),
        (r#","has_next_page":false"#, r#","has_next_page":true"#, Below::MoreWithoutCursor),
        (r#","has_next_page":"perhaps""#, "", Below::MoreWithoutCursor),
        (r#","next_cursor":{"at":1}"#, "", Below::MoreWithoutCursor),
        (r#","next_cursor":false"#, "", Below::MoreWithoutCursor),
        (r#","next_cursor":"9""#, "", more("9")),
        (r#","next_cursor":1745266498889"#, "", more("1745266498889")),
        (r#","next_cursor":"1745266498889","has_next_page":true"#, "", more("1745266498889")),
        (r#","next_cursor":" 007 ","has_next_page":1"#, "", more(" 007 ")),
        (r#","pagination":{"has_next_page":true,"next_cursor":"9"}"#, "", more("9")),
        ("", r#","next_cursor":"9","has_next_page":true"#, more("9")),
        ("", r#","pagination":{"next_cursor":9}"#, more("9")),
        (r#","cursor":"9","has_next_page":true"#, "", more("9")),
        (r#","cursor":"9""#, "", more("9")),
        (r#","cursor":"9","next_cursor":null"#, "", Below::End),
        (r#","cursor":"9","next_cursor":"8""#, "", more("8")),
    ] {
        let body = format!(r#"{{"status":"success","data":{{"messages":[]{inside}}}{outside}}}"#);
        assert_eq!(read(200, &body).outcome.unwrap().below, expected, "{inside} {outside}");
    }
}

#[test]
fn the_cursor_that_was_asked_with_is_not_taken_for_the_next_one() {
    let ask = ask_conversation(THREAD, Some("9"));
    let answer = |cursor: &str| {
        let body = format!(r#"{{"status":"success","data":{{"messages":[],"cursor":"{cursor}"}}}}"#);
        read_page(ApiVersion::V1, &reply(200, body), &ask).outcome.unwrap().below
    };
    assert_eq!((answer("9"), answer("8")), (Below::MoreWithoutCursor, more("8")));
}

#[test]
fn an_answer_without_a_list_is_malformed_and_counts_in_full() {
    for (body, why) in [
        (r#"{"status":"success","data":[]}"#, "its `data` is an empty list instead of an object"),
        (r#"{"status":"success","data":null}"#, "its `data` is null instead of an object"),
        (r#"{"status":"success","data":[{"text":"a"}]}"#, "its `data` is a list instead of an object"),
        (r#"{"status":"success","data":"x"}"#, "its `data` is a string instead of an object: x"),
        (r#"{"status":"success"}"#, "it has no `data`"),
        (r#"{"status":"success","data":{}}"#, "its `data` has no `messages`"),
        (r#"{"status":"success","data":{"messages":null}}"#, "its `messages` is null instead of a list"),
        (r#"{"status":"success","data":{"messages":{}}}"#, "its `messages` is an object instead of a list"),
        (r#"{"status":"success","message":"later"}"#, "it has no `data`: later"),
        ("{}", "it has no `data`"),
        ("", "HTTP 200 with an empty body instead of JSON"),
        ("<!DOCTYPE html><p>key-0123456789-abcdef", "HTTP 200 with HTML instead of JSON"),
        ("null", "HTTP 200 with something else instead of JSON"),
        ("[]", "HTTP 200 with a list or a piece of one instead of JSON"),
        (SAMPLE.get(..700).unwrap(), "HTTP 200 with a cut or broken object instead of JSON"),
    ] {
        let reading = read(200, body);
        assert_eq!(reading.outcome, Err(ApiError::new(FailureKind::Malformed, why)), "{body}");
        assert_eq!(reading.charge, Charge::Unknown, "{body}");
    }
}

#[test]
fn an_error_is_read_from_the_body_first_and_then_from_the_status() {
    use FailureKind::{Account, Credits, Key, RateLimited, Refused, Transient};
    for (status, body, kind, said, charge) in [
        (200, r#"{"status":"error","message":"Invalid token"}"#, Account, ": Invalid token", 1),
        (200, r#"{"status":"error","data":"Session expired"}"#, Account, ": Session expired", 1),
        (200, r#"{"status":"error","data":{"messages":[]},"message":"no"}"#, Refused, ": no", 1),
        (200, r#"{"error":"Invalid API key"}"#, Key, ": Invalid API key", 1),
        (200, r#"{"error":{"message":"Not enough credits"}}"#, Credits, ": Not enough credits", 1),
        (200, r#"{"status":"error","message":"Too many requests"}"#, RateLimited, ": Too many requests", 1),
        (200, r#"{"status":"error"}"#, Refused, "", 1),
        (200, r#"{"status":"pending","message":"wait"}"#, Refused, ": wait", 1),
        (403, r#"{"status":"error","message":"Forbidden"}"#, Account, ": Forbidden", 1),
        (403, r#"{"error":"credits exhausted"}"#, Credits, ": credits exhausted", 1),
        (402, r#"{"status":"error"}"#, Credits, "", 1),
        (400, r#"{"detail":"count must be positive"}"#, Refused, ": count must be positive", 1),
        (404, r#"{"status":"error","message":"No conversation"}"#, Refused, ": No conversation", 1),
        (404, r#"{"data":{"messages":[]}}"#, Refused, "", 1),
        (500, r#"{"status":"error","message":"oops"}"#, Transient, ": oops", 0),
        (500, r#"{"status":"success"}"#, Transient, "", 0),
        (503, r#"{"status":"error","message":"oops"}"#, Transient, ": oops", 1),
    ] {
        let reading = read(status, body);
        let expected = ApiError::new(kind, format!("HTTP {status}{said}"));
        assert_eq!(reading.outcome, Err(expected), "{status} {body}");
        assert_eq!(reading.charge, Charge::Known(charge), "{status} {body}");
    }
}

#[test]
fn what_a_gateway_answers_ends_no_session_and_its_price_is_unknown() {
    use FailureKind::{Account, RateLimited, Refused, Transient};
    for (status, body, kind, said) in [
        (401, "", Transient, ""),
        (401, r#"{"message":"Unauthorized"}"#, Transient, ": Unauthorized"),
        (402, "{}", Transient, ""),
        (403, "<html>Access denied: log in</html>", Transient, ""),
        (403, "Your credits are exhausted", Transient, ": Your credits are exhausted"),
        (403, r#"{"type":"t","title":"Blocked","status":403,"detail":"no"}"#, Transient, ": no"),
        (407, "Proxy authentication required", Transient, ": Proxy authentication required"),
        (404, "<html>", Transient, ""),
        (404, "not here", Refused, ": not here"),
        (408, "", Transient, ""),
        (429, "", RateLimited, ""),
        (500, "<html>oops</html>", Transient, ""),
        (502, "<html>bad gateway</html>", Transient, ""),
        (504, r#"{"message":"Endpoint request timed out"}"#, Transient, ": Endpoint request timed out"),
        (520, "", Transient, ""),
        (524, "<html>", Transient, ""),
        (301, "", Refused, ""),
        // With the status of success, words are all there is.
        (200, r#"{"message":"Cookie expired"}"#, Account, ": Cookie expired"),
    ] {
        for version in [ApiVersion::V1, ApiVersion::V2] {
            let reading = read_page(version, &reply(status, body), &ask_profile());
            let expected = ApiError::new(kind, format!("HTTP {status}{said}"));
            assert_eq!(
                (reading.outcome, reading.charge),
                (Err(expected), Charge::Unknown),
                "{status} {body}"
            );
        }
    }
}

#[test]
fn an_item_that_is_no_json_is_kept_aside_and_the_others_are_read() {
    let broken = r#"{"text":"a","timestamp":1745270025236,"weight":NaN}"#;
    let sound = r#"{"text":"b","timestamp":1745270025235}"#;
    let page = page(&format!(r#""messages":[{sound},{broken},{sound}],"next_cursor":"9""#));
    assert_eq!((page.messages.len(), page.returned, page.below), (2, 3, more("9")));
    let kept: Vec<_> = page.oddities.iter().map(|o| (o.json.as_str(), o.reason.as_str())).collect();
    assert_eq!(kept, [(broken, "not JSON")]);
}

#[test]
fn a_list_far_longer_than_asked_for_is_refused_and_costs_what_was_set_aside() {
    let with = |items: usize| {
        let list = vec!["1"; items].join(",");
        read(200, &format!(r#"{{"status":"success","data":{{"messages":[{list}]}}}}"#))
    };
    assert_eq!(with(300).outcome.unwrap().returned, 300);
    let reading = with(301);
    let why = "its `messages` is far longer than the 50 that were asked for";
    assert_eq!(reading.outcome, Err(ApiError::new(FailureKind::Malformed, why)));
    assert_eq!(reading.charge, Charge::Unknown);
}

#[test]
fn a_body_that_says_success_and_holds_a_page_counts_whatever_the_status() {
    let reading = read(500, SAMPLE);
    assert_eq!((reading.charge, reading.outcome.unwrap().returned), (Charge::Known(1), 2));
}

#[test]
fn a_page_is_charged_by_what_it_returned_and_never_less_than_a_credit() {
    for (items, credits) in [(0, 1), (1, 1), (10, 1), (11, 2), (50, 5)] {
        let list = vec![r#"{"text":"a","timestamp":1745270025236}"#; items].join(",");
        let reading = read(200, &format!(r#"{{"status":"success","data":{{"messages":[{list}]}}}}"#));
        assert_eq!(reading.charge, Charge::Known(credits));
        assert_eq!(reading.outcome.unwrap().returned as usize, items);
    }
}

#[test]
fn how_long_to_wait_is_passed_on() {
    let wait = std::time::Duration::from_secs(9);
    for (status, retry) in [(429, Retry::AfterLongWait), (503, Retry::AfterWait)] {
        let reply = Reply { retry_after: Some(wait), ..reply(status, "") };
        let error = read_page(ApiVersion::V1, &reply, &ask_profile()).outcome.unwrap_err();
        assert_eq!((error.retry_after, error.policy().retry), (Some(wait), retry));
    }
}

#[test]
fn items_that_are_no_messages_are_kept_aside() {
    let page =
        page(r#""messages":[7,{"text":"a","timestamp":1745270025236},["x"],null,"\ud83d",{"\ud83d":1}]"#);
    let kept: Vec<_> = page.oddities.iter().map(|o| (o.json.as_str(), o.reason.as_str())).collect();
    assert_eq!(
        kept,
        [
            ("7", "a number instead of an object"),
            (r#"["x"]"#, "a list instead of an object"),
            ("null", "null instead of an object"),
            (r#""\ud83d""#, "a string instead of an object"),
            (r#"{"\ud83d":1}"#, "an object whose members cannot be read"),
        ]
    );
    assert_eq!((page.messages.len(), page.returned), (1, 6));
}

#[test]
fn the_conversation_is_known_by_its_name_or_by_its_messages() {
    let urn = |data: &str| page(data).conversation_urn;
    let item = format!(r#"{{"entity_urn":"{MESSAGE_URN}"}}"#);
    let other = item.replace("ZGRhXzAxMw==", "ZGRhXzAxNw==");
    assert_eq!(urn(&format!(r#""messages":[{{}},{item},{item}]"#)).as_deref(), Some(URN));
    assert_eq!(urn(&format!(r#""messages":[{item}],"conversation_id":"{THREAD}""#)).as_deref(), Some(URN));
    assert_eq!(urn(&format!(r#""messages":[{item},{other}]"#)), None);
    assert_eq!(urn(r#""messages":[]"#), None);
}

#[test]
fn an_answer_for_another_conversation_is_malformed_and_paid_for() {
    let asked = |id: &str| read_page(ApiVersion::V1, &reply(200, SAMPLE), &ask_conversation(id, None));
    for same in [URN, THREAD, THREAD.trim_end_matches('='), "some-other-form-of-id"] {
        assert!(asked(same).outcome.is_ok(), "{same}");
    }
    let reading = asked("2-YW5vdGhlcg==");
    assert_eq!(reading.outcome.unwrap_err().message, "the answer is for another conversation");
    assert_eq!(reading.charge, Charge::Known(1));
}

#[test]
fn a_bad_byte_in_one_message_does_not_lose_the_page() {
    let mut body = SAMPLE.as_bytes().to_vec();
    let at = SAMPLE.find('😃').unwrap();
    body[at] = 0xff;
    let page = read_page(ApiVersion::V1, &reply(200, body), &ask_profile()).outcome.unwrap();
    assert_eq!(page.messages.len(), 2);
    assert!(page.messages[0].text.contains('\u{fffd}'));
}

#[test]
fn keys_and_tokens_that_the_server_says_back_are_hidden() {
    for body in [
        format!(r#"{{"status":"error","message":"bad token {TOKEN}"}}"#),
        format!(r#"{{"status":"success","message":"bad token {TOKEN}"}}"#),
        format!("bad token {TOKEN}"),
    ] {
        for status in [200, 403, 500] {
            let shown = format!("{:?}", read(status, &body));
            assert!(!leaks(&shown), "{shown}");
        }
    }
}

#[path = "v1_properties.rs"]
mod properties;
