//! The log of a table: created, committed to, read again, and read when parts of it are damaged or gone.

use std::sync::atomic::Ordering;

use archiver::lake::LakeError;
use archiver::lake::delta::action::{
    AddFile, AppTransaction, CommitInfo, TableAction, TableFormat, TableMetadata,
};
use archiver::lake::delta::commit::{CommitConflict, CommitOutcome, CommitPlan};
use archiver::lake::delta::path::encoded;
use archiver::lake::delta::table::DeltaTable;
use archiver::lake::delta::upkeep::LogRetention;
use archiver::lake::storage::Storage;

use super::memory::MemoryStorage;

const DAY: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn metadata(id: &str) -> TableMetadata {
    let configuration = [("delta.logRetentionDuration", "interval 7 days")];
    TableMetadata {
        id: id.to_owned(),
        name: Some("messages".to_owned()),
        description: None,
        format: TableFormat::default(),
        schema_string: r#"{"type":"struct","fields":[]}"#.to_owned(),
        partition_columns: Vec::new(),
        created_time: Some(1),
        configuration: configuration.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect(),
    }
}

pub(super) fn add(key: &str, size: u64) -> AddFile {
    AddFile {
        path: encoded(key),
        partition_values: [("m".to_owned(), Some("1".to_owned()))].into_iter().collect(),
        size,
        modification_time: 5,
        data_change: true,
        stats: Some(r#"{"numRecords":1}"#.to_owned()),
        tags: None,
    }
}

fn create(storage: &MemoryStorage) -> DeltaTable {
    let info = CommitInfo::default();
    DeltaTable::load_or_create(storage, "t", metadata("id"), info, 0, &mut |_| Ok(())).unwrap()
}

fn load(storage: &MemoryStorage) -> DeltaTable {
    DeltaTable::load(storage, "t", 0).unwrap().unwrap()
}

fn plan(actions: Vec<TableAction>, owns: &dyn Fn(&AddFile) -> bool) -> CommitPlan<'_> {
    let txn_id = format!("{:016x}", fastrand::u64(..));
    CommitPlan { actions, info: CommitInfo::default(), txn_id, app_id: Some("us"), owns }
}

fn commit_at(
    storage: &MemoryStorage,
    table: &mut DeltaTable,
    actions: Vec<TableAction>,
    now: i64,
) -> Result<CommitOutcome, LakeError> {
    storage.now.store(now, Ordering::Relaxed);
    table.commit(storage, plan(actions, &|_| false), now, LogRetention::WEEK, &mut |_| Ok(()))
}

fn done(outcome: Result<CommitOutcome, LakeError>) -> u64 {
    match outcome.unwrap() {
        CommitOutcome::Done { version, checkpoint } => {
            checkpoint.unwrap();
            version
        }
        CommitOutcome::Conflict(conflict) => panic!("{conflict:?}"),
    }
}

fn add_files(storage: &MemoryStorage, table: &mut DeltaTable, keys: impl IntoIterator<Item = u32>) {
    for key in keys {
        done(commit_at(storage, table, vec![TableAction::Add(add(&format!("f{key}"), 1))], 0));
    }
}

#[test]
fn a_table_is_created_once_and_then_loaded() {
    let storage = MemoryStorage::default();
    assert!(DeltaTable::load(&storage, "t", 0).unwrap().is_none());
    let mut table = create(&storage);
    let other = create(&storage);
    assert_eq!((table.version(), other.version()), (0, 0));
    let txn = AppTransaction { app_id: "us".to_owned(), version: 7, last_updated: None };
    let actions = vec![TableAction::Txn(txn), TableAction::Add(add("m=1/ä b%", 1))];
    assert_eq!(done(commit_at(&storage, &mut table, actions, 0)), 1);
    let loaded = load(&storage);
    assert_eq!(loaded.state(), table.state());
    assert_eq!(loaded.state().txn_version("us"), Some(7));
    let file = &loaded.state().files()["m=1/ä b%"];
    assert_eq!((file.path.as_str(), loaded.key_of(file).as_str()), ("m=1/%C3%A4%20b%25", "t/m=1/ä b%"));
    let before = storage.calls.load(Ordering::Relaxed);
    table.refresh(&storage, 0).unwrap();
    assert!(storage.calls.load(Ordering::Relaxed) - before <= 3, "a refresh that finds nothing is cheap");
}

