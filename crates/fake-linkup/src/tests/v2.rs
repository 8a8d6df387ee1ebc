//! v2: the envelope, its codes, and what must never be sent.

use serde_json::{Value, json};

use crate::Request;
use crate::tests::{Fixture, HOUR, NOW, START, texts};

#[test]
fn a_page_has_the_documented_envelope() {
    let mut f = Fixture::new();
    let reply = f.v2_page(json!({"count": 2}));
    let mut value = reply.value();
    let messages = value["data"].as_object_mut().unwrap().remove("messages").unwrap();
    assert_eq!(
        value,
        json!({"success": true,
            "data": {"total_message_count": 25, "unread_count": 0, "last_seen_message": false, "last_seen_at": null,
                "next_cursor": (START + 23 * HOUR).to_string()},
            "metadata": {"action": "get_conversation", "account_id": f.account_id(), "credits_consumed": 1,
                "timestamp": "2025-10-09T08:53:20Z"}})
    );
    assert_eq!(
        messages[0]["sender_info"],
        json!({"first_name": "Ada", "last_name": "Example", "profile_url": "https://www.linkedin.com/in/ada-example/"})
    );
}

#[test]
fn both_generations_serve_the_same_messages() {
    let mut f = Fixture::new();
    let (v1, v2) = (f.v1(json!({"total_results": 7})), f.v2_page(json!({"count": 7})));
    assert_eq!(texts(&v1), texts(&v2));
    let urns = |value: &Value| -> Vec<Value> {
        value["data"]["messages"].as_array().unwrap().iter().map(|m| m["entity_urn"].clone()).collect()
    };
    assert_eq!(urns(&v1.value()), urns(&v2.value()));
}

#[test]
fn a_profile_address_leads_to_the_conversation() {
    let mut f = Fixture::new();
    let reply = f.v2("get_conversation", json!({"profile_url": "https://www.linkedin.com/in/ada-example/"}));
    assert_eq!(texts(&reply).len(), 10);
}

#[test]
fn what_it_charged_may_be_missing_or_null_and_the_name_may_be_there() {
    let mut f = Fixture::new();
    f.switch(json!({"v2_credits": "absent", "v2_conversation_id": true, "v2_total": false}));
    let value = f.v2_page(json!({})).value();
    assert_eq!(value["metadata"].get("credits_consumed"), None);
    assert_eq!(value["data"]["conversation_id"], json!(f.urn()));
    assert_eq!(value["data"].get("total_message_count"), None);
    f.switch(json!({"v2_credits": "null"}));
    assert_eq!(f.v2_page(json!({})).value()["metadata"]["credits_consumed"], Value::Null);
    assert_eq!(f.charged(), 2);
}

#[test]
fn every_error_has_its_code_and_costs_nothing() {
    let mut f = Fixture::new();
    let id = f.account_id();
    let ask = |account: &str, action: &str, params: Value| json!({"account_id": account, "action": action, "params": params});
    let mut said = |path: &str, body: Value| {
        let reply = f.post(path, &body);
        let value = reply.value();
        assert_eq!((&value["success"], &value["metadata"]["credits_consumed"]), (&json!(false), &json!(0)));
        (reply.status, value["error"]["code"].as_str().unwrap().to_owned())
    };
    let params = json!({"conversation_id": "2-xyz"});
    assert_eq!(
        said("/v2/messages", ask("none", "get_conversation", json!({}))),
        (404, "INVALID_ACCOUNT".into())
    );
    assert_eq!(said("/v2/messages", ask(&id, "fly", json!({}))), (400, "INVALID_ACTION".into()));
    assert_eq!(said("/v2/messages", ask(&id, "get_conversation", params)), (400, "INVALID_PARAMS".into()));
    assert_eq!(said("/v2/messages", ask(&id, "get_conversation", json!([]))), (400, "INVALID_PARAMS".into()));
    assert_eq!(said("/v2/messages", json!({"action": "get_conversation"})), (400, "INVALID_PARAMS".into()));
    assert_eq!(said("/v2/mesages", json!({})), (404, "INVALID_ACCOUNT".into()));
    f.server.account_mut(0).unwrap().active = false;
    let reply = f.v2_page(json!({}));
    assert_eq!((reply.status, &reply.value()["error"]["code"]), (403, &json!("ACCOUNT_INACTIVE")));
    let request =
        Request { method: "GET", path: "/v2/credits", api_key: Some("other"), ..Request::default() };
    let reply = f.server.handle(&request, NOW);
    assert_eq!((reply.status, &reply.value()["error"]["code"]), (403, &json!("INVALID_API_KEY")));
    assert_eq!(f.charged(), 0);
}

#[test]
fn mark_as_read_changes_the_account_and_is_noted_with_either_value() {
    for value in [true, false] {
        let mut f = Fixture::new();
        f.mailbox().conversation_mut(0).unwrap().unread = 3;
        assert_eq!(f.v2_page(json!({ "mark_as_read": value })).status, 200);
        assert_eq!(f.violations(), ["mark_as_read was sent"]);
        assert_eq!(f.server.mailbox(0).unwrap().conversations()[0].unread, 0);
    }
}

#[test]
fn an_action_that_would_write_is_refused_and_noted() {
    let mut f = Fixture::new();
    assert_eq!(f.v2("send_message", json!({})).status, 400);
    assert_eq!(f.violations(), ["action `send_message` is none that only reads"]);
}

#[test]
fn accounts_and_the_balance_can_be_read_for_free() {
    let mut f = Fixture::new();
    let id = f.account_id();
    let listed = f.get("/v2/accounts").value();
    assert_eq!(listed["data"]["items"][0]["account_id"], json!(id));
    let one = f.get(&format!("/v2/accounts/{id}")).value();
    assert_eq!((&one["data"]["status"], &one["data"]["platform"]), (&json!("active"), &json!("linkedin")));
    assert_eq!(f.get("/v2/accounts/none").status, 404);
    f.v2_page(json!({"count": 25}));
    assert_eq!(f.get("/v2/credits").value()["data"]["credits"], json!(9_997));
    assert_eq!(f.charged(), 3);
}
