//! `[[notify]]`: where changes and alerts are sent, and how.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use serde::Deserialize;

use super::files::read_small;
use super::layer::Layers;
use super::problem::{Location, Problem};
use super::secrets::{Candidates, SecretFile, Source};
use super::sink_url::{check_url, mail_server};
use super::values;
use crate::core::notify::batch::EventKind;
use crate::core::search::query::Query;
use crate::secret::Secret;

/// One of `[[notify]]`, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    #[serde(deserialize_with = "values::account_name")]
    name: String,
    #[serde(deserialize_with = "values::sink_kind")]
    kind: WrittenKind,
    #[serde(default = "all_kinds")]
    what: Vec<WantedEvent>,
    #[serde(default, deserialize_with = "values::trimmed")]
    query: Option<String>,
    #[serde(default = "summary_over", deserialize_with = "values::whole::<_, 0, 10_000>")]
    summary_over: u32,
    #[serde(rename = "timeout_secs", default = "timeout", deserialize_with = "values::seconds::<_, 1, 120>")]
    timeout: Duration,
    #[serde(default, deserialize_with = "values::secret")]
    url: Option<Secret>,
    #[serde(default, deserialize_with = "values::secret")]
    secret_file: Option<Secret>,
    #[serde(default)]
    private_addresses: Option<bool>,
    #[serde(default, deserialize_with = "values::proxy")]
    proxy: Option<Secret>,
    #[serde(default, deserialize_with = "values::command")]
    command: Vec<String>,
    #[serde(default, deserialize_with = "values::trimmed")]
    from: Option<String>,
    #[serde(default)]
    to: Vec<MailAddress>,
    #[serde(default, deserialize_with = "values::trimmed")]
    username: Option<String>,
    #[serde(default, deserialize_with = "values::secret")]
    password_file: Option<Secret>,
    #[serde(default)]
    tls: Option<bool>,
}

/// The ways there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenKind {
    Webhook,
    Command,
    Email,
}

impl WrittenKind {
    pub(super) const ALL: [Self; 3] = [Self::Webhook, Self::Command, Self::Email];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Command => "command",
            Self::Email => "email",
        }
    }

    /// The keys that belong to it alone.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Webhook => &["url", "secret_file", "private_addresses", "proxy"],
            Self::Command => &["command"],
            Self::Email => &["url", "from", "to", "username", "password_file", "tls"],
        }
    }
}

#[derive(Debug, Deserialize)]
struct WantedEvent(#[serde(deserialize_with = "values::event_kind")] EventKind);

#[derive(Debug, Deserialize)]
struct MailAddress(#[serde(deserialize_with = "values::text")] String);

fn all_kinds() -> Vec<WantedEvent> {
    EventKind::ALL.into_iter().map(WantedEvent).collect()
}

fn summary_over() -> u32 {
    100
}

fn timeout() -> Duration {
    Duration::from_secs(20)
}

/// Where changes and alerts are sent.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Its name, unique, which the archive knows it by.
    pub name: String,
    /// Which events it gets.
    pub what: BTreeSet<EventKind>,
    /// Only of messages that this search finds.
    pub query: Option<String>,
    /// More changes than this at once are a summary; 0: never.
    pub summary_over: usize,
    /// The longest that one delivery may take.
    pub timeout: Duration,
    /// How they are delivered.
    pub means: SinkMeans,
}

/// How events are delivered to a sink.
#[derive(Debug, Clone)]
pub enum SinkMeans {
    /// By a signed request to a URL.
    Webhook(WebhookMeans),
    /// By a program and its arguments.
    Command(Vec<String>),
    /// By mail.
    Email(EmailMeans),
}

/// A URL that is called. It may be a secret by itself.
#[derive(Debug, Clone)]
pub struct WebhookMeans {
    /// Where.
    pub url: Secret,
    /// What it is signed with.
    pub secret: SinkSecret,
    /// Whether it may be in this network.
    pub private_addresses: bool,
    /// The proxy that calls go through.
    pub proxy: Option<Secret>,
}

/// Mail that is sent.
#[derive(Debug, Clone)]
pub struct EmailMeans {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub protection: MailProtection,
    /// The user's name and password there.
    pub login: Option<(String, SinkSecret)>,
    /// Who it is from.
    pub from: Mailbox,
    /// Who it is for.
    pub to: Vec<Mailbox>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailProtection {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything is said that matters.
    StartTls,
    /// Not at all: on this machine only.
    Plain,
}

/// A file with the secrets of a sink, read whenever they are needed.
#[derive(Clone)]
pub struct SinkSecret {
    file: SecretFile,
    place: Location,
    key: String,
    is_signing: bool,
}

impl fmt::Debug for SinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.file)
    }
}

