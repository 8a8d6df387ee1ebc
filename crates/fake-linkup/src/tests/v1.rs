//! v1: the shape of its pages and of its errors.

use serde_json::{Value, json};

use crate::Request;
use crate::tests::{Fixture, HOUR, NOW, START, texts};

/// The fields of a page that hold no message.
fn without_messages(value: &Value) -> Value {
    let mut value = value.clone();
    value["data"].as_object_mut().unwrap().remove("messages");
    value
}

#[test]
fn the_newest_page_has_the_documented_shape() {
    let mut f = Fixture::new();
    let reply = f.v1(json!({"total_results": 2}));
    assert_eq!(reply.status, 200);
    let value = reply.value();
    let newest = START + 24 * HOUR;
    assert_eq!(
        without_messages(&value),
        json!({"status": "success", "data": {
            "conversation_id": f.urn(), "total_results": 2, "total_other_member_message_count": 13,
            "unread_count": 0, "last_seen_message": false, "last_seen_at": null,
            "next_cursor": (newest - HOUR).to_string(), "has_next_page": true}})
    );
    let urn = f.server.mailbox(0).unwrap().conversations()[0].messages()[24].urn.clone();
    assert_eq!(
        value["data"]["messages"][0],
        json!({"text": "message 25", "timestamp": newest, "sender": "Ada Example",
            "sender_info": {"first_name": "Ada", "last_name": "Example"}, "message_type": "TEXT", "entity_urn": urn})
    );
    assert_eq!(value["data"]["messages"][1]["sender"], "Olga Owner");
}

#[test]
fn cursors_lead_through_the_whole_conversation_and_end_with_null() {
    let mut f = Fixture::new();
    let mut all = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let reply = f.v1(json!({"cursor": cursor}));
        all.extend(texts(&reply));
        cursor = reply.value()["data"]["next_cursor"].clone();
        assert_eq!(reply.value()["data"]["has_next_page"], json!(cursor.is_string()));
        if cursor.is_null() {
            break;
        }
    }
    let expected: Vec<String> = (1..=25).rev().map(|n| format!("message {n}")).collect();
    assert_eq!(all, expected);
    assert_eq!(f.violations(), [""; 0]);
}

#[test]
fn a_profile_address_resolves_the_conversation_and_is_repeated() {
    let mut f = Fixture::new();
    let address = "https://WWW.linkedin.com/in/ada-example?x=1";
    let value = f.v1(json!({"conversation_id": null, "linkedin_url": address})).value();
    assert_eq!(value["data"]["conversation_id"], json!(f.urn()));
    assert_eq!(value["data"]["profile_url"], address);
}

#[test]
fn the_bare_thread_id_is_a_name_with_and_without_padding() {
    let mut f = Fixture::new();
    let thread = f.server.mailbox(0).unwrap().conversations()[0].thread.clone();
    assert!(thread.ends_with("=="));
    for name in [thread.as_str(), thread.trim_end_matches('=')] {
        assert_eq!(texts(&f.v1(json!({"conversation_id": name}))).len(), 10);
    }
}

#[test]
fn an_edit_and_a_recall_show_up_under_the_same_name() {
    let mut f = Fixture::new();
    let before = f.v1(json!({"total_results": 2})).value();
    f.mailbox().edit(0, 24, "edited");
    f.mailbox().recall(0, 23);
    let after = f.v1(json!({"total_results": 2})).value();
    let shown: Vec<(&str, &str)> = after["data"]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["text"].as_str().unwrap(), m["message_type"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, [("edited", "TEXT"), ("", "RECALLED")]);
    for i in 0..2 {
        assert_eq!(after["data"]["messages"][i]["entity_urn"], before["data"]["messages"][i]["entity_urn"]);
    }
}

