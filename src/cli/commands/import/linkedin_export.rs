//! `archiver import linkedin-export`: imports LinkedIn's own export of your messages.

use std::path::PathBuf;

use clap::Args;

use crate::app::{Context, wiring};
use crate::cli::ui::account::choose;
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::format::{plural, thousands};
use crate::error::Failure;
use crate::linkedin_export::{self, ExportFile, ImportError, ImportReport};

/// Unreadable rows that are listed one by one.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LinkedinExportArgs {
    /// The zip file from LinkedIn, or the messages.csv in it
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// The account; needed if several are configured
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    /// Spot-check the export against the API in N places
    ///
    /// Opens up to N small gaps of about ten messages, spread evenly over what is known only from exports. The next sync
    /// fills them for about N credits, within the budget, and so finds edits, deletions and messages that the export
    /// lacks. Until then, further imports open no more gaps.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) check: u32,

    /// Import it even if it belongs to another member than the account
    #[arg(long)]
    pub(crate) any_owner: bool,

    /// Print what would be imported; write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver import linkedin-export Complete_LinkedInDataExport.zip --dry-run
  archiver import linkedin-export Complete_LinkedInDataExport.zip
  archiver import linkedin-export messages.csv --account me --check 20";

pub(crate) fn run(context: &Context, args: &LinkedinExportArgs) -> Result<(), Failure> {
    let config = context.config_warned(None)?;
    let accounts = wiring::accounts(&config);
    let none = "add [[accounts]] with a name to the configuration; an import needs no key or token";
    let (_, account) = choose(&accounts, |a| &a.account, args.account.as_deref(), none)?;
    let now = SystemClock.now_ms();
    let export = ExportFile::open(&args.path, now).map_err(|e| failure(&config, e))?;
    let file = args.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let options = linkedin_export::Options {
        accounts: &accounts,
        account,
        file: &file,
        check: args.check,
        any_owner: args.any_owner,
        now,
    };
    let meter = if args.json { Meter::hidden() } else { Meter::new() };
    let total = export.rows();
    let mut watch = |rows| meter.show(&format!("{} rows", thousands(rows)), rows, total);
    let path = &config.archive.path;
    let report = if args.dry_run {
        let reader = wiring::reader_if_any(path)?;
        linkedin_export::outlook(reader.as_ref(), &export, &options, &mut watch)
    } else {
        let mut store = wiring::store(&config)?;
        let report = linkedin_export::import(&mut store, &export, &options, &mut watch);
        report.and_then(|report| store.close().map(|()| report).map_err(ImportError::Store))
    };
    drop(meter);
    let report = report.map_err(|e| failure(&config, e))?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&report) } else { show(&mut out, &report, args) }
}

fn failure(config: &Config, error: ImportError) -> Failure {
    match error {
        ImportError::Store(error) => wiring::archive_failure(&config.archive.path, error),
        ImportError::Refused { message, help } => Failure::Usage { message, help },
        error @ ImportError::Read { .. } => Failure::Usage {
            message: error.to_string(),
            help: "check that the file exists and that you can read it".to_owned(),
        },
    }
}

fn show(out: &mut Output, report: &ImportReport, args: &LinkedinExportArgs) -> Result<(), Failure> {
    for (line, reason) in report.odd_rows.iter().take(SHOWN) {
        out.line(format!("{} line {line}: {reason}", out.style().yellow("!")))?;
    }
    let odd = report.odd_rows.len();
    if odd > 0 {
        let first = if odd > SHOWN { format!(" (first {SHOWN} above)") } else { String::new() };
        let kept = if args.dry_run { "would be kept" } else { "are kept" };
        let rows = plural(odd, "row");
        out.line(format!("{rows}{first} could not be imported and {kept} in the table import_oddity."))?;
    }
    let would = if args.dry_run { "would be new" } else { "new" };
    let mut words = vec![format!("{} {would}", plural(report.new_messages, "message"))];
    if report.drafts_and_advertisements > 0 {
        words.push(format!("{} of them drafts or ads", thousands(report.drafts_and_advertisements)));
    }
    words.push(format!("{} already imported", thousands(report.there)));
    words.push(format!("{} known from the API", thousands(report.merged)));
    words.push(plural(report.conversations.len(), "conversation"));
    out.line(words.join(", "))?;
    out.line(format!(
        "This saved about {}. `archiver sync` downloads what is newer than the export, of conversations that are\n\
         configured or that the inbox shows; `archiver status` names the others.",
        plural(report.credits_saved, "credit")
    ))?;
    if args.check > 0 && !args.dry_run {
        out.line(format!(
            "{} to check: the next sync spends about {} on them, within the budget.",
            plural(report.checks, "place"),
            plural(report.checks, "credit")
        ))?;
    }
    if args.dry_run {
        out.line("Nothing was written.")?;
    }
    Ok(())
}
