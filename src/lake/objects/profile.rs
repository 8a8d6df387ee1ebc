//! Profiles: what `~/.aws/credentials` and `~/.aws/config` say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::aws::CloudEnv;
use super::trouble::Trouble;

/// No such file is longer.
const MOST_BYTES: u64 = 1024 * 1024;
/// The profile that counts when none is named.
const DEFAULT: &str = "default";

/// What a profile says, by its keys. There is no `Debug`: some values are secrets.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) name: String,
    values: BTreeMap<String, String>,
}

impl Profile {
    /// The profile that the environment names, or the one for all cases. The file of credentials goes before the other.
    pub(super) fn read(env: &CloudEnv) -> Result<Self, Trouble> {
        let named = env.get("AWS_PROFILE").or_else(|| env.get("AWS_DEFAULT_PROFILE"));
        let name = named.unwrap_or(DEFAULT);
        let place = |variable: &str, file: &str| match env.get(variable) {
            Some(path) => Some(from_home(env, path)),
            None => env.get("HOME").map(|home| Path::new(home).join(".aws").join(file)),
        };
        let files = [place("AWS_CONFIG_FILE", "config"), place("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
        let (mut values, mut found) = (BTreeMap::new(), false);
        for (path, is_config) in files.iter().zip([true, false]) {
            let Some(path) = path else { continue };
            let text = read_file(path)?;
            if let Some(of_file) = section(&text, name, is_config) {
                found = true;
                values.extend(of_file);
            }
        }
        match named.filter(|_| !found) {
            Some(name) => {
                let shown: Vec<_> = files.iter().flatten().map(|path| path.display().to_string()).collect();
                let what = format!("there is no profile {name:?} in {}", shown.join(" or "));
                Err(Trouble::new(what, "correct AWS_PROFILE, or add the profile"))
            }
            None => Ok(Self { name: name.to_owned(), values }),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A key by which other tools get credentials, and which this program does not follow.
    pub(super) fn not_followed(&self) -> Option<&str> {
        let own = |key: &&String| {
            key.starts_with("sso_")
                || ["credential_process", "role_arn", "credential_source", "login_session"]
                    .contains(&key.as_str())
        };
        self.values.keys().find(own).map(String::as_str)
    }
}

fn from_home(env: &CloudEnv, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env.get("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// The text of a file; nothing if there is none.
fn read_file(path: &Path) -> Result<String, Trouble> {
    let refused = |why: String| {
        let help = "correct it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        Trouble::new(format!("{} cannot be read: {why}", path.display()), help)
    };
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(String::new());
        }
        file => file.map_err(|error| refused(error.to_string()))?,
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(refused("it is not a regular file".to_owned()));
    }
    let mut text = String::new();
    match file.take(MOST_BYTES).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(refused("it is not UTF-8".to_owned())),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// The keys of a profile in a file; `None` if it has no such section. What is further in belongs to a key before it.
fn section(text: &str, name: &str, is_config: bool) -> Option<BTreeMap<String, String>> {
    let mut values: Option<BTreeMap<String, String>> = None;
    let mut is_in = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default().trim();
            let of_profile = header.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t']));
            let unquoted = |text: &'_ str| text.trim().trim_matches('"').trim_matches('\'').to_owned();
            let is_default = header == DEFAULT && name == DEFAULT;
            is_in = if is_config {
                is_default || of_profile.is_some_and(|rest| unquoted(rest) == name)
            } else {
                unquoted(header) == name
            };
            if is_in {
                values.get_or_insert_default();
            }
        } else if is_in
            && !line.starts_with([' ', '\t'])
            && let (Some(values), Some((key, value))) = (&mut values, trimmed.split_once('='))
        {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\n[profile lake]\nregion=eu-north-1\ns3 =\n  region = no\n\
                          [sso-session x]\nregion = no\n[profile \"two words\"]\nendpoint_url = http://127.0.0.1:9\n";

    #[test]
    fn a_section_of_the_configuration_is_a_profile_or_the_default() {
        let region = |name| section(CONFIG, name, true)?.get("region").cloned();
        assert_eq!(region("default").as_deref(), Some("eu-west-1"));
        assert_eq!(region("lake").as_deref(), Some("eu-north-1"));
        assert_eq!(section(CONFIG, "two words", true).unwrap().len(), 1);
        assert_eq!(section(CONFIG, "x", true), None);
    }

    #[test]
    fn a_section_of_the_credentials_has_the_bare_name_and_values_with_equals_signs() {
        let text = "[a]\r\naws_secret_access_key = a=b==\r\n; [b]\n[c]\n";
        assert_eq!(section(text, "a", false).unwrap().get("aws_secret_access_key").unwrap(), "a=b==");
        assert_eq!(section(text, "b", false), None);
        assert_eq!(section(text, "c", false), Some(BTreeMap::new()));
    }
}
