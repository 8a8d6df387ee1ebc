//! From files and variables to a configuration: find, check each layer alone, merge, warn.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::account::{self, Account, Findings};
use super::env::Env;
use super::layer::{ACCOUNTS_VARIABLE, Layer};
use super::merged::Merged;
use super::problem::{ConfigError, Place, Problem};
use super::secrets::is_open_to_others;
use super::{Config, Flags};

/// The file to use and its text; `None` when there is none and the environment says enough without it.
pub(super) fn find_file(flags: &Flags, env: &Env) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let named = flags.config.as_ref().map(|path| env.cwd().join(path));
    if let Some(path) = named.or_else(|| env.path("ARCHIVER_CONFIG")) {
        return match fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) => Err(unreadable(&path, &error)),
        };
    }
    let places = env.config_places();
    for path in &places {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(Some((path.clone(), text))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    // With a list of accounts everything can be done, with the archive's path what needs no API.
    if [ACCOUNTS_VARIABLE, "ARCHIVER_ARCHIVE__PATH"].iter().any(|name| env.text(name).is_some()) {
        return Ok(None);
    }
    let searched: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let what = format!("there is no configuration file; looked for {}", searched.join(", "));
    let help = "begin with `archiver default-config > archiver.toml` and edit it";
    Err(ConfigError::with_help(Problem::new(what), help))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let problem = Problem::new(format!("cannot be read: {error}")).at(&Place::file(path));
    let help = "`archiver default-config` prints a configuration to begin with";
    ConfigError::with_help(problem, help)
}

/// Checks each layer alone, then merges them. `file` is its path and its text.
pub(super) fn build(file: Option<(&Path, &str)>, flags: &Flags, env: &Env) -> Result<Config, ConfigError> {
    let mut findings = Findings::default();
    let (of_file, list) = match file {
        Some((path, text)) => {
            let name: Arc<str> = path.display().to_string().into();
            Layer::of_file(&name, text, &mut findings.problems)
        }
        None => (Layer::default(), None),
    };
    let mut of_secrets = Vec::new();
    let mut accounts = list.map(|list| account::read(&list, &mut findings)).unwrap_or_default();
    // What is wrong in a file is told in the order of its lines.
    findings.problems.sort_by(|a, b| a.place().cmp(&b.place()));
    if let Some((path, _)) = file {
        warn_of_inline_secrets(path, &of_file, &accounts, &mut of_secrets);
    }
    let (of_env, list) = Layer::of_env(env, &mut findings.problems);
    if let Some(list) = list {
        accounts = account::read(&list, &mut findings);
    }
    refuse_shared_token(&accounts, env, &mut findings.problems);
    if !findings.problems.is_empty() {
        return Err(ConfigError::new(findings.problems));
    }
    let dir = env.cwd().join(file.and_then(|(path, _)| path.parent()).unwrap_or(env.cwd()));
    let merged = Merged::of([Layer::defaults(), of_file, of_env]);
    let config = merged.and_then(|merged| merged.into_config(accounts, flags, env, &dir));
    let mut config = config.map_err(|problem| ConfigError::new(vec![problem]))?;
    config.sources.warnings = of_secrets;
    let source = file.map(|(path, _)| path.to_owned());
    Ok(Config { source, warnings: findings.warnings, ..config })
}

fn refuse_shared_token(accounts: &[Account], env: &Env, problems: &mut Vec<Problem>) {
    const VARIABLE: &str = "ARCHIVER_LOGIN_TOKEN";
    if accounts.len() > 1 && env.text(VARIABLE).is_some() {
        let what = "is for a single account and there are several: give each its login_token_file, or a systemd \
                    credential login_token.NAME";
        problems.push(Problem::new(what).at(&Place::variable(VARIABLE)));
    }
}

/// Secrets in the file itself end up in backups, in screenshots and in questions that people ask about it.
fn warn_of_inline_secrets(path: &Path, layer: &Layer, accounts: &[Account], warnings: &mut Vec<String>) {
    let both = "api.api_key is not used, for api_key_file is given too";
    let mut inline = Vec::new();
    if let Some(place) = layer.place("api.api_key") {
        inline.push((place, "api.api_key".to_owned(), "api_key_file"));
        if layer.place("api.api_key_file").is_some() {
            warnings.push(format!("{place}: {both}"));
        }
    }
    for (index, account) in accounts.iter().enumerate() {
        let Some(token) = &account.token else { continue };
        let key = format!("accounts[{index}].login_token");
        if account.token_file.is_some() {
            warnings.push(format!("{}: {key} is not used, for login_token_file is given too", token.place));
        }
        inline.push((&token.place, key, "login_token_file"));
    }
    let open = if is_open_to_others(path) { ", which others can read" } else { "" };
    for (place, key, file_key) in inline {
        warnings.push(format!(
            "{place}: {key} is a secret in the configuration itself{open}: \
             move it to a file of mode 600 and name that as {file_key}"
        ));
    }
}
