//! The layers of the configuration: built-in defaults, a file, the environment. Each is checked alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use config::{Map, Source, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::env::Env;
use super::problem::{Location, Problem, known_keys, nearest};
use super::settings::Document;
use super::strict::{Places, join, note_places, problems, quoted, to_layer};

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
    ("accounts", "own_name", "owner_name"),
];

/// What the layers say, and what is wrong with them.
#[derive(Default)]
pub(super) struct Layers {
    values: Vec<Layer>,
    /// Where each key was written; where a variable sets it too, that is the variable.
    pub(super) places: Places,
    /// How many accounts there are.
    pub(super) accounts: usize,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

/// The values of one document that has been checked. There is no `Debug` of its own: some may be secrets.
#[derive(Clone)]
struct Layer(Map<String, Value>);

impl Layers {
    /// Adds a file. A problem with its syntax names line and column and never repeats the text: it may hold a secret.
    pub(super) fn add_file(&mut self, name: &Arc<str>, text: &str) {
        // Some editors begin a file with a byte order mark, which TOML does not know.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let place = |offset| Location::line(name, position(text, offset).0);
        match DeTable::parse(text) {
            Ok(table) => self.add(table.into_inner(), &place),
            Err(error) => {
                let (line, column) = start(text, &error);
                let what = format!("invalid TOML at column {column}: {}", error.message());
                self.problems.push(Problem::new(what).at(&Location::line(name, line)));
            }
        }
        self.problems.sort_by(|a, b| a.place().cmp(&b.place()));
    }

