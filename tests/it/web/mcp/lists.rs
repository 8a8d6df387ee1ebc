//! Lists: each item once, in its order, whatever happens between two pages.

use serde_json::{Value, json};

use super::Web;
use crate::support::bench::{Bench, NOW, item, last_page};

/// So many conversations, of which the first half was active at the same time, and the last two hold nothing.
fn archive(conversations: usize) -> Bench {
    let mut bench = Bench::new(conversations);
    for n in 0..conversations - 2 {
        let ago = if n < conversations / 2 { 0 } else { i64::try_from(n).unwrap() * 60_000 };
        bench.put(n, &last_page(&[item(&format!("x{n}"), NOW - ago, "Ada", "hello")])).unwrap();
    }
    bench.next_run();
    bench
}

fn ids(answer: &Value) -> Vec<i64> {
    let items = answer["conversations"].as_array().unwrap();
    items.iter().map(|one| one["conversation_id"].as_i64().unwrap()).collect()
}

/// All pages, and what happens after the first one.
fn pages(web: &Web, arguments: &Value, then: impl FnOnce()) -> (Vec<i64>, Value) {
    let (mut arguments, mut then) = (arguments.clone(), Some(then));
    let mut all = Vec::new();
    loop {
        let answer = web.tool("list_conversations", &arguments);
        all.extend(ids(&answer));
        if let Some(then) = then.take() {
            then();
        }
        match &answer["next_cursor"] {
            Value::String(cursor) => arguments["cursor"] = json!(cursor),
            _ => return (all, answer),
        }
    }
}

#[test]
fn pages_of_conversations_have_each_once_in_the_order_of_their_activity() {
    let bench = archive(11);
    let web = Web::of(bench.dir.path());
    for limit in 1..=11 {
        for (more, expected) in [
            (json!({}), (1..=11).collect::<Vec<_>>()),
            (json!({"account": "me"}), (1..=11).collect()),
            (json!({"name": "2-c"}), (1..=11).collect()),
            (json!({"incomplete_only": true}), vec![10, 11]),
        ] {
            let mut arguments = json!({"limit": limit});
            arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (all, last) = pages(&web, &arguments, || ());
            assert_eq!(
                (&all, last["total"].as_u64()),
                (&expected, Some(expected.len() as u64)),
                "{arguments}"
            );
            assert_eq!(last["moved_up"], 0);
        }
    }
}

#[test]
fn messages_that_come_between_two_pages_neither_double_nor_hide_others() {
    let bench = archive(11);
    let web = Web::of(bench.dir.path());
    let (all, last) = pages(&web, &json!({"limit": 3}), || {
        // One that was shown, and one that was to come.
        let active = format!("UPDATE conversation SET newest_ms = {} WHERE id IN (2, 7)", NOW + 5000);
        bench.other().execute_batch(&active).unwrap();
    });
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]);
    assert_eq!(last["moved_up"], 2);
    assert_eq!(ids(&web.tool("list_conversations", &json!({"limit": 2}))), [2, 7]);
}

#[test]
fn people_say_when_they_were_counted() {
    let mut bench = archive(4);
    let web = Web::of(bench.dir.path());
    let people = || {
        let answer = web.tool("list_people", &json!({}));
        (answer["as_of"].clone(), answer["people"][0]["received"].clone())
    };
    let counted = people();
    assert!(counted.0.as_str().is_some_and(|at| at.ends_with('Z')), "{counted:?}");
    bench.put(2, &last_page(&[item("later", NOW - 5, "Ada", "hello")])).unwrap();
    bench.next_run();
    // Older figures, and they say so.
    assert_eq!(people(), counted);
    assert_eq!(Web::of(bench.dir.path()).tool("list_people", &json!({}))["people"][0]["received"], 3);
}
