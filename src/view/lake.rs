//! How far the lake is behind the archive.

use serde::Serialize;

use crate::app::lake_note::LakeNote;
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{IsoTime, plural};
use crate::store::{Queries, StoreError};

/// The lake, as `status --json` has it.
#[derive(Debug, Serialize)]
pub(crate) struct LakeStatus {
    place: String,
    /// When a push last ended well.
    pushed_at: Option<IsoTime>,
    /// Changes since then.
    behind: i64,
    failing_since: Option<IsoTime>,
    last_error: Option<String>,
}

impl LakeStatus {
    /// Of the configured lake; where none is configured, of the one that was pushed to last.
    pub(crate) fn of(config: &Config, queries: &Queries<'_>) -> Result<Option<Self>, StoreError> {
        let configured = config.lake.path.as_ref().map(|path| path.display().to_string());
        let noted = LakeNote::read(&config.archive.path);
        let noted = noted.filter(|note| configured.as_ref().is_none_or(|place| *place == note.place));
        let Some(note) = noted.or_else(|| configured.map(LakeNote::new)) else { return Ok(None) };
        let behind = queries.last_change()?.saturating_sub(note.change).max(0);
        Ok(Some(Self {
            place: note.place,
            pushed_at: note.pushed_ms.map(IsoTime),
            behind,
            failing_since: note.failing_since_ms.map(IsoTime),
            last_error: note.last_error,
        }))
    }

    /// One line of the status.
    pub(crate) fn words(&self, format: fn(Ms) -> String) -> String {
        let behind = match self.behind {
            0 => "up to date".to_owned(),
            n => format!("{} behind", plural(n, "change")),
        };
        match &self.pushed_at {
            Some(IsoTime(at)) => format!("Lake {}: pushed {}, {behind}", self.place, format(*at)),
            None => format!("Lake {}: nothing pushed yet", self.place),
        }
    }

    /// What needs a person.
    pub(crate) fn attention(&self, format: fn(Ms) -> String) -> Option<String> {
        let IsoTime(since) = self.failing_since.as_ref()?;
        let error = self.last_error.as_deref().unwrap_or("no reason is known");
        Some(format!("the lake could not be pushed to since {}: {error}", format(*since)))
    }
}
