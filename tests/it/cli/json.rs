//! `docs/json.md` against what `--json` really prints.

use std::collections::BTreeSet;

use fake_linkup::Author;
use serde_json::Value;

use crate::binary::{FakeApi, HOUR, Home, START, server};

const PAGE: &str = include_str!("../../../docs/json.md");

/// The members that the page names for a command: those of the object itself, and all.
fn documented(command: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let row = PAGE.lines().find_map(|line| line.strip_prefix(&format!("| `{command}` | ")));
    let row = row.unwrap_or_else(|| panic!("{command} is not in docs/json.md"));
    let (mut own, mut all, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (at, part) in row.split('`').enumerate() {
        if at % 2 == 1 {
            all.insert(part.to_owned());
            if depth == 0 {
                own.insert(part.to_owned());
            }
        } else {
            let count = |signs: &[char]| i32::try_from(part.matches(signs).count()).unwrap();
            depth += count(&['{', '[', '(']) - count(&['}', ']', ')']);
        }
    }
    (own, all)
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect()
}

/// The members of all objects within, but for those whose members are words of their own.
fn all_keys(value: &Value) -> BTreeSet<String> {
    let within = |(key, inner): (&String, &Value)| {
        let own = matches!(key.as_str(), "runs" | "failures") && inner.is_object();
        let below = if own { BTreeSet::new() } else { all_keys(inner) };
        [key.clone()].into_iter().chain(below)
    };
    match value {
        Value::Object(object) => object.iter().flat_map(within).collect(),
        Value::Array(list) => list.iter().flat_map(all_keys).collect(),
        _ => BTreeSet::new(),
    }
}

#[track_caller]
fn is_documented(command: &str, printed: &Value) {
    let (own, all) = documented(command);
    assert_eq!(keys(printed), own, "{command}");
    let unnamed: Vec<String> = all_keys(printed).difference(&all).cloned().collect();
    assert_eq!(unnamed, [] as [String; 0], "{command}");
}

#[cfg(feature = "lake")]
fn is_documented_of_a_lake(home: &Home) {
    let lake = |what: &str, code| home.run(&["lake", what, "--out", "lake", "--json"]).expect(code).json();
    is_documented("lake push", &lake("push", 0));
    let file = home.path("lake/runs/_delta_log/00000000000000000001.json");
    assert!(file.is_file(), "{}", file.display());
    is_documented("lake verify", &lake("verify", 0));
    let files = crate::support::export::files(&home.path("lake/requests"));
    let data = files.iter().find(|file| file.extension() == Some("parquet".as_ref())).unwrap();
    std::fs::remove_file(data).unwrap();
    let broken = lake("verify", 1);
    assert!(!broken["differences"].as_array().unwrap().is_empty(), "{broken}");
    is_documented("lake verify", &broken);
}

#[test]
fn every_member_that_is_printed_is_documented_and_the_other_way_round() {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3), ("例示 花子", 70)]));
    let mut home = Home::of(&api, "v1");
    let one = |home: &Home, args: &[&str]| home.run(&[args, &["--json"]].concat()).expect(0).json();
    is_documented("plan", &one(&home, &["plan"]));
    is_documented("sync --once --dry-run", &one(&home, &["sync", "--once", "--dry-run"]));
    is_documented("sync --once", &one(&home, &["sync", "--once", "--budget", "9"]));
    is_documented("plan", &one(&home, &["plan"]));
    home.env("ARCHIVER_BUDGET__RECONCILE", "true");
    home.env("ARCHIVER_SYNC__INBOX", "discover");
    is_documented("sync --once", &one(&home, &["sync", "--once"]));
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        mailbox.send(0, Author::Owner, START + 900 * HOUR, "one more").unwrap();
        mailbox.send(1, Author::Other(0), START + 900 * HOUR, "and one").unwrap();
    }
    home.sync();
    for command in ["status", "check", "people", "stats", "verify"] {
        is_documented(command, &one(&home, &[command]));
    }
    is_documented("backup", &one(&home, &["backup", "copy.db"]));
    is_documented("search --count", &one(&home, &["search", "message", "--count"]));
    home.run(&["export", "--format", "jsonl", "--out", "all.jsonl"]).expect(0);
    #[cfg(feature = "lake")]
    is_documented_of_a_lake(&home);

    let line = |args: &[&str]| -> Value {
        let ran = home.run(&[args, &["--json"]].concat()).expect(0);
        serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap()
    };
    is_documented("search", &line(&["search", "one", "-C", "1"]));
    let (searched, _) = documented("search");
    let own = ["snippet", "before", "after"];
    let shown: BTreeSet<String> = searched.into_iter().filter(|key| !own.contains(&key.as_str())).collect();
    assert_eq!(keys(&line(&["show", "ada"])), shown);

    std::fs::remove_file(home.archive()).unwrap();
    is_documented("import jsonl", &one(&home, &["import", "jsonl", "all.jsonl"]));
    let file = "CONVERSATION ID,CONVERSATION TITLE,FROM,DATE,CONTENT\n\
                2-QUJD,,Ada Example,2020-01-01 00:00:00 UTC,hello\n,,x,,odd\n";
    home.write("messages.csv", file);
    is_documented("import linkedin-export", &one(&home, &["import", "linkedin-export", "messages.csv"]));
}
