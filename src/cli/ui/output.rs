//! What people see: standard output, colours, times, numbers and tables.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use chrono::{DateTime, Local, TimeZone};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::config::Env;
use crate::core::Ms;
pub use crate::core::format::{plural, thousands};
use crate::error::{Explanation, Failure};

/// Bytes that are gathered before they are written: little enough that a reader sees the first at once.
const GATHERED: usize = 16 * 1024;

/// Where a terminal's width cannot be told.
const DEFAULT_WIDTH: u16 = 80;

/// Standard output, or what a test puts in its place. Every failure to write is a [`Failure::Stdout`].
pub struct Output {
    to: Box<dyn Write>,
    style: Style,
    /// `None` is as wide as it takes: nobody folds the lines.
    width: Option<u16>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("style", &self.style)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output, locked until this is dropped.
    #[must_use]
    pub fn stdout(env: &Env) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let width = terminal.then(|| terminal_width(env));
        Self { to: Box::new(stdout.lock()), style: Style::new(terminal, env), width }
    }

    /// Standard output that gathers what is written, where that is no terminal.
    #[must_use]
    pub fn in_bulk(env: &Env) -> Self {
        let Self { to, style, width } = Self::stdout(env);
        let to = if width.is_none() { Box::new(BufWriter::with_capacity(GATHERED, to)) } else { to };
        Self { to, style, width }
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.to.flush().map_err(Failure::Stdout)
    }

    /// The input of a pager on the terminal.
    #[must_use]
    pub fn to_pager(to: Box<dyn Write>, env: &Env) -> Self {
        Self { to, style: Style::new(true, env), width: Some(terminal_width(env)) }
    }

    /// Where nothing is kept.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { to: Box::new(io::sink()), style: Style::plain(), width: None }
    }

    /// The terminal's columns; `None` where nobody folds the lines.
    #[must_use]
    pub fn columns(&self) -> Option<u16> {
        self.width
    }

    /// How it may be coloured.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.to, "{line}").map_err(Failure::Stdout)
    }

    /// Writes a text as it is.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes as they are, all the way.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.to.write_all(bytes).and_then(|()| self.to.flush()).map_err(Failure::Stdout)
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(|error| Failure::Stdout(error.into()))?;
        self.json_text(&json)
    }

    /// Writes JSON as it is but for what a terminal would obey, which stands in it by its number there.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn json_text(&mut self, json: &str) -> Result<(), Failure> {
        if self.width.is_some() { self.line(harmless_json(json)) } else { self.line(json) }
    }

    /// Writes a table that fits the terminal; to a file, as wide as it takes.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) -> Result<(), Failure> {
        let text = table(columns, rows, self.width);
        self.line(text)
    }

    /// Writes a table whose columns only its maker knows.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn named_table(&mut self, names: &[String], rows: &[Vec<String>]) -> Result<(), Failure> {
        let columns: Vec<(&str, CellAlignment)> =
            names.iter().map(|n| (n.as_str(), CellAlignment::Left)).collect();
        let text = laid_out(&columns, rows, self.width);
        self.line(text)
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    name: &'static str,
    alignment: CellAlignment,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, alignment: CellAlignment::Left }
    }

    /// A column of numbers, whose last digits stand below each other.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self { name, alignment: CellAlignment::Right }
    }
}

/// A table without lines, two spaces between its columns; cells are folded to fit a `width`.
#[must_use]
pub fn table(columns: &[Column], rows: &[Vec<String>], width: Option<u16>) -> String {
    let columns: Vec<(&str, CellAlignment)> = columns.iter().map(|c| (c.name, c.alignment)).collect();
    laid_out(&columns, rows, width)
}

