//! Where the API key, the login tokens and the account ids come from, and reading them only when they are needed.
//!
//! What is closest to the process wins: environment, then systemd credential, then a file that the configuration names,
//! then the configuration itself, then a file of the default name.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::env::Env;
use super::files::read_small;
use super::layer::Layers;
use super::problem::{Location, Problem};
use crate::core::Ms;
use crate::secret::Secret;

/// No key or token is longer; whatever is, is some other file.
const MOST_BYTES: u64 = 64 * 1024;

/// A secret or the name of its file, and where that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) place: Location,
    pub(super) text: Secret,
}

/// Where one secret is.
#[derive(Debug, Default)]
pub(super) enum Source {
    /// It was given as such.
    Given(Written),
    File(SecretFile),
    /// Nothing is said about it.
    #[default]
    Nowhere,
}

/// A file that holds a secret and nothing else.
#[derive(Clone)]
pub(super) struct SecretFile {
    path: PathBuf,
    /// The path as a message may show it.
    shown: String,
    place: Location,
    kind: FileKind,
}

/// What is known about a secret's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Named by the configuration.
    Named,
    /// Put there by the service manager, which sees to its permissions.
    Credential,
    /// Of the default name: it need not be there.
    Default,
}

impl fmt::Debug for SecretFile {
    /// Without the path: it may be the secret itself, put into the wrong key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.kind, self.shown)
    }
}

impl SecretFile {
    fn new(path: PathBuf, place: Location, kind: FileKind) -> Self {
        Self { shown: path.display().to_string(), path, place, kind }
    }

    fn named(written: &Written, layers: &Layers<'_>) -> Self {
        let name = written.text.expose();
        let file = Self::new(layers.resolve(Path::new(name)), written.place.clone(), FileKind::Named);
        match looks_like_a_secret(name) {
            true => Self {
                shown: "the file that it names (such a long name: is that the secret itself?)".to_owned(),
                ..file
            },
            false => file,
        }
    }
}

impl SecretFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path as a message may show it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Where it is named.
    pub(super) fn place(&self) -> &Location {
        &self.place
    }

    /// What is to be said of its permissions, if anything is.
    pub(super) fn warning(&self) -> Option<String> {
        let open = self.kind != FileKind::Credential && is_open_to_others(&self.path);
        open.then(|| format!("{} holds a secret and others can read it: chmod 600 it", self.shown))
    }
}

impl Source {
    /// The source to read now. A file stays, to be read again; what was given is given once.
    pub(super) fn next_reading(&mut self) -> Self {
        match self {
            Self::File(file) => Self::File(file.clone()),
            Self::Given(_) | Self::Nowhere => std::mem::replace(self, Self::Nowhere),
        }
    }

    /// That its file, which need not be there, was not.
    pub(super) fn looked_for(&self) -> String {
        match self {
            Self::File(file) => format!(" (there is no file {})", file.shown),
            Self::Given(_) | Self::Nowhere => String::new(),
        }
    }

    /// When the file was last changed (ms); nothing for a credential, which the service manager writes anew at each
    /// start.
    pub(super) fn changed_ms(&self) -> Option<Ms> {
        let Self::File(SecretFile { path, kind: FileKind::Named | FileKind::Default, .. }) = self else {
            return None;
        };
        let changed = fs::metadata(path).ok()?.modified().ok()?;
        let since = changed.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
        Ms::try_from(since.as_millis()).ok()
    }

    /// Why a file that is written now would not be read, if it would not.
    pub(super) fn instead_of_a_file(&self) -> Option<String> {
        match self {
            Self::Given(written) => Some(written.place.to_string()),
            Self::File(SecretFile { kind: FileKind::Credential, .. }) => {
                Some("a systemd credential".to_owned())
            }
            Self::File(_) | Self::Nowhere => None,
        }
    }
}

/// All that can be said about where one secret is.
#[derive(Debug, Default)]
pub(super) struct Candidates<'a> {
    /// Its own variable, such as `ARCHIVER_API_KEY`.
    pub(super) variable: Option<&'a str>,
    /// The names of its systemd credential.
    pub(super) credentials: Vec<String>,
    /// The secret itself, as the configuration gives it.
    pub(super) inline: Option<Written>,
    /// Its file, as the configuration gives it.
    pub(super) file: Option<Written>,
    /// The default name of its file.
    pub(super) default_file: Option<&'a str>,
}

