//! Ten archives push into one lake, call by call in an order of the seed's choosing, and are killed at random: every
//! table is what the archives are together. `ARCHIVER_SIM_SEED` runs one seed alone, `ARCHIVER_LAKE_SEEDS` so many.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use archiver::core::lake::RowSizes;
use archiver::lake::LakeError;
use archiver::lake::push::{PushWatch, Pushed, push};
use archiver::lake::storage::Storage;
use archiver::store::{Configured, Erasure, Reader, Selection, Trigger, name_archive};
use fastrand::Rng;
use rusqlite::Connection;

use super::baton::{Baton, Turn};
use super::memory::MemoryStorage;
use crate::bench::{Bench, NOW, item, more_page};
use crate::support::lake::{differences, parquet_rows};

const DAY: i64 = 86_400_000;
/// Months of a few dozen messages have several files, and files several row groups.
const SMALL: RowSizes = RowSizes { file: 30, group: 4 };

/// An archive and what has happened to it.
struct Office {
    bench: Bench,
    random: Rng,
    next_id: u32,
    /// A copy of the file, to be restored one day.
    copy: Option<std::path::PathBuf>,
    erased: BTreeSet<String>,
}

/// Never waits: the seed decides what comes next.
struct Hurry;

impl PushWatch for Hurry {
    fn pause(&mut self, _ms: u64) -> Result<(), LakeError> {
        Ok(())
    }
}

impl Office {
    fn new(number: usize, seed: u64) -> Self {
        // Some have accounts of the same name.
        let account = |name: &str, prefix: &str| Configured {
            account: name.into(),
            conversations: (0..3).map(|i| (format!("2-{prefix}{i}"), None)).collect(),
            ..Configured::default()
        };
        let second = format!("Büro {number}/%");
        let bench = Bench::of(&[account("me", "a"), account(&second, "b")]);
        name_archive(&bench.path()).unwrap();
        let random = Rng::with_seed(seed ^ ((number as u64 + 1) << 32));
        Self { bench, random, next_id: 0, copy: None, erased: BTreeSet::new() }
    }

    /// Something happens: pages come, messages are edited, moved or vanish, names change, runs end, messages are erased,
    /// an older copy takes the archive's place.
    fn live(&mut self) {
        for _ in 0..self.random.u32(0..6) {
            match self.random.u32(0..14) {
                0..6 => self.page(),
                6 | 7 => self.again(),
                8 => self.rename(),
                9 | 10 => self.bench.next_run(),
                11 => self.erase(),
                12 => self.back_up(),
                _ => self.restore(),
            }
            self.bench.now += self.random.i64(1..DAY);
        }
    }

    fn page(&mut self) {
        let conversation = self.random.usize(0..6);
        let newest = NOW + self.random.i64(-200..200) * DAY / 4;
        let count = self.random.i64(1..12);
        let items: Vec<String> = (0..count)
            .map(|i| {
                self.next_id += 1;
                let id = format!("u{}", self.next_id);
                let who = ["Ada Example", "Bo Beispiel", "Olivia Owner"][self.random.usize(0..3)];
                item(
                    &id,
                    newest - i * DAY / 2,
                    who,
                    &format!("secret {id} of {}", self.bench.path().display()),
                )
            })
            .collect();
        drop(self.bench.put(conversation, &more_page(&items, newest - count * DAY / 2)));
    }

    /// A conversation is read again: some of its messages are edited, moved to another time, or gone.
    fn again(&mut self) {
        let conversation = self.bench.targets[self.random.usize(0..6)].plan.id.0;
        let db = self.bench.other();
        let mut statement = db
            .prepare(
                "SELECT u.prefix || m.urn_key || u.suffix, m.sent_at_ms, p.name, m.text FROM message m
                      JOIN urn_shape u ON u.id = m.urn_shape JOIN person p ON p.id = m.sender
                      WHERE m.conversation = ?1 ORDER BY m.sent_at_ms DESC LIMIT 8",
            )
            .unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let stored: Vec<(String, i64, String, String)> =
            statement.query_map([conversation], read).unwrap().map(Result::unwrap).collect();
        drop(statement);
        let Some(oldest) = stored.last().map(|(_, at, ..)| *at) else { return };
        let mut items: Vec<(i64, String)> = Vec::new();
        for (id, at, who, text) in stored {
            match self.random.u32(0..6) {
                0 => {}
                1 => items.push((at, item(&id, at, &who, &format!("{text} edited")))),
                2 => items.push((at + 40 * DAY, item(&id, at + 40 * DAY, &who, &text))),
                _ => items.push((at, item(&id, at, &who, &text))),
            }
        }
        items.sort_by_key(|(at, _)| -at);
        let items: Vec<String> = items.into_iter().map(|(_, item)| item).collect();
        let at = self.bench.targets.iter().position(|target| target.plan.id.0 == conversation).unwrap();
        if !items.is_empty() {
            drop(self.bench.put(at, &more_page(&items, oldest)));
        }
    }

