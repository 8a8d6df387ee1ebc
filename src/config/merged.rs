//! The layers laid over each other, and the typed configuration made of what is on top.

use std::path::Path;
use std::time::Duration;

use config::{Value, ValueKind};

use super::account::{Account, Written};
use super::env::Env;
use super::keys::{self, Key};
use super::layer::Layer;
use super::login::LoginFiles;
use super::problem::{Place, Problem};
use super::secrets::{self, Candidates, Source, resolve};
use super::types::{
    AccountConfig, ApiConfig, ArchiveConfig, AttentionConfig, BudgetConfig, EventsConfig, InboxMode,
    MetricsConfig, ScheduleConfig, SyncConfig,
};
use super::{Config, Flags, SecretSources};
use crate::core::model::api_version::ApiVersion;
use crate::core::planner::backoff::Backoff;
use crate::core::schedule::Schedule;

/// The merged values. There is no `Debug`: some are secrets.
pub(super) struct Merged(config::Config);

impl Merged {
    /// Lays each layer over the ones before it.
    pub(super) fn of(layers: [Layer; 3]) -> Result<Self, Problem> {
        let builder =
            layers.into_iter().fold(config::Config::builder(), |builder, layer| builder.add_source(layer));
        // The error is not repeated: it may hold a value.
        builder.build().map(Self).map_err(|_| Problem::new("the configuration cannot be merged"))
    }

    fn find(&self, path: &str) -> Option<&Value> {
        let (section, name) = path.split_once('.')?;
        let ValueKind::Table(sections) = &self.0.cache.kind else { return None };
        let ValueKind::Table(values) = &sections.get(section)?.kind else { return None };
        values.get(name)
    }

    fn text(&self, path: &str) -> Result<&str, Problem> {
        match self.find(path).map(|value| &value.kind) {
            Some(ValueKind::String(text)) => Ok(text),
            _ => Err(missing(path)),
        }
    }

    fn optional_number(&self, path: &str) -> Result<Option<u32>, Problem> {
        match self.find(path).map(|value| &value.kind) {
            None => Ok(None),
            Some(ValueKind::I64(n)) => u32::try_from(*n).map(Some).map_err(|_| missing(path)),
            Some(_) => Err(missing(path)),
        }
    }

    fn number(&self, path: &str) -> Result<u32, Problem> {
        self.optional_number(path)?.ok_or_else(|| missing(path))
    }

    fn seconds(&self, path: &str) -> Result<Duration, Problem> {
        match self.find(path).map(|value| &value.kind) {
            Some(ValueKind::Float(secs)) => Duration::try_from_secs_f64(*secs).map_err(|_| missing(path)),
            _ => Err(missing(path)),
        }
    }

    fn switch(&self, path: &str) -> Result<bool, Problem> {
        match self.find(path).map(|value| &value.kind) {
            Some(ValueKind::Boolean(on)) => Ok(*on),
            _ => Err(missing(path)),
        }
    }

    /// A list of texts; empty when nothing is said about it.
    fn texts(&self, path: &str) -> Result<Vec<String>, Problem> {
        let text = |value: &Value| match &value.kind {
            ValueKind::String(text) => Ok(text.clone()),
            _ => Err(missing(path)),
        };
        match self.find(path).map(|value| &value.kind) {
            None => Ok(Vec::new()),
            Some(ValueKind::Array(values)) => values.iter().map(text).collect(),
            Some(_) => Err(missing(path)),
        }
    }

    /// A text and where it was written.
    fn written(&self, path: &str) -> Option<Written> {
        let value = self.find(path)?;
        let ValueKind::String(text) = &value.kind else { return None };
        Some(Written { place: Place::named(value.origin().unwrap_or_default()), text: text.clone() })
    }

    /// The configuration; `dir` is what its relative paths are relative to.
    pub(super) fn into_config(
        self,
        accounts: Vec<Account>,
        flags: &Flags,
        env: &Env,
        dir: &Path,
    ) -> Result<Config, Problem> {
        let (accounts, login_tokens, login_files) = split(accounts, env, dir);
        let path = resolve(self.text("archive.path")?, env, dir);
        Ok(Config {
            api: self.api()?,
            archive: ArchiveConfig { path },
            budget: self.budget(flags)?,
            schedule: self.schedule()?,
            events: EventsConfig {
                enabled: self.switch("events.enabled")?,
                poll: Duration::from_secs(self.number("events.poll_secs")?.into()),
            },
            attention: AttentionConfig { command: self.texts("attention.command")? },
            metrics: MetricsConfig {
                textfile: self.written("metrics.textfile").map(|file| resolve(&file.text, env, dir)),
            },
            sync: self.sync()?,
            accounts,
            source: None,
            warnings: Vec::new(),
            sources: SecretSources {
                api_key: self.api_key(env, dir),
                login_tokens,
                login_files,
                warnings: Vec::new(),
            },
        })
    }

