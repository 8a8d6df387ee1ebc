//! `archiver erase`: what goes is gone from every byte of the archive, does not come back and is not paid for again.

use std::fs;

use fake_linkup::{Author, Fault, FaultRule};
use serde_json::Value;

use crate::binary::{FakeApi, HOUR, Home, Process, START, assert_complete, server};
use crate::support::export::files;
use crate::support::sample;

const CANARY: &str = "xylographic quokka manifesto";
const BEFORE_EDIT: &str = "zygomorphic ptarmigan ledger";
pub(super) const NAME: &str = "Quetzalina Brzezinska";

/// A home that learns of everything from the inbox.
pub(super) fn discovering(api: &FakeApi, version: &str) -> Home {
    let mut home = Home::empty();
    home.discovers(0);
    home.point_at(api, version);
    home
}

/// Quetzalina has written a message with a canary, which she has edited, among those of two other conversations.
fn canaries() -> (FakeApi, Home) {
    let api = FakeApi::serve(server(&[("Ada Example", 35), (NAME, 24), ("Ben Sample", 3)]));
    let home = discovering(&api, "v1");
    let index = {
        let mut server = api.server();
        server.mailbox_mut(0).unwrap().send(1, Author::Other(0), START + 500 * HOUR, BEFORE_EDIT).unwrap()
    };
    home.sync_until_complete();
    {
        let mut server = api.server();
        assert!(server.mailbox_mut(0).unwrap().edit(1, index, CANARY));
        server.mailbox_mut(0).unwrap().send(1, Author::Owner, START + 501 * HOUR, "noted").unwrap();
    }
    home.sync_until_complete();
    assert_eq!(home.count("SELECT versions FROM message_log WHERE text = 'xylographic quokka manifesto'"), 2);
    (api, home)
}

/// The files in the archive's folder in which a text stands, in any case and also without spaces.
fn holding(home: &Home, text: &str) -> Vec<String> {
    let found =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|w| w.eq_ignore_ascii_case(text.as_bytes()));
    let files = home.files().into_iter().filter(|name| name.starts_with("archive.db"));
    let holds = |name: &String| {
        let bytes = fs::read(home.path(name)).unwrap();
        text.split(' ').filter(|word| word.len() > 6).any(|word| found(&bytes, word))
    };
    files.filter(holds).collect()
}

