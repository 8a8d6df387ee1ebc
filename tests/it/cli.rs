//! The commands as a person or a script meets them: what they print, what they leave, how they end.

mod advice;
mod check;
mod demo;
mod dry_run;
mod exit_codes;
mod export;
mod files;
mod insight;
mod json;
mod login;
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

/// Compares a text with `golden/NAME.snap`, apart from what differs from run to run.
#[track_caller]
fn golden(name: &str, home: &Home, text: &str) {
    let text = text.replace(home.dir().to_str().unwrap(), "DIR");
    let text = without_present(&text);
    let text: Vec<&str> = text.split('\n').filter(|line| !line.contains("\"horizon_age_secs\"")).collect();
    let text = text.join("\n");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The text with `NOW` for each time that is not of 2021, the year of all that the mailboxes hold.
fn without_present(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    while at < chars.len() {
        let length = time_at(&chars[at..]);
        if length > 0 && !chars[at..].starts_with(&['2', '0', '2', '1']) {
            out.push_str("NOW");
        } else {
            out.extend(&chars[at..at + length.max(1)]);
        }
        at += length.max(1);
    }
    out
}

/// How many characters a time takes that begins here; 0 when none does.
fn time_at(chars: &[char]) -> usize {
    let fits = |form: &str, from: usize| {
        let rest = chars.get(from..).unwrap_or_default();
        let fits = |(c, f): (&char, char)| if f == '0' { c.is_ascii_digit() } else { *c == f };
        rest.len() >= form.len() && rest.iter().zip(form.chars()).all(fits)
    };
    ["0000-00-00T00:00:00.000000Z", "0000-00-00T00:00:00.000Z", "0000-00-00 00:00", "0000-00-00"]
        .into_iter()
        .find(|form| fits(form, 0))
        .map_or(0, str::len)
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
