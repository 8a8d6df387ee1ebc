//! What a login needs of the configuration: the API key, and the files that its result is read from afterwards.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::problem::{ConfigError, Location, Problem};
use super::secrets::{self, Source, changed_ms, looks_like_a_secret, resolve};
use super::settings::{Origin, SecretText};
use super::{AccountConfig, ApiVersion, Config};

/// No id is longer; whatever is, is some other file.
const MOST_ID_BYTES: u64 = 4096;

/// The files of one account that a login writes.
pub(super) struct LoginFiles {
    token: Spot,
    id: Spot,
}

impl fmt::Debug for LoginFiles {
    /// Without the paths: one may be the secret itself, put into the wrong key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginFiles").finish_non_exhaustive()
    }
}

/// A file, and how it is known.
struct Spot {
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

/// A file that a login writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is what the next command reads.
    pub reads: Reads,
}

/// Whether a file is what the next command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// It is.
    Yes,
    /// Only once this line stands in the account's part of the configuration.
    AfterLine(String),
    /// Not as long as this is there, which goes first.
    NotBefore(String),
}

impl LoginFiles {
    /// Their places: as the configuration names them, else of the default names beside it.
    pub(super) fn of(
        account: &str,
        token_file: Option<&SecretText>,
        id_file: Option<&SecretText>,
        only: bool,
        origin: &Origin<'_>,
    ) -> Self {
        let place = |written: Option<&SecretText>, default: &str| {
            let name = if only { default.to_owned() } else { format!("{default}.{account}") };
            match written {
                Some(w) => Spot {
                    path: resolve(Path::new(&w.text), origin.env, origin.dir),
                    named: Some(w.place.clone()),
                    by_default: false,
                    name,
                    doubtful: looks_like_a_secret(&w.text),
                },
                None => Spot {
                    path: origin.dir.join(&name),
                    named: None,
                    by_default: only,
                    name,
                    doubtful: false,
                },
            }
        };
        Self { token: place(token_file, "login_token"), id: place(id_file, "account_id") }
    }
}

impl Config {
    /// Reads the API key alone: all that a login needs.
    ///
    /// # Errors
    ///
    /// When it is missing or cannot be read.
    pub fn load_api_key(&mut self) -> Result<(), ConfigError> {
        self.warnings.append(&mut self.sources.warnings);
        let source = std::mem::replace(&mut self.sources.api_key, Source::Nowhere);
        let key = secrets::load(source, "api.api_key", &mut self.warnings);
        self.api.api_key = key.map_err(|problem| ConfigError::new(vec![problem]))?;
        if self.api.api_key.is_some() {
            return Ok(());
        }
        let what = "is missing: name its file as api_key_file, or set $ARCHIVER_API_KEY";
        Err(ConfigError::new(vec![Problem::new(what).key("api.api_key")]).advising(super::CREDENTIALS))
    }

    /// The file that a login to this account writes: with v1 the token's, with v2 the id's.
    ///
    /// # Errors
    ///
    /// When what names it looks like the secret itself.
    pub fn login_file(&self, account: usize) -> Result<LoginFile, ConfigError> {
        let nothing = || ConfigError::new(vec![Problem::new("there is no such account").key("accounts")]);
        let (spot, key, instead) = self.login_spot(account).ok_or_else(nothing)?;
        if spot.doubtful {
            let what = "must name a file: is that the secret itself?";
            let problem = Problem::new(what).key(format!("accounts[{account}].{key}"));
            let problem = spot.named.iter().fold(problem, |problem, place| problem.at(place));
            return Err(ConfigError::new(vec![problem]));
        }
        let reads = match instead {
            Some(instead) => Reads::NotBefore(instead),
            None if spot.named.is_some() || spot.by_default => Reads::Yes,
            None => Reads::AfterLine(format!("{key} = {:?}", spot.name)),
        };
        Ok(LoginFile { path: spot.path.clone(), reads })
    }

    /// The file, its key, and what would be read before it.
    fn login_spot(&self, account: usize) -> Option<(&Spot, &'static str, Option<String>)> {
        let files = self.sources.login_files.get(account)?;
        Some(match self.api.version {
            ApiVersion::V1 => {
                let instead = self.sources.login_tokens.get(account)?.instead_of_a_file();
                (&files.token, "login_token_file", instead)
            }
            // An id in the configuration itself goes only before a file that nobody named.
            ApiVersion::V2 => {
                let given = self.accounts.get(account)?.account_id.is_some() && files.id.named.is_none();
                (&files.id, "account_id_file", given.then(|| "account_id in the configuration".to_owned()))
            }
        })
    }
}

/// Reads an account's id from its file, where that goes before the one in the configuration or there is none.
pub(super) fn load_id(
    account: &mut AccountConfig,
    files: Option<&LoginFiles>,
    key: &str,
) -> Result<(), Problem> {
    let file = files.map(|files| &files.id);
    let from_a_file = account.account_id.is_none() || account.credential_changed_ms.is_some();
    if let Some(file) = file.filter(|f| f.named.is_some() || (f.by_default && from_a_file)) {
        match read_id(&file.path) {
            Ok(id) => {
                account.account_id = Some(id);
                account.credential_changed_ms = Some(changed_ms(&file.path).unwrap_or_default());
            }
            Err(error) if file.named.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("cannot read {}: {error}", file.path.display());
                let problem = Problem::new(what).key(format!("{key}_file"));
                return Err(file.named.iter().fold(problem, |problem, place| problem.at(place)));
            }
        }
    }
    if account.account_id.is_some() {
        return Ok(());
    }
    let what = format!(
        "is missing for account {:?}: api.version \"v2\" wants it; `archiver login` gets it",
        account.name
    );
    Err(Problem::new(what).key(key))
}

fn read_id(path: &Path) -> io::Result<String> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if fs::metadata(path)?.len() > MOST_ID_BYTES {
        return Err(odd("it is too long for an account's id: is it the right file?"));
    }
    let text = fs::read_to_string(path)?;
    let id = text.trim();
    if id.is_empty() {
        return Err(odd("it is empty"));
    }
    if !id.chars().all(|c| c.is_ascii_graphic()) {
        return Err(odd("it holds characters that no id has: is it the right file?"));
    }
    Ok(id.to_owned())
}
