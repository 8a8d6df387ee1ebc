//! Signals, `--now`, and who else may use the archive meanwhile.

use std::time::{Duration, Instant};

use fake_linkup::{Fault, FaultRule};
use rustix::process::Signal;

use super::{EVERY_SECOND, HARDLY_EVER, Service, assert_one_at_a_time, home, number, runs, until};
use crate::binary::{FakeApi, Home, Process, assert_complete, assert_sound, server};

fn people() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 60), ("Ben Sample", 3)]))
}

#[test]
fn a_stop_waits_for_an_answer_that_is_paid_for_and_a_second_one_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let api = people();
        let home = home(&api, "v1", HARDLY_EVER);
        api.server().faults.add(FaultRule::once(Fault::Hang));
        let requests = api.requests_as_they_come();
        let service = Service::start(&home);
        requests.recv().unwrap();
        service.signal(signal);
        service.until_logged("stopping after the current page");
        std::thread::sleep(Duration::from_secs(1));
        assert!(home.path("archive.db-wal").exists(), "it did not wait");
        let asked = Instant::now();
        service.signal(signal);
        service.process.finish().expect(0);
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        api.at_no_request();
        assert!(!home.path("archive.db-wal").exists());
        assert_eq!(home.sql::<String>("SELECT outcome FROM run_log"), ["interrupted"]);
        assert_sound(&home, api.charged());
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn requests_during_a_run_coalesce() {
    let api = people();
    let home = home(&api, "v1", HARDLY_EVER);
    api.server().behaviour.latency_ms = 300;
    let requests = api.requests_as_they_come();
    let service = Service::start(&home);
    requests.recv().unwrap();
    for _ in 0..3 {
        service.signal(Signal::USR1);
        home.run(&["sync", "--now"]).expect(0);
    }
    until("both runs", || runs(&home) == 2);
    api.at_no_request();
    service.stop();
    assert_eq!(home.sql::<String>("SELECT trigger FROM run_log ORDER BY run_id"), ["start", "once"]);
    assert_one_at_a_time(&home);
    assert_complete(&home, &api.server());
}

#[test]
fn now_asks_the_service_and_says_when_there_is_none() {
    let api = people();
    let home = home(&api, "v1", HARDLY_EVER);
    let alone = home.run(&["sync", "--now"]).expect(69);
    assert!(
        alone.stderr.contains("no service is running") && alone.stderr.contains("sync --once"),
        "{alone:?}"
    );
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    home.run(&["sync", "--now"]).expect(0);
    until("the run asked for", || runs(&home) == 2);
    // As after a crash: what the lock's file says counts only while the lock is held.
    let signed = std::fs::read_to_string(home.path("archive.db.lock")).unwrap();
    let holder = format!("{} service", service.process.pid().as_raw_nonzero());
    assert_eq!(signed.lines().next(), Some(holder.as_str()));
    service.stop();
    home.write("archive.db.lock", &signed);
    home.run(&["sync", "--now"]).expect(69);
}

#[test]
fn now_signals_no_process_that_makes_a_single_run() {
    let api = people();
    let home = home(&api, "v1", HARDLY_EVER);
    api.server().faults.add(FaultRule::once(Fault::Hang));
    let requests = api.requests_as_they_come();
    let once = Process::start(&mut home.archiver(&["sync", "--once"]));
    requests.recv().unwrap();
    let ran = home.run(&["sync", "--now"]).expect(75);
    assert!(ran.stderr.contains("another process is syncing"), "{ran:?}");
    once.signal(Signal::KILL);
    once.finish();
}

