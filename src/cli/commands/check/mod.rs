//! `archiver check`: checks configuration, credentials, accounts, balance and archive without spending credits.

mod local;

use clap::Args;
use serde::Serialize;

use crate::api::{ApiError, FailureKind, HttpApi};
use crate::app::alert_text::describe;
use crate::app::census::AskedFor;
use crate::app::outlook::renamed;
use crate::app::parked::parked;
use crate::app::{Context, replace, retention, runtime, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::style::Mark;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ApiVersion, Config, InboxMode};
use crate::core::format::plural;
use crate::error::Failure;
use crate::notify;
use crate::store::{Alert, Reader, StoreError};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver check                    exit code 0 if everything is in order
  archiver check --config new.toml  check a new configuration before you use it";

#[derive(Debug, Serialize)]
struct CheckLine {
    check: &'static str,
    result: Mark,
    detail: String,
}

/// The results so far, and the failures among them.
#[derive(Default)]
struct CheckReport {
    list: Vec<CheckLine>,
    failures: Vec<Failure>,
}

impl CheckReport {
    fn add(&mut self, check: &'static str, result: Mark, detail: impl Into<String>) {
        self.list.push(CheckLine { check, result, detail: detail.into() });
    }

    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Mark::Ok, detail);
    }

    fn note(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Mark::Note, detail);
    }

    fn wrong(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Mark::Wrong, detail);
    }

    fn api(&mut self, check: &'static str, error: &ApiError) {
        self.wrong(check, error.to_string());
        self.failures.push(Failure::of_api(check, error));
    }
}

pub(crate) fn run(context: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let config = context.config_with_secrets(None)?;
    let mut found = CheckReport::default();
    let targets: usize = config.accounts.iter().map(|a| a.profiles.len() + a.conversations.len()).sum();
    let source =
        config.source.as_ref().map_or_else(|| "the environment".to_owned(), |p| p.display().to_string());
    let (accounts, conversations) =
        (plural(config.accounts.len(), "account"), plural(targets, "conversation"));
    found.ok("configuration", format!("{source}: {accounts}, {conversations}"));
    for warning in &config.warnings {
        found.note("configuration", warning.clone());
    }
    if targets == 0 && config.sync.inbox != InboxMode::Discover {
        let what = "no profile or conversation is configured and sync.inbox is not \"discover\": a run would do nothing";
        found.wrong("configuration", what);
    }
    if let Err(failure) = notify::check(&config) {
        found.wrong("configuration", failure.to_string());
        found.failures.push(failure);
    }
    local::schedule(&config, &mut found);
    local::network(&config, &mut found);
    local::credentials(&context.env, &config, &mut found);
    local::files(&config, &mut found);
    check_archive(&config, &mut found);
    local::disk(&config, &mut found);
    runtime()?.block_on(check_api(&config, &mut found))?;
    show(&mut Output::stdout(&context.env), args.json, &found.list)?;
    let wrong = found.list.iter().filter(|f| f.result == Mark::Wrong).count();
    match Failure::worst(found.failures) {
        Some(worst) => Err(worst),
        None if wrong > 0 => Err(Failure::CheckFailed(format!("{} failed", plural(wrong, "check")))),
        None => Ok(()),
    }
}

fn check_archive(config: &Config, found: &mut CheckReport) {
    let path = &config.archive.path;
    let folder = replace::folder(path);
    let read = |reader: &Reader| {
        let figures = reader.queries().figures()?;
        let summary = reader.queries().summary_of(&figures.all)?;
        let asked = AskedFor::of(config, &reader.queries())?;
        let gaps = plural(summary.gaps.saturating_sub(asked.gaps_elsewhere), "gap");
        let renamed = renamed(&reader.queries().accounts_in_use()?, config);
        let holds = retention::unknown_holds(config, &reader.queries())?;
        Ok((plural(summary.messages, "message"), gaps, renamed, holds, figures.alerts))
    };
    match Reader::open(path).and_then(|reader| read(&reader)) {
        Ok((messages, gaps, renamed, holds, alerts)) => {
            found.ok("archive", format!("{}: {messages}, {gaps}", path.display()));
            holds.into_iter().for_each(|what| found.note("archive", what));
            renamed.into_iter().for_each(|what| found.wrong("account", what));
            check_parked(config, &alerts, found);
        }
        Err(error) if wiring::is_denied(path) => {
            let failure = wiring::read_failure(path, error);
            found.wrong("archive", failure.to_string());
            found.failures.push(failure);
        }
        Err(StoreError::Missing(_)) if !folder.is_dir() => {
            found.wrong("archive", format!("the folder {} does not exist", folder.display()));
        }
        Err(StoreError::Missing(_)) => {
            found.ok("archive", format!("{}: the first run creates it", path.display()));
        }
        Err(error) => {
            found.wrong("archive", error.to_string());
            found.failures.push(wiring::archive_failure(path, error));
        }
    }
}

