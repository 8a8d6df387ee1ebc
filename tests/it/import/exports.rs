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

const NO_URLS: &str = include_str!("../fixtures/export-d2-no-recipient-urls.csv");
const GROUPS: &str = include_str!("../fixtures/export-d5-group-names.csv");
const OF_2018: &str = include_str!("../fixtures/export-d6-2018.csv");
const FUTURE: &str = include_str!("../fixtures/export-d7-future-row.csv");
const ONE_NAME: &str = include_str!("../fixtures/export-d10-one-name-two-people.csv");

/// The names of the conversations, by thread.
fn names(home: &Home) -> Vec<String> {
    home.sql("SELECT conversation_id || ': ' || ifnull(name, '?') FROM conversation_log ORDER BY 1")
}

fn people(home: &Home) -> Vec<Value> {
    let report = home.run(&["people", "--json"]).expect(0).json();
    report["people"].as_array().unwrap().clone()
}

#[test]
fn a_recipient_without_a_url_is_whoever_has_the_name_as_a_sender() {
    let home = imported(NO_URLS);
    assert_eq!(
        names(&home),
        ["2-AAA: Ada Example", "2-BBB: Béla Sample", "2-CCC: Cleo Muster", "2-DDD: Dora Proba"]
    );
    assert_eq!(home.count("SELECT count(*) FROM conversation WHERE is_group"), 0);
    assert_eq!(
        home.sql::<Option<String>>("SELECT profile_url FROM conversation ORDER BY thread"),
        [
            Some("https://www.linkedin.com/in/ada-example".to_owned()),
            Some("https://www.linkedin.com/in/bela-sample".to_owned()),
            None,
            Some("https://www.linkedin.com/in/dora-proba".to_owned()),
        ]
    );
    let names: Vec<Value> = people(&home).iter().map(|person| person["name"].clone()).collect();
    assert_eq!(names.len(), 3, "nobody twice: {names:?}");
}

#[test]
fn the_same_name_in_a_thread_goes_before_the_same_name_elsewhere() {
    let text = "CONVERSATION ID,FROM,SENDER PROFILE URL,TO,DATE,CONTENT\n\
        2-A,Ada,https://www.linkedin.com/in/ada1,Me,2020-01-01 00:00:00 UTC,one\n\
        2-A,Me,https://www.linkedin.com/in/me,Ada,2020-01-02 00:00:00 UTC,two\n\
        2-B,Ada,https://www.linkedin.com/in/ada2,Me,2020-01-03 00:00:00 UTC,three\n\
        2-B,Me,https://www.linkedin.com/in/me,Ada,2020-01-04 00:00:00 UTC,four\n\
        2-C,Me,https://www.linkedin.com/in/me,Ada,2020-01-05 00:00:00 UTC,five\n";
    let home = imported(text);
    assert_eq!(
        home.sql::<Option<String>>("SELECT profile_url FROM conversation ORDER BY thread"),
        [
            Some("https://www.linkedin.com/in/ada1".to_owned()),
            Some("https://www.linkedin.com/in/ada2".to_owned()),
            // Of two of the name, nobody knows which one is meant.
            None,
        ]
    );
}

#[test]
fn members_keep_their_names_whatever_is_between_them() {
    let home = imported(GROUPS);
    assert_eq!(
        names(&home),
        [
            "2-EEE: Emil Vzor",
            "2-GGG: Ada Example, MBA, Béla Sample",
            "2-HHH: Cleo Muster, Dora Proba, LinkedIn Member"
        ]
    );
    assert_eq!(
        home.sql::<Option<i64>>("SELECT is_group FROM conversation ORDER BY thread"),
        [Some(0), Some(1), Some(1)]
    );
    // Names that no URLs can be told to are still the conversation's name.
    let text = "CONVERSATION ID,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE\n\
        2-A,Me,https://x/in/me,\"Ada, Béla, Cleo\",\"https://x/in/a,https://x/in/b\",2020-01-01\n\
        2-B,Me,https://x/in/me,Dora,https://x/in/d,2020-01-01\n";
    assert_eq!(names(&imported(text)), ["2-A: Ada, Béla, Cleo", "2-B: Dora"]);
}

