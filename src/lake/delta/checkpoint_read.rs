//! Reads a checkpoint's Parquet file, whoever wrote it: the columns that are known, whatever else there is.

use std::collections::BTreeMap;

use ::parquet::basic::{ConvertedType, LogicalType};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{FileReader as _, RowGroupReader};
use ::parquet::file::serialized_reader::SerializedFileReader;
use bytes::Bytes;

use super::action::{
    AddFile, AppTransaction, NamedValues, RemoveFile, TableAction, TableFormat, TableMetadata, TableProtocol,
};

/// Rows that are decoded at once.
const ROWS: usize = 4_096;

/// Reads a checkpoint's actions.
///
/// # Errors
/// When the bytes are no Parquet file, or one without a checkpoint's columns.
pub fn read_checkpoint(bytes: Bytes, mut each: impl FnMut(TableAction)) -> Result<()> {
    let file = SerializedFileReader::new(bytes)?;
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group)?;
        let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let mut columns = CheckpointColumns::open(group.as_ref())?;
        while left > 0 {
            let rows = left.min(ROWS);
            columns.next(rows)?;
            for row in 0..rows {
                columns.actions(row, &mut each)?;
            }
            left = left.saturating_sub(rows);
        }
    }
    Ok(())
}

/// A column of the rows that were decoded last.
struct Decoded {
    reader: ColumnReader,
    full: i16,
    values: DecodedValues,
    /// For each level in turn: its row, and the index of its value where there is one.
    levels: Vec<(usize, Option<usize>)>,
    /// Where each row's levels begin.
    rows: Vec<usize>,
}

enum DecodedValues {
    Text(Vec<ByteArray>),
    Long(Vec<i64>),
    Truth(Vec<bool>),
}

impl Decoded {
    fn next(&mut self, rows: usize) -> Result<()> {
        let (there, continues, values) = match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(from) => {
                let (there, continues, values) = records(from, rows)?;
                (there, continues, DecodedValues::Text(values))
            }
            ColumnReader::Int64ColumnReader(from) => {
                let (there, continues, values) = records(from, rows)?;
                (there, continues, DecodedValues::Long(values))
            }
            ColumnReader::Int32ColumnReader(from) => {
                let (there, continues, values) = records(from, rows)?;
                (there, continues, DecodedValues::Long(values.into_iter().map(i64::from).collect()))
            }
            ColumnReader::BoolColumnReader(from) => {
                let (there, continues, values) = records(from, rows)?;
                (there, continues, DecodedValues::Truth(values))
            }
            _ => return Err(odd("a column is of another type")),
        };
        self.values = values;
        self.levels.clear();
        self.rows.clear();
        let mut value = 0_usize;
        let count = there.len().max(continues.len()).max(if self.full == 0 { rows } else { 0 });
        for level in 0..count {
            if continues.get(level).copied().unwrap_or(0) == 0 {
                self.rows.push(level);
            }
            let is_there = there.get(level).copied().unwrap_or(self.full) == self.full;
            let row = self.rows.len().saturating_sub(1);
            self.levels.push((row, is_there.then_some(value)));
            value = value.saturating_add(usize::from(is_there));
        }
        if self.rows.len() == rows { Ok(()) } else { Err(odd("a column has another number of rows")) }
    }

    /// The indices of a row's values, one for each element of a list.
    fn of(&self, row: usize) -> impl Iterator<Item = Option<usize>> {
        let begin = self.rows.get(row).copied().unwrap_or(self.levels.len());
        self.levels
            .get(begin..)
            .unwrap_or_default()
            .iter()
            .take_while(move |(of, _)| *of == row)
            .map(|(_, value)| *value)
    }

    fn text_at(&self, index: usize) -> Result<String> {
        let DecodedValues::Text(values) = &self.values else { return Err(odd("a text is of another type")) };
        let value = values.get(index).ok_or_else(|| odd("a value is missing"))?;
        Ok(value.as_utf8()?.to_owned())
    }
}

/// The levels and values of as many rows.
type Records<T> = (Vec<i16>, Vec<i16>, Vec<T>);

