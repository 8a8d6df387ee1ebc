//! Questions on the terminal, where passwords and codes stay hidden, and answers from standard input.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::error::Failure;
use crate::secret::Secret;

/// No password, token or code is longer (bytes).
const MOST_BYTES: u64 = 64 * 1024;

/// The controlling terminal.
#[derive(Debug)]
pub(super) struct Terminal(File);

impl Terminal {
    /// The terminal; `None` if standard error goes elsewhere or the process has none.
    pub(super) fn open() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    /// Writes text.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush()).map_err(|e| lost(&e))
    }

    /// Asks for a line, echoed as it is typed.
    pub(super) fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
        self.say(prompt)?;
        let mut line = Vec::new();
        while let Some(byte) = self.byte()? {
            if byte == b'\n' {
                let line = String::from_utf8(line).map_err(|_| aborted("the input is not UTF-8"))?;
                return Ok(line.trim().to_owned());
            }
            line.push(byte);
        }
        Err(aborted("the terminal was closed"))
    }

    /// Asks for a line without echo.
    pub(super) fn ask_hidden(&mut self, prompt: &str) -> Result<Secret, Failure> {
        let hidden = Hidden::begin(&self.0).map_err(|e| lost(&e))?;
        self.say(prompt)?;
        let typed = self.hidden_line();
        drop(hidden);
        self.say("\n")?;
        typed
    }

    /// Reads a line and applies corrections, which the terminal does not do in this mode.
    fn hidden_line(&mut self) -> Result<Secret, Failure> {
        let mut line: Vec<u8> = Vec::new();
        while let Some(byte) = self.byte()? {
            match byte {
                b'\n' | b'\r' => {
                    let text = std::str::from_utf8(&line).map_err(|_| aborted("the input is not UTF-8"))?;
                    let secret = Secret::exact(text);
                    line.fill(0);
                    return Ok(secret);
                }
                // Ctrl-C and Ctrl-\
                0x03 | 0x1c => return Err(aborted("interrupted")),
                // Ctrl-D
                0x04 => return Err(aborted("no input")),
                // Backspace: the last character with all of its bytes.
                0x08 | 0x7f => while line.pop().is_some_and(|b| b & 0xc0 == 0x80) {},
                // Ctrl-U
                0x15 => line.clear(),
                byte => line.push(byte),
            }
        }
        Err(aborted("the terminal was closed"))
    }

    fn byte(&mut self) -> Result<Option<u8>, Failure> {
        let mut byte = [0_u8; 1];
        loop {
            match self.0.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }
}

/// A terminal without echo, until this is dropped. Ctrl-C is read as a character meanwhile: as a signal it would end the
/// program and leave the terminal without echo.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
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
pub(super) fn line_of_stdin(what: &str) -> Result<Secret, Failure> {
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
    Failure::Usage { message, help: "write one line each: the password or token, then the code".to_owned() }
}

/// The user does not continue.
pub(super) fn aborted(why: &str) -> Failure {
    Failure::Usage {
        message: format!("login cancelled: {why}"),
        help: "no further request is sent; run `archiver login` to start again".to_owned(),
    }
}

fn lost(error: &io::Error) -> Failure {
    aborted(&format!("cannot use the terminal: {error}"))
}
