//! What was erased, which backups still have it, and what retention will take next.

use serde::Serialize;

use crate::app::{backups, retention};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{IsoTime, iso_date, plural};
use crate::store::{Queries, StoreError};

const DAY_MS: Ms = 86_400_000;

/// Erasures and retention, as `status --json` has them.
#[derive(Debug, Serialize)]
pub(crate) struct ErasureStatus {
    /// Messages that were erased so far.
    erased_messages: i64,
    last_erasure_at: Option<IsoTime>,
    /// Whether the file is still to be rewritten.
    unfinished: bool,
    /// Backups that were made before the last erasure and are still there.
    backups_before: Vec<String>,
    retention: Option<RetentionStatus>,
}

/// What retention does.
#[derive(Debug, Serialize)]
pub(crate) struct RetentionStatus {
    keep_days: u32,
    /// Conversations on hold that are in the archive.
    hold: usize,
    /// Those that are not.
    hold_not_in_archive: usize,
    /// Before when everything goes at the next day's first run.
    next_before: IsoTime,
    /// Messages that go then.
    next_messages: i64,
}

impl ErasureStatus {
    /// Of the configuration's archive.
    pub(crate) fn of(config: &Config, queries: &Queries<'_>, now: Ms) -> Result<Self, StoreError> {
        let (erased_messages, last_ms, unfinished) = queries.erasures()?;
        let path = &config.archive.path;
        let older = last_ms.map(|last| backups::made_before(path, last)).unwrap_or_default();
        Ok(Self {
            erased_messages,
            last_erasure_at: last_ms.map(IsoTime),
            unfinished,
            backups_before: older.iter().map(|path| path.display().to_string()).collect(),
            retention: RetentionStatus::of(config, queries, now)?,
        })
    }

    /// What needs a person.
    pub(crate) fn attention(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.unfinished {
            all.push(
                "an erasure is not finished: run `archiver erase --finish` with no other program reading"
                    .to_owned(),
            );
        }
        if let [first, rest @ ..] = self.backups_before.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            all.push(format!(
                "{first}{more}: made before the last erasure, and so may still hold what was erased"
            ));
        }
        all
    }

    /// What retention will take, if it is configured.
    pub(crate) fn retention_words(&self) -> Option<String> {
        self.retention.as_ref().map(RetentionStatus::words)
    }
}

impl RetentionStatus {
    pub(crate) fn of(config: &Config, queries: &Queries<'_>, now: Ms) -> Result<Option<Self>, StoreError> {
        // Today's are taken by the next run, too, if there was none yet.
        let due = retention::floor(config, now) != queries.retained()?;
        let then = if due { now } else { now.saturating_add(DAY_MS) };
        let Some(selection) = retention::selection(config, then) else { return Ok(None) };
        let missing = queries.threads_not_there(&selection.hold)?.len();
        Ok(Some(Self {
            keep_days: config.retention.keep_days.unwrap_or_default(),
            hold: selection.hold.len().saturating_sub(missing),
            hold_not_in_archive: missing,
            next_before: IsoTime(selection.before_ms.unwrap_or_default()),
            next_messages: queries.erasure_preview(&selection)?.messages,
        }))
    }

    pub(crate) fn words(&self) -> String {
        let held = match (self.hold, self.hold_not_in_archive) {
            (0, 0) => String::new(),
            (n, 0) => format!(", {} on hold", plural(n, "conversation")),
            (n, missing) => {
                let of = plural(n.saturating_add(missing), "conversation");
                format!(", {of} on hold, {missing} of them not in the archive (see `archiver check`)")
            }
        };
        format!(
            "Retention: {} from before {} will be erased next{held}.",
            plural(self.next_messages, "message"),
            iso_date(self.next_before.0)
        )
    }
}
