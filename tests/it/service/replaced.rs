//! An archive that is deleted, renamed, replaced or overwritten, under the running service or while nothing runs.

use std::fs;
use std::path::Path;

use fake_linkup::{Author, Fault, FaultRule};
use rustix::process::Signal;

use super::{HARDLY_EVER, Service, home, until};
use crate::binary::{FakeApi, HOUR, Home, Process, Ran, assert_complete, assert_sound, server};

const BOOKED: &str = "SELECT sum(ifnull(credits_spent, credits_reserved)) FROM request";

/// New messages in the first conversation.
fn send(api: &FakeApi, messages: i64) {
    let mut server = api.server();
    let mailbox = server.mailbox_mut(0).unwrap();
    let last = mailbox.conversation(0).unwrap().last().unwrap().at_ms;
    for number in 1..=messages {
        mailbox.send(0, Author::Other(0), last + number * HOUR, &format!("new message {number}")).unwrap();
    }
}

/// An archive, and beside it two older copies that do not know of the last run: `older.db`, which `archiver backup` has
/// made, and `plain.db`, a copy of the file.
fn with_older_copies() -> (FakeApi, Home) {
    let api = FakeApi::serve(server(&[("Ada Example", 60), ("Ben Sample", 3)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let command = r#"["sh", "-c", "echo $ARCHIVER_ALERT_KIND $ARCHIVER_ALERT_MESSAGE >> told"]"#;
    home.env("ARCHIVER_ALERTS__COMMAND", command);
    home.sync();
    home.run(&["backup", "older.db"]).expect(0);
    fs::copy(home.archive(), home.path("plain.db")).unwrap();
    send(&api, 25);
    home.sync();
    (api, home)
}

/// What happens to the archive in this folder.
type Mishap = fn(&Path);

fn delete(folder: &Path) {
    fs::remove_file(folder.join("archive.db")).unwrap();
}

fn rename(folder: &Path) {
    fs::rename(folder.join("archive.db"), folder.join("elsewhere.db")).unwrap();
}

fn replace(folder: &Path) {
    fs::rename(folder.join("older.db"), folder.join("archive.db")).unwrap();
}

fn overwrite(folder: &Path) {
    fs::copy(folder.join("older.db"), folder.join("archive.db")).unwrap();
}

fn overwrite_with_plain_copy(folder: &Path) {
    fs::copy(folder.join("plain.db"), folder.join("archive.db")).unwrap();
}

/// The mishap befalls the archive of a service that waits, or that waits for an answer. The service ends, and asks for
/// nothing more.
fn under_the_service(mishap: Mishap, during_a_request: bool, words: &str) -> (FakeApi, Home) {
    let (api, home) = with_older_copies();
    let service = Service::start(&home);
    service.until_logged("the service began");
    service.signal(Signal::USR1);
    service.until_logged("the run ended");
    // A copy that is written into the file just while the log is moved there too would be mixed with it. Looking into
    // the archive would keep the log from being moved.
    until("the rest after it", || fs::metadata(home.path("archive.db-wal")).unwrap().len() == 0);
    send(&api, 25);
    let requests = api.requests();
    let folder = home.dir().to_owned();
    if during_a_request {
        let mut mishap = Some(mishap);
        api.at_each_request(move || mishap.take().map_or((), |happens| happens(&folder)));
    } else {
        mishap(&folder);
    }
    service.signal(Signal::USR1);
    let log = home.path("service.log");
    service.process.finish().expect(74);
    api.at_no_request();
    assert_eq!(api.requests() - requests, usize::from(during_a_request));
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.matches(words).count(), 1, "{log}");
    for said in ["nothing more is spent or written", "start again", "credits spent meanwhile stay counted"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    let told = fs::read_to_string(home.path("told")).unwrap();
    assert!(told.starts_with("archive ") && told.contains(words) && told.lines().count() == 1, "{told}");
    (api, home)
}

/// Neither the service nor a single run begins a new archive.
fn assert_nothing_is_begun(api: &FakeApi, home: &Home) {
    let requests = api.requests();
    for command in [&["sync"][..], &["sync", "--once"]] {
        let ran = home.run(command).expect(74);
        for said in
            ["is gone, but", "archive.db.lock of it is still there", "put it back, or restore a backup"]
        {
            assert!(ran.stderr.contains(said), "{said}: {ran:?}");
        }
    }
    assert_eq!(api.requests(), requests);
    assert!(!home.archive().exists());
}

/// The archive that is there now is a sound earlier state and becomes complete, and its ledger has all that was spent.
fn assert_it_goes_on(api: &FakeApi, home: &Home) {
    home.sync_until_complete();
    assert_complete(home, &api.server());
    assert_sound(home, api.charged());
}

#[test]
fn a_service_whose_archive_is_deleted_spends_nothing_more() {
    for during_a_request in [false, true] {
        let (api, home) = under_the_service(delete, during_a_request, "was moved or deleted");
        assert_nothing_is_begun(&api, &home);
        overwrite(home.dir());
        assert_it_goes_on(&api, &home);
    }
}

#[test]
fn a_service_whose_archive_is_renamed_spends_nothing_more_and_the_archive_can_be_put_back() {
    for during_a_request in [false, true] {
        let (api, home) = under_the_service(rename, during_a_request, "was moved or deleted");
        assert_nothing_is_begun(&api, &home);
        fs::rename(home.path("elsewhere.db"), home.archive()).unwrap();
        // What was in the log only is not lost: the reservations of all requests.
        assert_eq!(home.count("SELECT count(*) FROM request"), i64::try_from(api.requests()).unwrap());
        assert_it_goes_on(&api, &home);
    }
}

#[test]
fn a_service_whose_archive_is_replaced_spends_nothing_more() {
    for during_a_request in [false, true] {
        let (api, home) = under_the_service(replace, during_a_request, "was replaced by another file");
        assert_it_goes_on(&api, &home);
        assert_eq!(home.path("archive.db-wal.former-1").exists(), during_a_request);
    }
}

#[test]
fn a_service_whose_archive_is_overwritten_spends_nothing_more() {
    for mishap in [overwrite, overwrite_with_plain_copy] {
        for during_a_request in [false, true] {
            let (api, home) = under_the_service(mishap, during_a_request, "was overwritten with an older");
            assert_it_goes_on(&api, &home);
            assert_eq!(home.path("archive.db-wal.former-1").exists(), during_a_request);
        }
    }
}

#[test]
fn an_older_copy_put_in_place_while_nothing_runs_brings_no_credits_back() {
    for mishap in [replace, overwrite, overwrite_with_plain_copy] {
        let (api, home) = with_older_copies();
        let (spent, requests) = (api.charged(), api.requests());
        mishap(home.dir());
        assert!(home.count(BOOKED) < spent);
        let cap = |credits: i64| format!("[budget]\ncredits_per_day = {credits}\n");
        home.edit("[budget]\n", &cap(spent));
        let Ran { stderr, .. } = home.run(&["sync", "--once"]).expect(0);
        assert!(stderr.contains("an older copy took the archive's place"), "{stderr}");
        assert_eq!((api.requests(), home.count(BOOKED)), (requests, spent));
        home.edit(&cap(spent), &cap(2 * spent));
        assert_it_goes_on(&api, &home);
        assert_eq!(home.count(BOOKED), api.charged());
    }
}

#[test]
fn an_older_copy_is_not_mixed_with_the_log_of_an_archive_that_crashed() {
    for mishap in [replace, overwrite, overwrite_with_plain_copy] {
        let (api, home) = with_older_copies();
        send(&api, 25);
        api.server().faults.add(FaultRule::once(Fault::Hang));
        let requests = api.requests_as_they_come();
        let running = Process::start(&mut home.archiver(&["sync", "--once"]));
        requests.recv().unwrap();
        running.signal(Signal::KILL);
        assert_eq!(running.finish().signal, Some(Signal::KILL.as_raw()));
        api.at_no_request();
        assert!(fs::metadata(home.path("archive.db-wal")).unwrap().len() > 0);
        mishap(home.dir());
        let (archive, log) =
            (fs::read(home.archive()).unwrap(), fs::read(home.path("archive.db-wal")).unwrap());
        for command in [&["status"][..], &["verify"], &["backup", "another.db"]] {
            let ran = home.run(command).expect(74);
            assert!(ran.stderr.contains("is not the log of this"), "{ran:?}");
        }
        assert!(fs::read(home.archive()).unwrap() == archive, "a reader has changed it");
        assert_it_goes_on(&api, &home);
        assert!(fs::read(home.path("archive.db-wal.former-1")).unwrap() == log, "the log is lost");
    }
}
