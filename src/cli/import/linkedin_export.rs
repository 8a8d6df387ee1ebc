//! `archiver import linkedin-export`: the member's own export, its progress and its report.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Context;
use crate::error::Failure;

/// `archiver import linkedin-export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LinkedinExportArgs {
    /// The zip that LinkedIn sent, or the messages.csv in it
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Whose export it is, where several accounts are configured
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// Let the next sync look at N places of the export, for about N credits
    ///
    /// Opens N small gaps, spread evenly over what the export covers, each about ten messages long. The next run
    /// of sync asks the API for them, and so finds edits, deletions and what an export leaves out. A second
    /// import does not open them again.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub check: u32,

    /// Say what would be imported; write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print the report as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver import linkedin-export Complete_LinkedInDataExport.zip --dry-run
  archiver import linkedin-export Complete_LinkedInDataExport.zip
  archiver import linkedin-export messages.csv --account me --check 20";

/// Runs the command.
///
/// # Errors
/// Bad usage or configuration, a file that cannot be read, or an archive that fails.
pub fn run(context: &Context, args: &LinkedinExportArgs) -> Result<(), Failure> {
    let config = context.config(None)?;
    context.warn(&config);
    Err(Failure::Usage {
        message: format!("{} cannot be imported yet", args.path.display()),
        help: "this build only knows the command's flags".into(),
    })
}
