//! The archive as other files: one consistent look at it, streamed into a format, and put in place when it is whole.

#[cfg(feature = "parquet")]
pub(crate) mod columnar;
pub mod columns;
pub(crate) mod csv;
mod destination;
pub(crate) mod html;
mod jsonl;
pub(crate) mod markdown;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub mod restore;
mod state;
pub(crate) mod text;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use crate::core::Ms;
use crate::store::{ConversationRow, Reader, Scope, Snapshot, StoreError};

use self::destination::Place;
use self::state::ExportState;
use self::text::Times;

/// What an export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON Lines, without loss.
    Jsonl,
    /// Comma-separated values, for spreadsheets.
    Csv,
    /// Pages to read and search offline.
    Html,
    /// Columns for analysis, a file for each account and month.
    Parquet,
    /// A note for each conversation.
    Markdown,
    /// Delta Lake tables, which the module `lake` pushes to.
    Delta,
}

impl Format {
    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Parquet => "parquet",
            Self::Markdown => "markdown",
            Self::Delta => "delta",
        }
    }

    /// Whether it is a folder of files.
    const fn is_folder(self) -> bool {
        match self {
            Self::Jsonl | Self::Csv => false,
            Self::Html | Self::Parquet | Self::Markdown | Self::Delta => true,
        }
    }
}

/// What to export, and to where.
#[derive(Debug, Clone)]
pub struct Job {
    /// As what.
    pub format: Format,
    /// A file for JSON Lines and CSV, else a folder.
    pub out: PathBuf,
    /// Which messages; `changed_after` is this module's to set.
    pub scope: Scope,
    /// Only what was stored or changed since the last export to the same place.
    pub since_last: bool,
    /// Begin a CSV file with a byte order mark.
    pub bom: bool,
    /// The zone of the times that people read. JSON Lines and Parquet have UTC.
    pub timezone: Tz,
    /// Write to `out` as it comes, which is a pipe, a device or, as `-`, standard output.
    pub stream: bool,
    /// Replace notes that were edited since the last export.
    pub force: bool,
    /// When this is.
    pub now: Ms,
}

impl Job {
    /// Everything, as this format.
    pub fn new(format: Format, out: PathBuf, now: Ms) -> Self {
        let (scope, timezone) = (Scope::default(), Tz::UTC);
        Self { format, out, scope, since_last: false, bom: false, timezone, stream: false, force: false, now }
    }

    fn times(&self) -> Times {
        Times(self.timezone)
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many messages.
    pub messages: u64,
    /// How many files were written or replaced.
    pub files: usize,
    /// The file or folder; of a later part, the part.
    pub out: PathBuf,
    /// Whether nothing had to be written, since nothing has changed.
    pub unchanged: bool,
    /// Files that were edited since the last export and therefore left alone.
    pub left_alone: Vec<PathBuf>,
}

impl Summary {
    fn of(messages: u64, files: usize, out: PathBuf) -> Self {
        Self { messages, files, out, unchanged: false, left_alone: Vec::new() }
    }
}

/// Is told how far the export is, and ends it with [`ExportError::Stopped`].
pub trait Watch {
    /// So many messages will be written.
    fn total(&mut self, _messages: u64) {}

    /// One more is.
    fn step(&mut self) -> Result<(), ExportError> {
        Ok(())
    }

    /// Something else than a message is done.
    fn go_on(&mut self) -> Result<(), ExportError> {
        Ok(())
    }

    /// All messages have been read; what takes time now is this.
    fn closing(&mut self, _doing: &'static str) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Why an export or the import of one came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written, or not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was asked for makes no sense here.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// It was stopped from outside.
    #[error("interrupted; nothing was replaced")]
    Stopped,
}

impl ExportError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: help.into() }
    }
}

