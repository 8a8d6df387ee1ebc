//! Where the API key and the login tokens come from, and reading them only when they are needed.
//!
//! What is closest to the process wins: environment, then systemd credential, then a file that the
//! configuration names, then the configuration itself, then a file of the default name.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::env::Env;
use super::problem::{Location, Problem};
use super::settings::SecretText;
use crate::core::Ms;
use crate::secret::Secret;

/// No key or token is longer; whatever is, is some other file.
const MOST_BYTES: u64 = 64 * 1024;

/// Where one secret is to be had.
pub(super) enum Source {
    /// It was given as such.
    Given { secret: Secret, place: Location },
    /// It is in a file.
    File {
        path: PathBuf,
        /// The path as a message may show it.
        shown: String,
        place: Location,
        kind: FileKind,
    },
    /// Nothing is said about it.
    Nowhere,
}

impl fmt::Debug for Source {
    /// Without the path: it may be the secret itself, put into the wrong key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given { place, .. } => write!(f, "Given at {place}"),
            Self::File { shown, kind, .. } => write!(f, "{kind:?} {shown:?}"),
            Self::Nowhere => f.write_str("Nowhere"),
        }
    }
}

impl Source {
    /// The source to read now. A file stays, to be read again; what was given is given once.
    pub(super) fn next_reading(&mut self) -> Self {
        match self {
            Self::File { path, shown, place, kind } => {
                Self::File { path: path.clone(), shown: shown.clone(), place: place.clone(), kind: *kind }
            }
            Self::Given { .. } | Self::Nowhere => std::mem::replace(self, Self::Nowhere),
        }
    }

    /// When the file was last changed; nothing for a credential, which the service manager writes anew at each start.
    pub(super) fn changed_ms(&self) -> Option<Ms> {
        let Self::File { path, kind: FileKind::Named | FileKind::Default, .. } = self else { return None };
        changed_ms(path)
    }
}

/// When a file was last changed (ms), where that can be told.
pub(super) fn changed_ms(path: &Path) -> Option<Ms> {
    let changed = fs::metadata(path).ok()?.modified().ok()?;
    let since = changed.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Ms::try_from(since.as_millis()).ok()
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

/// All that can be said about where one secret is.
pub(super) struct Candidates<'a> {
    /// Its own variable, such as `ARCHIVER_API_KEY`.
    pub(super) variable: Option<&'a str>,
    /// The names of its systemd credential.
    pub(super) credentials: &'a [String],
    /// The secret itself, as the configuration gives it.
    pub(super) inline: Option<SecretText>,
    /// Its file, as the configuration gives it.
    pub(super) file: Option<SecretText>,
    /// The default name of its file.
    pub(super) default_file: Option<&'a str>,
}

impl Candidates<'_> {
    /// The first source in the order of precedence. `dir` is what file names are relative to.
    pub(super) fn choose(self, env: &Env, dir: &Path) -> Source {
        let in_variable = |written: &SecretText| written.place.is_variable();
        let (inline_above, inline) = self.inline.map_or((None, None), |w| either(in_variable(&w), w));
        let (file_above, file) = self.file.map_or((None, None), |w| either(in_variable(&w), w));
        let own = self.variable.and_then(|name| {
            Some(SecretText { place: Location::variable(name), text: env.text(name)?.to_owned() })
        });
        let default =
            self.default_file.map(|name| file_source(dir.join(name), Location::file(dir), FileKind::Default));
        own.map(given)
            .or_else(|| inline_above.map(given))
            .or_else(|| file_above.map(|w| named(w, env, dir)))
            .or_else(|| credential(env, self.credentials))
            .or_else(|| file.map(|w| named(w, env, dir)))
            .or_else(|| inline.map(given))
            .or(default)
            .unwrap_or(Source::Nowhere)
    }
}

