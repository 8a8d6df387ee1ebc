//! What commands write: data to standard output, notes and errors to standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use serde::Serialize;

use crate::cli::ui::style::Style;
use crate::cli::ui::table::{Column, table};
use crate::config::Env;
use crate::core::printable::{coloured, json, printable};
use crate::error::Failure;

/// Bytes that are buffered for a file or pipe: few enough that its reader sees the first at once.
const BUFFER: usize = 16 * 1024;

/// Columns and lines of a terminal that does not say how large it is.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Standard output, or what a test puts in its place. Every failure to write is a [`Failure::Stdout`].
pub(crate) struct Output {
    to: Box<dyn Write>,
    style: Style,
    /// Columns and lines of the terminal; `None` for a file or pipe.
    size: Option<(u16, u16)>,
}

impl Output {
    /// Standard output, locked until this is dropped.
    pub(crate) fn stdout(env: &Env) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let size = terminal.then(|| terminal_size(env));
        Self { to: Box::new(stdout.lock()), style: Style::new(terminal, env), size }
    }

    /// Standard output, buffered unless it is a terminal.
    pub(crate) fn buffered(env: &Env) -> Self {
        let Self { to, style, size } = Self::stdout(env);
        let to = if size.is_none() { Box::new(BufWriter::with_capacity(BUFFER, to)) } else { to };
        Self { to, style, size }
    }

    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.to.flush().map_err(Failure::Stdout)
    }

    /// The input of a pager on the terminal.
    pub(crate) fn to_pager(to: Box<dyn Write>, env: &Env) -> Self {
        Self { to, style: Style::new(true, env), size: Some(terminal_size(env)) }
    }

    /// The terminal's width; `None` for a file or pipe, where lines are not folded.
    pub(crate) fn columns(&self) -> Option<u16> {
        self.size.map(|(columns, _)| columns)
    }

    /// The terminal's height; `None` for a file or pipe.
    pub(crate) fn lines(&self) -> Option<u16> {
        self.size.map(|(_, lines)| lines)
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Writes a line for people. Here, whatever strangers have put into it becomes safe to print.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        self.raw(&coloured(&line.to_string(), self.style.is_on()))
    }

    fn raw(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.to, "{line}").map_err(Failure::Stdout)
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes and flushes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.to.write_all(bytes).and_then(|()| self.to.flush()).map_err(Failure::Stdout)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(|error| Failure::Stdout(error.into()))?;
        self.json_text(&json)
    }

    /// Writes a line of JSON: as it is, or on a terminal with the characters escaped that are not printable.
    pub(crate) fn json_text(&mut self, text: &str) -> Result<(), Failure> {
        if self.size.is_some() { self.raw(&json(text)) } else { self.raw(text) }
    }

    /// Writes a table, folded to the terminal's width.
    pub(crate) fn table(&mut self, columns: &[Column<'_>], rows: &[Vec<String>]) -> Result<(), Failure> {
        let text = table(columns, rows, self.columns());
        self.line(text)
    }
}

/// Reports a failure on standard error, or as error events where standard error is the systemd journal.
pub(crate) fn report(failure: &Failure, style: Style, journal: bool) {
    let message = printable(&failure.to_string());
    // A failure is reported even where the log is off.
    if journal && tracing::enabled!(tracing::Level::ERROR) {
        let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.for_each(|line| tracing::error!("{line}"));
        return tracing::error!("help: {}", failure.help());
    }
    let (error, help) = (style.red("error:"), style.bold("help:"));
    // If standard error cannot be written, there is nowhere to report that.
    drop(writeln!(io::stderr().lock(), "{error} {message}\n{help} {}", failure.help()));
}

/// Writes a remark to standard error, apart from the data.
pub(crate) fn note(text: &str, env: &Env) {
    let text = Style::for_stderr(env).dim(&printable(text));
    // If standard error cannot be written, there is nowhere to report that.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// The terminal's columns and lines: from `COLUMNS` and `LINES`, from the terminal, or 80 × 24.
fn terminal_size(env: &Env) -> (u16, u16) {
    let asked = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let one = |name: &str, asked: Option<u16>, default: u16| {
        let set = env.text(name).and_then(|text| text.parse().ok());
        set.or(asked).filter(|n| *n > 0).unwrap_or(default)
    };
    (
        one("COLUMNS", asked.map(|size| size.ws_col), DEFAULT_SIZE.0),
        one("LINES", asked.map(|size| size.ws_row), DEFAULT_SIZE.1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ui::table::text;
    use std::path::Path;

    /// Output, and the end of the pipe that it goes to.
    fn piped() -> (Output, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        (Output { to: Box::new(writer), style: Style::plain(), size: None }, reader)
    }

    #[test]
    fn a_reader_that_goes_away_is_a_broken_pipe_not_a_panic() {
        let (mut output, reader) = piped();
        drop(reader);
        assert!(output.line("x").unwrap_err().is_broken_pipe());
        assert!(output.json(&1).unwrap_err().is_broken_pipe());
        assert!(output.table(&[text("name")], &[]).unwrap_err().is_broken_pipe());
    }

    #[test]
    fn json_on_a_terminal_escapes_what_the_terminal_would_act_on() {
        let text = "\u{7f}\u{9b}31m \u{1b} \u{202e}\u{2066} é 例\n";
        let written = |size| {
            let (mut out, reader) = piped();
            out.size = size;
            out.json(&text).unwrap();
            drop(out);
            io::read_to_string(reader).unwrap()
        };
        let (file, terminal) = (written(None), written(Some((80, 24))));
        assert_eq!(terminal, "\"\\u007f\\u009b31m \\u001b \\u202e\\u2066 é 例\\n\"\n");
        assert!(file.contains("\u{9b}31m"));
        for written in [file, terminal] {
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }

    #[test]
    fn columns_and_lines_override_the_terminals_size() {
        let env = |columns, lines| Env::fixed(Path::new("/"), [("COLUMNS", columns), ("LINES", lines)]);
        assert_eq!(terminal_size(&env("123", "45")), (123, 45));
        let (columns, lines) = terminal_size(&env("many", "0"));
        assert!(columns > 0 && lines > 0);
    }
}
