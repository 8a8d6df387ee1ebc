//! JSON Lines: every row of the archive as one line, without loss. `docs/export.md` describes the records.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::columns::{COLUMNS, ColumnValue};
use super::text::Times;
use super::{Export, ExportError, Watch};
use crate::core::Ms;
use crate::core::raw::render::{quote, quote_parts};
use crate::core::raw::without_lone_surrogates;
use crate::store::{ExportRow, SCHEMA_VERSION, TableValue};

/// The name of the format, in its first line.
pub(super) const FORMAT: &str = "archiver-jsonl";

/// The version of the format: it changes when a reader of the former one would be wrong.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// `header`.
    pub(super) record: String,
    /// [`FORMAT`].
    pub(super) format: String,
    /// [`VERSION`].
    pub(super) version: u32,
    /// The schema whose columns the records have.
    pub(super) schema: i64,
    /// The program's version.
    pub(super) program: String,
    /// When it was written.
    pub(super) exported_at: Option<String>,
    /// Which archive it is of.
    pub(super) archive: String,
    /// When the first part was written (ms): parts of one series belong together.
    pub(super) series: Ms,
    /// Which part it is: 0 holds everything, later ones what has changed since the one before.
    pub(super) part: u32,
    /// Whether the parts up to this one hold the whole archive, rather than some conversations or times of it.
    pub(super) whole: bool,
    /// How many records of messages follow.
    pub(super) messages: u64,
}

/// The last line, without which a file is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// `end`.
    pub(super) record: String,
    /// How many lines are before this one.
    pub(super) records: u64,
}

/// Lines go to the file one by one, counted.
struct Lines<'a> {
    export: &'a Export<'a>,
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    records: u64,
}

impl Lines<'_> {
    fn value(&mut self, value: &impl Serialize) -> Result<(), ExportError> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, value)
            .map_err(|error| ExportError::refused(error.to_string(), "report this"))?;
        self.line()
    }

    fn row(&mut self, record: &str, cells: &[(&str, TableValue<'_>)]) -> Result<(), ExportError> {
        self.buffer.clear();
        self.buffer.extend_from_slice(b"{\"record\":");
        quote(record, &mut self.buffer);
        for (name, value) in cells {
            key(name, &mut self.buffer);
            cell(value, &mut self.buffer);
        }
        self.buffer.push(b'}');
        self.line()
    }

    fn message(&mut self, message: &ExportRow<'_>) -> Result<(), ExportError> {
        self.buffer.clear();
        write_message(message, &mut self.buffer);
        self.line()
    }

    fn line(&mut self) -> Result<(), ExportError> {
        self.buffer.push(b'\n');
        self.records = self.records.saturating_add(1);
        self.out.write_all(&self.buffer).map_err(ExportError::file(&self.export.job.out))
    }
}

pub(super) fn write(
    export: &Export<'_>,
    part: u32,
    out: &mut dyn Write,
    watch: &mut dyn Watch,
) -> Result<u64, ExportError> {
    let scope = export.job.scope;
    let messages = export.announce(&scope, watch)?;
    let mut lines = Lines { export, out, buffer: Vec::new(), records: 0 };
    let state = export.state(Vec::new(), part)?;
    lines.value(&Header {
        record: "header".to_owned(),
        format: FORMAT.to_owned(),
        version: VERSION,
        schema: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        exported_at: Times::UTC.iso(export.job.now),
        archive: state.archive,
        series: state.series_ms,
        part,
        whole: !scope.is_partial(),
        messages,
    })?;
    export.snapshot.tables(&scope, |table, cells| lines.row(table, cells))?;
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        lines.message(message)
    })?;
    export.snapshot.versions(&scope, |cells| lines.row("message_version", cells))?;
    let records = lines.records;
    lines.value(&End { record: "end".to_owned(), records })?;
    Ok(messages)
}

/// The columns of `message_log`, and under `row` the rest of what the table has.
fn write_message(m: &ExportRow<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"record\":\"message\"");
    for column in COLUMNS {
        key(column.name, out);
        match (column.cell)(m) {
            ColumnValue::Null => cell(&TableValue::Null, out),
            ColumnValue::Text(text) => quote(text, out),
            ColumnValue::Parts(parts) => quote_parts(&parts, out),
            ColumnValue::Number(n) => cell(&TableValue::Int(n), out),
            ColumnValue::Time(ms) => cell(&optional(Times::UTC.iso(ms).as_deref()), out),
            ColumnValue::Truth(yes) => cell(&TableValue::Int(yes.into()), out),
            ColumnValue::Json(json) => out.extend_from_slice(json.as_bytes()),
            ColumnValue::Raw => raw(m, out),
        }
    }
    out.extend_from_slice(b",\"row\":{\"conversation\":");
    cell(&TableValue::Int(m.conversation_row.0), out);
    field("sender", TableValue::Int(m.sender_row.0), out);
    field("kind", TableValue::Int(m.kind_row), out);
    field("template", TableValue::Int(m.template_row), out);
    field("urn_shape", number(m.shape_row), out);
    field("urn_probe", number(m.probe), out);
    let key = m.fields.urn.map(|[_, key, _]| key);
    field("urn_key", optional(key), out);
    field("gone_since_ms", number(m.gone_since_ms), out);
    field("derived_time", number(m.derived_time), out);
    field("extra", optional(m.fields.extra), out);
    field("source", optional(m.source), out);
    field("change", number(m.change), out);
    field("subject", optional(m.subject), out);
    field("attachments", optional(m.attachments), out);
    field("attachment_names", optional(m.parts().attachment_names().as_deref()), out);
    out.extend_from_slice(b"}}");
}

/// The JSON as served, but for halves of surrogate pairs: a strict reader would refuse the whole file for one. `row`
/// has them as they are.
fn raw(m: &ExportRow<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    m.raw_into(out);
    let served = out.get(from..).unwrap_or_default();
    if served.windows(3).any(|w| w.eq_ignore_ascii_case(b"\\ud"))
        && let Ok(json) = std::str::from_utf8(served)
    {
        let mended = without_lone_surrogates(json);
        out.truncate(from);
        out.extend_from_slice(mended.as_bytes());
    }
}

fn optional(text: Option<&str>) -> TableValue<'_> {
    text.map_or(TableValue::Null, TableValue::Text)
}

fn number(number: Option<i64>) -> TableValue<'static> {
    number.map_or(TableValue::Null, TableValue::Int)
}

fn field(name: &str, value: TableValue<'_>, out: &mut Vec<u8>) {
    key(name, out);
    cell(&value, out);
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    quote(name, out);
    out.push(b':');
}

fn cell(value: &TableValue<'_>, out: &mut Vec<u8>) {
    match value {
        TableValue::Null => out.extend_from_slice(b"null"),
        TableValue::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
        // JSON has no infinities, and neither has a balance.
        TableValue::Real(n) => out.extend_from_slice(serde_json::Value::from(*n).to_string().as_bytes()),
        TableValue::Text(text) => quote(text, out),
    }
}
