//! The configuration as the rest of the program sees it: plain, typed, checked.

use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;
use url::Url;

use super::values;
use crate::core::Ms;
use crate::core::budget::Caps;
use crate::core::inbox::filter::Wanted;
use crate::core::model::api_version::ApiVersion;
use crate::core::planner::backoff::Backoff;
use crate::core::schedule::Schedule;
use crate::secret::Secret;

/// `[api]`: how LinkupAPI is reached.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Ends in a slash, so that endpoints can be joined to it. Plain http for loopback only.
    #[serde(deserialize_with = "values::base_url")]
    pub base_url: Url,
    /// Which version of the API is spoken.
    #[serde(deserialize_with = "values::api_version")]
    pub version: ApiVersion,
    /// The longest that one request may take.
    #[serde(rename = "timeout_secs", deserialize_with = "values::seconds::<_, 1, 600>")]
    pub timeout: Duration,
    /// The most requests in a minute.
    #[serde(deserialize_with = "values::whole::<_, 1, 60_000>")]
    pub requests_per_minute: u32,
    /// The most requests that are under way at once.
    #[serde(deserialize_with = "values::whole::<_, 1, 64>")]
    pub in_flight: u32,
    /// The most of one account: it should look like a person.
    #[serde(deserialize_with = "values::whole::<_, 1, 4>")]
    pub in_flight_per_account: u32,
    /// Retries of one request, where a retry can help.
    #[serde(deserialize_with = "values::whole::<_, 0, 10>")]
    pub retries: u32,
    #[serde(deserialize_with = "values::fractional_seconds::<_, 3_600>")]
    retry_base_secs: Duration,
    #[serde(deserialize_with = "values::fractional_seconds::<_, 86_400>")]
    retry_max_secs: Duration,
    /// The proxy that requests go through: only what is configured, never one of the environment.
    #[serde(default, deserialize_with = "values::proxy")]
    pub proxy: Option<Secret>,
    /// Further CA certificates (PEM) that are trusted, absolute.
    #[serde(default, deserialize_with = "values::optional_path")]
    pub ca_file: Option<PathBuf>,
    /// A variable of the environment that names a proxy and is ignored.
    #[serde(skip)]
    pub ignored_proxy: Option<&'static str>,
    /// The API key, once [`super::Config::load_secrets`] has read it.
    #[serde(skip)]
    pub api_key: Option<Secret>,
    /// When the file that it was read from was last changed (ms), where it is a file of its owner's.
    #[serde(skip)]
    pub api_key_changed_ms: Option<Ms>,
    #[serde(rename = "api_key", default, deserialize_with = "values::secret")]
    pub(super) key_inline: Option<Secret>,
    #[serde(rename = "api_key_file", default, deserialize_with = "values::secret")]
    pub(super) key_file: Option<Secret>,
}

impl ApiConfig {
    /// How waits between retries grow.
    pub fn backoff(&self) -> Backoff {
        Backoff { base: self.retry_base_secs, max: self.retry_max_secs }
    }
}

/// `[archive]`: the file that everything is kept in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Absolute.
    #[serde(deserialize_with = "values::path")]
    pub path: PathBuf,
    /// Whether the group of its file may read it.
    #[serde(default)]
    pub readable_by_group: bool,
}

/// `[retention]`: how long messages are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days after which a message is erased; `None`: never.
    #[serde(default, deserialize_with = "values::days")]
    pub keep_days: Option<u32>,
    /// Conversations that nothing is erased of.
    #[serde(default)]
    pub hold: Vec<HeldConversation>,
}

/// A conversation on hold, by its URN or thread id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct HeldConversation(#[serde(deserialize_with = "values::conversation")] pub String);

/// `[budget]`: the most credits that may be spent; `None` is no cap of that kind, 0 spends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    /// In one run.
    #[serde(default, deserialize_with = "values::credits")]
    pub credits_per_run: Option<u32>,
    /// In one UTC day.
    #[serde(default, deserialize_with = "values::credits")]
    pub credits_per_day: Option<u32>,
    /// In one UTC month.
    #[serde(default, deserialize_with = "values::credits")]
    pub credits_per_month: Option<u32>,
    /// Whether the vendor's balance is asked for before and after a run.
    pub reconcile: bool,
}

impl BudgetConfig {
    /// The caps as the ledger's arithmetic takes them.
    pub fn caps(&self) -> Caps {
        Caps { run: self.credits_per_run, day: self.credits_per_day, month: self.credits_per_month }
    }
}

/// `[schedule]`: when the service syncs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The times, of `schedule.cron` in `schedule.timezone`.
    #[serde(rename = "cron", deserialize_with = "values::cron")]
    pub slots: Schedule,
    #[serde(deserialize_with = "values::timezone")]
    pub(super) timezone: Tz,
    /// Whether to sync when the service starts, too.
    pub run_at_start: bool,
    /// How much later than scheduled a run may begin: by chance, up to this.
    #[serde(rename = "jitter_secs", deserialize_with = "values::seconds::<_, 0, 3_600>")]
    pub jitter: Duration,
}

