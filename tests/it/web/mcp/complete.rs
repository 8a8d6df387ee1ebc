//! How complete an answer says that it is.

use serde_json::{Value, json};

use super::Web;
use crate::support::bench::{Bench, NOW, item, last_page};

/// Every tool as it is asked about all that there is, and about one conversation.
fn calls(conversation: i64) -> [(&'static str, Value); 6] {
    [
        ("archive_status", json!({})),
        ("list_conversations", json!({})),
        ("list_people", json!({})),
        ("search_messages", json!({"query": "hello"})),
        ("search_messages", json!({"query": "hello", "conversation": conversation})),
        ("read_conversation", json!({"conversation": conversation})),
    ]
}

#[test]
fn a_conversation_that_was_never_fetched_is_not_complete_although_no_run_asks_for_it() {
    let mut bench = Bench::new(2);
    bench.put(0, &last_page(&[item("x", NOW, "Ada", "hello")])).unwrap();
    bench.next_run();
    bench.other().execute_batch("UPDATE conversation SET asked = 0 WHERE id = 2").unwrap();
    let web = Web::of(bench.dir.path());
    for (tool, arguments) in calls(2) {
        let completeness = &web.tool(tool, &arguments)["completeness"];
        assert_eq!(
            (&completeness["complete"], completeness["gaps_total"].as_u64()),
            (&json!(false), Some(1)),
            "{tool} {arguments}"
        );
    }
    let listed = web.tool("list_conversations", &json!({}));
    let status = web.tool("archive_status", &json!({}));
    let account = &status["accounts"][0];
    assert_eq!(
        (&listed["total"], &status["conversations"], &account["conversations"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(
        (&status["conversations_complete"], &account["complete"], &account["gaps"]),
        (&json!(1), &json!(1), &json!(1))
    );
}
