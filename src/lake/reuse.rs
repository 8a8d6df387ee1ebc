//! Row groups of the files that a push replaces, of which it takes over what has not changed.

use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use ::parquet::file::statistics::Statistics;
use ::parquet::schema::types::SchemaDescriptor;
use bytes::Bytes;

use super::LakeError;
use super::delta::action::AddFile;
use super::delta::table::DeltaTable;
use super::files::{Bounds, UNIT, is_as_written, range_of, weight};
use super::storage::Storage;
use super::tables::{LakeTable, SENT_AT};
use crate::core::lake::{RowSizes, StoredRows};
use crate::export::columnar;

/// Bytes of replaced files that are held in memory.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// Files with fewer row groups are not worth reading: their rows are soon written from the archive.
const FEW_GROUPS: u64 = 3;

/// Files that are replaced, of which every row group is known.
pub(crate) struct OldFiles {
    files: Vec<(Bytes, ParquetMetaData)>,
    /// Each row group's file and its place there, what it holds, and the times of its messages.
    groups: Vec<(usize, usize, StoredRows, Option<Bounds>)>,
}

/// A row group as it is.
pub(crate) struct OldGroup<'a> {
    pub(crate) bytes: &'a Bytes,
    pub(crate) metadata: &'a RowGroupMetaData,
    pub(crate) rows: StoredRows,
    pub(crate) sent_at_ms: Option<Bounds>,
}

impl OldFiles {
    /// Reads files that are replaced together; `None` when any of them is not as this version of this program wrote it,
    /// or when it is not worth it. Then their rows are written from the archive, where they all are.
    pub(crate) fn read(
        storage: &dyn Storage,
        table: &LakeTable,
        delta: &DeltaTable,
        replaced: &[AddFile],
        sizes: RowSizes,
    ) -> Result<Option<Self>, LakeError> {
        let bytes: u64 = replaced.iter().map(|file| file.size).sum();
        let rows: u64 = replaced.iter().map(|file| range_of(file, table.key, sizes).rows).sum();
        if bytes > MOST_BYTES || rows < FEW_GROUPS.saturating_mul(sizes.group) {
            return Ok(None);
        }
        let mut old = Self { files: Vec::new(), groups: Vec::new() };
        for file in replaced {
            let Some(bytes) = storage.get(&delta.key_of(file))?.filter(|bytes| is_as_written(file, bytes))
            else {
                return Ok(None);
            };
            if old.add(table, bytes, sizes).is_none() {
                return Ok(None);
            }
        }
        Ok(Some(old))
    }

    fn add(&mut self, table: &LakeTable, bytes: Bytes, sizes: RowSizes) -> Option<()> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).ok()?;
        let schema = columnar::schema(table.name, &table.columns, UNIT).ok()?;
        if SchemaDescriptor::new(schema).columns() != metadata.file_metadata().schema_descr().columns() {
            return None;
        }
        let file = self.files.len();
        for (at, group) in metadata.row_groups().iter().enumerate() {
            let key = bounds(group, table.key)?;
            let bytes = group.compressed_size().unsigned_abs();
            let rows = group.num_rows().unsigned_abs().max(weight(bytes, sizes.group, columnar::BYTES / 2));
            let stored = StoredRows { first: key.least, last: key.greatest, rows };
            self.groups.push((file, at, stored, bounds(group, SENT_AT)));
        }
        self.files.push((bytes, metadata));
        Some(())
    }

    /// What each row group holds.
    pub(crate) fn rows(&self) -> Vec<StoredRows> {
        self.groups.iter().map(|(_, _, rows, _)| *rows).collect()
    }

    /// A row group by its place among all of them.
    pub(crate) fn group(&self, at: usize) -> Option<OldGroup<'_>> {
        let (file, group, rows, sent_at_ms) = self.groups.get(at)?;
        let (bytes, metadata) = self.files.get(*file)?;
        let metadata = metadata.row_groups().get(*group)?;
        Some(OldGroup { bytes, metadata, rows: *rows, sent_at_ms: *sent_at_ms })
    }
}

/// The least and the greatest number of a column in a row group.
fn bounds(group: &RowGroupMetaData, column: &str) -> Option<Bounds> {
    let column = group.columns().iter().find(|known| known.column_descr().name() == column)?;
    let Statistics::Int64(seen) = column.statistics()? else { return None };
    Some(Bounds { least: *seen.min_opt()?, greatest: *seen.max_opt()? })
}
