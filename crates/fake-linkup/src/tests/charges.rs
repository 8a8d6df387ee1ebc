//! What everything costs, to the credit.

use serde_json::json;

use crate::tests::Fixture;

/// Charges of the requests so far, in order.
fn charges(f: &Fixture) -> Vec<u32> {
    f.server.meter.rows().iter().map(|r| r.charged).collect()
}

#[test]
fn a_page_costs_a_credit_for_ten_results_returned_or_a_fraction_thereof() {
    let mut f = Fixture::new();
    for asked in [1, 10, 11, 20, 21, 300] {
        f.v1(json!({ "total_results": asked }));
        f.v2_page(json!({ "count": asked }));
    }
    // There are only 25 messages: the last pages are cheaper than what was asked for.
    assert_eq!(charges(&f), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(f.charged(), 24);
    let row = f.server.meter.rows().last().unwrap();
    assert_eq!((row.id, row.asked, row.returned, row.status), (12, 300, 25, 200));
    assert_eq!((row.account, row.conversation), (Some(0), Some(0)));
}

#[test]
fn v1_may_charge_by_what_was_asked_for() {
    let mut f = Fixture::new();
    f.switch(json!({"v1_pricing": "requested"}));
    f.v1(json!({"total_results": 300}));
    f.v2_page(json!({"count": 300}));
    assert_eq!(charges(&f), [30, 3]);
}

#[test]
fn an_empty_answer_costs_what_is_set() {
    let mut f = Fixture::new();
    f.v1(json!({"cursor": "1"}));
    f.switch(json!({"empty_charge": 0}));
    f.v1(json!({"cursor": "1"}));
    assert_eq!(charges(&f), [1, 0]);
}

#[test]
fn v1_errors_cost_one_and_v2_errors_nothing() {
    let mut f = Fixture::new();
    f.v1(json!({"conversation_id": "2-xyz"}));
    f.v1(json!({"login_token": "stale"}));
    f.v2_page(json!({"conversation_id": "2-xyz"}));
    assert_eq!(charges(&f), [1, 1, 0]);
}

#[test]
fn a_balance_that_does_not_pay_for_a_page_buys_none_of_it() {
    let mut f = Fixture::new();
    f.server.meter.balance = 2;
    let refused = f.v2_page(json!({"count": 25}));
    assert_eq!((refused.status, &refused.value()["error"]["code"]), (402, &json!("INSUFFICIENT_CREDITS")));
    assert_eq!(f.v2_page(json!({"count": 20})).status, 200);
    assert_eq!(f.v1(json!({})).status, 403);
    f.switch(json!({"v1_exhausted": "status200"}));
    let hidden = f.v1(json!({}));
    assert_eq!((hidden.status, &hidden.value()["status"]), (200, &json!("error")));
    assert_eq!((f.server.meter.balance, f.charged()), (0, 2));
}

#[test]
fn an_error_never_takes_the_balance_below_nothing() {
    let mut f = Fixture::new();
    f.server.meter.balance = 0;
    f.v1(json!({"conversation_id": "2-xyz"}));
    assert_eq!((f.server.meter.balance, f.charged(), charges(&f)), (0, 0, vec![0]));
}
