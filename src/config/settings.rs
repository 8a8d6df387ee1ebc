//! The keys as they are written, where that is not how the program uses them.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use url::Url;

use super::env::Env;
use super::login::LoginFiles;
use super::problem::{Location, Problem};
use super::secrets::{Candidates, resolve};
use super::strict::Places;
use super::types::{
    AccountConfig, AlertsConfig, ApiConfig, ArchiveConfig, BudgetConfig, ConversationTarget, EventsConfig,
    MetricsConfig, ProfileTarget, ScheduleConfig, SyncConfig,
};
use super::{Config, SecretSources, values};
use crate::core::budget::Caps;
use crate::core::inbox::filter::Wanted;
use crate::core::model::api_version::ApiVersion;
use crate::core::model::urn;
use crate::core::planner::backoff::Backoff;
use crate::core::schedule::Schedule;
use crate::secret::Secret;

/// The countries that the API documents for its proxies.
const COUNTRIES: &[&str] = &["US", "UK", "FR", "DE", "NL", "IT", "IL", "CA", "BR", "ES", "IN"];

/// The whole configuration. There is no `Debug`: some values are secrets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    api: ApiSection,
    archive: ArchiveConfig,
    budget: BudgetConfig,
    schedule: ScheduleSection,
    alerts: AlertsConfig,
    events: EventsConfig,
    metrics: MetricsConfig,
    sync: SyncConfig,
    #[serde(default)]
    accounts: Vec<AccountTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiSection {
    #[serde(deserialize_with = "values::base_url")]
    base_url: Url,
    version: ApiVersion,
    #[serde(default, deserialize_with = "values::optional_text")]
    api_key: Option<String>,
    #[serde(default, deserialize_with = "values::optional_text")]
    api_key_file: Option<String>,
    #[serde(default, deserialize_with = "values::proxy")]
    proxy: Option<Secret>,
    #[serde(default, deserialize_with = "values::optional_path")]
    ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "values::seconds::<_, 1, 600>")]
    timeout_secs: Duration,
    #[serde(deserialize_with = "values::whole::<_, 1, 60_000>")]
    requests_per_minute: u32,
    #[serde(deserialize_with = "values::whole::<_, 0, 10>")]
    retries: u32,
    #[serde(deserialize_with = "values::fractional_seconds::<_, 3_600>")]
    retry_base_secs: Duration,
    #[serde(deserialize_with = "values::fractional_seconds::<_, 86_400>")]
    retry_max_secs: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleSection {
    #[serde(deserialize_with = "values::cron")]
    cron: String,
    #[serde(deserialize_with = "values::timezone")]
    timezone: Tz,
    run_at_start: bool,
    #[serde(deserialize_with = "values::seconds::<_, 0, 3_600>")]
    jitter_secs: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountTable {
    #[serde(deserialize_with = "values::account_name")]
    name: String,
    #[serde(default, deserialize_with = "values::country")]
    country: Option<String>,
    #[serde(default, deserialize_with = "values::trimmed")]
    owner_name: Option<String>,
    #[serde(default, deserialize_with = "values::trimmed")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "values::trimmed")]
    account_id_file: Option<String>,
    #[serde(default, deserialize_with = "values::trimmed")]
    login_token: Option<String>,
    #[serde(default, deserialize_with = "values::trimmed")]
    login_token_file: Option<String>,
    #[serde(default)]
    profiles: Vec<TextOrTable<ProfileTarget>>,
    #[serde(default)]
    conversations: Vec<TextOrTable<ConversationTarget>>,
    #[serde(default)]
    include: Vec<TextPattern>,
    #[serde(default)]
    exclude: Vec<TextPattern>,
    #[serde(default, deserialize_with = "values::credits")]
    credits_per_run: Option<u32>,
    #[serde(default, deserialize_with = "values::credits")]
    credits_per_day: Option<u32>,
    #[serde(default, deserialize_with = "values::credits")]
    credits_per_month: Option<u32>,
}

#[derive(Deserialize)]
struct TextPattern(#[serde(deserialize_with = "values::text")] String);

/// A target given by one text, or by a table that also names it.
struct TextOrTable<T>(T);

/// A conversation to archive.
trait Listed: for<'de> Deserialize<'de> {
    /// The key that says which one, in the form of a table.
    const KEY: &'static str;

    /// Equal for whatever is the same conversation.
    fn identity(&self) -> (String, &str);
}

impl Listed for ProfileTarget {
    const KEY: &'static str = "url";

    fn identity(&self) -> (String, &str) {
        (self.url.clone(), &self.url)
    }
}

impl Listed for ConversationTarget {
    const KEY: &'static str = "id";

    fn identity(&self) -> (String, &str) {
        (urn::thread_key(&self.id), &self.id)
    }
}

impl<'de, T: Listed> Deserialize<'de> for TextOrTable<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Listed> Visitor<'de> for Either<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a string or a table {{ {} = …, name = … }}", T::KEY)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                T::deserialize(MapDeserializer::new([(T::KEY, text)].into_iter()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(table))
            }
        }

        d.deserialize_any(Either(PhantomData)).map(Self)
    }
}

/// Where the configuration was found, which tells how to complete it.
pub(super) struct Origin<'a> {
    pub(super) env: &'a Env,
    /// What relative paths are relative to.
    pub(super) dir: &'a Path,
    pub(super) places: &'a Places,
}

impl Origin<'_> {
    /// A secret or the name of its file, with where it was written.
    fn written(&self, key: &str, text: Option<String>) -> Option<SecretText> {
        Some(SecretText { place: self.places.get(key)?.clone(), text: text? })
    }
}

/// A secret or the name of its file, and where that was written. There is no `Debug`.
pub(super) struct SecretText {
    pub(super) place: Location,
    pub(super) text: String,
}

