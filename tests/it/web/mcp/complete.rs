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

/// An account with two conversations whose inbox shows them, and what its configuration names.
const CONFIGURED: &str =
    "[sync]\ninbox = \"discover\"\n[[accounts]]\nname = \"me\"\nconversations = [\"2-c0\", \"2-c1\"]\n";

/// Two conversations that are complete but for what `sql` says, with an inbox that was read to its end.
fn archive(sql: &str) -> Bench {
    let mut bench = Bench::new(2);
    for conversation in [0, 1] {
        let said = item(&format!("x{conversation}"), NOW - 3_000_000, "Ada", "hello");
        bench.put(conversation, &last_page(&[said])).unwrap();
    }
    bench.next_run();
    bench
        .other()
        .execute_batch(&format!(
            "INSERT INTO inbox (account, newest_ms, oldest_ms, beginning_seen_ms, tried_ms, synced_ms)
               VALUES (1, {NOW}, 1, 2, {NOW}, {NOW});
             UPDATE conversation SET inbox_seen_ms = {NOW}; {sql}"
        ))
        .unwrap();
    bench
}

/// A gap of a conversation, or of the inbox, from one year's beginning to another's.
fn gap(conversation: Option<i64>, from: i64, to: i64) -> String {
    let year = |year: i64| (year - 1970) * 31_556_952_000;
    let of = conversation.map_or_else(|| "NULL".to_owned(), |id| id.to_string());
    format!(
        "INSERT INTO gap (account, conversation, newer_ms, older_ms, opened_ms) VALUES (1, {of}, {}, {}, {NOW});",
        year(to),
        year(from)
    )
}

fn asked(web: &Web, query: &str) -> Value {
    web.tool("search_messages", &json!({"query": query}))["completeness"].clone()
}

#[test]
fn a_question_is_incomplete_only_by_what_lies_in_its_own_dates_and_conversations() {
    let bench = archive(&(gap(Some(2), 2024, 2025) + &gap(None, 2015, 2020)));
    let web = Web::configured(bench.dir.path(), CONFIGURED);
    for (query, complete, gaps, unread) in [
        ("hello", false, 1, 1),
        ("hello on:2023", true, 0, 0),
        ("hello after:2023", false, 1, 0),
        // A conversation that was last active in 2019 may have messages of any time before.
        ("hello on:2012", false, 0, 1),
        ("hello on:2012 in:2-c0", true, 0, 0),
        ("hello in:2-c0", true, 0, 0),
        ("hello -in:2-c1 after:2021", true, 0, 0),
        ("hello in:2-c1", false, 1, 0),
    ] {
        let found = asked(&web, query);
        let told = (
            found["complete"].as_bool(),
            found["gaps_total"].as_i64(),
            found["accounts_with_unread_inbox"].as_i64(),
            found["price"]["credits_min"].as_i64(),
        );
        assert_eq!(told, (Some(complete), Some(gaps), Some(unread), Some(gaps + unread)), "{query}: {found}");
    }
}

#[test]
fn what_is_configured_and_was_never_fetched_counts_beside_the_gaps_that_are_touched() {
    let bench = archive(&gap(Some(2), 2024, 2025));
    let more = CONFIGURED.replace("\"2-c1\"", "\"2-c1\", \"2-new\"")
        + "[[accounts]]\nname = \"other\"\nconversations = [\"2-a\", \"2-b\"]\n";
    let web = Web::configured(bench.dir.path(), &more);
    for (query, gaps, never, accounts) in [
        ("hello", 1, 3, 2),
        ("hello on:2023", 0, 3, 2),
        ("hello in:2-c0", 0, 0, 1),
        ("hello in:2-c1", 1, 0, 1),
    ] {
        let found = asked(&web, query);
        let told = ["gaps_total", "never_fetched", "accounts_total"].map(|key| found[key].as_i64().unwrap());
        assert_eq!(told, [gaps, never, accounts], "{query}: {found}");
        assert_eq!(found["complete"].as_bool(), Some(gaps + never == 0), "{query}");
    }
    // Its inbox was never read, either.
    assert_eq!(asked(&web, "hello")["accounts_with_unread_inbox"], 1);
    assert_eq!(asked(&web, "hello")["price"]["credits_min"], 5);
    let of_one = &web.tool("list_conversations", &json!({"account": "me"}))["completeness"];
    let told = ["gaps_total", "never_fetched", "accounts_total"].map(|key| of_one[key].as_i64().unwrap());
    assert_eq!(told, [1, 1, 1], "{of_one}");
}

