//! Scans `messages.csv` once to find where each row is and which thread it belongs to, and reads rows again by location:
//! a row takes 32 bytes of memory however long it is, and the file may be in any order.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base64::Engine as _;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use crate::core::Ms;
use crate::core::linkedin_export::coverage::Span;
use crate::core::linkedin_export::dates::{DateOrder, is_iso, moment};
use crate::core::linkedin_export::rows::{Columns, Row};
use crate::core::model::message::{Message, is_outside};
use crate::core::model::urn::{NAMED_THREAD, thread_key};
use crate::linkedin_export::encoding::as_utf8;
use crate::linkedin_export::participants::{ExportOwner, Party, Thread, folded, join, owner};
use crate::linkedin_export::{ImportError, ImportLimit, ImportLimits, archive};

/// So far ahead of now a row may be dated: clocks and zones differ.
const AHEAD_MS: Ms = 36 * 3_600_000;

/// The header is looked for in this many rows.
const PREAMBLE: usize = 10;

/// Where a row is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowLocation {
    pub(crate) at_ms: Ms,
    start: u64,
    length: u32,
}

impl RowLocation {
    pub(crate) fn length(&self) -> u64 {
        self.length.into()
    }
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

impl OddRow {
    pub(crate) fn length(&self) -> u64 {
        self.length.into()
    }
}

/// An open export whose rows have been scanned.
#[derive(Debug)]
pub struct ExportFile {
    path: PathBuf,
    file: File,
    delimiter: u8,
    columns: Columns,
    header: Vec<String>,
    order: DateOrder,
    pub(crate) threads: Vec<Thread>,
    pub(crate) odd: Vec<OddRow>,
    pub(crate) rows: u64,
    /// Whom the file names as its owner, in small letters.
    pub(crate) owners: BTreeSet<String>,
}

impl ExportFile {
    /// Reads the export at this path: a zip, a folder or the file itself. What is dated after `now` is no message.
    pub fn open(path: &Path, now: Ms) -> Result<Self, ImportError> {
        Self::open_within(path, now, &ImportLimits::DEFAULT)
    }

