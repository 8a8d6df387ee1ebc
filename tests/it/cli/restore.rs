//! `archiver restore`: a backup in the archive's place, with no credit to be spent twice.

use std::fs;

use fake_linkup::{Author, Fault, FaultRule};
use rustix::process::Signal;

use crate::binary::{FakeApi, HOUR, Home, Process, START, assert_complete, assert_sound, server};

fn people() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 60), ("Ben Sample", 3)]))
}

fn news(api: &FakeApi, count: i64) {
    let mut server = api.server();
    let mailbox = server.mailbox_mut(0).unwrap();
    for n in 0..count {
        mailbox.send(0, Author::Other(0), START + (900 + n) * HOUR, "news").unwrap();
    }
}

fn spent(home: &Home) -> i64 {
    home.run(&["status", "--json"]).expect(0).json()["credits"]["spent_today"].as_i64().unwrap()
}

#[test]
fn what_was_spent_since_the_backup_is_in_the_ledger_and_the_messages_come_again() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    home.run(&["backup", "copy.db"]).expect(0);
    news(&api, 25);
    home.sync();
    assert_eq!(home.count("SELECT count(*) FROM message_log"), 88);
    let before = spent(&home);
    assert_eq!(before, api.charged());
    let replaced = fs::read(home.archive()).unwrap();

    let summary = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert_eq!((&summary["messages"], &summary["ledger_from"]), (&63.into(), &"archive".into()));
    assert!(summary["credits_booked"].as_i64().unwrap() > 0, "{summary}");
    assert_eq!(spent(&home), before);
    assert_eq!(home.count("SELECT count(*) FROM message_log"), 63);
    home.run(&["verify"]).expect(0);
    // The replaced archive is kept as it was, apart from its log.
    let aside = summary["replaced"].as_str().unwrap();
    assert_eq!(fs::read(aside).unwrap().len(), replaced.len());
    let kept = home.run(&["status", "--json", "--archive", aside]).expect(0).json();
    assert_eq!(kept["messages"], 88);
    assert!(!home.path("archive.db.restoring").exists());

    home.sync_until_complete();
    assert_complete(&home, &api.server());
    assert_sound(&home, api.charged());
}

#[test]
fn that_the_erasures_of_a_damaged_archive_are_not_known_is_said() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    home.run(&["backup", "copy.db"]).expect(0);
    home.run(&["erase", "--person", "Ben Sample", "--yes"]).expect(0);
    let whole = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert_eq!((whole["erasures"].as_array().unwrap().len(), &whole["erased"]), (1, &2.into()), "{whole}");
    fs::write(home.archive(), [b'x'; 8192]).unwrap();
    let blind = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert_eq!((&blind["erasures"], &blind["erased"]), (&().into(), &0.into()), "{blind}");
    fs::write(home.archive(), [b'x'; 8192]).unwrap();
    let ran = home.run(&["restore", "copy.db"]).expect(0);
    assert!(ran.stdout.contains("anything erased since the backup is there again"), "{ran:?}");
}

#[test]
fn what_was_spent_after_a_clock_ahead_was_set_right_is_carried_too() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once", "--budget", "2"]).expect(0);
    let db = rusqlite::Connection::open(home.archive()).unwrap();
    // Further ahead, and nothing would be spent.
    db.execute_batch(
        "UPDATE request SET at_ms = at_ms + 540000;
         DELETE FROM spent;
         INSERT INTO spent (day_ms, account, credits)
           SELECT at_ms / 86400000 * 86400000, account, sum(credits_spent) FROM request GROUP BY 1, 2;",
    )
    .unwrap();
    drop(db);
    home.run(&["backup", "copy.db"]).expect(0);
    home.sync();
    let booked = "SELECT sum(credits_spent) FROM request";
    assert_eq!(home.count(booked), api.charged());
    // Nothing else remembers.
    fs::remove_file(home.path("archive.db.lock")).unwrap();
    let summary = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert_eq!((&summary["ledger_from"], home.count(booked)), (&"archive".into(), api.charged()));
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_restored_day_cannot_be_spent_twice() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.run(&["sync", "--once", "--budget", "2"]).expect(0);
    home.run(&["backup", "copy.db"]).expect(0);
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "5");
    home.run(&["sync", "--once"]).expect(0);
    assert_eq!(api.charged(), 5);
    home.run(&["restore", "copy.db"]).expect(0);
    home.run(&["sync", "--once"]).expect(0);
    assert_eq!(api.charged(), 5, "the cap of the day is used up");
}

#[test]
fn without_the_old_ledger_the_caps_count_as_spent_unless_told_otherwise() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "30");
    home.run(&["sync", "--once", "--budget", "2"]).expect(0);
    home.run(&["backup", "copy.db"]).expect(0);
    for lost in [true, false] {
        match lost {
            true => fs::remove_file(home.archive()).unwrap(),
            false => fs::write(home.archive(), "not what it was").unwrap(),
        }
        fs::remove_file(home.path("archive.db.lock")).unwrap();
        let ran = home.run(&["restore", "copy.db"]).expect(0);
        assert!(ran.stdout.contains("28 credits of the caps count as spent"), "{ran:?}");
        assert_eq!(ran.stdout.contains("is kept as"), !lost, "{ran:?}");
        assert_eq!(spent(&home), 30);
    }
    let charged = api.charged();
    home.run(&["sync", "--once"]).expect(0);
    assert_eq!(api.charged(), charged);
    fs::remove_file(home.archive()).unwrap();
    let summary = home.run(&["restore", "copy.db", "--spent", "3", "--json"]).expect(0).json();
    assert_eq!((&summary["ledger_from"], spent(&home)), (&"given".into(), 5));
    home.run(&["verify"]).expect(0);
    home.sync_until_complete();
    assert_complete(&home, &api.server());
}

