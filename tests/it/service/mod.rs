//! The service as its user meets it: the real program over the fake API, its signals, its states, its figures.

mod attention;
mod events;
mod metrics;
mod notify;
mod outages;
mod ping;
mod replaced;
mod schedule;
mod signals;
mod soak;

use std::fs;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;

use crate::binary::{FakeApi, Home, Process, Ran};

/// Once a second.
const EVERY_SECOND: &str = "* * * * * *";
/// Once a year, and not today.
const HARDLY_EVER: &str = "0 0 0 29 2 *";

/// Waits until something is so that can be seen from outside.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(40), "never: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// The service in a folder of its own.
struct Service<'a> {
    home: &'a Home,
    process: Process,
    /// What its log held before it was started.
    logged: usize,
}

impl<'a> Service<'a> {
    /// Starts it and waits until it has begun.
    fn start(home: &'a Home) -> Self {
        let logged = log(home).len();
        // Its log goes to a file, for nobody empties a pipe while it runs.
        let process = Process::start(&mut home.archiver_after("exec 2>>service.log", &["sync"]));
        let service = Self { home, process, logged };
        service.until_logged("the service began");
        service
    }

    fn log(&self) -> String {
        log(self.home).split_off(self.logged)
    }

    #[track_caller]
    fn until_logged(&self, words: &str) {
        until(words, || self.log().contains(words));
    }

    fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends it in order, which must be soon. Returns what it printed.
    #[track_caller]
    fn stop(self) -> Ran {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        let ran = self.process.finish().expect(0);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!(!self.home.path("archive.db-wal").exists(), "the archive was not closed");
        let signed = fs::read_to_string(self.home.path("archive.db.lock")).unwrap();
        assert_eq!(signed.lines().next().unwrap_or_default(), "", "it still names a holder");
        ran
    }
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("service.log")).unwrap_or_default()
}

/// A folder in which the service follows this schedule.
fn home(api: &FakeApi, version: &str, cron: &str) -> Home {
    let mut home = Home::of(api, version);
    home.env("ARCHIVER_SCHEDULE__CRON", cron);
    home
}

/// The first number that this query finds; 0 while there is nothing to be found.
fn number(home: &Home, query: &str) -> i64 {
    let db = Connection::open_with_flags(home.archive(), OpenFlags::SQLITE_OPEN_READ_ONLY);
    db.and_then(|db| db.query_row(query, [], |row| row.get(0))).unwrap_or(0)
}

/// Runs that have ended.
fn runs(home: &Home) -> i64 {
    number(home, "SELECT count(*) FROM run_log WHERE finished_at IS NOT NULL")
}

/// No run began before the one before it had ended.
#[track_caller]
fn assert_one_at_a_time(home: &Home) {
    let overlaps = "SELECT count(*) FROM run_log a JOIN run_log b ON b.run_id > a.run_id
        WHERE a.finished_at IS NULL OR b.started_at < a.finished_at";
    assert_eq!(home.count(overlaps), 0, "runs overlap");
}

/// Requests of this account that came.
fn asked_of(api: &FakeApi, account: usize) -> usize {
    api.server().meter.rows().iter().filter(|r| r.account == Some(account)).count()
}
