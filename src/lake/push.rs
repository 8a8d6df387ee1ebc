//! A push: what has changed in an archive since the last one is committed to the tables of a lake.
//!
//! Each table has a log of its own, and each commit is whole by itself. A push that was cut short is made good by the
//! next one, which finds each table as it is: what changed is written anew from what the archive holds, never added to
//! what may be there.

use std::collections::BTreeMap;

use super::LakeError;
use super::changes::{Differences, TableChanges};
use super::delta::action::{AddFile, AppTransaction, CommitInfo, TableAction};
use super::delta::commit::{CommitConflict, CommitOutcome, CommitPlan};
use super::delta::random_guid;
use super::delta::table::DeltaTable;
use super::delta::upkeep::LogRetention;
use super::files::{Partition, PartitionWriter, range_of};
use super::reuse::OldFiles;
use super::state::{ChangeMark, LakeState};
use super::storage::Storage;
use super::tables::{LakeTable, RowSource, tables};
use super::tidy::{Tidied, Tidying};
use crate::core::Ms;
use crate::core::lake::{ChangedRows, Rewrite, RowSizes, plan};
use crate::core::model::ids::{AccountId, MessageId};
use crate::core::row_groups::{FilePart, parts};
use crate::export::columns::{COLUMNS, ColumnValue};
use crate::export::parquet::bounds;
use crate::store::{LakeRows, Scope, Snapshot};

/// How often a table is planned anew because others committed what made the plan void.
const TRIES: usize = 8;

/// How long a call is waited with before it is made anew, the first time (ms).
const FIRST_PAUSE_MS: u64 = 100;

/// Is told how far a push is, and may end it.
pub trait PushWatch {
    /// A row was written.
    ///
    /// # Errors
    /// [`LakeError::Stopped`], to end the push.
    fn row(&mut self) -> Result<(), LakeError> {
        Ok(())
    }

    /// Waits before a call is made anew.
    ///
    /// # Errors
    /// [`LakeError::Stopped`], to end the push.
    fn pause(&mut self, ms: u64) -> Result<(), LakeError> {
        std::thread::sleep(std::time::Duration::from_millis(ms));
        Ok(())
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPushWatch;

impl PushWatch for NoPushWatch {}

/// What a push came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pushed {
    /// Which archive, as its rows are marked.
    pub archive_id: String,
    /// The number of the last change that is in the lake now.
    pub change: i64,
    /// Whether everything was written, because nothing of this archive was there, or not what was expected.
    pub whole: bool,
    /// What was committed, by table; tables without changes are left out.
    pub tables: Vec<PushedTable>,
    /// Files deleted that had been replaced.
    pub deleted: u64,
    /// Files without a place in the tables that another program may be writing; they are looked at again.
    pub left: u64,
}

/// What was committed to a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PushedTable {
    /// Its name.
    pub name: &'static str,
    /// The version that the commit made.
    pub version: u64,
    /// Rows written.
    pub rows: u64,
    /// Files added.
    pub added: usize,
    /// Files that these replace.
    pub removed: usize,
    /// Bytes of the files added.
    pub bytes: u64,
}

/// Whether nothing is known of this archive in a lake.
///
/// # Errors
/// When archive or storage cannot be read.
pub fn is_first(storage: &dyn Storage, snapshot: &Snapshot<'_>) -> Result<bool, LakeError> {
    let Some(archive) = snapshot.identity()? else { return Ok(true) };
    Ok(storage.get(&super::state::key(&archive))?.is_none())
}

/// Pushes an archive, as a snapshot shows it, to a lake.
///
/// # Errors
/// When archive or storage cannot be read or written, when the lake is not one of this program's, when another process
/// pushes the same archive, or when it was stopped. What was committed until then stays, and the next push goes on.
pub fn push(
    storage: &dyn Storage,
    snapshot: &Snapshot<'_>,
    sizes: RowSizes,
    now: Ms,
    watch: &mut dyn PushWatch,
) -> Result<Pushed, LakeError> {
    let pushed = push_tables(storage, snapshot, sizes, now, watch);
    // After a failure, too, nothing is to appear in the storage later on.
    let settled = storage.settle();
    pushed.and_then(|pushed| settled.map(|()| pushed))
}

