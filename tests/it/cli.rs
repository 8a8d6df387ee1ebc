//! The commands as a person or a script meets them: what they print, what they leave, how they end.

mod advice;
mod by_index;
mod changes;
mod check;
mod dated_ahead;
mod demo;
mod dry_run;
mod erase;
mod erase_again;
mod exit_codes;
mod export;
mod feed;
mod files;
mod insight;
mod json;
mod login;
mod mcp;
mod network;
mod others;
mod pager;
mod printable;
mod reading;
mod reports;
mod restore;
mod signals;
mod sql;
mod targets;
mod terminal;

use crate::binary::Home;

const SYNC: &[&str] = &["sync", "--once", "--json"];

/// A time that is not of 2021, the year of all that the mailboxes hold.
const PRESENT: &str =
    r"([013-9]\d{3}|2[1-9]\d\d|20[013-9]\d|202[02-9])-\d\d-\d\d(T\d\d:\d\d:\d\d\.(\d{3}){1,2}Z| \d\d:\d\d)?";

/// Compares a text with `golden/NAME.snap`, apart from what differs from run to run.
#[track_caller]
fn golden(name: &str, home: &Home, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&home.dir().to_str().unwrap().replace('.', r"\."), "DIR");
    settings.add_filter(PRESENT, "NOW");
    settings.add_filter(r#"(?m)^.*"horizon_age_secs".*\n"#, "");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Puts 100,000 messages before the oldest of the archive, which no index knows.
fn add_older(home: &Home) {
    let db = rusqlite::Connection::open(home.archive()).unwrap();
    db.execute_batch(
        "INSERT INTO message (id, conversation, sent_at_ms, sender, kind, template, text)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         SELECT id - i, conversation, sent_at_ms - i * 1024, sender, kind, template, 'x'
         FROM n, (SELECT * FROM message ORDER BY id LIMIT 1)",
    )
    .unwrap();
}

/// Names of the conversations that a report or a status holds.
fn names(report: &serde_json::Value) -> Vec<&str> {
    report["conversations"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
}
