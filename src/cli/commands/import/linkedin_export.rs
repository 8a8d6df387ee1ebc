//! `archiver import linkedin-export`: imports LinkedIn's own export of your messages.

use std::path::PathBuf;

use clap::Args;

use crate::app::{Context, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::format::{plural, thousands};
use crate::error::Failure;
use crate::linkedin_export::{self, ExportFile, ImportError, ImportReport};
use crate::store::{Configured, Reader, Store, StoreError};

/// Unreadable rows that are listed one by one.
const SHOWN: usize = 10;

/// `archiver import linkedin-export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LinkedinExportArgs {
    /// The zip file from LinkedIn, or the messages.csv in it
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// The account; needed if several are configured
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// Spot-check the export against the API in N places
    ///
    /// Opens up to N small gaps of about ten messages, spread evenly over what only exports have shown. The next
    /// sync fills them for about N credits, within the budget, and so finds edits, deletions and what the export
    /// leaves out. Until then, another import opens no further ones.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub check: u32,

    /// Import it even if it is another member's than the account's
    #[arg(long)]
    pub any_owner: bool,

    /// Print what would be imported; write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print one JSON object
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
/// [`Failure::Config`], [`Failure::Usage`] if the export cannot be read or its account is unclear, or an archive that
/// cannot be written.
pub fn run(context: &Context, args: &LinkedinExportArgs) -> Result<(), Failure> {
    let config = context.config(None)?;
    context.warn(&config);
    let accounts = wiring::accounts(&config);
    let account = chosen(&accounts, args.account.as_deref())?;
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
    let report = if args.dry_run {
        dry_run(&config, &export, &options, &mut watch)
    } else {
        import(&config, &export, &options, &mut watch)
    };
    meter.clear();
    let report = report?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&report) } else { show(&mut out, &report, args) }
}

fn import(
    config: &Config,
    export: &ExportFile,
    options: &linkedin_export::Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<ImportReport, Failure> {
    let path = &config.archive.path;
    let failed = |e| wiring::archive_failure(path, e);
    let mut store = Store::open(path).map_err(failed)?;
    let report =
        linkedin_export::import(&mut store, export, options, watch).map_err(|e| failure(config, e))?;
    store.close().map_err(failed)?;
    Ok(report)
}

fn dry_run(
    config: &Config,
    export: &ExportFile,
    options: &linkedin_export::Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<ImportReport, Failure> {
    let reader = match Reader::open(&config.archive.path) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing(_)) => None,
        Err(error) => return Err(wiring::archive_failure(&config.archive.path, error)),
    };
    linkedin_export::outlook(reader.as_ref(), export, options, watch).map_err(|e| failure(config, e))
}

/// The account that the export belongs to.
fn chosen<'a>(accounts: &'a [Configured], name: Option<&str>) -> Result<&'a Configured, Failure> {
    let names = || accounts.iter().map(|a| a.account.as_str()).collect::<Vec<_>>().join(", ");
    let usage = |message: String, help: String| Err(Failure::Usage { message, help });
    match (accounts, name) {
        ([], _) => usage(
            "no account is configured".into(),
            "add [[accounts]] with a name to the configuration; an import needs no key or token".into(),
        ),
        (_, Some(name)) => match accounts.iter().find(|a| a.account == name) {
            Some(account) => Ok(account),
            None => usage(format!("no account is called {name:?}"), format!("configured: {}", names())),
        },
        ([only], None) => Ok(only),
        (_, None) => {
            usage("several accounts are configured".into(), format!("add --account with one of: {}", names()))
        }
    }
}

/// The failure that a failed import amounts to.
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

/// Prints the report.
fn show(out: &mut Output, report: &ImportReport, args: &LinkedinExportArgs) -> Result<(), Failure> {
    for (line, reason) in report.odd_rows.iter().take(SHOWN) {
        out.line(format!("{} line {line}: {reason}", out.style().yellow("!")))?;
    }
    match report.odd_rows.len() {
        0 => {}
        n => {
            let first = if n > SHOWN { format!(" (first {SHOWN} above)") } else { String::new() };
            let kept = if args.dry_run { "would be kept" } else { "are kept" };
            out.line(format!(
                "{}{first} could not be imported and {kept} in the table import_oddity.",
                plural(n, "row")
            ))?;
        }
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
        "This saved about {}. `archiver sync` downloads what is newer than the export.",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(names: &[&str]) -> Vec<Configured> {
        names.iter().map(|n| Configured { account: (*n).to_owned(), ..Configured::default() }).collect()
    }

    #[test]
    fn the_account_must_be_named_only_if_there_are_several() {
        let chosen = |names: &[&str], name| chosen(&accounts(names), name).map(|a| a.account.clone());
        assert_eq!(chosen(&["me"], None).unwrap(), "me");
        assert_eq!(chosen(&["me", "firm"], Some("firm")).unwrap(), "firm");
        for (names, name) in [(&["me", "firm"][..], None), (&["me"], Some("you")), (&[], None)] {
            let failure = chosen(names, name).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{failure}");
        }
    }
}