#[test]
fn every_tenth_commit_of_a_small_table_writes_a_checkpoint() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    let mut other = load(&storage);
    add_files(&storage, &mut table, 1..=25);
    let checkpoints = storage.keys().iter().filter(|key| key.ends_with(".checkpoint.parquet")).count();
    assert_eq!((checkpoints, table.checkpoint()), (2, Some(19)));
    let before = storage.calls.load(Ordering::Relaxed);
    assert_eq!(load(&storage).state(), table.state());
    assert!(storage.calls.load(Ordering::Relaxed) - before <= 9, "the checkpoint and six commits are read");
    other.refresh(&storage, 0).unwrap();
    assert_eq!((other.state(), other.checkpoint()), (table.state(), Some(19)));
}

#[test]
fn a_damaged_pointer_to_the_checkpoint_is_passed_over() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    add_files(&storage, &mut table, 1..=25);
    let pointer = "t/_delta_log/_last_checkpoint";
    let damaged = ["", "{", "[]", "{\"version\":-1}", "{\"version\":999,\"size\":3}"];
    for damaged in damaged.map(str::to_owned).into_iter().chain([
        format!("{{\"version\":{},\"size\":3}}", u64::MAX),
        "{\"version\":19,\"size\":3,\"parts\":4000000000}".to_owned(),
        "{\"version\":9,\"size\":3}".to_owned(),
        "{\"version\":10,\"size\":3}".to_owned(),
    ]) {
        storage.put(pointer, damaged.clone().into()).unwrap();
        assert_eq!(load(&storage).state(), table.state(), "{damaged}");
    }
    storage.delete(&[pointer.to_owned()]).unwrap();
    assert_eq!(load(&storage).state(), table.state());
}

#[test]
fn a_checkpoint_that_is_cut_off_gives_way_to_an_older_one_or_to_the_commits() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    add_files(&storage, &mut table, 1..=25);
    for version in [19, 9] {
        let key = format!("t/_delta_log/{version:020}.checkpoint.parquet");
        let bytes = storage.get(&key).unwrap().unwrap();
        storage.put(&key, bytes.slice(..bytes.len() / 2)).unwrap();
        assert_eq!(load(&storage).state(), table.state(), "without {version}");
    }
    storage.delete(&["t/_delta_log/00000000000000000000.json".to_owned()]).unwrap();
    let error = DeltaTable::load(&storage, "t", 0).unwrap_err().to_string();
    assert!(error.starts_with("t/_delta_log/00000000000000000019.checkpoint.parquet: "), "{error}");
}

#[test]
fn a_gap_in_the_log_is_an_error() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    add_files(&storage, &mut table, 1..=5);
    storage.delete(&["t/_delta_log/00000000000000000003.json".to_owned()]).unwrap();
    let error = DeltaTable::load(&storage, "t", 0).unwrap_err().to_string();
    assert!(error.contains("00000000000000000003.json: it is missing, though there is version 5"), "{error}");
}

#[test]
fn a_checkpoint_in_parts_is_read_once_all_are_there() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    add_files(&storage, &mut table, 1..=9);
    let of = |name: &str| format!("t/_delta_log/00000000000000000009.checkpoint.{name}parquet");
    let whole = storage.get(&of("")).unwrap().unwrap();
    storage.delete(&[of("")]).unwrap();
    add_files(&storage, &mut table, 10..=12);
    storage.put("t/_delta_log/_last_checkpoint", "{\"version\":9,\"size\":3,\"parts\":2}".into()).unwrap();
    storage.put(&of("0000000001.0000000002."), whole.clone()).unwrap();
    assert_eq!(load(&storage).state(), table.state(), "by the commits");
    storage.put(&of("0000000002.0000000002."), whole).unwrap();
    storage.delete(&["t/_delta_log/00000000000000000000.json".to_owned()]).unwrap();
    assert_eq!(load(&storage).state(), table.state(), "by the parts");
    storage.delete(&["t/_delta_log/_last_checkpoint".to_owned()]).unwrap();
    assert_eq!(load(&storage).state(), table.state(), "by the parts that are listed");
}