fn assert_no_trace(home: &Home) {
    for text in [CANARY, BEFORE_EDIT, NAME] {
        assert_eq!(holding(home, text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(home.run(&["search", "quokka", "--json"]).expect(0).stdout.lines().count(), 0);
    for command in
        [&["people", "--json"][..], &["stats", "--json"], &["status", "--json"], &["show", "--list"]]
    {
        let told = home.run(command).stdout.to_lowercase();
        assert!(!told.contains("quetzalina") && !told.contains("quokka"), "{command:?}: {told}");
    }
    home.run(&["export", "--format", "jsonl", "--out", "out.jsonl"]).expect(0);
    let exported = fs::read_to_string(home.path("out.jsonl")).unwrap().to_lowercase();
    assert!(
        !exported.contains("quetzalina") && !exported.contains("quokka") && !exported.contains("ptarmigan")
    );
    fs::remove_file(home.path("out.jsonl")).unwrap();
    home.run(&["verify"]).expect(0);
}

/// One look at the inbox a run, as if nothing had happened.
fn ten_runs_find_nothing(api: &FakeApi, home: &Home) {
    let (charged, requests) = (api.charged(), api.requests());
    for _ in 0..10 {
        home.sync();
    }
    assert_eq!((api.charged() - charged, api.requests() - requests), (10, 10));
}

fn she_writes(api: &FakeApi, hour: i64, text: &str) {
    let at = START + hour * HOUR;
    api.server().mailbox_mut(0).unwrap().send(1, Author::Other(0), at, text).unwrap();
}

pub(super) fn erase(home: &Home, args: &[&str]) -> Value {
    home.run(&[&["erase", "--yes", "--json"], args].concat()).expect(0).json()
}

#[test]
fn what_somebody_wrote_goes_from_every_byte_and_does_not_come_back() {
    let (api, home) = canaries();
    assert!(!holding(&home, CANARY).is_empty() && !holding(&home, BEFORE_EDIT).is_empty());
    let dry = home.run(&["erase", "--person", NAME, "--dry-run", "--json"]).expect(0).json();
    let of_hers = home.count("SELECT count(*) FROM message_log WHERE sender LIKE 'Quetz%'");
    assert_eq!((&dry["messages"], &dry["versions"]), (&of_hers.into(), &1.into()));
    let stays = home.count("SELECT count(*) FROM message_log") - of_hers;

    let told = erase(&home, &["--person", &NAME.to_lowercase(), "--reason", "a request of hers"]);
    assert_eq!((&told["messages"], &told["proof"]["found"]), (&of_hers.into(), &0.into()));
    assert!(told["proof"]["looked_for"].as_u64().unwrap() > 0);
    assert_no_trace(&home);
    let log = home.sql::<String>("SELECT selector || ': ' || messages || ', ' || reason FROM erasure_log");
    assert_eq!(log, [format!("one person: {of_hers}, a request of hers")]);
    let erased = home.count("SELECT count(*) FROM change_log WHERE kind = 'erased'");
    assert_eq!(erased, of_hers);

    ten_runs_find_nothing(&api, &home);
    assert_eq!(home.count("SELECT count(*) FROM message_log"), stays);
    assert_no_trace(&home);

    // News of hers come as before.
    she_writes(&api, 700, "good morning");
    home.sync();
    assert_eq!(home.count("SELECT count(*) FROM message_log"), stays + 1);
    assert_eq!(
        home.sql::<String>("SELECT DISTINCT sender FROM message_log WHERE text = 'good morning'"),
        [NAME]
    );
}

#[test]
fn a_whole_conversation_goes_and_only_what_is_sent_later_is_archived() {
    let (api, home) = canaries();
    let rest = home.count("SELECT count(*) FROM message_log WHERE conversation <> 'Quetzalina Brzezinska'");
    let told = erase(&home, &["--conversation", NAME]);
    assert_eq!((&told["messages"], &told["conversations"]), (&26.into(), &1.into()));
    assert_no_trace(&home);
    ten_runs_find_nothing(&api, &home);
    assert_no_trace(&home);
    she_writes(&api, 700, "good morning");
    home.sync_until_complete();
    assert_eq!(home.count("SELECT count(*) FROM message_log"), rest + 1);
    assert_eq!(home.count("SELECT count(*) FROM conversation_log WHERE complete = 1"), 3);
}

#[test]
fn a_conversation_that_is_stopped_is_never_asked_for_again() {
    let (api, home) = canaries();
    erase(&home, &["--conversation", NAME, "--and-future"]);
    assert_no_trace(&home);
    for hour in 700..710 {
        she_writes(&api, hour, CANARY);
        let charged = api.charged();
        home.sync();
        assert_eq!(api.charged() - charged, 1);
    }
    assert_no_trace(&home);
    assert_eq!(home.count("SELECT count(*) FROM message_log"), 38);
}

#[test]
fn one_message_goes_and_its_neighbours_stay() {
    let (api, home) = canaries();
    let id = home.count("SELECT message_id FROM message_log WHERE text = 'xylographic quokka manifesto'");
    let all = home.count("SELECT count(*) FROM message_log");
    let told = erase(&home, &["--message", &id.to_string()]);
    assert_eq!(told["messages"], 1);
    assert_eq!(holding(&home, CANARY), Vec::<String>::new());
    assert_eq!(holding(&home, BEFORE_EDIT), Vec::<String>::new());
    let charged = api.charged();
    home.sync();
    home.sync();
    assert_eq!((api.charged() - charged, home.count("SELECT count(*) FROM message_log")), (2, all - 1));
    home.run(&["verify"]).expect(0);
}

#[test]
fn retention_erases_what_is_too_old_once_a_day_but_not_what_is_on_hold() {
    let (api, home) = canaries();
    let thread = home.sql::<String>("SELECT thread FROM conversation WHERE name = 'Ada Example'").remove(0);
    home.edit("[budget]", &format!("[retention]\nkeep_days = 1\nhold = [{thread:?}]\n\n[budget]"));
    home.sync();
    // All of it was sent long ago.
    assert_eq!(home.sql::<String>("SELECT DISTINCT conversation FROM message_log"), ["Ada Example"]);
    assert_eq!(home.sql::<String>("SELECT selector FROM erasure_log").len(), 1);
    let held = erase(&home, &["--conversation", "Ada Example"]);
    assert_eq!((&held["messages"], &held["on_hold"]), (&0.into(), &35.into()));
    let charged = api.charged();
    home.sync();
    assert_eq!(api.charged() - charged, 1);
    home.run(&["verify"]).expect(0);
    assert_eq!(holding(&home, CANARY), Vec::<String>::new());
}

#[test]
fn retention_erases_nothing_while_the_clock_disagrees_with_that_of_the_api() {
    const YEARS: i64 = 9 * 365 * 86_400_000;
    let (api, home) = canaries();
    home.edit("[budget]", "[retention]\nkeep_days = 1\n\n[budget]");
    let stored = home.count("SELECT count(*) FROM message_log");
    api.server().behaviour.date_ahead_ms = Some(-YEARS);
    let ran = home.run(&["sync", "--once"]);
    assert!(ran.stderr.contains("retention waits"), "{ran:?}");
    // An API that cannot be reached does not say what time it is.
    api.server().faults.add(FaultRule::always(Fault::CloseBefore));
    home.run(&["sync", "--once"]).expect(69);
    assert_eq!(home.count("SELECT count(*) FROM message_log"), stored);
    api.server().faults.clear();
    api.server().behaviour.date_ahead_ms = Some(0);
    home.sync();
    assert_eq!(home.count("SELECT count(*) FROM message_log"), 0);
}

#[test]
fn a_first_archive_with_retention_buys_nothing_that_is_too_old() {
    let api = FakeApi::serve(server(&[("Ada Example", 135), ("Ben Sample", 30)]));
    let home = discovering(&api, "v1");
    home.edit("[budget]", "[retention]\nkeep_days = 1\n\n[budget]");
    home.sync_until_complete();
    assert!(api.charged() <= 5, "{}", api.charged());
    assert_eq!(home.count("SELECT count(*) FROM message_log"), 0);
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_backup_that_is_restored_loses_what_was_erased_since() {
    let (api, home) = canaries();
    home.run(&["backup", "copy.db"]).expect(0);
    erase(&home, &["--person", NAME]);
    home.run(&["restore", "copy.db", "--json"]).expect(0);
    fs::remove_file(home.path("copy.db")).unwrap();
    for aside in home.files().iter().filter(|name| name.contains(".replaced")) {
        fs::remove_file(home.path(aside)).unwrap();
    }
    assert_no_trace(&home);
    let charged = api.charged();
    home.sync_until_complete();
    assert!(api.charged() - charged <= 3, "{}", api.charged() - charged);
    assert_no_trace(&home);
}

#[test]
fn the_erasures_of_another_archive_are_repeated() {
    let (api, home) = canaries();
    let other = home.copy();
    erase(&home, &["--person", NAME]);
    erase(&home, &["--conversation", "Ben Sample", "--and-future"]);
    let log = home.archive();
    let told = erase(&other, &["--from-log", log.to_str().unwrap()]);
    assert_eq!(told["proof"]["found"], 0);
    assert_no_trace(&other);
    let same = "SELECT count(*) FROM message_log";
    assert_eq!(other.count(same), home.count(same));
    drop(api);
}

#[test]
fn an_erasure_that_is_not_confirmed_or_not_said_changes_nothing() {
    let (api, home) = canaries();
    let before = fs::read(home.archive()).unwrap();
    home.run(&["erase"]).expect(2);
    home.run(&["erase", "--person", "Quetz", "--yes"]).expect(2);
    home.run(&["erase", "--person", NAME]).expect(2);
    home.run(&["erase", "--message", "1", "--yes"]).expect(2);
    assert_eq!(fs::read(home.archive()).unwrap(), before);
    assert_complete(&home, &api.server());
}

#[test]
fn killed_at_any_point_an_erasure_is_not_begun_or_is_finished_at_the_next_opening() {
    let (_api, home) = canaries();
    let whole = fs::metadata(home.archive()).unwrap().len() / 512;
    let of_hers = home.count("SELECT count(*) FROM message_log WHERE sender LIKE 'Quetz%'");
    let all = home.count("SELECT count(*) FROM message_log");
    let mut seen = (0, 0);
    let steps: Vec<u64> = (1..2 * whole).step_by(37).collect();
    for blocks in sample(steps, 3) {
        let home = home.copy();
        let shell = format!("ulimit -c 0; ulimit -f {blocks}");
        let ended =
            Process::start(&mut home.archiver_after(&shell, &["erase", "--person", NAME, "--yes"])).finish();
        home.run(&["erase", "--finish"]).expect(0);
        let left = home.count("SELECT count(*) FROM message_log");
        if left == all {
            assert_ne!(ended.code, Some(0));
            assert!(!holding(&home, CANARY).is_empty());
            seen.0 += 1;
        } else {
            assert_eq!(left, all - of_hers, "beyond {blocks} blocks: {ended:?}");
            assert_eq!(holding(&home, CANARY), Vec::<String>::new(), "beyond {blocks} blocks: {ended:?}");
            assert_eq!(holding(&home, NAME), Vec::<String>::new());
            seen.1 += usize::from(ended.code != Some(0));
        }
        home.run(&["verify"]).expect(0);
    }
    assert!(seen.0 > 0, "{seen:?}");
}

#[test]
fn a_reader_keeps_the_old_pages_until_it_ends_which_is_said() {
    let (_api, home) = canaries();
    let reader = rusqlite::Connection::open(home.archive()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    let said = home.run(&["erase", "--person", NAME, "--yes"]).expect(74);
    assert!(said.stderr.contains("erase --finish"), "{}", said.stderr);
    assert!(home.run(&["status"]).stdout.contains("an erasure is not finished"));
    home.run(&["verify"]).expect(1);
    drop(reader);
    home.run(&["erase", "--finish"]).expect(0);
    assert_no_trace(&home);
}

#[test]
fn what_one_person_wrote_is_handed_over_and_nothing_of_others() {
    let (_api, home) = canaries();
    let args = ["export", "--person", NAME, "--format", "jsonl", "--out", "hers.jsonl"];
    home.run(&args).expect(0);
    let text = fs::read_to_string(home.path("hers.jsonl")).unwrap();
    let of_hers = home.count("SELECT count(*) FROM message_log WHERE sender LIKE 'Quetz%'");
    let kind = |line: &str, kind: &str| line.contains(&format!("\"{kind}\""));
    let messages = text.lines().filter(|line| kind(line, "message_log") || kind(line, "entity_urn")).count();
    assert!(text.contains(CANARY) && text.contains(BEFORE_EDIT), "former versions as well");
    assert!(!text.contains("Ada Example") && !text.contains("Ben Sample") && !text.contains("noted"));
    assert_eq!(i64::try_from(messages).unwrap(), of_hers, "{text}");
    home.run(&["export", "--person", NAME, "--format", "html", "--out", "hers"]).expect(0);
    let index = fs::read_to_string(home.path("hers/index.html")).unwrap();
    assert!(index.contains(NAME) && !index.contains("Ada Example"), "{index}");
    // What others wrote would be missing from what goes on from there.
    let on = home.run(&["export", "--format", "html", "--out", "hers", "--since-last"]);
    assert!(on.code != Some(0) && on.stderr.contains("another selection"), "{on:?}");
    home.run(&["export", "--person", "Quetz", "--format", "jsonl", "--out", "-"]).expect(2);
}

#[test]
fn backups_from_before_an_erasure_are_named_until_they_are_gone() {
    let (_api, home) = canaries();
    home.run(&["backup", "copy.db"]).expect(0);
    assert!(!home.run(&["status"]).stdout.contains("copy.db"));
    erase(&home, &["--person", NAME]);
    let named = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(named["erasures"]["backups_before"].as_array().unwrap().len(), 1);
    assert!(home.run(&["status"]).stdout.contains("copy.db: made before the last erasure"));
    home.run(&["backup", "copy.db"]).expect(0);
    assert!(!home.run(&["status"]).stdout.contains("copy.db"));
}

#[test]
fn an_export_that_goes_on_forgets_what_was_erased_since() {
    let (_api, home) = canaries();
    let mut formats = vec![("html", "pages"), ("markdown", "notes"), ("jsonl", "all.jsonl")];
    formats.extend(cfg!(feature = "parquet").then_some(("parquet", "lake")));
    let export = |(format, out): &(&str, &str)| {
        home.run(&["export", "--format", format, "--out", out, "--since-last"]).expect(0);
    };
    formats.iter().for_each(export);
    erase(&home, &["--person", NAME]);
    formats.iter().for_each(export);
    for (_, folder) in formats.iter().filter(|(format, _)| *format != "jsonl") {
        for file in files(&home.path(folder)) {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).to_lowercase();
            assert!(!text.contains("quokka") && !text.contains("quetzalina"), "{file:?}");
        }
    }
    // The first part holds it, the second says that it was erased.
    let names: Vec<String> = home.files().into_iter().filter(|name| name.starts_with("all")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    home.run(&["import", "jsonl", "all.jsonl", "all.0001.jsonl", "--archive", "again.db"]).expect(0);
    let texts = home.run(&["search", "quokka", "--json", "--archive", "again.db"]).expect(0).stdout;
    assert_eq!(texts, "");
    home.run(&["verify", "again.db"]).expect(0);
}

#[test]
fn a_profile_that_is_stopped_before_it_was_ever_asked_stays_so_when_the_inbox_shows_it() {
    let api = FakeApi::serve(server(&[(NAME, 24), ("Ada Example", 35)]));
    let mut home = Home::of(&api, "v1");
    // Before it is asked for, the other one is.
    api.server().faults.add(FaultRule::once(Fault::http(503)));
    home.run(&["sync", "--once", "--budget", "1"]);
    let unknown = "SELECT profile_url FROM conversation WHERE thread IS NULL";
    assert_eq!(home.sql::<String>(unknown).len(), 1);
    erase(&home, &["--conversation", &home.sql::<String>(unknown)[0], "--and-future"]);
    home.env("ARCHIVER_SYNC__INBOX", "discover");
    home.sync_until_complete();
    home.sync();
    assert_eq!(home.sql::<String>("SELECT DISTINCT conversation FROM message_log"), ["Ada Example"]);
    assert_eq!(holding(&home, NAME), Vec::<String>::new());
}