    pub(crate) fn open_within(path: &Path, now: Ms, limits: &ImportLimits) -> Result<Self, ImportError> {
        let opened = archive::open(path, limits)?;
        let file = as_utf8(opened.messages).map_err(ImportError::read(path))?;
        let (header, delimiter) = header(&file, path, limits)?;
        let mut export = Self {
            path: path.to_owned(),
            file,
            delimiter,
            columns: Columns::of(&header),
            header,
            order: DateOrder::default(),
            threads: Vec::new(),
            odd: Vec::new(),
            rows: 0,
            owners: opened.profile.and_then(owner_of).into_iter().collect(),
        };
        export.order = export.date_order(limits)?;
        export.scan(now, limits)?;
        join(&mut export.threads);
        match export.odd.first() {
            Some(odd) if export.threads.is_empty() => Err(ImportError::refused(
                format!(
                    "none of the {} rows of {} is a message; line {}: {}",
                    export.rows,
                    path.display(),
                    odd.line,
                    odd.reason
                ),
                "pass the zip file from LinkedIn, or the messages.csv in it as it is there",
            )),
            _ => Ok(export),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that are no messages.
    pub fn odd(&self) -> &[OddRow] {
        &self.odd
    }

    /// Whose export it is, as far as the file tells; else whoever has the configured name.
    pub(crate) fn owner(&self, configured: Option<&str>) -> Option<ExportOwner> {
        owner(&self.threads, &self.owners, configured)
    }

    /// Shows every row below the header, with where it begins.
    fn each_row(
        &self,
        limits: &ImportLimits,
        mut act: impl FnMut(&ByteRecord, u64, u32) -> Result<bool, ImportError>,
    ) -> Result<(), ImportError> {
        let mut reader = LimitedReader::new(&self.file, &self.path, limits)?.csv(self.delimiter);
        let mut record = ByteRecord::new();
        let mut in_header = true;
        loop {
            let start = reader.position().byte();
            if !read_record(&mut reader, &mut record, &self.path, limits)? {
                return Ok(());
            }
            if in_header {
                in_header = names(&record, limits, &self.path)? != self.header;
                continue;
            }
            let length = u32::try_from(reader.position().byte().saturating_sub(start)).unwrap_or(u32::MAX);
            if !act(&record, start, length)? {
                return Ok(());
            }
        }
    }

    /// Whether the day or the month comes first, where a date leaves that open: one that does not tells it of all.
    fn date_order(&self, limits: &ImportLimits) -> Result<DateOrder, ImportError> {
        let mut told = None;
        self.each_row(limits, |record, _, _| {
            let date = self.columns.date.and_then(|at| record.get(at)).unwrap_or_default();
            let date = String::from_utf8_lossy(date);
            told = DateOrder::told_by(&date);
            // A date that needs no order stands for all of its file.
            Ok(told.is_none() && !is_iso(&date))
        })?;
        Ok(told.unwrap_or_default())
    }

    fn scan(&mut self, now: Ms, limits: &ImportLimits) -> Result<(), ImportError> {
        let mut found = Scanned::default();
        self.each_row(limits, |record, start, length| {
            found.rows += 1;
            if found.rows > limits.rows {
                return Err(limits.exceeded(&self.path, ImportLimit::Rows));
            }
            let line = record.position().map_or(0, csv::Position::line);
            if let Err(reason) = self.take(&mut found, record, (start, length), now) {
                found.odd.push(OddRow { line, reason, start, length });
            }
            match (found.threads.len() > limits.conversations, found.odd.len() > limits.odd_rows) {
                (true, _) => Err(limits.exceeded(&self.path, ImportLimit::Conversations)),
                (_, true) => Err(limits.exceeded(&self.path, ImportLimit::OddRows)),
                _ => Ok(true),
            }
        })?;
        for thread in &mut found.threads {
            // Of equal seconds, what stands first in the file is the newer one: LinkedIn lists the newest first.
            thread.places.sort_by_key(|p| (std::cmp::Reverse(p.at_ms), p.start));
        }
        (self.threads, self.odd, self.rows) = (found.threads, found.odd, found.rows);
        self.owners.extend(found.owners);
        Ok(())
    }

    fn take(
        &self,
        found: &mut Scanned,
        record: &ByteRecord,
        (start, length): (u64, u32),
        now: Ms,
    ) -> Result<(), String> {
        let fields = record
            .iter()
            .map(std::str::from_utf8)
            .collect::<Result<Vec<&str>, _>>()
            .map_err(|_| "it is not UTF-8".to_owned())?;
        if fields.len() != self.header.len() {
            return Err(format!("it has {} fields, the header has {}", fields.len(), self.header.len()));
        }
        let c = &self.columns;
        let row = Row { columns: c, header: &self.header, fields: &fields };
        let key = conversation_of(&row).ok_or_else(|| "it names no conversation".to_owned())?;
        let date = row.field(c.date);
        let at_ms = moment(date, self.order).ok_or_else(|| format!("{:?} is no date", short(date)))?;
        if at_ms > now.saturating_add(AHEAD_MS) {
            return Err(format!("{:?} is in the future", short(date)));
        }
        if row.is_sent() == Some(true) {
            found.owners.insert(folded(row.field(c.from)));
        }
        let thread = found.thread(&key).ok_or_else(|| "it names no conversation".to_owned())?;
        thread.places.push(RowLocation { at_ms, start, length });
        if !is_outside(row.kind()) {
            let span = thread.span.get_or_insert(Span { oldest_ms: at_ms, newest_ms: at_ms });
            span.oldest_ms = span.oldest_ms.min(at_ms);
            span.newest_ms = span.newest_ms.max(at_ms);
        }
        thread.meet(
            row.field(c.title),
            &Party { names: row.field(c.from), urls: row.field(c.profile) },
            &Party { names: row.field(c.to), urls: row.field(c.recipients) },
        );
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
            .delimiter(self.delimiter)
            .buffer_capacity(bytes.len().max(1))
            .from_reader(bytes.as_slice());
        let mut record = ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(io::Error::from)?;
        Ok(record)
    }
}

/// What a scan has found.
#[derive(Default)]
struct Scanned {
    known: BTreeMap<String, usize>,
    threads: Vec<Thread>,
    odd: Vec<OddRow>,
    rows: u64,
    owners: BTreeSet<String>,
}

impl Scanned {
    fn thread(&mut self, key: &str) -> Option<&mut Thread> {
        let at = match self.known.get(key) {
            Some(at) => *at,
            None => {
                self.known.insert(key.to_owned(), self.threads.len());
                self.threads.push(Thread::new(key.to_owned()));
                self.threads.len().saturating_sub(1)
            }
        };
        self.threads.get_mut(at)
    }
}

/// The conversation that a row names; in a form without ids, the one with its other side.
fn conversation_of(row: &Row<'_>) -> Option<String> {
    let c = row.columns;
    if c.conversation.is_some() {
        let key = thread_key(row.field(c.conversation).trim());
        return (!key.is_empty()).then_some(key);
    }
    let (from, to) = (folded(row.field(c.from)), folded(row.field(c.to)));
    let other = match row.is_sent() {
        Some(true) => to,
        Some(false) => from,
        None if from < to => format!("{from} & {to}"),
        None => format!("{to} & {from}"),
    };
    (!other.trim_matches([' ', '&']).is_empty()).then(|| format!("{NAMED_THREAD}{other}"))
}

/// Reads a file so that no row is longer than allowed.
struct LimitedReader<'a> {
    file: &'a File,
    at: u64,
    /// Up to here it may be read.
    end: Rc<Cell<u64>>,
}

impl<'a> LimitedReader<'a> {
    fn new(file: &'a File, path: &Path, limits: &ImportLimits) -> Result<Self, ImportError> {
        let mut rewound = file;
        rewound.seek(SeekFrom::Start(0)).map_err(ImportError::read(path))?;
        Ok(Self { file, at: 0, end: Rc::new(Cell::new(limits.row)) })
    }

