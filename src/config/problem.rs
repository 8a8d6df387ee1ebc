//! What is wrong with a configuration: every problem at once, each with its place, key and value.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was written: a line of a file, a variable, a flag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    source: Arc<str>,
    line: usize,
}

impl Location {
    /// A line of a file, counted from 1; 0 is the file as a whole.
    pub(super) fn line(file: &Arc<str>, line: usize) -> Self {
        Self { source: Arc::clone(file), line }
    }

    /// A file as a whole.
    pub(super) fn file(path: &Path) -> Self {
        Self { source: path.display().to_string().into(), line: 0 }
    }

    /// An environment variable.
    pub(super) fn variable(name: &str) -> Self {
        Self { source: format!("${name}").into(), line: 0 }
    }

    /// Whether an environment variable.
    pub(super) fn is_variable(&self) -> bool {
        self.source.starts_with('$')
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}

/// One thing that is wrong. A secret's value is never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: Option<Location>,
    key: Option<String>,
    value: Option<String>,
    what: String,
    /// Whether the value is of another type than the key's.
    wrong_type: bool,
}

impl Problem {
    /// A problem that belongs to no place in particular.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { place: None, key: None, value: None, what: what.into(), wrong_type: false }
    }

    pub(super) fn at(mut self, place: &Location) -> Self {
        self.place = Some(place.clone());
        self
    }

    pub(super) fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds the value as it was written: only for keys that hold no secret.
    pub(super) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    pub(super) fn of_wrong_type(mut self, wrong_type: bool) -> Self {
        self.wrong_type = wrong_type;
        self
    }

    /// Whether the value of this very key is of another type than the key's.
    pub(super) fn is_wrong_type_of(&self, key: &str) -> bool {
        self.wrong_type && self.key.as_deref() == Some(key)
    }

    pub(super) fn place(&self) -> Option<&Location> {
        self.place.as_ref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value}: {}", self.what),
            (Some(key), None) => write!(f, "{key}: {}", self.what),
            (None, _) => f.write_str(&self.what),
        }
    }
}

/// A configuration that cannot be used: all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
    help: String,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        let help = "`archiver default-config` prints every key with its default and what it does".to_owned();
        Self { problems, help }
    }

    /// The same with other advice.
    pub(super) fn advising(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    pub(super) fn with_help(problem: Problem, help: impl Into<String>) -> Self {
        Self { problems: vec![problem], help: help.into() }
    }

    /// Everything that is wrong, in the order in which it was written.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// One line on how to go on.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.problems.as_slice() {
            return write!(f, "{only}");
        }
        write!(f, "{} problems in the configuration:", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// The paths of all keys, `section.name`, as the default file lists them.
pub(super) fn known_keys() -> Vec<String> {
    let (mut section, mut keys) = ("", Vec::new());
    for line in super::DEFAULT_TOML.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']);
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.push(format!("{section}.{key}"));
        }
    }
    keys
}

/// The known name that was probably meant, if any is near enough; of equals the first.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.5;
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let score = likeness(name, candidate);
        if score >= best.map_or(NEAR, |(top, _)| top + f64::EPSILON) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How alike two paths are, from 0 to 1.
fn likeness(a: &str, b: &str) -> f64 {
    let alike = strsim::normalized_damerau_levenshtein;
    let ((section_a, name_a), (section_b, name_b)) = (split(a), split(b));
    // The beginning of a name is what people remember of it.
    if name_a.len() >= 3 && name_b.starts_with(name_a) {
        return 0.95;
    }
    if section_a == section_b {
        return alike(name_a, name_b);
    }
    // A dot may be missing. The right name in the wrong section is likelier meant than a distant one in the right one.
    let whole = if section_a.is_empty() || section_b.is_empty() { alike(a, b) } else { 0.0 };
    whole.max(0.9 * alike(name_a, name_b))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let known = [
            "api",
            "budget",
            "api.timeout_secs",
            "api.retries",
            "budget.credits_per_run",
            "schedule.timezone",
            "sync.inbox",
        ];
        for (wrong, meant) in [
            ("budgt", "budget"),
            ("api.timeout_sec", "api.timeout_secs"),
            ("api.timezone", "schedule.timezone"),
            ("timezone", "schedule.timezone"),
            ("budget_credits_per_run", "budget.credits_per_run"),
            ("budgt.credits_per_rn", "budget.credits_per_run"),
        ] {
            assert_eq!(nearest(wrong, known), Some(meant), "{wrong}");
        }
        assert_eq!(nearest("wxyz", known), None);
    }

    #[test]
    fn one_problem_is_one_line_and_several_are_listed() {
        let place = Location::line(&"archiver.toml".into(), 4);
        let one = Problem::new("must be from 0 to 10").at(&place).key("api.retries").value("11");
        let line = "archiver.toml:4: api.retries = 11: must be from 0 to 10";
        assert_eq!(ConfigError::new(vec![one.clone()]).to_string(), line);
        let both = ConfigError::new(vec![one, Problem::new("second")]).to_string();
        assert_eq!(both, format!("2 problems in the configuration:\n  {line}\n  second"));
    }
}