impl Source {
    /// Why a file that is written now would not be read, if it would not.
    pub(super) fn instead_of_a_file(&self) -> Option<String> {
        match self {
            Self::Given { place, .. } => Some(place.to_string()),
            Self::File { kind: FileKind::Credential, .. } => Some("a systemd credential".to_owned()),
            Self::File { .. } | Self::Nowhere => None,
        }
    }
}

fn either<T>(first: bool, value: T) -> (Option<T>, Option<T>) {
    if first { (Some(value), None) } else { (None, Some(value)) }
}

fn given(written: SecretText) -> Source {
    Source::Given { secret: Secret::new(written.text.as_str()), place: written.place }
}

fn named(written: SecretText, env: &Env, dir: &Path) -> Source {
    let path = resolve(Path::new(&written.text), env, dir);
    match looks_like_a_secret(&written.text) {
        true => {
            let shown = "the file that it names (such a long name: is that the secret itself?)".to_owned();
            Source::File { path, shown, place: written.place, kind: FileKind::Named }
        }
        false => file_source(path, written.place, FileKind::Named),
    }
}

fn file_source(path: PathBuf, place: Location, kind: FileKind) -> Source {
    Source::File { shown: path.display().to_string(), path, place, kind }
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

/// A path of the configuration: relative to `dir`, with `~/` for the home directory.
pub(super) fn resolve(path: &Path, env: &Env, dir: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env.path("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => dir.join(path),
    }
}

fn credential(env: &Env, names: &[String]) -> Option<Source> {
    let dir = env.path("CREDENTIALS_DIRECTORY")?;
    let path = names.iter().map(|name| dir.join(name)).find(|path| is_given(path))?;
    let place = Location::variable("CREDENTIALS_DIRECTORY");
    Some(file_source(path, place, FileKind::Credential))
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

/// Reads a secret; `None` when there is none to be had.
///
/// `key` is what a complaint is about, such as `api.api_key`.
pub(super) fn load(source: Source, key: &str, warnings: &mut Vec<String>) -> Result<Option<Secret>, Problem> {
    let (secret, place) = match source {
        Source::Nowhere => return Ok(None),
        Source::Given { secret, place } => (secret, place),
        Source::File { path, shown, place, kind } => match read_file(&path, &shown, kind, warnings) {
            Ok(text) => (Secret::new(text.as_str()), place),
            Err(Unreadable::Io(error))
                if kind == FileKind::Default && error.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            Err(why) => {
                return Err(Problem::new(why.about(&shown)).at(&place).key(format!("{key}_file")));
            }
        },
    };
    if !secret.expose().chars().all(|c| c.is_ascii_graphic()) {
        let what = "holds white space or characters that no key or token has: is it the right one?";
        return Err(Problem::new(what).at(&place).key(key));
    }
    Ok(Some(secret))
}

enum Unreadable {
    Io(io::Error),
    Empty,
    TooLong,
    NotText,
}

impl Unreadable {
    fn about(&self, path: &str) -> String {
        match self {
            Self::Io(error) => format!("cannot read {path}: {error}"),
            Self::Empty => format!("{path} is empty"),
            Self::TooLong => format!("{path} is too long for a key or a token: is it the right file?"),
            Self::NotText => format!("{path} is not text: is it the right file?"),
        }
    }
}

fn read_file(
    path: &Path,
    shown: &str,
    kind: FileKind,
    warnings: &mut Vec<String>,
) -> Result<String, Unreadable> {
    let file = fs::File::open(path).map_err(Unreadable::Io)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(Unreadable::Io)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MOST_BYTES) {
        return Err(Unreadable::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| Unreadable::NotText)?;
    if text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    if kind != FileKind::Credential && is_open_to_others(path) {
        warnings.push(format!("{shown} holds a secret and others can read it: chmod 600 it"));
    }
    Ok(text)
}

/// Whether group or others may read the file.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_secret;

    #[test]
    fn the_name_of_a_file_is_told_from_a_secret_in_the_wrong_place() {
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
