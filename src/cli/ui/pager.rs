//! Sends long output through a pager if standard output is a terminal.

use std::io::{self, BufWriter, IsTerminal as _};
use std::process::{Child, Command, Stdio};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{Context, runtime};
use crate::cli::ui::output::Output;
use crate::error::Failure;

/// What a shell exits with if it does not find a program.
const NOT_FOUND: i32 = 127;

/// Writes to `$PAGER`, or `less`, if standard output is a terminal and a pager is `wanted`. Otherwise, or without
/// `less`, writes to standard output.
pub(crate) fn paged(
    context: &Context,
    wanted: bool,
    write: impl FnOnce(&mut Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let env = &context.env;
    let named = env.text("PAGER");
    let pages = wanted && io::stdout().is_terminal() && named != Some("cat");
    let started = pages.then(|| start(named, env.text("LESS").is_some())).flatten();
    let Some((mut child, stdin)) = started.and_then(|mut c| c.stdin.take().map(|stdin| (c, stdin))) else {
        let mut out = Output::buffered(env);
        return write(&mut out).and_then(|()| out.finish());
    };
    // Meanwhile Ctrl-C reaches the pager alone. It would otherwise end this program and leave the terminal to a pager
    // without input.
    let runtime = runtime().ok();
    let _interrupts =
        runtime.as_ref().and_then(|runtime| runtime.block_on(async { signal(SignalKind::interrupt()) }).ok());
    // Dropping the output ends the pager's input. What it has not read by then, nobody wanted to see.
    let done = write(&mut Output::to_pager(Box::new(BufWriter::new(stdin)), env));
    match child.wait() {
        // This comes before any other failure.
        Ok(status) if status.code() == Some(NOT_FOUND) => Err(Failure::usage(
            format!("cannot start the pager {:?}", named.unwrap_or("less")),
            "set $PAGER to an installed program, or use --no-pager",
        )),
        Ok(_) => done,
        Err(error) => {
            tracing::debug!(%error, "cannot wait for the pager");
            done
        }
    }
}

/// The pager; `None` if it cannot be started.
fn start(named: Option<&str>, has_options: bool) -> Option<Child> {
    let mut command = Command::new(if named.is_some() { "sh" } else { "less" });
    if let Some(named) = named {
        // It may have arguments, which a shell splits.
        command.args(["-c", named]);
    }
    if !has_options {
        // Keep colours, exit at once if everything fits on a screen, leave the text there.
        command.env("LESS", "FRX");
    }
    command.stdin(Stdio::piped()).spawn().ok()
}