/// `[alerts]`: how you are alerted to a problem that needs you.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// The program and its arguments; empty runs nothing.
    #[serde(default, deserialize_with = "values::command")]
    pub command: Vec<String>,
    /// What is called when a run begins and when it has ended, well or not.
    #[serde(default, deserialize_with = "values::ping_url")]
    pub ping_url: Option<Secret>,
}

/// `[metrics]`: figures for a monitoring system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Where they are written to, absolute.
    #[serde(default, deserialize_with = "values::optional_path")]
    pub textfile: Option<PathBuf>,
}

/// `[lake]`: the archive as Delta Lake tables, which several archives may share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeConfig {
    /// An absolute folder, or `s3://BUCKET/PREFIX` as it is written; `None`: there is no lake.
    #[serde(default, deserialize_with = "values::lake_path")]
    pub path: Option<PathBuf>,
    /// The region of the bucket, if the environment is not to say it.
    #[serde(default, deserialize_with = "values::region")]
    pub region: Option<String>,
    /// The URL of the S3 server, if the environment is not to say it.
    #[serde(default, deserialize_with = "values::endpoint")]
    pub endpoint: Option<String>,
    /// Whether each run adds what it has changed.
    pub after_run: bool,
}

/// `[events]`: what is watched between the runs of the service (v2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// Whether events are read at all.
    pub enabled: bool,
    /// How often.
    #[serde(rename = "poll_secs", deserialize_with = "values::seconds::<_, 1, 3_600>")]
    pub poll: Duration,
}

/// `[sync]`: how history is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncConfig {
    /// Messages per request while filling history; a multiple of 10.
    #[serde(deserialize_with = "values::page_size")]
    pub page_size: u32,
    /// What the inbox is used for.
    #[serde(deserialize_with = "values::inbox_mode")]
    pub inbox: InboxMode,
    /// The most runs that pass between two looks at a conversation that the inbox never shows.
    #[serde(deserialize_with = "values::whole::<_, 1, 10_000>")]
    pub max_runs_between_polls: u32,
    /// Complete conversations are read a second time once so many days have passed; 0: never.
    #[serde(deserialize_with = "values::whole::<_, 0, 3_650>")]
    pub recheck_days: u32,
}

/// What the inbox is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxMode {
    /// Conversations found in it are archived, too.
    Discover,
    /// It only tells which targets have changed.
    Probe,
    /// It is not asked; each target is.
    Off,
}

impl InboxMode {
    /// As it is written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Probe => "probe",
            Self::Off => "off",
        }
    }
}

/// One of `[[accounts]]`: a mailbox and what to archive of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The name that the archive knows it by; unique.
    #[serde(deserialize_with = "values::account_name")]
    pub name: String,
    /// Proxy country, upper case.
    #[serde(default = "values::default_country", deserialize_with = "values::country")]
    pub country: String,
    /// The display name of the account's owner, which tells own messages from received ones.
    #[serde(default, deserialize_with = "values::trimmed")]
    pub owner_name: Option<String>,
    /// The account's id at the API (v2).
    #[serde(default, deserialize_with = "values::trimmed")]
    pub account_id: Option<String>,
    /// The session (v1), once [`super::Config::load_secrets`] has read it.
    #[serde(skip)]
    pub login_token: Option<Secret>,
    /// When the file that the token (v1) or the id (v2) was read from was last changed (ms), where it is a file of its
    /// owner's: a login writes it anew, with the same id or another.
    #[serde(skip)]
    pub credential_changed_ms: Option<Ms>,
    #[serde(rename = "account_id_file", default, deserialize_with = "values::secret")]
    pub(super) id_file: Option<Secret>,
    #[serde(rename = "login_token", default, deserialize_with = "values::secret")]
    pub(super) token_inline: Option<Secret>,
    #[serde(rename = "login_token_file", default, deserialize_with = "values::secret")]
    pub(super) token_file: Option<Secret>,
    /// Conversations given by the other side's profile.
    #[serde(default)]
    pub profiles: Vec<ProfileTarget>,
    /// Conversations given by themselves.
    #[serde(default)]
    pub conversations: Vec<ConversationTarget>,
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

#[derive(Debug, Deserialize)]
struct TextPattern(#[serde(deserialize_with = "values::text")] String);

impl AccountConfig {
    /// Which of the conversations found in the inbox are archived.
    pub fn wanted(&self) -> Wanted {
        let texts = |list: &[TextPattern]| list.iter().map(|pattern| pattern.0.trim().to_owned()).collect();
        Wanted { include: texts(&self.include), exclude: texts(&self.exclude) }
    }

    /// The most credits that this account may spend by itself.
    pub fn caps(&self) -> Caps {
        Caps { run: self.credits_per_run, day: self.credits_per_day, month: self.credits_per_month }
    }
}

/// A conversation given by the other side's profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileTarget {
    /// `https://www.linkedin.com/in/slug/`.
    #[serde(deserialize_with = "values::profile")]
    pub url: String,
    /// What to call it.
    #[serde(default, deserialize_with = "values::trimmed")]
    pub name: Option<String>,
}

/// A conversation given by its URN or its bare thread id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationTarget {
    /// The full URN or `2-…`.
    #[serde(deserialize_with = "values::conversation")]
    pub id: String,
    /// What to call it.
    #[serde(default, deserialize_with = "values::trimmed")]
    pub name: Option<String>,
}
