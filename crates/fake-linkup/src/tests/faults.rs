//! Each fault, and what it costs.

use serde_json::{Value, json};

use crate::faults::RetryAfter;
use crate::model::Author;
use crate::server::Action;
use crate::tests::{Fixture, HOUR, START, texts};
use crate::{Fault, FaultRule, Reply, When};

/// The reply to a v1 request from the middle of the conversation, struck by a fault, and its price.
fn struck(fault: Fault) -> (Reply, u64) {
    let mut f = Fixture::with_two();
    f.server.faults.add(FaultRule::once(fault));
    let reply = f.v1(json!({"total_results": 6, "cursor": (START + 20 * HOUR).to_string()}));
    (reply, f.charged())
}

/// Texts, cursor in hours since the start, and whether there is more.
fn page(fault: Fault) -> (Vec<String>, Option<i64>, Value) {
    let (reply, charged) = struck(fault);
    assert_eq!((reply.status, charged), (200, 1));
    let data = reply.value()["data"].clone();
    let cursor = data["next_cursor"].as_str().map(|c| (c.parse::<i64>().unwrap() - START) / HOUR);
    (texts(&reply), cursor, data["has_next_page"].clone())
}

fn numbered(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|n| format!("message {n}")).collect()
}

#[test]
fn http_statuses_come_instead_of_an_answer_and_v1_charges_them_except_500() {
    for status in [400, 401, 402, 403, 404, 429, 500, 502, 503, 504] {
        let (reply, charged) = struck(Fault::http(status));
        assert_eq!((reply.status, charged), (status, u64::from(status != 500)));
        assert!(!reply.headers.iter().any(|(name, _)| name == "retry-after"));
        assert_eq!(reply.value().is_object(), status <= 500, "gateways speak HTML");
        let mut f = Fixture::new();
        f.server.faults.add(FaultRule::once(Fault::http(status)));
        assert_eq!((f.v2_page(json!({})).status, f.charged()), (status, 0));
    }
}

#[test]
fn a_wait_is_asked_for_in_seconds_or_as_a_date() {
    let wait = |wait| {
        let (reply, _) = struck(Fault::Http(429, Some(wait)));
        reply.headers.into_iter().find(|(name, _)| name == "retry-after").unwrap().1
    };
    assert_eq!(wait(RetryAfter::Seconds(7)), "7");
    assert_eq!(wait(RetryAfter::DateIn(40)), "Thu, 09 Oct 2025 08:54:00 GMT");
}

