//! What fails is tried again as often as it is worth, and no more often because the service was restarted.

use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fake_linkup::{Fault, FaultRule, Form, RetryAfter};
use rusqlite::Connection;
use rustix::process::Signal;

use super::{HARDLY_EVER, Service, home, log, number, runs, until};
use crate::binary::{FakeApi, Home, Process, assert_complete, server};

fn people() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 12)]))
}

/// Forwards what comes to this address to another one, as long as the test runs.
fn forward(from: &TcpListener, to: String) {
    let from = from.try_clone().unwrap();
    thread::spawn(move || {
        for here in from.incoming() {
            let (here, there) = (here.unwrap(), TcpStream::connect(&to).unwrap());
            for (mut source, mut sink) in
                [(here.try_clone().unwrap(), there.try_clone().unwrap()), (there, here)]
            {
                thread::spawn(move || {
                    io::copy(&mut source, &mut sink).unwrap_or_default();
                    sink.shutdown(Shutdown::Write).unwrap_or_default();
                });
            }
        }
    });
}

/// Has the command for alerts leave a line for each.
fn told_by_command(home: &mut Home) {
    home.env(
        "ARCHIVER_ALERTS__COMMAND",
        r#"["sh", "-c", "echo $ARCHIVER_ALERT_KIND $ARCHIVER_ALERT_MESSAGE >> told"]"#,
    );
}