async fn check_api(config: &Config, found: &mut CheckReport) -> Result<(), Failure> {
    let api = wiring::api(config)?;
    let (balance, date_ms) = api.balance_at().await;
    if let Some(date_ms) = date_ms {
        local::clock(SystemClock.now_ms(), date_ms, found);
    }
    match balance {
        Ok(balance) => {
            found.ok("key", "accepted");
            let enough = if balance >= 1.0 { Mark::Ok } else { Mark::Wrong };
            found.add("balance", enough, format!("{balance} credits"));
        }
        // The balance is v2's, which may not know a v1 key.
        Err(error)
            if config.api.version == ApiVersion::V1
                && matches!(error.kind, FailureKind::Refused | FailureKind::Malformed) =>
        {
            found.note("balance", format!("unknown: {error}"));
        }
        Err(error) => found.api("balance", &error),
    }
    check_accounts(config, &api, found).await;
    Ok(())
}

async fn check_accounts(config: &Config, api: &HttpApi<SystemClock>, found: &mut CheckReport) {
    for (index, account) in config.accounts.iter().enumerate() {
        if config.api.version == ApiVersion::V1 {
            let words = "has a login token; v1 has no free way to validate it";
            found.note("account", format!("{} {words}", account.name));
            continue;
        }
        match api.account_state(index).await {
            Ok(state) => {
                let result = mark_of(&state);
                found.add("account", result, format!("{}: {state}", account.name));
                if result == Mark::Wrong {
                    found.failures.push(Failure::Credentials(format!("account {}: {state}", account.name)));
                }
            }
            Err(error) => found.api("account", &error),
        }
    }
}

/// A parked account is not synced on schedule, whatever its state is now.
fn check_parked(config: &Config, rows: &[Alert], found: &mut CheckReport) {
    for account in parked(rows, config).into_iter().filter_map(|index| config.accounts.get(index)) {
        let own = |row: &&Alert| row.account.as_ref().is_none_or(|name| *name == account.name);
        let why = rows.iter().find(own).map(describe).unwrap_or_default();
        let what =
            format!("{}: parked: {why}; renew it, or try it with `archiver sync --once`", account.name);
        found.wrong("account", what.clone());
        found.failures.push(Failure::Credentials(format!("account {what}")));
    }
}

/// What an account's state means. The vendor does not document the states, so an unknown one is only noted.
fn mark_of(state: &str) -> Mark {
    let state = state.to_lowercase();
    let bad = ["inactive", "disconnect", "expired", "checkpoint", "error", "paused", "invalid", "restricted"];
    if bad.iter().any(|word| state.contains(word)) {
        Mark::Wrong
    } else if ["active", "connected", "ok", "running"].iter().any(|word| state == *word) {
        Mark::Ok
    } else {
        Mark::Note
    }
}

fn show(out: &mut Output, json: bool, list: &[CheckLine]) -> Result<(), Failure> {
    if json {
        let fine = list.iter().all(|f| f.result != Mark::Wrong);
        return out.json(&serde_json::json!({ "ok": fine, "checks": list }));
    }
    let style = out.style();
    for finding in list {
        let mark = finding.result.painted(style);
        out.line(format!("{mark} {:<14} {}", finding.check, finding.detail))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_state_is_good_bad_or_unknown() {
        let all = ["active", "Connected", "inactive", "checkpoint_required", "DISCONNECTED", "hibernating"]
            .map(mark_of);
        let (ok, note, wrong) = (Mark::Ok, Mark::Note, Mark::Wrong);
        assert_eq!(all, [ok, ok, wrong, wrong, wrong, note]);
    }
}