impl SinkSecret {
    /// The secrets in the file, one a line: at least one.
    ///
    /// # Errors
    /// Why they cannot be used, in words that hold none of them.
    pub fn read(&self) -> Result<Vec<Secret>, String> {
        const MOST_BYTES: u64 = 64 * 1024;
        let shown = self.file.shown();
        let text = read_small(self.file.path(), MOST_BYTES)
            .map_err(|error| format!("cannot read {shown}: {error}"))?;
        let all = Secret::exact(&text);
        let lines = all.expose().trim_start_matches('\u{feff}').lines().map(str::trim);
        let secrets: Vec<Secret> = lines.filter(|line| !line.is_empty()).map(Secret::new).collect();
        if secrets.is_empty() {
            return Err(format!("{shown} is empty"));
        }
        if self.is_signing && secrets.iter().any(|secret| signing_key(secret).is_none()) {
            return Err(format!(
                "{shown} must hold whsec_ and 24 to 64 bytes in base64, one secret a line: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\" makes one"
            ));
        }
        match (self.is_signing, secrets.len()) {
            (false, 2..) => Err(format!("{shown} must hold the password alone, on one line")),
            _ => Ok(secrets),
        }
    }

    /// What is wrong with it, if anything is, and a warning if others can read the file.
    pub(super) fn check(&self, warnings: &mut Vec<String>) -> Result<(), Problem> {
        if let Some(warning) = self.file.warning() {
            warnings.push(warning);
        }
        self.read().map(|_| ()).map_err(|why| Problem::new(why).at(&self.place).key(&self.key))
    }
}

/// The key in a secret of the Standard Webhooks specification: `whsec_` and 24 to 64 bytes in base64.
#[must_use]
pub fn signing_key(secret: &Secret) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.expose().strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

impl Sink {
    /// The files of its secrets.
    pub(super) fn secrets(&self) -> Option<&SinkSecret> {
        match &self.means {
            SinkMeans::Webhook(webhook) => Some(&webhook.secret),
            SinkMeans::Email(email) => email.login.as_ref().map(|(_, password)| password),
            SinkMeans::Command(_) => None,
        }
    }

    /// `webhook`, `command` or `email`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.means {
            SinkMeans::Webhook(_) => WrittenKind::Webhook.as_str(),
            SinkMeans::Command(_) => WrittenKind::Command.as_str(),
            SinkMeans::Email(_) => WrittenKind::Email.as_str(),
        }
    }

    /// Where it leads, as a text that no other target has.
    #[must_use]
    pub fn target(&self) -> Secret {
        Secret::new(&match &self.means {
            SinkMeans::Webhook(webhook) => format!("webhook {}", webhook.url.expose()),
            SinkMeans::Command(command) => format!("command {command:?}"),
            SinkMeans::Email(email) => format!("email {} {} {:?}", email.host, email.port, email.to),
        })
    }
}

/// What completes the sinks once serde has read them. What is wrong is added to the layers' problems.
pub(super) fn complete(written: Vec<NotifyConfig>, layers: &mut Layers<'_>) -> Vec<Sink> {
    let mut names = BTreeSet::new();
    let mut sinks = Vec::new();
    for (index, notify) in written.into_iter().enumerate() {
        let mut reader =
            SinkReader { path: format!("notify[{index}]"), kind: notify.kind, layers, wrong: false };
        if !names.insert(notify.name.clone()) {
            reader.refuse("name", "another sink has this name already");
        }
        sinks.extend(reader.sink(notify));
    }
    sinks
}

/// Reads one sink, and notes what is wrong.
struct SinkReader<'l, 'a> {
    path: String,
    kind: WrittenKind,
    layers: &'l mut Layers<'a>,
    wrong: bool,
}

impl SinkReader<'_, '_> {
    fn refuse(&mut self, key: &str, what: impl Into<String>) {
        let problem = self.layers.problem(&format!("{}.{key}", self.path), what);
        self.layers.problems.push(problem);
        self.wrong = true;
    }

    fn missing(&mut self, key: &str, what: &str) {
        let text = format!("is missing: kind = \"{}\" needs {what}", self.kind.as_str());
        self.refuse(key, text);
    }

