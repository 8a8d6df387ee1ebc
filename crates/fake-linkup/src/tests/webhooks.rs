//! Watching an account and reading its events.

use serde_json::{Value, json};

use crate::model::Author;
use crate::tests::{Fixture, NOW};

const DAY: i64 = 86_400_000;

fn watch(f: &mut Fixture) -> String {
    let value = f.post("/v2/webhooks", &json!({"account_id": f.account_id()})).value();
    assert_eq!(
        (&value["data"]["hosted"], &value["metadata"]["credits_consumed"]),
        (&json!(true), &json!(10))
    );
    value["data"]["webhook_id"].as_str().unwrap().to_owned()
}

fn events(f: &mut Fixture, at: i64, id: &str, query: &str) -> Vec<Value> {
    let value = f.at(at, "GET", &format!("/v2/webhooks/{id}/events?{query}"), "").value();
    value["data"]["events"].as_array().unwrap_or_else(|| panic!("{value}")).clone()
}

#[test]
fn new_messages_are_events_and_old_ones_are_not() {
    let mut f = Fixture::new();
    let id = watch(&mut f);
    assert!(events(&mut f, NOW + 1, &id, "").is_empty());
    f.mailbox().send(0, Author::Other(0), NOW + 5, "first");
    f.mailbox().send(0, Author::Owner, NOW + 6, "second");
    f.mailbox().edit(0, 25, "first, edited");
    let all = events(&mut f, NOW + 9, &id, "");
    assert_eq!(
        all[0]["event"],
        json!({"type": "message", "text": "first",
            "sender": {"name": "Ada Example", "profile_url": "https://www.linkedin.com/in/ada-example/"}})
    );
    assert_eq!(all.len(), 2);
    let after = all[0]["id"].as_str().unwrap();
    assert_eq!(events(&mut f, NOW + 9, &id, &format!("after={after}")), all[1..]);
    assert_eq!(events(&mut f, NOW + 9, &id, &format!("since={}", NOW + 6)), all[1..]);
    assert_eq!(events(&mut f, NOW + 9, &id, "count=1"), all[..1]);
    assert_eq!(events(&mut f, NOW + 9, &id, "since=2025-10-09T08:53:20Z").len(), 2);
    for wrong in ["count=0", "count=x", "after=x", "since=yesterday"] {
        assert_eq!(f.get(&format!("/v2/webhooks/{id}/events?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(f.charged(), 10);
}

#[test]
fn events_are_kept_for_a_day_and_every_day_of_watching_costs_ten_credits() {
    let mut f = Fixture::new();
    let id = watch(&mut f);
    f.mailbox().send(0, Author::Other(0), NOW + 5, "first");
    assert_eq!(events(&mut f, NOW + DAY, &id, "").len(), 1);
    assert!(events(&mut f, NOW + DAY + 6, &id, "").is_empty());
    assert_eq!(f.charged(), 20);
    events(&mut f, NOW + 4 * DAY, &id, "");
    assert_eq!(f.charged(), 50);
    // Charges without a request have no number of their own.
    let numbers: Vec<u64> = f.server.meter.rows().iter().map(|r| r.id).collect();
    assert_eq!(numbers, [1, 0, 2, 3, 0, 0, 0, 4]);
}

#[test]
fn a_deleted_webhook_costs_no_day_after_the_one_that_has_begun() {
    let mut f = Fixture::new();
    let (id, other) = (watch(&mut f), watch(&mut f));
    events(&mut f, NOW + DAY, &id, "");
    assert_eq!(f.charged(), 40);
    let deleted = f.at(NOW + DAY + 1, "DELETE", &format!("/v2/webhooks/{id}"), "").value();
    assert_eq!(deleted["success"], true, "{deleted}");
    assert_eq!(deleted["metadata"]["credits_consumed"], 0, "{deleted}");
    for (method, path) in
        [("GET", format!("/v2/webhooks/{id}/events")), ("DELETE", format!("/v2/webhooks/{id}"))]
    {
        assert_eq!(f.at(NOW + DAY + 2, method, &path, "").status, 404, "{method}");
    }
    // The other one goes on.
    assert!(events(&mut f, NOW + 3 * DAY, &other, "").is_empty());
    assert_eq!(f.charged(), 60);
}

#[test]
fn nobody_watches_what_is_not_there() {
    let mut f = Fixture::new();
    assert_eq!(f.post("/v2/webhooks", &json!({"account_id": "none"})).status, 404);
    assert_eq!(f.get("/v2/webhooks/none/events").status, 404);
    assert_eq!(f.at(NOW, "DELETE", "/v2/webhooks/none", "").status, 404);
    f.server.meter.balance = 9;
    assert_eq!(f.post("/v2/webhooks", &json!({"account_id": f.account_id()})).status, 402);
}
