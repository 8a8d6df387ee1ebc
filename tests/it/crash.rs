//! The real program, killed at every request and at every point of its writing, or let down by the API at every
//! request: afterwards nothing is lost, and at most the one request in flight is paid for twice.

use std::fs;
use std::sync::{Arc, OnceLock};

use fake_linkup::behaviour::CursorRule;
use fake_linkup::meter::RequestRow;
use fake_linkup::server::Server;
use fake_linkup::{Author, Behaviour, Fault, FaultRule, When};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::binary::{
    FakeApi, HOUR, Home, Process, Ran, START, assert_complete, assert_sound, for_each_case, server,
};
use crate::support::sample;

const SYNC: &[&str] = &["sync", "--once", "--json"];

/// Where a run begins: a folder and what the server holds.
struct Story {
    home: Home,
    server: Server,
    version: &'static str,
    /// What the run costs when nothing disturbs it, and another one that finds nothing new.
    undisturbed: i64,
    /// Requests of the undisturbed run.
    requests: usize,
}

/// One telling of a story.
struct Scene {
    api: FakeApi,
    home: Home,
    charged_before: i64,
}

impl Story {
    /// Of a folder without an archive.
    fn fresh(version: &'static str) -> Self {
        let people = [("Ada Example", 64), ("Ben Sample", 25), ("Cleo Muster", 1), ("Dan Beispiel", 95)];
        Self::of(Home::empty(), server(&people), version)
    }

    /// Of an archive that is complete up to messages which have come since.
    fn grown(version: &'static str) -> Self {
        Self::grown_in(Home::empty(), &[("Ada Example", 64), ("Ben Sample", 25), ("Cleo Muster", 3)], version)
    }

    /// The same two, where the inbox tells which conversations there are and which have news: more than a page of it.
    fn of_the_inbox(version: &'static str, fresh: bool) -> Self {
        let people: Vec<String> = (1..=14).map(|number| format!("Ada Example{number}")).collect();
        let mut people: Vec<(&str, usize)> = people.iter().map(|name| (name.as_str(), 3)).collect();
        (people[0].1, people[13].1) = (64, 25);
        let mut home = Home::empty();
        home.discovers(1);
        if fresh { Self::of(home, server(&people), version) } else { Self::grown_in(home, &people, version) }
    }

    fn grown_in(home: Home, people: &[(&str, usize)], version: &'static str) -> Self {
        let mut server = synced(&home, server(people), version);
        for (conversation, messages) in [(0, 75), (1, 4)] {
            send(&mut server, conversation, messages);
        }
        Self::of(home, server, version)
    }

    fn of(mut home: Home, server: Server, version: &'static str) -> Self {
        home.env("ARCHIVER_SYNC__PAGE_SIZE", "30");
        let mut story = Self { home, server, version, undisturbed: 0, requests: 0 };
        let scene = story.scene();
        let before = scene.api.requests();
        assert_eq!(scene.home.sync()["outcome"], "complete");
        story.requests = scene.api.requests() - before;
        assert_eq!(scene.home.sync()["new_messages"], 0);
        assert_complete(&scene.home, &scene.api.server());
        story.undisturbed = scene.charged();
        story
    }

    fn scene(&self) -> Scene {
        let api = FakeApi::serve(self.server.clone());
        let home = self.home.copy();
        home.point_at(&api, self.version);
        Scene { charged_before: api.charged(), api, home }
    }
}

impl Scene {
    fn charged(&self) -> i64 {
        self.api.charged() - self.charged_before
    }

    /// Kills the program when its `number`th request has come: before anything is done about it, or as soon as it
    /// has been processed and charged.
    fn kill_at(&self, number: usize, charged: bool) -> Ran {
        let (victim, server) = (Arc::new(OnceLock::<Pid>::new()), self.api.shared());
        let pid = Arc::clone(&victim);
        let (before, mut count) = (self.api.requests(), 0);
        self.api.at_each_request(move || {
            count += 1;
            if count == number {
                if !charged {
                    server.lock().unwrap().faults.add(FaultRule::once(Fault::CloseBefore));
                }
                kill(*pid.wait());
            }
        });
        let process = Process::start(&mut self.home.archiver(SYNC));
        victim.set(process.pid()).unwrap();
        let ran = process.finish();
        self.api.at_no_request();
        assert_eq!(ran.signal, Some(Signal::KILL.as_raw()), "{ran:?}");
        // The server may still be at it.
        while self.api.requests() < before + number {
            std::thread::yield_now();
        }
        ran
    }

