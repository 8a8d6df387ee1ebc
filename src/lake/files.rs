//! Data files: rows of one partition of a table, written by one push.

use serde_json::json;

use super::LakeError;
use super::delta::action::{AddFile, NamedValues};
use super::delta::path;
use super::reuse::OldGroup;
use super::storage::Storage;
use super::tables::{LakeTable, SENT_AT};
use crate::core::Ms;
use crate::core::lake::{RowSizes, StoredRows};
use crate::export::columnar::{ColumnarFile, ColumnarFormat, TimeUnit};
use crate::export::columns::ColumnValue;

/// A file is ended when it has so many bytes.
const MOST_BYTES: usize = 24 * 1024 * 1024;

/// What times are counted in.
pub(crate) const UNIT: TimeUnit = TimeUnit::Micros;

/// What the rows of a file have in common, besides the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition {
    /// The account's name; of runs, none.
    pub(crate) account: Option<String>,
    /// `YYYY-MM`; only messages have it.
    pub(crate) month: Option<String>,
}

impl Partition {
    /// The partition of a file, if it is this archive's.
    pub(crate) fn of_file(file: &AddFile, archive: &str) -> Option<Self> {
        let value = |name: &str| file.partition_values.get(name).map(str::to_owned);
        let is_own = value("archive_id").as_deref() == Some(archive);
        is_own.then(|| Self { account: value("account"), month: value("month") })
    }

    /// The columns and their values.
    fn values<'a>(&'a self, archive: &'a str) -> impl Iterator<Item = (&'static str, &'a str)> {
        let others = [("account", self.account.as_deref()), ("month", self.month.as_deref())];
        let others = others.into_iter().filter_map(|(name, value)| Some((name, value?)));
        std::iter::once(("archive_id", archive)).chain(others)
    }

    /// `archive_id=…/account=…/month=…/`, in which a value is written so that every reader gets it back.
    fn folder(&self, archive: &str) -> String {
        self.values(archive).map(|(name, value)| format!("{name}={}/", escaped(value))).collect()
    }
}

/// The folder of an archive's files in a table, relative to the lake.
pub(crate) fn folder_of(table: &str, archive: &str) -> String {
    format!("{table}/archive_id={archive}/")
}

fn escaped(value: &str) -> String {
    let letter = |b| match b {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(letter).collect()
}

/// What a file's statistics say of its rows; a file without them may hold any. Long rows count as several: a file that is
/// as large as files become counts as one that has as many rows as these have.
pub(crate) fn range_of(file: &AddFile, key: &str, sizes: RowSizes) -> StoredRows {
    let stats: Option<serde_json::Value> = file.stats.as_ref().and_then(|s| serde_json::from_str(s).ok());
    let number = |pointer: String| stats.as_ref().and_then(|stats| stats.pointer(&pointer)?.as_i64());
    let bounds = (number(format!("/minValues/{key}")), number(format!("/maxValues/{key}")));
    let rows = number("/numRecords".to_owned()).and_then(|n| u64::try_from(n).ok()).unwrap_or(sizes.file);
    let rows = rows.max(weight(file.size, sizes.file, MOST_BYTES));
    match bounds {
        (Some(first), Some(last)) => StoredRows { first, last, rows },
        _ => StoredRows { first: i64::MIN, last: i64::MAX, rows },
    }
}

/// How many rows so many bytes count as, of which at most so many are in what has at most so many rows.
pub(crate) fn weight(bytes: u64, most_rows: u64, most_bytes: usize) -> u64 {
    bytes.saturating_mul(most_rows) / u64::try_from(most_bytes).unwrap_or(u64::MAX).max(1)
}

/// The least and the greatest value of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) least: i64,
    pub(crate) greatest: i64,
}

impl Bounds {
    fn widen(seen: &mut Option<Self>, least: i64, greatest: i64) {
        let seen = seen.get_or_insert(Self { least, greatest });
        (seen.least, seen.greatest) = (seen.least.min(least), seen.greatest.max(greatest));
    }
}

/// What the name of a file with these bytes ends with: their checksum (CRC-32), which tells whether they are as written.
fn name_ending(bytes: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    format!("-{:08x}.parquet", crc.sum())
}

/// Whether a file still is as this program wrote it.
pub(crate) fn is_as_written(file: &AddFile, bytes: &[u8]) -> bool {
    file.path.ends_with(&name_ending(bytes))
}

/// Whether this program gave a file its name: a push's, a number and a checksum.
pub(crate) fn is_named_here(file: &AddFile) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let parts: Vec<&str> = name.strip_suffix(".parquet").unwrap_or_default().split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [32, 5, 8] && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A file in the making.
struct OpenFile {
    rows: ColumnarFile<Vec<u8>>,
    count: u64,
    key: Option<Bounds>,
    sent_at_ms: Option<Bounds>,
}

/// Writes the rows of a partition into as many files as they need.
pub(crate) struct PartitionWriter<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) table: &'a LakeTable,
    pub(crate) archive: &'a str,
    pub(crate) partition: &'a Partition,
    /// Names this push's files.
    pub(crate) push: &'a str,
    /// How many files this push has written.
    pub(crate) written: &'a mut u32,
    pub(crate) sizes: RowSizes,
    pub(crate) now: Ms,
    /// Where in the columns the key is, and the time.
    key_at: usize,
    sent_at: Option<usize>,
    file: Option<OpenFile>,
    done: Vec<AddFile>,
}

