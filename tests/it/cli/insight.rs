//! Who one talks to, figures, and the status as a picture and a page.

use std::os::unix::fs::PermissionsExt as _;

use fake_linkup::Author;
use serde_json::Value;

use super::golden;
use crate::binary::{FakeApi, HOUR, Home, START, server};

/// A mailbox in which Ada is answered after an hour, and Béla waits.
fn synced() -> (FakeApi, Home) {
    let mut server = server(&[("Ada Example", 25), ("Béla <b>Sample</b>", 3), ("例示 花子", 70)]);
    let mailbox = server.mailbox_mut(0).unwrap();
    mailbox.send(1, Author::Owner, START + 100 * HOUR, "hello?").unwrap();
    mailbox.send(1, Author::Other(0), START + 103 * HOUR, "yes?").unwrap();
    let api = FakeApi::serve(server);
    let mut home = Home::of(&api, "v2");
    home.env("LANG", "C.UTF-8");
    home.sync();
    (api, home)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn people_are_listed_with_how_much_and_how_fast_each_way() {
    let (_api, home) = synced();
    golden("people", &home, &home.run(&["people"]).expect(0).stdout);
    golden("people.json", &home, &pretty(&home.run(&["people", "--json", "--limit", "1"]).expect(0).json()));
    let some = home.run(&["people", "--in", "béla", "--json"]).expect(0).json();
    assert_eq!(some["people"].as_array().unwrap().len(), 1);
    let none = home.run(&["people", "--until", "2020"]).expect(0);
    assert_eq!(none.stdout, "No messages.\n");
    home.run(&["people", "--since", "soon"]).expect(2);
    home.run(&["people", "--in", "nobody"]).expect(2);
}

#[test]
fn stats_tell_months_hours_answers_and_who_waits() {
    let (_api, home) = synced();
    golden("stats", &home, &without_months_of_credits(&home.run(&["stats"]).expect(0).stdout));
    let said = home.run(&["stats", "--json"]).expect(0).json();
    let sum = |key: &str| said[key].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).sum::<i64>();
    assert_eq!((sum("hours"), sum("weekdays")), (100, 100));
    assert_eq!(said["owner_known"], true);
    let (mine, theirs) =
        (said["waiting_for_you"].as_array().unwrap(), said["waiting_for_them"].as_array().unwrap());
    assert_eq!(mine.len() + theirs.len(), 3, "{said:#}");
    assert!(mine.iter().any(|w| w["name"] == "Béla <b>Sample</b>"), "{said:#}");
    let spent: i64 = said["credits"].as_array().unwrap().iter().map(|c| c["credits"].as_i64().unwrap()).sum();
    assert_eq!(spent, home.count("SELECT sum(credits_spent) FROM request"));
    let messages = &home.run(&["stats", "--in", "béla", "--json"]).expect(0).json()["messages"];
    assert_eq!(messages["sent"].as_i64().unwrap() + messages["received"].as_i64().unwrap(), 5);
}

/// The text with the month that the test runs in out of the credits.
fn without_months_of_credits(text: &str) -> String {
    let mut credits = false;
    let line = |line: &str| {
        credits |= line.starts_with("Credits per month");
        if credits && line.starts_with("20") {
            format!("MONTH{}\n", line.chars().skip(7).collect::<String>())
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(line).collect()
}

#[test]
fn a_status_draws_time_in_what_the_locale_can_show() {
    let (_api, mut home) = synced();
    home.env("COLUMNS", "60");
    golden("status-picture", &home, &home.run(&["status"]).expect(0).stdout);
    home.env("LANG", "C");
    let plain = home.run(&["status"]).expect(0).stdout;
    assert!(plain.contains("# archived   + partly   - missing   . not checked since"), "{plain}");
}

#[test]
fn the_page_is_whole_private_and_fetches_nothing() {
    let (_api, home) = synced();
    let ran = home.run(&["status", "--html", "status.html"]).expect(0);
    assert_eq!(ran.stdout, "Wrote status.html\n");
    let page = std::fs::read_to_string(home.path("status.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    assert!(page.contains("default-src 'none'") && page.contains("Béla &lt;b&gt;Sample&lt;/b&gt;"), "{page}");
    for fetches in ["<b>Sample", "<script", "http://", "https://", "src=", "@import", "url(", "onclick"] {
        assert!(!page.contains(fetches), "{fetches}: {page}");
    }
    for (open, close) in [("<svg", "</svg>"), ("<tr", "</tr>"), ("<g>", "</g>"), ("<section", "</section>")] {
        assert_eq!(page.matches(open).count(), page.matches(close).count(), "{open}");
    }
    let mode = std::fs::metadata(home.path("status.html")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    home.run(&["status", "--html", "nowhere/status.html"]).expect(73);
    assert!(
        home.run(&["status", "--html", "status.html", "--json"]).expect(0).json()["credits"]["days"]
            .is_array()
    );
    assert!(!home.files().iter().any(|f| f.starts_with(".archiver")), "{:?}", home.files());
}

#[test]
fn drafts_and_advertisements_of_an_export_are_no_messages_that_somebody_sent() {
    let home = Home::empty();
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\ncountry = \"FR\"\nowner_name = \"Me\"\n");
    let row = |thread: &str, from: &str, to: &str, day: u32, text: &str, folder: &str, draft: &str| {
        format!("2-{thread},,{from},,{to},2021-02-0{day} 10:00:00 UTC,{text},{folder},{draft}\n")
    };
    home.write(
        "messages.csv",
        &[
            "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,CONTENT,FOLDER,IS MESSAGE DRAFT\n".to_owned(),
            row("QUJD", "Me", "Ada", 5, "never sent", "INBOX", "Yes"),
            row("QUJD", "Ada", "Me", 2, "an answer", "INBOX", "No"),
            row("QUJD", "Me", "Ada", 1, "a question", "INBOX", "No"),
            row("REVG", "Acme Ads", "Me", 4, "Buy now", "SPONSORED", "No"),
            row("R0hJ", "Me", "Béla", 3, "begun and left", "INBOX", "Yes"),
        ]
        .concat(),
    );
    home.run(&["import", "linkedin-export", "messages.csv"]).expect(0);
    home.run(&["verify"]).expect(0);
    let stats = home.run(&["stats", "--json"]).expect(0).json();
    let waiting: Vec<&str> =
        stats["waiting_for_you"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap()).collect();
    assert_eq!((waiting, stats["messages"]["sent"].as_i64()), (vec!["Ada"], Some(1)), "{stats:#}");
    let people = home.run(&["people", "--json"]).expect(0).stdout;
    assert!(!people.contains("Acme Ads"), "{people}");
    for (format, mark) in [("html", "<span class=\"note\">DRAFT</span>"), ("markdown", "** 10:00 · DRAFT")] {
        home.run(&["export", "--format", format, "--out", format]).expect(0);
        let files = crate::support::export::files(&home.path(format));
        let all: String = files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
        assert_eq!(all.matches(mark).count(), 2, "{all}");
        assert_eq!(all.matches(&mark.replace("DRAFT", "SPONSORED")).count(), 1);
        assert!(!all.contains(&mark.replace("DRAFT", "TEXT")));
    }
}
