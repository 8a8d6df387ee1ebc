//! Who is the owner and who the other side, as far as the answers tell; otherwise it stays unknown.

use archiver::store::Configured;

use crate::bench::{Bench, NOW, item, last_page};

const ADA: &str = "https://www.linkedin.com/in/ada-example/";

fn account() -> Configured {
    Configured { account: "me".into(), ..Configured::default() }
}

fn dialogues(count: usize) -> Configured {
    Configured { conversations: (0..count).map(|i| (format!("2-c{i}"), None)).collect(), ..account() }
}

/// Each of the names writes once in the conversation.
fn talk(bench: &mut Bench, conversation: usize, names: &[&str]) {
    let at = |i: usize| NOW - i64::try_from(conversation * 1_000_000 + i * 5000).unwrap();
    let items: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| item(&format!("u{conversation}-{i}"), at(i), name, "hi"))
        .collect();
    bench.put(conversation, &last_page(&items)).unwrap();
}

/// Sender, and whether that is the owner.
fn from_me(bench: &Bench) -> Vec<String> {
    bench.all("SELECT DISTINCT sender || ' ' || ifnull(from_me, '?') FROM message_log ORDER BY sender")
}

fn names(bench: &Bench) -> Vec<String> {
    bench.all("SELECT coalesce(alias, name, '?') FROM conversation ORDER BY id")
}