#[test]
fn forms_of_other_years_are_read() {
    let home = imported(OF_2018);
    assert_eq!(names(&home), ["name:ada example: Ada Example"]);
    let rows = "SELECT concat_ws('|', sent_at, sender, from_me, text) FROM message_log ORDER BY sent_at_ms";
    let expected = [
        "2018-10-05T15:04:00.000Z|Ada Example|0|hello from 2018",
        "2018-10-06T09:12:00.000Z|Olivia Owner|1|hello back",
    ];
    assert_eq!(home.sql::<String>(rows), expected);
    let again = home.run(&["import", "linkedin-export", "messages.csv", "--json"]).expect(0).json();
    assert_eq!((&again["new_messages"], &again["there"]), (&0.into(), &2.into()));
    // With other letters, other signs between the columns, and the day first.
    let semicolons = OF_2018.replace(',', ";").replace("\"10/5/18; 3:04 PM\"", "5.10.2018 15:04");
    let semicolons = semicolons.replace("\"10/6/18; 9:12 AM\"", "06.10.18 09:12")
        + "Ada Example;Olivia Owner;13.10.18 10:00;;x;INCOMING;INBOX\n";
    let utf16: Vec<u8> = OF_2018
        .replace(',', "\t")
        .replace("\t 3", ", 3")
        .replace("\t 9", ", 9")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, count) in [(semicolons.into_bytes(), 3), (utf16, 2)] {
        let other = self::home();
        std::fs::write(other.path("messages.csv"), bytes).unwrap();
        other.run(&["import", "linkedin-export", "messages.csv"]).expect(0);
        let found = other.sql::<String>(rows);
        assert_eq!((&found[..2], found.len()), (&expected.map(str::to_owned)[..], count));
    }
}