impl<'a> PartitionWriter<'a> {
    pub(crate) fn new(
        storage: &'a dyn Storage,
        table: &'a LakeTable,
        (archive, partition): (&'a str, &'a Partition),
        (push, written): (&'a str, &'a mut u32),
        sizes: RowSizes,
        now: Ms,
    ) -> Self {
        let key_at = table.key_at();
        let sent_at = table.columns.iter().position(|column| column.name == SENT_AT);
        let done = Vec::new();
        Self {
            storage,
            table,
            archive,
            partition,
            push,
            written,
            sizes,
            now,
            key_at,
            sent_at,
            file: None,
            done,
        }
    }

    /// Adds a row; rows come in the order of their keys, and rows of one key stay together.
    pub(crate) fn add(
        &mut self,
        cells: &[ColumnValue<'_>],
        raw: impl Fn(&mut Vec<u8>),
    ) -> Result<(), LakeError> {
        let number = |at: Option<usize>| match at.and_then(|at| cells.get(at)) {
            Some(ColumnValue::Number(n)) => Some(*n),
            _ => None,
        };
        let (name, key) = (self.table.name, number(Some(self.key_at)).unwrap_or_default());
        let sent_at = number(self.sent_at);
        let file = self.file_for(key)?;
        file.count = file.count.saturating_add(1);
        Bounds::widen(&mut file.key, key, key);
        if let Some(at) = sent_at {
            Bounds::widen(&mut file.sent_at_ms, at, at);
        }
        file.rows.add(cells.iter().copied(), raw).map_err(|error| LakeError::broken(name, error))
    }

    /// Adds a row group of a file that is replaced, as it is.
    pub(crate) fn take_over(&mut self, group: &OldGroup<'_>) -> Result<(), LakeError> {
        let name = self.table.name;
        let file = self.file_for(group.rows.first)?;
        file.count = file.count.saturating_add(group.metadata.num_rows().unsigned_abs());
        Bounds::widen(&mut file.key, group.rows.first, group.rows.last);
        if let Some(sent_at) = group.sent_at_ms {
            Bounds::widen(&mut file.sent_at_ms, sent_at.least, sent_at.greatest);
        }
        file.rows.take_over(group.bytes, group.metadata).map_err(|error| LakeError::broken(name, error))
    }

    /// The file that a row with this key, or a row group that begins with it, comes into.
    fn file_for(&mut self, key: i64) -> Result<&mut OpenFile, LakeError> {
        let is_full = |file: &OpenFile| file.count >= self.sizes.file || file.rows.bytes() >= MOST_BYTES;
        let goes_on = |file: &OpenFile| file.key.is_some_and(|seen| seen.greatest == key);
        if self.file.as_ref().is_some_and(|file| is_full(file) && !goes_on(file)) {
            self.end_file()?;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let group_rows = usize::try_from(self.sizes.group).unwrap_or(usize::MAX);
                let format = ColumnarFormat { unit: UNIT, group_rows };
                let rows = ColumnarFile::begin(Vec::new(), self.table.name, &self.table.columns, format)
                    .map_err(|error| LakeError::broken(self.table.name, error))?;
                Ok(none.insert(OpenFile { rows, count: 0, key: None, sent_at_ms: None }))
            }
        }
    }

    /// The files, which are all in the storage once that has settled.
    pub(crate) fn end(mut self) -> Result<Vec<AddFile>, LakeError> {
        self.end_file()?;
        Ok(self.done)
    }

    fn end_file(&mut self) -> Result<(), LakeError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let bytes = file.rows.end().map_err(|error| LakeError::broken(self.table.name, error))?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let (folder, ending) = (self.partition.folder(self.archive), name_ending(&bytes));
        let name = format!("{folder}{}-{:05}{ending}", self.push, self.written);
        *self.written = self.written.saturating_add(1);
        self.storage.put_soon(&format!("{}/{name}", self.table.name), bytes.into())?;
        // Of what people wrote, nothing stands in the log, from which it could not be erased.
        let (mut least, mut greatest) = (serde_json::Map::new(), serde_json::Map::new());
        for (name, seen) in [(self.table.key, file.key), (SENT_AT, file.sent_at_ms)] {
            if let Some(seen) = seen {
                least.insert(name.to_owned(), seen.least.into());
                greatest.insert(name.to_owned(), seen.greatest.into());
            }
        }
        let stats =
            json!({"numRecords": file.count, "minValues": least, "maxValues": greatest, "nullCount": {}});
        let values = self.partition.values(self.archive);
        self.done.push(AddFile {
            path: path::encoded(&name),
            partition_values: values
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .collect::<NamedValues>(),
            size,
            modification_time: self.now,
            data_change: true,
            stats: Some(stats.to_string()),
            tags: None,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::columns::ColumnKind;

    #[test]
    fn every_table_is_in_the_order_of_a_number() {
        for table in super::super::tables::tables() {
            let key = table.columns.get(table.key_at()).unwrap();
            assert_eq!((key.name, key.kind), (table.key, ColumnKind::Number), "{}", table.name);
        }
    }

    #[test]
    fn folders_say_what_is_in_them_in_the_way_of_hive() {
        let partition = Partition { account: Some("Zoë/..".to_owned()), month: Some("2026-01".to_owned()) };
        assert_eq!(partition.folder("a1"), "archive_id=a1/account=Zo%C3%AB%2F../month=2026-01/");
    }
}
