//! Long output on a terminal goes through the reader's pager; anywhere else it goes straight to standard output.

use std::io::{self, BufWriter, IsTerminal as _};
use std::process::{Child, Command, Stdio};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Context;
use crate::app::runtime;
use crate::cli::ui::output::Output;
use crate::error::Failure;

/// What a shell ends with when there is no such program.
const NOT_FOUND: i32 = 127;

/// An output that may be a pager's input.
#[derive(Debug)]
pub struct Pager {
    output: Option<Output>,
    reader: Option<Reader>,
}

/// The pager while it runs.
#[derive(Debug)]
struct Reader {
    child: Child,
    called: String,
    _deaf: Option<Deaf>,
}

/// While this lives, Ctrl-C is for the pager alone: it would leave the terminal to a pager that nobody feeds.
#[derive(Debug)]
struct Deaf {
    _interrupts: Signal,
    _runtime: Runtime,
}

impl Deaf {
    fn new() -> Option<Self> {
        let runtime = runtime().ok()?;
        let interrupts = {
            let _within = runtime.enter();
            signal(SignalKind::interrupt()).ok()?
        };
        Some(Self { _interrupts: interrupts, _runtime: runtime })
    }
}

impl Pager {
    /// Starts `$PAGER`, or `less`, where standard output is a terminal and one is `wanted`. Without, and where there is
    /// no `less`, it is standard output.
    #[must_use]
    pub fn start(context: &Context, wanted: bool) -> Self {
        let env = &context.env;
        let named = env.text("PAGER");
        let started = if !wanted || !io::stdout().is_terminal() || named == Some("cat") {
            None
        } else {
            start(named, env.text("LESS").is_some())
        };
        match started {
            Some((mut child, called)) => {
                let output =
                    child.stdin.take().map(|stdin| Output::to_pager(Box::new(BufWriter::new(stdin)), env));
                let reader = Reader { child, called, _deaf: Deaf::new() };
                Self { output, reader: Some(reader) }
            }
            None => Self { output: Some(Output::in_bulk(&context.env)), reader: None },
        }
    }

    /// Where to write.
    pub fn output(&mut self) -> &mut Output {
        self.output.get_or_insert_with(Output::nowhere)
    }

    /// Waits until the reader has read enough.
    ///
    /// # Errors
    /// When there is no such pager, or, without one, when standard output cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        let Some(Reader { child, called, .. }) = &mut self.reader else { return self.output().finish() };
        // This ends the pager's input. Whatever it has not read, its reader did not want.
        drop(self.output.take());
        match child.wait() {
            Ok(status) if status.code() == Some(NOT_FOUND) => Err(Failure::Usage {
                message: format!("the pager {called:?} cannot be started"),
                help: "name one that is installed in $PAGER, or use --no-pager".to_owned(),
            }),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "the pager could not be waited for");
                Ok(())
            }
        }
    }
}

/// The pager and what it is called; `None` where it cannot be started.
fn start(named: Option<&str>, has_options: bool) -> Option<(Child, String)> {
    let called = named.unwrap_or("less");
    let mut command = match named {
        // It may have arguments, and is a shell's to take apart.
        Some(named) => {
            let mut command = Command::new("sh");
            command.args(["-c", named]);
            command
        }
        None => Command::new(called),
    };
    if !has_options {
        // Colours as they are, end at once when all fits on a screen, leave the text there.
        command.env("LESS", "FRX");
    }
    Some((command.stdin(Stdio::piped()).spawn().ok()?, called.to_owned()))
}
