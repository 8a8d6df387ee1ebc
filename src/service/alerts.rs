//! What needs a person: noted after a run, told once, and left alone until something has changed.

use std::process::Stdio;
use std::time::Duration;

use crate::api::ApiError;
use crate::app::parked::fingerprint;
use crate::config::{Config, Env};
use crate::core::Ms;
use crate::store::{AttentionRow, Cause, Store, StoreError};
use crate::sync::Reception;

/// No command may take longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Notes what was refused and what has shown to be well. Returns what is news.
///
/// # Errors
/// When the archive cannot be written.
pub fn note(
    store: &mut Store,
    config: &Config,
    report: &Reception,
    now: Ms,
) -> Result<Vec<AttentionRow>, StoreError> {
    for (kind, count) in &report.failures {
        store.count_failures(kind.as_str(), *count)?;
    }
    let names = || report.answered.iter().filter_map(|index| config.accounts.get(*index));
    for account in names() {
        if store.is_well(Some(&account.name), Cause::Account)? {
            tracing::info!(account = account.name, "the account is asked again");
        }
    }
    if !report.answered.is_empty() {
        store.is_well(None, Cause::Key)?;
        if !report.refused.iter().any(|refused| refused.cause == Cause::Credits) {
            store.is_well(None, Cause::Credits)?;
        }
    }
    let mut news = Vec::new();
    for refused in &report.refused {
        let account = refused.account.and_then(|index| config.accounts.get(index));
        let row = AttentionRow {
            account: account.map(|a| a.name.clone()),
            cause: refused.cause,
            since_ms: now,
            message: refused.message.clone(),
            credential: match refused.cause {
                Cause::Credits => String::new(),
                Cause::Account | Cause::Key => fingerprint(config, refused.account).unwrap_or_default(),
            },
        };
        if store.need_attention(&row)? {
            let account = row.account.as_deref().unwrap_or_default();
            tracing::error!(kind = row.cause.as_str(), account, "needs attention: {}", words(&row));
            news.push(row);
        }
    }
    Ok(news)
}

/// What a person is told.
#[must_use]
pub fn words(row: &AttentionRow) -> String {
    let error = match row.cause {
        Cause::Account => ApiError::Account(row.message.clone()),
        Cause::Key => ApiError::Key(row.message.clone()),
        Cause::Credits => ApiError::Credits(row.message.clone()),
    };
    error.to_string()
}

/// Runs the configured command for each of these, one after the other. It gets no secrets: none are in what it is
/// told, and the environment of this process is not handed on.
pub async fn tell(command: Vec<String>, env: &Env, rows: Vec<AttentionRow>) {
    let Some((program, arguments)) = command.split_first() else { return };
    for row in rows {
        let mut process = tokio::process::Command::new(program);
        process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).env_clear();
        for name in ["PATH", "HOME", "LANG", "TZ", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"] {
            process.envs(env.text(name).map(|value| (name, value)));
        }
        process.env("ARCHIVER_ATTENTION_KIND", row.cause.as_str());
        process.env("ARCHIVER_ATTENTION_ACCOUNT", row.account.as_deref().unwrap_or_default());
        process.env("ARCHIVER_ATTENTION_MESSAGE", words(&row));
        process.kill_on_drop(true);
        match tokio::time::timeout(LONGEST, process.status()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::warn!(%status, program, "the attention command failed"),
            Ok(Err(error)) => tracing::warn!(%error, program, "the attention command cannot be run"),
            Err(_) => tracing::warn!(program, "the attention command took too long and was ended"),
        }
    }
}
