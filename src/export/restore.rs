//! Back from JSON Lines: a new archive, equal to the one that was exported.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use rusqlite::types::Value as Sql;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::export::jsonl::{End, FORMAT, Header, VERSION};
use crate::export::{ExportError, Watch};
use crate::store::backup::Contents;
use crate::store::{Restore, SCHEMA_VERSION};

/// What every record says of itself.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    record: std::borrow::Cow<'a, str>,
}

/// One file of an export, of which the first line has been read.
struct Part {
    path: PathBuf,
    header: Header,
}

/// Makes a new archive of the parts of an export, in whatever order they are given.
///
/// # Errors
/// When there is an archive already, a file is not whole, is of a newer version or does not belong to the others, or
/// `watch` stops it. Then there is no archive.
pub fn jsonl(files: &[PathBuf], archive: &Path, watch: &mut dyn Watch) -> Result<Contents, ExportError> {
    let mut parts = files.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    parts.sort_by_key(|part| part.header.part);
    belong_together(&parts)?;
    watch.total(parts.iter().map(|part| part.header.messages).sum());
    let mut restore =
        Restore::begin(archive, parts.first().map_or(SCHEMA_VERSION, |part| part.header.schema))?;
    for part in &parts {
        restore.continue_with(part.header.schema)?;
        if part.header.part > 0 {
            restore.renew_tables()?;
        }
        read(part, &mut restore, watch)?;
    }
    watch.closing("indexing messages");
    Ok(restore.finish()?)
}

fn open(path: &Path) -> Result<Part, ExportError> {
    let mut line = Vec::new();
    let file = File::open(path).map_err(ExportError::file(path))?;
    // The first line is short; a file of something else may have no lines at all.
    let mut file = BufReader::new(std::io::Read::take(file, 65_536));
    file.read_until(b'\n', &mut line).map_err(ExportError::file(path))?;
    let header: Result<Header, _> = serde_json::from_slice(&line);
    let header = header.ok().filter(|h| h.record == "header" && h.format == FORMAT).ok_or_else(|| {
        let message = format!("{} does not start like an export by archiver", path.display());
        ExportError::refused(message, "pass a file written by `archiver export --format jsonl`")
    })?;
    if header.version > VERSION || header.schema > SCHEMA_VERSION {
        let message = format!("{} was written by a newer version, {}", path.display(), header.program);
        return Err(ExportError::refused(message, "import it with that version"));
    }
    if !header.whole {
        let message = format!("{} holds only a part of an archive", path.display());
        return Err(ExportError::refused(
            message,
            "only an export without --in, --since and --until can be restored",
        ));
    }
    Ok(Part { path: path.to_owned(), header })
}

/// The parts must be 0, 1, 2 … of one series.
fn belong_together(parts: &[Part]) -> Result<(), ExportError> {
    let help =
        "name the first file of an export and every later part, such as archive.jsonl archive.0001.jsonl";
    let Some(first) = parts.first() else { return Err(ExportError::refused("no file given", help)) };
    for (number, part) in (0_u32..).zip(parts) {
        if (&part.header.archive, part.header.series) != (&first.header.archive, first.header.series) {
            let message =
                format!("{} and {} belong to different exports", first.path.display(), part.path.display());
            return Err(ExportError::refused(message, help));
        }
        if part.header.part != number {
            let message = format!("part {number} is missing or given twice, before {}", part.path.display());
            return Err(ExportError::refused(message, help));
        }
    }
    Ok(())
}

