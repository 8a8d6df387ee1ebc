//! Driving the server from outside.

use serde_json::json;

use crate::tests::{Fixture, HOUR, NOW, START, texts};

#[test]
fn control_is_neither_logged_nor_charged() {
    let mut f = Fixture::new();
    f.server.faults.add(crate::FaultRule::always(crate::Fault::Hang));
    assert_eq!(
        f.get("/_fake/meter").value(),
        json!({"charged": 0, "balance": 10_000, "requests": 0, "violations": 0})
    );
    assert_eq!(f.get("/_fake/nothing").status, 404);
    assert_eq!(f.server.meter.rows().len(), 0);
}

#[test]
fn messages_can_be_sent_edited_recalled_deleted_and_restored() {
    let mut f = Fixture::new();
    let sent =
        f.post("/_fake/send", &json!({"conversation": f.urn(), "from": "owner", "text": "hello"})).value();
    assert_eq!((&sent["message"], &sent["timestamp"]), (&json!(25), &json!(NOW)));
    let urn = sent["entity_urn"].clone();
    let mut newest = |path: &str, body: serde_json::Value| {
        assert_eq!(f.post(path, &body).status, 200);
        texts(&f.v1(json!({"total_results": 1})))
    };
    assert_eq!(newest("/_fake/edit", json!({"conversation": 0, "message": urn, "text": "bye"})), ["bye"]);
    assert_eq!(newest("/_fake/delete", json!({"conversation": 0, "message": 25})), ["message 25"]);
    assert_eq!(newest("/_fake/restore", json!({"conversation": 0, "message": 25})), ["bye"]);
    assert_eq!(newest("/_fake/recall", json!({"conversation": 0})), [""]);
    let ada = "https://www.linkedin.com/in/ada-example/";
    let history = f.get(&format!("/_fake/history?account=me&conversation={ada}")).value();
    let last = &history["messages"][25];
    assert_eq!(
        (&last["message_type"], &last["from_me"], &last["deleted"]),
        (&json!("RECALLED"), &json!(true), &json!(false))
    );
    let said: Vec<&str> =
        last["earlier"].as_array().unwrap().iter().map(|e| e["text"].as_str().unwrap()).collect();
    assert_eq!(said, ["hello", "bye"]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut f = Fixture::new();
    let mut said = |path: &str, body: serde_json::Value| {
        let reply = f.post(path, &body);
        assert_eq!(reply.status, 400);
        reply.value()["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(said("/_fake/send", json!({"conversation": 9})), "no such conversation");
    assert_eq!(said("/_fake/send", json!({"account": "you", "conversation": 0})), "no such account");
    assert_eq!(said("/_fake/edit", json!({"conversation": 0, "message": 99, "text": ""})), "no such message");
    assert_eq!(said("/_fake/edit", json!({"conversation": 0})), "text is wanted");
    assert_eq!(said("/_fake/meter", json!({})), "balance must be a number of credits");
    assert!(said("/_fake/faults", json!({"rules": [{"fault": "hung"}]})).contains("unknown fault `hung`"));
    assert!(said("/_fake/behaviour", json!({"curser": "x"})).contains("unknown field `curser`"));
}

#[test]
fn faults_switches_balance_and_sessions_can_be_set() {
    let mut f = Fixture::new();
    f.post("/_fake/faults", &json!({"seed": 3, "rules": [{"fault": "http-500", "times": "until-healed"}]}));
    assert_eq!(f.v1(json!({})).status, 500);
    assert_eq!(f.get("/_fake/faults").value()["rules"][0]["fault"], "http-500");
    f.post("/_fake/faults", &json!({"clear": true}));
    f.post("/_fake/behaviour", &json!({"page_limit": 3}));
    assert_eq!(texts(&f.v1(json!({}))).len(), 3);
    assert_eq!(f.get("/_fake/behaviour").value()["page_limit"], 3);
    assert_eq!(f.post("/_fake/meter", &json!({"balance": 5})).value()["balance"], 5);
    let account = f.post("/_fake/account", &json!({"account": "me", "active": false})).value();
    assert_eq!(account["login_token"], json!(f.token()));
    assert_eq!(f.v1(json!({})).status, 403);
}

#[test]
fn conversations_can_be_begun_and_time_can_be_moved() {
    let mut f = Fixture::new();
    let begun = f.post("/_fake/conversation", &json!({"others": ["Bo Sample", "Cy Sample"]})).value();
    assert_eq!(begun["conversation"], 1);
    assert_eq!(f.post("/_fake/conversation", &json!({"others": ["Bo"]})).status, 400);
    let happened = f.post("/_fake/advance", &json!({"seed": 4, "events": 50})).value();
    let sum: u64 = happened.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(sum, 50);
    let listed = f.get("/_fake/history").value();
    assert!(listed["conversations"].as_array().unwrap().len() >= 2);
    assert!(listed["conversations"][0]["messages"].as_u64().unwrap() > 25);
}

#[test]
fn the_log_names_accounts_and_conversations() {
    let mut f = Fixture::new();
    f.v1(json!({}));
    f.v2_page(json!({"mark_as_read": false}));
    let log = f.get("/_fake/log").value();
    assert_eq!(
        log["requests"][0],
        json!({"id": 1, "at_ms": NOW, "path": "/v1/messages/conversation", "account": "me",
            "conversation": f.urn(), "asked": 10, "returned": 10, "charged": 1, "status": 200, "fault": null})
    );
    assert_eq!(log["violations"], json!([{"request_id": 2, "what": "mark_as_read was sent"}]));
}

#[test]
fn the_config_points_here_and_names_targets_both_ways() {
    let mut f = Fixture::with_two();
    let text = String::from_utf8(f.get("/_fake/config?version=v2&inbox=off&targets=all").body).unwrap();
    let config: toml::Table = text.parse().unwrap();
    assert_eq!(config["api"]["version"].as_str(), Some("v2"));
    assert_eq!(config["api"]["api_key"].as_str(), Some("key"));
    assert_eq!(config["sync"]["inbox"].as_str(), Some("off"));
    let account = &config["accounts"][0];
    assert_eq!(account["account_id"].as_str(), Some(f.account_id().as_str()));
    assert_eq!(account["profiles"][0].as_str(), Some("https://www.linkedin.com/in/ada-example/"));
    let second = f.server.mailbox(0).unwrap().conversations()[1].urn.clone();
    assert_eq!(account["conversations"][0].as_str(), Some(second.as_str()));
    let bare: toml::Table = f.server.config_toml("v1", "discover", "none").parse().unwrap();
    assert_eq!(bare["accounts"][0]["profiles"].as_array().unwrap().len(), 0);
}

#[test]
fn a_conversation_can_be_hidden_from_the_inbox_and_its_history_cut() {
    let mut f = Fixture::new();
    let inbox = |f: &mut Fixture| {
        let body = json!({"login_token": f.token()});
        f.post("/v1/messages/inbox", &body).value()["data"]["total_results"].clone()
    };
    assert_eq!(inbox(&mut f), 1);
    let cut = json!({"conversation": 0, "in_inbox": false, "unread": 4, "retained_from": START + 23 * HOUR});
    assert_eq!(f.post("/_fake/set", &cut).status, 200);
    assert_eq!(inbox(&mut f), 0);
    let page = f.v1(json!({}));
    assert_eq!(texts(&page), ["message 25", "message 24"]);
    assert_eq!(page.value()["data"]["unread_count"], 4);
    assert_eq!(f.post("/_fake/set", &json!({"conversation": 0, "retained_from": null})).status, 200);
    assert_eq!(texts(&f.v1(json!({}))).len(), 10);
    assert_eq!(f.post("/_fake/set", &json!({"conversation": 0, "unread": -1})).status, 400);
}
