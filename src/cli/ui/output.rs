//! What commands write: data to standard output, notes and errors to standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use serde::Serialize;

use crate::cli::ui::printable::{printable, printable_json};
use crate::cli::ui::style::Style;
use crate::cli::ui::table::{Column, table};
use crate::config::Env;
use crate::error::{Explanation, Failure};

/// Bytes that are buffered for a file or pipe: few enough that its reader sees the first at once.
const BUFFER: usize = 16 * 1024;

/// Columns and lines of a terminal that does not say how large it is.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Standard output, or what a test puts in its place. Every failure to write is a [`Failure::Stdout`].
pub struct Output {
    to: Box<dyn Write>,
    style: Style,
    /// Columns and lines of the terminal; `None` for a file or pipe.
    size: Option<(u16, u16)>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("style", &self.style).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output, locked until this is dropped.
    #[must_use]
    pub fn stdout(env: &Env) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let size = terminal.then(|| terminal_size(env));
        Self { to: Box::new(stdout.lock()), style: Style::new(terminal, env), size }
    }

    /// Standard output, buffered unless it is a terminal.
    #[must_use]
    pub fn buffered(env: &Env) -> Self {
        let Self { to, style, size } = Self::stdout(env);
        let to = if size.is_none() { Box::new(BufWriter::with_capacity(BUFFER, to)) } else { to };
        Self { to, style, size }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.to.flush().map_err(Failure::Stdout)
    }

    /// The input of a pager on the terminal.
    #[must_use]
    pub fn to_pager(to: Box<dyn Write>, env: &Env) -> Self {
        Self { to, style: Style::new(true, env), size: Some(terminal_size(env)) }
    }

    /// Discards what is written.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { to: Box::new(io::sink()), style: Style::plain(), size: None }
    }

    /// The terminal's width; `None` for a file or pipe, where lines are not folded.
    #[must_use]
    pub fn columns(&self) -> Option<u16> {
        self.size.map(|(columns, _)| columns)
    }

    /// The terminal's height; `None` for a file or pipe.
    #[must_use]
    pub fn lines(&self) -> Option<u16> {
        self.size.map(|(_, lines)| lines)
    }

    /// Whether and how to colour.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// Writes a line.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.to, "{line}").map_err(Failure::Stdout)
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes and flushes bytes as they are.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.to.write_all(bytes).and_then(|()| self.to.flush()).map_err(Failure::Stdout)
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(|error| Failure::Stdout(error.into()))?;
        self.json_text(&json)
    }

    /// Writes a line of JSON: as it is, or on a terminal with the characters escaped that it would act on.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn json_text(&mut self, json: &str) -> Result<(), Failure> {
        if self.size.is_some() { self.line(printable_json(json)) } else { self.line(json) }
    }

    /// Writes a table, folded to the terminal's width.
    ///
    /// # Errors
    /// [`Failure::Stdout`].
    pub fn table(&mut self, columns: &[Column<'_>], rows: &[Vec<String>]) -> Result<(), Failure> {
        let text = table(columns, rows, self.columns());
        self.line(text)
    }
}

/// Reports a failure on standard error, or as error events where standard error is the systemd journal.
pub fn report(explanation: &Explanation, style: Style, journal: bool) {
    let message = printable(&explanation.message);
    // A failure is reported even where the log is off.
    if journal && tracing::enabled!(tracing::Level::ERROR) {
        let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.for_each(|line| tracing::error!("{line}"));
        return tracing::error!("help: {}", explanation.help);
    }
    let (error, help) = (style.red("error:"), style.bold("help:"));
    // If standard error cannot be written, there is nowhere to report that.
    drop(writeln!(io::stderr().lock(), "{error} {message}\n{help} {}", explanation.help));
}

/// Writes a remark to standard error, apart from the data.
pub fn note(text: &str, env: &Env) {
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
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    /// What was written to [`captured`] output.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn captured() -> (Output, Captured) {
        let captured = Captured::default();
        (Output { to: Box::new(captured.clone()), style: Style::plain(), size: None }, captured)
    }

    struct BrokenPipe;

    impl Write for BrokenPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_a_broken_pipe_not_a_panic() {
        let mut output = Output { to: Box::new(BrokenPipe), style: Style::plain(), size: None };
        assert!(output.line("x").unwrap_err().is_broken_pipe());
        assert!(output.json(&1).unwrap_err().is_broken_pipe());
        assert!(output.table(&[Column::text("name")], &[]).unwrap_err().is_broken_pipe());
    }

    #[test]
    fn json_on_a_terminal_escapes_what_the_terminal_would_act_on() {
        let text = "\u{7f}\u{9b}31m \u{1b} \u{202e}\u{2066} é 例\n";
        let (mut file, to_file) = captured();
        let (mut terminal, to_terminal) = captured();
        terminal.size = Some((80, 24));
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
    fn columns_and_lines_override_the_terminals_size() {
        let env = |columns, lines| Env::fixed(Path::new("/"), [("COLUMNS", columns), ("LINES", lines)]);
        assert_eq!(terminal_size(&env("123", "45")), (123, 45));
        let (columns, lines) = terminal_size(&env("many", "0"));
        assert!(columns > 0 && lines > 0);
    }
}