#[test]
fn what_only_an_export_has_told_is_not_complete_beyond_it() {
    let bench = archive("UPDATE conversation SET synced_ms = NULL, beginning_seen_ms = NULL WHERE id = 2");
    let web = Web::configured(bench.dir.path(), CONFIGURED);
    let day = "on:2025-06-08T09:10"; // Of the only message.
    for (query, never) in
        [("hello", 1), ("hello in:2-c1", 1), ("hello in:2-c0", 0), ("hello on:2023", 1), (day, 1)]
    {
        let found = asked(&web, query);
        assert_eq!(
            (found["never_fetched"].as_i64(), &found["complete"]),
            (Some(never), &json!(never == 0)),
            "{query}"
        );
    }
    let moment = web.tool("search_messages", &json!({"query": "hello on:2025-06-08T09:10:00.000"}));
    assert_eq!(
        (&moment["total"], &moment["completeness"]["complete"]),
        (&json!(2), &json!(true)),
        "{moment}"
    );
}

/// When the account was asked that an answer waited for the longest, as so many minutes after [`NOW`].
fn asked_at(web: &Web, tool: &str, arguments: &Value) -> Option<i64> {
    let at = web.tool(tool, arguments)["completeness"]["last_asked_at"].as_str().map(str::to_owned)?;
    Some((chrono::DateTime::parse_from_rfc3339(&at).unwrap().timestamp_millis() - NOW) / 60_000)
}

/// Conversations 1 and 2 came last 10 and 20 minutes after [`NOW`], the inbox after 90. It has only the first.
fn asked_for() -> Bench {
    let minute = |n: i64| NOW + n * 60_000;
    archive(&format!(
        "UPDATE conversation SET synced_ms = {} WHERE id = 1; UPDATE conversation SET synced_ms = {}, inbox_seen_ms = NULL WHERE id = 2;
         UPDATE inbox SET synced_ms = {};",
        minute(10),
        minute(20),
        minute(90)
    ))
}

#[test]
fn an_inbox_tells_nothing_of_a_conversation_that_it_does_not_have() {
    let bench = asked_for();
    let web = Web::configured(bench.dir.path(), CONFIGURED);
    for (conversation, minutes) in [(1, 90), (2, 20)] {
        let arguments = json!({"query": "hello", "conversation": conversation});
        assert_eq!(asked_at(&web, "search_messages", &arguments), Some(minutes), "{conversation}");
        let arguments = json!({"conversation": conversation});
        assert_eq!(asked_at(&web, "read_conversation", &arguments), Some(minutes), "{conversation}");
    }
    let both = json!({"query": "hello in:2-c0 in:2-c1"});
    assert_eq!(asked_at(&web, "search_messages", &both), Some(20));
}

#[test]
fn an_account_was_asked_when_the_conversation_was_that_has_waited_longest() {
    let bench = asked_for();
    let hello = json!({"query": "hello"});
    let off = CONFIGURED.replace("discover", "off");
    for (config, minutes) in [(CONFIGURED, 20), (off.as_str(), 10)] {
        let web = Web::configured(bench.dir.path(), config);
        for (tool, arguments) in [("search_messages", &hello), ("list_conversations", &json!({}))] {
            assert_eq!(asked_at(&web, tool, arguments), Some(minutes), "{tool} {config}");
        }
        let one = json!({"query": "hello in:2-c0"});
        assert_eq!(asked_at(&web, "search_messages", &one), Some(if minutes == 20 { 90 } else { 10 }));
    }
    // What no run asks for waits for nothing, unless it is all that there is.
    bench.other().execute_batch("UPDATE conversation SET asked = 0 WHERE id = 1").unwrap();
    assert_eq!(asked_at(&Web::configured(bench.dir.path(), &off), "search_messages", &hello), Some(20));
    bench.other().execute_batch("UPDATE conversation SET asked = 0").unwrap();
    assert_eq!(asked_at(&Web::configured(bench.dir.path(), &off), "search_messages", &hello), Some(20));
}

#[test]
fn where_only_configured_conversations_are_archived_an_answer_says_so() {
    let bench = archive("");
    let filtered = CONFIGURED.to_owned() + "exclude = [\"* Recruiter\"]\n";
    for (config, only) in [
        (CONFIGURED.to_owned(), false),
        (filtered, true),
        (CONFIGURED.replace("discover", "probe"), true),
        (CONFIGURED.replace("discover", "off"), true),
        (String::new(), true),
    ] {
        let web = Web::configured(bench.dir.path(), &config);
        for (tool, arguments) in calls(1) {
            let completeness = &web.tool(tool, &arguments)["completeness"];
            // What nobody asks for is in no conversation that the archive has.
            let only = only && arguments.get("conversation").is_none();
            let told = (&completeness["complete"], &completeness["only_configured"]);
            assert_eq!(told, (&json!(true), &json!(only)), "{tool} {arguments} {config}");
            let advice = completeness["advice"].as_str().unwrap_or_default();
            assert_eq!(advice.contains("do not conclude"), only, "{advice}");
        }
    }
}