fn laid_out(columns: &[(&str, CellAlignment)], rows: &[Vec<String>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(columns.iter().map(|(name, _)| printable(name)));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for (column, wanted) in table.column_iter_mut().zip(columns) {
        column.set_cell_alignment(wanted.1);
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The text without what could move the cursor or colour the screen: names and texts come from strangers.
#[must_use]
pub fn printable(text: &str) -> String {
    let keep = |c: char| if c != '\n' && is_obeyed(c) { '\u{fffd}' } else { c };
    text.chars().map(keep).collect()
}

/// Whether a terminal obeys the character rather than show it: control characters, and those that turn the direction of
/// what follows.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON that says the same, and has nothing in it that a terminal obeys.
fn harmless_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // White space may stand between strings, where nothing is escaped; all else is in one, and has four digits.
        if is_obeyed(c) && !c.is_ascii_whitespace() {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    on: bool,
}

impl Style {
    /// Colours on standard error, if it is a terminal that shows them and `NO_COLOR` is unset.
    #[must_use]
    pub fn for_stderr(env: &Env) -> Self {
        Self::new(io::stderr().is_terminal(), env)
    }

    fn new(terminal: bool, env: &Env) -> Self {
        Self { on: terminal && env.text("NO_COLOR").is_none() && env.text("TERM") != Some("dumb") }
    }

    /// No colours at all.
    #[must_use]
    pub const fn plain() -> Self {
        Self { on: false }
    }

    /// Whether there are colours.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.on
    }

    /// For headings and what matters most.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what matters least.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For what went wrong.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what is well.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what wants attention.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Tells a failure on standard error; to the journal as events, as whoever reads it asks for them by their priority.
pub fn complain(explanation: &Explanation, style: Style, journal: bool) {
    let message = printable(&explanation.message);
    // A log that is off is no reason to end without a word.
    if journal && tracing::enabled!(tracing::Level::ERROR) {
        let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.for_each(|line| tracing::error!("{line}"));
        return tracing::error!("help: {}", explanation.help);
    }
    let (error, help) = (style.red("error:"), style.bold("help:"));
    // Nobody is left to be told that this could not be printed.
    drop(writeln!(io::stderr().lock(), "{error} {message}\n{help} {}", explanation.help));
}

/// Tells something beside the data, on standard error.
pub fn note(text: &str, context: &crate::app::Context) {
    let text = Style::for_stderr(&context.env).dim(&printable(text));
    // Nobody is left to be told that this could not be printed.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// The terminal's width in columns: as `COLUMNS` says, as the terminal says, or 80.
#[must_use]
pub fn terminal_width(env: &Env) -> u16 {
    let said = env.text("COLUMNS").and_then(|text| text.parse().ok());
    let asked = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col);
    said.or_else(asked).filter(|columns| *columns > 0).unwrap_or(DEFAULT_WIDTH)
}

/// A time to the minute in the reader's own zone (`TZ`, else the system's): for people.
#[must_use]
pub fn local_minute(ms: Ms) -> String {
    minute_in(&Local, ms)
}

/// The same of a time that is written as [`iso_utc`] writes it.
#[must_use]
pub fn local_of(iso: &str) -> String {
    DateTime::parse_from_rfc3339(iso)
        .map_or_else(|_| iso.to_owned(), |time| local_minute(time.timestamp_millis()))
}

fn minute_in<Z: TimeZone>(zone: &Z, ms: Ms) -> String
where
    Z::Offset: fmt::Display,
{
    match zone.timestamp_millis_opt(ms).single() {
        Some(time) => time.format("%Y-%m-%d %H:%M").to_string(),
        None => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::format::iso_utc;
    use chrono::Utc;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    /// What was written to an [`Output::captured`].
    #[derive(Clone, Default)]
    pub(in crate::cli) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(in crate::cli) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output {
        pub(in crate::cli) fn captured() -> (Self, Written) {
            let written = Written::default();
            (Self { to: Box::new(written.clone()), style: Style::plain(), width: None }, written)
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    const COLUMNS: &[Column] =
        &[Column::text("conversation"), Column::number("messages"), Column::text("state")];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row(["Béla 日本語", "1,234", "complete"]),
            row(["somebody with quite a long name", "5", "a gap, and many words on it"]),
        ]
    }

    #[test]
    fn a_reader_that_goes_away_is_a_broken_pipe_and_no_panic() {
        let mut output = Output { to: Box::new(Closed), style: Style::plain(), width: None };
        assert!(output.line("x").unwrap_err().is_broken_pipe());
        assert!(output.json(&1).unwrap_err().is_broken_pipe());
        assert!(output.table(COLUMNS, &rows()).unwrap_err().is_broken_pipe());
    }

    #[test]
    fn a_table_fits_its_width_and_aligns_wide_letters() {
        let unlimited = table(COLUMNS, &rows(), None);
        let expected = "\
conversation                     messages  state
Béla 日本語                         1,234  complete
somebody with quite a long name         5  a gap, and many words on it";
        assert_eq!(unlimited, expected);
        for width in [40, 60] {
            let narrow = table(COLUMNS, &rows(), Some(width));
            for line in narrow.lines() {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= usize::from(width), "{narrow}");
            }
        }
    }

    #[test]
    fn what_strangers_wrote_cannot_move_the_cursor() {
        let text = table(&[Column::text("name")], &[vec!["a\u{1b}[2Jb\rc".into()]], None);
        assert_eq!(text, "name\na\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable("\u{202a}\u{202e}\u{2066}\u{2069}\u{9b}"), "\u{fffd}".repeat(5));
    }

    #[test]
    fn json_on_a_terminal_says_the_same_in_characters_that_it_does_not_obey() {
        let text = "\u{7f}\u{9b}31m \u{1b} \u{202e}\u{2066} é 例\n";
        let (mut file, to_file) = Output::captured();
        let (mut terminal, to_terminal) = Output::captured();
        terminal.width = Some(80);
        for out in [&mut file, &mut terminal] {
            out.json(&text).unwrap();
        }
        assert_eq!(to_terminal.text(), "\"\\u007f\\u009b31m \\u001b \\u202e\\u2066 é 例\\n\"\n");
        assert!(to_file.text().contains("\u{9b}31m"));
        for written in [to_file, to_terminal] {
            assert_eq!(serde_json::from_str::<String>(&written.text()).unwrap(), text);
        }
    }

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

    #[test]
    fn times_are_told_to_machines_in_utc_and_to_people_in_their_zone() {
        assert_eq!(iso_utc(1_745_270_025_236), "2025-04-21T21:13:45.236Z");
        assert_eq!(minute_in(&chrono_tz::Europe::Berlin, 1_745_270_025_236), "2025-04-21 23:13");
        assert_eq!(iso_utc(Ms::MAX), format!("{} ms", Ms::MAX));
        assert_eq!(minute_in(&Utc, Ms::MIN), format!("{} ms", Ms::MIN));
    }

    #[test]
    fn the_width_is_what_columns_says() {
        let env = |columns| Env::fixed(Path::new("/"), [("COLUMNS", columns)]);
        assert_eq!(terminal_width(&env("123")), 123);
        assert!(terminal_width(&env("many")) > 0);
    }
}