#[test]
fn the_owner_is_who_takes_part_in_all_dialogues() {
    let mut bench = Bench::of(&[dialogues(3)]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    talk(&mut bench, 2, &["Dora Draft", "Béla Sample", "Eve Trial"]);
    bench.next_run();
    assert_eq!(
        from_me(&bench),
        ["Ada Example 0", "Béla Sample 1", "Cid Test 0", "Dora Draft 0", "Eve Trial 0"]
    );
    assert_eq!(names(&bench), ["Ada Example", "Cid Test", "Dora Draft, Eve Trial"]);
}

#[test]
fn one_monologue_in_ten_dialogues_does_not_hide_the_owner_and_two_do() {
    for (others, expected) in [(10, "Béla Sample 1"), (9, "Béla Sample 1"), (8, "Béla Sample ?")] {
        let mut bench = Bench::of(&[dialogues(10)]);
        for i in 0..10 {
            let other = format!("Other {i}");
            let me = if i < others { "Béla Sample" } else { "Stranger Here" };
            talk(&mut bench, i, &[me, &other]);
        }
        bench.next_run();
        let of_bela: Vec<String> = from_me(&bench).into_iter().filter(|s| s.starts_with("Béla")).collect();
        assert_eq!(of_bela, [expected], "in {others} of ten");
    }
}

#[test]
fn in_a_single_dialogue_nothing_tells_who_is_who() {
    let mut bench = Bench::of(&[dialogues(1)]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example ?", "Béla Sample ?"]);
    assert_eq!(names(&bench), ["?"]);
}

#[test]
fn two_names_that_are_in_all_dialogues_leave_it_open() {
    let mut bench = Bench::of(&[dialogues(2)]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Ada Example"]);
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example ?", "Béla Sample ?"]);
}

#[test]
fn the_profile_that_was_asked_for_names_the_other_side() {
    let by_profile = Configured { profiles: vec![(ADA.into(), None)], ..account() };
    let mut bench = Bench::of(&[by_profile]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example 0", "Béla Sample 1"]);
    assert_eq!(names(&bench), ["Ada Example"]);
}

#[test]
fn a_profile_spells_accents_and_adds_numbers_and_titles() {
    for (slug, name) in [
        ("bela-kovacs-4b1a22", "Béla Kovács"),
        ("francois-noel-nunez", "François-Noël Núñez"),
        ("DR-ADA-EXAMPLE-phd", "Ada Example"),
        ("søren-åberg", "Søren Åberg"),
    ] {
        let url = format!("https://www.linkedin.com/in/{slug}/");
        let mut bench = Bench::of(&[Configured { profiles: vec![(url, None)], ..account() }]);
        talk(&mut bench, 0, &[name, "Zoe Owner"]);
        bench.next_run();
        assert_eq!(names(&bench), [name]);
        assert!(from_me(&bench).contains(&"Zoe Owner 1".to_owned()));
    }
}

#[test]
fn a_profile_that_fits_nobody_or_both_says_nothing() {
    for url in ["https://www.linkedin.com/in/x7y8z9/", "https://www.linkedin.com/in/ada-bela-example-sample/"]
    {
        let mut bench = Bench::of(&[Configured { profiles: vec![(url.into(), None)], ..account() }]);
        talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
        bench.next_run();
        assert_eq!(from_me(&bench), ["Ada Example ?", "Béla Sample ?"], "{url}");
    }
}

#[test]
fn the_configured_name_of_the_owner_wins_unless_nobody_has_it() {
    let mut bench = Bench::of(&[Configured { owner_name: Some("Ada Example".into()), ..dialogues(1) }]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example 1", "Béla Sample 0"]);
    assert_eq!(names(&bench), ["Béla Sample"]);

    let mut bench = Bench::of(&[Configured { owner_name: Some("Typo Example".into()), ..dialogues(2) }]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example 0", "Béla Sample 1", "Cid Test 0"]);
}

#[test]
fn the_name_in_the_configuration_is_kept() {
    let named = Configured {
        conversations: vec![("2-c0".into(), Some("Contract".into())), ("2-c1".into(), None)],
        ..account()
    };
    let mut bench = Bench::of(&[named]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    bench.next_run();
    assert_eq!(names(&bench), ["Contract", "Cid Test"]);
}

#[test]
fn accounts_have_owners_of_their_own() {
    let other = Configured {
        account: "other".into(),
        conversations: vec![("2-c8".into(), None), ("2-c9".into(), None)],
        ..account()
    };
    let mut bench = Bench::of(&[dialogues(2), other]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    talk(&mut bench, 2, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 3, &["Ada Example", "Dora Draft"]);
    bench.next_run();
    let mine = bench.all::<String>(
        "SELECT DISTINCT account || ' ' || sender FROM message_log WHERE from_me = 1 ORDER BY 1",
    );
    assert_eq!(mine, ["me Béla Sample", "other Ada Example"]);
}

#[test]
fn a_sender_without_a_name_is_nobody() {
    let mut bench = Bench::of(&[dialogues(2)]);
    talk(&mut bench, 0, &["", "Ada Example"]);
    talk(&mut bench, 1, &["", "Cid Test"]);
    bench.next_run();
    assert_eq!(from_me(&bench), [" ?", "Ada Example ?", "Cid Test ?"]);
}

#[test]
fn new_messages_of_known_people_are_told_apart_at_once() {
    let mut bench = Bench::of(&[dialogues(2)]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    bench.next_run();
    bench.put(0, &last_page(&[item("new", NOW + 9000, "Béla Sample", "new")])).unwrap();
    assert_eq!(bench.one::<i64>("SELECT from_me FROM message_log WHERE text = 'new'"), 1);
}

#[test]
fn a_crash_before_the_names_were_worked_out_is_made_up_for_in_the_next_run() {
    let mut bench = Bench::of(&[dialogues(2)]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    bench.crash();
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example 0", "Béla Sample 1", "Cid Test 0"]);
    assert_eq!(names(&bench), ["Ada Example", "Cid Test"]);
}

#[test]
fn a_failed_page_does_not_make_the_names_of_others_be_forgotten() {
    let mut bench = Bench::of(&[dialogues(2)]);
    talk(&mut bench, 0, &["Béla Sample", "Ada Example"]);
    talk(&mut bench, 1, &["Béla Sample", "Cid Test"]);
    let other = bench.other();
    bench.store.let_triggers_act().unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    bench.put(0, &last_page(&[item("new", NOW + 9000, "Eve Trial", "new")])).unwrap_err();
    other.execute_batch("DROP TRIGGER broken").unwrap();
    bench.next_run();
    assert_eq!(from_me(&bench), ["Ada Example 0", "Béla Sample 1", "Cid Test 0"]);
}