    fn csv(self, delimiter: u8) -> LimitedCsv<'a> {
        let end = Rc::clone(&self.end);
        let reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(self);
        LimitedCsv { reader, end }
    }
}

impl Read for LimitedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at > self.end.get() {
            return Err(ErrorKind::QuotaExceeded.into());
        }
        let read = self.file.read(buffer)?;
        self.at += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}

struct LimitedCsv<'a> {
    reader: Reader<LimitedReader<'a>>,
    end: Rc<Cell<u64>>,
}

impl LimitedCsv<'_> {
    fn position(&self) -> &csv::Position {
        self.reader.position()
    }
}

fn read_record(
    csv: &mut LimitedCsv<'_>,
    record: &mut ByteRecord,
    path: &Path,
    limits: &ImportLimits,
) -> Result<bool, ImportError> {
    csv.end.set(csv.position().byte().saturating_add(limits.row));
    csv.reader.read_byte_record(record).map_err(|error| match error.kind() {
        csv::ErrorKind::Io(why) if why.kind() == ErrorKind::QuotaExceeded => {
            limits.exceeded(path, ImportLimit::Row)
        }
        _ => ImportError::read(path)(error.into()),
    })
}

/// The names of the columns and what is between them.
fn header(file: &File, path: &Path, limits: &ImportLimits) -> Result<(Vec<String>, u8), ImportError> {
    let mut first: Option<String> = None;
    for delimiter in *b",;\t|" {
        let mut reader = LimitedReader::new(file, path, limits)?.csv(delimiter);
        let mut record = ByteRecord::new();
        for _ in 0..PREAMBLE {
            if !read_record(&mut reader, &mut record, path, limits)? {
                break;
            }
            let names = names(&record, limits, path)?;
            if Columns::of(&names).are_enough() {
                return Ok((names, delimiter));
            }
            first.get_or_insert_with(|| short(&names.join(",")).to_owned());
        }
    }
    let (path, found) = (path.display(), first.unwrap_or_default());
    let what = format!(
        "{path} has no header with the columns DATE and CONVERSATION ID, or DATE, FROM and TO; it starts with {found:?}"
    );
    Err(ImportError::refused(what, "pass the zip file from LinkedIn, or the messages.csv in it"))
}

/// The fields of a row as names of columns, each name once.
fn names(record: &ByteRecord, limits: &ImportLimits, path: &Path) -> Result<Vec<String>, ImportError> {
    if record.len() > limits.columns {
        return Err(limits.exceeded(path, ImportLimit::Columns));
    }
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    for field in record {
        let name = String::from_utf8_lossy(field).trim_start_matches('\u{feff}').to_owned();
        let again = names.iter().filter(|n| **n == name || n.starts_with(&format!("{name} ("))).count();
        names.push(if again == 0 { name } else { format!("{name} ({})", again + 1) });
    }
    Ok(names)
}

/// The member's name, of the file that says who they are.
fn owner_of(profile: File) -> Option<String> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(as_utf8(profile).ok()?.take(1 << 20));
    let at = |wanted: &str, header: &ByteRecord| {
        let name =
            |field: &[u8]| String::from_utf8_lossy(field).trim_matches(['\u{feff}', ' ']).to_lowercase();
        header.iter().position(|field| name(field) == wanted)
    };
    let header = reader.byte_headers().ok()?.clone();
    let (first, last) = (at("first name", &header)?, at("last name", &header)?);
    let mut record = ByteRecord::new();
    let found = reader.read_byte_record(&mut record).ok()?;
    let field = |at: usize| record.get(at).map(String::from_utf8_lossy).unwrap_or_default();
    let name = folded(&format!("{} {}", field(first), field(last)));
    (found && !name.is_empty()).then_some(name)
}

/// The beginning of a text, for messages to a person.
fn short(text: &str) -> &str {
    text.char_indices().nth(60).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
