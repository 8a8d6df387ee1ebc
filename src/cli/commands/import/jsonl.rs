//! `archiver import jsonl`: restores an archive from its export.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::cli::commands::export::{ExportMeter, failure};
use crate::cli::ui::interrupt::until_interrupted;
use crate::cli::ui::output::Output;
use crate::core::format::plural;
use crate::error::Failure;
use crate::export::restore;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JsonlArgs {
    /// The exported file and its later parts, in any order
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
The archive is created at the configured path, where none may exist yet. It
appears there only once it is complete.

Examples:
  archiver import jsonl archive.jsonl
  archiver import jsonl archive.jsonl archive.0001.jsonl";

#[derive(Serialize)]
struct RestoreReport {
    archive: String,
    messages: i64,
    conversations: i64,
    runs: i64,
}

pub(crate) fn run(context: &Context, args: &JsonlArgs) -> Result<(), Failure> {
    let archive = context.config_warned(None)?.archive.path;
    let paths: Vec<PathBuf> = args.paths.iter().map(|path| context.env.cwd().join(path)).collect();
    let place = archive.clone();
    let restored = until_interrupted(move |interrupt| {
        let restored = restore::jsonl(&paths, &place, &mut ExportMeter::new(interrupt.clone()));
        restored.map_err(|e| failure(&place, e, interrupt))
    })?;
    let archive = archive.display().to_string();
    let mut out = Output::stdout(&context.env);
    if args.json {
        let (messages, conversations, runs) = (restored.messages, restored.conversations, restored.runs);
        return out.json(&RestoreReport { archive, messages, conversations, runs });
    }
    let (messages, runs) = (plural(restored.messages, "message"), plural(restored.runs, "run"));
    let conversations = plural(restored.conversations, "conversation");
    out.line(format!("Restored {messages} in {conversations} and {runs} to {archive}"))
}
