//! What needs a person: noted after a run, told once, and left alone until something has changed.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use crate::api::ApiError;
use crate::config::{AccountConfig, ApiVersion, Config, Env};
use crate::core::Ms;
use crate::core::hash::fnv1a;
use crate::secret::Secret;
use crate::store::{Alert, Cause, Store, StoreError};
use crate::sync::Reception;

/// No command may take longer.
const LONGEST: Duration = Duration::from_secs(60);

/// The accounts that are not to be asked: what was refused to them is still all that they have.
///
/// # Errors
/// When the archive cannot be read.
pub fn parked(store: &Store, config: &Config) -> Result<BTreeSet<usize>, StoreError> {
    let rows = store.queries().alerts()?;
    let holds = |row: &Alert, index: usize, account: &AccountConfig| match row.cause {
        Cause::Account => {
            row.account.as_ref() == Some(&account.name) && row.credential == mark(config, Some(index))
        }
        Cause::Key => row.credential == mark(config, None),
        Cause::Credits => false,
    };
    let accounts = config.accounts.iter().enumerate();
    let parked = accounts.filter(|(index, account)| rows.iter().any(|row| holds(row, *index, account)));
    Ok(parked.map(|(index, _)| index).collect())
}

/// Notes what was refused and what has shown to be well. Returns what is news.
///
/// # Errors
/// When the archive cannot be written.
pub fn note(
    store: &mut Store,
    config: &Config,
    report: &Reception,
    now: Ms,
) -> Result<Vec<Alert>, StoreError> {
    for (kind, count) in &report.failures {
        store.count_failures(kind, *count)?;
    }
    let names = || report.answered.iter().filter_map(|index| config.accounts.get(*index));
    for account in names() {
        if store.clear_alert(Some(&account.name), Cause::Account)? {
            tracing::info!(account = account.name, "the account is asked again");
        }
    }
    if !report.answered.is_empty() {
        store.clear_alert(None, Cause::Key)?;
        if !report.refused.iter().any(|refused| refused.cause == Cause::Credits) {
            store.clear_alert(None, Cause::Credits)?;
        }
    }
    let mut news = Vec::new();
    for refused in &report.refused {
        let account = refused.account.and_then(|index| config.accounts.get(index));
        let row = Alert {
            account: account.map(|a| a.name.clone()),
            cause: refused.cause,
            since_ms: now,
            message: refused.message.clone(),
            credential: match refused.cause {
                Cause::Credits => String::new(),
                Cause::Account | Cause::Key => mark(config, refused.account),
            },
        };
        if store.raise_alert(&row)? {
            let account = row.account.as_deref().unwrap_or_default();
            tracing::error!(kind = row.cause.as_str(), account, "needs attention: {}", words(&row));
            news.push(row);
        }
    }
    Ok(news)
}

/// What a person is told.
#[must_use]
pub fn words(row: &Alert) -> String {
    let error = match row.cause {
        Cause::Account => ApiError::Account(row.message.clone()),
        Cause::Key => ApiError::Key(row.message.clone()),
        Cause::Credits => ApiError::Credits(row.message.clone()),
    };
    error.to_string()
}

/// Runs the configured command for each of these, one after the other. It gets no secrets: none are in what it is
/// told, and the environment of this process is not handed on.
pub async fn tell(command: Vec<String>, env: &Env, rows: Vec<Alert>) {
    let Some((program, arguments)) = command.split_first() else { return };
    for row in rows {
        let mut process = tokio::process::Command::new(program);
        process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).env_clear();
        for name in ["PATH", "HOME", "LANG", "TZ", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"] {
            process.envs(env.text(name).map(|value| (name, value)));
        }
        // By their names and, for one version, by those that they had when the section was called [attention].
        for prefix in ["ARCHIVER_ALERT", "ARCHIVER_ATTENTION"] {
            process.env(format!("{prefix}_KIND"), row.cause.as_str());
            process.env(format!("{prefix}_ACCOUNT"), row.account.as_deref().unwrap_or_default());
            process.env(format!("{prefix}_MESSAGE"), words(&row));
        }
        process.kill_on_drop(true);
        match tokio::time::timeout(LONGEST, process.status()).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::warn!(%status, program, "the attention command failed"),
            Ok(Err(error)) => tracing::warn!(%error, program, "the attention command cannot be run"),
            Err(_) => tracing::warn!(program, "the attention command took too long and was ended"),
        }
    }
}

/// What tells the credential of an account, or the API key, from another one: 32 bits of a hash, which tell nothing
/// of it, and when its files were last changed. A login to an account of v2 writes the same id again.
fn mark(config: &Config, account: Option<usize>) -> String {
    let key = (config.api.api_key.as_ref(), config.api.api_key_changed_ms);
    let (id, secret, changed) = match account.and_then(|index| config.accounts.get(index)) {
        Some(account) if config.api.version == ApiVersion::V1 => {
            (account.name.as_str(), account.login_token.as_ref(), [account.credential_changed_ms, None])
        }
        Some(account) => {
            let id = account.account_id.as_deref().unwrap_or_default();
            (id, key.0, [key.1, account.credential_changed_ms])
        }
        None => ("", key.0, [key.1, None]),
    };
    let hash = short_hash([id, secret.map(Secret::expose).unwrap_or_default()]);
    changed.iter().flatten().fold(format!("{hash:08x}"), |mark, ms| format!("{mark} {ms}"))
}

/// FNV-1a, folded to 32 bits.
fn short_hash(parts: [&str; 2]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = fnv1a(bytes);
    (hash >> 32) ^ (hash & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_credentials_apart_and_holds_32_bits() {
        let marks: BTreeSet<u64> =
            [["me", "a"], ["me", "b"], ["mea", ""], ["", "a"]].into_iter().map(short_hash).collect();
        assert_eq!(marks.len(), 4);
        assert!(marks.iter().all(|mark| *mark <= 0xffff_ffff));
    }
}