    fn rename(&mut self) {
        let id = self.bench.targets[self.random.usize(0..6)].plan.id.0;
        // So few that a conversation soon is called what it was before.
        let name = format!("Name {}", self.random.u32(0..2));
        let sql = match self.random.u32(0..3) {
            0 => "UPDATE conversation SET alias = ?2 WHERE id = ?1",
            1 => "UPDATE person SET is_me = 1 WHERE id = ?1 AND ?2 <> ''",
            _ => "UPDATE gap SET stall_code = 'request_failed', stall_detail = ?2 WHERE conversation = ?1",
        };
        self.bench.other().execute(sql, rusqlite::params![id, name]).unwrap();
    }

    fn erase(&mut self) {
        // Those that were changed, of which some were in another month before, or any.
        let of = ["message ORDER BY change DESC, id", "message ORDER BY id"][self.random.usize(0..2)];
        let from = self.random.u32(0..40);
        let ids = self.bench.all::<i64>(&format!("SELECT id FROM {of} LIMIT 2 OFFSET {from}"));
        let texts = self.bench.all(&format!("SELECT text FROM {of} LIMIT 2 OFFSET {from}"));
        let chosen: Vec<(i64, String)> = ids.into_iter().zip(texts).collect();
        let ids = chosen.iter().map(|(id, _)| archiver::core::model::ids::MessageId(*id)).collect();
        let selection = Selection { messages: Some(ids), ..Selection::default() };
        let erasure =
            Erasure { selection: &selection, reason: None, trigger: Trigger::Once, now: self.bench.now };
        if let Some(erased) = self.bench.store.erase(&erasure).unwrap() {
            self.bench.store.finish_erasures(erased.traces, Some(self.bench.now)).unwrap();
            self.erased.extend(chosen.into_iter().map(|(_, text)| text));
        }
    }

    fn back_up(&mut self) {
        let to = self.bench.dir.path().join("copy.db");
        drop(std::fs::remove_file(&to));
        self.bench.other().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
        self.copy = Some(to);
    }

    /// As after a disk has failed: what was erased since the copy comes back, so nothing is expected of it.
    fn restore(&mut self) {
        let Some(copy) = self.copy.take() else { return };
        let path = self.bench.path();
        let placeholder =
            std::mem::replace(&mut self.bench.store, archiver::store::Store::in_memory().unwrap());
        drop(placeholder);
        for suffix in ["-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{suffix}", path.display())));
        }
        std::fs::rename(&copy, &path).unwrap();
        self.bench.store = archiver::store::Store::open(&path).unwrap();
        self.erased.clear();
        self.bench.now += 1;
        self.bench.run = self.bench.store.begin_run(Trigger::Once, self.bench.now).unwrap();
    }

    fn push(&self, storage: &dyn Storage, memory: &MemoryStorage) -> Result<Pushed, LakeError> {
        pushed_by(&self.bench.path(), storage, memory)
    }
}

/// What was erased, and is in some file of this archive nevertheless: in the tables or beside them.
fn remains(office: &Office, memory: &MemoryStorage) -> Vec<String> {
    let db = office.bench.other();
    let id: String = db.query_row("SELECT archive FROM identity", [], |row| row.get(0)).unwrap();
    let mut found = Vec::new();
    for key in memory.keys().into_iter().filter(|key| key.contains(&id) && key.ends_with(".parquet")) {
        for row in parquet_rows(memory.get(&key).unwrap().unwrap()) {
            let said =
                |text: &&String| row.values().any(|value| value.contains(text.trim_end_matches(" edited")));
            found.extend(office.erased.iter().filter(said).map(|text| format!("{text} in {key}")));
        }
    }
    found
}