fn push_tables(
    storage: &dyn Storage,
    snapshot: &Snapshot<'_>,
    sizes: RowSizes,
    now: Ms,
    watch: &mut dyn PushWatch,
) -> Result<Pushed, LakeError> {
    let Some(archive) = snapshot.identity()? else {
        return Err(LakeError::refused(
            "the archive has no name yet",
            "push it with `archiver export --format delta`",
        ));
    };
    let before = LakeState::read(storage, &archive)?;
    let change = snapshot.last_change()?;
    let mark = (change, snapshot.change_made(change)?);
    let found = Differences::find(snapshot, &before)?;
    let name = random_guid()?.replace('-', "");
    let mut state = before.clone();
    state.begin(&name, mark, found.whole, &found.renamed);
    state.write(storage, &archive)?;
    let mut pushed = Pushed { archive_id: archive.clone(), change, whole: found.whole, ..Pushed::default() };
    let mut push =
        Push { storage, snapshot, archive: &archive, name: &name, written: 0, mark, sizes, now, watch };
    let mut next = found.state(mark, now)?;
    let mut loaded = Vec::new();
    for table in tables() {
        let mut delta = push.load(&table)?;
        let digests = next.digests.entry(table.name.to_owned()).or_default();
        pushed.tables.extend(push.table(&table, &mut delta, &found, digests)?);
        let at = delta.state().txn_version(&archive).unwrap_or_default();
        next.tables.insert(table.name.to_owned(), at);
        loaded.push((table, delta));
    }
    let tidying = Tidying { storage, archive: &archive, now, at_once: found.erased, begun: &state.begun };
    let Tidied { deleted, left } = tidying.tidy(&mut loaded, &mut next)?;
    (pushed.deleted, pushed.left) = (deleted, left);
    if left > 0 {
        // They are looked at again until they have a place or are gone.
        (next.erasure, next.begun) = (before.erasure, state.begun);
    }
    next.write(storage, &archive)?;
    Ok(pushed)
}

/// A push under way.
struct Push<'a> {
    storage: &'a dyn Storage,
    snapshot: &'a Snapshot<'a>,
    archive: &'a str,
    name: &'a str,
    written: u32,
    mark: ChangeMark,
    sizes: RowSizes,
    now: Ms,
    watch: &'a mut dyn PushWatch,
}

/// What becomes of a partition.
struct Replacing<'a> {
    partition: Partition,
    range: (i64, i64),
    /// Rows that have changed, in it and elsewhere; `None`: any may have.
    changed: Option<&'a [ChangedRows]>,
    removes: Vec<AddFile>,
}

/// Rows of one partition of a table, where the archive has them.
struct ArchivedRows<'a> {
    snapshot: &'a Snapshot<'a>,
    table: &'a LakeTable,
    account: Option<AccountId>,
    month: &'a str,
}

impl ArchivedRows<'_> {
    /// Writes those with ids in a range.
    fn write(
        &self,
        (first, last): (i64, i64),
        writer: &mut PartitionWriter<'_>,
        counted: &mut dyn FnMut() -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        match self.table.source {
            RowSource::Messages => {
                let columns: Vec<_> = COLUMNS.iter().filter(|column| column.name != "account").collect();
                let (since_ms, until_ms) = bounds(self.month);
                let ids = Some((MessageId(first), MessageId(last)));
                let scope = Scope { account: self.account, ids, since_ms, until_ms, ..Scope::default() };
                self.snapshot.messages(&scope, |message| {
                    let cells: Vec<ColumnValue<'_>> =
                        columns.iter().map(|column| (column.cell)(message)).collect();
                    writer.add(&cells, |out| message.raw_into(out))?;
                    counted()
                })
            }
            RowSource::Rows(kind) => {
                let of = if kind == LakeRows::Runs { None } else { self.account };
                self.snapshot.lake_rows(kind, of, (first, last), |row| {
                    writer.add(&self.table.cells(row, &mut String::new()), |_| {})?;
                    counted()
                })
            }
        }
    }
}

