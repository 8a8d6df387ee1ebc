//! Writes a table's state as a checkpoint: one Parquet file, with a row for each action.

use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::action::{AddFile, AppTransaction, NamedValues, RemoveFile, TableMetadata, TableProtocol};
use super::replay::{TableState, is_young};
use crate::core::Ms;

/// Rows that are gathered in memory before they are written.
const ROWS: usize = 10_000;

/// The columns, with the shapes and names that Spark gives them.
const SCHEMA: &str = "message spark_schema {
  optional group txn {
    optional binary appId (UTF8); optional int64 version; optional int64 lastUpdated;
  }
  optional group add {
    optional binary path (UTF8);
    optional group partitionValues (MAP) { repeated group key_value {
      required binary key (UTF8); optional binary value (UTF8); } }
    optional int64 size; optional int64 modificationTime; optional boolean dataChange;
    optional binary stats (UTF8);
    optional group tags (MAP) { repeated group key_value {
      required binary key (UTF8); optional binary value (UTF8); } }
  }
  optional group remove {
    optional binary path (UTF8);
    optional int64 deletionTimestamp; optional boolean dataChange; optional boolean extendedFileMetadata;
    optional group partitionValues (MAP) { repeated group key_value {
      required binary key (UTF8); optional binary value (UTF8); } }
    optional int64 size;
  }
  optional group metaData {
    optional binary id (UTF8); optional binary name (UTF8); optional binary description (UTF8);
    optional group format {
      optional binary provider (UTF8);
      optional group options (MAP) { repeated group key_value {
        required binary key (UTF8); optional binary value (UTF8); } }
    }
    optional binary schemaString (UTF8);
    optional group partitionColumns (LIST) { repeated group list { optional binary element (UTF8); } }
    optional int64 createdTime;
    optional group configuration (MAP) { repeated group key_value {
      required binary key (UTF8); optional binary value (UTF8); } }
  }
  optional group protocol { optional int32 minReaderVersion; optional int32 minWriterVersion; }
}";

