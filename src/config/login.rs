//! The credential of an account, and the file to which a login writes it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::layer::Layers;
use super::problem::{ConfigError, Location, Problem};
use super::secrets::{self, Candidates, Source, Written, looks_like_a_secret};
use super::{AccountConfig, ApiVersion, Config};
use crate::secret::Secret;

/// A login token or an account's id.
#[derive(Debug)]
pub(super) struct AccountSecret {
    source: Source,
    file: LoginTarget,
}

/// The file that a login writes.
struct LoginTarget {
    path: PathBuf,
    /// Where the configuration names it; `None` when it does not.
    named: Option<Location>,
    /// Whether it is found without being named.
    by_default: bool,
    /// Its name as the configuration would have it.
    name: String,
    /// Whether what names it looks like the secret itself.
    doubtful: bool,
}

impl fmt::Debug for LoginTarget {
    /// Without the path: it may be the secret itself, put into the wrong key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginTarget").finish_non_exhaustive()
    }
}

/// A file that a login writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the next command reads it.
    pub reads: Reads,
}

/// Whether the next command reads a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// It does.
    Yes,
    /// Only once this line is in the account's part of the configuration.
    AfterLine(String),
    /// Not while this is there, which takes precedence.
    NotBefore(String),
}

impl AccountSecret {
    /// Chooses where to read it from. `default` is the name of its file for an only account.
    fn new(
        account: &str,
        default: &'static str,
        only: bool,
        (inline, file): (Option<Written>, Option<Written>),
        layers: &Layers<'_>,
    ) -> Self {
        let name = if only { default.to_owned() } else { format!("{default}.{account}") };
        let given = file.as_ref().map(|file| file.text.expose());
        let target = LoginTarget {
            path: layers.resolve(Path::new(given.unwrap_or(&name))),
            named: file.as_ref().map(|file| file.place.clone()),
            by_default: only,
            doubtful: given.is_some_and(looks_like_a_secret),
            name,
        };
        let default_file = only.then_some(default);
        let mut candidates = Candidates { inline, file, default_file, ..Candidates::default() };
        if default == "login_token" {
            candidates.variable = only.then_some("ARCHIVER_LOGIN_TOKEN");
            candidates.credentials.push(format!("login_token.{account}"));
            candidates.credentials.extend(only.then(|| "login_token".to_owned()));
        }
        Self { source: candidates.choose(layers), file: target }
    }
}

/// The credentials of an account, one for each version of the API.
#[derive(Debug)]
pub(super) struct AccountSecrets {
    token: AccountSecret,
    id: AccountSecret,
}

impl AccountSecrets {
    /// Takes what an account says of them. `path` is the account's own.
    pub(super) fn take(account: &mut AccountConfig, layers: &Layers<'_>, path: &str, only: bool) -> Self {
        let credential = |default, inline, file| {
            let inline = layers.written(&format!("{path}.{default}"), inline);
            let file = layers.written(&format!("{path}.{default}_file"), file);
            AccountSecret::new(&account.name, default, only, (inline, file), layers)
        };
        let id = account.account_id.as_deref().map(Secret::new);
        Self {
            token: credential("login_token", account.token_inline.take(), account.token_file.take()),
            id: credential("account_id", id, account.id_file.take()),
        }
    }

    /// The one that a version wants, and the key of its file.
    fn of(&self, version: ApiVersion) -> (&AccountSecret, &'static str) {
        match version {
            ApiVersion::V1 => (&self.token, "login_token_file"),
            ApiVersion::V2 => (&self.id, "account_id_file"),
        }
    }

    /// Reads the token (v1) or the id (v2) into the account. `path` is the account's own, in a message.
    pub(super) fn load(
        &mut self,
        version: ApiVersion,
        account: &mut AccountConfig,
        path: &str,
        only: bool,
        warnings: &mut Vec<String>,
    ) -> Result<(), Problem> {
        let (credential, key) = match version {
            ApiVersion::V1 => (&mut self.token, "login_token"),
            ApiVersion::V2 => (&mut self.id, "account_id"),
        };
        let (key, name) = (format!("{path}.{key}"), &account.name);
        let source = credential.source.next_reading();
        let (changed_ms, looked_for) = (source.changed_ms(), source.looked_for());
        let read = secrets::load(source, &key, warnings)?;
        let missing = match version {
            ApiVersion::V1 => {
                account.credential_changed_ms = changed_ms;
                account.login_token = read.or_else(|| account.login_token.take());
                let variable = if only { ", or set $ARCHIVER_LOGIN_TOKEN" } else { "" };
                account.login_token.is_none().then(|| {
                    format!(
                        "is missing for account {name:?}{looked_for}: name its file as login_token_file{variable}"
                    )
                })
            }
            ApiVersion::V2 => {
                if let Some(id) = read {
                    account.account_id = Some(id.expose().to_owned());
                    account.credential_changed_ms = changed_ms;
                }
                account.account_id.is_none().then(|| {
                    format!(
                        "is missing for account {name:?}{looked_for}: api.version \"v2\" wants it; `archiver login` gets it"
                    )
                })
            }
        };
        missing.map_or(Ok(()), |what| Err(Problem::new(what).key(key)))
    }
}

impl Config {
    /// Reads the API key alone: all that a login needs.
    pub fn load_api_key(&mut self) -> Result<(), ConfigError> {
        self.warnings.append(&mut self.sources.warnings);
        self.read_api_key().map_err(|problem| ConfigError::from(problem).advising(super::CREDENTIALS))
    }

    /// The file that a login to this account writes: with v1 the token's, with v2 the id's.
    /// It is refused where what names it looks like the secret itself.
    pub fn login_file(&self, account: usize) -> Result<LoginFile, ConfigError> {
        let credentials = self.sources.accounts.get(account);
        let nothing = || Problem::new("there is no such account").key("accounts");
        let (AccountSecret { source, file }, key) = credentials.ok_or_else(nothing)?.of(self.api.version);
        if file.doubtful {
            let what = "must name a file: is that the secret itself?";
            let problem = Problem::new(what).key(format!("accounts[{account}].{key}"));
            return Err(file.named.iter().fold(problem, |problem, place| problem.at(place)).into());
        }
        let reads = match source.instead_of_a_file() {
            Some(instead) => Reads::NotBefore(instead),
            None if file.named.is_some() || file.by_default => Reads::Yes,
            None => Reads::AfterLine(format!("{key} = {:?}", file.name)),
        };
        Ok(LoginFile { path: file.path.clone(), reads })
    }
}
