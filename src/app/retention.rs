//! Retention, as the configuration has it: before a run what is on hold is noted, after it what is too old goes.

use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{iso_utc, plural};
use crate::core::model::urn;
use crate::store::{Erasure, Queries, Result, Selection, Store, StoreError, Trigger};
use crate::sync::Report;

const DAY_MS: Ms = 86_400_000;
/// Without a word of the API on what time it is, a clock is not believed that has come further since the last request.
const UNCONFIRMED_MS: Ms = 31 * DAY_MS;

/// Before when nothing is kept: the beginning of a UTC day, so that retention is due once a day.
#[must_use]
pub(crate) fn floor(config: &Config, now: Ms) -> Option<Ms> {
    let days = config.retention.keep_days?;
    Some((now - now.rem_euclid(DAY_MS)).saturating_sub(Ms::from(days).saturating_mul(DAY_MS)))
}

/// The thread ids of the conversations on hold.
#[must_use]
pub(crate) fn hold(config: &Config) -> Vec<String> {
    config.retention.hold.iter().map(|held| urn::thread_key(&held.0)).collect()
}

/// What is to be said of conversations on hold that the archive does not have: they may come, or are misspelt.
///
/// # Errors
/// When the archive cannot be read.
pub(crate) fn unknown_holds(config: &Config, queries: &Queries<'_>) -> Result<Option<String>> {
    let hold = hold(config);
    let missing = queries.threads_not_there(&hold)?;
    let Some(first) = missing.first() else { return Ok(None) };
    let others = if missing.len() > 1 { " and others" } else { "" };
    let are = if missing.len() > 1 { "are" } else { "is" };
    Ok(Some(format!(
        "retention.hold: {} of {} {are} not in the archive: {first}{others}",
        missing.len(),
        plural(hold.len(), "conversation")
    )))
}

/// What retention erases at this time.
#[must_use]
pub(crate) fn selection(config: &Config, now: Ms) -> Option<Selection> {
    let before_ms = Some(floor(config, now)?);
    Some(Selection { before_ms, hold: hold(config), retention: true, ..Selection::default() })
}

/// Lets the archive know what is on hold and how old messages may be that a run fetches. Returns when the newest request
/// before it was made (ms).
///
/// # Errors
/// When the archive cannot be written.
pub(crate) fn prepare(store: &mut Store, config: &Config, now: Ms) -> Result<Option<Ms>> {
    // By a clock that stands before the newest request, what is too old would be fetched again.
    let newest = store.newest_request()?;
    let by = newest.map_or(now, |newest| newest.max(now));
    store.set_retention(&hold(config), floor(config, by), now)?;
    Ok(newest)
}

/// What a run has shown of the time besides this machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Witnesses {
    /// How far the API's clock is ahead of this one (ms), if it has told.
    api_ahead_ms: Option<Ms>,
    /// Whether the API seems to be down.
    is_silent: bool,
    /// When the newest request before the run was made (ms).
    newest_request_ms: Option<Ms>,
}

impl Witnesses {
    /// Those of a run.
    pub(crate) fn of(report: &Report, api_ahead_ms: Option<Ms>, newest_request_ms: Option<Ms>) -> Self {
        Self { api_ahead_ms, is_silent: report.reception.is_silent(), newest_request_ms }
    }

    /// Whether something may be erased by this machine's clock. Of one that is far ahead the API says so; or, when its
    /// certificates have all expired, it cannot be reached.
    fn agree(self, now: Ms) -> bool {
        match self.api_ahead_ms {
            Some(ahead) => ahead.saturating_abs() < DAY_MS,
            None if self.is_silent => false,
            None => self.newest_request_ms.is_none_or(|newest| now.saturating_sub(newest) <= UNCONFIRMED_MS),
        }
    }
}

/// Erases what is too old, if that was not done today. What is erased by a wrong clock is gone for good, so it needs
/// witnesses.
///
/// # Errors
/// When the archive cannot be written, or its file not be rewritten.
pub(crate) fn apply(
    store: &mut Store,
    config: &Config,
    trigger: Trigger,
    witnesses: Witnesses,
    now: Ms,
) -> Result<()> {
    let Some(selection) = selection(config, now) else { return Ok(()) };
    if store.queries().retained()? >= selection.before_ms {
        return Ok(());
    }
    if !witnesses.agree(now) {
        tracing::warn!("retention waits until the API has confirmed this machine's clock");
        return Ok(());
    }
    let erasure = Erasure { selection: &selection, reason: Some("retention.keep_days"), trigger, now };
    let Some(erased) = store.erase(&erasure)? else { return Ok(()) };
    let before = selection.before_ms.map(iso_utc).unwrap_or_default();
    tracing::info!(messages = erased.messages, %before, "retention has erased what was too old");
    let proof = match store.finish_erasures(erased.traces, Some(now)) {
        // The next time that the archive is opened, it is tried again.
        Err(error @ StoreError::StillRead) => {
            tracing::warn!("{error}");
            return Ok(());
        }
        done => done?,
    };
    if proof.found > 0 {
        tracing::warn!(
            "{} of what was erased still found in the archive's file",
            plural(proof.found, "piece")
        );
    }
    Ok(())
}