#[test]
fn beside_the_service_once_is_75_and_reading_works() {
    let api = people();
    let home = home(&api, "v1", HARDLY_EVER);
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    let second = home.run(&["sync", "--once"]).expect(75);
    assert!(second.stderr.contains("another process") && second.stderr.contains("sync --now"), "{second:?}");
    home.run(&["sync"]).expect(75);
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["messages"], 63);
    assert_eq!(status["service"]["pid"], service.process.pid().as_raw_nonzero().get());
    assert!(status["service"]["next_slot_at"].as_str().unwrap().contains("-02-29T"), "{status}");
    let copy = home.path("copy.db");
    assert_eq!(home.sql::<i64>("SELECT count(*) FROM message_log"), [63]);
    let db = rusqlite::Connection::open(home.archive()).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    // Who reads for a long time keeps nobody waiting.
    db.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    let asked = Instant::now();
    for count in 2..5 {
        home.run(&["sync", "--now"]).expect(0);
        until("a run beside a reader", || runs(&home) == count);
    }
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    drop(db);
    service.stop();
    assert!(home.run(&["status", "--json"]).expect(0).json()["service"].is_null());
}

fn with_schedule_in_file(api: &FakeApi) -> Home {
    let home = Home::of(api, "v1");
    home.edit("[sync]", &format!("[schedule]\ncron = \"{HARDLY_EVER}\"\n\n[sync]"));
    home
}

#[test]
fn a_changed_configuration_takes_effect_with_the_next_run() {
    let api = people();
    let home = with_schedule_in_file(&api);
    home.edit("credits_per_run = 1000", "credits_per_run = 1");
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    home.edit("credits_per_run = 1", "credits_per_run = 3");
    home.edit(HARDLY_EVER, EVERY_SECOND);
    service.signal(Signal::HUP);
    service.until_logged("the configuration was read again");
    until("scheduled runs to the end", || {
        number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'complete'") > 0
    });
    service.stop();
    assert_eq!(home.count("SELECT credits_spent FROM run_log WHERE run_id = 1"), 1);
    assert_eq!(home.count("SELECT max(credits_spent) FROM run_log WHERE run_id > 1"), 3);
    assert_complete(&home, &api.server());
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_one_kept() {
    let api = people();
    let home = with_schedule_in_file(&api);
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    let good = std::fs::read_to_string(home.path("archiver.toml")).unwrap();
    let sound = [
        ("credits_per_run = 1000", "credits_per_run = -3", "budget.credits_per_run"),
        ("timeout_secs = 20", "timeout_sex = 20", "api.timeout_sex"),
        ("[budget]", "[archive]\npath = 'other.db'\n\n[budget]", "archive.path"),
        ("[budget]", "[budget", "invalid TOML"),
    ];
    for (count, (from, to, words)) in (1..).zip(sound) {
        home.edit(from, to);
        service.signal(Signal::HUP);
        until("the refusal", || {
            service.log().matches("goes on with the previous configuration").count() == count
        });
        assert!(service.log().contains(words), "{words}: {}", service.log());
        home.write("archiver.toml", &good);
    }
    std::fs::remove_file(home.path("token.me")).unwrap();
    service.signal(Signal::HUP);
    service.until_logged("token.me");
    service.signal(Signal::USR1);
    until("a run with what it has", || runs(&home) == 2);
    service.stop();
    assert_eq!(home.sql::<String>("SELECT DISTINCT outcome FROM run_log"), ["complete"]);
    assert!(!home.path("other.db").exists());
}

#[test]
fn a_slot_that_is_due_outlives_the_reading_of_the_same_schedule() {
    let api = people();
    let home = home(&api, "v1", "*/2 * * * * *");
    // Longer than a slot: one passes during the run.
    api.server().behaviour.latency_ms = 2_300;
    let requests = api.requests_as_they_come();
    let service = Service::start(&home);
    requests.recv().unwrap();
    service.signal(Signal::HUP);
    until("the first run", || runs(&home) == 1);
    api.server().behaviour.latency_ms = 0;
    until("the run of the slot that passed", || runs(&home) >= 2);
    service.stop();
    let late = "SELECT (julianday(b.started_at) - julianday(a.finished_at)) * 86400 < 0.5 FROM run_log a JOIN run_log b
        WHERE a.run_id = 1 AND b.run_id = 2";
    assert_eq!(home.sql::<bool>(late), [true], "the slot was forgotten");
}