#[test]
fn without_the_old_ledger_the_balance_tells_what_was_spent() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_BUDGET__RECONCILE", "true");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "500");
    home.sync();
    home.run(&["backup", "copy.db"]).expect(0);
    news(&api, 25);
    home.sync();
    let charged = api.charged();
    fs::remove_file(home.archive()).unwrap();
    fs::remove_file(home.path("archive.db.lock")).unwrap();
    let summary = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert_eq!(summary["ledger_from"], "balance", "{summary}");
    assert_eq!(spent(&home), charged);
}

#[test]
fn without_the_old_ledger_its_lock_tells_what_was_spent() {
    for lost in [true, false] {
        let api = people();
        let mut home = Home::of(&api, "v1");
        home.run(&["sync", "--once", "--budget", "2"]).expect(0);
        home.run(&["backup", "copy.db"]).expect(0);
        home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "5");
        home.run(&["sync", "--once"]).expect(0);
        match lost {
            true => fs::remove_file(home.archive()).unwrap(),
            false => fs::write(home.archive(), "not what it was").unwrap(),
        }
        let summary = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
        assert_eq!((&summary["ledger_from"], &summary["credits_booked"]), (&"lock".into(), &3.into()));
        assert_eq!(spent(&home), 5);
        home.run(&["verify"]).expect(0);
        home.run(&["sync", "--once"]).expect(0);
        assert_eq!((api.charged(), spent(&home)), (5, 5), "the cap of the day is used up");
        home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "500");
        home.sync_until_complete();
        assert_complete(&home, &api.server());
        assert_sound(&home, api.charged());
    }
}

#[test]
fn what_the_user_says_was_spent_is_not_booked_again_by_the_next_run() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once", "--budget", "2"]).expect(0);
    home.run(&["backup", "copy.db"]).expect(0);
    home.sync();
    fs::remove_file(home.archive()).unwrap();
    home.run(&["restore", "copy.db", "--spent", "1"]).expect(0);
    assert_eq!(spent(&home), 3);
    let before = api.charged();
    home.sync();
    assert_eq!(spent(&home), 3 + api.charged() - before);
}

#[test]
fn an_archive_behind_a_link_is_restored_where_it_is() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    home.run(&["backup", "copy.db"]).expect(0);
    fs::create_dir(home.path("disk")).unwrap();
    fs::rename(home.archive(), home.path("disk/real.db")).unwrap();
    std::os::unix::fs::symlink(home.path("disk/real.db"), home.archive()).unwrap();
    let summary = home.run(&["restore", "copy.db", "--json"]).expect(0).json();
    assert!(summary["replaced"].as_str().unwrap().contains("disk/real.db.replaced-"), "{summary}");
    assert!(home.archive().is_symlink() && home.path("disk/real.db").is_file());
    home.run(&["verify"]).expect(0);
}

#[test]
fn a_restore_is_refused_while_something_writes_and_where_the_backup_is_no_good() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    home.run(&["backup", "copy.db"]).expect(0);
    api.server().faults.add(FaultRule::once(Fault::Hang));
    let requests = api.requests_as_they_come();
    let once = Process::start(&mut home.archiver(&["sync", "--once"]));
    requests.recv().unwrap();
    let ran = home.run(&["restore", "copy.db"]).expect(75);
    assert!(ran.stderr.contains("`restore` need it stopped"), "{ran:?}");
    // Even if the file of its lock is gone.
    fs::remove_file(home.path("archive.db.lock")).unwrap();
    home.run(&["restore", "copy.db"]).expect(75);
    once.signal(Signal::KILL);
    once.finish();

    let mut damaged = fs::read(home.path("copy.db")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 9_000].fill(0xff);
    fs::write(home.path("damaged.db"), damaged).unwrap();
    home.write("letter.txt", "Dear diary,\n");
    home.write("empty.db", "");
    fs::copy(home.path("copy.db"), home.path("foreign.db")).unwrap();
    let foreign = rusqlite::Connection::open(home.path("foreign.db")).unwrap();
    foreign.execute_batch("CREATE VIEW mine AS SELECT 1").unwrap();
    drop(foreign);
    let (archive, files) = (fs::read(home.archive()).unwrap(), home.files());
    for (backup, code, said) in [
        ("damaged.db", 1, "is damaged and was not restored"),
        ("letter.txt", 74, "is not an archive"),
        ("empty.db", 74, "is not an archive"),
        ("foreign.db", 74, "foreign.db is not as this program makes it"),
        ("absent.db", 74, "there is none yet"),
        ("archive.db", 2, "that is the archive itself"),
    ] {
        let ran = home.run(&["restore", backup]).expect(code);
        assert!(ran.stderr.contains(said), "{backup}: {ran:?}");
    }
    assert!(fs::read(home.archive()).unwrap() == archive);
    assert_eq!(home.files(), files);
}