#[test]
fn sessions_credits_channels_and_redirects_fail_as_the_contract_has_them() {
    let said = |fault| {
        let (reply, charged) = struck(fault);
        (reply.status, reply.value()["status"].clone(), charged)
    };
    assert_eq!(said(Fault::ExpiredToken), (403, json!("error"), 1));
    assert_eq!(said(Fault::ExhaustedCredits), (403, json!("error"), 0));
    assert_eq!(said(Fault::ChannelError), (200, json!("error"), 1));
    let mut f = Fixture::new();
    let mut code = |fault| {
        f.server.faults.add(FaultRule::once(fault));
        let reply = f.v2_page(json!({}));
        (reply.status, reply.value()["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code(Fault::ExpiredToken), (403, "ACCOUNT_INACTIVE".into()));
    assert_eq!(code(Fault::ExhaustedCredits), (402, "INSUFFICIENT_CREDITS".into()));
    assert_eq!(code(Fault::ChannelError), (200, "CHANNEL_ERROR".into()));
    let (reply, charged) = struck(Fault::Redirect("http://127.0.0.1:9/x".into()));
    assert_eq!((reply.status, charged), (302, 0));
    assert!(reply.headers.contains(&("location".to_owned(), "http://127.0.0.1:9/x".to_owned())));
}

#[test]
fn an_answer_that_is_lost_is_charged_unless_the_request_was_never_processed() {
    let lost = |fault| {
        let (reply, charged) = struck(fault);
        (reply.action, charged)
    };
    assert_eq!(lost(Fault::CloseBefore), (Action::Close, 0));
    assert_eq!(lost(Fault::CloseAfter), (Action::Close, 1));
    assert_eq!(lost(Fault::Hang), (Action::Hang, 1));
    assert!(matches!(lost(Fault::CutConnection), (Action::CutAfter(n), 1) if n > 100));
    assert!(matches!(lost(Fault::Drip), (Action::Drip(_), 1)));
}

#[test]
fn bodies_that_are_no_pages_come_with_status_200_and_are_charged() {
    let value = |fault| {
        let (reply, charged) = struck(fault);
        assert_eq!((reply.status, charged), (200, 1));
        serde_json::from_slice::<Value>(&reply.body).ok()
    };
    assert_eq!(value(Fault::Html), None);
    assert_eq!(value(Fault::CutJson), None);
    assert_eq!(value(Fault::DataArray).unwrap()["data"], json!([]));
    assert_eq!(value(Fault::DataNull).unwrap()["data"], Value::Null);
    let page = value(Fault::NoMessages).unwrap();
    assert!(page["data"].get("messages").is_none() && page["data"]["next_cursor"].is_string());
    let odd = value(Fault::OddItem).unwrap();
    assert_eq!(
        (odd["data"]["messages"].as_array().unwrap().len(), &odd["data"]["messages"][3]),
        (7, &json!("no message"))
    );
    let (oversized, _) = struck(Fault::Oversized);
    assert!(oversized.body.len() > 16 * 1024 * 1024 && oversized.value().is_object());
    let (bomb, _) = struck(Fault::GzipBomb);
    assert!(bomb.headers.contains(&("content-encoding".to_owned(), "gzip".to_owned())));
}

#[test]
fn cursors_can_stand_still_go_up_or_be_missing() {
    let honest = numbered(&[20, 19, 18, 17, 16, 15]);
    let mut f = Fixture::with_two();
    let plain = f.v1(json!({"total_results": 6, "cursor": (START + 20 * HOUR).to_string()}));
    assert_eq!(texts(&plain), honest);
    assert_eq!(page(Fault::RepeatCursor), (honest.clone(), Some(20), json!(true)));
    assert_eq!(page(Fault::CursorUp), (honest.clone(), Some(20), json!(true)));
    assert_eq!(page(Fault::MoreWithoutCursor), (honest.clone(), None, json!(true)));
    assert_eq!(page(Fault::EarlyEnd), (honest, None, json!(false)));
}

#[test]
fn the_cursor_that_goes_up_lies_above_everything_asked_for() {
    let (reply, _) = struck(Fault::CursorUp);
    let cursor: i64 = reply.value()["data"]["next_cursor"].as_str().unwrap().parse().unwrap();
    assert!(cursor > START + 20 * HOUR);
}

#[test]
fn rows_can_be_too_few_too_many_missing_reversed_or_of_somebody_else() {
    let more = json!(true);
    assert_eq!(page(Fault::RepeatPage).0, numbered(&[25, 24, 23, 22, 21, 20]));
    assert_eq!(page(Fault::ShortPage), (numbered(&[20, 19]), Some(18), more.clone()));
    assert_eq!(page(Fault::DuplicateRows), (numbered(&[20, 20, 19, 19, 18, 18]), Some(17), more.clone()));
    assert_eq!(page(Fault::EmptyMore), (vec![], Some(14), more.clone()));
    assert_eq!(page(Fault::EmptyEnd), (vec![], None, json!(false)));
    assert_eq!(page(Fault::HoleInPage), (numbered(&[20, 19, 18, 16, 15]), Some(14), more.clone()));
    assert_eq!(page(Fault::Reversed), (numbered(&[15, 16, 17, 18, 19, 20]), Some(14), more));
    let (reply, _) = struck(Fault::OtherConversation);
    let data = &reply.value()["data"];
    assert_eq!(data["messages"][0]["sender"], "Béla Sample");
    assert_ne!(data["conversation_id"], json!(Fixture::with_two().urn()));
}

#[test]
fn more_without_a_cursor_is_said_aloud_in_v2_too() {
    let mut f = Fixture::new();
    f.server.faults.add(FaultRule::once(Fault::MoreWithoutCursor));
    let data = f.v2_page(json!({})).value()["data"].clone();
    assert_eq!((&data["has_next_page"], &data["next_cursor"]), (&json!(true), &Value::Null));
    f.switch(json!({"has_next": "top-level"}));
    f.server.faults.add(FaultRule::once(Fault::MoreWithoutCursor));
    assert_eq!(f.v1(json!({})).value()["has_next_page"], json!(true));
}

#[test]
fn no_page_fault_returns_more_than_was_asked_for() {
    for fault in Fault::all() {
        for count in 1..8 {
            let mut f = Fixture::with_two();
            f.server.faults.add(FaultRule::once(fault.clone()));
            f.v1(json!({ "total_results": count }));
            let row = &f.server.meter.rows()[0];
            assert!(row.returned <= row.asked && row.charged <= 1, "{fault} {row:?}");
        }
    }
}

#[test]
fn a_rule_can_single_out_a_conversation_by_any_of_its_names() {
    let mut f = Fixture::with_two();
    let second = f.server.mailbox(0).unwrap().conversations()[1].urn.clone();
    let profile = f.server.mailbox(0).unwrap().conversations()[1].others[0].profile_url.clone().unwrap();
    for name in [profile, second.clone()] {
        f.server.faults.clear();
        let when = When { conversation: Some(name), ..When::default() };
        f.server.faults.add(FaultRule::always(Fault::http(500)).when(when));
        assert_eq!((f.v1(json!({})).status, f.v1(json!({"conversation_id": second})).status), (200, 500));
    }
    let row = f.server.meter.rows().last().unwrap();
    assert_eq!((row.fault.as_deref(), row.conversation), (Some("http-500"), Some(1)));
}

#[test]
fn inbox_pages_have_their_faults_too() {
    let mut f = Fixture::with_two();
    f.mailbox().send(1, Author::Owner, START + 100 * HOUR, "newest");
    let mut inbox = |fault| {
        f.server.faults.add(FaultRule::once(fault));
        let body = json!({"login_token": f.token(), "total_results": 1});
        f.post("/v1/messages/inbox", &body).value()["data"].clone()
    };
    assert!(inbox(Fault::EarlyEnd)["next_cursor"].is_null());
    let empty = inbox(Fault::EmptyMore);
    assert!(empty["next_cursor"].is_string() && empty["conversations"] == json!([]));
    assert_eq!(inbox(Fault::DataArray), json!([]));
    assert!(inbox(Fault::NoMessages).get("conversations").is_none());
    let end = inbox(Fault::EmptyEnd);
    assert!(end["next_cursor"].is_null() && end["conversations"] == json!([]));
}

#[test]
fn every_fault_changes_an_answer_or_what_it_costs() {
    // A fault that changes nothing makes tests pass that test nothing.
    let answers = |fault: Option<&Fault>| -> Vec<(Reply, u64)> {
        let ask = |post: &dyn Fn(&mut Fixture) -> Reply| {
            let mut f = Fixture::with_two();
            f.mailbox().send(0, Author::Owner, START + 90 * HOUR, "NaN");
            fault.cloned().into_iter().for_each(|fault| f.server.faults.add(FaultRule::once(fault)));
            let reply = post(&mut f);
            (reply, f.charged())
        };
        let cursor = (START + 20 * HOUR).to_string();
        vec![
            ask(&|f| f.v1(json!({"total_results": 6}))),
            ask(&|f| f.v1(json!({"total_results": 30}))),
            ask(&|f| f.v1(json!({"total_results": 6, "cursor": cursor}))),
            ask(&|f| f.v2_page(json!({"count": 6}))),
            ask(&|f| f.v2_page(json!({"count": 6, "cursor": cursor}))),
        ]
    };
    let plain = answers(None);
    for fault in Fault::all() {
        assert_ne!(answers(Some(&fault)), plain, "{fault}");
    }
}