/// A row of a checkpoint.
#[derive(Clone, Copy)]
enum CheckpointRow<'a> {
    Protocol(&'a TableProtocol),
    Metadata(&'a TableMetadata),
    Txn(&'a AppTransaction),
    Add(&'a AddFile),
    Remove(&'a RemoveFile),
}

/// A checkpoint's bytes, and what `_last_checkpoint` says about them.
#[derive(Debug)]
pub struct WrittenCheckpoint {
    /// The Parquet file.
    pub bytes: Vec<u8>,
    /// How many actions it has.
    pub actions: u64,
    /// How many of these are files.
    pub files: u64,
}

/// Writes a state, with the tombstones that are no older than `tombstones_since`.
///
/// # Errors
/// When the library refuses to.
pub fn write_checkpoint(
    state: &TableState,
    tombstones_since: Ms,
) -> Result<WrittenCheckpoint, Box<dyn std::error::Error + Send + Sync>> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("archiver ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let young = |remove: &&RemoveFile| is_young(remove, tombstones_since);
    let rows = [CheckpointRow::Protocol(state.protocol()), CheckpointRow::Metadata(state.metadata())]
        .into_iter()
        .chain(state.txns().values().map(CheckpointRow::Txn))
        .chain(state.files().values().map(CheckpointRow::Add))
        .chain(state.tombstones().values().filter(young).map(CheckpointRow::Remove));
    let mut actions = 0_u64;
    let mut gathered = Gatherer::new(&writer);
    for row in rows {
        gathered.row(row);
        actions = actions.saturating_add(1);
        if gathered.rows >= ROWS {
            gathered.write(&mut writer)?;
        }
    }
    if gathered.rows > 0 {
        gathered.write(&mut writer)?;
    }
    let files = u64::try_from(state.files().len()).unwrap_or(u64::MAX);
    Ok(WrittenCheckpoint { bytes: writer.into_inner()?, actions, files })
}

/// A column in the making: its values, and for each how much of its place is there (definition levels) and whether it
/// continues a list (repetition levels).
struct Leaf {
    /// The level at which the value itself is there.
    full: i16,
    repeats: bool,
    values: LeafValues,
    there: Vec<i16>,
    continues: Vec<i16>,
}

#[derive(Default)]
struct LeafValues {
    texts: Vec<ByteArray>,
    longs: Vec<i64>,
    ints: Vec<i32>,
    truths: Vec<bool>,
}

impl Leaf {
    fn push(&mut self, level: i16, continues: bool) {
        self.there.push(level);
        if self.repeats {
            self.continues.push(i16::from(continues));
        }
    }

    fn text(&mut self, absent: i16, value: Option<&str>, continues: bool) {
        self.push(if value.is_some() { self.full } else { absent }, continues);
        self.values.texts.extend(value.map(ByteArray::from));
    }
}

/// The columns in the making.
struct Gatherer {
    leaves: Vec<Leaf>,
    rows: usize,
}

impl Gatherer {
    fn new(writer: &SerializedFileWriter<Vec<u8>>) -> Self {
        let leaf = |column: &Arc<::parquet::schema::types::ColumnDescriptor>| Leaf {
            full: column.max_def_level(),
            repeats: column.max_rep_level() > 0,
            values: LeafValues::default(),
            there: Vec::new(),
            continues: Vec::new(),
        };
        Self { leaves: writer.schema_descr().columns().iter().map(leaf).collect(), rows: 0 }
    }

    /// Every column gets its part of a row, in the order of the schema.
    fn row(&mut self, row: CheckpointRow<'_>) {
        self.rows = self.rows.saturating_add(1);
        let mut cells = Cells { leaves: self.leaves.iter_mut() };
        let (mut txn, mut add, mut remove, mut metadata, mut protocol) = (None, None, None, None, None);
        match row {
            CheckpointRow::Txn(it) => txn = Some(it),
            CheckpointRow::Add(it) => add = Some(it),
            CheckpointRow::Remove(it) => remove = Some(it),
            CheckpointRow::Metadata(it) => metadata = Some(it),
            CheckpointRow::Protocol(it) => protocol = Some(it),
        }
        cells.txn(txn);
        cells.add(add);
        cells.remove(remove);
        cells.metadata(metadata);
        cells.protocol(protocol);
    }

    /// Writes the rows as a row group, and begins anew.
    fn write(&mut self, writer: &mut SerializedFileWriter<Vec<u8>>) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for leaf in &mut self.leaves {
            let Some(mut next) = group.next_column()? else { break };
            let values = std::mem::take(&mut leaf.values);
            let there = std::mem::take(&mut leaf.there);
            let continues = std::mem::take(&mut leaf.continues);
            let continues = leaf.repeats.then_some(continues.as_slice());
            match next.untyped() {
                ColumnWriter::ByteArrayColumnWriter(to) => {
                    to.write_batch(&values.texts, Some(&there), continues)?;
                }
                ColumnWriter::Int64ColumnWriter(to) => {
                    to.write_batch(&values.longs, Some(&there), continues)?;
                }
                ColumnWriter::Int32ColumnWriter(to) => {
                    to.write_batch(&values.ints, Some(&there), continues)?;
                }
                ColumnWriter::BoolColumnWriter(to) => {
                    to.write_batch(&values.truths, Some(&there), continues)?;
                }
                _ => return Err(ParquetError::General("a column is of another type".to_owned())),
            }
            next.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// The columns that a row has still to fill. `there` counts the groups around a value that are there.
struct Cells<'a> {
    leaves: std::slice::IterMut<'a, Leaf>,
}

impl Cells<'_> {
    fn text(&mut self, there: i16, value: Option<&str>) {
        if let Some(leaf) = self.leaves.next() {
            leaf.text(there, value, false);
        }
    }

    fn long(&mut self, there: i16, value: Option<i64>) {
        if let Some(leaf) = self.leaves.next() {
            leaf.push(if value.is_some() { leaf.full } else { there }, false);
            leaf.values.longs.extend(value);
        }
    }

    fn int(&mut self, there: i16, value: Option<i32>) {
        if let Some(leaf) = self.leaves.next() {
            leaf.push(if value.is_some() { leaf.full } else { there }, false);
            leaf.values.ints.extend(value);
        }
    }

    fn truth(&mut self, there: i16, value: Option<bool>) {
        if let Some(leaf) = self.leaves.next() {
            leaf.push(if value.is_some() { leaf.full } else { there }, false);
            leaf.values.truths.extend(value);
        }
    }

    /// A map: two columns. Null, empty and a value's absence are each a level of their own.
    fn map<'v>(&mut self, there: i16, entries: Option<impl Iterator<Item = (&'v str, Option<&'v str>)>>) {
        let (Some(keys), Some(values)) = (self.leaves.next(), self.leaves.next()) else { return };
        let none = if entries.is_some() { there.saturating_add(1) } else { there };
        let mut continues = false;
        for (key, value) in entries.into_iter().flatten() {
            keys.text(none, Some(key), continues);
            values.text(keys.full, value, continues);
            continues = true;
        }
        if !continues {
            keys.text(none, None, false);
            values.text(none, None, false);
        }
    }

    fn list(&mut self, there: i16, elements: Option<&[String]>) {
        let Some(leaf) = self.leaves.next() else { return };
        let none = if elements.is_some() { there.saturating_add(1) } else { there };
        let mut continues = false;
        for element in elements.into_iter().flatten() {
            leaf.text(none, Some(element), continues);
            continues = true;
        }
        if !continues {
            leaf.text(none, None, false);
        }
    }

    fn txn(&mut self, txn: Option<&AppTransaction>) {
        let there = i16::from(txn.is_some());
        self.text(there, txn.map(|t| t.app_id.as_str()));
        self.long(there, txn.map(|t| t.version));
        self.long(there, txn.and_then(|t| t.last_updated));
    }

    fn add(&mut self, add: Option<&AddFile>) {
        let there = i16::from(add.is_some());
        self.text(there, add.map(|a| a.path.as_str()));
        self.map(there, add.map(|a| a.partition_values.iter()));
        self.long(there, add.map(|a| long(a.size)));
        self.long(there, add.map(|a| a.modification_time));
        self.truth(there, add.map(|a| a.data_change));
        self.text(there, add.and_then(|a| a.stats.as_deref()));
        self.map(there, add.and_then(|a| a.tags.as_ref()).map(NamedValues::iter));
    }

    fn remove(&mut self, remove: Option<&RemoveFile>) {
        let there = i16::from(remove.is_some());
        self.text(there, remove.map(|r| r.path.as_str()));
        self.long(there, remove.and_then(|r| r.deletion_timestamp));
        self.truth(there, remove.map(|r| r.data_change));
        self.truth(there, remove.and_then(|r| r.extended_file_metadata));
        self.map(there, remove.and_then(|r| r.partition_values.as_ref()).map(NamedValues::iter));
        self.long(there, remove.and_then(|r| r.size).map(long));
    }

    fn metadata(&mut self, metadata: Option<&TableMetadata>) {
        fn pair<'v>((key, value): (&'v String, &'v String)) -> (&'v str, Option<&'v str>) {
            (key, Some(value))
        }
        let there = i16::from(metadata.is_some());
        let format = metadata.map(|m| &m.format);
        self.text(there, metadata.map(|m| m.id.as_str()));
        self.text(there, metadata.and_then(|m| m.name.as_deref()));
        self.text(there, metadata.and_then(|m| m.description.as_deref()));
        self.text(there.saturating_mul(2), format.map(|f| f.provider.as_str()));
        self.map(there.saturating_mul(2), format.map(|f| f.options.iter().map(pair)));
        self.text(there, metadata.map(|m| m.schema_string.as_str()));
        self.list(there, metadata.map(|m| m.partition_columns.as_slice()));
        self.long(there, metadata.and_then(|m| m.created_time));
        self.map(there, metadata.map(|m| m.configuration.iter().map(pair)));
    }

    fn protocol(&mut self, protocol: Option<&TableProtocol>) {
        let there = i16::from(protocol.is_some());
        self.int(there, protocol.map(|p| p.min_reader_version));
        self.int(there, protocol.map(|p| p.min_writer_version));
    }
}

fn long(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