fn told(home: &Home) -> Vec<String> {
    fs::read_to_string(home.path("told")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_network_that_comes_after_the_start_is_waited_for_at_no_cost() {
    let api = people();
    let home = home(&api, "v1", HARDLY_EVER);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.edit(api.base_url(), &format!("http://{address}"));
    let service = Service::start(&home);
    until("three tries", || runs(&home) >= 3);
    assert_eq!(number(&home, "SELECT sum(credits_spent) FROM run_log"), 0);
    let listener = TcpListener::bind(address).unwrap();
    forward(&listener, api.base_url().strip_prefix("http://").unwrap().to_owned());
    until("a run that succeeds", || {
        number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'complete'") == 1
    });
    let made = runs(&home);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(runs(&home), made, "the slot had succeeded");
    service.stop();
    assert_complete(&home, &api.server());
}

#[test]
fn restarts_after_a_good_run_cost_nothing() {
    let api = people();
    let home = home(&api, "v1", HARDLY_EVER);
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    service.stop();
    let asked = api.requests();
    for _ in 0..5 {
        let service = Service::start(&home);
        service.until_logged("no slot has passed since the last one");
        service.stop();
    }
    assert_eq!((api.requests(), runs(&home)), (asked, 1));
}

#[test]
fn a_slot_that_passed_while_the_service_was_down_is_made_up_for_at_the_start() {
    let api = people();
    let home = home(&api, "v1", "0 0 0 * * *");
    Service::start(&home).stop();
    until("the first run", || runs(&home) == 1);
    let db = Connection::open(home.archive()).unwrap();
    db.execute("UPDATE run SET started_ms = started_ms - 86400000, finished_ms = finished_ms - 86400000", [])
        .unwrap();
    drop(db);
    let service = Service::start(&home);
    until("the run of the slot that passed", || runs(&home) == 2);
    service.stop();
}

#[test]
fn a_pause_that_is_longer_than_a_run_waits_ends_the_run_and_is_remembered() {
    for version in ["v1", "v2"] {
        let api = people();
        let home = home(&api, version, HARDLY_EVER);
        let limited = Fault::Http(429, Some(RetryAfter::Seconds(86_400)));
        api.server().faults.add(FaultRule::once(limited));
        let ran = home.run(&["sync", "--once"]).expect(69);
        assert!(ran.stderr.contains("a pause that is longer than a run waits"), "{ran:?}");
        let refused = home.run(&["sync", "--once"]).expect(69);
        assert!(refused.stderr.contains("the API asked for a pause until 2"), "{refused:?}");
        let service = Service::start(&home);
        service.until_logged("no run: the API asked for a pause until 2");
        service.stop();
        assert_eq!(api.requests(), 1, "{version}");
        let until = "SELECT (retry_at_ms - started_ms) / 1000 BETWEEN 86390 AND 86410 FROM run";
        assert_eq!(home.sql::<bool>(until), [true]);
        // Once it is over, all goes on.
        let db = Connection::open(home.archive()).unwrap();
        db.execute("UPDATE run SET retry_at_ms = started_ms", []).unwrap();
        drop(db);
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_block_page_is_told_once_when_it_has_lasted_for_some_runs_and_never_parks_an_account() {
    let api = people();
    let mut home = home(&api, "v1", HARDLY_EVER);
    told_by_command(&mut home);
    api.server().faults.add(FaultRule::always(Fault::Block(403, Form::Html)));
    for run in 1..=6 {
        home.run(&["sync", "--once"]).expect(69);
        let expected = usize::from(run >= 4);
        assert_eq!(told(&home).len(), expected, "after {run} runs: {:?}", told(&home));
        // Ten minutes pass.
        let db = Connection::open(home.archive()).unwrap();
        let pass = "UPDATE run SET started_ms = started_ms - 600000, finished_ms = finished_ms - 600000";
        db.execute(pass, []).unwrap();
    }
    assert!(told(&home)[0].starts_with("unreachable the last 4 runs, since 2"), "{:?}", told(&home));
    assert!(told(&home)[0].contains("brought nothing: HTTP 403"), "{:?}", told(&home));
    assert_eq!(home.count("SELECT count(*) FROM alert"), 0);
    api.server().faults.clear();
    home.sync_until_complete();
    assert_complete(&home, &api.server());
}

const DAY: i64 = 86_400_000;

#[test]
fn a_clock_far_from_the_servers_spends_nothing_until_they_agree() {
    for (reconcile, ahead) in [("true", 3 * DAY), ("true", -3 * DAY), ("false", 3 * DAY)] {
        let api = FakeApi::serve(server(&[("Ada Example", 300)]));
        let mut home = home(&api, "v1", HARDLY_EVER);
        home.env("ARCHIVER_BUDGET__RECONCILE", reconcile);
        home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "20");
        home.env("ARCHIVER_SYNC__PAGE_SIZE", "10");
        api.server().behaviour.date_ahead_ms = Some(ahead);
        let ran = home.run(&["sync", "--once"]).expect(69);
        assert!(ran.stderr.contains("nothing is spent until they agree"), "{ran:?}");
        // Without a balance to ask for, the first answer tells.
        let most = if reconcile == "true" { 0 } else { 1 };
        assert_eq!(home.count("SELECT credits_spent FROM run_log"), most);
        if most == 1 {
            continue;
        }
        let service = Service::start(&home);
        service.until_logged("nothing is spent until they agree");
        api.server().behaviour.date_ahead_ms = Some(0);
        until("the run with a right clock", || {
            number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'budget'") == 1
        });
        service.stop();
        assert_eq!(api.charged(), 20);
    }
}

#[test]
fn a_clock_before_the_newest_request_begins_no_new_day_unless_the_server_agrees_with_it() {
    let api = FakeApi::serve(server(&[("Ada Example", 300)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    home.env("ARCHIVER_BUDGET__CREDITS_PER_RUN", "10");
    home.sync();
    let db = Connection::open(home.archive()).unwrap();
    db.execute("UPDATE request SET at_ms = at_ms + 2 * 86400000", []).unwrap();
    drop(db);
    let charged = api.charged();
    let ran = home.run(&["sync", "--once"]).expect(69);
    assert!(ran.stderr.contains("the ledger's newest request was made at 2"), "{ran:?}");
    assert_eq!(api.charged(), charged);
    api.server().behaviour.date_ahead_ms = Some(0);
    home.run(&["sync", "--once"]).expect(0);
    assert!(api.charged() > charged);
}

#[test]
fn an_archive_that_fails_is_told_once_and_waited_for_over_restarts() {
    let api = FakeApi::serve(server(&[("Ada Example", 3_000)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    told_by_command(&mut home);
    home.env("RUNTIME_DIRECTORY", home.path("runtime").to_str().unwrap().to_owned().as_str());
    // As on a disk that is nearly full: room for half of it, in blocks of 512 bytes.
    let whole = Home::of(&api, "v1");
    whole.sync();
    let limit =
        format!("exec 2>>service.log; ulimit -f {}", fs::metadata(whole.archive()).unwrap().len() / 1_024);
    let before = api.requests();
    let serve = |home: &Home| Process::start(&mut home.archiver_after(&limit, &["sync"]));
    serve(&home).finish().expect(74);
    let asked = api.requests();
    assert!(asked > before);
    assert!(told(&home).len() == 1 && told(&home)[0].starts_with("archive "), "{:?}", told(&home));
    for _ in 0..3 {
        let waiting = serve(&home);
        until("that it waits", || log(&home).contains("waiting before the next try"));
        let stopped = Instant::now();
        waiting.signal(Signal::TERM);
        waiting.finish().expect(0);
        assert!(stopped.elapsed() < Duration::from_secs(3));
        fs::write(home.path("service.log"), "").unwrap();
    }
    assert_eq!((api.requests(), told(&home).len()), (asked, 1), "it was not waited for");
    // Who asks for a run has made room.
    let process = Process::start(&mut home.archiver_after("exec 2>>service.log", &["sync"]));
    until("that it waits", || log(&home).contains("waiting before the next try"));
    process.signal(Signal::USR1);
    until("all of it", || number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'complete'") == 1);
    until("that it is forgotten", || !home.path("runtime/archive-failures").exists());
    process.signal(Signal::TERM);
    process.finish().expect(0);
    assert_complete(&home, &api.server());
}
