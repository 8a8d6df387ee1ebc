//! Rows as columns in row groups of a Parquet file.

use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;

use ::parquet::basic::Compression;
#[cfg(feature = "lake")]
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::TypePtr;
use bytes::Bytes;

use super::columns::{ColumnKind, ColumnValue};
use crate::core::Ms;

/// Bytes that are gathered in memory before they are written.
pub(crate) const BYTES: usize = 8 * 1024 * 1024;

/// Columns in which hardly any two rows have the same value: no dictionary is tried for them, and none of their values
/// stands in a file's statistics.
const UNIQUE: [&str; 6] = ["message_id", "entity_urn", "sent_at_ms", "sent_at", "text", "raw"];

/// What times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    /// Milliseconds, however far away.
    Millis,
    /// Microseconds, of the years 1 to 9999: what engines that read dates can show.
    #[cfg_attr(not(feature = "lake"), expect(dead_code, reason = "Delta tables have them"))]
    Micros,
}

impl TimeUnit {
    const fn name(self) -> &'static str {
        match self {
            Self::Millis => "MILLIS",
            Self::Micros => "MICROS",
        }
    }

    pub(crate) fn count(self, ms: Ms) -> Option<i64> {
        match self {
            Self::Millis => Some(ms),
            Self::Micros if (-62_135_596_800_000..=253_402_300_799_999).contains(&ms) => {
                Some(ms.saturating_mul(1_000))
            }
            Self::Micros => None,
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnarFormat {
    pub(crate) unit: TimeUnit,
    /// Rows of a row group.
    pub(crate) group_rows: usize,
}

/// A column: its name, what it holds, and whether every row has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnType<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ColumnKind,
    pub(crate) required: bool,
}

/// A column in the making: its values, and for each row whether there is one.
struct Gathered {
    values: Values,
    there: Vec<i16>,
}

enum Values {
    /// The bytes of all texts one after the other, and where each ends.
    Text(Vec<u8>, Vec<usize>),
    Number(Vec<i64>),
    Truth(Vec<bool>),
}

/// The rows that wait to be written.
struct Rows {
    columns: Vec<Gathered>,
    rows: usize,
    bytes: usize,
}

/// A Parquet file that rows are added to. A row group is encoded on a thread of its own while the next one is gathered.
pub(crate) struct ColumnarFile<W: Write + Send + 'static> {
    file: FileInWork<W>,
    kinds: Vec<ColumnKind>,
    format: ColumnarFormat,
    waiting: Rows,
    /// Emptied rows, whose memory is used again.
    spare: Option<Rows>,
    written: usize,
}

/// Gives back the file, and the rows without what was encoded.
type EncodingThread<W> = JoinHandle<Result<(Box<SerializedFileWriter<W>>, Rows), ParquetError>>;

/// Where the file is.
enum FileInWork<W: Write + Send + 'static> {
    Here(Box<SerializedFileWriter<W>>),
    There(EncodingThread<W>),
    /// It failed, which was said.
    Lost,
}

impl<W: Write + Send + 'static> ColumnarFile<W> {
    /// Begins a file with these columns, whose schema has this name.
    pub(crate) fn begin(
        to: W,
        name: &str,
        columns: &[ColumnType<'_>],
        format: ColumnarFormat,
    ) -> Result<Self, ParquetError> {
        let schema = schema(name, columns, format.unit)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Row groups are so small that pages within them need not be told apart.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_created_by(concat!("archiver ", env!("CARGO_PKG_VERSION")).to_owned());
        for column in columns.iter().filter(|column| UNIQUE.contains(&column.name)) {
            properties = properties.set_column_dictionary_enabled(column.name.into(), false);
            if column.kind == ColumnKind::Text {
                let none = EnabledStatistics::None;
                properties = properties.set_column_statistics_enabled(column.name.into(), none);
            }
        }
        let file = SerializedFileWriter::new(to, schema, Arc::new(properties.build()))?;
        let kinds: Vec<ColumnKind> = columns.iter().map(|column| column.kind).collect();
        let waiting = Rows::of(&kinds);
        Ok(Self { file: FileInWork::Here(Box::new(file)), kinds, format, waiting, spare: None, written: 0 })
    }

    /// Adds a row, whose cells are in the order of the columns; `raw` writes what stands for [`ColumnValue::Raw`].
    pub(crate) fn add<'a>(
        &mut self,
        cells: impl Iterator<Item = ColumnValue<'a>>,
        raw: impl Fn(&mut Vec<u8>),
    ) -> Result<(), ParquetError> {
        self.waiting.add(cells, self.format.unit, raw);
        let is_full = self.waiting.rows >= self.format.group_rows || self.waiting.bytes >= BYTES;
        if is_full { self.write_waiting() } else { Ok(()) }
    }

    /// Adds a row group of another file, which has the same columns, as it is.
    #[cfg(feature = "lake")]
    pub(crate) fn take_over(
        &mut self,
        other: &Bytes,
        group: &::parquet::file::metadata::RowGroupMetaData,
    ) -> Result<(), ParquetError> {
        if self.waiting.rows > 0 {
            self.write_waiting()?;
        }
        let mut file = self.take_file()?;
        let mut to = file.next_row_group()?;
        for column in group.columns() {
            let as_it_is = ColumnCloseResult {
                bytes_written: column.compressed_size().unsigned_abs(),
                rows_written: group.num_rows().unsigned_abs(),
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            to.append_column(other, as_it_is)?;
        }
        to.close()?;
        self.written = file.bytes_written();
        self.file = FileInWork::Here(file);
        Ok(())
    }

    /// About how many bytes it will have.
    #[cfg(feature = "lake")]
    pub(crate) fn bytes(&self) -> usize {
        self.written.saturating_add(self.waiting.bytes / 3)
    }

    /// Writes what is missing of the file, and gives back what it was written to.
    pub(crate) fn end(mut self) -> Result<W, ParquetError> {
        if self.waiting.rows > 0 {
            self.write_waiting()?;
        }
        self.take_file()?.into_inner()
    }

    fn write_waiting(&mut self) -> Result<(), ParquetError> {
        let mut file = self.take_file()?;
        self.written = file.bytes_written();
        let empty = self.spare.take().unwrap_or_else(|| Rows::of(&self.kinds));
        let mut rows = std::mem::replace(&mut self.waiting, empty);
        let encode = move || rows.write(&mut file).map(|()| (file, rows));
        let thread = std::thread::Builder::new().name("columns".to_owned()).spawn(encode);
        self.file = FileInWork::There(thread.map_err(|error| ParquetError::External(Box::new(error)))?);
        Ok(())
    }

    /// The file, when what is being encoded is in it.
    fn take_file(&mut self) -> Result<Box<SerializedFileWriter<W>>, ParquetError> {
        match std::mem::replace(&mut self.file, FileInWork::Lost) {
            FileInWork::Here(file) => Ok(file),
            FileInWork::There(thread) => {
                let cut_short = |_| Err(ParquetError::General("encoding was cut short".to_owned()));
                let (file, emptied) = thread.join().unwrap_or_else(cut_short)?;
                self.spare = Some(emptied);
                Ok(file)
            }
            FileInWork::Lost => Err(ParquetError::General("the file could not be written".to_owned())),
        }
    }
}