    fn sink(mut self, notify: NotifyConfig) -> Option<Sink> {
        self.check_keys();
        if notify.what.is_empty() {
            self.refuse("what", "must not be empty");
        }
        if let Some(text) = &notify.query {
            self.check_query(text);
        }
        let what = notify.what.iter().map(|wanted| wanted.0).collect();
        let (name, query, timeout) = (notify.name.clone(), notify.query.clone(), notify.timeout);
        let summary_over = usize::try_from(notify.summary_over).unwrap_or(usize::MAX);
        let means = match notify.kind {
            WrittenKind::Webhook => self.webhook(notify).map(SinkMeans::Webhook),
            WrittenKind::Command if notify.command.is_empty() => {
                self.missing(
                    "command",
                    "the program and its arguments, such as [\"/usr/local/bin/on-message\"]",
                );
                None
            }
            WrittenKind::Command => Some(SinkMeans::Command(notify.command)),
            WrittenKind::Email => self.email(notify).map(SinkMeans::Email),
        };
        let sound = !self.wrong;
        means.filter(|_| sound).map(|means| Sink { name, what, query, summary_over, timeout, means })
    }

    /// Refuses keys that only another kind has.
    fn check_keys(&mut self) {
        let own = self.kind.keys();
        let others: BTreeSet<&str> = WrittenKind::ALL
            .iter()
            .flat_map(|kind| kind.keys())
            .copied()
            .filter(|key| !own.contains(key))
            .collect();
        for key in others {
            if self.layers.places.contains_key(&format!("{}.{key}", self.path)) {
                let text = format!("is not for kind = \"{}\": remove it", self.kind.as_str());
                self.refuse(key, text);
            }
        }
    }

    fn check_query(&mut self, text: &str) {
        let query = Query::parse(text);
        if query.is_empty() {
            self.refuse("query", "has no words and no filters: omit it to get all messages");
        } else if let Some(word) = query.not_filters.first() {
            self.refuse("query", format!("{word:?} is not a filter; `archiver search --help` lists them"));
        }
    }

    fn secret(
        &mut self,
        credential: &str,
        key: &str,
        name: &str,
        file: Option<Secret>,
    ) -> Option<SinkSecret> {
        let path = format!("{}.{key}", self.path);
        let file = self.layers.written(&path, file);
        let credentials = vec![format!("{credential}.{name}")];
        match (Candidates { credentials, file, ..Candidates::default() }).choose(self.layers) {
            Source::File(file) => {
                let is_signing = credential == "notify_secret";
                Some(SinkSecret { place: file.place().clone(), file, key: path, is_signing })
            }
            Source::Given(_) | Source::Nowhere => None,
        }
    }

    fn webhook(&mut self, notify: NotifyConfig) -> Option<WebhookMeans> {
        let private_addresses = notify.private_addresses.unwrap_or_default();
        match &notify.url {
            None => self.missing("url", "the URL to call"),
            Some(url) => match check_url(url, private_addresses) {
                Ok(scheme) if scheme == "http" && notify.proxy.is_some() => self.refuse(
                    "proxy",
                    "is not for an http URL, which is called on this machine: remove it, or use https",
                ),
                Ok(_) => {}
                Err(what) => self.refuse("url", what),
            },
        }
        let secret = self.secret("notify_secret", "secret_file", &notify.name, notify.secret_file);
        if secret.is_none() {
            self.missing("secret_file", "a file with a secret of the form whsec_…");
        }
        Some(WebhookMeans { url: notify.url?, secret: secret?, private_addresses, proxy: notify.proxy })
    }

    fn email(&mut self, notify: NotifyConfig) -> Option<EmailMeans> {
        let server = match &notify.url {
            None => {
                self.missing("url", "the mail server, such as \"smtps://mail.example.org\"");
                None
            }
            Some(url) => match mail_server(url, notify.tls.unwrap_or(true)) {
                Ok(server) => Some(server),
                Err(what) => {
                    self.refuse("url", what);
                    None
                }
            },
        };
        let mailbox = |reader: &mut Self, key: &str, text: &str| match text.parse::<Mailbox>() {
            Ok(mailbox) => Some(mailbox),
            Err(_) => {
                reader.refuse(key, "must be an address, such as \"Ada <ada@example.org>\"");
                None
            }
        };
        let from = match &notify.from {
            None => {
                self.missing("from", "the sender's address");
                None
            }
            Some(text) => mailbox(self, "from", text),
        };
        if notify.to.is_empty() {
            self.missing("to", "at least one address");
        }
        let to: Vec<Mailbox> = notify
            .to
            .iter()
            .enumerate()
            .filter_map(|(index, address)| mailbox(self, &format!("to[{index}]"), &address.0))
            .collect();
        let password = self.secret("notify_password", "password_file", &notify.name, notify.password_file);
        let login = match (notify.username, password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            (Some(_), None) => {
                self.missing("password_file", "the file with the password of username");
                None
            }
            (None, Some(_)) => {
                self.missing("username", "the user's name, where there is a password_file");
                None
            }
        };
        let (host, port, protection) = server?;
        if protection == MailProtection::Plain && login.is_some() {
            self.refuse("tls", "must not be false where there is a password");
        }
        Some(EmailMeans { host, port, protection, login, from: from?, to })
    }
}
