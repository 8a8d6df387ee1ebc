//! Colours on a terminal, and the marks that checks begin their lines with.

use std::io::{self, IsTerminal as _};

use serde::Serialize;

use crate::config::Env;

/// Whether output is coloured, and the colours that the program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    on: bool,
}

impl Style {
    /// Colours on standard error if it is a terminal that can show them and `NO_COLOR` is unset.
    pub(crate) fn for_stderr(env: &Env) -> Self {
        Self::new(io::stderr().is_terminal(), env)
    }

    /// Colours if this is a `terminal` that can show them and `NO_COLOR` is unset.
    pub(super) fn new(terminal: bool, env: &Env) -> Self {
        Self { on: terminal && env.text("NO_COLOR").is_none() && env.text("TERM") != Some("dumb") }
    }

    pub(crate) const fn plain() -> Self {
        Self { on: false }
    }

    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For whatever matters least.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    Ok,
    /// Worth knowing, but not wrong.
    Note,
    Wrong,
}

impl Mark {
    /// What the check's line begins with.
    pub(crate) fn painted(self, style: Style) -> String {
        match self {
            Self::Ok => style.green("ok   "),
            Self::Note => style.yellow("note "),
            Self::Wrong => style.red("WRONG"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn colours_are_for_terminals_without_no_color() {
        let style = |terminal, vars: &[(&str, &str)]| {
            Style::new(terminal, &Env::fixed(Path::new("/"), vars.iter().copied()))
        };
        assert_eq!(style(true, &[]).red("x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(style(true, &[("NO_COLOR", "")]).red("x"), "\u{1b}[31mx\u{1b}[0m");
        for plain in [style(false, &[]), style(true, &[("NO_COLOR", "1")]), style(true, &[("TERM", "dumb")])]
        {
            assert_eq!(plain.red("x"), "x");
        }
    }
}
