//! The layers of the configuration: built-in defaults, a file, the environment. Keys and kinds of values are checked in
//! each; the `config` crate merges them, and serde reads what comes out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::builder::DefaultState;
use config::{ConfigBuilder, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::Config;
use super::env::Env;
use super::keys::{KEYS, KeyKind, anywhere, document, find, join, nearest, to_config, unknown, write_out};
use super::problem::{Location, Problem};
use super::secrets::Written;
use crate::secret::Secret;

/// The prefix of all environment variables.
const PREFIX: &str = "ARCHIVER_";

/// The variable that holds the list of accounts, as a TOML value.
pub(super) const ACCOUNTS_VARIABLE: &str = "ARCHIVER_ACCOUNTS";

/// Variables that begin with the prefix and are no keys.
const OTHER_VARIABLES: &[&str] = &[
    "ARCHIVER_API_KEY",
    "ARCHIVER_CONFIG",
    "ARCHIVER_LOGIN_TOKEN",
    "ARCHIVER_LOG_FORMAT",
    "ARCHIVER_LOG_LEVEL",
];

/// Keys that have another name now: the table they are in, their old name and their new one.
const RENAMED: [(&str, &str, &str); 3] = [
    ("", "attention", "alerts"),
    ("sync", "unlisted_max_runs", "max_runs_between_polls"),
    ("accounts[]", "own_name", "owner_name"),
];

/// Where each key was written, and its value as a message may show it, by its path.
pub(super) type Places = BTreeMap<String, (Location, Option<String>)>;

/// What the layers say, and what is wrong with them. There is no `Debug`: some values are secrets.
pub(super) struct Layers<'a> {
    pub(super) env: &'a Env,
    /// What relative paths are relative to.
    pub(super) dir: &'a Path,
    values: ConfigBuilder<DefaultState>,
    /// Where a variable sets a key too, that is the place.
    pub(super) places: Places,
    /// How many accounts there are.
    pub(super) accounts: usize,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Layers<'a> {
    /// Begins with the defaults.
    pub(super) fn new(env: &'a Env, dir: &'a Path) -> Self {
        let mut layers = Self {
            env,
            dir,
            values: ConfigBuilder::default(),
            places: Places::new(),
            accounts: 0,
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let mut defaults = DeTable::parse(super::DEFAULT_TOML).map(Spanned::into_inner).unwrap_or_default();
        // A file of the default name need not be there, unlike one that is named.
        if let Some(DeValue::Table(api)) = defaults.get_mut("api").map(Spanned::get_mut) {
            api.remove("api_key_file");
        }
        layers.put(&DeValue::Table(defaults));
        layers
    }

    /// Adds a file. A problem with its syntax names line and column and never repeats the text: it may hold a secret.
    pub(super) fn add_file(&mut self, name: &Arc<str>, text: &str) {
        // Some editors begin a file with a byte order mark, which TOML does not know.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match DeTable::parse(text) {
            Ok(table) => {
                self.add(table.into_inner(), &|offset| Location::line(name, position(text, offset).0));
            }
            Err(error) => {
                let (line, column) = start(text, &error);
                let what = format!("invalid TOML at column {column}: {}", error.message());
                self.problems.push(Problem::new(what).at(&Location::line(name, line)));
            }
        }
    }

    /// Adds what variables set.
    pub(super) fn add_env(&mut self) {
        let env = self.env;
        let is_list = |path: &str| ["accounts", "notify"].contains(&path);
        let paths = KEYS.keys().filter(|path| path.contains('.') || is_list(path));
        let paths = paths.filter(|path| !path.contains('['));
        let variables: BTreeMap<String, &str> = paths.map(|path| (variable(path), path.as_str())).collect();
        let renamed: BTreeMap<String, &String> =
            variables.iter().filter_map(|(name, path)| Some((variable(&old_name(path)?), name))).collect();
        for (name, value) in env.starting_with(PREFIX) {
            if OTHER_VARIABLES.contains(&name) || is_set_by_others(name) {
                continue;
            }
            let place = Location::variable(name);
            let mut problem = |what: String| self.problems.push(Problem::new(what).at(&place));
            let current = renamed.get(name).copied();
            if let Some(new) = current {
                if env.text(new).is_some() {
                    problem(format!("is the old name of ${new}, which is set too: unset it"));
                    continue;
                }
                self.warnings.push(Problem::new(format!("{place} is deprecated: use ${new}")));
            }
            match (variables.get(current.map_or(name, String::as_str)), value.to_str()) {
                (_, None) => problem("is not valid UTF-8".to_owned()),
                (None, _) => problem(unknown_variable(name, variables.keys())),
                (Some(path), Some(text)) => match parse(path, &as_toml_number(path, text.trim())) {
                    Ok(value) => self.add(document(path, value), &|_| place.clone()),
                    Err(what) => problem(what),
                },
            }
        }
    }

    /// Checks the keys of a document and the kinds of their values, and puts it over what there is.
    fn add(&mut self, mut table: DeTable<'_>, place: &dyn Fn(usize) -> Location) {
        if table.get("notify").is_some() {
            self.places.retain(|path, _| !path.starts_with("notify"));
        }
        if let Some(accounts) = table.get("accounts") {
            // A list is replaced as a whole.
            self.places.retain(|path, _| !path.starts_with("accounts"));
            self.accounts = accounts.get_ref().as_array().map_or(0, |accounts| accounts.len());
        }
        self.check(&mut table, "", place);
        self.put(&DeValue::Table(table));
    }

    fn put(&mut self, table: &DeValue<'_>) {
        let Some(ValueKind::Table(table)) = to_config(table).map(|value| value.kind) else { return };
        let layer = table
            .into_iter()
            .try_fold(config::Config::builder(), |layer, (key, value)| layer.set_override(key, value));
        if let Ok(layer) = layer.and_then(ConfigBuilder::<DefaultState>::build) {
            self.values = std::mem::take(&mut self.values).add_source(layer);
        }
    }

    /// Checks a table, from which it removes what is reported.
    fn check(&mut self, table: &mut DeTable<'_>, path: &str, place: &dyn Fn(usize) -> Location) {
        self.rename(table, path, place);
        let entries = std::mem::take(table).into_iter().filter_map(|(key, mut value)| {
            // The key's own line: a value may begin further down, and a section's span is not its header's.
            let (own, path) = (place(key.span().start), join(path, key.get_ref()));
            self.check_value(value.get_mut(), &path, own, place).then_some((key, value))
        });
        *table = entries.collect();
    }

    /// Whether a value may stay.
    fn check_value(
        &mut self,
        value: &mut DeValue<'_>,
        path: &str,
        own: Location,
        place: &dyn Fn(usize) -> Location,
    ) -> bool {
        let kind = KeyKind::of(value);
        self.places.insert(path.to_owned(), (own, shown(path, value)));
        match find(path) {
            None => self.problems.push(self.problem(path, unknown(path)).without_value()),
            // Of what should be a number, serde says which.
            Some(key) if !key.kinds.contains(&kind) && key.kinds != [KeyKind::Number] => {
                let what = format!("must be {}, not {}", key.wanted(path), kind.name());
                let problem = self.problem(path, what);
                // Anything may be where a table, a list or an account's text belongs.
                let shy = path.contains('[') || !path.contains('.') || key.kinds.contains(&KeyKind::List);
                self.problems.push(if shy { problem.without_value() } else { problem });
                self.mend(path);
            }
            Some(_) => {
                match value {
                    DeValue::Table(table) => self.check(table, path, place),
                    DeValue::Array(items) => {
                        for (index, item) in items.iter_mut().enumerate() {
                            let (own, path) = (place(item.span().start), format!("{path}[{index}]"));
                            self.check_value(item.get_mut(), &path, own, place);
                            write_out(item, &path);
                        }
                    }
                    _ => {}
                }
                return true;
            }
        }
        false
    }

    /// Gives keys of a table that are written by their old name the new one.
    fn rename(&mut self, table: &mut DeTable<'_>, path: &str, place: &dyn Fn(usize) -> Location) {
        for (_, old, new) in RENAMED.into_iter().filter(|(section, ..)| *section == anywhere(path)) {
            let Some((key, value)) = table.remove_entry(old) else { continue };
            let (place, path) = (place(key.span().start), join(path, old));
            if table.contains_key(new) {
                let what = format!("is the old name of `{new}`, which is given too: remove it");
                self.problems.push(Problem::new(what).at(&place).key(path));
            } else {
                self.warnings.push(Problem::new(format!("{path} is deprecated: use {new}")).at(&place));
                table.insert(Spanned::new(key.span(), Cow::Borrowed(new)), value);
            }
        }
    }

    /// Puts the example of the default file in the place of what was reported, so that the rest can be read.
    fn mend(&mut self, path: &str) {
        let Some(key) = find(path) else { return };
        if let Ok(values) = std::mem::take(&mut self.values).set_override(path, key.example.clone()) {
            self.values = values;
        }
    }

    /// A path of the configuration: relative to its file, with `~/` for the home directory.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), self.env.path("HOME")) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.dir.join(path),
        }
    }

    /// A secret or the name of its file, with where it was written.
    pub(super) fn written(&self, key: &str, text: Option<Secret>) -> Option<Written> {
        Some(Written { place: self.places.get(key)?.0.clone(), text: text? })
    }

    /// A problem with what stands at this path.
    pub(super) fn problem(&self, path: &str, what: impl Into<String>) -> Problem {
        let problem = Problem::new(what).key(path);
        let Some((place, value)) = self.places.get(path) else { return problem };
        value.iter().fold(problem.at(place), |problem, value| problem.value(value))
    }

    /// Warns of what stands at this path.
    pub(super) fn warn(&mut self, path: &str, what: &str) {
        let warning = Problem::new(format!("{path}{what}"));
        let place = self.places.get(path);
        self.warnings.push(place.into_iter().fold(warning, |warning, (place, _)| warning.at(place)));
    }

    /// Reads what the layers say together, and reports every value that is out of its range.
    pub(super) fn read(&mut self) -> Option<Config> {
        // Each turn mends one key.
        for _ in 0..=self.places.len() {
            let merged = self.values.build_cloned();
            let (path, what) = match merged.and_then(config::Config::try_deserialize) {
                Ok(config) => return Some(config),
                Err(config::ConfigError::At { key: Some(path), error, .. }) => (path, error.to_string()),
                Err(config::ConfigError::NotFound(path)) => (path, "is missing".to_owned()),
                // It is not repeated: it may hold a value.
                Err(_) => break,
            };
            // The `config` crate leaves out the dot behind a place in a list.
            let path = path.replace(']', "].").trim_end_matches('.').to_owned();
            // What was written in short is known by the whole of it.
            let (table, _) = path.rsplit_once('.').unwrap_or_default();
            let known = if self.places.contains_key(&path) { &path } else { table };
            let mut problem = self.problem(known, &what);
            if what == "is missing" {
                problem = problem.key(&path);
            }
            self.problems.push(problem);
            self.mend(&path);
        }
        self.problems.push(Problem::new("the configuration cannot be read"));
        None
    }
}

