//! What a configuration may be asked about before it costs anything: schedules that caps cannot pay for, days without a
//! cap, one credential under two names.

use crate::config::{ApiVersion, Config, InboxMode};
use crate::core::Ms;
use crate::core::format::thousands;
use crate::secret::Secret;

const DAY_MS: Ms = 86_400_000;
/// No schedule has more slots a day.
const MOST_SLOTS: usize = 86_400;

/// The warnings, as sentences. The secrets should have been loaded.
#[must_use]
pub fn warnings(config: &Config, now: Ms) -> Vec<String> {
    let mut warnings = spending(config, now);
    warnings.extend(same_credentials(config));
    warnings
}

fn spending(config: &Config, now: Ms) -> Vec<String> {
    let slots = config.schedule.slots.after(now).take_while(|slot| *slot <= now + DAY_MS).take(MOST_SLOTS);
    let runs = u64::try_from(slots.count()).unwrap_or(u64::MAX);
    let accounts = u64::try_from(config.accounts.len()).unwrap_or(u64::MAX);
    let looks = if config.sync.inbox == InboxMode::Off { 0 } else { runs.saturating_mul(accounts) };
    let budget = &config.budget;
    let mut warnings = Vec::new();
    let windows = [
        ("a day", looks, "credits_per_day", budget.credits_per_day),
        ("in 30 days", looks.saturating_mul(30), "credits_per_month", budget.credits_per_month),
    ];
    for (window, looks, key, cap) in windows {
        if let Some(cap) = cap.filter(|cap| u64::from(*cap) < looks) {
            warnings.push(format!(
                "the schedule's looks at the inbox cost {} credits {window}, but budget.{key} is {}: nothing is left for \
                 messages. Run less often",
                thousands(looks),
                thousands(cap)
            ));
        }
    }
    if budget.credits_per_day.is_none() {
        let most = budget.credits_per_run.map(|cap| runs.saturating_mul(u64::from(cap)));
        let most = most.map_or_else(
            || "without limit".to_owned(),
            |most| format!("up to {} credits a day", thousands(most)),
        );
        warnings.push(format!(
            "there is no budget.credits_per_day: {} runs a day may spend {most}",
            thousands(runs)
        ));
    }
    warnings
}

/// Accounts that are one and the same: each of its messages would be paid for and stored once for each name.
fn same_credentials(config: &Config) -> Vec<String> {
    let credential = |index: usize| {
        let account = config.accounts.get(index)?;
        let credential = match config.api.version {
            ApiVersion::V1 => account.login_token.as_ref().map(Secret::expose),
            ApiVersion::V2 => account.account_id.as_deref(),
        };
        credential.map(|credential| (credential, &account.name))
    };
    let all: Vec<_> = (0..config.accounts.len()).filter_map(credential).collect();
    let mut warnings = Vec::new();
    for (index, (credential, name)) in all.iter().enumerate() {
        let earlier = all.iter().take(index).find(|(other, _)| other == credential);
        if let Some((_, other)) = earlier {
            let what = if config.api.version == ApiVersion::V1 { "login token" } else { "account_id" };
            warnings.push(format!(
                "the accounts `{other}` and `{name}` have the same {what}: what one of them archives is paid for and \
                 stored twice"
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn warned(text: &str) -> Vec<String> {
        let mut config = Config::parse(text, Path::new("/nowhere/archiver.toml")).unwrap();
        config.load_secrets().unwrap();
        warnings(&config, 1_772_409_600_000)
    }

    fn with(budget: &str, cron: &str, accounts: &[(&str, &str)]) -> Vec<String> {
        let accounts: String = accounts
            .iter()
            .map(|(name, token)| format!("[[accounts]]\nname = {name:?}\nlogin_token = {token:?}\n"))
            .collect();
        warned(&format!(
            "[api]\napi_key = \"k\"\n[budget]\n{budget}\n[schedule]\ncron = {cron:?}\n{accounts}"
        ))
    }

    #[test]
    fn a_schedule_whose_looks_exceed_the_caps_is_warned_of() {
        let me = [("me", "a")];
        assert_eq!(with("credits_per_day = 48", "*/30 * * * *", &me), Vec::<String>::new());
        let warnings = with("credits_per_day = 100\ncredits_per_month = 3000", "* * * * * *", &me);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("cost 86,400 credits a day, but budget.credits_per_day is 100"));
        assert!(
            warnings[1].contains("cost 2,592,000 credits in 30 days, but budget.credits_per_month is 3,000")
        );
        // Each account is looked at.
        assert_eq!(with("credits_per_day = 48", "*/30 * * * *", &[("me", "a"), ("work", "b")]).len(), 1);
    }

    #[test]
    fn a_day_without_a_cap_is_warned_of_with_what_it_may_cost() {
        let warnings = with("credits_per_run = 50", "*/30 * * * *", &[("me", "a")]);
        let expected =
            "there is no budget.credits_per_day: 48 runs a day may spend up to 2,400 credits a day";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn one_credential_under_two_names_is_warned_of_without_showing_it() {
        let accounts = [("me", "the-token-1"), ("work", "the-token-2"), ("again", "the-token-1")];
        let warnings = with("credits_per_day = 1000", "0 0 * * * *", &accounts);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("the accounts `me` and `again` have the same login token"));
        assert!(!warnings[0].contains("the-token"));
    }
}