impl Candidates<'_> {
    /// The first source in the order of precedence.
    pub(super) fn choose(mut self, layers: &Layers<'_>) -> Source {
        let (env, dir) = (layers.env, layers.dir);
        let named = |written: Written| Source::File(SecretFile::named(&written, layers));
        let in_variable = |written: &mut Written| written.place.is_variable();
        let own = self.variable.and_then(|name| {
            Some(Written { place: Location::variable(name), text: Secret::new(env.text(name)?) })
        });
        let default = |name| SecretFile::new(dir.join(name), Location::file(dir), FileKind::Default);
        own.or_else(|| self.inline.take_if(in_variable))
            .map(Source::Given)
            .or_else(|| self.file.take_if(in_variable).map(named))
            .or_else(|| credential(env, &self.credentials).map(Source::File))
            .or_else(|| self.file.take().map(named))
            .or_else(|| self.inline.take().map(Source::Given))
            .or_else(|| self.default_file.map(default).map(Source::File))
            .unwrap_or(Source::Nowhere)
    }
}

/// Whether the name of a file may be the secret itself, put into the wrong key: long, and no path; or relative and
/// as mixed as base64 is, in which a slash is a letter like others.
pub(super) fn looks_like_a_secret(name: &str) -> bool {
    let longest = name.split('/').map(str::len).max().unwrap_or(0);
    let has = |what: fn(&char) -> bool| name.chars().any(|c| what(&c));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let relative = !name.starts_with(['/', '~']) && !name.contains('.');
    longest > 64 || (longest >= 20 && !name.contains(['/', '.'])) || (name.len() >= 20 && mixed && relative)
}

fn credential(env: &Env, names: &[String]) -> Option<SecretFile> {
    let dir = env.path("CREDENTIALS_DIRECTORY")?;
    let path = names.iter().map(|name| dir.join(name)).find(|path| is_given(path))?;
    Some(SecretFile::new(path, Location::variable("CREDENTIALS_DIRECTORY"), FileKind::Credential))
}

/// Whether a credential is there and not blank: the units hand over a blank one in place of a file that is missing,
/// without which the service manager would not start the program that can say what is.
pub(crate) fn is_given(credential: &Path) -> bool {
    match fs::metadata(credential) {
        // One that cannot be read is complained of when it is.
        Ok(meta) if meta.is_file() => {
            meta.len() > 64 || fs::read(credential).map_or(true, |bytes| !bytes.trim_ascii().is_empty())
        }
        _ => false,
    }
}

/// Reads a secret; `None` when there is none.
///
/// `key` is what a complaint is about, such as `api.api_key`.
pub(super) fn load(source: Source, key: &str, warnings: &mut Vec<String>) -> Result<Option<Secret>, Problem> {
    let (secret, place, key, file) = match source {
        Source::Nowhere => return Ok(None),
        Source::Given(Written { place, text }) => (text, place, key.to_owned(), None),
        Source::File(file) => {
            let key_of_file = format!("{key}_file");
            let failed = |why| Problem::new(why).at(&file.place).key(&key_of_file);
            let Some(secret) = read_file(&file).map_err(failed)? else { return Ok(None) };
            // An account's id is no secret.
            warnings.extend(file.warning().filter(|_| !key.ends_with("account_id")));
            (secret, file.place, key_of_file, Some(file.shown))
        }
    };
    let Some(what) = oddity(secret.expose()) else { return Ok(Some(secret)) };
    let file = file.map(|shown| format!("{shown} ")).unwrap_or_default();
    Err(Problem::new(format!("{file}{what}")).at(&place).key(key))
}

/// Why a text is no key, token or id.
fn oddity(text: &str) -> Option<&'static str> {
    const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
    if text.starts_with(QUOTES) && text.ends_with(QUOTES) {
        return Some("holds quotes around the key, token or id: remove them");
    }
    let fine = text.chars().all(|c| c.is_ascii_graphic());
    (!fine).then_some("holds white space or characters that no key, token or id has: is it the right one?")
}

fn read_file(file: &SecretFile) -> Result<Option<Secret>, String> {
    let shown = &file.shown;
    match read_small(&file.path, MOST_BYTES).map(Secret::from) {
        Ok(secret) if secret.is_empty() => Err(format!("{shown} is empty")),
        Ok(secret) => Ok(Some(secret)),
        Err(error) if file.kind == FileKind::Default && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {shown}: {error}")),
    }
}

/// Whether group or others may read the file.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_secret;

    #[test]
    fn a_file_name_that_may_be_the_secret_is_recognised() {
        let jwt = format!("eyJhbGciOiJIUzI1NiJ9.{}.sig", "x".repeat(65));
        for secret in ["sk_live_0123456789abcdefghij", "AQEDAR+sW8/pN3v/ab==", "q7Kk4R/9xTq7/aaaaaaaaa", &jwt]
        {
            assert!(looks_like_a_secret(secret), "{secret}");
        }
        for path in [
            "api_key",
            "keys/linkup-api/production",
            "../Secrets/Linkup/Key-2026",
            "/users/ada/Archive2026/api_key",
            "~/Archive2026/linkup/api_key",
        ] {
            assert!(!looks_like_a_secret(path), "{path}");
        }
    }
}
