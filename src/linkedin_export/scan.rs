//! Scans `messages.csv` once to find where each row is and which thread it belongs to, and reads rows again by location:
//! a row takes 32 bytes of memory however long it is, and the file may be in any order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use base64::Engine as _;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use crate::core::Ms;
use crate::core::linkedin_export::coverage::Span;
use crate::core::linkedin_export::rows::{Columns, Row, moment};
use crate::core::model::message::{Message, is_outside};
use crate::core::model::urn::thread_key;
use crate::linkedin_export::participants::{Party, Thread};
use crate::linkedin_export::{ImportError, archive};

/// The header is looked for in this many rows.
const PREAMBLE: usize = 10;

/// Where a row is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowLocation {
    pub(crate) at_ms: Ms,
    start: u64,
    length: u32,
}

/// A row that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddRow {
    /// The line it begins on.
    pub line: u64,
    /// Why it is no message.
    pub reason: String,
    start: u64,
    length: u32,
}

/// An open export whose rows have been scanned.
#[derive(Debug)]
pub struct ExportFile {
    file: File,
    columns: Columns,
    header: Vec<String>,
    pub(crate) threads: Vec<Thread>,
    pub(crate) odd: Vec<OddRow>,
    pub(crate) rows: u64,
}

impl ExportFile {
    /// Reads the export at this path: a zip, a folder or the file itself.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let file = archive::open(path, archive::LARGEST)?;
        let failed = ImportError::read(path);
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(file.try_clone().map_err(&failed)?);
        let header = header(&mut reader, path)?;
        let columns = Columns::of(&header);
        let mut export = Self { file, columns, header, threads: Vec::new(), odd: Vec::new(), rows: 0 };
        export.scan(&mut reader).map_err(failed)?;
        Ok(export)
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that are no messages.
    pub fn odd(&self) -> &[OddRow] {
        &self.odd
    }

    fn scan(&mut self, reader: &mut Reader<File>) -> io::Result<()> {
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut record = ByteRecord::new();
        loop {
            let start = reader.position().byte();
            if !reader.read_byte_record(&mut record).map_err(io::Error::from)? {
                break;
            }
            self.rows += 1;
            let length = u32::try_from(reader.position().byte().saturating_sub(start)).unwrap_or(u32::MAX);
            let line = record.position().map_or(0, csv::Position::line);
            if let Err(reason) = self.take(&record, &mut known, start, length) {
                self.odd.push(OddRow { line, reason, start, length });
            }
        }
        for thread in &mut self.threads {
            // Of equal seconds, what stands first in the file is the newer one: LinkedIn lists the newest first.
            thread.places.sort_by_key(|p| (std::cmp::Reverse(p.at_ms), p.start));
        }
        Ok(())
    }

    fn take(
        &mut self,
        record: &ByteRecord,
        known: &mut BTreeMap<String, usize>,
        start: u64,
        length: u32,
    ) -> Result<(), String> {
        let fields = record
            .iter()
            .map(std::str::from_utf8)
            .collect::<Result<Vec<&str>, _>>()
            .map_err(|_| "it is not UTF-8".to_owned())?;
        if fields.len() != self.header.len() {
            return Err(format!("it has {} fields, the header has {}", fields.len(), self.header.len()));
        }
        let row = Row { columns: &self.columns, header: &self.header, fields: &fields };
        let key = thread_key(row.field(self.columns.conversation).trim());
        if key.is_empty() {
            return Err("it names no conversation".to_owned());
        }
        let date = row.field(self.columns.date);
        let at_ms = moment(date).ok_or_else(|| format!("{:?} is no date", short(date)))?;
        let index = match known.get(&key) {
            Some(index) => *index,
            None => {
                known.insert(key.clone(), self.threads.len());
                self.threads.push(Thread::new(key));
                self.threads.len().saturating_sub(1)
            }
        };
        if let Some(thread) = self.threads.get_mut(index) {
            thread.places.push(RowLocation { at_ms, start, length });
            if !is_outside(row.kind()) {
                let span = thread.span.get_or_insert(Span { oldest_ms: at_ms, newest_ms: at_ms });
                span.oldest_ms = span.oldest_ms.min(at_ms);
                span.newest_ms = span.newest_ms.max(at_ms);
            }
            let c = &self.columns;
            thread.meet(
                row.field(c.title),
                &Party { names: row.field(c.from), urls: row.field(c.profile) },
                &Party { names: row.field(c.to), urls: row.field(c.recipients) },
            );
        }
        Ok(())
    }

    /// The messages of these rows, as they stand.
    pub(crate) fn messages(&self, places: &[RowLocation]) -> io::Result<Vec<Message>> {
        let mut messages = Vec::with_capacity(places.len());
        for place in places {
            let record = self.record(place.start, place.length)?;
            let texts: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
            let fields: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            let row = Row { columns: &self.columns, header: &self.header, fields: &fields };
            messages.push(row.message(place.at_ms));
        }
        Ok(messages)
    }

    /// A row that is no message, as JSON by column. What is not UTF-8 is there as base64 as well.
    pub(crate) fn content(&self, odd: &OddRow) -> io::Result<String> {
        let record = self.record(odd.start, odd.length)?;
        let mut object = Map::new();
        for (index, field) in record.iter().enumerate() {
            let name = self.header.get(index).cloned().unwrap_or_else(|| format!("COLUMN {}", index + 1));
            object.insert(name, Value::from(String::from_utf8_lossy(field)));
        }
        if record.iter().any(|field| std::str::from_utf8(field).is_err()) {
            let bytes = self.bytes(odd.start, odd.length)?;
            let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
            object.insert("(the row in base64)".to_owned(), Value::from(base64));
        }
        Ok(Value::Object(object).to_string())
    }

    fn bytes(&self, start: u64, length: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    fn record(&self, start: u64, length: u32) -> io::Result<ByteRecord> {
        let bytes = self.bytes(start, length)?;
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(bytes.len().max(1))
            .from_reader(bytes.as_slice());
        let mut record = ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(io::Error::from)?;
        Ok(record)
    }
}

/// The row of column names, with each name once.
fn header(reader: &mut Reader<File>, path: &Path) -> Result<Vec<String>, ImportError> {
    let mut record = ByteRecord::new();
    let mut first = None;
    for _ in 0..PREAMBLE {
        if !reader.read_byte_record(&mut record).map_err(|e| ImportError::read(path)(e.into()))? {
            break;
        }
        let mut names: Vec<String> = Vec::with_capacity(record.len());
        for field in &record {
            let name = String::from_utf8_lossy(field).trim_start_matches('\u{feff}').to_owned();
            let again = names.iter().filter(|n| **n == name || n.starts_with(&format!("{name} ("))).count();
            names.push(if again == 0 { name } else { format!("{name} ({})", again + 1) });
        }
        let columns = Columns::of(&names);
        if columns.conversation.is_some() && columns.date.is_some() {
            return Ok(names);
        }
        first.get_or_insert_with(|| short(&names.join(",")).to_owned());
    }
    let (path, found) = (path.display(), first.unwrap_or_default());
    let what =
        format!("{path} has no header with the columns CONVERSATION ID and DATE; it starts with {found:?}");
    Err(ImportError::refused(what, "pass the zip file from LinkedIn, or the messages.csv in it"))
}

/// The beginning of a text, for messages to a person.
fn short(text: &str) -> &str {
    text.char_indices().nth(60).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
