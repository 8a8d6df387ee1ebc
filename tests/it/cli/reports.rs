//! What `sync --once` and `status` say, to people and to scripts.

use fake_linkup::server::Server;
use fake_linkup::{Author, Fault, FaultRule, When};
use serde_json::Value;

use super::{SYNC, golden};
use crate::binary::{FakeApi, HOUR, Home, Ran, server};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(value: &Value, promised: &[&str]) {
    for key in promised {
        assert!(value.get(key).is_some(), "{key} is not among {:?}", keys(value));
    }
}

fn pretty(ran: &Ran) -> String {
    serde_json::to_string_pretty(&ran.json()).unwrap()
}

fn people() -> Server {
    server(&[("Ada Example", 25), ("Béla Sample", 3), ("例示 花子", 70)])
}

#[test]
fn a_run_that_the_budget_ends_reports_what_is_left_and_ends_well() {
    let api = FakeApi::serve(people());
    let home = Home::of(&api, "v1");
    let ran = home.run(&["sync", "--once", "--budget", "6"]).expect(0);
    golden("sync-budget", &home, &ran.stdout);
    golden("status-budget", &home, &home.run(&["status"]).expect(0).stdout);
    golden("status-budget.json", &home, &pretty(&home.run(&["status", "--json"]).expect(0)));
    assert_eq!(api.charged(), 6);
}

#[test]
fn a_status_shows_a_screenful_unless_all_is_wanted() {
    let names: Vec<String> = (1..=30).map(|n| format!("Person {n:02}")).collect();
    let people: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 2)).collect();
    let api = FakeApi::serve(server(&people));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    // Each conversation has a line in the table and one in the picture.
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("Person ")).count();
    let short = home.run(&["status"]).expect(0).stdout;
    assert_eq!(lines(&short), 2 * 20, "{short}");
    assert!(
        short.contains("\nand 10 more; --all shows them\n") && short.contains("in 30 conversations"),
        "{short}"
    );
    assert_eq!(lines(&home.run(&["status", "--all"]).expect(0).stdout), 2 * 30);
    let json = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(json["conversations"].as_array().unwrap().len(), 30);
    for (args, count) in
        [(&["status", "--html", "page.html"][..], 20), (&["status", "--all", "--html", "page.html"], 30)]
    {
        home.run(args).expect(0);
        let page = std::fs::read_to_string(home.path("page.html")).unwrap();
        assert_eq!(page.matches("Person ").count(), count);
    }
}

#[test]
fn a_run_that_completes_reports_since_when_nothing_is_missing() {
    let api = FakeApi::serve(people());
    let home = Home::of(&api, "v1");
    golden("sync-complete", &home, &home.run(&["sync", "--once"]).expect(0).stdout);
    golden("status-complete", &home, &home.run(&["status"]).expect(0).stdout);
    golden("sync-idle", &home, &home.run(&["sync", "--once"]).expect(0).stdout);
}

#[test]
fn a_report_tells_new_edited_and_vanished_messages_apart() {
    let api = FakeApi::serve(people());
    let home = Home::of(&api, "v2");
    home.sync();
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        let last = mailbox.conversation(0).unwrap().last().unwrap().at_ms;
        mailbox.send(0, Author::Owner, last + HOUR, "one more").unwrap();
        assert!(mailbox.edit(0, 23, "another text"));
        assert!(mailbox.delete(1, 1));
        assert!(mailbox.recall(2, 69));
    }
    golden("sync-changes", &home, &home.run(&["sync", "--once"]).expect(0).stdout);
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["messages"], &status["conversations"][2]["gone"]), (&99.into(), &1.into()));
}

#[test]
fn a_conversation_that_cannot_be_asked_is_named_with_the_reason() {
    let api = FakeApi::serve(people());
    let home = Home::of(&api, "v1");
    let urn = api.server().accounts()[0].mailbox.conversations()[1].urn.clone();
    let when = When { conversation: Some(urn), ..When::default() };
    api.server().faults.add(FaultRule::always(Fault::Html).when(when));
    let ran = home.run(&["sync", "--once"]).expect(69);
    golden("sync-trouble", &home, &ran.stdout);
    assert!(ran.stderr.contains("error: "), "{ran:?}");
    assert!(ran.stderr.contains("help: "), "{ran:?}");
    golden("status-trouble", &home, &home.run(&["status"]).expect(0).stdout);
}

#[test]
fn the_json_report_has_every_promised_key() {
    let api = FakeApi::serve(people());
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "200");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_MONTH", "3000");
    let ran = home.run(SYNC).expect(0);
    let report = ran.json();
    has(&report, &["outcome", "requests", "new_messages", "changed_messages", "credits_spent"]);
    has(&report, &["credits_left", "gaps_left", "horizon", "conversations"]);
    has(&report["credits_left"], &["run", "day", "month"]);
    for conversation in report["conversations"].as_array().unwrap() {
        has(conversation, &["conversation_id", "name", "new_messages", "gaps_left", "error"]);
    }
    assert_eq!(ran.stdout.lines().count(), 1, "one object, one line");
    golden("sync-complete.json", &home, &pretty(&ran));
}

#[test]
fn with_json_standard_output_is_json_alone_and_the_log_goes_to_standard_error() {
    let api = FakeApi::serve(people());
    let home = Home::of(&api, "v1");
    for format in ["text", "json"] {
        for command in [
            &["sync", "--once", "--json"][..],
            &["sync", "--once", "--dry-run", "--json"],
            &["status", "--json"],
        ] {
            let ran =
                home.run(&[command, &["--log-level", "trace", "--log-format", format]].concat()).expect(0);
            assert!(ran.json().is_object());
            if command.len() == 3 {
                assert!(ran.stderr.contains("the run ended"), "{ran:?}");
            }
            if format == "json" {
                for line in ran.stderr.lines() {
                    assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_coloured_where_nobody_sees_it() {
    let api = FakeApi::serve(people());
    let mut home = Home::of(&api, "v1");
    home.env("TERM", "xterm-256color");
    home.env("COLORTERM", "truecolor");
    api.server().faults.add(FaultRule::once(Fault::Html));
    let commands: [&[&str]; 7] = [
        &["sync", "--once", "--log-level", "trace"],
        &["sync", "--once", "--dry-run"],
        &["status"],
        &["--help"],
        &["sync", "--help"],
        &["sync", "--onze"],
        &["status", "--config", "nowhere.toml"],
    ];
    for command in commands {
        let ran = home.run(command);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{command:?}: {ran:#?}");
        assert!(ran.stdout.len() + ran.stderr.len() > 50, "{command:?}: {ran:?}");
    }
}
