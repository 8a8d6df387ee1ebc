//! CSV for spreadsheets: a row for each message with the columns of `message_log`, and no cell that a spreadsheet would
//! take for a formula.

use std::io::{self, Write};

use super::columns::{COLUMNS, ColumnValue};
use super::text::Times;
use super::{Export, ExportError, Watch};
use crate::store::ExportRow;

const BOM: &[u8] = "\u{feff}".as_bytes();

pub(super) fn write(
    export: &Export<'_>,
    _: u32,
    out: &mut dyn Write,
    watch: &mut dyn Watch,
) -> Result<u64, ExportError> {
    let scope = export.job.scope;
    let messages = export.announce(&scope, watch)?;
    let failed = |error: ::csv::Error| ExportError::file(&export.job.out)(cause(error));
    if export.job.bom {
        out.write_all(BOM).map_err(ExportError::file(&export.job.out))?;
    }
    let mut rows = writer(out);
    head(&mut rows).map_err(failed)?;
    let (mut raw, mut guarded) = (Vec::new(), String::new());
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        row(&mut rows, message, export.job.times(), &mut raw, &mut guarded).map_err(failed)
    })?;
    rows.flush().map_err(ExportError::file(&export.job.out))?;
    Ok(messages)
}

/// Writes rows to `out`.
pub(crate) fn writer<W: Write>(out: W) -> ::csv::Writer<W> {
    ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out)
}

/// Writes the names of the columns.
pub(crate) fn head<W: Write>(rows: &mut ::csv::Writer<W>) -> Result<(), ::csv::Error> {
    rows.write_record(COLUMNS.iter().map(|column| column.name))
}

/// Writes a message. The buffers are the caller's, to be used again.
pub(crate) fn row<W: Write>(
    rows: &mut ::csv::Writer<W>,
    m: &ExportRow<'_>,
    times: Times,
    raw: &mut Vec<u8>,
    guarded: &mut String,
) -> Result<(), ::csv::Error> {
    for column in COLUMNS {
        match (column.cell)(m) {
            ColumnValue::Raw => {
                raw.clear();
                m.raw_into(raw);
                rows.write_field(&*raw)?;
            }
            ColumnValue::Null => rows.write_field("")?,
            ColumnValue::Text(text) | ColumnValue::Json(text) => rows.write_field(guard(text, guarded))?,
            ColumnValue::Parts(parts) => rows.write_field(guard(&parts.concat(), guarded))?,
            ColumnValue::Number(n) => rows.write_field(n.to_string())?,
            ColumnValue::Time(ms) => rows.write_field(times.iso(ms).unwrap_or_default())?,
            ColumnValue::Truth(yes) => rows.write_field(if yes { "1" } else { "0" })?,
        }
    }
    rows.write_record(None::<&[u8]>)
}

/// The cell with an apostrophe before it, where a spreadsheet would take it for a formula or would take the
/// apostrophe that it begins with for ours.
fn guard<'a>(cell: &'a str, guarded: &'a mut String) -> &'a str {
    if !is_risky(cell) {
        return cell;
    }
    guarded.clear();
    guarded.push('\'');
    guarded.push_str(cell);
    guarded
}

fn is_risky(cell: &str) -> bool {
    // Spreadsheets trim before they look, and take the wide forms for the narrow ones.
    let first = cell.trim_start_matches(|c: char| c.is_whitespace() || c.is_control()).chars().next();
    let formula = first.is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}|%".contains(c));
    let number = cell.strip_prefix('-').unwrap_or(cell);
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    cell.starts_with(['\'', '\t', '\r', '\n']) || (formula && !is_number)
}

/// The system's own error, whose kind would be lost in another one.
fn cause(error: ::csv::Error) -> io::Error {
    if !error.is_io_error() {
        return error.into();
    }
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The value that a cell was made of, as the documentation says to get it back.
    fn unguard(cell: &str) -> &str {
        match cell.strip_prefix('\'') {
            Some(value) if is_risky(value) => value,
            _ => cell,
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        let mut buffer = String::new();
        for risky in
            ["=1+1", "+1", "-1+1", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1", "|x", "'=1", "'", "\u{a0}=1"]
        {
            assert_eq!(guard(risky, &mut buffer), format!("'{risky}"));
        }
        for fine in ["", "1", "-1", "2025-01-01T00:00:00.000Z", "a=1", "{\"x\":1}"] {
            assert_eq!(guard(fine, &mut buffer), fine);
        }
    }

    proptest! {
        #[test]
        fn every_cell_comes_back(cell in "['=+@ \\t-]{0,3}.{0,5}|.{0,9}") {
            let mut buffer = String::new();
            let guarded = guard(&cell, &mut buffer).to_owned();
            prop_assert_eq!(unguard(&guarded), cell);
        }
    }
}
