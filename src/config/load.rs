//! From files and variables to a configuration: find, check each layer, merge, warn.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::env::Env;
use super::files::{read_own, read_small};
use super::layer::{ACCOUNTS_VARIABLE, Layers};
use super::problem::{ConfigError, Location, Problem};
use super::secrets::is_open_to_others;
use super::{Config, Flags};

const TOKEN_VARIABLE: &str = "ARCHIVER_LOGIN_TOKEN";

/// No configuration is longer; whatever is, is some other file.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The file to use and its text; `None` when there is none and the environment says enough without it.
pub(super) fn find_file(flags: &Flags, env: &Env) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let named = flags.config.as_ref().map(|path| env.cwd().join(path));
    if let Some(path) = named.or_else(|| env.path("ARCHIVER_CONFIG")) {
        let text = read_small(&path, MOST_BYTES).map_err(|error| unreadable(&path, &error))?;
        return Ok(Some((path, text)));
    }
    let places = env.config_places();
    for path in &places {
        match read_own(path, MOST_BYTES) {
            Ok(text) => return Ok(Some((path.clone(), text))),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
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
    Err(ConfigError::from(Problem::new(what)).advising(help))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let problem = Problem::new(format!("cannot be read: {error}")).at(&Location::file(path));
    ConfigError::from(problem).advising("`archiver default-config` prints a configuration to begin with")
}

/// Checks each layer, then merges them. `file` is its path and its text.
pub(super) fn build(file: Option<(&Path, &str)>, flags: &Flags, env: &Env) -> Result<Config, ConfigError> {
    let dir = env.cwd().join(file.and_then(|(path, _)| path.parent()).unwrap_or(env.cwd()));
    let mut layers = Layers::new(env, &dir);
    let mut of_secrets = Vec::new();
    if let Some((path, text)) = file {
        layers.add_file(&path.display().to_string().into(), text);
        warn_of_inline_secrets(path, &layers, &mut of_secrets);
    }
    layers.add_env();
    if layers.accounts > 1 && env.text(TOKEN_VARIABLE).is_some() {
        let what = "is for a single account, but there are several: give each its login_token_file, or a systemd \
                    credential login_token.NAME";
        layers.problems.push(Problem::new(what).at(&Location::variable(TOKEN_VARIABLE)));
    }
    let config = layers.read().map(|config| config.complete(&mut layers));
    let Some(mut config) = config.filter(|_| layers.problems.is_empty()) else {
        layers.problems.sort();
        return Err(ConfigError::new(layers.problems));
    };
    layers.warnings.sort();
    config.warnings = layers.warnings.iter().map(ToString::to_string).collect();
    config.sources.warnings = of_secrets;
    config.source = file.map(|(path, _)| path.to_owned());
    config.budget.credits_per_run = [config.budget.credits_per_run, flags.budget].into_iter().flatten().min();
    Ok(config)
}

/// Secrets in the file itself end up in backups, in screenshots and in questions that people ask about it.
fn warn_of_inline_secrets(path: &Path, layers: &Layers<'_>, warnings: &mut Vec<String>) {
    let open = if is_open_to_others(path) { ", which others can read" } else { "" };
    let tokens = (0..layers.accounts).map(|index| (format!("accounts[{index}]."), "login_token"));
    for (table, name) in [("api.".to_owned(), "api_key")].into_iter().chain(tokens) {
        let key = format!("{table}{name}");
        let Some((place, _)) = layers.places.get(&key) else { continue };
        let file_key = format!("{name}_file");
        if layers.places.contains_key(&format!("{table}{file_key}")) {
            warnings.push(format!("{place}: {key} is not used, because {file_key} is given too"));
        }
        warnings.push(format!(
            "{place}: {key} is a secret in the configuration itself{open}: \
             move it to a file of mode 600 and name that as {file_key}"
        ));
    }
}
