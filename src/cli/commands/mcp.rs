//! `archiver mcp`: the archive for assistants, on standard input and output, read-only.

use clap::Args;

use crate::app::Context;
use crate::error::Failure;

const EXAMPLES: &str = "\
Examples:
  archiver mcp                                   what an assistant starts
  archiver mcp --config /path/to/archiver.toml   from any folder

In the configuration of an assistant (docs/mcp.md has three of them):
  {\"command\": \"archiver\", \"args\": [\"mcp\", \"--config\", \"/path/to/archiver.toml\"]}";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct McpArgs {}

/// Runs the command until its standard input is closed, or SIGINT or SIGTERM.
#[cfg(feature = "mcp")]
pub(crate) fn run(context: &Context, _: &McpArgs) -> Result<(), Failure> {
    use crate::app::{runtime_with, wiring};
    use crate::cli::commands::serve::timezone;
    use crate::cli::ui::interrupt::StopSignals;
    use crate::look::{Looks, THREADS};
    use crate::mcp::{Assistant, serve_stdio};

    let config = context.config_with_readable_secrets()?;
    let archive = config.archive.path.clone();
    // Two more threads for standard input and output, where those are no pipes.
    runtime_with(THREADS + 2)?.block_on(async {
        let mut signals = StopSignals::of_command();
        let looks = Looks::new(config, timezone(&context.env));
        let looks = looks.map_err(|error| wiring::read_failure(&archive, error))?;
        tokio::select! {
            () = serve_stdio(Assistant::new(looks)) => {}
            _ = signals.next() => {}
        }
        Ok(())
    })
}

/// Says how to get a program that has it.
#[cfg(not(feature = "mcp"))]
pub(crate) fn run(_: &Context, _: &McpArgs) -> Result<(), Failure> {
    Err(Failure::usage(
        "this build does not support MCP",
        "build it with `--features mcp`, or install the package, which has it",
    ))
}
