//! `archiver demo`: the first thing that anybody runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use crate::binary::Home;

#[test]
fn the_demo_runs_in_an_empty_folder_and_leaves_an_archive_to_look_at() {
    let home = Home::empty();
    let ran = home.run(&["demo"]).expect(0);
    for words in [
        "no key, no credits, no network",
        "The budget is used up",
        "Complete; nothing is missing since",
        "Last run",
        "What to try next",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} is not in {}", ran.stdout);
    }
    assert!(!ran.stderr.contains("ERROR") && !ran.stderr.contains("error"), "{}", ran.stderr);

    let db = Connection::open(home.path("archiver-demo/archive.db")).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(count("SELECT count(*) FROM message_log") > 100);
    assert_eq!(count("SELECT count(*) FROM conversation_log WHERE complete = 0"), 0);
    // What it proposes to try works as it stands.
    let proposed: Vec<&str> = ran.stdout.lines().filter_map(|l| l.split('"').nth(1)).collect();
    assert_eq!(proposed.len(), 3, "{}", ran.stdout);
    for sql in proposed {
        assert!(db.prepare(sql).unwrap().query([]).unwrap().next().unwrap().is_some(), "{sql}");
    }
    let status = home.run(&["--config", "archiver-demo/archiver.toml", "status"]).expect(0);
    assert!(status.stdout.contains("complete, 0 gaps"), "{status:?}");
    // Its made-up secrets are kept as the documentation wants real ones kept: there is nothing to warn of.
    for secret in ["api_key", "login_token"] {
        let mode = fs::metadata(home.path("archiver-demo").join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    assert_eq!((status.stderr.as_str(), ran.stderr.contains("WARN")), ("", false));
}

#[test]
fn the_demo_runs_again_where_it_ran_before() {
    let home = Home::empty();
    let first = home.run(&["demo"]).expect(0);
    fs::write(home.path("archiver-demo/note"), "of the first time").unwrap();
    let again = home.run(&["demo"]).expect(0);
    assert_eq!(again.stdout.lines().count(), first.stdout.lines().count());
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
    assert_eq!(fs::read_to_string(home.path("archiver-demo/precious")).unwrap(), "mine");
}
