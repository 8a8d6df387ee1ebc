//! The configuration: built-in defaults < file < environment < flags, checked before anything is done.
//!
//! The file and each variable are first parsed and checked alone, so that every problem is reported with its file,
//! line and key; the `config` crate merges what passed. No message and no `Debug` contains a secret or a line of the
//! file. Nothing else in the program reads the environment.

mod env;
mod files;
mod keys;
mod layer;
mod load;
mod login;
mod notify;
mod problem;
mod secrets;
mod settings;
mod sink_url;
mod target;
#[cfg(test)]
mod tests;
mod types;
mod values;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::env::Env;
pub use self::login::{LoginFile, Reads};
pub use self::notify::{
    EmailMeans, MailProtection, NotifyConfig, Sink, SinkMeans, SinkSecret, WebhookMeans, signing_key,
};
pub use self::problem::{ConfigError, Problem};
pub(crate) use self::secrets::is_given;
pub use self::target::{conversation_id, profile_url};
pub use self::types::{
    AccountConfig, AlertsConfig, ApiConfig, ArchiveConfig, BudgetConfig, ConversationTarget, EventsConfig,
    HeldConversation, InboxMode, LakeConfig, MetricsConfig, ProfileTarget, RetentionConfig, ScheduleConfig,
    SyncConfig,
};
pub use self::values::parse_timezone as timezone;
pub use crate::core::model::api_version::ApiVersion;

/// The default configuration as a file: every key, with its default and what it does.
pub const DEFAULT_TOML: &str = include_str!("../../archiver.toml");

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// The file to use; without it the usual places are searched.
    pub config: Option<PathBuf>,
    /// A cap on this run's credits: it lowers `budget.credits_per_run` and never raises it.
    pub budget: Option<u32>,
}

/// A configuration that has been checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the API is reached.
    pub api: ApiConfig,
    /// Where the archive is.
    pub archive: ArchiveConfig,
    /// What may be spent.
    pub budget: BudgetConfig,
    /// How long messages are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// When the service syncs.
    pub schedule: ScheduleConfig,
    /// How you are alerted to problems that need you.
    pub alerts: AlertsConfig,
    /// Figures for a monitoring system.
    pub metrics: MetricsConfig,
    /// Where the archive is kept as Delta Lake tables, too.
    pub lake: LakeConfig,
    /// What is watched between the runs of the service.
    pub events: EventsConfig,
    /// How history is fetched.
    pub sync: SyncConfig,
    /// The mailboxes; may be empty.
    #[serde(default)]
    pub accounts: Vec<AccountConfig>,
    /// Where changes are sent, as it is written.
    #[serde(default)]
    notify: Vec<NotifyConfig>,
    /// The same, checked.
    #[serde(skip)]
    pub sinks: Vec<Sink>,
    /// The file that it was read from; `None` when the environment alone said everything.
    #[serde(skip)]
    pub source: Option<PathBuf>,
    /// What is not wrong but should be known: to be printed once.
    #[serde(skip)]
    pub warnings: Vec<String>,
    #[serde(skip)]
    sources: SecretSources,
}

/// Where the secrets are, until they are read.
#[derive(Debug, Default)]
struct SecretSources {
    api_key: secrets::Source,
    /// As many as there are accounts.
    accounts: Vec<login::AccountSecrets>,
    /// What is to be said of secrets in the configuration itself, to whoever reads the secrets.
    warnings: Vec<String>,
}

impl Config {
    /// Finds, reads, merges and checks everything but the secrets' files. An error has all problems at once.
    pub fn load(flags: &Flags, env: &Env) -> Result<Self, ConfigError> {
        match load::find_file(flags, env)? {
            Some((path, text)) => load::build(Some((&path, &text)), flags, env),
            None => load::build(None, flags, env),
        }
    }

    /// Checks a text as if it were the file of this name, without an environment.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let dir = file.parent().unwrap_or(Path::new("/"));
        load::build(Some((&file, text)), &Flags::default(), &Env::fixed(dir, []))
    }

    /// Reads the API key and what else this version of the API wants of each account. Until then
    /// [`ApiConfig::api_key`] and [`AccountConfig::login_token`] are `None`, and whoever only reads the archive
    /// needs neither. Called again, it reads again what is in files. May add warnings, of where the secrets are. An
    /// error has all that is missing or cannot be read.
    pub fn load_secrets(&mut self) -> Result<(), ConfigError> {
        self.warnings.append(&mut self.sources.warnings);
        let mut problems: Vec<Problem> = self.read_api_key().err().into_iter().collect();
        if self.accounts.is_empty() {
            problems.push(
                Problem::new("there is none: add [[accounts]] with a name to the file").key("accounts"),
            );
        }
        let only = self.accounts.len() == 1;
        for (index, (account, credentials)) in
            self.accounts.iter_mut().zip(&mut self.sources.accounts).enumerate()
        {
            let path = format!("accounts[{index}]");
            let loaded = credentials.load(self.api.version, account, &path, only, &mut self.warnings);
            problems.extend(loaded.err());
        }
        problems.extend(self.sink_problems());
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems).advising(CREDENTIALS)) }
    }

    /// Reads the secrets of the sinks, to see whether they can be used. May add warnings.
    pub fn check_sink_secrets(&mut self) -> Result<(), ConfigError> {
        let problems = self.sink_problems();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }

    /// Whether the accounts are watched for events between the runs: v1 has none.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.events.enabled && self.api.version == ApiVersion::V2
    }

    fn sink_problems(&mut self) -> Vec<Problem> {
        let secrets = self.sinks.iter().filter_map(Sink::secrets);
        secrets.filter_map(|secret| secret.check(&mut self.warnings).err()).collect()
    }

    /// Says that a sink cannot be used as it is configured.
    #[must_use]
    pub fn refuse_sink(&self, sink: &str, key: &str, what: &str) -> ConfigError {
        let problem = Problem::new(format!("sink {sink:?}: {what}")).key(format!("notify.{key}"));
        let problem =
            self.source.iter().fold(problem, |problem, path| problem.at(&problem::Location::file(path)));
        ConfigError::from(problem)
    }

    fn read_api_key(&mut self) -> Result<(), Problem> {
        let source = self.sources.api_key.next_reading();
        self.api.api_key_changed_ms = source.changed_ms();
        let looked_for = source.looked_for();
        let read = secrets::load(source, "api.api_key", &mut self.warnings)?;
        self.api.api_key = read.or_else(|| self.api.api_key.take());
        if self.api.api_key.is_some() {
            return Ok(());
        }
        let what = format!("is missing{looked_for}: name its file as api_key_file, or set $ARCHIVER_API_KEY");
        Err(Problem::new(what).key("api.api_key"))
    }
}

/// Where credentials come from.
const CREDENTIALS: &str = "the vendor's dashboard shows the API key; `archiver login` gets a login token (v1) or an account's id (v2)";