fn read(part: &Part, restore: &mut Restore, watch: &mut dyn Watch) -> Result<(), ExportError> {
    let path = &part.path;
    let file = File::open(path).map_err(ExportError::file(path))?;
    let mut lines = BufReader::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    let (mut number, mut ended, mut messages) = (0_u64, false, 0_u64);
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(ExportError::file(path))?;
        if read == 0 {
            break;
        }
        if ended {
            return Err(damaged(path, number, "a line follows the last one"));
        }
        number = number.saturating_add(1);
        let text = std::str::from_utf8(&line).map_err(|e| damaged(path, number, &e.to_string()))?;
        let json = |e: serde_json::Error| damaged(path, number, &e.to_string());
        let kind: Kind<'_> = serde_json::from_str(text).map_err(json)?;
        match kind.record.as_ref() {
            "header" => {}
            "end" => {
                let end: End = serde_json::from_str(text).map_err(json)?;
                if end.records.saturating_add(1) != number {
                    return Err(damaged(path, number, "lines are missing before the last one"));
                }
                ended = true;
            }
            "message" => {
                watch.step()?;
                messages = messages.saturating_add(1);
                let record: MessageRecord<'_> = serde_json::from_str(text).map_err(json)?;
                restore.insert("message", record.into_row()).map_err(|e| unfit(path, number, e))?;
            }
            table if restore.knows(table) => {
                let record: Map<String, Value> = serde_json::from_str(text).map_err(json)?;
                let row = record.iter().filter(|(name, _)| *name != "record");
                let row = row.map(|(name, value)| Some((name.as_str(), sql(value)?))).collect::<Option<_>>();
                let row = row.ok_or_else(|| damaged(path, number, "a value is an object or a list"))?;
                restore.insert(table, row).map_err(|e| unfit(path, number, e))?;
            }
            other => return Err(damaged(path, number, &format!("there is no record called {other:?}"))),
        }
    }
    if !ended || messages != part.header.messages {
        return Err(damaged(path, number, "the file ends before its last line"));
    }
    Ok(())
}

fn damaged(path: &Path, line: u64, why: &str) -> ExportError {
    ExportError::refused(
        format!("{}, line {line}: {why}", path.display()),
        "the file is damaged or truncated: export again, or use another copy. No archive was created",
    )
}

/// What the archive says of a row: its file may be full, or the row may not be one of its own.
fn unfit(path: &Path, line: u64, error: crate::store::StoreError) -> ExportError {
    use crate::store::StoreError;
    match &error {
        StoreError::Broken(why) => damaged(path, line, why),
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(code, why))
            if code.code == rusqlite::ErrorCode::ConstraintViolation =>
        {
            damaged(path, line, why.as_deref().unwrap_or("a value does not fit"))
        }
        _ => error.into(),
    }
}

fn sql(value: &Value) -> Option<Sql> {
    Some(match value {
        Value::Null => Sql::Null,
        Value::Number(n) => n.as_i64().map(Sql::Integer).or_else(|| n.as_f64().map(Sql::Real))?,
        Value::String(text) => Sql::Text(text.clone()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    })
}

/// A message's record, as far as it is needed: the rest of it says the same for people.
#[derive(Deserialize)]
struct MessageRecord<'a> {
    message_id: i64,
    sent_at_ms: i64,
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
    versions: i64,
    row: MessageColumns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageColumns {
    conversation: i64,
    sender: i64,
    kind: i64,
    template: i64,
    urn_shape: Option<i64>,
    urn_probe: Option<i64>,
    urn_key: Option<String>,
    gone_since_ms: Option<i64>,
    derived_time: Option<i64>,
    extra: Option<String>,
    source: Option<String>,
    changed_run: Option<i64>,
}

impl MessageRecord<'_> {
    fn into_row(self) -> Vec<(&'static str, Sql)> {
        let number = |n: Option<i64>| n.map_or(Sql::Null, Sql::Integer);
        let text = |t: Option<String>| t.map_or(Sql::Null, Sql::Text);
        let row = self.row;
        let mut columns = vec![
            ("id", Sql::Integer(self.message_id)),
            ("conversation", Sql::Integer(row.conversation)),
            ("sent_at_ms", Sql::Integer(self.sent_at_ms)),
            ("sender", Sql::Integer(row.sender)),
            ("kind", Sql::Integer(row.kind)),
            ("template", Sql::Integer(row.template)),
            ("urn_shape", number(row.urn_shape)),
            ("urn_probe", number(row.urn_probe)),
            ("urn_key", text(row.urn_key)),
            ("versions", Sql::Integer(self.versions)),
            ("gone_since_ms", number(row.gone_since_ms)),
            ("derived_time", number(row.derived_time)),
            ("text", Sql::Text(self.text.into_owned())),
            ("extra", text(row.extra)),
        ];
        // Schema 1 did not have these.
        columns.extend(row.source.map(|source| ("source", Sql::Text(source))));
        columns.extend(row.changed_run.map(|run| ("changed_run", Sql::Integer(run))));
        columns
    }
}
