//! Long output on a terminal goes through the reader's pager; anywhere else it goes straight to standard output.

use std::io::IsTerminal as _;
use std::process::{Child, Command, Stdio};

use super::Context;
use super::output::Output;

/// An output that may be a pager's input.
#[derive(Debug)]
pub struct Pager {
    output: Option<Output>,
    child: Option<Child>,
}

impl Pager {
    /// Starts `$PAGER`, or `less -R`, where standard output is a terminal; without either it is standard output.
    #[must_use]
    pub fn start(context: &Context) -> Self {
        let env = &context.env;
        let wanted = env.text("PAGER").unwrap_or("less");
        if !std::io::stdout().is_terminal() || wanted.trim() == "cat" {
            return Self { output: Some(context.output()), child: None };
        }
        let mut command = Command::new("sh");
        command.args(["-c", wanted]).stdin(Stdio::piped());
        if env.text("LESS").is_none() {
            // Colours as they are, end at once when all fits on a screen, leave the text there.
            command.env("LESS", "FRX");
        }
        match command.spawn() {
            Ok(mut child) => match child.stdin.take() {
                Some(stdin) => {
                    Self { output: Some(Output::to_pager(Box::new(stdin), env)), child: Some(child) }
                }
                None => Self { output: Some(context.output()), child: Some(child) },
            },
            Err(_) => Self { output: Some(context.output()), child: None },
        }
    }

    /// Where to write.
    pub fn output(&mut self) -> &mut Output {
        self.output.get_or_insert_with(Output::nowhere)
    }

    /// Waits until the reader has read enough.
    pub fn finish(mut self) {
        drop(self.output.take());
        if let Some(child) = &mut self.child
            && let Err(error) = child.wait()
        {
            tracing::debug!(%error, "the pager could not be waited for");
        }
    }
}
