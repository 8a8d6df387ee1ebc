//! `archiver demo`: the first thing that anybody runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use crate::binary::Home;

/// The first line with these words.
fn line<'a>(stdout: &'a str, words: &str) -> &'a str {
    let found = stdout.lines().find(|line| line.contains(words));
    found.unwrap_or_else(|| panic!("{words:?} is not in {stdout}"))
}

/// The numbers in a text, in order.
fn numbers(text: &str) -> Vec<i64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn archive(home: &Home) -> Connection {
    Connection::open(home.path("archiver-demo/archive.db")).unwrap()
}

fn count(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Conversation, sender and text of all messages, oldest first.
fn messages(home: &Home) -> Vec<(String, String, String)> {
    let db = archive(home);
    let sql = "SELECT conversation_id, sender, text FROM message_log ORDER BY conversation_id, sent_at_ms, message_id";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn the_demo_tells_a_story_whose_numbers_add_up() {
    let home = Home::empty();
    let ran = home.run(&["demo"]).expect(0);
    assert_eq!(ran.stderr, "");
    let told = ran.stdout.as_str();
    assert!(told.starts_with("This is the real program against a made-up LinkupAPI"), "{told}");
    let db = archive(&home);

    // Every run says how much is new; their sum is what is there.
    let reports = told.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit()));
    let runs: Vec<i64> =
        reports.filter(|l| l.contains(" new message")).map(|line| numbers(line)[0]).collect();
    let [first, second, third, idle, last] = runs[..] else { panic!("{runs:?} in {told}") };
    assert!(first > 0 && second > 0 && idle == 0, "{runs:?}");
    let sum = numbers(line(told, "The runs archived"));
    let all = count(&db, "SELECT count(*) FROM message_log");
    assert_eq!((&sum[..5], sum[5]), (&[first, second, third, 0, last][..], all));
    assert_eq!(first + second + third + last, all);

    // What arrived is what the next run finds, but for what the inbox hides and what nobody could see.
    let (_, rest) = told.split_once("Meanwhile, ").unwrap();
    let happened = numbers(rest.split("\n\n").next().unwrap());
    let [arrived, shown, hidden, withdrawn, edited, recalled, deleted] = happened[..] else {
        panic!("{happened:?} in {told}")
    };
    assert_eq!((arrived, shown), (shown + hidden + withdrawn, third), "{told}");
    assert!(hidden > 0 && withdrawn > 0, "{told}");
    let changed = count(&db, "SELECT count(*) FROM message_log WHERE versions > 1");
    let gone = count(&db, "SELECT count(*) FROM message_log WHERE gone_since IS NOT NULL");
    assert_eq!((changed, gone), (edited + recalled, deleted));

    // The first comparison misses one conversation, the second nothing.
    let compared = numbers(line(told, "are in the archive, identical"));
    assert_eq!((compared[0] + compared[2], compared[1], compared[2]), (all, all, last));
    assert_eq!(&numbers(line(told, ", identical: URN"))[..2], [all, all]);
    let kept = numbers(line(told, "LinkedIn still shows"));
    assert_eq!((kept[0] + kept[1], kept[1]), (all, gone));
    assert_eq!(count(&db, "SELECT count(*) FROM conversation_log WHERE complete = 0"), 0);
}

#[test]
fn what_the_demo_leaves_can_be_looked_at() {
    let home = Home::empty();
    let ran = home.run(&["demo"]).expect(0);
    // What it proposes to try works as it stands, and there is nothing to warn of.
    let (_, proposed) = ran.stdout.split_once("What to try next").unwrap();
    let commands: Vec<&str> = proposed.lines().filter(|l| l.starts_with("  ")).map(str::trim).collect();
    assert_eq!(commands.len(), 5, "{proposed}");
    // The last one goes on until it is stopped, and has tests of its own.
    let (serve, others) = commands.split_last().unwrap();
    assert!(serve.ends_with("--config archiver-demo/archiver.toml serve"), "{serve}");
    for command in others {
        let done = std::process::Command::new("sh").args(["-c", command]).current_dir(home.dir()).output();
        let done = done.unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && !done.stdout.is_empty() && stderr.is_empty(), "{command}: {stderr}");
    }
    let config = fs::read_to_string(home.path("archiver-demo/archiver.toml")).unwrap();
    assert!(config.contains(line(&ran.stdout, "conversations = [\"2-").trim()), "{config}");
    for secret in ["api_key", "login_token"] {
        let mode = fs::metadata(home.path("archiver-demo").join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
}

#[test]
fn nobody_in_the_demo_says_the_same_twice_in_a_row() {
    let home = Home::empty();
    home.run(&["demo"]).expect(0);
    let mut said: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (at, (conversation, _, text)) in messages(&home).into_iter().enumerate() {
        // Short answers are the same in many dialogues.
        if text.chars().count() > 20 {
            let before = said.insert((conversation, text.clone()), at);
            assert!(before.is_none_or(|b| at - b > 60), "{text}");
        }
    }
}

#[test]
fn the_demo_runs_again_where_it_ran_before_and_is_the_same() {
    let home = Home::empty();
    let first = home.run(&["demo"]).expect(0);
    let archived = messages(&home);
    fs::write(home.path("archiver-demo/note"), "of the first time").unwrap();
    let again = home.run(&["demo"]).expect(0);
    assert_eq!(again.stdout.lines().count(), first.stdout.lines().count());
    assert_eq!(messages(&home), archived);
    assert!(!home.path("archiver-demo/note").exists());
    assert_eq!(home.files(), ["archiver-demo"]);
}

#[test]
fn the_demo_touches_no_folder_that_is_not_its_own() {
    let home = Home::empty();
    fs::create_dir(home.path("archiver-demo")).unwrap();
    home.write("archiver-demo/precious", "mine");
    let ran = home.run(&["demo"]).expect(2);
    assert!(ran.stderr.contains("was not made by a demo"), "{ran:?}");
    // The first line does not wait for anything.
    assert!(ran.stdout.starts_with("This is the real program"), "{ran:?}");
    assert_eq!(fs::read_to_string(home.path("archiver-demo/precious")).unwrap(), "mine");
}