fn run(seed: u64, offices: usize) {
    let mut random = Rng::with_seed(seed);
    let one_in = [0, 200, 60, 25][random.usize(0..4)];
    let baton = Baton::new(seed, 0, one_in);
    baton.memory.now.store(NOW, Ordering::Relaxed);
    let mut all: Vec<Office> = (0..offices).map(|number| Office::new(number, seed)).collect();
    for round in 0..random.usize(2..6) {
        all.iter_mut().for_each(Office::live);
        let pushing: Vec<usize> = (0..offices).filter(|_| random.u32(0..5) > 0).collect();
        baton.join(pushing.len());
        let done: Vec<(usize, Result<Pushed, LakeError>)> = std::thread::scope(|scope| {
            let threads: Vec<_> = pushing
                .iter()
                .map(|&who| {
                    // A connection is not for several threads.
                    let (path, baton) = (all[who].bench.path(), &baton);
                    scope.spawn(move || {
                        let pushed = pushed_by(&path, &Turn { baton, who }, &baton.memory);
                        baton.leave();
                        (who, pushed)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (who, pushed) in done {
            match pushed {
                Ok(pushed) if pushed.left == 0 => {
                    assert_eq!(
                        remains(&all[who], &baton.memory),
                        Vec::<String>::new(),
                        "seed {seed}, round {round}"
                    );
                }
                Ok(_) => {}
                Err(LakeError::Storage { .. }) => {}
                Err(other) => panic!("seed {seed}: {other:?}"),
            }
        }
        let later = baton.memory.now.load(Ordering::Relaxed) + random.i64(0..DAY);
        baton.memory.now.store(later, Ordering::Relaxed);
    }
    baton.settle();
    for office in &all {
        office.push(&baton.memory, &baton.memory).unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    }
    let connections: Vec<Connection> = all.iter().map(|office| office.bench.other()).collect();
    let connections: Vec<&Connection> = connections.iter().collect();
    let wrong = differences(&connections, &|key| baton.memory.get(key).unwrap());
    assert_eq!(wrong, Vec::<String>::new(), "seed {seed}");
    // Nothing has changed, so nothing is written.
    for office in &all {
        let again = office.push(&baton.memory, &baton.memory).unwrap();
        assert_eq!(again.tables, [], "seed {seed}");
    }
    baton.memory.now.fetch_add(8 * DAY, Ordering::Relaxed);
    for office in &all {
        let last = office.push(&baton.memory, &baton.memory).unwrap();
        assert_eq!(last.left, 0, "seed {seed}");
        assert_eq!(remains(office, &baton.memory), Vec::<String>::new(), "seed {seed}");
    }
}

fn pushed_by(
    path: &std::path::Path,
    storage: &dyn Storage,
    memory: &MemoryStorage,
) -> Result<Pushed, LakeError> {
    let reader = Reader::open(path)?;
    push(storage, &reader.snapshot()?, SMALL, memory.now.load(Ordering::Relaxed), &mut Hurry)
}

#[test]
fn ten_archives_killed_at_random_are_together_what_the_lake_says() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("ARCHIVER_SIM_SEED") {
        return run(seed, 10);
    }
    let seeds = number("ARCHIVER_LAKE_SEEDS").unwrap_or(if std::env::var_os("ARCHIVER_TEST_ALL").is_some() {
        30
    } else {
        6
    });
    (0..seeds).for_each(|seed| run(seed, 10));
}

#[test]
fn an_archive_alone_is_pushed_whole_then_as_it_changes_and_not_at_all_when_it_does_not() {
    let mut office = Office::new(0, 1);
    let memory = MemoryStorage::default();
    memory.now.store(NOW, Ordering::Relaxed);
    (0..20).for_each(|_| office.page());
    let first = office.push(&memory, &memory).unwrap();
    assert!(first.whole, "{first:?}");
    assert_eq!(differences(&[&office.bench.other()], &|key| memory.get(key).unwrap()), Vec::<String>::new());
    let again = office.push(&memory, &memory).unwrap();
    assert!(!again.whole && again.tables.is_empty(), "{again:?}");
    office.page();
    let some = office.push(&memory, &memory).unwrap();
    assert!(!some.whole, "{some:?}");
    assert_eq!(differences(&[&office.bench.other()], &|key| memory.get(key).unwrap()), Vec::<String>::new());
}
