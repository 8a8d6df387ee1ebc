//! One layer of the configuration: built-in defaults, a file, the environment; each is checked alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{Source, Value, ValueKind};

use super::env::Env;
use super::keys::{KEYS, Key, Kind, PREFIX, SECTIONS};
use super::node::{Node, Plain, parse_file, parse_variable, shown_name};
use super::problem::{Place, Problem, nearest};

/// The variable that holds the list of accounts, as a TOML value.
pub(super) const ACCOUNTS_VARIABLE: &str = "ARCHIVER_ACCOUNTS";

/// Variables that begin with the prefix and are no keys.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "ARCHIVER_API_KEY",
    "ARCHIVER_CONFIG",
    "ARCHIVER_LOGIN_TOKEN",
    "ARCHIVER_LOG_FORMAT",
    "ARCHIVER_LOG_LEVEL",
];

/// The checked values of one layer, by their keys' paths.
#[derive(Clone, Default)]
pub(super) struct Layer {
    values: BTreeMap<&'static str, (Place, ValueKind)>,
}

impl Layer {
    /// The built-in defaults. Those of the secrets' files are no values: such a file need not be there.
    pub(super) fn defaults() -> Self {
        let place = Place::line(&"built-in default".into(), 0);
        let stands = |key: &&Key| !matches!(key.kind, Kind::SecretFile);
        let value = |key: &'static Key| Some((key.path, (place.clone(), key.default_value()?)));
        Self { values: KEYS.iter().filter(stands).filter_map(value).collect() }
    }

    /// A file's values and its list of accounts.
    pub(super) fn of_file(name: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> (Self, Option<Node>) {
        let mut layer = Self::default();
        let mut accounts = None;
        match parse_file(name, text) {
            Err(problem) => problems.push(problem),
            Ok(sections) => {
                for (section, node) in sections {
                    match section.as_str() {
                        "accounts" => accounts = Some(node),
                        _ => layer.take_section(&section, node, problems),
                    }
                }
            }
        }
        (layer, accounts)
    }

    /// The values that variables set and the list of accounts, if one does.
    pub(super) fn of_env(env: &Env, problems: &mut Vec<Problem>) -> (Self, Option<Node>) {
        let mut layer = Self::default();
        let mut accounts = None;
        for (name, value) in env.starting_with(PREFIX) {
            if OTHER_VARIABLES.contains(&name) || is_service_link(name) {
                continue;
            }
            let key = KEYS.iter().find(|key| key.variable() == name);
            let place = Place::variable(name);
            let Some(text) = value.to_str() else {
                problems.push(Problem::new("is not Unicode text").at(&place));
                continue;
            };
            match key {
                Some(key) => layer.take(key, &Node { value: key.read_variable(text), place }, problems),
                None if name == ACCOUNTS_VARIABLE => match parse_variable(name, text) {
                    Ok(node) => accounts = Some(node),
                    Err(problem) => problems.push(problem),
                },
                None => problems.push(unknown_variable(name).at(&place)),
            }
        }
        (layer, accounts)
    }

    fn take_section(&mut self, section: &str, node: Node, problems: &mut Vec<Problem>) {
        if !SECTIONS.contains(&section) {
            let known = SECTIONS.iter().copied().chain(KEYS.iter().map(|key| key.path));
            let near = nearest(section, known).unwrap_or_default();
            let what = format!("unknown key; the nearest known one is `{near}`");
            return problems.push(Problem::new(what).at(&node.place).key(shown_name(section)));
        }
        let Plain::Table(entries) = node.value else {
            let what = format!("must be a section, begun by [{section}], not {}", node.value.kind());
            return problems.push(Problem::new(what).at(&node.place).key(section));
        };
        for (name, node) in entries {
            let path = format!("{section}.{name}");
            match Key::find(&path) {
                Some(key) => self.take(key, &node, problems),
                None => {
                    let near = nearest(&path, KEYS.iter().map(|key| key.path)).unwrap_or_default();
                    let what = format!("unknown key; the nearest known one is `{near}`");
                    let shown = format!("{section}.{}", shown_name(&name));
                    problems.push(Problem::new(what).at(&node.place).key(shown));
                }
            }
        }
    }

    fn take(&mut self, key: &'static Key, node: &Node, problems: &mut Vec<Problem>) {
        match key.check(node) {
            Ok(value) => {
                self.values.insert(key.path, (node.place.clone(), value));
            }
            Err(problem) => problems.push(problem),
        }
    }

    /// Where this layer says something about a key.
    pub(super) fn place(&self, path: &str) -> Option<&Place> {
        self.values.get(path).map(|(place, _)| place)
    }
}

/// Container platforms announce a service named `archiver` by such variables to every process near it.
fn is_service_link(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

fn unknown_variable(name: &str) -> Problem {
    let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let all = variables.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
    let dotted = |name: &str| name.trim_start_matches(PREFIX).replace("__", ".").to_lowercase();
    let known: BTreeMap<String, &str> =
        all.chain([ACCOUNTS_VARIABLE]).map(|name| (dotted(name), name)).collect();
    let near = nearest(&dotted(name), known.keys().map(String::as_str)).unwrap_or_default();
    let near = known.get(near).copied().unwrap_or_default();
    Problem::new(format!("unknown variable; the nearest known one is {near}"))
}

impl std::fmt::Debug for Layer {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, Value>, config::ConfigError> {
        let value = |(path, (place, kind)): (&&str, &(Place, ValueKind))| {
            ((*path).to_owned(), Value::new(Some(&place.to_string()), kind.clone()))
        };
        Ok(self.values.iter().map(value).collect())
    }
}