/// What a variable says, read as the kind of value that its key takes: so a key of digits stays as it is. What cannot be
/// read so is a text, of which that is said.
fn parse<'a>(path: &str, text: &'a str) -> Result<Spanned<DeValue<'a>>, String> {
    let as_text = Spanned::new(0..0, DeValue::String(Cow::Borrowed(text)));
    match find(path).map(|key| key.kinds.as_slice()) {
        Some([KeyKind::Text]) => Ok(as_text),
        _ => match DeValue::parse(text) {
            Err(error) if path == "accounts" || path == "notify" => {
                let (line, column) = start(text, &error);
                Err(format!("invalid TOML at line {line}, column {column}: {}", error.message()))
            }
            parsed => Ok(parsed.unwrap_or(as_text)),
        },
    }
}

/// Rust reads more numbers than TOML does, such as those that begin with a zero.
fn as_toml_number<'a>(path: &str, text: &'a str) -> Cow<'a, str> {
    let whole = text.parse::<i64>().map(|n| n.to_string());
    let number = whole.ok().or_else(|| Some(format!("{:?}", text.parse::<f64>().ok()?).to_lowercase()));
    let wanted = find(path).is_some_and(|key| key.kinds == [KeyKind::Number]);
    number.filter(|_| wanted).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The environment variable that sets a key.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// The path that a key had before it or its section was renamed.
