//! CSV for spreadsheets: a row for each message with the columns of `message_log`, and no cell that a spreadsheet would
//! take for a formula.

use super::{Export, ExportError, Summary, Watch, text};
use crate::export::destination::{FilePlace, OneFile};
use crate::store::ExportRow;

/// The columns: those of `message_log`.
pub const COLUMNS: &[&str] = &[
    "account",
    "conversation_id",
    "conversation",
    "entity_urn",
    "sent_at_ms",
    "sent_at",
    "sender",
    "from_me",
    "message_type",
    "text",
    "versions",
    "gone_since",
    "raw",
    "message_id",
    "source",
];

const BOM: &[u8] = "\u{feff}".as_bytes();

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    let place = FilePlace::choose(export)?;
    let scope = export.job.scope;
    let messages = export.announce(&scope, watch)?;
    let mut file = OneFile::begin(&place.to)?;
    if export.job.bom {
        file.put(BOM)?;
    }
    file.put(COLUMNS.join(",").as_bytes())?;
    file.put(b"\r\n")?;
    let failed = |error: ::csv::Error| ExportError::file(&place.to)(error.into());
    let mut rows = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(file);
    let (mut raw, mut guarded) = (Vec::new(), String::new());
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        row(&mut rows, message, &mut raw, &mut guarded).map_err(failed)
    })?;
    watch.closing("syncing to disk");
    let file = rows.into_inner().map_err(|e| ExportError::file(&place.to)(e.into_error()))?;
    place.finish(export, file, messages)
}

fn row(
    rows: &mut ::csv::Writer<OneFile>,
    m: &ExportRow<'_>,
    raw: &mut Vec<u8>,
    guarded: &mut String,
) -> Result<(), ::csv::Error> {
    raw.clear();
    m.raw_into(raw);
    let urn = m.fields.urn.map(|parts| parts.concat());
    let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
    for cell in [
        m.account,
        m.conversation_id.unwrap_or_default(),
        m.conversation.unwrap_or_default(),
        urn.as_deref().unwrap_or_default(),
        &m.sent_at_ms.to_string(),
        &text::iso(m.sent_at_ms).unwrap_or_default(),
        m.fields.name,
        &number(m.from_me),
        m.fields.kind,
        m.fields.text,
        &m.versions.to_string(),
        &m.gone_since_ms.and_then(text::iso).unwrap_or_default(),
    ] {
        rows.write_field(guard(cell, guarded))?;
    }
    rows.write_field(raw)?;
    rows.write_field(m.id.to_string())?;
    rows.write_field(m.source_name())?;
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
