//! `--only` and `--budget`: narrowing a run.

use super::{SYNC, names};
use crate::binary::{FakeApi, Home, server};

fn people() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3), ("Cleo Muster", 5), ("Dan Sample", 4)]))
}

/// The conversations that were asked for since so many requests.
fn asked(api: &FakeApi, since: usize) -> Vec<usize> {
    let mut asked: Vec<usize> =
        api.server().meter.rows()[since..].iter().map(|r| r.conversation.unwrap()).collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}

#[test]
fn only_takes_a_urn_a_thread_a_profile_a_configured_name_or_a_part_of_a_name() {
    let api = people();
    let home = Home::of(&api, "v1");
    let thread = api.server().accounts()[0].mailbox.conversations()[2].thread.clone();
    home.edit(&format!("{thread:?}"), &format!("{{ id = {thread:?}, name = \"the third\" }}"));
    home.sync();
    let (urn, page) = {
        let server = api.server();
        let all = server.accounts()[0].mailbox.conversations();
        (all[1].urn.clone(), all[0].others[0].profile_url.clone().unwrap())
    };
    let bare = thread.trim_end_matches('=');
    let words = [
        (urn.as_str(), 1),
        (&thread, 2),
        (bare, 2),
        (&page, 0),
        ("the third", 2),
        ("THIRD", 2),
        ("ada", 0),
        ("Dan Sample", 3),
        ("dan", 3),
    ];
    for (word, index) in words {
        let before = api.requests();
        let report = home.run(&[SYNC, &["--only", word]].concat()).expect(0).json();
        assert_eq!(asked(&api, before), [index], "{word}");
        assert_eq!(names(&report).len(), 1, "{word}");
    }
    let before = api.requests();
    home.run(&[SYNC, &["--only", "ada", "--only", "the third"]].concat()).expect(0);
    assert_eq!(asked(&api, before), [0, 2]);
}

#[test]
fn only_works_before_anything_is_archived() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.edit("name = \"me\"", "name = \"me\"\nowner_name = \"Olivia Owner\"");
    home.run(&[SYNC, &["--only", "ben"]].concat()).expect(2);
    let urn = api.server().accounts()[0].mailbox.conversations()[1].urn.clone();
    home.run(&[SYNC, &["--only", &urn]].concat()).expect(0);
    home.run(&[SYNC, &["--only", "ben"]].concat()).expect(0);
    assert_eq!(asked(&api, 0), [1]);
}

#[test]
fn a_word_that_names_none_or_several_is_bad_usage_and_asks_nothing() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    let before = api.requests();
    for mode in [&["--json"][..], &["--dry-run"]] {
        let ran = home.run(&[&["sync", "--once", "--only", "nobody"], mode].concat()).expect(2);
        assert!(ran.stderr.contains("no conversation is called \"nobody\""), "{ran:?}");
        let ran = home.run(&[&["sync", "--once", "--only", "sample"], mode].concat()).expect(2);
        assert!(ran.stderr.contains("\"sample\" may mean Dan Sample or Ben Sample"), "{ran:?}");
        assert!(ran.stderr.contains("help: ") && ran.stdout.is_empty(), "{ran:?}");
    }
    assert_eq!(api.requests(), before);
}

#[test]
fn a_budget_on_the_command_line_caps_a_run_and_never_raises_a_configured_cap() {
    let api = FakeApi::serve(server(&[("Ada Example", 300)]));
    let home = Home::of(&api, "v1");
    let mut charged = 0;
    for (cap, flag, most) in
        [("1000", "3", 3), ("2", "50", 2), ("4", "4", 4), ("1000", "0", 0), ("0", "7", 0)]
    {
        home.edit("credits_per_run = 1000", &format!("credits_per_run = {cap}"));
        let report = home.run(&[SYNC, &["--budget", flag]].concat()).expect(0).json();
        home.edit(&format!("credits_per_run = {cap}"), "credits_per_run = 1000");
        assert_eq!(report["outcome"], "budget");
        assert_eq!(report["credits_spent"], most);
        assert_eq!(report["credits_left"]["run"], 0);
        assert_eq!(api.charged() - charged, most, "{cap} {flag}");
        charged = api.charged();
    }
}

#[test]
fn the_caps_of_a_day_and_a_month_hold_over_several_runs() {
    for window in ["DAY", "MONTH"] {
        let api = FakeApi::serve(server(&[("Ada Example", 300)]));
        let mut home = Home::of(&api, "v1");
        home.env(&format!("ARCHIVER_BUDGET__CREDITS_PER_{window}"), "5");
        home.env("ARCHIVER_BUDGET__CREDITS_PER_RUN", "3");
        for (spent, left) in [(3, 2), (2, 0), (0, 0)] {
            let report = home.run(&[SYNC, &["--budget", "1000"]].concat()).expect(0).json();
            assert_eq!((&report["outcome"], &report["credits_spent"]), (&"budget".into(), &spent.into()));
            assert_eq!(report["credits_left"][window.to_lowercase()], left);
        }
        assert_eq!(api.charged(), 5);
    }
}