#[test]
fn a_thread_without_an_id_takes_the_id_that_a_later_export_has() {
    let home = imported(OF_2018);
    home.write(
        "later.csv",
        "CONVERSATION ID,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE,CONTENT\n\
         2-AAA,Ada Example,https://x/in/ada,Olivia Owner,https://x/in/olivia,2018-10-05 15:04:00 UTC,hello from 2018\n\
         2-AAA,Ada Example,https://x/in/ada,Olivia Owner,https://x/in/olivia,2019-10-05 15:04:00 UTC,later\n\
         2-BBB,Bob,https://x/in/bob,Olivia Owner,https://x/in/olivia,2019-10-05 15:04:00 UTC,hi\n",
    );
    let report = home.run(&["import", "linkedin-export", "later.csv", "--json"]).expect(0).json();
    assert_eq!((&report["new_messages"], &report["there"]), (&2.into(), &1.into()));
    assert_eq!(names(&home), ["2-AAA: Ada Example", "2-BBB: Bob"]);
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_refused_with_the_reason() {
    let home = home();
    for (text, said) in [
        (
            "From,To,Date,Content\nAda,Me,sometime,x\n",
            "none of the 1 rows of messages.csv is a message; line 2: \"sometime\" is no date",
        ),
        (
            "Name,Text\nAda,x\n",
            "no header with the columns DATE and CONVERSATION ID, or DATE, FROM and TO; it starts with \"Name,Text\"",
        ),
    ] {
        home.write("messages.csv", text);
        let ran = home.run(&["import", "linkedin-export", "messages.csv"]).expect(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(!home.archive().exists());
    }
}

#[test]
fn a_row_of_the_future_is_kept_aside() {
    let home = imported(FUTURE);
    assert_eq!(home.sql::<String>("SELECT text FROM message_log"), ["near"]);
    assert_eq!(
        home.sql::<String>("SELECT reason || ' ' || (content ->> 'CONTENT') FROM import_oddity"),
        ["\"2099-01-01 10:00:00 UTC\" is in the future far"]
    );
    // What has come since the export is not covered.
    assert_eq!(home.count("SELECT count(*) FROM gap_log WHERE older_ms > 1704103200000"), 0);
    assert!(home.count("SELECT count(*) FROM gap_log WHERE newer_ms IS NULL") > 0);
}

#[test]
fn an_unpacked_folder_is_found_as_in_a_zip() {
    let home = home();
    std::fs::create_dir_all(home.path("Basic_LinkedInDataExport/inner")).unwrap();
    home.write("Basic_LinkedInDataExport/inner/messages.csv", PARTS);
    let report =
        home.run(&["import", "linkedin-export", "Basic_LinkedInDataExport", "--json"]).expect(0).json();
    assert_eq!(report["new_messages"], 5);
}

#[test]
fn somebody_elses_export_is_refused_unless_told_otherwise() {
    let bobs = PARTS.replace("Olivia Owner", "Bob Other").replace("/olivia", "/bob");
    let known_by = |first: Option<&str>, config: &str| {
        let home = home();
        home.write("archiver.toml", &format!("[[accounts]]\nname = \"me\"\n{config}"));
        if let Some(first) = first {
            home.write("first.csv", first);
            home.run(&["import", "linkedin-export", "first.csv"]).expect(0);
        }
        home.write("bob.csv", &bobs);
        home
    };
    for home in [known_by(Some(PARTS), ""), known_by(None, "owner_name = \"Olivia Owner\"\n")] {
        for flags in [&[][..], &["--dry-run"]] {
            let ran = home.run(&[&["import", "linkedin-export", "bob.csv"], flags].concat()).expect(2);
            let said =
                "this is the export of \"Bob Other\", but the account \"me\" belongs to \"Olivia Owner\"";
            assert!(ran.stderr.contains(said) && ran.stderr.contains("--any-owner"), "{}", ran.stderr);
        }
        home.run(&["import", "linkedin-export", "bob.csv", "--any-owner"]).expect(0);
    }
    // Where nothing is known of either, nothing is refused.
    known_by(None, "").run(&["import", "linkedin-export", "bob.csv"]).expect(0);
}

#[test]
fn two_people_of_one_name_are_two_and_those_who_left_are_never_merged() {
    let home = imported(ONE_NAME);
    let told: Vec<(Value, Value)> =
        people(&home).iter().map(|person| (person["name"].clone(), person["received"].clone())).collect();
    let of = |name: &str| told.iter().filter(|(other, _)| other == name).count();
    assert_eq!((of("Ada Example"), of("LinkedIn Member"), told.len()), (2, 2, 4), "{told:?}");
}

#[test]
fn the_owner_is_known_as_soon_as_the_file_tells() {
    for text in [PARTS, NO_URLS, GROUPS, OF_2018, ONE_NAME] {
        let home = imported(text);
        assert_eq!(home.count("SELECT count(*) FROM message_log WHERE from_me IS NULL"), 0);
        assert_eq!(
            home.sql::<String>("SELECT DISTINCT sender FROM message_log WHERE from_me = 1"),
            ["Olivia Owner"]
        );
    }
    // One thread alone does not tell, unless the export has a profile.
    let home = home();
    std::fs::create_dir(home.path("export")).unwrap();
    home.write("export/messages.csv", FUTURE);
    home.run(&["import", "linkedin-export", "export"]).expect(0);
    assert_eq!(home.sql::<Option<i64>>("SELECT from_me FROM message_log"), [None]);
    home.write("export/Profile.csv", "First Name,Last Name,Headline\nOlivia,Owner,x\n");
    home.run(&["import", "linkedin-export", "export"]).expect(0);
    assert_eq!(home.sql::<Option<i64>>("SELECT from_me FROM message_log"), [Some(0)]);
}