    /// Adds what variables set.
    pub(super) fn add_env(&mut self, env: &Env) {
        let variables: BTreeMap<String, String> = known_keys()
            .into_iter()
            .filter(|path| !path.starts_with("accounts."))
            .map(|path| (variable(&path), path))
            .chain([(ACCOUNTS_VARIABLE.to_owned(), "accounts".to_owned())])
            .collect();
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
                self.warnings.push(format!("{place} is deprecated: use ${new}"));
            }
            match (variables.get(current.map_or(name, String::as_str)), value.to_str()) {
                (_, None) => problem("is not valid UTF-8".to_owned()),
                (None, _) => problem(unknown_variable(name, variables.keys())),
                (Some(path), Some(text)) => self.add_variable(path, text, &place),
            }
        }
    }

    /// Adds what one variable sets, read as whichever kind of value the key takes: first as a string, so that a key of
    /// digits stays as it is.
    fn add_variable(&mut self, path: &str, text: &str, place: &Location) {
        let trimmed = text.trim();
        // Rust reads more numbers than TOML does, such as those that begin with a zero.
        let whole = trimmed.parse::<i64>().map(|n| n.to_string());
        let number =
            whole.ok().or_else(|| Some(format!("{:?}", trimmed.parse::<f64>().ok()?).to_lowercase()));
        let parsed = DeValue::parse(number.as_deref().unwrap_or(trimmed));
        let string = |text| Ok(Spanned::new(0..0, DeValue::String(Cow::Borrowed(text))));
        let as_strings = [string(text), string(trimmed)].into_iter().filter(|_| path != "accounts");
        let mut reported = None;
        for value in as_strings.chain([parsed]) {
            let table = match value {
                Ok(value) => document(path, value),
                Err(error) if path == "accounts" => {
                    let (line, column) = start(trimmed, &error);
                    let what = format!("invalid TOML at line {line}, column {column}: {}", error.message());
                    reported = Some(vec![Problem::new(what).at(place)]);
                    continue;
                }
                Err(_) => continue,
            };
            let mut alone = Self::default();
            alone.add(table, &|_| place.clone());
            if alone.problems.is_empty() {
                return self.append(alone);
            }
            // A value of the right type that is out of range says more than one of the wrong type.
            if reported.is_none() || !alone.problems.iter().any(|problem| problem.is_wrong_type_of(path)) {
                reported = Some(alone.problems);
            }
        }
        self.problems.extend(reported.into_iter().flatten());
    }

    fn append(&mut self, other: Self) {
        self.values.extend(other.values);
        if other.places.contains_key("accounts") {
            self.accounts = other.accounts;
        }
        self.places.extend(other.places);
        self.warnings.extend(other.warnings);
    }

    /// Checks a document and adds its values.
    fn add(&mut self, mut table: DeTable<'_>, place: &dyn Fn(usize) -> Location) {
        self.rename(&mut table, place);
        let document = DeValue::Table(table);
        note_places(&document, "", place, &mut self.places);
        self.problems.extend(problems(&document, &self.places));
        if let Some(accounts) = document.get("accounts").and_then(|accounts| accounts.get_ref().as_array()) {
            self.accounts = accounts.len();
            self.refuse_same_names(accounts.iter().map(Spanned::get_ref));
        }
        match to_layer(&document) {
            Ok(values) if self.problems.is_empty() => self.values.push(Layer(values)),
            Ok(_) => {}
            Err(problem) if self.problems.is_empty() => self.problems.push(problem),
            Err(_) => {}
        }
    }

    /// Gives keys that are written by their old name the new one.
    fn rename(&mut self, root: &mut DeTable<'_>, place: &dyn Fn(usize) -> Location) {
        for (section, old, new) in RENAMED {
            let tables: Vec<(String, &mut DeTable<'_>)> = match root.get_mut(section).map(Spanned::get_mut) {
                _ if section.is_empty() => vec![(String::new(), root)],
                Some(DeValue::Table(table)) => vec![(section.to_owned(), table)],
                Some(DeValue::Array(items)) => {
                    let tables =
                        items.iter_mut().enumerate().filter_map(|(index, item)| match item.get_mut() {
                            DeValue::Table(table) => Some((format!("{section}[{index}]"), table)),
                            _ => None,
                        });
                    tables.collect()
                }
                _ => Vec::new(),
            };
            for (path, table) in tables {
                let Some((key, value)) = table.remove_entry(old) else { continue };
                let (place, path) = (place(key.span().start), join(&path, old));
                if table.contains_key(new) {
                    let what = format!("is the old name of `{new}`, which is given too: remove it");
                    self.problems.push(Problem::new(what).at(&place).key(path));
                } else {
                    self.warnings.push(format!("{place}: {path} is deprecated: use {new}"));
                    table.insert(Spanned::new(key.span(), Cow::Borrowed(new)), value);
                }
            }
        }
    }

    fn refuse_same_names<'a>(&mut self, accounts: impl Iterator<Item = &'a DeValue<'a>>) {
        let mut seen = BTreeSet::new();
        for (index, account) in accounts.enumerate() {
            let name = account.get("name").and_then(|name| name.get_ref().as_str());
            let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { continue };
            if !seen.insert(name.to_lowercase()) {
                let key = format!("accounts[{index}].name");
                let problem = Problem::new("another account has this name already").value(quoted(name));
                let problem = self.places.get(&key).into_iter().fold(problem, Problem::at);
                self.problems.push(problem.key(key));
            }
        }
    }

    /// The layers over the defaults, each over the ones before it.
    pub(super) fn merge(self) -> Result<Document, Problem> {
        let mut defaults = DeTable::parse(super::DEFAULT_TOML).map(Spanned::into_inner).unwrap_or_default();
        // A file of the default name need not be there, unlike one that is named.
        if let Some(DeValue::Table(api)) = defaults.get_mut("api").map(Spanned::get_mut) {
            api.remove("api_key_file");
        }
        let defaults = Layer(to_layer(&DeValue::Table(defaults))?);
        let builder = [defaults]
            .into_iter()
            .chain(self.values)
            .fold(config::Config::builder(), |all, layer| all.add_source(layer));
        // The error is not repeated: it may hold a value.
        let merged = builder.build().and_then(config::Config::try_deserialize);
        merged.map_err(|_| Problem::new("the configuration cannot be merged"))
    }
}

impl std::fmt::Debug for Layer {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// A document that sets one key.
fn document<'a>(path: &'a str, value: Spanned<DeValue<'a>>) -> DeTable<'a> {
    let table = |value, name| {
        let mut table = DeTable::new();
        table.insert(Spanned::new(0..0, Cow::Borrowed(name)), value);
        table
    };
    match path.split_once('.') {
        Some((section, key)) => table(Spanned::new(0..0, DeValue::Table(table(value, key))), section),
        None => table(value, path),
    }
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
