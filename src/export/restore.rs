//! Back from JSON Lines: a new archive, equal to the one that was exported.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use rusqlite::types::Value as Sql;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::export::jsonl::{End, FORMAT, Header, VERSION};
use crate::export::{ExportError, Watch};
use crate::store::backup::Contents;
use crate::store::{Restore, SCHEMA_VERSION, StoreError};

/// What every record says of itself.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    record: Cow<'a, str>,
}

/// One file of an export, of which the first line has been read.
struct Part {
    path: PathBuf,
    header: Header,
}

/// Makes a new archive of the parts of an export, in whatever order they are given. An error leaves no archive.
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
                insert(restore, "message", &record.into_row()).map_err(|e| unfit(path, number, e))?;
            }
            table if restore.knows(table) => {
                let mut record: Map<String, Value> = serde_json::from_str(text).map_err(json)?;
                record.remove("record");
                insert(restore, table, &record).map_err(|e| unfit(path, number, e))?;
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
fn unfit(path: &Path, line: u64, error: StoreError) -> ExportError {
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

fn insert(restore: &mut Restore, table: &str, row: &Map<String, Value>) -> Result<(), StoreError> {
    let sql = |value: &Value| {
        Some(match value {
            Value::Null => Sql::Null,
            Value::Number(n) => n.as_i64().map(Sql::Integer).or_else(|| n.as_f64().map(Sql::Real))?,
            Value::String(text) => Sql::Text(text.clone()),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        })
    };
    let row = row.iter().map(|(name, value)| Some((name.as_str(), sql(value)?))).collect::<Option<_>>();
    restore.insert(table, row.ok_or_else(|| StoreError::Broken("a value is an object or a list".to_owned()))?)
}

/// A message's record, as far as it is needed: the rest of it says the same for people.
#[derive(Deserialize)]
struct MessageRecord<'a> {
    message_id: i64,
    sent_at_ms: i64,
    #[serde(borrow)]
    text: Cow<'a, str>,
    versions: i64,
    /// The other columns of the table.
    row: Map<String, Value>,
}

impl MessageRecord<'_> {
    fn into_row(mut self) -> Map<String, Value> {
        let told = [
            ("id", self.message_id.into()),
            ("sent_at_ms", self.sent_at_ms.into()),
            ("text", self.text.into_owned().into()),
            ("versions", self.versions.into()),
        ];
        self.row.extend(told.map(|(name, value)| (name.to_owned(), value)));
        self.row
    }
}
