//! The service manager's protocol, over a real datagram socket.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use fake_linkup::{Fault, FaultRule};
use rusqlite::{Connection, TransactionBehavior};
use rustix::process::Signal;

use super::{HARDLY_EVER, Service, home, runs, until};
use crate::binary::{FakeApi, Home, server};

struct Manager(UnixDatagram);

impl Manager {
    fn of(home: &mut Home, watchdog: Option<Duration>) -> Self {
        let path = home.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        home.env("NOTIFY_SOCKET", path.to_str().unwrap());
        if let Some(time) = watchdog {
            home.env("WATCHDOG_USEC", &time.as_micros().to_string());
        }
        Self(socket)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 4_096];
        let length = self.0.recv(&mut bytes).unwrap();
        // Each assignment is a line.
        let message = String::from_utf8(bytes[..length].to_vec()).unwrap();
        message.strip_suffix('\n').unwrap().to_owned()
    }

    /// Skips what comes before a message with these words, which must come.
    #[track_caller]
    fn until(&self, words: &str) -> String {
        for _ in 0..1_000 {
            let message = self.next();
            if message.contains(words) {
                return message;
            }
        }
        panic!("never: {words}");
    }
}

#[test]
fn the_manager_hears_of_every_state() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let manager = Manager::of(&mut home, None);
    let service = Service::start(&home);
    assert!(manager.next().starts_with("READY=1\nSTATUS=Idle: no run yet"));
    assert!(manager.next().starts_with("STATUS=Syncing since 2"));
    let idle = manager.next();
    assert!(idle.starts_with("STATUS=Idle: last run complete at 2"), "{idle}");
    assert!(
        idle.contains("; nothing is missing since 2021-01-01T") && idle.contains("; next run 2"),
        "{idle}"
    );
    service.signal(Signal::HUP);
    let reloading = manager.next();
    let usec = reloading.lines().find_map(|l| l.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(reloading.starts_with("RELOADING=1\n") && usec.parse::<u64>().unwrap() > 0, "{reloading}");
    assert!(manager.next().starts_with("READY=1\n"));
    service.stop();
    assert!(manager.next().starts_with("STOPPING=1\n"));
}

#[test]
fn signs_of_life_come_while_it_waits_and_while_a_request_takes_its_time() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let manager = Manager::of(&mut home, Some(Duration::from_millis(300)));
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    manager.until("STATUS=Idle: last run");
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    api.server().faults.add(FaultRule::once(Fault::Hang));
    service.signal(Signal::USR1);
    manager.until("STATUS=Syncing");
    for _ in 0..3 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    // The request hangs: it is waited for until the stop is asked for again.
    service.signal(Signal::TERM);
    let asked = manager.until("STOPPING=1");
    assert!(asked.contains("EXTEND_TIMEOUT_USEC="), "{asked}");
    service.stop();
}

#[test]
fn a_statement_that_takes_seconds_delays_neither_a_stop_nor_the_signs_of_life() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let manager = Manager::of(&mut home, Some(Duration::from_millis(60)));
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    manager.until("STATUS=Idle: last run");
    // The next run cannot begin as long as another process writes: its statement waits for that.
    let mut db = Connection::open(home.archive()).unwrap();
    let writing = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    service.signal(Signal::USR1);
    manager.until("STATUS=Syncing");
    for _ in 0..20 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    service.signal(Signal::TERM);
    manager.until("STOPPING=1");
    assert_eq!(runs(&home), 1, "the statement has waited all the time");
    drop(writing);
    drop(db);
    service.stop();
}

#[test]
fn without_a_watchdog_no_signs_of_life_are_sent() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let manager = Manager::of(&mut home, Some(Duration::from_millis(60)));
    home.env("WATCHDOG_PID", "1");
    let service = Service::start(&home);
    until("the first run", || runs(&home) == 1);
    service.stop();
    let mut message = manager.next();
    while !message.starts_with("STOPPING") {
        assert!(!message.contains("WATCHDOG"), "{message}");
        message = manager.next();
    }
}
