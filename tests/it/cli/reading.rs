//! `search`, `show` and `sql`: what they print for people and for scripts.

use fake_linkup::Author;
use serde_json::Value;

use super::terminal::at_terminal;
use super::{add_older, golden};
use crate::binary::{FakeApi, HOUR, Home, KEY, Ran, START, server};

/// An archive of three people: one with a gap, an edit and a message that has vanished.
fn archive() -> Home {
    let api = FakeApi::serve(server(&[("Ada Example", 12), ("Béla Sample", 3), ("例示 花子", 70)]));
    let home = Home::of(&api, "v1");
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        for (hours, author, text) in [
            (30, Author::Owner, "Shall we meet on Thursday?\nThe café by the station."),
            (31, Author::Other(0), "Thursday is fine \u{1b}[2J\u{7} for the quarterly report"),
            (55, Author::Owner, "世界平和について話しましょう"),
        ] {
            mailbox.send(0, author, START + hours * HOUR, text).unwrap();
        }
    }
    home.run(&["sync", "--once", "--budget", "4"]).expect(0);
    home.sync_until_complete();
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        assert!(mailbox.edit(0, 13, "Friday is fine for the quarterly report"));
        assert!(mailbox.delete(1, 1));
        mailbox.send(2, Author::Owner, START + 900 * HOUR, "one more").unwrap();
        for n in 0..30 {
            mailbox.send(2, Author::Owner, START + (901 + n) * HOUR, "and more").unwrap();
        }
    }
    home.run(&["sync", "--once", "--budget", "3"]).expect(0);
    home
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_people_see_of_a_search_and_a_conversation() {
    let home = archive();
    let shown = |args: &[&str]| {
        let ran = home.run(args).expect(0);
        assert!(!ran.stdout.chars().any(|c| c.is_control() && c != '\n'), "{ran:?}");
        // The numbers of messages are as good as random.
        format!("{}--\n{}", ran.stdout, ran.stderr)
    };
    golden("search", &home, &shown(&["search", "thursday OR friday OR 平和"]));
    golden("search-context", &home, &shown(&["search", "cafe", "-C", "1"]));
    golden("search-nothing", &home, &shown(&["search", "thrusday", "from:zoe"]));
    golden("search-filtered", &home, &shown(&["search", "friday", "--in", "béla", "--since", "2021-02"]));
    golden("show", &home, &shown(&["show", "ada", "--edits", "--limit", "5"]));
    golden("show-gap", &home, &shown(&["show", "花子", "--since", "2021-01-03"]));
    golden("show-vanished", &home, &shown(&["show", "bela"]));
    golden("sql", &home, &shown(&["sql", "SELECT name, messages, gaps FROM conversation_log ORDER BY name"]));
}

#[test]
fn what_scripts_get_of_a_search_and_a_conversation() {
    let home = archive();
    let found = lines(&home.run(&["search", "--json", "quarterly", "-C", "1"]).expect(0));
    let hit = &found[0];
    assert_eq!((&hit["conversation"], &hit["versions"]), (&"Ada Example".into(), &2.into()));
    assert_eq!(hit["snippet"], "Friday is fine for the [quarterly] report");
    assert_eq!((hit["before"].as_array().unwrap().len(), hit["after"].as_array().unwrap().len()), (1, 1));
    let count = home.run(&["search", "--count", "message OR quarterly"]).expect(0).stdout;
    assert!(count.trim().parse::<u32>().unwrap() > 50, "{count}");
    assert_eq!(lines(&home.run(&["search", "--count", "--json", "quarterly"]).expect(0))[0]["count"], 1);

    let urn = hit["entity_urn"].as_str().unwrap();
    let around = lines(&home.run(&["show", "ada", "--around", urn, "--limit", "3", "--json"]).expect(0));
    assert_eq!(around.len(), 3);
    assert_eq!(around[1]["entity_urn"], urn);
    let number = format!("#{}", hit["message_id"]);
    assert_eq!(
        lines(&home.run(&["show", "ada", "--around", &number, "--limit", "3", "--json"]).expect(0)),
        around
    );

    let all = lines(&home.run(&["show", "ada", "--json"]).expect(0));
    let view: Vec<i64> = home.sql("SELECT sent_at_ms FROM message_log WHERE conversation = 'Ada Example' ORDER BY sent_at_ms, message_id");
    assert_eq!(all.iter().map(|m| m["sent_at_ms"].as_i64().unwrap()).collect::<Vec<_>>(), view);
    let raw: Vec<String> = home.sql(
        "SELECT raw FROM message_log WHERE conversation = 'Ada Example' ORDER BY sent_at_ms, message_id",
    );
    let raw: Vec<Value> = raw.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
    assert_eq!(lines(&home.run(&["show", "ada", "--raw"]).expect(0)), raw);
    let some =
        lines(&home.run(&["show", "ada", "--json", "--until", "2021-01-01", "--limit", "2"]).expect(0));
    assert_eq!(some.len(), 2);
    assert!(some[1]["sent_at"].as_str().unwrap().starts_with("2021-01-01T"));
}

