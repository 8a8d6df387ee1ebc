//! What is wrong with a configuration: every problem at once, each with its place, key and value.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was written: a line of a file, a variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    is_variable: bool,
    source: Arc<str>,
    line: usize,
}

impl Location {
    /// A line of a file, counted from 1; 0 is the file as a whole.
    pub(super) fn line(file: &Arc<str>, line: usize) -> Self {
        Self { is_variable: false, source: Arc::clone(file), line }
    }

    pub(super) fn file(path: &Path) -> Self {
        Self::line(&path.display().to_string().into(), 0)
    }

    pub(super) fn variable(name: &str) -> Self {
        Self { is_variable: true, source: format!("${name}").into(), line: 0 }
    }

    pub(super) fn is_variable(&self) -> bool {
        self.is_variable
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

/// One thing that is wrong. A secret's value is never in it. In order: by file and line, variables last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    place: Option<Location>,
    key: Option<String>,
    value: Option<String>,
    what: String,
}

impl Problem {
    /// A problem that belongs to no place in particular.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { place: None, key: None, value: None, what: what.into() }
    }

    pub(super) fn at(self, place: &Location) -> Self {
        Self { place: Some(place.clone()), ..self }
    }

    pub(super) fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Adds the value as it was written: only for keys that hold no secret.
    pub(super) fn value(self, value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), ..self }
    }

    pub(super) fn without_value(self) -> Self {
        Self { value: None, ..self }
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

    /// Everything that is wrong, in the order in which it was written.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// One line on how to go on.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_is_one_line_and_several_are_listed() {
        let place = Location::line(&"archiver.toml".into(), 4);
        let one = Problem::new("must be from 0 to 10").at(&place).key("api.retries").value("11");
        let line = "archiver.toml:4: api.retries = 11: must be from 0 to 10";
        assert_eq!(ConfigError::from(one.clone()).to_string(), line);
        let both = ConfigError::new(vec![one, Problem::new("second")]).to_string();
        assert_eq!(both, format!("2 problems in the configuration:\n  {line}\n  second"));
    }
}