fn old_name(path: &str) -> Option<String> {
    RENAMED.iter().find_map(|(section, old, new)| {
        let rest = path.strip_prefix(join(section, new).as_str())?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{}{rest}", join(section, old)))
    })
}

/// Container platforms announce a service named `archiver` by such variables to every process near it, and the alert
/// command is given some that `archiver` sees when the command runs it.
fn is_set_by_others(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    let alert = rest.strip_prefix("ALERT_").or_else(|| rest.strip_prefix("ATTENTION_"));
    rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_")
        || alert.is_some_and(|rest| ["KIND", "ACCOUNT", "MESSAGE"].contains(&rest))
}

fn unknown_variable<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let dotted = |name: &str| name.trim_start_matches(PREFIX).replace("__", ".").to_lowercase();
    let known = known.map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
    let known: BTreeMap<String, &str> = known.map(|name| (dotted(name), name)).collect();
    match nearest(&dotted(name), known.keys().map(String::as_str)).and_then(|near| known.get(near)) {
        Some(near) => format!("unknown variable; did you mean {near}?"),
        None => "unknown variable".to_owned(),
    }
}

/// A value for a message: short, on one line, and certainly no secret.
fn shown(path: &str, value: &DeValue<'_>) -> Option<String> {
    const MOST: usize = 80;
    // User name and password of a URL are secrets, and its query may hold one.
    let doubtful = |text: &str| text.contains('@') || text.contains("://") && text.contains(['?', '#']);
    match value {
        _ if ["api_key", "login_token", "api.proxy", "ping_url"]
            .iter()
            .any(|secret| path.contains(secret)) =>
        {
            None
        }
        // The URL of a sink can be called by whoever knows it, and anything may be where its secret's file belongs.
        _ if path.starts_with("notify[")
            && ["url", "_file", "username", "proxy"].iter().any(|end| path.ends_with(end)) =>
        {
            None
        }
        DeValue::String(text) if doubtful(text) && !path.contains('[') => None,
        // Of an account, anything may be where a number belongs.
        DeValue::String(_)
            if path.contains('[') && find(path).is_some_and(|key| key.kinds == [KeyKind::Number]) =>
        {
            None
        }
        DeValue::String(text) => {
            let cut = if text.chars().count() > MOST { "…" } else { "" };
            Some(format!("{:?}", text.chars().take(MOST).chain(cut.chars()).collect::<String>()))
        }
        DeValue::Integer(n) => Some(n.to_string()),
        DeValue::Float(n) => Some(n.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Line and column, counted from 1, of a syntax error.
fn start(text: &str, error: &Error) -> (usize, usize) {
    position(text, error.span().map_or(0, |span| span.start))
}

/// Line and column, counted from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