impl Document {
    /// The configuration; what is not wrong but should be known is added to its warnings.
    pub(super) fn into_config(self, origin: &Origin<'_>) -> Result<Config, Problem> {
        let resolved = |path: &Path| resolve(path, origin.env, origin.dir);
        let slots = Schedule::new(&self.schedule.cron, self.schedule.timezone)
            .map_err(|wrong| Problem::new(wrong).key("schedule.cron"))?;
        let mut config = Config {
            archive: ArchiveConfig { path: resolved(&self.archive.path) },
            budget: self.budget,
            schedule: ScheduleConfig {
                slots,
                run_at_start: self.schedule.run_at_start,
                jitter: self.schedule.jitter_secs,
            },
            events: self.events,
            alerts: self.alerts,
            metrics: MetricsConfig { textfile: self.metrics.textfile.as_deref().map(resolved) },
            sync: self.sync,
            accounts: Vec::new(),
            source: None,
            warnings: Vec::new(),
            sources: SecretSources {
                api_key: self.api.key_source(origin),
                login_tokens: Vec::new(),
                login_files: Vec::new(),
                warnings: Vec::new(),
            },
            api: self.api.into_config(origin),
        };
        // What does not name the account can only be meant for an only one.
        let only = self.accounts.len() == 1;
        for (index, account) in self.accounts.into_iter().enumerate() {
            account.add_to(&mut config, &format!("accounts[{index}]"), only, origin);
        }
        Ok(config)
    }
}

impl ApiSection {
    fn key_source(&self, origin: &Origin<'_>) -> super::secrets::Source {
        let candidates = Candidates {
            variable: Some("ARCHIVER_API_KEY"),
            credentials: &["api_key".to_owned()],
            inline: origin.written("api.api_key", self.api_key.clone()),
            file: origin.written("api.api_key_file", self.api_key_file.clone()),
            default_file: Some("api_key"),
        };
        candidates.choose(origin.env, origin.dir)
    }
}

/// The variables that other programs take a proxy from.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

impl ApiSection {
    fn into_config(self, origin: &Origin<'_>) -> ApiConfig {
        let is_set = |name: &&str| origin.env.text(name).is_some_and(|value| !value.trim().is_empty());
        ApiConfig {
            base_url: self.base_url,
            version: self.version,
            ignored_proxy: PROXY_VARIABLES.into_iter().find(is_set).filter(|_| self.proxy.is_none()),
            proxy: self.proxy,
            ca_file: self.ca_file.map(|path| resolve(&path, origin.env, origin.dir)),
            timeout: self.timeout_secs,
            requests_per_minute: self.requests_per_minute,
            retries: self.retries,
            backoff: Backoff { base: self.retry_base_secs, max: self.retry_max_secs },
            api_key: None,
            api_key_changed_ms: None,
        }
    }
}

impl AccountTable {
    /// Adds the account, and where its login token and its id are to be read from.
    fn add_to(self, config: &mut Config, path: &str, only: bool, origin: &Origin<'_>) {
        let written = |key: &str, text| origin.written(&format!("{path}.{key}"), text);
        let token_file = written("login_token_file", self.login_token_file);
        let id_file = written("account_id_file", self.account_id_file);
        let files = LoginFiles::of(&self.name, token_file.as_ref(), id_file.as_ref(), only, origin);
        config.sources.login_files.push(files);
        let mut credentials = vec![format!("login_token.{}", self.name)];
        credentials.extend(only.then(|| "login_token".to_owned()));
        let candidates = Candidates {
            variable: only.then_some("ARCHIVER_LOGIN_TOKEN"),
            credentials: &credentials,
            inline: written("login_token", self.login_token),
            file: token_file,
            default_file: only.then_some("login_token"),
        };
        config.sources.login_tokens.push(candidates.choose(origin.env, origin.dir));
        let warn = |key: &str, what: String| match origin.places.get(key) {
            Some(place) => format!("{place}: {key}{what}"),
            None => format!("{key}{what}"),
        };
        if let Some(country) = self.country.as_deref().filter(|country| !COUNTRIES.contains(country)) {
            let known = COUNTRIES.join(", ");
            let what = format!(" = \"{country}\": not one of the countries that the API documents ({known})");
            config.warnings.push(warn(&format!("{path}.country"), what));
        }
        let mut listed_twice = |key: String, target: &str| {
            config.warnings.push(warn(&key, format!(": {target} is listed twice")));
        };
        config.accounts.push(AccountConfig {
            profiles: distinct(self.profiles, &format!("{path}.profiles"), &mut listed_twice),
            conversations: distinct(self.conversations, &format!("{path}.conversations"), &mut listed_twice),
            name: self.name,
            country: self.country.unwrap_or_else(|| "FR".to_owned()),
            owner_name: self.owner_name,
            account_id: self.account_id,
            login_token: None,
            credential_changed_ms: None,
            wanted: Wanted { include: patterns(self.include), exclude: patterns(self.exclude) },
            caps: Caps {
                run: self.credits_per_run,
                day: self.credits_per_day,
                month: self.credits_per_month,
            },
        });
    }
}

fn patterns(texts: Vec<TextPattern>) -> Vec<String> {
    texts.into_iter().map(|TextPattern(text)| text.trim().to_owned()).collect()
}

/// The targets without those that are listed already.
fn distinct<T: Listed>(
    targets: Vec<TextOrTable<T>>,
    path: &str,
    listed_twice: &mut impl FnMut(String, &str),
) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for (index, TextOrTable(target)) in targets.into_iter().enumerate() {
        let (identity, shown) = target.identity();
        if seen.insert(identity) {
            kept.push(target);
        } else {
            listed_twice(format!("{path}[{index}]"), shown);
        }
    }
    kept
}
