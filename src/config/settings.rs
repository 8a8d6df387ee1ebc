//! What completes a configuration once serde has read it.

use std::collections::BTreeSet;

use super::layer::Layers;
use super::login::AccountSecrets;
use super::notify;
use super::secrets::Candidates;
use super::{AccountConfig, Config, values};
use crate::core::model::urn;
use crate::core::schedule::Schedule;

/// The countries that the API documents for its proxies.
const COUNTRIES: &[&str] = &["US", "UK", "FR", "DE", "NL", "IT", "IL", "CA", "BR", "ES", "IN"];

/// The variables that other programs take a proxy from.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

impl Config {
    /// Completes what serde has read: paths, the schedule's zone, where the secrets are.
    pub(super) fn complete(mut self, layers: &mut Layers<'_>) -> Self {
        self.archive.path = layers.resolve(&self.archive.path);
        self.api.ca_file = self.api.ca_file.as_deref().map(|path| layers.resolve(path));
        let is_set = |name: &&str| layers.env.text(name).is_some_and(|value| !value.trim().is_empty());
        self.api.ignored_proxy =
            PROXY_VARIABLES.into_iter().find(is_set).filter(|_| self.api.proxy.is_none());
        self.metrics.textfile = self.metrics.textfile.as_deref().map(|path| layers.resolve(path));
        self.complete_lake(layers);
        match Schedule::new(self.schedule.slots.line(), self.schedule.timezone) {
            Ok(slots) => self.schedule.slots = slots,
            Err(wrong) => layers.problems.push(layers.problem("schedule.cron", wrong)),
        }
        let api_key = Candidates {
            variable: Some("ARCHIVER_API_KEY"),
            credentials: vec!["api_key".to_owned()],
            inline: layers.written("api.api_key", self.api.key_inline.take()),
            file: layers.written("api.api_key_file", self.api.key_file.take()),
            default_file: Some("api_key"),
        };
        self.sources.api_key = api_key.choose(layers);
        self.sinks = notify::complete(std::mem::take(&mut self.notify), layers);
        // What does not name the account can only be meant for an only one.
        let only = self.accounts.len() == 1;
        let mut names = BTreeSet::new();
        for (index, account) in self.accounts.iter_mut().enumerate() {
            let path = format!("accounts[{index}]");
            if !names.insert(account.name.to_lowercase()) {
                let what = "another account has this name already";
                layers.problems.push(layers.problem(&format!("{path}.name"), what));
            }
            self.sources.accounts.push(AccountSecrets::take(account, layers, &path, only));
            check_targets(account, layers, &path);
        }
        self
    }

    fn complete_lake(&mut self, layers: &mut Layers<'_>) {
        let Some(path) = &mut self.lake.path else { return };
        if !values::is_bucket(path) {
            *path = layers.resolve(path);
        }
        if !cfg!(feature = "lake") {
            let what = "this build does not support lakes: build it with `--features lake`, or install the package, which \
                        has it";
            layers.problems.push(layers.problem("lake.path", what));
        }
    }
}

/// Warns of what is not wrong but should be known, and leaves one of each target.
fn check_targets(account: &mut AccountConfig, layers: &mut Layers<'_>, path: &str) {
    if !COUNTRIES.contains(&account.country.as_str()) {
        let (country, known) = (&account.country, COUNTRIES.join(", "));
        let what = format!(" = \"{country}\": not one of the countries that the API documents ({known})");
        layers.warn(&format!("{path}.country"), &what);
    }
    distinct(&mut account.profiles, &format!("{path}.profiles"), layers, |p| (p.url.clone(), &p.url));
    distinct(&mut account.conversations, &format!("{path}.conversations"), layers, |c| {
        (urn::thread_key(&c.id), &c.id)
    });
}

/// Drops the targets that are listed already. `identity` is equal for whatever is the same conversation, and comes with
/// what to call it.
fn distinct<T>(
    targets: &mut Vec<T>,
    path: &str,
    layers: &mut Layers<'_>,
    identity: impl Fn(&T) -> (String, &String),
) {
    let (mut seen, mut indexes) = (BTreeSet::new(), 0..);
    targets.retain(|target| {
        let (index, (key, shown)) = (indexes.next().unwrap_or_default(), identity(target));
        let first = seen.insert(key);
        if !first {
            layers.warn(&format!("{path}[{index}]"), &format!(": {shown} is listed twice"));
        }
        first
    });
}
