//! Compares what a lake holds of an archive with the archive, partition by partition: how many rows, and what they say.

use std::collections::{BTreeMap, BTreeSet};

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;

use super::LakeError;
use super::changes::Differences;
use super::delta::table::DeltaTable;
use super::files::{Partition, is_as_written, is_named_here};
use super::push::PushWatch;
use super::state::LakeState;
use super::storage::Storage;
use super::tables::{LakeTable, RowSource, tables};
use crate::core::model::ids::AccountId;
use crate::core::{Ms, hash};
use crate::export::columnar::TimeUnit;
use crate::export::columns::{COLUMNS, ColumnValue};
use crate::export::parquet::bounds;
use crate::store::{LakeRows, Scope, Snapshot};

/// How many rows, and a sum that changes with any value of any of them, in whatever order they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct RowSum {
    /// How many.
    pub rows: u64,
    /// The sum of the hashes of the rows.
    pub checksum: u64,
}

impl RowSum {
    fn add(&mut self, row: &[u8]) {
        self.rows = self.rows.saturating_add(1);
        self.checksum = self.checksum.wrapping_add(hash::fnv1a(row.iter().copied()));
    }
}

/// A partition in which lake and archive are not the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LakeDifference {
    /// The table's name.
    pub table: &'static str,
    /// The account; of runs, none.
    pub account: Option<String>,
    /// The month; only messages have it.
    pub month: Option<String>,
    /// What the archive has.
    pub archive: RowSum,
    /// What the lake has.
    pub lake: RowSum,
    /// Whether a file is missing there, or is not as it was written.
    pub is_damaged: bool,
    /// Whether the archive has changed there since the last push, which explains it.
    pub is_pending: bool,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LakeVerification {
    /// Which archive, as its rows are marked.
    pub archive_id: String,
    /// When it was last pushed (ms); `None`: never.
    pub pushed_ms: Option<Ms>,
    /// Partitions that were compared.
    pub partitions: u64,
    /// Rows that were compared, of the archive.
    pub rows: u64,
    /// Where both are not the same.
    pub differences: Vec<LakeDifference>,
}

impl LakeVerification {
    /// The differences that the next push does not explain.
    pub fn broken(&self) -> impl Iterator<Item = &LakeDifference> {
        self.differences.iter().filter(|difference| !difference.is_pending)
    }
}

/// Compares a lake with an archive, as a snapshot shows it.
///
/// # Errors
/// When archive or storage cannot be read, or when it was stopped.
pub fn verify(
    storage: &dyn Storage,
    snapshot: &Snapshot<'_>,
    now: Ms,
    watch: &mut dyn PushWatch,
) -> Result<LakeVerification, LakeError> {
    let archive = snapshot.identity()?.unwrap_or_default();
    let before = LakeState::read(storage, &archive)?;
    if before.pushed.is_none() && before.begun.is_empty() {
        return Err(LakeError::refused(
            "this archive was never pushed there, or what was noted of it is gone",
            "check the path, or push it with `archiver lake push`",
        ));
    }
    let found = Differences::find(snapshot, &before)?;
    let mut verification = LakeVerification {
        archive_id: archive.clone(),
        pushed_ms: before.pushed_ms,
        ..LakeVerification::default()
    };
    for table in tables() {
        let delta = DeltaTable::load(storage, table.name, now)?;
        let at = delta.as_ref().and_then(|delta| delta.state().txn_version(&archive));
        let known = at.is_some_and(|at| before.knows(table.name, at));
        let pending = found.of(&table, !known, &mut BTreeMap::new())?;
        // A log that is gone, or has lost its last commits, is no news of the archive's.
        let lost = before.tables.get(table.name).is_some_and(|then| at.is_none_or(|at| at < *then));
        let is_pending = |partition: &Partition| {
            let changed = pending.partitions.get(partition).is_some_and(|rows| !rows.is_empty());
            !lost && (pending.whole || changed)
        };
        let LakeSums { sums: lake, damaged } = match &delta {
            Some(delta) => in_lake(storage, &table, delta, &archive, watch)?,
            None => LakeSums::default(),
        };
        let archive = in_archive(snapshot, &table, &found.accounts, watch)?;
        for partition in lake.keys().chain(archive.keys().filter(|key| !lake.contains_key(*key))) {
            let sum = |of: &BTreeMap<Partition, RowSum>| of.get(partition).copied().unwrap_or_default();
            let (lake, archive) = (sum(&lake), sum(&archive));
            verification.partitions = verification.partitions.saturating_add(1);
            verification.rows = verification.rows.saturating_add(archive.rows);
            let is_damaged = damaged.contains(partition);
            if lake != archive || is_damaged {
                verification.differences.push(LakeDifference {
                    table: table.name,
                    account: partition.account.clone(),
                    month: partition.month.clone(),
                    archive,
                    lake,
                    is_damaged,
                    is_pending: !is_damaged && is_pending(partition),
                });
            }
        }
    }
    Ok(verification)
}

/// What a lake has of an archive in a table.
#[derive(Default)]
struct LakeSums {
    sums: BTreeMap<Partition, RowSum>,
    /// Where files are missing, or are not as they were written.
    damaged: BTreeSet<Partition>,
}

