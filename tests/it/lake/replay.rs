//! A table's state is the same from all of its commits and from a checkpoint with the commits after it.

use std::collections::BTreeMap;

use archiver::lake::delta::action::{
    AddFile, AppTransaction, NamedValues, RemoveFile, TableAction, TableFormat, TableMetadata, TableProtocol,
    read_commit, write_commit,
};
use archiver::lake::delta::checkpoint_read::read_checkpoint;
use archiver::lake::delta::checkpoint_write::write_checkpoint;
use archiver::lake::delta::path::encoded;
use archiver::lake::delta::replay::{Replay, TableState};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,3}", "\\PC{0,8}"]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]{1}", "[ab]=[ %ä]{1}/x"]
}

fn named() -> impl Strategy<Value = NamedValues> {
    prop::collection::btree_map("[abc]{1}", prop::option::of(text()), 0..3).prop_map(NamedValues::from)
}

fn some<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn metadata() -> impl Strategy<Value = TableAction> {
    let map = || prop::collection::btree_map(text(), text(), 0..3);
    let columns = prop::collection::vec(text(), 0..3);
    (text(), some(text()), some(text()), text(), map(), columns, some(any::<i64>()), map()).prop_map(
        |(id, name, description, schema_string, options, partition_columns, created_time, configuration)| {
            let format = TableFormat { provider: "parquet".to_owned(), options };
            TableAction::Metadata(Box::new(TableMetadata {
                id,
                name,
                description,
                format,
                schema_string,
                partition_columns,
                created_time,
                configuration,
            }))
        },
    )
}

fn action() -> impl Strategy<Value = TableAction> {
    let tags = named().prop_map(|tags| Some(tags).filter(|tags| tags.iter().next().is_some()));
    let size = 0..=u64::try_from(i64::MAX).unwrap();
    let add = (key(), named(), size.clone(), any::<i64>(), any::<bool>(), some(text()), tags).prop_map(
        |(key, partition_values, size, modification_time, data_change, stats, tags)| {
            let path = encoded(&key);
            TableAction::Add(AddFile {
                path,
                partition_values,
                size,
                modification_time,
                data_change,
                stats,
                tags,
            })
        },
    );
    let remove = (key(), some(0..100_i64), any::<bool>(), some((named(), size))).prop_map(
        |(key, deletion_timestamp, data_change, extended)| {
            let path = encoded(&key);
            let extended_file_metadata = extended.is_some().then_some(true);
            let (partition_values, size) = extended.unzip();
            TableAction::Remove(RemoveFile {
                path,
                deletion_timestamp,
                data_change,
                extended_file_metadata,
                partition_values,
                size,
            })
        },
    );
    let txn = (text(), any::<i64>(), some(any::<i64>()))
        .prop_map(|(app_id, version, last_updated)| AppTransaction { app_id, version, last_updated })
        .prop_map(TableAction::Txn);
    let protocol = (1..3_i32, 1..4_i32).prop_map(|(min_reader_version, min_writer_version)| {
        TableAction::Protocol(TableProtocol {
            min_reader_version,
            min_writer_version,
            ..TableProtocol::ours()
        })
    });
    prop_oneof![6 => add, 4 => remove, 2 => txn, 1 => metadata(), 1 => protocol]
}

fn replayed(actions: impl IntoIterator<Item = TableAction>, version: u64) -> TableState {
    let mut replay = Replay::default();
    actions.into_iter().for_each(|action| replay.apply(action));
    replay.finish(version).unwrap()
}

proptest! {
    #[test]
    fn a_checkpoint_and_its_tail_are_all_commits(
        first in metadata(),
        commits in prop::collection::vec(prop::collection::vec(action(), 0..6), 0..8),
        split in any::<prop::sample::Index>(),
        since in 0..100_i64,
    ) {
        let split = split.index(commits.len() + 1);
        let begin = replayed([TableAction::Protocol(TableProtocol::ours()), first], 0);
        let as_written = |actions: &Vec<TableAction>| read_commit("c", &write_commit(actions).unwrap()).unwrap();
        let mut whole = begin.clone();
        commits.iter().for_each(|actions| whole.apply(as_written(actions)));
        let mut before = begin;
        commits[..split].iter().for_each(|actions| before.apply(as_written(actions)));
        let mut actions = Vec::new();
        let written = write_checkpoint(&before, since).unwrap();
        read_checkpoint(written.bytes.into(), |action| actions.push(action)).unwrap();
        prop_assert_eq!(written.actions, actions.len() as u64);
        let mut tailed = replayed(actions, split as u64);
        commits[split..].iter().for_each(|actions| tailed.apply(as_written(actions)));
        whole.forget_tombstones(since);
        tailed.forget_tombstones(since);
        prop_assert_eq!(tailed, whole);
    }
}

#[test]
fn many_row_groups_are_read_as_they_were_written() {
    let TableAction::Metadata(metadata) = metadata_of_nothing() else { unreachable!() };
    let mut state =
        replayed([TableAction::Protocol(TableProtocol::ours()), TableAction::Metadata(metadata)], 0);
    let add = |n: u32| super::log::add(&format!("m={}/{n}", n % 7), u64::from(n));
    state.apply((0..25_000).map(add).map(TableAction::Add));
    let written = write_checkpoint(&state, 0).unwrap();
    let mut actions = Vec::new();
    read_checkpoint(written.bytes.into(), |action| actions.push(action)).unwrap();
    assert_eq!(replayed(actions, 1), state);
}

#[test]
fn a_checkpoint_that_is_cut_off_anywhere_is_an_error() {
    let mut state = replayed([TableAction::Protocol(TableProtocol::ours()), metadata_of_nothing()], 0);
    state.apply((0..40).map(|n| TableAction::Add(super::log::add(&format!("m=1/{n}"), n))));
    let bytes = write_checkpoint(&state, 0).unwrap().bytes;
    for end in 0..bytes.len() {
        assert!(read_checkpoint(bytes[..end].to_vec().into(), drop).is_err(), "cut off at {end}");
    }
}

fn metadata_of_nothing() -> TableAction {
    TableAction::Metadata(Box::new(TableMetadata {
        id: "id".to_owned(),
        name: None,
        description: None,
        format: TableFormat::default(),
        schema_string: "{}".to_owned(),
        partition_columns: Vec::new(),
        created_time: None,
        configuration: BTreeMap::new(),
    }))
}
