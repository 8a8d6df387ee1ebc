//! Sends long output through a pager if standard output is a terminal.

use std::io::{self, BufWriter, IsTerminal as _};
use std::process::{Child, Command, Stdio};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{Context, Runtime, runtime};
use crate::cli::ui::output::Output;
use crate::error::Failure;

/// What a shell exits with if it does not find a program.
const NOT_FOUND: i32 = 127;

/// Standard output, or the input of a pager.
#[derive(Debug)]
pub struct Pager {
    output: Option<Output>,
    process: Option<Process>,
}

/// The running pager.
#[derive(Debug)]
struct Process {
    child: Child,
    command: String,
    _interrupts: Option<IgnoreInterrupts>,
}

/// While this lives, Ctrl-C reaches the pager alone. It would otherwise end this program and leave the terminal to a
/// pager without input.
#[derive(Debug)]
struct IgnoreInterrupts {
    _interrupts: Signal,
    _runtime: Runtime,
}

impl IgnoreInterrupts {
    fn new() -> Option<Self> {
        let runtime = runtime().ok()?;
        let interrupts = runtime.block_on(async { signal(SignalKind::interrupt()) }).ok()?;
        Some(Self { _interrupts: interrupts, _runtime: runtime })
    }
}

impl Pager {
    /// Starts `$PAGER`, or `less`, if standard output is a terminal and a pager is `wanted`. Otherwise, or without
    /// `less`, this is standard output.
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
            Some((mut child, command)) => {
                let output =
                    child.stdin.take().map(|stdin| Output::to_pager(Box::new(BufWriter::new(stdin)), env));
                let process = Process { child, command, _interrupts: IgnoreInterrupts::new() };
                Self { output, process: Some(process) }
            }
            None => Self { output: Some(Output::buffered(&context.env)), process: None },
        }
    }

    /// Where to write.
    pub fn output(&mut self) -> &mut Output {
        self.output.get_or_insert_with(Output::nowhere)
    }

    /// Waits until the reader closes the pager.
    ///
    /// # Errors
    /// [`Failure::Usage`] if `$PAGER` cannot be started, or [`Failure::Stdout`].
    pub fn finish(mut self) -> Result<(), Failure> {
        let Some(Process { child, command, .. }) = &mut self.process else { return self.output().finish() };
        // This ends the pager's input. What it has not read by then, nobody wanted to see.
        drop(self.output.take());
        match child.wait() {
            Ok(status) if status.code() == Some(NOT_FOUND) => Err(Failure::Usage {
                message: format!("cannot start the pager {command:?}"),
                help: "set $PAGER to an installed program, or use --no-pager".to_owned(),
            }),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "cannot wait for the pager");
                Ok(())
            }
        }
    }
}

/// The pager and its command line; `None` if it cannot be started.
fn start(named: Option<&str>, has_options: bool) -> Option<(Child, String)> {
    let line = named.unwrap_or("less");
    let mut command = match named {
        // It may have arguments, which a shell splits.
        Some(named) => {
            let mut command = Command::new("sh");
            command.args(["-c", named]);
            command
        }
        None => Command::new(line),
    };
    if !has_options {
        // Keep colours, exit at once if everything fits on a screen, leave the text there.
        command.env("LESS", "FRX");
    }
    Some((command.stdin(Stdio::piped()).spawn().ok()?, line.to_owned()))
}
