//! `archiver check`: configuration, credentials, account state, balance and archive, without spending a credit.

mod local;

use crate::app::runtime;
use serde::Serialize;

use crate::api::{ApiError, HttpApi};
use crate::app::Context;
use crate::app::wiring;
use crate::cli::args::CheckArgs;
use crate::cli::ui::output::{Output, Style, plural};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ApiVersion, Config, InboxMode};
use crate::error::Failure;
use crate::store::{Reader, StoreError};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Worth knowing, nothing wrong.
    Note,
    Wrong,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    result: Verdict,
    detail: String,
}

/// What was found, and the worst of it.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    failures: Vec<Failure>,
}

impl Findings {
    fn add(&mut self, check: &'static str, result: Verdict, detail: impl Into<String>) {
        self.list.push(Finding { check, result, detail: detail.into() });
    }

    fn api(&mut self, check: &'static str, error: &ApiError) {
        self.add(check, Verdict::Wrong, error.to_string());
        self.failures.push(Failure::of_api(check, error));
    }
}

/// Runs the command.
///
/// # Errors
/// A configuration that cannot be used, or the worst of what was found.
pub fn run(context: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let config = context.config_with_secrets(None)?;
    let mut found = Findings::default();
    let targets: usize = config.accounts.iter().map(|a| a.profiles.len() + a.conversations.len()).sum();
    let source =
        config.source.as_ref().map_or_else(|| "the environment".to_owned(), |p| p.display().to_string());
    let (accounts, conversations) =
        (plural(config.accounts.len(), "account"), plural(targets, "conversation"));
    found.add("configuration", Verdict::Ok, format!("{source}: {accounts}, {conversations}"));
    for warning in &config.warnings {
        found.add("configuration", Verdict::Note, warning.clone());
    }
    if targets == 0 && config.sync.inbox != InboxMode::Discover {
        let what = "no profile and no conversation is named, and the inbox is not to find any: a run would do nothing";
        found.add("configuration", Verdict::Wrong, what);
    }
    local::schedule(&config, &mut found);
    local::credentials(&context.env, &config, &mut found);
    local::files(&config, &mut found);
    check_archive(&config, &mut found);
    local::disk(&config, &mut found);
    runtime()?.block_on(check_api(&config, &mut found))?;
    show(&mut Output::stdout(&context.env), args.json, &found.list)?;
    let wrong = found.list.iter().filter(|f| f.result == Verdict::Wrong).count();
    match Failure::worst(found.failures) {
        Some(worst) => Err(worst),
        None if wrong > 0 => Err(Failure::CheckFailed(format!("{} went wrong", plural(wrong, "check")))),
        None => Ok(()),
    }
}

fn check_archive(config: &Config, found: &mut Findings) {
    let path = &config.archive.path;
    match Reader::open(path).and_then(|r| r.queries().summary()) {
        Ok(summary) => {
            let held = plural(summary.messages, "message");
            found.add(
                "archive",
                Verdict::Ok,
                format!("{}: {held}, {}", path.display(), plural(summary.gaps, "gap")),
            );
        }
        Err(StoreError::Missing(_)) => match path
            .parent()
            .filter(|p| !p.as_os_str().is_empty() && !p.is_dir())
        {
            Some(folder) => {
                found.add("archive", Verdict::Wrong, format!("the folder {} is not there", folder.display()));
            }
            None => found.add("archive", Verdict::Ok, format!("{}: begun by the first run", path.display())),
        },
        Err(error) => {
            found.add("archive", Verdict::Wrong, error.to_string());
            found.failures.push(wiring::archive_failure(path, error));
        }
    }
}

/// Asks only what is free.
async fn check_api(config: &Config, found: &mut Findings) -> Result<(), Failure> {
    let api = wiring::api(config)?;
    let (balance, date_ms) = api.balance_at().await;
    if let Some(date_ms) = date_ms {
        local::clock(SystemClock.now_ms(), date_ms, found);
    }
    match balance {
        Ok(balance) => {
            found.add("key", Verdict::Ok, "accepted");
            let enough = if balance >= 1.0 { Verdict::Ok } else { Verdict::Wrong };
            found.add("balance", enough, format!("{balance} credits"));
        }
        // A v1 key need not be known to v2, where the balance is.
        Err(error @ (ApiError::Refused(_) | ApiError::Malformed(_)))
            if config.api.version == ApiVersion::V1 =>
        {
            found.add("balance", Verdict::Note, format!("cannot be told: {error}"));
        }
        Err(error) => found.api("balance", &error),
    }
    check_accounts(config, &api, found).await;
    Ok(())
}

async fn check_accounts(config: &Config, api: &HttpApi<SystemClock>, found: &mut Findings) {
    for (index, account) in config.accounts.iter().enumerate() {
        if config.api.version == ApiVersion::V1 {
            let words = "a login token is there; v1 tells only at a paid request whether it still holds";
            found.add("account", Verdict::Note, format!("{}: {words}", account.name));
            continue;
        }
        match api.account_state(index).await {
            Ok(state) => {
                let result = judge(&state);
                found.add("account", result, format!("{}: {state}", account.name));
                if result == Verdict::Wrong {
                    found.failures.push(Failure::Credentials(format!("account {}: {state}", account.name)));
                }
            }
            Err(error) => found.api("account", &error),
        }
    }
}

/// What an account's state means. The vendor lists no states, so a word that is neither is only told.
fn judge(state: &str) -> Verdict {
    let state = state.to_lowercase();
    let bad = ["inactive", "disconnect", "expired", "checkpoint", "error", "paused", "invalid", "restricted"];
    if bad.iter().any(|word| state.contains(word)) {
        Verdict::Wrong
    } else if ["active", "connected", "ok", "running"].iter().any(|word| state == *word) {
        Verdict::Ok
    } else {
        Verdict::Note
    }
}

fn show(out: &mut Output, json: bool, list: &[Finding]) -> Result<(), Failure> {
    if json {
        let fine = list.iter().all(|f| f.result != Verdict::Wrong);
        return out.json(&serde_json::json!({ "ok": fine, "checks": list }));
    }
    let style: Style = out.style();
    for finding in list {
        let mark = match finding.result {
            Verdict::Ok => style.green("ok   "),
            Verdict::Note => style.yellow("note "),
            Verdict::Wrong => style.red("WRONG"),
        };
        out.line(format!("{mark} {:<14} {}", finding.check, finding.detail))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_well_ill_or_in_a_state_that_nobody_knows() {
        let all = ["active", "Connected", "inactive", "checkpoint_required", "DISCONNECTED", "hibernating"]
            .map(judge);
        let (ok, note, wrong) = (Verdict::Ok, Verdict::Note, Verdict::Wrong);
        assert_eq!(all, [ok, ok, wrong, wrong, wrong, note]);
    }
}