#[test]
fn a_plan_that_another_commit_made_void_is_a_conflict_and_others_go_on() {
    let storage = MemoryStorage::default();
    let mut begin = create(&storage);
    add_files(&storage, &mut begin, 1..=3);
    let removed = |key: &str| TableAction::Remove(begin.state().files()[key].removed(0, true));
    let txn = |app: &str| {
        TableAction::Txn(AppTransaction { app_id: app.to_owned(), version: 1, last_updated: None })
    };
    let next = begin.version() + 1;
    let gone = CommitConflict::FileGone { version: next, key: "f1".to_owned() };
    let added = |key: &str| CommitConflict::FileAdded { version: next, key: key.to_owned() };
    let cases = [
        (vec![txn("them")], None),
        (vec![removed("f2")], None),
        (vec![TableAction::Add(add("theirs", 1))], None),
        (vec![txn("us")], Some(CommitConflict::SameApp { version: next })),
        (vec![removed("f1")], Some(gone.clone())),
        (vec![TableAction::Add(add("f1", 2))], Some(gone)),
        (vec![TableAction::Add(add("own/x", 1))], Some(added("own/x"))),
        (vec![TableAction::Add(add("new", 1))], Some(added("new"))),
        (
            vec![TableAction::Metadata(Box::new(metadata("id")))],
            Some(CommitConflict::TableChanged { version: next }),
        ),
    ];
    for (theirs, expected) in cases {
        let storage = MemoryStorage::default();
        let mut table = create(&storage);
        add_files(&storage, &mut table, 1..=3);
        let mut other = load(&storage);
        done(commit_at(&storage, &mut other, theirs.clone(), 0));
        let ours = vec![txn("us"), removed("f1"), TableAction::Add(add("new", 1))];
        let owns = |file: &AddFile| file.path.starts_with("own/");
        let outcome =
            table.commit(&storage, plan(ours, &owns), 0, LogRetention::WEEK, &mut |_| Ok(())).unwrap();
        match (outcome, expected) {
            (CommitOutcome::Done { version, .. }, None) => assert_eq!(version, next + 1, "{theirs:?}"),
            (CommitOutcome::Conflict(conflict), Some(expected)) => assert_eq!(conflict, expected),
            (outcome, _) => panic!("{theirs:?}: {outcome:?}"),
        }
        assert_eq!(load(&storage).state(), table.state(), "{theirs:?}");
    }
}

#[test]
fn a_table_that_another_raised_is_refused() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    let mut raised = metadata("id");
    raised.configuration.insert("delta.appendOnly".to_owned(), "true".to_owned());
    let mut other = load(&storage);
    done(commit_at(&storage, &mut other, vec![TableAction::Metadata(Box::new(raised))], 0));
    let refused = |result: Result<(), LakeError>| {
        let Err(LakeError::Refused { message, help }) = result else { panic!("{result:?}") };
        assert!(message.contains("delta.appendOnly=true") && help.contains("delta.appendOnly"), "{message}");
    };
    refused(commit_at(&storage, &mut table, vec![TableAction::Add(add("a", 1))], 0).map(drop));
    refused(create_again(&storage).map(drop));
    refused(table.refresh(&storage, 0));
}

fn create_again(storage: &MemoryStorage) -> Result<DeltaTable, LakeError> {
    let info = CommitInfo::default();
    DeltaTable::load_or_create(storage, "t", metadata("id"), info, 0, &mut |_| Ok(()))
}

#[test]
fn a_log_stays_short_and_a_writer_that_slept_meanwhile_notices() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    let mut sleeper = table.clone();
    let mut slept = table.clone();
    for day in 1..=200_i64 {
        let mut actions = vec![TableAction::Add(add(&format!("f{day}"), 1))];
        if let Some(file) = table.state().files().values().next() {
            actions.push(TableAction::Remove(file.removed(day * DAY, true)));
        }
        done(commit_at(&storage, &mut table, actions, day * DAY));
        if day == 5 {
            slept.refresh(&storage, day * DAY).unwrap();
        }
        assert_eq!(load(&storage).state(), table.state(), "day {day}");
    }
    let files = storage.keys().len();
    assert!(files < 35, "{files} files are left");
    assert!(table.state().tombstones().len() < 20, "old ones are forgotten");
    let outcome =
        commit_at(&storage, &mut sleeper, vec![TableAction::Add(add("late", 1))], 200 * DAY).unwrap();
    let CommitOutcome::Conflict(conflict) = outcome else { panic!("{outcome:?}") };
    assert_eq!(conflict, CommitConflict::FarBehind { version: 200 });
    assert_eq!(sleeper.state(), table.state());
    slept.refresh(&storage, 200 * DAY).unwrap();
    assert_eq!(slept.state(), table.state());
}

#[test]
fn a_pointer_that_went_back_does_not_hide_newer_versions() {
    let storage = MemoryStorage::default();
    let mut table = create(&storage);
    add_files(&storage, &mut table, 1..=25);
    let commits = |versions: std::ops::RangeInclusive<u64>| -> Vec<String> {
        versions.map(|version| format!("t/_delta_log/{version:020}.json")).collect()
    };
    storage.put("t/_delta_log/_last_checkpoint", "{\"version\":9,\"size\":3}".into()).unwrap();
    storage.delete(&commits(0..=18)).unwrap();
    assert_eq!(load(&storage).state(), table.state());
}