#[test]
fn switches_change_the_form_of_a_page() {
    let mut f = Fixture::new();
    let mut page = |switches: Value| {
        f.server.behaviour = Default::default();
        f.switch(switches);
        f.v1(json!({"total_results": 2})).value()
    };
    let top = page(json!({"has_next": "top-level", "cursor_form": "number"}));
    assert_eq!((&top["has_next_page"], top["data"].get("has_next_page")), (&json!(true), None));
    assert_eq!(top["data"]["next_cursor"], json!(START + 23 * HOUR));
    assert_eq!(page(json!({"has_next": "pagination"}))["data"]["pagination"], json!({"has_next_page": true}));
    let bare = page(
        json!({"has_next": "absent", "entity_urn": "absent", "sender_info": false, "v1_conversation_id": false}),
    );
    assert!(bare["data"].get("has_next_page").is_none() && bare["data"].get("conversation_id").is_none());
    let fields: Vec<&String> = bare["data"]["messages"][0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["message_type", "sender", "text", "timestamp"]);
    let message = |page: Value| page["data"]["messages"][0].clone();
    assert_eq!(message(page(json!({"entity_urn": "null"})))["entity_urn"], Value::Null);
    assert_eq!(
        message(page(json!({"timestamps": "seconds"})))["timestamp"],
        json!((START + 24 * HOUR) / 1000)
    );
    assert_eq!(message(page(json!({"timestamps": "string"})))["timestamp"], (START + 24 * HOUR).to_string());
    assert_eq!(message(page(json!({"timestamps": "null"})))["timestamp"], Value::Null);
    assert_eq!(message(page(json!({"sender": "object"})))["sender"]["name"], "Ada Example");
    let extra = message(page(json!({"extra_fields": true})));
    assert!(extra["reactions"].is_array() && extra["attachments"] == json!([]));
}

#[test]
fn the_end_can_be_null_absent_or_empty() {
    let mut f = Fixture::new();
    let mut cursor = |form: &str| {
        f.switch(json!({ "end_cursor": form }));
        f.v1(json!({"total_results": 25})).value()["data"].get("next_cursor").cloned()
    };
    assert_eq!(cursor("null"), Some(Value::Null));
    assert_eq!(cursor("empty"), Some(json!("")));
    assert_eq!(cursor("absent"), None);
}

#[test]
fn an_inclusive_server_repeats_the_border() {
    let mut f = Fixture::new();
    let cursor = (START + 20 * HOUR).to_string();
    assert_eq!(texts(&f.v1(json!({"cursor": cursor, "total_results": 1}))), ["message 20"]);
    f.switch(json!({"cursor": "inclusive"}));
    assert_eq!(texts(&f.v1(json!({"cursor": cursor, "total_results": 1}))), ["message 21"]);
}

#[test]
fn a_server_may_serve_fewer_than_asked() {
    let mut f = Fixture::new();
    f.switch(json!({"page_limit": 7}));
    let value = f.v1(json!({"total_results": 20})).value();
    assert_eq!(
        (value["data"]["total_results"].as_u64(), &value["data"]["has_next_page"]),
        (Some(7), &json!(true))
    );
}

#[test]
fn extra_fields_of_a_message_are_served_as_they_are() {
    let mut f = Fixture::new();
    let sent = json!({"conversation": 0, "text": "x", "extra": {"reactions": [{"emoji": "👍", "n": 2.50}], "a": null}});
    f.post("/_fake/send", &sent);
    let message = f.v1(json!({})).value()["data"]["messages"][0].clone();
    assert_eq!(message["reactions"], json!([{"emoji": "👍", "n": 2.5}]));
    assert!(message.get("a").is_some_and(Value::is_null));
}

/// Status, message, and what was noted.
fn refused(fields: Value) -> (u16, String, Vec<String>) {
    let mut f = Fixture::new();
    let reply = f.v1(fields);
    let value = reply.value();
    assert_eq!(value["status"], "error", "{value}");
    let noted = f.violations().iter().map(|v| (*v).to_owned()).collect();
    (reply.status, value["message"].as_str().unwrap().to_owned(), noted)
}

