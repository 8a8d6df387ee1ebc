//! Retention, as the configuration has it: before a run what is on hold is noted, after it what is too old goes.

use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{iso_utc, plural};
use crate::core::model::urn;
use crate::store::{Erasure, Queries, Result, Selection, Store, StoreError, Trigger};

const DAY_MS: Ms = 86_400_000;

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

/// Lets the archive know what is on hold and how old messages may be that a run fetches.
///
/// # Errors
/// When the archive cannot be written.
pub(crate) fn prepare(store: &mut Store, config: &Config, now: Ms) -> Result<()> {
    store.set_retention(&hold(config), floor(config, now), now)
}

/// Erases what is too old, if that was not done today.
///
/// # Errors
/// When the archive cannot be written, or its file not be rewritten.
pub(crate) fn apply(store: &mut Store, config: &Config, trigger: Trigger, now: Ms) -> Result<()> {
    let Some(selection) = selection(config, now) else { return Ok(()) };
    let erasure = Erasure { selection: &selection, reason: Some("retention.keep_days"), trigger, now };
    let Some(erased) = store.retain(&erasure)? else { return Ok(()) };
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