#[test]
fn words_and_names_are_found_however_they_are_written() {
    let api = FakeApi::serve(server(&[("Paweł Økland", 4), ("Ada Example", 2)]));
    for (hours, text) in (0..).zip(["Ελλάδα ёлка", "كِتاب שָׁלוֹם", "ﬁn ＦＵＬＬ 𝗯𝗼𝗹𝗱", "हिन्दी में"])
    {
        api.server()
            .mailbox_mut(0)
            .unwrap()
            .send(0, Author::Other(0), START + (50 + hours) * HOUR, text)
            .unwrap();
    }
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    for words in ["ελλαδα елка", "كتاب", "fin full bold", "हिन्दी", "हिन्*", "ＢＯＬＤ"]
    {
        for rest in [&[][..], &["from:okland"], &["--in", "pawel"], &["--best"]] {
            let ran = home.run(&[&["search", words, "--json"], rest].concat()).expect(0);
            assert_eq!(lines(&ran).len(), 1, "{words} {rest:?}: {ran:?}");
        }
    }
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_search_says_where_it_ended() {
    let api = FakeApi::serve(server(&[("Ada Example", 2)]));
    for n in 0..2_050 {
        api.server()
            .mailbox_mut(0)
            .unwrap()
            .send(0, Author::Owner, START + (50 + n) * HOUR, "needle")
            .unwrap();
    }
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    let rated = home.run(&["search", "needle", "--best", "--limit", "3"]).expect(0);
    assert_eq!(rated.stderr, "Ranked the newest 2,000 matches only.\n");
    let newest = home.run(&["search", "needle", "--limit", "3"]).expect(0);
    assert_eq!(newest.stderr, "These are the newest 3; use --limit to see more, --count to count them.\n");
    // More messages than a search with filters looks at.
    add_older(&home);
    for best in [&[][..], &["--best"]] {
        let ran = home.run(&[&["search", "has:link"], best].concat()).expect(0);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("Searched back to 2020-") && ran.stderr.contains("--until"), "{ran:?}");
    }
}

#[test]
fn only_who_needs_secrets_is_warned_of_where_they_are() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    home.sync();
    home.edit("[api]", &format!("[api]\napi_key = \"{KEY}\""));
    for args in [
        &["status"][..],
        &["search", "message"],
        &["show", "ada"],
        &["sql", "SELECT 1"],
        &["people"],
        &["stats"],
        &["plan"],
        &["sync", "--once", "--dry-run"],
        &["verify"],
        &["backup", "copy.db"],
        &["export", "--format", "csv", "--out", "all.csv"],
    ] {
        let ran = home.run(args).expect(0);
        assert!(!ran.stderr.contains("WARN"), "{args:?}: {ran:?}");
    }
    for args in [&["sync", "--once"][..], &["check"]] {
        let ran = home.run(args).expect(0);
        assert!(
            ran.stderr.contains("api.api_key is a secret in the configuration itself"),
            "{args:?}: {ran:?}"
        );
    }
    // A login says it before it asks for anything.
    let ran = home.run(&["login", "--yes"]);
    assert!(ran.stderr.contains("api.api_key is a secret in the configuration itself"), "{ran:?}");
}

