//! `archiver import jsonl`: a new archive of what an export holds.

use crate::cli::ui::output::Output;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::cli::commands::export::{failure, with_signals};
use crate::cli::ui::output::plural;
use crate::error::Failure;
use crate::export::restore;

/// `archiver import jsonl`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct JsonlArgs {
    /// The export's file, and its later parts in any order
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
The archive is made where the configuration says, and there must be none yet.
It appears there when it is whole; until then nothing does.

Examples:
  archiver import jsonl archive.jsonl
  archiver import jsonl archive.jsonl archive.0001.jsonl";

#[derive(Serialize)]
struct Report {
    archive: String,
    messages: i64,
    conversations: i64,
    runs: i64,
}

/// Runs the command.
///
/// # Errors
/// Bad usage or configuration, a file that cannot be read or is damaged, or an archive that is there already.
pub fn run(context: &Context, args: &JsonlArgs) -> Result<(), Failure> {
    let config = context.config(None)?;
    context.warn(&config);
    let archive = config.archive.path.clone();
    let paths: Vec<PathBuf> = args.paths.iter().map(|path| context.env.cwd().join(path)).collect();
    let place = archive.clone();
    let restored = with_signals(move |mut bar| {
        let restored = restore::jsonl(&paths, &place, &mut bar);
        bar.finish();
        restored
    })?;
    let restored = restored.map_err(|e| failure(&archive, e))?;
    let report = Report {
        archive: archive.display().to_string(),
        messages: restored.messages,
        conversations: restored.conversations,
        runs: restored.runs,
    };
    let mut out = Output::stdout(&context.env);
    if args.json {
        return out.json(&report);
    }
    let conversations = plural(report.conversations, "conversation");
    out.line(format!(
        "{} in {conversations}, {}, restored to {}",
        plural(report.messages, "message"),
        plural(report.runs, "run"),
        report.archive
    ))
}