/// Reads every file of the archive in a table.
fn in_lake(
    storage: &dyn Storage,
    table: &LakeTable,
    delta: &DeltaTable,
    archive: &str,
    watch: &mut dyn PushWatch,
) -> Result<LakeSums, LakeError> {
    let mut found = LakeSums::default();
    for file in delta.state().files().values() {
        let Some(partition) = Partition::of_file(file, archive) else { continue };
        let sum = found.sums.entry(partition.clone()).or_default();
        let bytes = storage.get(&delta.key_of(file))?;
        // Engines look for the footer where the log says that the file ends.
        let bytes = bytes.filter(|bytes| u64::try_from(bytes.len()) == Ok(file.size));
        let bytes = bytes.filter(|bytes| !is_named_here(file) || is_as_written(file, bytes));
        let read = bytes.map(|bytes| add_file(sum, table, bytes, watch));
        match read {
            Some(Err(RowFailure::Watch(error))) => return Err(error),
            Some(Ok(())) => {}
            Some(Err(RowFailure::Parquet)) | None => {
                found.damaged.insert(partition);
            }
        }
    }
    Ok(found)
}

/// Why rows of a file could not be added.
enum RowFailure {
    Parquet,
    Watch(LakeError),
}

impl From<ParquetError> for RowFailure {
    fn from(_: ParquetError) -> Self {
        Self::Parquet
    }
}

fn add_file(
    sum: &mut RowSum,
    table: &LakeTable,
    bytes: bytes::Bytes,
    watch: &mut dyn PushWatch,
) -> Result<(), RowFailure> {
    let mut line = Vec::new();
    for row in SerializedFileReader::new(bytes)?.get_row_iter(None)? {
        let row = row?;
        let fields: BTreeMap<&str, &Field> =
            row.get_column_iter().map(|(name, field)| (name.as_str(), field)).collect();
        line.clear();
        for column in &table.columns {
            match fields.get(column.name) {
                Some(Field::Bool(yes)) => truth(&mut line, *yes),
                Some(Field::Long(n) | Field::TimestampMicros(n)) => number(&mut line, *n),
                Some(Field::Str(text)) => letters(&mut line, text.as_bytes()),
                _ => line.push(0),
            }
        }
        sum.add(&line);
        watch.row().map_err(RowFailure::Watch)?;
    }
    Ok(())
}

/// Reads every row of a table in the archive.
fn in_archive(
    snapshot: &Snapshot<'_>,
    table: &LakeTable,
    accounts: &BTreeMap<i64, String>,
    watch: &mut dyn PushWatch,
) -> Result<BTreeMap<Partition, RowSum>, LakeError> {
    let mut sums: BTreeMap<Partition, RowSum> = BTreeMap::new();
    let (mut line, mut raw) = (Vec::new(), Vec::new());
    match table.source {
        RowSource::Messages => {
            for month in snapshot.months(&Scope::default())? {
                let partition =
                    Partition { account: Some(month.account_name.clone()), month: Some(month.month.clone()) };
                let (since_ms, until_ms) = bounds(&month.month);
                let (account, ids) = (Some(month.account), Some(month.ids));
                let scope = Scope { account, ids, since_ms, until_ms, ..Scope::default() };
                let sum = sums.entry(partition).or_default();
                snapshot.messages(&scope, |message| {
                    line.clear();
                    for column in COLUMNS.iter().filter(|column| column.name != "account") {
                        match (column.cell)(message) {
                            ColumnValue::Raw => {
                                raw.clear();
                                message.raw_into(&mut raw);
                                letters(&mut line, &raw);
                            }
                            cell => value(&mut line, cell),
                        }
                    }
                    sum.add(&line);
                    watch.row()
                })?;
            }
        }
        RowSource::Rows(rows) => {
            let of: Vec<(Option<AccountId>, Option<&String>)> = match rows {
                LakeRows::Runs => vec![(None, None)],
                _ => accounts.iter().map(|(id, name)| (Some(AccountId(*id)), Some(name))).collect(),
            };
            for (account, name) in of {
                snapshot.lake_rows(rows, account, (i64::MIN, i64::MAX), |row| {
                    line.clear();
                    let mut stalled = String::new();
                    table.cells(row, &mut stalled).into_iter().for_each(|cell| value(&mut line, cell));
                    let partition = Partition { account: name.cloned(), month: None };
                    sums.entry(partition).or_default().add(&line);
                    watch.row()
                })?;
            }
        }
    }
    Ok(sums)
}

fn value(line: &mut Vec<u8>, cell: ColumnValue<'_>) {
    match cell {
        ColumnValue::Null | ColumnValue::Raw => line.push(0),
        ColumnValue::Number(n) => number(line, n),
        ColumnValue::Time(at) => match TimeUnit::Micros.count(at) {
            Some(n) => number(line, n),
            None => line.push(0),
        },
        ColumnValue::Truth(yes) => truth(line, yes),
        ColumnValue::Text(text) | ColumnValue::Json(text) => letters(line, text.as_bytes()),
        ColumnValue::Parts(parts) => letters(line, parts.concat().as_bytes()),
    }
}

fn truth(line: &mut Vec<u8>, yes: bool) {
    line.extend([1, u8::from(yes)]);
}

fn number(line: &mut Vec<u8>, n: i64) {
    line.push(2);
    line.extend(n.to_le_bytes());
}

fn letters(line: &mut Vec<u8>, text: &[u8]) {
    line.push(3);
    line.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
    line.extend(text);
}
