//! A value as it was written, with the place it was written at: what TOML and variables have in common.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};

/// A value before anybody has asked whether it makes sense. There is no `Debug`: it may be a secret.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Plain,
}

/// The kinds of values that TOML knows, as far as a configuration can use them.
pub(super) enum Plain {
    Text(String),
    Whole(i64),
    Number(f64),
    Switch(bool),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    /// A date, or a number beyond all use.
    Other(&'static str),
}

impl Plain {
    /// What it is, for "must be a list, not …".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) | Self::Number(_) => "a number",
            Self::Switch(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }

    /// The value for an error message, short and on one line. Not for secrets.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Whole(n) => n.to_string(),
            Self::Number(n) => format!("{n:?}"),
            Self::Switch(b) => b.to_string(),
            Self::List(_) | Self::Table(_) | Self::Other(_) => self.kind().to_owned(),
        }
    }
}

/// A text in quotes, control characters escaped, cut when it is long.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let cut = if text.chars().count() > MOST { "…" } else { "" };
    format!("{:?}", text.chars().take(MOST).chain(cut.chars()).collect::<String>())
}

/// The name of an unknown key for an error message. No key is that long: it may be a secret on the wrong side
/// of its equals sign.
pub(super) fn shown_name(name: &str) -> String {
    match name.chars().count() {
        0..=32 => name.escape_debug().to_string(),
        n => format!("(a name of {n} characters)"),
    }
}

/// Parses a file's text. A problem names line and column and never repeats the text: it may hold a secret.
pub(super) fn parse_file(name: &Arc<str>, text: &str) -> Result<Vec<(String, Node)>, Problem> {
    // A byte order mark is what some editors begin a file with; TOML does not know it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reader = Reader { text, place: |line| Place::line(name, line) };
    match DeTable::parse(text) {
        Ok(table) => Ok(reader.table(table.get_ref())),
        Err(error) => {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            let what = format!("not TOML, at column {column}: {}", error.message());
            Err(Problem::new(what).at(&Place::line(name, line)))
        }
    }
}

/// Parses a variable that holds a TOML value.
pub(super) fn parse_variable(name: &str, text: &str) -> Result<Node, Problem> {
    let reader = Reader { text, place: |_| Place::variable(name) };
    match DeValue::parse(text) {
        Ok(value) => Ok(reader.node(&value)),
        Err(error) => {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            let what = format!("not a TOML value, at line {line}, column {column}: {}", error.message());
            Err(Problem::new(what).at(&Place::variable(name)))
        }
    }
}

struct Reader<'a, P: Fn(usize) -> Place> {
    text: &'a str,
    place: P,
}

impl<P: Fn(usize) -> Place> Reader<'_, P> {
    fn table(&self, table: &DeTable<'_>) -> Vec<(String, Node)> {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let node = self.node(value);
            // The key's own line: a value may begin further down, and a section's span is not its header's.
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            let place = (self.place)(position(self.text, key.span().start).0);
            (key.get_ref().clone().into_owned(), Node { place, ..node })
        };
        let mut entries: Vec<(String, Node)> = table.iter().map(entry).collect();
        entries.sort_by(|a, b| a.1.place.cmp(&b.1.place));
        entries
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let place = (self.place)(position(self.text, value.span().start).0);
        let value = match value.get_ref() {
            DeValue::String(text) => Plain::Text(text.clone().into_owned()),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                .map_or(Plain::Other("a number out of all range"), Plain::Whole),
            DeValue::Float(n) => {
                n.as_str().parse().map_or(Plain::Other("a number out of all range"), Plain::Number)
            }
            DeValue::Boolean(b) => Plain::Switch(*b),
            DeValue::Datetime(_) => Plain::Other("a date"),
            DeValue::Array(items) => Plain::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Plain::Table(self.table(table)),
        };
        Node { place, value }
    }
}

/// Line and column, counted from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, Node)>, String> {
        parse_file(&"a.toml".into(), text).map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_value_knows_its_line() {
        let entries = parse(
            "\u{feff}# x\n[api]\nretries = 3\n\n[[accounts]]\nname = 'a'\nprofiles = [\n 'p',\n 'q']\n",
        );
        let entries = entries.unwrap();
        let Plain::Table(api) = &entries[0].1.value else { panic!("no table") };
        assert_eq!((api[0].0.as_str(), api[0].1.place.to_string()), ("retries", "a.toml:3".into()));
        let Plain::List(accounts) = &entries[1].1.value else { panic!("no list") };
        let Plain::Table(account) = &accounts[0].value else { panic!("no table") };
        let Plain::List(profiles) = &account[1].1.value else { panic!("no list") };
        assert_eq!(profiles[1].place.to_string(), "a.toml:9");
    }

    #[test]
    fn a_text_that_is_not_toml_is_refused_by_line_and_column_without_being_shown() {
        for text in
            ["[api]\napi_key = \"MARKER", "[api]\napi_key = MARKER\n", "[api]\n\"MARKER\n", "[api]\nMARKER\n"]
        {
            let error = parse(text).err().unwrap();
            assert!(error.starts_with("a.toml:2: not TOML, at column "), "{error}");
            assert!(!error.contains("MARKER"), "{error}");
        }
    }

    #[test]
    fn a_shown_value_is_one_short_line() {
        let long = Plain::Text(format!("a\n\u{1b}[31m{}", "x".repeat(200))).shown();
        assert!(long.starts_with("\"a\\n\\u{1b}[31m") && long.chars().count() < 100, "{long}");
    }
}
