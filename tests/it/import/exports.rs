//! Exports of several years and kinds: what is in them is read, shown and found.

use serde_json::{Value, json};

use crate::binary::Home;

const PARTS: &str = include_str!("../fixtures/export-d3-d4-html-subject-attachments.csv");

/// A home with an account that has imported this file.
fn imported(csv: &str) -> Home {
    let home = home();
    home.write("messages.csv", csv);
    home.run(&["import", "linkedin-export", "messages.csv"]).expect(0);
    home.run(&["verify"]).expect(0);
    home
}

fn home() -> Home {
    let home = Home::empty();
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\n");
    home
}

#[test]
fn a_conversation_is_named_by_its_thread_until_the_api_has_told_its_urn() {
    let home = imported(PARTS);
    for view in ["message_log", "conversation_log"] {
        let ids = home.sql::<String>(&format!("SELECT DISTINCT conversation_id FROM {view} ORDER BY 1"));
        assert_eq!(ids, ["2-AAA", "2-SPO"], "{view}");
    }
    assert_eq!(home.count("SELECT count(*) FROM gap_log WHERE conversation_id IS NULL"), 0);
    let shown = home.run(&["show", "2-AAA", "--json"]).expect(0).stdout;
    assert!(shown.lines().all(|line| line.contains("\"conversation_id\":\"2-AAA\"")), "{shown}");
    home.run(&["export", "--format", "csv", "--out", "all.csv"]).expect(0);
    let mut rows = csv::Reader::from_path(home.path("all.csv")).unwrap();
    assert!(rows.records().all(|row| row.unwrap()[1].starts_with("2-")));
}

#[test]
fn text_is_plain_and_every_word_of_the_file_stays_in_raw() {
    let home = imported(PARTS);
    assert_eq!(
        home.sql::<String>(
            "SELECT text FROM message_log WHERE conversation_id = '2-AAA' ORDER BY sent_at_ms"
        ),
        ["Hi Olivia,\n\nwe look for an archivist & more. Read on", "", "Q&A: I don't know, 5 < 6", "a draft"]
    );
    let contents = home.sql::<String>("SELECT raw ->> 'CONTENT' FROM message_log ORDER BY sent_at_ms");
    assert!(
        contents[0].contains("<strong>archivist</strong> &amp; more") && contents[2].contains("don&#39;t")
    );
    for (word, found) in
        [("don't", 1), ("archivist", 1), ("spinmail", 0), ("strong", 0), ("amp", 0), ("href", 0)]
    {
        let count = home.run(&["search", "--count", word]).expect(0).stdout;
        assert_eq!(count.trim(), found.to_string(), "{word}");
    }
    // The same file again: what is plain now is still the same message.
    let again = home.run(&["import", "linkedin-export", "messages.csv", "--json"]).expect(0).json();
    assert_eq!((&again["new_messages"], &again["there"]), (&0.into(), &5.into()));
}

#[test]
fn a_subject_is_shown_and_searched() {
    let home = imported(PARTS);
    assert_eq!(
        home.sql::<Option<String>>("SELECT subject FROM message_log ORDER BY sent_at_ms"),
        [Some("A role at Example & Co".to_owned()), None, None, None, Some("Buy!".to_owned())]
    );
    let shown = home.run(&["show", "2-AAA"]).expect(0).stdout;
    assert!(shown.contains("Subject: A role at Example & Co"), "{shown}");
    let found = home.run(&["search", "role"]).expect(0).stdout;
    assert!(found.contains("A [role] at Example & Co"), "{found}");
    let json = home.run(&["search", "--json", "role"]).expect(0).json();
    assert_eq!(json["subject"], "A role at Example & Co");
    for (format, out, page) in
        [("html", "pages", "conversations/1.html"), ("markdown", "notes", "ada-example.md")]
    {
        home.run(&["export", "--format", format, "--out", out]).expect(0);
        let page = std::fs::read_to_string(home.path(out).join(page)).unwrap();
        assert!(page.contains("A role at Example &amp; Co"), "{page}");
    }
}

#[test]
fn an_attachment_is_shown_by_its_name_and_found_by_it() {
    let home = imported(PARTS);
    let expected = json!([{
        "name": "contract.pdf",
        "url": "https://www.linkedin.com/dms/prv/doc/AAA/contract.pdf",
        "type": null
    }]);
    let all = home.sql::<String>("SELECT attachments FROM message_log ORDER BY sent_at_ms");
    assert_eq!(all.iter().map(|json| json == "[]").collect::<Vec<_>>(), [true, false, true, true, true]);
    assert_eq!(serde_json::from_str::<Value>(&all[1]).unwrap(), expected);
    let label = "[attachment: contract.pdf]";
    assert!(home.run(&["show", "2-AAA"]).expect(0).stdout.contains(label));
    for query in ["contract", "contract.pdf", "has:attachment", "contract has:attachment", "\"contract pdf\""]
    {
        let found = home.run(&["search", "--json", query]).expect(0).json();
        assert_eq!(found["attachments"], expected, "{query}");
    }
    let found = home.run(&["search", "has:attachment"]).expect(0).stdout;
    assert!(found.contains(label), "{found}");
    assert_eq!(home.run(&["search", "--count", "--", "-has:attachment"]).expect(0).stdout.trim(), "4");
    for (format, out) in [("html", "pages"), ("markdown", "notes")] {
        home.run(&["export", "--format", format, "--out", out]).expect(0);
        let page = if format == "html" { "conversations/1.html" } else { "ada-example.md" };
        let page = std::fs::read_to_string(home.path(out).join(page)).unwrap();
        assert!(page.contains(label), "{format}: {page}");
    }
    let index = std::fs::read_to_string(home.path("pages/search/w0.js")).unwrap();
    assert!(index.contains("contract"), "{index}");
}

#[test]
fn subjects_and_attachments_survive_json_lines() {
    let home = imported(PARTS);
    let columns =
        "SELECT concat_ws('|', subject, attachments, text, raw) FROM message_log ORDER BY message_id";
    let before = home.sql::<String>(columns);
    home.run(&["export", "--format", "jsonl", "--out", "all.jsonl"]).expect(0);
    let text = std::fs::read_to_string(home.path("all.jsonl")).unwrap();
    assert!(text.contains("\"attachments\":[{\"name\":\"contract.pdf\""), "a list, not a text");
    for file in ["archive.db", "archive.db.lock"] {
        std::fs::remove_file(home.path(file)).unwrap();
    }
    home.run(&["import", "jsonl", "all.jsonl"]).expect(0);
    assert_eq!(home.sql::<String>(columns), before);
    assert_eq!(home.run(&["search", "--count", "contract"]).expect(0).stdout.trim(), "1");
    home.run(&["verify"]).expect(0);
}
