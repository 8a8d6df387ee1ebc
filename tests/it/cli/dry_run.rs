//! `sync --once --dry-run`: the plan, for nothing.

use std::fs;

use fake_linkup::Author;

use super::golden;
use crate::binary::{FakeApi, HOUR, Home, server};

const PLAN: &[&str] = &["sync", "--once", "--dry-run"];

#[test]
fn without_an_archive_it_plans_the_beginnings_and_creates_nothing() {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3), ("Cleo Muster", 70)]));
    let home = Home::of(&api, "v1");
    let before = home.files();
    golden("dry-run-fresh", &home, &home.run(PLAN).expect(0).stdout);
    let plan = home.run(&[PLAN, &["--json"]].concat()).expect(0).json();
    golden("dry-run-fresh.json", &home, &serde_json::to_string_pretty(&plan).unwrap());
    assert_eq!(home.files(), before);
    assert_eq!((api.requests(), api.charged()), (0, 0));
}

#[test]
fn with_an_archive_it_plans_what_a_run_then_asks_and_changes_no_byte() {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3), ("Cleo Muster", 70)]));
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once", "--budget", "6", "--json"]).expect(0);
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        let last = mailbox.conversation(1).unwrap().last().unwrap().at_ms;
        mailbox.send(1, Author::Other(0), last + HOUR, "news").unwrap();
    }
    let (requests, files, bytes) = (api.requests(), home.files(), fs::read(home.archive()).unwrap());
    let touched = fs::metadata(home.archive()).unwrap().modified().unwrap();

    golden("dry-run-resumed", &home, &home.run(PLAN).expect(0).stdout);
    let plan = home.run(&[PLAN, &["--json"]].concat()).expect(0).json();
    home.run(&[PLAN, &["--budget", "1"]].concat()).expect(0);
    home.run(&[PLAN, &["--only", "Cleo"]].concat()).expect(0);

    assert_eq!(api.requests(), requests);
    assert_eq!(home.files(), files);
    assert!(fs::read(home.archive()).unwrap() == bytes, "the archive has changed");
    assert_eq!(fs::metadata(home.archive()).unwrap().modified().unwrap(), touched);

    // The run then begins with just these requests.
    home.sync();
    let asked: Vec<u32> = api.server().meter.rows()[requests..].iter().map(|r| r.asked).collect();
    let planned: Vec<u64> =
        plan["steps"].as_array().unwrap().iter().map(|s| s["count"].as_u64().unwrap()).collect();
    assert!(!planned.is_empty());
    let begins: Vec<u64> = asked.iter().take(planned.len()).map(|n| u64::from(*n)).collect();
    assert_eq!(begins, planned);
}

#[test]
fn it_needs_neither_key_nor_token_and_tells_when_the_budget_is_used_up() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v1");
    for file in ["api_key", "token.me"] {
        fs::remove_file(home.path(file)).unwrap();
    }
    home.run(PLAN).expect(0);
    let ran = home.run(&[PLAN, &["--budget", "0"]].concat()).expect(0);
    assert!(ran.stdout.contains("The budget is used up: the next run makes no request."), "{ran:?}");
    let plan = home.run(&[PLAN, &["--budget", "0", "--json"]].concat()).expect(0).json();
    assert_eq!(
        plan,
        serde_json::json!({
            "steps": [], "credits_min": 0, "credits_likely": 0, "credits_max": 0, "more_to_follow": true
        })
    );
}
