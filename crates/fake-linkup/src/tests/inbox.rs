//! The inbox of both generations.

use serde_json::{Value, json};

use crate::inbox::InboxCursor;
use crate::model::{Author, Person};
use crate::tests::{Fixture, HOUR, START};

/// A mailbox of twelve conversations, the last one the most recently active.
fn twelve() -> Fixture {
    let mut f = Fixture::new();
    for n in 1..12 {
        let other = Person::named("Friend", &format!("Number{n}"));
        f.mailbox().with_messages(other, 1, START + (100 + n) * HOUR, HOUR);
    }
    f
}

fn v1(f: &mut Fixture, mut body: Value) -> Value {
    body["login_token"] = json!(f.token());
    f.post("/v1/messages/inbox", &body).value()
}

fn threads(value: &Value) -> Vec<String> {
    let rows = value["data"]["conversations"].as_array().unwrap_or_else(|| panic!("no rows: {value}"));
    rows.iter().map(|r| r["conversation_id"].as_str().unwrap().to_owned()).collect()
}

fn urns(f: &Fixture) -> Vec<String> {
    f.server.mailbox(0).unwrap().conversations().iter().map(|c| c.urn.clone()).collect()
}

#[test]
fn rows_come_most_recently_active_first_and_the_cursor_leads_on() {
    let mut f = twelve();
    let first = v1(&mut f, json!({"category": "INBOX"}));
    assert_eq!(first["data"]["total_results"], 10);
    let cursor = first["data"]["next_cursor"].clone();
    let second = v1(&mut f, json!({"next_cursor": cursor}));
    assert_eq!(second["data"]["next_cursor"], Value::Null);
    let mut expected = urns(&f);
    expected.reverse();
    assert_eq!([threads(&first), threads(&second)].concat(), expected);
    assert_eq!(f.charged(), 2);
}

#[test]
fn a_row_has_the_documented_shape() {
    let mut f = Fixture::new();
    f.mailbox().send(0, Author::Other(0), START + 30 * HOUR, "news");
    let row = v1(&mut f, json!({}))["data"]["conversations"][0].clone();
    let ada = json!({"name": "Ada Example", "headline": "Ada at Example",
        "profile_url": "https://www.linkedin.com/in/ada-example/", "profile_picture": null});
    assert_eq!(
        row,
        json!({"conversation_id": f.urn(), "participant": ada, "unread": 1, "type": "MEMBER_TO_MEMBER",
            "last_message": {"text": "news", "time": START + 30 * HOUR, "sender": ada}})
    );
}

#[test]
fn v2_rows_tell_whether_the_owner_spoke_last() {
    let mut f = Fixture::new();
    let is_me = |f: &mut Fixture| {
        let value = f.v2("list_inbox", json!({"count": 5, "category": "INBOX"})).value();
        assert_eq!(value["metadata"]["credits_consumed"], 1);
        value["data"]["conversations"][0]["last_message"]["sender"]["is_me"].clone()
    };
    assert_eq!(is_me(&mut f), json!(false));
    f.mailbox().send(0, Author::Owner, START + 30 * HOUR, "mine");
    assert_eq!(is_me(&mut f), json!(true));
}

#[test]
fn more_than_25_rows_are_answered_with_an_empty_array_in_v1_and_refused_in_v2() {
    let mut f = twelve();
    let value = v1(&mut f, json!({"total_results": 26}));
    assert_eq!(value, json!({"status": "success", "data": []}));
    assert_eq!(f.v2("list_inbox", json!({"count": 26})).status, 400);
    assert_eq!(f.violations(), ["26 inbox rows were asked for"; 2]);
    assert_eq!(threads(&v1(&mut f, json!({"total_results": 25}))).len(), 12);
}

#[test]
fn activity_lifts_a_conversation_and_a_walk_under_way_does_not_see_it_twice() {
    let mut f = twelve();
    let first = v1(&mut f, json!({}));
    let oldest = urns(&f)[0].clone();
    f.mailbox().send(0, Author::Owner, START + 500 * HOUR, "up");
    let second = v1(&mut f, json!({"next_cursor": first["data"]["next_cursor"]}));
    assert!(!threads(&second).contains(&oldest));
    assert_eq!(threads(&v1(&mut f, json!({"total_results": 1}))), [oldest]);
}

#[test]
fn categories_choose_and_archived_threads_are_never_shown() {
    let mut f = twelve();
    f.mailbox().send(3, Author::Other(0), START + 600 * HOUR, "unread");
    f.mailbox().conversation_mut(4).unwrap().kind = "INMAIL".into();
    f.mailbox().conversation_mut(5).unwrap().in_inbox = false;
    let urns = urns(&f);
    let mut shown = |category: &str| threads(&v1(&mut f, json!({"category": category, "total_results": 25})));
    assert_eq!(shown("UNREAD"), [urns[3].as_str()]);
    assert_eq!(shown("INMAIL"), [urns[4].as_str()]);
    assert_eq!(shown("STARRED"), [""; 0]);
    assert_eq!((shown("INBOX").len(), shown("MY_CONNECTIONS").len()), (11, 10));
    assert!(!shown("INBOX").contains(&urns[5]));
    assert_eq!(v1(&mut f, json!({"category": "SPAM"}))["status"], "error");
}

#[test]
fn equal_times_are_walked_without_loss() {
    let mut f = Fixture::new();
    for n in 0..9 {
        f.mailbox().with_messages(Person::named("Tie", &format!("Number{n}")), 1, START, HOUR);
    }
    let (mut all, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut body = json!({"total_results": 3});
        if cursor.is_string() {
            body["next_cursor"] = cursor;
        }
        let value = v1(&mut f, body);
        all.extend(threads(&value));
        cursor = value["data"]["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let mut expected = urns(&f);
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn a_cursor_is_opaque_base64_of_the_observed_form() {
    let cursor = InboxCursor { at_ms: 17, thread: "2-abc==".into() };
    assert_eq!(InboxCursor::decode(&cursor.encode()), Some(cursor));
    assert_eq!(InboxCursor::decode("no base64!"), None);
    assert_eq!(InboxCursor::decode("QUJD"), None);
    let mut f = Fixture::new();
    assert_eq!(v1(&mut f, json!({"next_cursor": "17"}))["status"], "error");
    assert_eq!(f.violations(), ["the inbox cursor is none of this server's"]);
}

#[test]
fn a_group_has_the_form_that_is_set() {
    let mut f = Fixture::new();
    let group = f.mailbox().new_conversation(vec![Person::named("Ann", "One"), Person::named("Bob", "Two")]);
    f.mailbox().send(group, Author::Other(1), START + 900 * HOUR, "hi");
    let mut participant = |form: &str| {
        f.switch(json!({ "participants": form }));
        v1(&mut f, json!({}))["data"]["conversations"][0].get("participant").cloned()
    };
    assert_eq!(participant("array-for-groups").unwrap().as_array().unwrap().len(), 2);
    assert_eq!(participant("first").unwrap()["name"], "Ann One");
    assert_eq!(participant("null-for-groups"), Some(Value::Null));
    assert_eq!(participant("absent-for-groups"), None);
}

#[test]
fn an_empty_conversation_has_no_place_in_the_inbox() {
    let mut f = Fixture::new();
    f.mailbox().new_conversation(vec![Person::named("Quiet", "One")]);
    assert_eq!(threads(&v1(&mut f, json!({}))).len(), 1);
}
