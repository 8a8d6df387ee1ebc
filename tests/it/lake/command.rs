//! `archiver lake` and `export --format delta` as a person and the service run them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use fake_linkup::Author;
use rusqlite::Connection;

use crate::binary::{FakeApi, HOUR, Home, Process, START, server};
use crate::support::export::files;
use crate::support::lake::{differences, parquet_rows};

const CANARY: &str = "xylographic quokka manifesto";

fn discovering(api: &FakeApi) -> Home {
    let mut home = Home::empty();
    home.discovers(0);
    home.point_at(api, "v1");
    home
}

fn served() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 35), ("Ben Sample", 24), ("Cy Muster", 3)]))
}

#[track_caller]
fn assert_same(home: &Home, lake: &str) {
    let archive = Connection::open(home.archive()).unwrap();
    let root = home.path(lake);
    let wrong = differences(&[&archive], &|key| fs::read(root.join(key)).ok().map(Bytes::from));
    assert_eq!(wrong, Vec::<String>::new());
}

fn configure(home: &Home, lines: &str) {
    let path = home.path("archiver.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}\n[lake]\n{lines}\n")).unwrap();
}

/// The Parquet files of a lake in which a text stands.
fn holding(lake: &Path, text: &str) -> usize {
    let all = files(lake).into_iter().filter(|file| file.extension().is_some_and(|e| e == "parquet"));
    let all = all.filter(|file| !file.to_string_lossy().contains("_delta_log"));
    all.filter(|file| {
        let rows = parquet_rows(fs::read(file).unwrap().into());
        rows.iter().any(|row| row.values().any(|value| value.contains(text)))
    })
    .count()
}

#[test]
fn each_push_adds_what_changed_and_an_erasure_reaches_every_file() {
    let api = served();
    let home = discovering(&api);
    let index = {
        let mut server = api.server();
        server.mailbox_mut(0).unwrap().send(1, Author::Other(0), START + 500 * HOUR, CANARY).unwrap()
    };
    home.sync_until_complete();
    let first = home.run(&["export", "--format", "delta", "--out", "lake"]).expect(0);
    assert!(first.stdout.contains("messages"), "{}", first.stdout);
    assert_same(&home, "lake");
    assert_eq!(holding(&home.path("lake"), CANARY), 1);
    let again = home.run(&["lake", "push", "--out", "lake"]).expect(0);
    assert!(again.stdout.starts_with("Nothing has changed"), "{}", again.stdout);
    assert!(api.server().mailbox_mut(0).unwrap().edit(1, index, "something else"));
    api.server().mailbox_mut(0).unwrap().send(1, Author::Owner, START + 501 * HOUR, "noted").unwrap();
    home.sync_until_complete();
    let behind = home.run(&["lake", "verify", "--out", "lake", "--json"]).expect(0).json();
    assert!(behind["differences"].as_array().unwrap().iter().all(|d| d["is_pending"] == true), "{behind}");
    let some = home.run(&["lake", "push", "--out", "lake", "--json"]).expect(0).json();
    assert_eq!(some["whole"], false);
    assert_same(&home, "lake");
    assert_eq!(holding(&home.path("lake"), CANARY), 2, "replaced files stay for a day, and a version has it");
    home.run(&["erase", "--person", "Ben Sample", "--yes"]).expect(0);
    home.run(&["lake", "push", "--out", "lake"]).expect(0);
    assert_same(&home, "lake");
    assert_eq!(holding(&home.path("lake"), CANARY), 0);
    assert_eq!(holding(&home.path("lake"), "Ben Sample"), 0);
    let report = home.run(&["lake", "verify", "--out", "lake", "--json"]).expect(0).json();
    assert_eq!(
        (&report["ok"], report["differences"].as_array().unwrap().len()),
        (&true.into(), 0),
        "{report}"
    );
}

#[test]
fn a_name_that_goes_from_other_peoples_messages_goes_from_the_copies_as_well() {
    let home = Home::empty();
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\ncountry = \"FR\"\nowner_name = \"Me\"\n");
    home.write(
        "messages.csv",
        "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,CONTENT,FOLDER,IS MESSAGE DRAFT\n\
         2-QUJD=,,Ada Example,,Me,2021-02-02 10:00:00 UTC,hello,INBOX,No\n\
         2-REVG=,Rowing club,Ben Sample,,\"Me,Ada Example\",2021-02-01 10:00:00 UTC,regatta,INBOX,No\n",
    );
    home.run(&["import", "linkedin-export", "messages.csv"]).expect(0);
    let parquet = ["export", "--format", "parquet", "--out", "months", "--since-last"];
    let copy = || {
        home.run(&["lake", "push", "--out", "lake"]).expect(0);
        home.run(&parquet).expect(0);
    };
    copy();
    assert!(
        holding(&home.path("lake"), "Ada Example") > 0 && holding(&home.path("months"), "Ada Example") > 0
    );
    home.run(&["erase", "--person", "Ada Example", "--yes"]).expect(0);
    copy();
    assert_same(&home, "lake");
    for folder in ["lake", "months"] {
        assert_eq!(holding(&home.path(folder), "Ada Example"), 0, "{folder}");
        assert_eq!(holding(&home.path(folder), "regatta"), 1, "{folder}");
    }
    home.run(&["lake", "verify", "--out", "lake"]).expect(0);
    let news = "SELECT count(*) FROM change_log WHERE kind = 'edited' AND history = 0";
    assert_eq!(home.count(news), 0, "nobody is notified of it");
    home.run(&["verify"]).expect(0);
}