/// The columns as Parquet describes them.
pub(crate) fn schema(
    name: &str,
    columns: &[ColumnType<'_>],
    unit: TimeUnit,
) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| {
        let (kind, meaning) = match column.kind {
            ColumnKind::Text => ("BYTE_ARRAY", " (UTF8)".to_owned()),
            ColumnKind::Number => ("INT64", String::new()),
            ColumnKind::Time => ("INT64", format!(" (TIMESTAMP({},true))", unit.name())),
            ColumnKind::Truth => ("BOOLEAN", String::new()),
        };
        let need = if column.required { "REQUIRED" } else { "OPTIONAL" };
        format!("{need} {kind} {}{meaning};", column.name)
    });
    Ok(Arc::new(parse_message_type(&format!("message {name} {{ {} }}", fields.collect::<String>()))?))
}

impl Rows {
    fn of(kinds: &[ColumnKind]) -> Self {
        let gathered = |kind: &ColumnKind| Gathered {
            values: match kind {
                ColumnKind::Text => Values::Text(Vec::new(), Vec::new()),
                ColumnKind::Number | ColumnKind::Time => Values::Number(Vec::new()),
                ColumnKind::Truth => Values::Truth(Vec::new()),
            },
            there: Vec::new(),
        };
        Self { columns: kinds.iter().map(gathered).collect(), rows: 0, bytes: 0 }
    }

    fn add<'a>(
        &mut self,
        cells: impl Iterator<Item = ColumnValue<'a>>,
        unit: TimeUnit,
        raw: impl Fn(&mut Vec<u8>),
    ) {
        self.rows = self.rows.saturating_add(1);
        for (gathered, cell) in self.columns.iter_mut().zip(cells) {
            let cell = match cell {
                ColumnValue::Time(at) => unit.count(at).map_or(ColumnValue::Null, ColumnValue::Time),
                cell => cell,
            };
            gathered.there.push(i16::from(cell != ColumnValue::Null));
            match (&mut gathered.values, cell) {
                (Values::Number(values), ColumnValue::Number(n) | ColumnValue::Time(n)) => values.push(n),
                (Values::Truth(values), ColumnValue::Truth(yes)) => values.push(yes),
                (Values::Text(bytes, ends), cell) => {
                    let before = bytes.len();
                    match cell {
                        ColumnValue::Text(t) | ColumnValue::Json(t) => bytes.extend_from_slice(t.as_bytes()),
                        ColumnValue::Parts(parts) => {
                            parts.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
                        }
                        ColumnValue::Raw => raw(bytes),
                        _ => continue,
                    }
                    self.bytes = self.bytes.saturating_add(bytes.len().saturating_sub(before));
                    ends.push(bytes.len());
                }
                _ => {}
            }
        }
    }

    /// Writes the rows as a row group, and leaves none.
    fn write<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<(), ParquetError> {
        let mut group = file.next_row_group()?;
        for Gathered { values, there } in &mut self.columns {
            let Some(mut next) = group.next_column()? else { break };
            match (next.untyped(), values) {
                (ColumnWriter::ByteArrayColumnWriter(to), Values::Text(bytes, ends)) => {
                    let (shared, mut from) = (Bytes::from(std::mem::take(bytes)), 0);
                    let text = |end| ByteArray::from(shared.slice(std::mem::replace(&mut from, end)..end));
                    let values: Vec<ByteArray> = ends.drain(..).map(text).collect();
                    to.write_batch(&values, Some(there), None)?;
                    drop(values);
                    *bytes = shared.into();
                    bytes.clear();
                }
                (ColumnWriter::Int64ColumnWriter(to), Values::Number(values)) => {
                    to.write_batch(values, Some(there), None)?;
                    values.clear();
                }
                (ColumnWriter::BoolColumnWriter(to), Values::Truth(values)) => {
                    to.write_batch(values, Some(there), None)?;
                    values.clear();
                }
                _ => return Err(ParquetError::General("a column is of another type".to_owned())),
            }
            there.clear();
            next.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}
