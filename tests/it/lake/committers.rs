//! Many writers of one table, whose calls fail and cross each other: each commit is made once. `ARCHIVER_SIM_SEED` runs
//! one seed alone.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use archiver::lake::LakeError;
use archiver::lake::delta::action::{AddFile, AppTransaction, CommitInfo, TableAction, read_commit};
use archiver::lake::delta::commit::{CommitOutcome, CommitPlan};
use archiver::lake::delta::table::DeltaTable;
use archiver::lake::delta::upkeep::LogRetention;
use archiver::lake::storage::Storage;
use fastrand::Rng;

use super::baton::{Baton, Turn};
use super::log::{add, metadata};
use super::memory::MemoryStorage;

/// What a writer pushes: so many pieces, each once, whoever of those with its `app` is faster.
const PIECES: i64 = 6;
/// The storage's time at first; each call takes a second.
const BEGIN: i64 = 1_700_000_000_000;

fn now(memory: &MemoryStorage) -> i64 {
    let now = BEGIN + i64::try_from(memory.calls.load(Ordering::Relaxed)).unwrap() * 1_000;
    memory.now.store(now, Ordering::Relaxed);
    now
}

fn load(storage: &Turn<'_>, random: &mut Rng) -> Result<DeltaTable, LakeError> {
    let metadata = metadata(&format!("table-{}", random.u64(..)));
    let now = now(&storage.baton.memory);
    DeltaTable::load_or_create(storage, "t", metadata, CommitInfo::default(), now, &mut |_| Ok(()))
}

/// Pushes pieces 1, 2, …: adds each to a file of its own, or to a copy of the newest file.
fn push(storage: &Turn<'_>, app: &str, random: &mut Rng) {
    let mut loaded = None;
    loop {
        let mut table = match loaded.take().map_or_else(|| load(storage, random), Ok) {
            Ok(table) => table,
            Err(_) => continue,
        };
        let piece = table.state().txn_version(app).unwrap_or(0) + 1;
        if piece > PIECES {
            return;
        }
        let key = format!("{app}/{:016x}", random.u64(..));
        let mut file = add(&key, 1);
        file.stats = Some(piece.to_string());
        let now = now(&storage.baton.memory);
        let mut actions = vec![TableAction::Txn(AppTransaction {
            app_id: app.to_owned(),
            version: piece,
            last_updated: Some(now),
        })];
        let before = table.state().files().iter().rfind(|(key, _)| key.starts_with(&format!("{app}/")));
        if let (true, Some((_, before))) = (random.bool(), before) {
            file.stats = Some(format!("{},{piece}", before.stats.as_deref().unwrap()));
            actions.push(TableAction::Remove(before.removed(now, true)));
        }
        actions.push(TableAction::Add(file));
        let owns = |file: &AddFile| file.path.starts_with(&format!("{app}/"));
        loaded = commit(storage, &mut table, actions, Some(app), &owns, random).is_ok().then_some(table);
    }
}

/// Puts two files of an app into one, again and again.
fn compact(storage: &Turn<'_>, random: &mut Rng) {
    for _ in 0..8 {
        let Ok(mut table) = load(storage, random) else { continue };
        let files: Vec<&AddFile> = table.state().files().values().collect();
        let app = |file: &AddFile| file.path.split_once('/').unwrap().0.to_owned();
        let Some(pair) = files.windows(2).find(|pair| app(pair[0]) == app(pair[1])) else { continue };
        let mut file = add(&format!("{}/{:016x}", app(pair[0]), random.u64(..)), 2);
        let stats: Vec<&str> = pair.iter().map(|file| file.stats.as_deref().unwrap()).collect();
        file.stats = Some(stats.join(","));
        let now = now(&storage.baton.memory);
        let mut actions: Vec<TableAction> =
            pair.iter().map(|file| TableAction::Remove(file.removed(now, false))).collect();
        actions.push(TableAction::Add(file));
        drop(commit(storage, &mut table, actions, None, &|_| false, random));
    }
}

fn commit(
    storage: &Turn<'_>,
    table: &mut DeltaTable,
    actions: Vec<TableAction>,
    app_id: Option<&str>,
    owns: &dyn Fn(&AddFile) -> bool,
    random: &mut Rng,
) -> Result<CommitOutcome, LakeError> {
    let txn_id = format!("{:016x}", random.u64(..));
    let plan = CommitPlan { actions, info: CommitInfo::default(), txn_id, app_id, owns };
    let now = now(&storage.baton.memory);
    table.commit(storage, plan, now, LogRetention::WEEK, &mut |_| Ok(()))
}

fn simulate(seed: u64, writers: usize, one_in: u32) {
    let baton = Baton::new(seed, writers, one_in);
    std::thread::scope(|scope| {
        for who in 0..writers {
            let baton = &baton;
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed * 100 + who as u64);
                let storage = Turn { baton, who };
                // Every third is a second process with the archive of the one before it; every fifth compacts.
                match who {
                    _ if who % 5 == 4 => compact(&storage, &mut random),
                    _ if who % 3 == 2 => push(&storage, &format!("app{}", who - 1), &mut random),
                    _ => push(&storage, &format!("app{who}"), &mut random),
                }
                baton.leave();
            });
        }
    });
    for _ in 0..2 {
        check(seed, &baton.memory);
        baton.settle();
    }
    check(seed, &baton.memory);
}

fn check(seed: u64, memory: &MemoryStorage) {
    let table = DeltaTable::load(memory, "t", BEGIN).unwrap().unwrap();
    let mut pushed: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for version in 0..=table.version() {
        let key = format!("t/_delta_log/{version:020}.json");
        let bytes = memory.get(&key).unwrap().unwrap_or_else(|| panic!("seed {seed}: {key} is missing"));
        for action in read_commit(&key, &bytes).unwrap() {
            if let TableAction::Txn(txn) = action {
                pushed.entry(txn.app_id).or_default().push(txn.version);
            }
        }
    }
    let commits = memory.keys().iter().filter(|key| key.ends_with(".json")).count();
    assert_eq!(commits as u64, table.version() + 1, "seed {seed}: the versions have a gap");
    let mut held: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for file in table.state().files().values() {
        let app = file.path.split_once('/').unwrap().0.to_owned();
        let pieces = file.stats.as_deref().unwrap().split(',').map(|piece| piece.parse::<i64>().unwrap());
        held.entry(app).or_default().extend(pieces);
    }
    held.values_mut().for_each(|pieces| pieces.sort_unstable());
    let each = (1..=PIECES).collect::<Vec<_>>();
    for (app, pieces) in &pushed {
        assert_eq!(pieces, &each, "seed {seed}: the commits of {app}");
        assert_eq!(held.get(app), Some(&each), "seed {seed}: the files of {app}");
    }
    assert_eq!(pushed.len(), held.len(), "seed {seed}");
}

#[test]
fn of_many_writers_with_a_faulty_storage_each_commits_once() {
    if let Ok(seed) = std::env::var("ARCHIVER_SIM_SEED") {
        let seed: u64 = seed.parse().unwrap();
        [(2, 0), (2, 6), (10, 0), (10, 6)].iter().for_each(|&(n, one_in)| simulate(seed, n, one_in));
        return;
    }
    for seed in 0..60 {
        simulate(seed, 2, if seed % 4 == 0 { 0 } else { 6 });
        simulate(seed, 10, if seed % 4 == 0 { 0 } else { 6 });
    }
}
