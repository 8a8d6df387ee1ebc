//! `archiver import`: adds history that you already have, at no cost.

pub(crate) mod jsonl;
pub(crate) mod linkedin_export;

use clap::{Args, Subcommand};

use self::jsonl::JsonlArgs;
use self::linkedin_export::LinkedinExportArgs;
use crate::app::Context;
use crate::error::Failure;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// What to import.
    #[command(subcommand)]
    pub(crate) what: ImportWhat,
}

const EXAMPLES: &str = "\
Examples:
  archiver import linkedin-export Complete_LinkedInDataExport.zip
  archiver import jsonl archive.jsonl";

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ImportWhat {
    /// Import messages from LinkedIn's "Get a copy of your data"
    LinkedinExport(LinkedinExportArgs),
    /// Restore an archive from `archiver export --format jsonl`
    Jsonl(JsonlArgs),
}

pub(crate) fn run(context: &Context, args: &ImportArgs) -> Result<(), Failure> {
    match &args.what {
        ImportWhat::LinkedinExport(args) => linkedin_export::run(context, args),
        ImportWhat::Jsonl(args) => jsonl::run(context, args),
    }
}