    fn api(&self) -> Result<ApiConfig, Problem> {
        let base_url = keys::base_url(self.text("api.base_url")?).map_err(Problem::new)?;
        let version = match self.text("api.version")? {
            "v2" => ApiVersion::V2,
            _ => ApiVersion::V1,
        };
        Ok(ApiConfig {
            base_url,
            version,
            timeout: Duration::from_secs(self.number("api.timeout_secs")?.into()),
            requests_per_minute: self.number("api.requests_per_minute")?,
            retries: self.number("api.retries")?,
            backoff: Backoff {
                base: self.seconds("api.retry_base_secs")?,
                max: self.seconds("api.retry_max_secs")?,
            },
            api_key: None,
            api_key_changed_ms: None,
        })
    }

    fn budget(&self, flags: &Flags) -> Result<BudgetConfig, Problem> {
        let run = self.optional_number("budget.credits_per_run")?;
        Ok(BudgetConfig {
            credits_per_run: [run, flags.budget].into_iter().flatten().min(),
            credits_per_day: self.optional_number("budget.credits_per_day")?,
            credits_per_month: self.optional_number("budget.credits_per_month")?,
            reconcile: self.switch("budget.reconcile")?,
        })
    }

    fn schedule(&self) -> Result<ScheduleConfig, Problem> {
        let zone = keys::timezone(self.text("schedule.timezone")?).map_err(Problem::new)?;
        Ok(ScheduleConfig {
            slots: Schedule::new(self.text("schedule.cron")?, zone)
                .map_err(|wrong| Problem::new(wrong).key("schedule.cron"))?,
            run_at_start: self.switch("schedule.run_at_start")?,
            jitter: Duration::from_secs(self.number("schedule.jitter_secs")?.into()),
        })
    }

    fn sync(&self) -> Result<SyncConfig, Problem> {
        let inbox = match self.text("sync.inbox")? {
            "probe" => InboxMode::Probe,
            "off" => InboxMode::Off,
            _ => InboxMode::Discover,
        };
        Ok(SyncConfig {
            page_size: self.number("sync.page_size")?,
            inbox,
            unlisted_max_runs: self.number("sync.unlisted_max_runs")?,
            recheck_days: self.number("sync.recheck_days")?,
        })
    }

    fn api_key(&self, env: &Env, dir: &Path) -> Source {
        let candidates = Candidates {
            variable: Some("ARCHIVER_API_KEY"),
            credentials: &["api_key".to_owned()],
            inline: self.written("api.api_key"),
            file: self.written("api.api_key_file"),
            default_file: Key::default_text("api.api_key_file"),
        };
        candidates.choose(env, dir)
    }
}

fn missing(path: &str) -> Problem {
    Problem::new("has no value that can be used").key(path)
}

/// The accounts, where the login token of each is, and where a login is to put what it brings.
fn split(
    accounts: Vec<Account>,
    env: &Env,
    dir: &Path,
) -> (Vec<AccountConfig>, Vec<secrets::Source>, Vec<LoginFiles>) {
    // What does not name the account can only be meant for an only one.
    let only = accounts.len() == 1;
    let mut all = (Vec::new(), Vec::new(), Vec::new());
    for account in accounts {
        let files = LoginFiles::of(&account, env, dir, only);
        let mut credentials = vec![format!("login_token.{}", account.config.name)];
        credentials.extend(only.then(|| "login_token".to_owned()));
        let candidates = Candidates {
            variable: only.then_some("ARCHIVER_LOGIN_TOKEN"),
            credentials: &credentials,
            inline: account.token,
            file: account.token_file,
            default_file: only.then_some("login_token"),
        };
        all.0.push(account.config);
        all.1.push(candidates.choose(env, dir));
        all.2.push(files);
    }
    all
}
