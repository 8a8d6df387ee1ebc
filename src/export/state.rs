//! What an export leaves beside its files, so that the next one knows what it may replace and what has changed.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{ExportError, Format, Job};
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::store::Snapshot;

/// The version of the state's form.
const VERSION: u32 = 1;

/// The state of a place that was exported to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExportState {
    /// The version of this form.
    pub(super) version: u32,
    /// As what was exported.
    pub(super) format: String,
    /// Which archive.
    pub(super) archive: String,
    /// Of which conversation, since when, until when.
    pub(super) scope: (Option<ConversationId>, Option<Ms>, Option<Ms>),
    /// Whether it has only what certain people wrote.
    #[serde(default)]
    pub(super) chosen_people: bool,
    /// The number of the last change in it; `None` where what was exported is not whole yet, and in states of former versions.
    #[serde(default)]
    pub(super) change: Option<i64>,
    /// When that change was made: an archive that was restored since may give its number again.
    #[serde(default)]
    pub(super) change_ms: Option<Ms>,
    /// When the first part of it was written.
    pub(super) series_ms: Ms,
    /// The number of the last part.
    pub(super) part: u32,
    /// The files that are exports' own, relative to the place's folder.
    pub(super) files: Vec<String>,
    /// What changes with any row of a table other than those of messages, where the format has them.
    #[serde(default)]
    pub(super) tables: Option<i64>,
    /// The zone of its times; empty is UTC.
    #[serde(default)]
    pub(super) timezone: String,
    /// What each file was, where it may have been edited since.
    #[serde(default)]
    pub(super) hashes: BTreeMap<String, u64>,
    /// For each conversation, what changes with its names and, where the format shows them, its gaps.
    pub(super) faces: BTreeMap<ConversationId, i64>,
}

impl ExportState {
    pub(super) fn of(
        job: &Job,
        snapshot: &Snapshot<'_>,
        files: Vec<String>,
        part: u32,
        series_ms: Ms,
    ) -> Result<Self, ExportError> {
        let change = snapshot.last_change()?;
        Ok(Self {
            version: VERSION,
            format: job.format.name().to_owned(),
            archive: snapshot.fingerprint()?,
            scope: (job.scope.conversation, job.scope.since_ms, job.scope.until_ms),
            chosen_people: job.scope.chosen_people,
            change: Some(change),
            change_ms: snapshot.change_made(change)?,
            series_ms,
            part,
            files,
            tables: tables(job, snapshot)?,
            timezone: job.timezone.name().to_owned(),
            hashes: BTreeMap::new(),
            faces: faces(job, snapshot)?.into_iter().collect(),
        })
    }

    /// What the last export to the job's place left; with `since_last`, it must have been of the same kind.
    pub(super) fn read(job: &Job, snapshot: &Snapshot<'_>) -> Result<Option<Self>, ExportError> {
        let path = path(job);
        let json = match read_small(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            // The place is a file where a folder should be, which is complained about where it is made.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(ExportError::file(&path)(error)),
        };
        let state: Self = serde_json::from_slice(&json).map_err(|error| {
            let help = "choose another path, or remove it if you do not need it";
            ExportError::refused(format!("{} was not written by an export: {error}", path.display()), help)
        })?;
        if state.version != VERSION {
            let message = format!("{} was written by another version of archiver", path.display());
            return Err(ExportError::refused(message, "choose another path"));
        }
        if state.format != job.format.name() {
            let message = format!("{} holds an export in the format {}", job.out.display(), state.format);
            return Err(ExportError::refused(message, "choose another path, or the same format"));
        }
        if job.since_last {
            state.check_same(job, snapshot)?;
        }
        Ok(Some(state))
    }

    fn check_same(&self, job: &Job, snapshot: &Snapshot<'_>) -> Result<(), ExportError> {
        let what = if self.archive != snapshot.fingerprint()? {
            "another archive"
        } else if self.scope != (job.scope.conversation, job.scope.since_ms, job.scope.until_ms)
            || self.chosen_people != job.scope.chosen_people
        {
            "another selection of conversations, people or times"
        } else {
            return Ok(());
        };
        Err(ExportError::refused(
            format!("{} holds an export of {what}", job.out.display()),
            "use the same flags as then, choose another path, or omit --since-last to replace it",
        ))
    }

    pub(super) fn timezone(&self) -> &str {
        if self.timezone.is_empty() { "UTC" } else { &self.timezone }
    }

    /// Whether an export of changes may go on from it: it was not cut short, and the archive still has the change
    /// that it came to.
    pub(super) fn goes_on(&self, snapshot: &Snapshot<'_>) -> Result<bool, ExportError> {
        let Some(change) = self.change else { return Ok(false) };
        Ok(change <= snapshot.last_change()? && self.change_ms == snapshot.change_made(change)?)
    }

    /// The conversations whose names, or what is known of who took part, are not what they were.
    pub(super) fn changed_faces(
        &self,
        job: &Job,
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<ConversationId>, ExportError> {
        let now = faces(job, snapshot)?;
        Ok(now.into_iter().filter(|(id, face)| self.faces.get(id) != Some(face)).map(|(id, _)| id).collect())
    }

    pub(super) fn json(&self) -> Result<Vec<u8>, ExportError> {
        serde_json::to_vec(self).map_err(|error| ExportError::refused(error.to_string(), "report this"))
    }
}

/// The bytes of a regular file: whoever owns the folder may have put something else there.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    const MOST: u64 = 256 << 20;
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What changes with any row of a table other than those of messages; `None` for a format without them.
pub(super) fn tables(job: &Job, snapshot: &Snapshot<'_>) -> Result<Option<i64>, ExportError> {
    Ok((job.format == Format::Jsonl).then(|| snapshot.tables_mark(&job.scope)).transpose()?)
}

fn faces(job: &Job, snapshot: &Snapshot<'_>) -> Result<Vec<(ConversationId, i64)>, ExportError> {
    // A page and a note say where messages may be missing.
    Ok(snapshot.faces(matches!(job.format, Format::Html | Format::Markdown))?)
}

/// Where a job's state is: in its folder, or hidden beside its file.
pub(super) fn path(job: &Job) -> PathBuf {
    match job.format {
        Format::Html | Format::Parquet | Format::Markdown | Format::Delta => job.out.join(".archiver-export"),
        Format::Jsonl | Format::Csv => {
            let mut name = std::ffi::OsString::from(".");
            name.push(job.out.file_name().unwrap_or_default());
            name.push(".archiver-export");
            folder_of(&job.out).join(name)
        }
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