#[test]
fn wrong_requests_are_refused_and_noted() {
    let noted = |fields: Value, what: &str| {
        assert_eq!(refused(fields), (200, what.to_owned(), vec![what.to_owned()]))
    };
    noted(
        json!({"linkedin_url": "https://www.linkedin.com/in/ada-example/"}),
        "both linkedin_url and conversation_id were sent",
    );
    noted(json!({"total_results": "10"}), "total_results must be a positive integer");
    noted(json!({"total_results": 0}), "total_results must be a positive integer");
    noted(json!({"total_results": 2.5}), "total_results must be a positive integer");
    noted(json!({"cursor": 1_750_000_000_000_i64}), "cursor must be a string");
    noted(json!({"cursor": "yesterday"}), "cursor is no time in milliseconds");
    noted(json!({"country": "XX"}), "country `XX` is not available");
    noted(json!({"conversation_id": 7}), "conversation_id must be a string");
}

#[test]
fn unknown_and_missing_things_are_refused() {
    let said = |fields: Value| {
        let (status, message, noted) = refused(fields);
        assert!(noted.is_empty());
        (status, message)
    };
    assert_eq!(said(json!({"conversation_id": "2-xyz"})), (200, "Conversation not found".to_owned()));
    let neither = "Either linkedin_url or conversation_id must be provided";
    assert_eq!(said(json!({"conversation_id": null})), (200, neither.to_owned()));
    assert_eq!(
        said(json!({"login_token": "stale"})),
        (403, "LinkedIn session expired, please log in again".to_owned())
    );
    assert_eq!(said(json!({"login_token": null})), (200, "login_token is required".to_owned()));
}

#[test]
fn errors_can_have_real_statuses() {
    let mut f = Fixture::new();
    f.switch(json!({"v1_status": "real", "v1_error_body": "data"}));
    let reply = f.v1(json!({"conversation_id": "2-xyz"}));
    assert_eq!(
        (reply.status, reply.value()),
        (404, json!({"status": "error", "data": "Conversation not found"}))
    );
}

#[test]
fn a_wrong_key_a_wrong_path_and_a_wrong_body_are_refused() {
    let mut f = Fixture::new();
    let request = Request {
        method: "POST",
        path: "/v1/messages/conversation",
        content_type: Some("application/json"),
        ..Request::default()
    };
    for api_key in [None, Some("other")] {
        assert_eq!(f.server.handle(&Request { api_key, ..request }, NOW).status, 401);
    }
    assert_eq!(f.post("/v1/messages/nothing", &json!({})).status, 404);
    assert_eq!(f.get("/v1/messages/conversation").status, 404);
    assert_eq!(f.charged(), 0);
    let reply = f.at(NOW, "POST", "/v1/messages/conversation", "{not json");
    assert_eq!((reply.status, reply.value()["status"].as_str()), (200, Some("error")));
    assert_eq!(f.violations(), ["the body is no JSON object"]);
}

#[test]
fn a_request_without_its_content_type_is_answered_but_noted() {
    let mut f = Fixture::new();
    let body = json!({"login_token": f.token(), "conversation_id": f.urn()}).to_string();
    let request = Request {
        method: "POST",
        path: "/v1/messages/conversation",
        api_key: Some("key"),
        content_type: None,
        body: body.as_bytes(),
    };
    assert_eq!(texts(&f.server.handle(&request, NOW)).len(), 10);
    assert_eq!(f.violations(), ["content-type is not application/json"]);
}

#[test]
fn more_requests_than_allowed_in_a_minute_are_refused_until_it_is_over() {
    let mut f = Fixture::new();
    f.switch(json!({"requests_per_minute": 3}));
    let body = json!({"login_token": f.token(), "conversation_id": f.urn()}).to_string();
    let mut at = |ms| f.at(NOW + ms, "POST", "/v1/messages/conversation", &body).status;
    assert_eq!([at(0), at(1), at(2), at(3), at(59_999), at(60_010)], [200, 200, 200, 429, 429, 200]);
}

#[test]
fn an_account_whose_session_ended_is_refused_until_it_is_mended() {
    let mut f = Fixture::new();
    f.server.account_mut(0).unwrap().active = false;
    assert_eq!(f.v1(json!({})).status, 403);
    f.server.account_mut(0).unwrap().active = true;
    assert_eq!(f.v1(json!({})).status, 200);
}