impl Push<'_> {
    fn load(&mut self, table: &LakeTable) -> Result<DeltaTable, LakeError> {
        let metadata = table.metadata(random_guid()?, self.now);
        let info = self.info("CREATE TABLE")?;
        let watch = &mut *self.watch;
        let pause = &mut |tries: u32| watch.pause(FIRST_PAUSE_MS << tries.min(6));
        let delta = DeltaTable::load_or_create(self.storage, table.name, metadata, info, self.now, pause)?;
        let apart = &delta.state().metadata().partition_columns;
        if apart.iter().map(String::as_str).ne(table.partitioned_by.iter().copied()) {
            return Err(LakeError::refused(
                format!("{} is a table of another kind, partitioned by {}", table.name, apart.join(", ")),
                "choose another folder or prefix for the lake",
            ));
        }
        Ok(delta)
    }

    fn info(&self, operation: &str) -> Result<CommitInfo, LakeError> {
        let parameters =
            [("archive_id".to_owned(), self.archive.into()), ("push".to_owned(), self.name.into())];
        Ok(CommitInfo {
            timestamp: Some(self.now),
            operation: Some(operation.to_owned()),
            operation_parameters: parameters.into(),
            is_blind_append: Some(false),
            engine_info: Some(concat!("archiver/", env!("CARGO_PKG_VERSION")).to_owned()),
            txn_id: None,
        })
    }

    /// Commits what has changed in a table; `None` when nothing has.
    fn table(
        &mut self,
        table: &LakeTable,
        delta: &mut DeltaTable,
        found: &Differences<'_>,
        digests: &mut BTreeMap<String, BTreeMap<i64, i64>>,
    ) -> Result<Option<PushedTable>, LakeError> {
        let schema = table.with_new_columns(&delta.state().metadata().schema_string);
        let at = delta.state().txn_version(self.archive);
        let whole = schema.is_some() || !at.is_some_and(|at| found.before.knows(table.name, at));
        let mut changes = found.of(table, whole, digests)?;
        let files = delta.state().files().values();
        found.add_erased(
            table,
            files.filter_map(|file| {
                let partition = Partition::of_file(file, self.archive)?;
                Some((partition, range_of(file, table.key, self.sizes)))
            }),
            &mut changes,
        );
        let mut voided = Vec::new();
        for _ in 0..TRIES {
            let replacing = self.replacing(table, delta, &changes);
            let (mut actions, mut done) = (Vec::new(), PushedTable::of(table));
            for one in replacing {
                let added = self.write(table, delta, &one, &mut done.rows)?;
                done.added = done.added.saturating_add(added.len());
                done.removed = done.removed.saturating_add(one.removes.len());
                done.bytes = added.iter().fold(done.bytes, |bytes, file| bytes.saturating_add(file.size));
                actions
                    .extend(one.removes.iter().map(|file| TableAction::Remove(file.removed(self.now, true))));
                actions.extend(added.into_iter().map(TableAction::Add));
            }
            if actions.is_empty() && schema.is_none() && at.is_some() {
                return Ok(None);
            }
            voided.extend(actions.iter().filter_map(|action| match action {
                TableAction::Add(add) => Some(delta.key_of(add)),
                _ => None,
            }));
            self.storage.settle()?;
            if let Some(version) = self.commit(delta, actions, schema.as_deref())? {
                return Ok(Some(PushedTable { version, ..done }));
            }
            self.storage.delete(&voided)?;
            voided.clear();
        }
        Err(LakeError::refused(
            format!("other programs change the table {} faster than it can be written", table.name),
            "push again when they have finished",
        ))
    }

    /// Which files of which partitions give way to which rows.
    fn replacing<'c>(
        &self,
        table: &LakeTable,
        delta: &DeltaTable,
        changes: &'c TableChanges,
    ) -> Vec<Replacing<'c>> {
        let mut own: BTreeMap<Partition, Vec<&AddFile>> = BTreeMap::new();
        for file in delta.state().files().values() {
            if let Some(partition) = Partition::of_file(file, self.archive) {
                own.entry(partition).or_default().push(file);
            }
        }
        let mut replacing = Vec::new();
        if changes.whole {
            let emptied = own.keys().filter(|partition| !changes.partitions.contains_key(partition));
            // No id is in such a range.
            let emptied = emptied.map(|partition| (partition, (1, 0)));
            let filled = changes.partitions.iter().filter_map(|(partition, rows)| {
                let first = rows.iter().map(|rows| rows.first).min()?;
                Some((partition, (first, rows.iter().map(|rows| rows.last).max()?)))
            });
            let of = |(partition, range): (&Partition, (i64, i64))| {
                let removes = own.get(partition).into_iter().flatten().map(|file| (*file).clone()).collect();
                Replacing { partition: partition.clone(), range, changed: None, removes }
            };
            return emptied.chain(filled).map(of).collect();
        }
        for (partition, changed) in &changes.partitions {
            let files = own.get(partition).map(Vec::as_slice).unwrap_or_default();
            let ranges: Vec<_> = files.iter().map(|file| range_of(file, table.key, self.sizes)).collect();
            for Rewrite { first, last, replaces } in plan(&ranges, changed, self.sizes) {
                let removes = replaces.iter().filter_map(|at| files.get(*at)).map(|file| (*file).clone());
                replacing.push(Replacing {
                    partition: partition.clone(),
                    range: (first, last),
                    changed: Some(changed),
                    removes: removes.collect(),
                });
            }
        }
        replacing
    }

    /// Writes the rows of a range into new files: what has changed from the archive, the rest as the replaced files have
    /// it.
    fn write(
        &mut self,
        table: &LakeTable,
        delta: &DeltaTable,
        to: &Replacing<'_>,
        rows: &mut u64,
    ) -> Result<Vec<AddFile>, LakeError> {
        let account = self.account(&to.partition)?;
        let (first, last) = to.range;
        if first > last || (account.is_none() && to.partition.account.is_some()) {
            return Ok(Vec::new());
        }
        let month = to.partition.month.as_deref().unwrap_or_default();
        let archived = ArchivedRows { snapshot: self.snapshot, table, account, month };
        let old = match to.changed {
            Some(_) => OldFiles::read(self.storage, table, delta, &to.removes, self.sizes)?,
            None => None,
        };
        let of = (self.archive, &to.partition);
        let names = (self.name, &mut self.written);
        let mut writer = PartitionWriter::new(self.storage, table, of, names, self.sizes, self.now);
        let watch = &mut *self.watch;
        let mut counted = || {
            *rows = rows.saturating_add(1);
            watch.row()
        };
        let Some((changed, old)) = to.changed.zip(old) else {
            archived.write(to.range, &mut writer, &mut counted)?;
            return writer.end();
        };
        let changed: Vec<ChangedRows> =
            changed.iter().filter(|rows| rows.first <= last && first <= rows.last).copied().collect();
        for part in parts(&old.rows(), &changed, self.sizes) {
            match part {
                FilePart::Written { first, last } => {
                    archived.write((first, last), &mut writer, &mut counted)?
                }
                FilePart::Kept(at) => old.group(at).iter().try_for_each(|group| writer.take_over(group))?,
            }
        }
        writer.end()
    }

    fn account(&self, partition: &Partition) -> Result<Option<AccountId>, LakeError> {
        let Some(name) = &partition.account else { return Ok(None) };
        Ok(self.snapshot.accounts()?.into_iter().find(|(_, known)| known == name).map(|(id, _)| id))
    }

    /// Commits; `None`: others have made the plan void.
    fn commit(
        &mut self,
        delta: &mut DeltaTable,
        mut actions: Vec<TableAction>,
        schema: Option<&str>,
    ) -> Result<Option<u64>, LakeError> {
        if let Some(schema) = schema {
            let metadata = delta.state().metadata().clone();
            let metadata =
                super::delta::action::TableMetadata { schema_string: schema.to_owned(), ..metadata };
            actions.insert(0, TableAction::Metadata(Box::new(metadata)));
        }
        actions.push(TableAction::Txn(AppTransaction {
            app_id: self.archive.to_owned(),
            version: self.mark.0,
            last_updated: Some(self.now),
        }));
        let info = self.info("WRITE")?;
        let archive = self.archive;
        let owns = |file: &AddFile| Partition::of_file(file, archive).is_some();
        let txn_id = random_guid()?;
        let plan = CommitPlan { actions, info, txn_id, app_id: Some(archive), owns: &owns };
        let watch = &mut *self.watch;
        let pause = &mut |tries: u32| watch.pause(FIRST_PAUSE_MS << tries.min(6));
        match delta.commit(self.storage, plan, self.now, LogRetention::WEEK, pause)? {
            CommitOutcome::Done { version, checkpoint } => {
                if let Err(error) = checkpoint {
                    tracing::debug!(table = delta.root(), %error, "no checkpoint was written; a later push does");
                }
                Ok(Some(version))
            }
            CommitOutcome::Conflict(CommitConflict::SameApp { .. }) => Err(LakeError::Busy),
            CommitOutcome::Conflict(_) => Ok(None),
        }
    }
}

impl PushedTable {
    fn of(table: &LakeTable) -> Self {
        Self { name: table.name, version: 0, rows: 0, added: 0, removed: 0, bytes: 0 }
    }
}
