//! Alerts: what only a person can mend is recorded after a run, and the configured command is run once for it.

use std::process::Stdio;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::api::{ApiError, FailureKind};
use crate::app::parked::fingerprint;
use crate::config::{Config, Env};
use crate::core::Ms;
use crate::store::{Alert, Cause, Store, StoreError};
use crate::sync::{GRACE, Reception};

/// No command may take longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Records what was refused, and forgets what has been seen to work. Returns what is news.
pub fn record(
    store: &mut Store,
    config: &Config,
    reception: &Reception,
    now: Ms,
) -> Result<Vec<Alert>, StoreError> {
    for (kind, count) in &reception.failures {
        store.count_failures(kind.as_str(), *count)?;
    }
    forget_mended(store, config, reception)?;
    let mut news = Vec::new();
    for refused in &reception.refused {
        let account = refused.account.and_then(|index| config.accounts.get(index));
        let row = Alert {
            account: account.map(|a| a.name.clone()),
            cause: refused.cause,
            since_ms: now,
            message: refused.message.clone(),
            credential: match refused.cause {
                Cause::Credits => String::new(),
                Cause::Account | Cause::Key => fingerprint(config, refused.account).unwrap_or_default(),
            },
        };
        if store.raise_alert(&row)? {
            let account = row.account.as_deref().unwrap_or_default();
            tracing::error!(kind = row.cause.as_str(), account, "needs attention: {}", describe(&row));
            news.push(row);
        }
    }
    Ok(news)
}

fn forget_mended(store: &mut Store, config: &Config, reception: &Reception) -> Result<(), StoreError> {
    for account in reception.answered.iter().filter_map(|index| config.accounts.get(*index)) {
        if store.clear_alert(Some(&account.name), Cause::Account)? {
            tracing::info!(account = account.name, "the account is asked again");
        }
    }
    if !reception.answered.is_empty() {
        store.clear_alert(None, Cause::Key)?;
        if !reception.refused.iter().any(|refused| refused.cause == Cause::Credits) {
            store.clear_alert(None, Cause::Credits)?;
        }
    }
    Ok(())
}

/// What a person reads.
#[must_use]
pub fn describe(row: &Alert) -> String {
    let kind = match row.cause {
        Cause::Account => FailureKind::Account,
        Cause::Key => FailureKind::Key,
        Cause::Credits => FailureKind::Credits,
    };
    ApiError::new(kind, row.message.as_str()).to_string()
}

/// Runs the alert command for each of these, one after the other. It gets no secrets: none are in what it is told, and
/// the environment of this process is not handed on.
pub async fn run_command(command: Vec<String>, env: &Env, rows: Vec<Alert>) {
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
            process.env(format!("{prefix}_MESSAGE"), describe(&row));
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

/// The alert commands that are running. The service does not wait for them.
#[derive(Debug, Default)]
pub(super) struct AlertCommands(Vec<(JoinHandle<()>, Vec<Alert>)>);

impl AlertCommands {
    /// Starts the command for these.
    pub(super) fn start(&mut self, command: &[String], env: &Env, rows: Vec<Alert>) {
        if rows.is_empty() {
            return;
        }
        self.0.retain(|(running, _)| !running.is_finished());
        let (command, env, told) = (command.to_vec(), env.clone(), rows.clone());
        self.0.push((tokio::spawn(async move { run_command(command, &env, rows).await }), told));
    }

    /// Gives the commands a moment to end. What one that does not was run for is news again after the next start.
    pub(super) async fn finish(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let until = Instant::now() + GRACE;
        for (running, rows) in std::mem::take(&mut self.0) {
            if tokio::time::timeout_at(until, running).await.is_err() {
                tracing::warn!("the attention command was cut short by the stop: it will be run again");
                rows.iter().try_for_each(|row| store.mark_undelivered(row))?;
            }
        }
        Ok(())
    }
}
