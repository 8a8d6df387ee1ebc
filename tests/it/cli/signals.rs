//! SIGINT and SIGTERM: the run ends at once and in order, wherever it waits.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fake_linkup::{Fault, FaultRule};
use rustix::process::Signal;

use super::SYNC;
use crate::binary::{FakeApi, Home, Process, assert_complete, assert_sound, server};

/// A stop takes less than a second; a busy machine is given time.
const SOON: Duration = Duration::from_secs(5);

fn people() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 60), ("Ben Sample", 3)]))
}

/// Ends a run that waits for what never comes, and checks what it leaves.
fn is_stopped(api: &FakeApi, home: &Home, process: Process, signal: Signal) {
    process.signal(signal);
    ends_soon(api, home, process);
}

fn ends_soon(api: &FakeApi, home: &Home, process: Process) {
    let asked = Instant::now();
    let ran = process.finish().expect(0);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert_eq!(ran.json()["outcome"], "interrupted", "{ran:?}");
    assert!(!home.path("archive.db-wal").exists(), "the archive was not closed");
    assert_eq!(
        home.sql::<String>("SELECT outcome FROM run_log ORDER BY run_id DESC LIMIT 1"),
        ["interrupted"]
    );
    assert_eq!(home.count("SELECT count(*) FROM run_log WHERE finished_at IS NULL"), 0);
    assert_sound(home, api.charged());
    api.at_no_request();
    api.server().faults.clear();
}

#[test]
fn a_second_signal_ends_a_run_whose_request_hangs() {
    for signal in [Signal::INT, Signal::TERM] {
        let api = people();
        let home = Home::of(&api, "v1");
        api.server().faults.add(FaultRule::always(Fault::Hang));
        let requests = api.requests_as_they_come();
        let mut process = Process::start(&mut home.archiver(SYNC));
        requests.recv().unwrap();
        process.signal(signal);
        thread::sleep(Duration::from_millis(1_500));
        assert!(process.is_running(), "it did not wait for an answer that is paid for");
        is_stopped(&api, &home, process, signal);
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_signal_ends_the_wait_before_a_retry() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.sync();
    home.env("ARCHIVER_API__RETRY_BASE_SECS", "600");
    home.env("ARCHIVER_API__RETRY_MAX_SECS", "600");
    api.server().faults.add(FaultRule::always(Fault::http(503)));
    let process = Process::start(&mut home.archiver(SYNC));
    until(&home, "SELECT count(*) FROM request_log WHERE http_status = 503");
    is_stopped(&api, &home, process, Signal::TERM);
    assert_eq!(home.count("SELECT count(*) FROM request_log WHERE http_status = 503"), 1);
}

#[test]
fn a_signal_ends_the_wait_for_the_minutes_next_request() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.sync();
    let before = api.requests();
    home.env("ARCHIVER_API__REQUESTS_PER_MINUTE", "1");
    let process = Process::start(&mut home.archiver(SYNC));
    // The second request waits for its turn.
    until(&home, "SELECT count(*) FROM request_log WHERE run_id = 2 AND credits_spent IS NOT NULL");
    is_stopped(&api, &home, process, Signal::TERM);
    assert_eq!(api.requests(), before + 1);
    // Nothing was set aside for what was never sent.
    assert_eq!(home.count("SELECT count(*) FROM request_log WHERE run_id = 2"), 1);
}

#[test]
fn an_answer_that_comes_after_the_signal_is_still_stored() {
    for signal in [Signal::INT, Signal::TERM] {
        let api = people();
        let home = Home::of(&api, "v1");
        api.server().behaviour.latency_ms = 2_500;
        let requests = api.requests_as_they_come();
        let process = Process::start(&mut home.archiver(SYNC));
        requests.recv().unwrap();
        is_stopped(&api, &home, process, signal);
        assert_eq!(api.requests(), 1);
        assert_eq!(home.count("SELECT count(*) FROM request_log WHERE credits_spent IS NULL"), 0);
        assert_eq!(home.count("SELECT count(*) FROM message_log"), 50);
    }
}

#[test]
fn a_single_run_ignores_the_signals_of_the_service() {
    let api = people();
    let home = Home::of(&api, "v1");
    api.server().behaviour.latency_ms = 200;
    let requests = api.requests_as_they_come();
    let process = Process::start(&mut home.archiver(SYNC));
    requests.recv().unwrap();
    for signal in [Signal::HUP, Signal::USR1] {
        process.signal(signal);
    }
    assert_eq!(process.finish().expect(0).json()["outcome"], "complete");
    assert_complete(&home, &api.server());
}

#[test]
fn a_name_server_that_does_not_answer_delays_no_stop_and_costs_nothing() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.edit(api.base_url(), "https://api.linkupapi.invalid");
    home.write("silent.c", "#include <unistd.h>\nint getaddrinfo() { sleep(60); return -3; }\n");
    let stub = home.path("silent.so");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&stub).arg(home.path("silent.c")).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{built:?}");
    home.env("LD_PRELOAD", stub.to_str().unwrap());
    for args in [SYNC, &["sync"]] {
        home.env("ARCHIVER_SCHEDULE__CRON", "0 0 0 29 2 *");
        let process = Process::start(&mut home.archiver(args));
        let begun = Instant::now();
        while number(&home, "SELECT count(*) FROM request WHERE credits_spent IS NULL") == 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it asked for nothing");
            thread::sleep(Duration::from_millis(20));
        }
        let asked = Instant::now();
        process.signal(Signal::TERM);
        process.finish().expect(0);
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        assert_eq!(home.sql::<Option<i64>>("SELECT DISTINCT credits_spent FROM request"), [Some(0)]);
    }
}

/// The number that this query finds, 0 while there is no archive.
fn number(home: &Home, query: &str) -> i64 {
    let db = rusqlite::Connection::open(home.archive()).unwrap();
    db.query_row(query, [], |row| row.get(0)).unwrap_or(0)
}

/// Waits until this counts something in the archive that a process is writing.
fn until(home: &Home, query: &str) {
    let begun = Instant::now();
    while home.count(query) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {query}");
        thread::yield_now();
    }
}
