//! The process environment as a value: taken once, so that no test and no other module ever reads it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the configuration of the whole machine lies.
const SYSTEM_CONFIG: &str = "/etc/archiver/archiver.toml";

/// What the program was started with: its variables and its working directory.
///
/// A variable that is set to nothing counts as not set: that is what a compose file or a unit means by it.
#[derive(Clone)]
pub struct Env {
    vars: BTreeMap<String, OsString>,
    cwd: PathBuf,
    system_config: PathBuf,
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        // `vars_os` rather than `vars`: the latter panics on a variable that is not Unicode.
        let vars = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self { vars: set_only(vars), cwd, system_config: SYSTEM_CONFIG.into() }
    }

    /// An environment of exactly these variables, in which no configuration of the machine is found.
    pub fn fixed<'a>(cwd: &Path, vars: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), OsString::from(value)));
        Self { vars: set_only(vars), cwd: cwd.to_owned(), system_config: cwd.join("no-system-config.toml") }
    }

    /// A variable's value, when it is set to some text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.vars.get(name)?.to_str()
    }

    /// A variable's value as a path, made absolute.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.cwd.join(self.vars.get(name)?))
    }

    /// The working directory.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The variables that tools for clouds read: where their files are, credentials, region and server.
    pub fn cloud(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.starting_with("AWS_").filter_map(|(name, value)| Some((name, value.to_str()?)));
        all.chain(self.text("HOME").map(|home| ("HOME", home)))
    }

    /// All variables whose name starts so, in the order of their names.
    pub(super) fn starting_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &OsStr)> {
        let all = self.vars.iter().filter(move |(name, _)| name.starts_with(prefix));
        all.map(|(name, value)| (name.as_str(), value.as_os_str()))
    }

    /// Where a configuration file is looked for when none is named, first come first served.
    pub(super) fn config_places(&self) -> Vec<PathBuf> {
        let home = || Some(self.path("HOME")?.join(".config"));
        // The XDG specification says that a relative path is to be ignored.
        let xdg = self.text("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
        let mut places = vec![self.cwd.join("archiver.toml")];
        places.extend(xdg.or_else(home).map(|dir| dir.join("archiver").join("archiver.toml")));
        places.push(self.system_config.clone());
        places
    }
}

fn set_only(vars: impl Iterator<Item = (String, OsString)>) -> BTreeMap<String, OsString> {
    vars.filter(|(_, value)| !value.is_empty()).collect()
}

impl fmt::Debug for Env {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("vars", &self.vars.keys()).field("cwd", &self.cwd).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_looked_for_here_then_in_the_home_then_in_etc() {
        let places = |vars: &[(&str, &str)]| {
            let env = Env::fixed(Path::new("/folder"), vars.iter().copied());
            env.config_places().iter().map(|p| p.display().to_string()).collect::<Vec<_>>()
        };
        let last = "/folder/no-system-config.toml";
        assert_eq!(
            places(&[("HOME", "/users/ada"), ("XDG_CONFIG_HOME", "/xdg")]),
            ["/folder/archiver.toml", "/xdg/archiver/archiver.toml", last]
        );
        assert_eq!(
            places(&[("HOME", "/users/ada"), ("XDG_CONFIG_HOME", "relative")]),
            ["/folder/archiver.toml", "/users/ada/.config/archiver/archiver.toml", last]
        );
        assert_eq!(places(&[]), ["/folder/archiver.toml", last]);
    }

    #[test]
    fn a_variable_set_to_nothing_is_not_set_and_debug_shows_names_only() {
        let env = Env::fixed(Path::new("/folder"), [("ARCHIVER_API_KEY", "MARKER"), ("EMPTY", "")]);
        assert_eq!(env.text("EMPTY"), None);
        let shown = format!("{env:?}");
        assert!(shown.contains("ARCHIVER_API_KEY") && !shown.contains("MARKER"), "{shown}");
    }
}