#[test]
fn words_that_name_no_conversation_message_or_date_are_bad_usage_with_help() {
    let home = archive();
    for args in [
        ["show", "nobody"].as_slice(),
        &["show", "a"],
        &["show", "ada", "--around", "urn:li:nothing"],
        &["show", "ada", "--since", "soon"],
        &["search", "x", "--in", "nobody"],
        &["search", "x in:nobody"],
        &["search", "x before:soon"],
        &["search", "x", "--until", "2021-02-30"],
        &["search"],
    ] {
        let ran = home.run(args).expect(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("error:"), "{args:?}: {ran:?}");
    }
    assert!(home.run(&["show", "a"]).stderr.contains("may mean "));
    home.run(&["search", "\" ( OR * NEAR:"]).expect(0);
    home.run(&["search", "--", "-x"]).expect(0);
}

/// Three people of one name.
fn namesakes() -> Home {
    let api = FakeApi::serve(server(&[("Eve Sample", 12), ("Eve Sample", 3), ("Eve Sample", 5)]));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    home
}

#[test]
fn a_word_that_fits_several_is_a_numbered_choice_with_dates() {
    let home = namesakes();
    let ran = home.run(&["show", "eve"]).expect(2);
    assert!(ran.stderr.contains("\"eve\" may mean 3 conversations:"), "{ran:?}");
    let listed: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("Eve Sample")).collect();
    for (line, number) in listed.iter().zip(["1", "2", "3"]) {
        assert!(line.starts_with(number) && line.contains("2021-01-") && line.contains(" – "), "{ran:?}");
    }
    // The id in the last column is one of a kind.
    for (line, number) in listed.iter().zip([12, 5, 3]) {
        let id = line.split_whitespace().last().unwrap();
        let shown = home.run(&["show", id, "--json"]).expect(0);
        assert_eq!(lines(&shown).len(), number, "{line}");
    }
    home.run(&["search", "x", "--in", "eve"]).expect(2);
}

#[test]
fn at_a_terminal_the_choice_is_made_by_its_number() {
    let mut home = namesakes();
    home.env("PAGER", "cat");
    let script = [("Number (empty to cancel): ", "2\n")];
    let (shown, code) = at_terminal(&home, &["show", "eve"], &script);
    assert_eq!(code, Some(0), "{shown}");
    let (_, shown) = shown.split_once("cancel): ").unwrap();
    assert_eq!(shown.matches("       message ").count(), 5, "{shown}");
    for answer in ["\n", "9\n", "x\n"] {
        let (shown, code) = at_terminal(&home, &["show", "eve"], &[("Number (empty to cancel): ", answer)]);
        assert_eq!(code, Some(2), "{shown}");
    }
}

#[test]
fn the_number_of_a_search_hit_shows_its_conversation() {
    let home = archive();
    let hit = home.run(&["search", "cafe", "--limit", "1"]).expect(0);
    let number = hit.stdout.lines().next().unwrap().split('#').nth(1).unwrap();
    let shown = home.run(&["show", &format!("#{number}")]).expect(0).stdout;
    assert!(shown.starts_with("Ada Example\n"), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with('>')), "{shown}");
    home.run(&["show", "#999999999"]).expect(2);
}

#[test]
fn a_search_says_what_it_ignored_and_what_is_no_filter() {
    let home = archive();
    let said = |query: &str| home.run(&["search", query]).expect(0).stderr;
    for (query, remark) in [
        ("AND", "Ignored: AND. Nothing else is asked for, so every message matches."),
        ("\"", "Ignored: \". Nothing else"),
        ("thursday OR", "Ignored: OR."),
        (
            "has:nonsense",
            "\"has:nonsense\" is not a filter, so it is searched for as text. Filters: from:NAME",
        ),
        ("Béla budget", "\"Béla\" is a sender: try from:Béla"),
    ] {
        assert!(said(query).contains(remark), "{query}: {}", said(query));
    }
    for query in ["thursday AND report", "thursday OR friday", "report -draft", "is:edited"] {
        assert!(
            !said(query).contains("Ignored") && !said(query).contains("filter,"),
            "{query}: {}",
            said(query)
        );
    }
}
