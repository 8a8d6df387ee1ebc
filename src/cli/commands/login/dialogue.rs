//! Asking: on the terminal, where passwords and codes are not shown, or one line each from standard input.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::error::Failure;
use crate::secret::Secret;

/// No password, token or code is longer.
const MOST_BYTES: u64 = 64 * 1024;

/// The terminal that the program was started from.
#[derive(Debug)]
pub(in crate::cli) struct Terminal(File);

impl Terminal {
    /// The terminal; `None` where nobody sits at one: standard error goes elsewhere, or the process has none.
    pub(in crate::cli) fn open() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    /// Shows a text.
    pub(in crate::cli) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush()).map_err(|e| lost(&e))
    }

    /// Asks for a line that is shown as it is typed.
    pub(in crate::cli) fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
        self.say(prompt)?;
        let mut line = Vec::new();
        while let Some(byte) = self.byte()? {
            if byte == b'\n' {
                let line = String::from_utf8(line).map_err(|_| gave_up("that is no text"))?;
                return Ok(line.trim().to_owned());
            }
            line.push(byte);
        }
        Err(gave_up("the terminal was closed"))
    }

    /// Asks for a line that is not shown.
    pub(in crate::cli) fn ask_hidden(&mut self, prompt: &str) -> Result<Secret, Failure> {
        let hidden = Hidden::begin(&self.0).map_err(|e| lost(&e))?;
        self.say(prompt)?;
        let typed = self.hidden_line();
        drop(hidden);
        self.say("\n")?;
        typed
    }

    /// Reads a line with its corrections, which the terminal itself does not make while nothing is shown.
    fn hidden_line(&mut self) -> Result<Secret, Failure> {
        let mut line: Vec<u8> = Vec::new();
        while let Some(byte) = self.byte()? {
            match byte {
                b'\n' | b'\r' => {
                    let text = std::str::from_utf8(&line).map_err(|_| gave_up("that is no text"))?;
                    let secret = Secret::exact(text);
                    line.fill(0);
                    return Ok(secret);
                }
                // Ctrl-C and Ctrl-\
                0x03 | 0x1c => return Err(gave_up("interrupted")),
                // Ctrl-D
                0x04 => return Err(gave_up("nothing was typed")),
                // Backspace: the last character with all of its bytes.
                0x08 | 0x7f => while line.pop().is_some_and(|b| b & 0xc0 == 0x80) {},
                // Ctrl-U
                0x15 => line.clear(),
                byte => line.push(byte),
            }
        }
        Err(gave_up("the terminal was closed"))
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

/// A terminal that shows nothing of what is typed, until this is dropped. Ctrl-C is a character meanwhile: as a signal
/// it would end the program and leave the terminal like that.
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
            tracing::warn!(%error, "the terminal may not show what is typed: `stty sane` mends it");
        }
    }
}

/// The next line of standard input: nothing is read before it is wanted, so that a code may come late.
pub(in crate::cli) fn line_of_stdin(what: &str) -> Result<Secret, Failure> {
    let mut line = Vec::new();
    io::stdin()
        .lock()
        .take(MOST_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|error| usage(format!("{what} cannot be read from standard input: {error}")))?;
    let text =
        std::str::from_utf8(&line).map_err(|_| usage(format!("{what} on standard input is no text")))?;
    let secret = Secret::exact(text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t)));
    line.fill(0);
    if secret.is_empty() {
        return Err(usage(format!("standard input ends where {what} should stand")));
    }
    Ok(secret)
}

fn usage(message: String) -> Failure {
    Failure::Usage {
        message,
        help: "a line each: first what --password-stdin or --token-stdin asks for, then the code".to_owned(),
    }
}

/// Somebody at the terminal does not go on.
pub(in crate::cli) fn gave_up(why: &str) -> Failure {
    Failure::Usage {
        message: format!("the login was given up: {why}"),
        help: "nothing more is sent; `archiver login` begins anew".to_owned(),
    }
}

fn lost(error: &io::Error) -> Failure {
    gave_up(&format!("the terminal cannot be used: {error}"))
}
