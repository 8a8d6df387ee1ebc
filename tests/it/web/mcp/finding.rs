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

#[test]
fn a_conversation_is_found_by_its_number_id_profile_or_name_and_by_no_key_that_two_have() {
    let mut bench = Bench::new(2);
    for n in 0..2 {
        bench.put(n, &last_page(&[item(&format!("x{n}"), NOW, "Ada", "hello")])).unwrap();
    }
    bench.next_run();
    let page = "https://www.linkedin.com/in/bea/";
    bench
        .other()
        .execute_batch(&format!(
            "UPDATE conversation SET name = 'Bea Sample', thread = '2-YQ', urn = 'urn:li:msg_conversation:(urn:li:fsd_profile:A,2-YQ==)'
               WHERE id = 2;
             INSERT INTO address (account, profile_url, conversation) VALUES (1, '{page}', 2);"
        ))
        .unwrap();
    let web = Web::of(bench.dir.path());
    for word in [
        "2",
        "2-YQ",
        "2-YQ==",
        "urn:li:msg_conversation:(urn:li:fsd_profile:A,2-YQ==)",
        page,
        "bea",
        "linkedin.com/in/Bea",
    ] {
        let answer = web.tool("read_conversation", &json!({"conversation": word}));
        assert_eq!(answer["conversation"]["conversation_id"], 2, "{word}");
        if word != "2" {
            let found = web.tool("search_messages", &json!({"query": format!("hello in:\"{word}\"")}));
            assert_eq!(
                (&found["total"], &found["messages"][0]["conversation_id"]),
                (&json!(1), &json!(2)),
                "{word}"
            );
        }
    }
    bench
        .other()
        .execute_batch(
            "INSERT INTO account (id, name) VALUES (2, 'other'); INSERT INTO conversation (account, thread) VALUES (2, '2-YQ');",
        )
        .unwrap();
    let error = web.tool_error("read_conversation", &json!({"conversation": "2-YQ"}));
    assert!(error["error"].as_str().unwrap().contains("may mean 2 conversations"), "{error}");
}

#[test]
fn a_word_that_only_waits_to_be_indexed_is_not_said_to_occur_nowhere() {
    let mut bench = Bench::new(1);
    let said =
        |n: i64| item(&format!("m{n}"), NOW - n * 60_000, "Ada", if n == 2 { "elsewhere" } else { "hello" });
    bench.put(0, &last_page(&(1..5).map(said).collect::<Vec<_>>())).unwrap();
    let web = Web::of(bench.dir.path());
    for (word, occurs) in [("elsewhere", true), ("nowhere", false)] {
        let hints = web.tool("search_messages", &json!({"query": word}))["untrusted"]["hints"].to_string();
        assert_eq!(!hints.contains("No message contains"), occurs, "{hints}");
        assert!(hints.contains("4 messages are not indexed yet"), "{hints}");
    }
}