    /// What must hold after the program's sudden end, and that the next runs put everything right.
    fn goes_on(&self, story: &Story, killed: &str) {
        let rows = self.api.server().meter.rows().to_vec();
        let in_flight = rows.last().map_or(0, |row| i64::from(row.charged));
        let first = u64::try_from(story.server.meter.rows().len()).unwrap();
        let asked = rows.len() - story.server.meter.rows().len();
        // Before the first request there may be no archive yet.
        if asked > 0 {
            // A copy: opening it mends what the next run has to find as it was left.
            let left = self.home.copy();
            assert_sound(&left, self.api.charged());
            let settled = "SELECT count(*) FROM request WHERE credits_spent IS NOT NULL";
            let reserved = left.count("SELECT count(*) FROM request");
            assert!(left.count(settled) + 1 >= reserved, "only the last request may be unsettled");
        }
        self.home.sync_until_complete();
        assert_sound(&self.home, self.api.charged());
        assert_complete(&self.home, &self.api.server());
        let most = story.undisturbed + in_flight;
        let since = |row: &&RequestRow| row.id > first;
        let rows: Vec<RequestRow> = self.api.server().meter.rows().iter().filter(since).cloned().collect();
        assert!(
            self.charged() <= most,
            "{} credits are more than {most}, {killed}: {rows:#?}",
            self.charged()
        );
        assert_eq!(self.api.server().meter.violations(), []);
    }
}

/// Kills a process and waits until it is dead.
fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
    // An error means that somebody else has already seen its end.
    let _seen = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
}

/// Brings an archive up to date with this server, and gives the server back.
fn synced(home: &Home, server: Server, version: &str) -> Server {
    let api = FakeApi::serve(server);
    home.point_at(&api, version);
    assert_eq!(home.sync()["outcome"], "complete");
    api.server().clone()
}

/// Lets so many messages come, an hour apart.
fn send(server: &mut Server, conversation: usize, messages: u32) {
    let mailbox = server.mailbox_mut(0).unwrap();
    let last = mailbox.conversation(conversation).unwrap().last().map_or(START, |m| m.at_ms);
    for number in 1..=i64::from(messages) {
        let text = format!("new message {number}");
        mailbox.send(conversation, Author::Other(0), last + number * HOUR, &text).unwrap();
    }
}

#[test]
fn killed_at_any_request_it_loses_nothing_and_pays_at_most_that_one_twice() {
    let stories = [
        Story::fresh("v1"),
        Story::fresh("v2"),
        Story::grown("v1"),
        Story::grown("v2"),
        Story::of_the_inbox("v1", true),
        Story::of_the_inbox("v2", false),
    ];
    let mut cases = Vec::new();
    for story in &stories {
        assert!(story.requests >= 5, "{}", story.requests);
        for number in 1..=story.requests {
            cases.extend([(story, number, false), (story, number, true)]);
        }
    }
    for_each_case(sample(cases, 19), |(story, number, charged)| {
        let scene = story.scene();
        scene.kill_at(number, charged);
        scene.goes_on(story, &format!("{number} {charged}"));
    });
}

/// What a process may write to one file is limited, in steps of 512 bytes, and the kernel ends it at the first byte
/// beyond: within the creation of the archive, within a reservation, within a page, between any two of them.
#[test]
fn killed_at_any_point_of_its_writing_it_loses_nothing_and_pays_at_most_one_request_twice() {
    // No step is a multiple of the journal's frames of 4120 bytes, so that it comes to all points of a frame.
    for (story, step) in [(Story::fresh("v1"), 37), (Story::of_the_inbox("v2", true), 131)] {
        let enough = blocks_written(&story);
        for_each_case(sample((1..enough).step_by(step).collect(), 19), |blocks| {
            let scene = story.scene();
            assert!(die_beyond(&scene.home, blocks), "{blocks} of {enough} blocks");
            scene.goes_on(&story, &format!("beyond {blocks} blocks"));
        });
    }
}

