//! Questions on the terminal, where passwords and codes stay hidden, and answers from standard input.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::core::printable::printable;
use crate::error::Failure;
use crate::secret::Secret;

/// No password, token or code is longer (bytes).
const MOST_BYTES: u64 = 64 * 1024;

const CTRL_C: u8 = 0x03;
const CTRL_BACKSLASH: u8 = 0x1c;

/// The controlling terminal.
#[derive(Debug)]
pub(crate) struct Terminal(File);

impl Terminal {
    /// The terminal; `None` if standard error goes elsewhere or the process has none.
    pub(crate) fn open() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.0.write_all(printable(text).as_bytes()).and_then(|()| self.0.flush()).map_err(|e| lost(&e))
    }

    /// Asks for a line, echoed as it is typed.
    pub(crate) fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
        self.say(prompt)?;
        Ok(self.line()?.expose().trim().to_owned())
    }

    /// Asks for a line without echo.
    pub(crate) fn ask_hidden(&mut self, prompt: &str) -> Result<Secret, Failure> {
        let hidden = Hidden::begin(&self.0).map_err(|e| lost(&e))?;
        self.say(prompt)?;
        let typed = self.line();
        drop(hidden);
        self.say("\n")?;
        typed
    }

    /// A line, in which the terminal has applied the corrections. It gives one at a time.
    fn line(&mut self) -> Result<Secret, Failure> {
        let (mut line, mut part) = (Vec::new(), [0_u8; 4096]);
        let ended = loop {
            match self.0.read(&mut part) {
                Ok(count) => line.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(lost(&error)),
            }
            match line.last() {
                Some(b'\n') => break secret(line.strip_suffix(b"\n").unwrap_or(&line)),
                Some(&(CTRL_C | CTRL_BACKSLASH)) => break Err(aborted("interrupted")),
                None => break Err(aborted("no input")),
                // Ctrl-D within a line.
                Some(_) => {}
            }
        };
        line.fill(0);
        part.fill(0);
        ended
    }
}

/// The text, exactly.
fn secret(line: &[u8]) -> Result<Secret, Failure> {
    std::str::from_utf8(line).map(Secret::exact).map_err(|_| aborted("the input is not UTF-8"))
}

/// A terminal without echo, until this is dropped. Ctrl-C ends the line meanwhile: as a signal it would end the program
/// and leave the terminal without echo.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        hidden.local_modes.insert(LocalModes::ICANON | LocalModes::IEXTEN);
        hidden.input_modes.insert(InputModes::ICRNL | InputModes::IUTF8);
        hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        hidden.special_codes[SpecialCodeIndex::VEOL2] = CTRL_BACKSLASH;
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before) {
            tracing::warn!(%error, "the terminal may not echo what is typed: run `stty sane`");
        }
    }
}

/// The next line of standard input. Nothing is read ahead, so that a code may arrive late.
pub(crate) fn line_of_stdin(what: &str) -> Result<Secret, Failure> {
    let mut line = Vec::new();
    io::stdin()
        .lock()
        .take(MOST_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|error| usage(format!("cannot read {what} from standard input: {error}")))?;
    let text =
        std::str::from_utf8(&line).map_err(|_| usage(format!("{what} on standard input is not UTF-8")))?;
    let secret = Secret::exact(text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t)));
    line.fill(0);
    if secret.is_empty() {
        return Err(usage(format!("standard input ends before {what}")));
    }
    Ok(secret)
}

fn usage(message: String) -> Failure {
    Failure::usage(message, "write one line each: the password or token, then the code")
}

/// The user does not continue.
pub(crate) fn aborted(why: &str) -> Failure {
    Failure::usage(
        format!("login cancelled: {why}"),
        "no further request is sent; run `archiver login` to start again",
    )
}

fn lost(error: &io::Error) -> Failure {
    aborted(&format!("cannot use the terminal: {error}"))
}