fn records<T: DataType>(from: &mut ColumnReaderImpl<T>, rows: usize) -> Result<Records<T::T>> {
    let (mut there, mut continues, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut read = 0_usize;
    while read < rows {
        let left = rows.saturating_sub(read);
        let (more, ..) = from.read_records(left, Some(&mut there), Some(&mut continues), &mut values)?;
        if more == 0 {
            return Err(odd("a column ends early"));
        }
        read = read.saturating_add(more);
    }
    Ok((there, continues, values))
}

/// The known columns of a row group, by their paths; a map's or a list's are called by its name and a number.
struct CheckpointColumns(BTreeMap<&'static str, Decoded>);

/// Single values.
const SINGLE: [&str; 19] = [
    "txn.appId",
    "txn.version",
    "txn.lastUpdated",
    "add.path",
    "add.size",
    "add.modificationTime",
    "add.dataChange",
    "add.stats",
    "remove.path",
    "remove.deletionTimestamp",
    "remove.dataChange",
    "remove.extendedFileMetadata",
    "remove.size",
    "metaData.id",
    "metaData.name",
    "metaData.description",
    "metaData.format.provider",
    "metaData.schemaString",
    "metaData.createdTime",
];
/// The versions of the protocol, which every checkpoint has.
const NUMBERS: [&str; 2] = ["protocol.minReaderVersion", "protocol.minWriterVersion"];
/// Lists and maps: the names of their elements' columns are each writer's own choice, but their order is not.
const MANY: [(&str, &[&str]); 8] = [
    ("add.partitionValues", &["add.partitionValues.0", "add.partitionValues.1"]),
    ("add.tags", &["add.tags.0", "add.tags.1"]),
    ("remove.partitionValues", &["remove.partitionValues.0", "remove.partitionValues.1"]),
    ("metaData.format.options", &["metaData.format.options.0", "metaData.format.options.1"]),
    ("metaData.partitionColumns", &["metaData.partitionColumns.0"]),
    ("metaData.configuration", &["metaData.configuration.0", "metaData.configuration.1"]),
    ("protocol.readerFeatures", &["protocol.readerFeatures.0"]),
    ("protocol.writerFeatures", &["protocol.writerFeatures.0"]),
];

impl CheckpointColumns {
    fn open(group: &dyn RowGroupReader) -> Result<Self> {
        let mut columns = BTreeMap::new();
        for (index, column) in group.metadata().columns().iter().enumerate() {
            let path = column.column_path().parts().join(".");
            let single = SINGLE.iter().chain(&NUMBERS).copied().find(|known| *known == path);
            let of_many = |(of, names): &(&str, &'static [&'static str])| {
                let inner = path.strip_prefix(of)?;
                let free = names.iter().copied().find(|name| !columns.contains_key(name));
                if inner.starts_with('.') { free } else { None }
            };
            let Some(name) = single.or_else(|| MANY.iter().find_map(of_many)) else { continue };
            let descriptor = column.column_descr();
            let is_text = matches!(descriptor.logical_type_ref(), Some(LogicalType::String))
                || descriptor.converted_type() == ConvertedType::UTF8;
            // The library panics at a place below zero.
            let places = [column.compressed_size(), column.data_page_offset()];
            if places.into_iter().chain(column.dictionary_page_offset()).any(i64::is_negative) {
                return Err(odd(&format!("the column {path} is at no place")));
            }
            let reader = group.get_column_reader(index)?;
            if matches!(reader, ColumnReader::ByteArrayColumnReader(_)) && !is_text {
                return Err(odd(&format!("the column {path} is no text")));
            }
            let full = descriptor.max_def_level();
            let values = DecodedValues::Long(Vec::new());
            columns.insert(name, Decoded { reader, full, values, levels: Vec::new(), rows: Vec::new() });
        }
        if NUMBERS.iter().chain(&["add.path", "metaData.id"]).all(|name| columns.contains_key(name)) {
            Ok(Self(columns))
        } else {
            Err(odd("the file has not the columns of a checkpoint"))
        }
    }

    fn next(&mut self, rows: usize) -> Result<()> {
        self.0.values_mut().try_for_each(|column| column.next(rows))
    }

    /// A row's value of a column that has one for each row.
    fn cell(&self, name: &str, row: usize) -> Option<(&Decoded, usize)> {
        let column = self.0.get(name)?;
        Some((column, column.of(row).next().flatten()?))
    }

    fn text(&self, name: &str, row: usize) -> Result<Option<String>> {
        self.cell(name, row).map(|(column, index)| column.text_at(index)).transpose()
    }

    fn long(&self, name: &str, row: usize) -> Result<Option<i64>> {
        let Some((column, index)) = self.cell(name, row) else { return Ok(None) };
        match &column.values {
            DecodedValues::Long(values) => Ok(values.get(index).copied()),
            _ => Err(odd(&format!("the column {name} is no number"))),
        }
    }

    fn truth(&self, name: &str, row: usize) -> Result<Option<bool>> {
        let Some((column, index)) = self.cell(name, row) else { return Ok(None) };
        match &column.values {
            DecodedValues::Truth(values) => Ok(values.get(index).copied()),
            _ => Err(odd(&format!("the column {name} is neither true nor false"))),
        }
    }

    fn size(&self, name: &str, row: usize) -> Result<Option<u64>> {
        let size = self.long(name, row)?.map(u64::try_from).transpose();
        size.map_err(|_| odd(&format!("the column {name} is below zero")))
    }

    /// A map; one that is empty is as good as none.
    fn map(&self, keys: &str, values: &str, row: usize) -> Result<Vec<(String, Option<String>)>> {
        let (Some(keys), Some(values)) = (self.0.get(keys), self.0.get(values)) else {
            return Ok(Vec::new());
        };
        let mut map = Vec::new();
        for (key, value) in keys.of(row).zip(values.of(row)) {
            let Some(key) = key else { continue };
            map.push((keys.text_at(key)?, value.map(|value| values.text_at(value)).transpose()?));
        }
        Ok(map)
    }

    fn list(&self, name: &str, row: usize) -> Result<Vec<String>> {
        let Some(column) = self.0.get(name) else { return Ok(Vec::new()) };
        column.of(row).flatten().map(|index| column.text_at(index)).collect()
    }

    /// The actions of a row: one, in a checkpoint as it should be.
    fn actions(&self, row: usize, each: &mut impl FnMut(TableAction)) -> Result<()> {
        if let Some(path) = self.text("add.path", row)? {
            each(TableAction::Add(self.add(path, row)?));
        }
        if let Some(path) = self.text("remove.path", row)? {
            each(TableAction::Remove(self.remove(path, row)?));
        }
        if let Some(app_id) = self.text("txn.appId", row)? {
            let version = self.long("txn.version", row)?.ok_or_else(|| odd("a txn has no version"))?;
            let last_updated = self.long("txn.lastUpdated", row)?;
            each(TableAction::Txn(AppTransaction { app_id, version, last_updated }));
        }
        if let Some(id) = self.text("metaData.id", row)? {
            each(TableAction::Metadata(Box::new(self.metadata(id, row)?)));
        }
        if let Some(reader) = self.long("protocol.minReaderVersion", row)? {
            each(TableAction::Protocol(self.protocol(reader, row)?));
        }
        Ok(())
    }

    fn add(&self, path: String, row: usize) -> Result<AddFile> {
        let tags: NamedValues = self.map("add.tags.0", "add.tags.1", row)?.into_iter().collect();
        Ok(AddFile {
            path,
            partition_values: self
                .map("add.partitionValues.0", "add.partitionValues.1", row)?
                .into_iter()
                .collect(),
            size: self.size("add.size", row)?.ok_or_else(|| odd("a file has no size"))?,
            modification_time: self.long("add.modificationTime", row)?.unwrap_or(0),
            data_change: self.truth("add.dataChange", row)?.unwrap_or(true),
            stats: self.text("add.stats", row)?,
            tags: Some(tags).filter(|tags| tags.iter().next().is_some()),
        })
    }

    fn remove(&self, path: String, row: usize) -> Result<RemoveFile> {
        let values: NamedValues =
            self.map("remove.partitionValues.0", "remove.partitionValues.1", row)?.into_iter().collect();
        let extended = self.truth("remove.extendedFileMetadata", row)?;
        let has_values = extended == Some(true) || values.iter().next().is_some();
        Ok(RemoveFile {
            path,
            deletion_timestamp: self.long("remove.deletionTimestamp", row)?,
            data_change: self.truth("remove.dataChange", row)?.unwrap_or(true),
            extended_file_metadata: extended,
            partition_values: has_values.then_some(values),
            size: self.size("remove.size", row)?,
        })
    }

    fn metadata(&self, id: String, row: usize) -> Result<TableMetadata> {
        let map = |keys, values| -> Result<BTreeMap<String, String>> {
            let entries = self.map(keys, values, row)?;
            Ok(entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
        };
        let schema = self.text("metaData.schemaString", row)?;
        let provider = self.text("metaData.format.provider", row)?;
        Ok(TableMetadata {
            id,
            name: self.text("metaData.name", row)?,
            description: self.text("metaData.description", row)?,
            format: TableFormat {
                provider: provider.unwrap_or_else(|| TableFormat::default().provider),
                options: map("metaData.format.options.0", "metaData.format.options.1")?,
            },
            schema_string: schema.ok_or_else(|| odd("the table has no schema"))?,
            partition_columns: self.list("metaData.partitionColumns.0", row)?,
            created_time: self.long("metaData.createdTime", row)?,
            configuration: map("metaData.configuration.0", "metaData.configuration.1")?,
        })
    }

    fn protocol(&self, reader: i64, row: usize) -> Result<TableProtocol> {
        let version = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        let writer = self.long("protocol.minWriterVersion", row)?;
        let features = |name| -> Result<Option<Vec<String>>> {
            Ok(Some(self.list(name, row)?).filter(|features| !features.is_empty()))
        };
        Ok(TableProtocol {
            min_reader_version: version(reader),
            min_writer_version: version(writer.ok_or_else(|| odd("the protocol has no writer's version"))?),
            reader_features: features("protocol.readerFeatures.0")?,
            writer_features: features("protocol.writerFeatures.0")?,
        })
    }
}

fn odd(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}
