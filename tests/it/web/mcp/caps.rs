//! Answers keep to their cap, whatever is asked and by whatever id.

use hyper::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Said, Web, text};
use crate::support::bench::{Bench, NOW, item, more_page};
use crate::support::share;

impl Web {
    /// A call with this id, as it came over the line.
    fn called_by(&self, id: &Value, tool: &str, arguments: &Value) -> Said {
        let params = json!({"name": tool, "arguments": arguments});
        self.post(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}), &[])
    }
}

/// Queries that there is much to say of: what looks like a filter and is none, what is ignored, and what nobody wrote.
fn queries() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "(has|is|during):[\"\\\\a-z]{0,12}",
        2 => "[a-z\"\\\\(){}*-]{1,12}",
        1 => "from:[a-z]{1,9}",
        1 => Just("hit".to_owned()),
        1 => "[日本語世界]{1,4}",
    ];
    prop::collection::vec(word, 1..800).prop_map(|words| {
        let mut query = words.join(" ");
        query.truncate(query.floor_char_boundary(4096));
        query
    })
}

#[test]
fn remarks_and_hints_are_few() {
    let mut bench = Bench::new(1);
    bench.put(0, &more_page(&[item("x", NOW, "Ada", "hit")], NOW)).unwrap();
    bench.next_run();
    let web = Web::of(bench.dir.path());
    let odd: Vec<String> = (0..300).map(|n| format!("has:x{n}")).collect();
    for (query, remarks) in
        [(odd.join(" "), 5), (format!("hit OR {}", odd.join(" OR ")), 5), ("hit".to_owned(), 0)]
    {
        let said = web.called("search_messages", &json!({"query": query, "max_bytes": 24_576}));
        assert!(said.text.len() <= 24_576, "{}", said.text.len());
        let found = said.json()["result"]["structuredContent"]["remarks"].as_array().unwrap().len();
        assert_eq!(found, remarks, "{query}");
    }
}

#[test]
fn a_request_with_a_long_id_is_refused_without_it() {
    let bench = Bench::new(1);
    let web = Web::of(bench.dir.path());
    for (id, status) in [
        (json!(7), StatusCode::OK),
        (json!("x".repeat(198)), StatusCode::OK),
        (json!("x".repeat(199)), StatusCode::BAD_REQUEST),
        (json!("\u{1}".repeat(40)), StatusCode::BAD_REQUEST),
        (json!("x".repeat(60_000)), StatusCode::BAD_REQUEST),
    ] {
        let said = web.called_by(&id, "archive_status", &json!({}));
        assert_eq!(said.status, status, "{id}");
        let told = said.json();
        assert_eq!(told["id"], if status == StatusCode::OK { id } else { Value::Null });
        assert_eq!(told["error"]["code"] == -32600, status != StatusCode::OK, "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(share(80)).unwrap()))]

    #[test]
    fn no_answer_exceeds_its_cap_whatever_is_asked_and_by_whatever_id(
        queries in prop::collection::vec(queries(), 1..4),
        name in (0_usize..6, 0_usize..1000),
        id in prop_oneof![any::<i64>().prop_map(Value::from), "\\PC{0,260}".prop_map(Value::from), ".{0,60}".prop_map(Value::from)],
        max_bytes in 24_576_usize..30_000,
        best in any::<bool>(),
    ) {
        let mut bench = Bench::new(1);
        let name = text(name.0, name.1);
        let hit = item("p", NOW, &name, &format!("hit {}", text(1, 400)));
        bench.put(0, &more_page(&[hit], NOW - 3_600_000_000)).unwrap();
        bench.other().execute("UPDATE conversation SET name = ?1, profile_url = ?1", [&name]).unwrap();
        bench.next_run();
        let web = Web::of(bench.dir.path());
        let order = if best { "best" } else { "newest" };
        let whole = queries.iter().map(|query| json!({"query": query, "order": order, "max_bytes": max_bytes}));
        for arguments in whole {
            let said = web.called_by(&id, "search_messages", &arguments);
            prop_assert!(said.text.len() <= max_bytes, "{} of {max_bytes}: {arguments}", said.text.len());
            let answer = &said.json()["result"]["structuredContent"];
            prop_assert!(answer["total"] != 1 || answer["shown"] == 1, "{answer}");
        }
    }
}
