//! The state of a table: what is left of its actions when later ones have replaced earlier ones.

use std::collections::BTreeMap;

use super::action::{AddFile, AppTransaction, RemoveFile, TableAction, TableMetadata, TableProtocol};
use crate::core::Ms;

/// A table as of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    version: u64,
    protocol: TableProtocol,
    metadata: Box<TableMetadata>,
    files: FilesByKey,
}

/// What is known of a table before its protocol and its columns are.
#[derive(Debug, Default)]
pub struct Replay {
    protocol: Option<TableProtocol>,
    metadata: Option<Box<TableMetadata>>,
    files: FilesByKey,
}

/// Files, former files and applications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct FilesByKey {
    live: BTreeMap<String, AddFile>,
    tombstones: BTreeMap<String, RemoveFile>,
    txns: BTreeMap<String, AppTransaction>,
}

impl FilesByKey {
    /// In a state, whether a change was one no longer matters.
    fn apply(&mut self, action: TableAction) {
        match action {
            TableAction::Add(add) => {
                let key = add.key();
                self.tombstones.remove(&key);
                self.live.insert(key, AddFile { data_change: false, ..add });
            }
            TableAction::Remove(remove) => {
                let key = remove.key();
                self.live.remove(&key);
                self.tombstones.insert(key, RemoveFile { data_change: false, ..remove });
            }
            TableAction::Txn(txn) => {
                self.txns.insert(txn.app_id.clone(), txn);
            }
            TableAction::Protocol(_) | TableAction::Metadata(_) | TableAction::Info(_) => {}
        }
    }
}

impl Replay {
    /// Applies an action.
    pub fn apply(&mut self, action: TableAction) {
        match action {
            TableAction::Protocol(protocol) => self.protocol = Some(protocol),
            TableAction::Metadata(metadata) => self.metadata = Some(metadata),
            other => self.files.apply(other),
        }
    }

    /// The state as of a version.
    ///
    /// # Errors
    /// The name of the action that is missing: every table has a protocol and columns from its first version.
    pub fn finish(self, version: u64) -> Result<TableState, &'static str> {
        let Some(protocol) = self.protocol else { return Err("protocol") };
        let Some(metadata) = self.metadata else { return Err("metaData") };
        Ok(TableState { version, protocol, metadata, files: self.files })
    }
}

impl TableState {
    /// Applies the next version's actions.
    pub fn apply(&mut self, actions: impl IntoIterator<Item = TableAction>) {
        for action in actions {
            match action {
                TableAction::Protocol(protocol) => self.protocol = protocol,
                TableAction::Metadata(metadata) => self.metadata = metadata,
                other => self.files.apply(other),
            }
        }
        self.version = self.version.saturating_add(1);
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What a program must know to read or write the table.
    #[must_use]
    pub const fn protocol(&self) -> &TableProtocol {
        &self.protocol
    }

    /// The table's columns and properties.
    #[must_use]
    pub fn metadata(&self) -> &TableMetadata {
        &self.metadata
    }

    /// The table's files by their keys relative to it.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, AddFile> {
        &self.files.live
    }

    /// Files that no longer belong to the table, by their keys relative to it.
    #[must_use]
    pub const fn tombstones(&self) -> &BTreeMap<String, RemoveFile> {
        &self.files.tombstones
    }

    /// Applications and how far they have come.
    #[must_use]
    pub const fn txns(&self) -> &BTreeMap<String, AppTransaction> {
        &self.files.txns
    }

    /// How far an application has come.
    #[must_use]
    pub fn txn_version(&self, app_id: &str) -> Option<i64> {
        self.files.txns.get(app_id).map(|txn| txn.version)
    }

    /// Forgets the files that were removed before a moment.
    pub fn forget_tombstones(&mut self, before: Ms) {
        self.files.tombstones.retain(|_, remove| is_young(remove, before));
    }
}

/// Whether a file was removed at a moment or after it. Who does not say when a file was removed does not need it.
#[must_use]
pub fn is_young(remove: &RemoveFile, since: Ms) -> bool {
    remove.deletion_timestamp.unwrap_or(0) >= since
}
