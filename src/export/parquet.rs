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

use super::{Export, ExportError, Summary, Watch};
use crate::export::destination::Folder;
use crate::store::{AccountMonth, ExportRow, Scope};

/// The columns of `message_log`, with types: times count milliseconds in UTC, truths are true or false.
const SCHEMA: &str = "message message_log {
  REQUIRED BYTE_ARRAY account (UTF8);
  OPTIONAL BYTE_ARRAY conversation_id (UTF8);
  OPTIONAL BYTE_ARRAY conversation (UTF8);
  OPTIONAL BYTE_ARRAY entity_urn (UTF8);
  REQUIRED INT64 sent_at_ms;
  REQUIRED INT64 sent_at (TIMESTAMP(MILLIS,true));
  REQUIRED BYTE_ARRAY sender (UTF8);
  OPTIONAL BOOLEAN from_me;
  REQUIRED BYTE_ARRAY message_type (UTF8);
  REQUIRED BYTE_ARRAY text (UTF8);
  REQUIRED INT64 versions;
  OPTIONAL INT64 gone_since (TIMESTAMP(MILLIS,true));
  REQUIRED BYTE_ARRAY raw (UTF8);
  REQUIRED INT64 message_id;
  REQUIRED BYTE_ARRAY source (UTF8);
}";

/// Rows that are gathered in memory before they are written, and how many bytes of them.
const ROWS: usize = 20_000;
const BYTES: usize = 16 * 1024 * 1024;

/// A column in the making: its values, and where there are none.
enum ParquetColumn {
    Text(Vec<ByteArray>, Vec<i16>),
    Number(Vec<i64>, Vec<i16>),
    Truth(Vec<bool>, Vec<i16>),
}

/// The rows that wait to be written.
#[derive(Default)]
struct Rows {
    columns: Vec<ParquetColumn>,
    rows: usize,
    bytes: usize,
    at: usize,
}

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    let scope = Scope { changed_after: None, ..export.job.scope };
    let months = export.snapshot.months(&scope)?;
    let touched = match export.continues() {
        None => None,
        Some(before) => {
            let faces = before.changed_faces(export.job, export.snapshot)?;
            Some(export.snapshot.touched_months(before.run, &faces)?)
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
    let mut folder = Folder::begin(export)?;
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
    folder: &mut Folder,
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
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("archiver ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let file = folder.create(&name)?;
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed)?;
    let mut rows = Rows::default();
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        rows.add(message);
        if rows.rows >= ROWS || rows.bytes >= BYTES {
            std::mem::take(&mut rows).write(&mut writer).map_err(failed)?;
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

impl Rows {
    fn add(&mut self, m: &ExportRow<'_>) {
        self.rows = self.rows.saturating_add(1);
        self.at = 0;
        let mut raw = Vec::new();
        m.raw_into(&mut raw);
        self.bytes = self.bytes.saturating_add(raw.len()).saturating_add(m.fields.text.len());
        self.text(Some(m.account.as_bytes().to_vec()));
        self.text(m.conversation_id.map(|t| t.as_bytes().to_vec()));
        self.text(m.conversation.map(|t| t.as_bytes().to_vec()));
        self.text(m.fields.urn.map(|parts| parts.concat().into_bytes()));
        self.number(Some(m.sent_at_ms));
        self.number(Some(m.sent_at_ms));
        self.text(Some(m.fields.name.as_bytes().to_vec()));
        self.truth(m.from_me.map(|mine| mine == 1));
        self.text(Some(m.fields.kind.as_bytes().to_vec()));
        self.text(Some(m.fields.text.as_bytes().to_vec()));
        self.number(Some(m.versions));
        self.number(m.gone_since_ms);
        self.text(Some(raw));
        self.number(Some(m.id.0));
        self.text(Some(m.source_name().as_bytes().to_vec()));
    }

    /// The next column of this row.
    fn next(&mut self, new: impl FnOnce() -> ParquetColumn) -> Option<&mut ParquetColumn> {
        let at = self.at;
        self.at = at.saturating_add(1);
        if self.columns.len() == at {
            self.columns.push(new());
        }
        self.columns.get_mut(at)
    }

    fn text(&mut self, value: Option<Vec<u8>>) {
        if let Some(ParquetColumn::Text(values, there)) =
            self.next(|| ParquetColumn::Text(Vec::new(), Vec::new()))
        {
            there.push(i16::from(value.is_some()));
            values.extend(value.map(ByteArray::from));
        }
    }

    fn number(&mut self, value: Option<i64>) {
        if let Some(ParquetColumn::Number(values, there)) =
            self.next(|| ParquetColumn::Number(Vec::new(), Vec::new()))
        {
            there.push(i16::from(value.is_some()));
            values.extend(value);
        }
    }

    fn truth(&mut self, value: Option<bool>) {
        if let Some(ParquetColumn::Truth(values, there)) =
            self.next(|| ParquetColumn::Truth(Vec::new(), Vec::new()))
        {
            there.push(i16::from(value.is_some()));
            values.extend(value);
        }
    }

    /// Writes the rows as a row group.
    fn write<W: std::io::Write + Send>(
        self,
        writer: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for column in self.columns {
            let Some(mut next) = group.next_column()? else { break };
            match (next.untyped(), column) {
                (ColumnWriter::ByteArrayColumnWriter(to), ParquetColumn::Text(values, there)) => {
                    to.write_batch(&values, Some(&there), None)?;
                }
                (ColumnWriter::Int64ColumnWriter(to), ParquetColumn::Number(values, there)) => {
                    to.write_batch(&values, Some(&there), None)?;
                }
                (ColumnWriter::BoolColumnWriter(to), ParquetColumn::Truth(values, there)) => {
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