/// Blocks of 512 bytes that the undisturbed run writes to its longest file, the journal.
fn blocks_written(story: &Story) -> u64 {
    let scene = story.scene();
    let journal = scene.home.path("archive.db-wal");
    let (longest, seen) = (Arc::new(OnceLock::new()), story.requests);
    let (told, mut count) = (Arc::clone(&longest), 0);
    scene.api.at_each_request(move || {
        count += 1;
        if count == seen {
            told.set(fs::metadata(&journal).unwrap().len() / 512).unwrap();
        }
    });
    scene.home.sync();
    *longest.get().unwrap()
}

/// Runs the program with so many blocks of 512 bytes to write; whether that ended it.
fn die_beyond(home: &Home, blocks: u64) -> bool {
    let shell = format!("ulimit -c 0; ulimit -f {blocks}");
    let ran = Process::start(&mut home.archiver_after(&shell, SYNC)).finish();
    // Where the signal is ignored by inheritance, the failing write ends the run.
    ran.signal == Some(Signal::XFSZ.as_raw()) || ran.code == Some(74) || ran.code == Some(73)
}

#[test]
fn killed_while_the_journal_moves_into_the_file_it_loses_nothing() {
    let home = Home::empty();
    let mut server = synced(&home, server(&[("Ada Example", 4_000)]), "v1");
    send(&mut server, 0, 120);
    let small = fs::metadata(home.archive()).unwrap().len() / 512;
    let story = Story::of(home, server, "v1");
    let scene = story.scene();
    scene.home.sync();
    let large = fs::metadata(scene.home.archive()).unwrap().len() / 512;
    assert!(blocks_written(&story) < small && small + 8 < large, "{small} {large}");
    for_each_case(sample((small..large).step_by(8).collect(), 19), |blocks| {
        let scene = story.scene();
        assert!(die_beyond(&scene.home, blocks), "{blocks}");
        assert!(scene.home.path("archive.db-wal").exists());
        scene.goes_on(&story, &format!("beyond {blocks} blocks"));
    });
}

/// The case that a walk from the newest message to the first stored one loses for ever: it is cut short within what
/// is new, and the next walk meets its beginnings and stops.
#[test]
fn an_api_that_fails_at_any_request_of_a_catch_up_costs_no_message() {
    let mut cases = Vec::new();
    for version in ["v1", "v2"] {
        for cursor in [CursorRule::Exclusive, CursorRule::Inclusive] {
            let story = Arc::new(backlog(version, cursor));
            assert!(story.requests >= 5, "{}", story.requests);
            for number in 1..=story.requests {
                for fault in [Fault::http(500), Fault::CloseAfter] {
                    cases.push((Arc::clone(&story), number, fault));
                }
            }
        }
    }
    for_each_case(sample(cases, 29), |(story, number, fault)| {
        let scene = story.scene();
        let first = u64::try_from(scene.api.requests() + number).unwrap();
        let rule = FaultRule::always(fault).when(When { from_request: Some(first), ..When::default() });
        scene.api.server().faults.add(rule);
        scene.home.run(SYNC).expect(69);
        assert_sound(&scene.home, scene.api.charged());
        scene.api.server().faults.clear();
        for _ in 0..5 {
            scene.home.sync();
        }
        assert_sound(&scene.home, scene.api.charged());
        assert_complete(&scene.home, &scene.api.server());
    });
}

/// A stored backlog of 300 messages, and 200 that have come since.
fn backlog(version: &'static str, cursor: CursorRule) -> Story {
    let home = Home::empty();
    let mut server = server(&[("Ada Example", 300)]);
    server.behaviour = Behaviour { cursor, ..Behaviour::default() };
    let mut server = synced(&home, server, version);
    send(&mut server, 0, 200);
    Story::of(home, server, version)
}

#[test]
fn a_page_that_is_paid_for_waits_as_long_as_another_program_locks_the_archive() {
    let story = Story::grown("v1");
    let scene = story.scene();
    let archive = scene.home.archive();
    let mut first = true;
    scene.api.at_each_request(move || {
        if std::mem::take(&mut first) {
            let db = rusqlite::Connection::open(&archive).unwrap();
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            // Longer than a statement waits, and than a stop used to.
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(12));
                drop(db);
            });
        }
    });
    assert_eq!(scene.home.sync()["outcome"], "complete");
    assert_complete(&scene.home, &scene.api.server());
    assert_eq!(scene.home.sync()["new_messages"], 0);
    assert_eq!(scene.charged(), story.undisturbed);
    assert_sound(&scene.home, scene.api.charged());
}
