//! `changes --follow`, killed or cut off at any commit and begun again after the last number that it printed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ChildStdout;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use serde_json::Value;

use crate::binary::{Home, Process};
use crate::support::bench::{Bench, NOW, item, last_page};
use crate::support::share;

/// Longer than anything takes.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Two conversations as the server has them: each message by its id, with its text.
struct Mailbox {
    bench: Bench,
    conversations: [Vec<(i64, String)>; 2],
    ids: i64,
}

impl Mailbox {
    fn new() -> Self {
        Self { bench: Bench::new(2), conversations: Default::default(), ids: 0 }
    }

    /// Something changes, and the archive is told.
    fn change(&mut self, rng: &mut Rng) {
        let at = rng.usize(0..2);
        let messages = &mut self.conversations[at];
        for _ in 0..rng.usize(1..4) {
            let one = rng.usize(0..messages.len().max(1));
            self.ids += 1;
            match rng.u8(0..4) {
                0 if messages.len() > 1 => drop(messages.remove(one)),
                1 if !messages.is_empty() => messages[one].1 = format!("edited {}", self.ids),
                // Some come late, between others that are stored.
                _ => messages.push((self.ids + rng.i64(0..2) * 1000, format!("new {}", self.ids))),
            }
        }
        messages.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        let said = |(id, text): &(i64, String)| item(&format!("m{at}-{id}"), NOW + id * 60_000, "Ada", text);
        let page = last_page(&messages.iter().map(said).collect::<Vec<_>>());
        self.bench.put(at, &page).unwrap();
        if rng.bool() {
            self.bench.next_run();
        }
    }

    fn last_change(&self) -> i64 {
        self.bench.store.queries().last_change().unwrap()
    }
}

/// The program that follows, and what has come of it.
struct Follower {
    process: Process,
    lines: Receiver<String>,
}

/// Whoever reads it, and keeps no more than what it has been told.
struct Consumer {
    home: Home,
    archive: PathBuf,
    since: i64,
    /// By message: the number of its latest change, and its text.
    told: BTreeMap<i64, (i64, String)>,
    follower: Option<Follower>,
}

/// Passes on whole lines: what is cut off in the middle was not read.
fn read(stdout: ChildStdout) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).unwrap_or_default();
            if read == 0 || !line.ends_with('\n') || send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Consumer {
    fn of(mailbox: &Mailbox) -> Self {
        let (home, archive) = (Home::empty(), mailbox.bench.path());
        Self { home, archive, since: 0, told: BTreeMap::new(), follower: None }
    }

    fn begin(&mut self) {
        let (archive, since) = (self.archive.to_str().unwrap(), self.since.to_string());
        let arguments = ["changes", "--archive", archive, "--follow", "--since", &since];
        let mut process = Process::start(&mut self.home.archiver(&arguments));
        let lines = read(process.child().stdout.take().unwrap());
        self.follower = Some(Follower { process, lines });
    }

    fn take(&mut self, line: &str) {
        let line: Value = serde_json::from_str(line).unwrap();
        let seq = line["seq"].as_i64().unwrap();
        assert!(seq > self.since, "{seq} after {}", self.since);
        self.since = seq;
        let text = line["text"].as_str().unwrap().to_owned();
        self.told.insert(line["message_id"].as_i64().unwrap(), (seq, text));
    }

    /// Reads so many lines, or all that there are.
    fn read(&mut self, most: usize, last: i64) {
        for _ in 0..most {
            if self.since >= last {
                return;
            }
            let line = self.follower.as_ref().unwrap().lines.recv_timeout(TOO_LONG).unwrap();
            self.take(&line);
        }
    }

    /// The program dies: what it had printed by then can still be read, or is lost on the way.
    fn killed(&mut self, rest_is_read: bool) {
        let Follower { process, lines } = self.follower.take().unwrap();
        process.signal(Signal::KILL);
        drop(process);
        if rest_is_read {
            lines.iter().for_each(|line| self.take(&line));
        }
    }
}

#[test]
fn whoever_goes_on_after_the_last_number_is_told_each_message_at_its_latest_change() {
    for seed in 0..u64::try_from(share(100)).unwrap() {
        let mut rng = Rng::with_seed(seed);
        let mut mailbox = Mailbox::new();
        let mut consumer = Consumer::of(&mailbox);
        for _ in 0..rng.usize(3..12) {
            if consumer.follower.is_none() {
                consumer.begin();
            }
            match rng.u8(0..4) {
                // At some moment of the commit, or before it or after it.
                0 => {
                    let rest_is_read = rng.bool();
                    let mut other = rng.fork();
                    thread::scope(|scope| {
                        scope.spawn(|| mailbox.change(&mut other));
                        consumer.killed(rest_is_read);
                    });
                }
                1 => {
                    mailbox.change(&mut rng);
                    consumer.read(rng.usize(1..4), mailbox.last_change());
                    consumer.killed(rng.bool());
                }
                2 => {
                    mailbox.change(&mut rng);
                    consumer.read(rng.usize(0..9), mailbox.last_change());
                }
                _ => mailbox.change(&mut rng),
            }
        }
        if consumer.follower.is_none() {
            consumer.begin();
        }
        consumer.read(usize::MAX, mailbox.last_change());
        let db = mailbox.bench.other();
        let mut all = db.prepare("SELECT id, change, text FROM message").unwrap();
        let stored: BTreeMap<i64, (i64, String)> = all
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(consumer.told, stored, "seed {seed}");
    }
}
