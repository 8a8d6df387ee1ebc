//! `search_messages`: what it cannot find yet.

use serde_json::json;

use super::Web;
use crate::support::bench::{Bench, NOW, item, last_page};

#[test]
fn messages_that_are_not_indexed_yet_are_counted_beside_what_is_found() {
    let mut bench = Bench::new(1);
    let said = |n: i64| item(&format!("m{n}"), NOW - n * 60_000, "Ada", "hello");
    bench.put(0, &last_page(&[said(1), said(2), said(3)])).unwrap();
    bench.next_run();
    let web = Web::of(bench.dir.path());
    let found = |query: &str| web.tool("search_messages", &json!({"query": query}));
    let all = found("hello");
    assert_eq!((&all["total_is_minimum"], &all["remarks"]), (&json!(false), &json!([])));
    bench
        .other()
        .execute_batch("INSERT INTO messages_unindexed SELECT id FROM message ORDER BY id LIMIT 2")
        .unwrap();
    let some = found("hello");
    assert_eq!(some["total_is_minimum"], true);
    assert!(some["remarks"][0].as_str().unwrap().starts_with("2 messages are not indexed yet"), "{some}");
    // Filters alone look at the messages themselves.
    let by_filter = found("before:2099");
    assert_eq!((&by_filter["total"], &by_filter["total_is_minimum"]), (&json!(3), &json!(false)));
}