#[test]
fn verify_finds_a_file_that_was_lost_or_changed() {
    let api = served();
    let home = discovering(&api);
    home.sync_until_complete();
    home.run(&["lake", "push", "--out", "lake"]).expect(0);
    let messages = home.path("lake").join("messages");
    let data =
        files(&messages).into_iter().find(|file| file.extension().is_some_and(|e| e == "parquet")).unwrap();
    let kept = fs::read(&data).unwrap();
    fs::remove_file(&data).unwrap();
    let report = home.run(&["lake", "verify", "--out", "lake"]).expect(1);
    assert!(
        report.stdout.contains("messages") && report.stdout.contains("0 rows in the lake"),
        "{}",
        report.stdout
    );
    fs::write(&data, kept).unwrap();
    home.run(&["lake", "verify", "--out", "lake"]).expect(0);
    fs::rename(messages.join("_delta_log"), home.path("log")).unwrap();
    let report = home.run(&["lake", "verify", "--out", "lake", "--json"]).expect(1).json();
    assert!(report["differences"].as_array().unwrap().iter().all(|d| d["is_pending"] == false), "{report}");
}

#[test]
fn runs_push_to_the_configured_lake_and_a_failing_one_stands_in_the_status() {
    let api = served();
    let home = discovering(&api);
    configure(&home, "path = \"lake\"");
    home.sync();
    assert_same(&home, "lake");
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(
        (&status["lake"]["behind"], &status["lake"]["failing_since"]),
        (&0.into(), &().into()),
        "{status}"
    );
    assert!(home.run(&["status"]).expect(0).stdout.contains("up to date"));
    fs::rename(home.path("lake"), home.path("elsewhere")).unwrap();
    fs::write(home.path("lake"), "a file").unwrap();
    api.server().mailbox_mut(0).unwrap().send(1, Author::Owner, START + 501 * HOUR, "noted").unwrap();
    home.sync();
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert!(status["lake"]["behind"].as_i64().unwrap() > 0, "{status}");
    assert!(status["lake"]["last_error"].is_string(), "{status}");
    assert!(status["attention"].to_string().contains("the lake could not be pushed to"), "{status}");
    fs::remove_file(home.path("lake")).unwrap();
    fs::rename(home.path("elsewhere"), home.path("lake")).unwrap();
    home.run(&["lake", "push"]).expect(0);
    home.run(&["lake", "verify"]).expect(0);
    assert_same(&home, "lake");
}

#[test]
fn a_push_that_is_killed_at_any_moment_is_made_good_by_the_next_one() {
    let api = served();
    let home = discovering(&api);
    home.sync_until_complete();
    for ms in [2, 5, 9, 14, 20, 27, 35, 44, 54, 65, 80, 100] {
        let lake = format!("lake-{}", ms % 3);
        let mut killed = Process::start(&mut home.archiver(&["lake", "push", "--out", &lake]));
        std::thread::sleep(Duration::from_millis(ms));
        killed.child().kill().unwrap();
        drop(killed.finish());
        api.server()
            .mailbox_mut(0)
            .unwrap()
            .send(1, Author::Owner, START + (600 + ms.cast_signed()) * HOUR, "more")
            .unwrap();
        home.sync();
    }
    for lake in ["lake-0", "lake-1", "lake-2"] {
        home.run(&["lake", "push", "--out", lake]).expect(0);
        assert_same(&home, lake);
        home.run(&["lake", "verify", "--out", lake]).expect(0);
    }
}

#[test]
fn what_a_lake_cannot_do_is_refused_with_what_to_do_instead() {
    let api = served();
    let home = discovering(&api);
    home.sync();
    let partial = home.run(&["export", "--format", "delta", "--out", "lake", "--in", "Ada"]).expect(2);
    assert!(partial.stderr.contains("--in does not work"), "{}", partial.stderr);
    let none = home.run(&["lake", "push"]).expect(2);
    assert!(none.stderr.contains("lake.path"), "{}", none.stderr);
    fs::write(home.path("file"), "x").unwrap();
    let file = home.run(&["lake", "push", "--out", "file"]).expect(74);
    assert!(file.stderr.contains("file"), "{}", file.stderr);
}