/// Exports.
pub fn run(reader: &Reader, job: &Job, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    let snapshot = reader.snapshot()?;
    if job.stream {
        return Export { snapshot: &snapshot, job, before: None }.stream(watch);
    }
    let state = ExportState::read(job, &snapshot)?;
    let mut job = job.clone();
    // What was cut short while its files were put in place, or is of an archive before an older one was restored, is
    // begun anew.
    job.since_last = match &state {
        Some(state) => job.since_last && state.goes_on(&snapshot)?,
        None => false,
    };
    if job.since_last {
        job.scope.changed_after = state.as_ref().and_then(|s| s.change);
    }
    let export = Export { snapshot: &snapshot, job: &job, before: state };
    if export.is_unchanged()? {
        return Ok(Summary { unchanged: true, ..Summary::of(0, 0, job.out.clone()) });
    }
    match job.format {
        Format::Jsonl => export.one_file(jsonl::write, watch),
        Format::Csv => export.one_file(csv::write, watch),
        Format::Html => html::write(&export, watch),
        Format::Markdown => markdown::write(&export, watch),
        Format::Delta => {
            Err(ExportError::refused("a lake is not written like this", "use `archiver lake push`"))
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::write(&export, watch),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err(ExportError::refused(
            "this build does not support Parquet",
            "build it with `--features parquet`, install the package, which has it, or choose another format",
        )),
    }
}

/// Writes a part and returns how many messages it has.
type OneFileFormat = fn(&Export<'_>, u32, &mut dyn Write, &mut dyn Watch) -> Result<u64, ExportError>;

/// What the formats are given.
struct Export<'a> {
    snapshot: &'a Snapshot<'a>,
    job: &'a Job,
    /// What the last export to the same place left.
    before: Option<ExportState>,
}

impl Export<'_> {
    /// The state to leave for the next export.
    fn state(&self, files: Vec<String>, part: u32) -> Result<ExportState, ExportError> {
        let series_ms = match &self.before {
            Some(before) if self.job.since_last => before.series_ms,
            _ => self.job.now,
        };
        ExportState::of(self.job, self.snapshot, files, part, series_ms)
    }

    /// Whether this is a later part than the first.
    fn continues(&self) -> Option<&ExportState> {
        self.before.as_ref().filter(|_| self.job.since_last)
    }

    /// Whether nothing has changed since the last export.
    fn is_unchanged(&self) -> Result<bool, ExportError> {
        let Some(before) = self.continues() else { return Ok(false) };
        let later = Scope { changed_after: before.change, ..self.job.scope };
        let is_written_whole = !matches!(self.job.format, Format::Csv | Format::Jsonl);
        let erased = is_written_whole && self.snapshot.erased_after(before.change.unwrap_or_default())?;
        if erased || self.snapshot.count(&later)? > 0 {
            return Ok(false);
        }
        match self.job.format {
            Format::Html | Format::Markdown if before.timezone() != self.job.timezone.name() => Ok(false),
            // It has every table: a run without any news spends credits.
            Format::Jsonl => Ok(before.tables == state::tables(self.job, self.snapshot)?),
            _ => Ok(before.changed_faces(self.job, self.snapshot)?.is_empty()),
        }
    }

    /// Writes a format that is one file to where it is read as it comes.
    fn stream(&self, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
        let write = match self.job.format {
            Format::Jsonl => jsonl::write,
            Format::Csv => csv::write,
            Format::Html | Format::Parquet | Format::Markdown | Format::Delta => {
                let what = format!(
                    "{} is a folder of files and cannot be written to a stream",
                    self.job.format.name()
                );
                return Err(ExportError::refused(what, "pass a folder, or use --format jsonl or csv"));
            }
        };
        if self.job.since_last {
            let what = "a stream leaves nothing to continue from";
            return Err(ExportError::refused(what, "remove --since-last, or pass a file"));
        }
        let failed = ExportError::file(&self.job.out);
        let mut out: Box<dyn Write> = match self.job.out.to_str() {
            Some("-") => Box::new(io::stdout().lock()),
            _ => match OpenOptions::new().write(true).open(&self.job.out) {
                Ok(file) => Box::new(file),
                Err(error) => return Err(failed(error)),
            },
        };
        let mut buffered = BufWriter::with_capacity(64 * 1024, &mut out);
        let messages = write(self, 0, &mut buffered, watch)?;
        buffered.flush().map_err(failed)?;
        Ok(Summary::of(messages, 1, self.job.out.clone()))
    }

    /// Writes a format that is one file.
    fn one_file(&self, write: OneFileFormat, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
        let mut place = Place::begin(self)?;
        let path = place.one_file(self);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut file = place.create(&name)?;
        let messages = write(self, place.part, &mut file, watch)?;
        watch.closing("syncing to disk");
        file.flush().map_err(ExportError::file(&path))?;
        let is_later = place.part > 0;
        place.finish(self, |_| is_later, messages)
    }

    /// The conversations that are meant.
    fn conversations(&self, scope: &Scope) -> Result<Vec<ConversationRow>, ExportError> {
        let mut rows = self.snapshot.queries().conversations()?;
        rows.retain(|row| scope.conversation.is_none_or(|wanted| wanted == row.id));
        Ok(rows)
    }

    /// How many messages there are to be written, which the watch is told.
    fn announce(&self, scope: &Scope, watch: &mut dyn Watch) -> Result<u64, ExportError> {
        let messages = self.snapshot.count(scope)?;
        watch.total(messages);
        Ok(messages)
    }
}
