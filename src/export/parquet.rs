//! Parquet for analysis: a file for each account and month, of which an export of changes writes only those anew that
//! have any.

use std::io::Write as _;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::columns::{COLUMNS, ColumnKind, ColumnValue, MessageColumn};
use super::{Export, ExportError, Summary, Watch};
use crate::export::destination::Place;
use crate::store::{AccountMonth, ExportRow, Scope};

/// Rows that are gathered in memory before they are written, and how many bytes of them.
const ROWS: usize = 20_000;
const BYTES: usize = 16 * 1024 * 1024;

/// A column in the making: its values, and for each row whether there is one.
struct Gathered {
    values: Values,
    there: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Number(Vec<i64>),
    Truth(Vec<bool>),
}

/// The rows that wait to be written.
struct Rows {
    columns: Vec<Gathered>,
    rows: usize,
    bytes: usize,
}

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    let scope = Scope { changed_after: None, ..export.job.scope };
    let months = export.snapshot.months(&scope)?;
    let touched = match export.continues() {
        None => None,
        Some(before) => {
            let faces = before.changed_faces(export.job, export.snapshot)?;
            Some(export.snapshot.touched_months(before.change.unwrap_or_default(), &faces)?)
        }
    };
    let known: Vec<&str> =
        export.before.iter().flat_map(|before| &before.files).map(String::as_str).collect();
    let is_due = |month: &&AccountMonth| {
        let changed = touched.as_ref().is_none_or(|t| t.contains(&(month.account, month.month.clone())));
        changed || !known.contains(&file_of(month).as_str())
    };
    let due: Vec<&AccountMonth> = months.iter().filter(is_due).collect();
    let messages: u64 = due.iter().map(|m| u64::try_from(m.messages).unwrap_or(0)).sum();
    watch.total(messages);
    let mut folder = Place::begin(export)?;
    for month in due {
        write_month(export, &scope, month, &mut folder, watch)?;
    }
    watch.closing("syncing to disk");
    // A month that no longer has any message has no file either.
    let there: std::collections::BTreeSet<String> = months.iter().map(file_of).collect();
    folder.finish(export, |file| there.contains(file), messages)
}

/// `account=…/month=YYYY-MM/messages.parquet`, in which a name is written so that every reader gets it back.
fn file_of(month: &AccountMonth) -> String {
    let name: String = month
        .account_name
        .bytes()
        .map(|b| match b {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("account={name}/month={}/messages.parquet", month.month)
}

fn write_month(
    export: &Export<'_>,
    scope: &Scope,
    month: &AccountMonth,
    folder: &mut Place,
    watch: &mut dyn Watch,
) -> Result<(), ExportError> {
    let name = file_of(month);
    let path = export.job.out.join(&name);
    let failed = |error: ParquetError| ExportError::file(&path)(std::io::Error::other(error));
    let (since, until) = bounds(&month.month);
    let scope = Scope {
        account: Some(month.account),
        ids: Some(month.ids),
        since_ms: scope.since_ms.max(since),
        until_ms: match (scope.until_ms, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
        ..*scope
    };
    let schema = Arc::new(parse_message_type(&schema()).map_err(failed)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("archiver ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let file = folder.create(&name)?;
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed)?;
    let mut rows = Rows::new();
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        rows.add(message);
        if rows.rows >= ROWS || rows.bytes >= BYTES {
            std::mem::replace(&mut rows, Rows::new()).write(&mut writer).map_err(failed)?;
        }
        Ok::<(), ExportError>(())
    })?;
    if rows.rows > 0 {
        rows.write(&mut writer).map_err(failed)?;
    }
    let mut file = writer.into_inner().map_err(failed)?;
    file.flush().map_err(ExportError::file(&path))
}

/// The first moment of a month and the first after it; `None` where a calendar has none.
fn bounds(month: &str) -> (Option<i64>, Option<i64>) {
    let first = chrono::NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok();
    let next = first.and_then(|first| first.checked_add_months(chrono::Months::new(1)));
    let ms = |day: Option<chrono::NaiveDate>| Some(day?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    // The first and the last month have all that was before and after.
    (ms(first).filter(|_| month != "0000-01"), ms(next).filter(|_| month != "9999-12"))
}

/// The columns with types: times count milliseconds in UTC, truths are true or false.
fn schema() -> String {
    let fields = COLUMNS.iter().map(|column| {
        let (kind, meaning) = match column.kind {
            ColumnKind::Text => ("BYTE_ARRAY", " (UTF8)"),
            ColumnKind::Number => ("INT64", ""),
            ColumnKind::Time => ("INT64", " (TIMESTAMP(MILLIS,true))"),
            ColumnKind::Truth => ("BOOLEAN", ""),
        };
        let need = if column.required { "REQUIRED" } else { "OPTIONAL" };
        format!("{need} {kind} {}{meaning};", column.name)
    });
    format!("message message_log {{ {} }}", fields.collect::<String>())
}

impl Rows {
    fn new() -> Self {
        let gathered = |column: &MessageColumn| Gathered {
            values: match column.kind {
                ColumnKind::Text => Values::Text(Vec::new()),
                ColumnKind::Number | ColumnKind::Time => Values::Number(Vec::new()),
                ColumnKind::Truth => Values::Truth(Vec::new()),
            },
            there: Vec::new(),
        };
        Self { columns: COLUMNS.iter().map(gathered).collect(), rows: 0, bytes: 0 }
    }

    fn add(&mut self, m: &ExportRow<'_>) {
        self.rows = self.rows.saturating_add(1);
        for (column, gathered) in COLUMNS.iter().zip(&mut self.columns) {
            let cell = (column.cell)(m);
            gathered.there.push(i16::from(cell != ColumnValue::Null));
            match (&mut gathered.values, cell) {
                (Values::Number(values), ColumnValue::Number(n) | ColumnValue::Time(n)) => values.push(n),
                (Values::Truth(values), ColumnValue::Truth(yes)) => values.push(yes),
                (Values::Text(values), cell) => {
                    let mut text = Vec::new();
                    match cell {
                        ColumnValue::Text(t) | ColumnValue::Json(t) => text.extend_from_slice(t.as_bytes()),
                        ColumnValue::Parts(parts) => text = parts.concat().into_bytes(),
                        ColumnValue::Raw => m.raw_into(&mut text),
                        _ => continue,
                    }
                    self.bytes = self.bytes.saturating_add(text.len());
                    values.push(ByteArray::from(text));
                }
                _ => {}
            }
        }
    }

    /// Writes the rows as a row group.
    fn write<W: std::io::Write + Send>(
        self,
        writer: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for Gathered { values, there } in self.columns {
            let Some(mut next) = group.next_column()? else { break };
            match (next.untyped(), values) {
                (ColumnWriter::ByteArrayColumnWriter(to), Values::Text(values)) => {
                    to.write_batch(&values, Some(&there), None)?;
                }
                (ColumnWriter::Int64ColumnWriter(to), Values::Number(values)) => {
                    to.write_batch(&values, Some(&there), None)?;
                }
                (ColumnWriter::BoolColumnWriter(to), Values::Truth(values)) => {
                    to.write_batch(&values, Some(&there), None)?;
                }
                _ => return Err(ParquetError::General("a column is of another type".to_owned())),
            }
            next.close()?;
        }
        group.close()?;
        Ok(())
    }
}
