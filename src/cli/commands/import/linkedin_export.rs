//! `archiver import linkedin-export`: the member's own export, its progress and its report.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::app::Context;
use crate::app::wiring;
use crate::cli::ui::output::{Output, plural, thousands};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::error::Failure;
use crate::linkedin_export;
use crate::linkedin_export::{ExportFile, ImportError, ImportReport};
use crate::store::{Configured, Reader, Store, StoreError};

/// Odd rows that are listed one by one.
const SHOWN: usize = 10;

/// `archiver import linkedin-export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LinkedinExportArgs {
    /// The zip that LinkedIn sent, or the messages.csv in it
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// The account, where several are configured
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// Let the next sync look at N places of the export, for about N credits
    ///
    /// Opens up to N small gaps, spread evenly over what only exports have shown, each about ten messages long.
    /// The next run of sync asks the API for them, within the budget, and so finds edits, deletions and what an
    /// export leaves out. Until it has, another import opens the same ones and no more.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub check: u32,

    /// Say what would be imported; write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print it as one JSON object
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
    let accounts = wiring::accounts(&config);
    let account = chosen(&accounts, args.account.as_deref())?;
    let export = ExportFile::open(&args.path).map_err(|e| failure(&config, e))?;
    let file = args.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let options = linkedin_export::Options {
        accounts: &accounts,
        account,
        file: &file,
        check: args.check,
        now: SystemClock.now_ms(),
    };
    let bar = progress(export.rows(), !args.json);
    let mut watch = |rows| bar.set_position(rows);
    let report = if args.dry_run {
        outlook(&config, &export, &options, &mut watch)
    } else {
        import(&config, &export, &options, &mut watch)
    };
    bar.finish_and_clear();
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

fn outlook(
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

/// The account that the export is of.
fn chosen<'a>(accounts: &'a [Configured], name: Option<&str>) -> Result<&'a Configured, Failure> {
    let names = || accounts.iter().map(|a| a.account.as_str()).collect::<Vec<_>>().join(", ");
    let usage = |message: String, help: String| Err(Failure::Usage { message, help });
    match (accounts, name) {
        ([], _) => usage(
            "no account is configured, so nobody knows whose export this is".into(),
            "add [[accounts]] with a name to the configuration; it needs no key or token for this".into(),
        ),
        (_, Some(name)) => match accounts.iter().find(|a| a.account == name) {
            Some(account) => Ok(account),
            None => usage(format!("no account is called {name:?}"), format!("there are: {}", names())),
        },
        ([only], None) => Ok(only),
        (_, None) => usage(
            "several accounts are configured, and an export does not say whose it is".into(),
            format!("add --account with one of: {}", names()),
        ),
    }
}

/// What a failed import means for the program.
fn failure(config: &Config, error: ImportError) -> Failure {
    let help = match &error {
        ImportError::Store(_) => String::new(),
        ImportError::Read { .. } => "see whether the file is there and may be read".to_owned(),
        ImportError::Zip { .. } => {
            "download it again, or unpack it yourself and name the messages.csv in it".to_owned()
        }
        ImportError::NoMessages(_) => {
            "ask LinkedIn for a copy that includes messages, or name the messages.csv itself".to_owned()
        }
        ImportError::TooLarge { .. } | ImportError::NoHeader { .. } => {
            "name the zip that LinkedIn sent, or the messages.csv in it".to_owned()
        }
    };
    match error {
        ImportError::Store(error) => wiring::archive_failure(&config.archive.path, error),
        error => Failure::Usage { message: error.to_string(), help },
    }
}

fn progress(rows: u64, wanted: bool) -> ProgressBar {
    if !wanted || !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(rows);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} rows") {
        bar.set_style(style);
    }
    bar
}

/// The report for a person.
fn show(out: &mut Output, report: &ImportReport, args: &LinkedinExportArgs) -> Result<(), Failure> {
    for (line, reason) in report.odd_rows.iter().take(SHOWN) {
        out.line(format!("{} line {line}: {reason}", out.style().yellow("!")))?;
    }
    match report.odd_rows.len() {
        0 => {}
        n => {
            let more = if n > SHOWN { format!(", the first {SHOWN} of them above") } else { String::new() };
            let kept = if args.dry_run { "would be kept" } else { "are kept" };
            out.line(format!(
                "{}{more}, hold no message that can be placed; they {kept} in the table import_oddity.",
                plural(n, "row")
            ))?;
        }
    }
    let would = if args.dry_run { "would be new" } else { "new" };
    let mut words = vec![format!("{} {would}", plural(report.new_messages, "message"))];
    if report.drafts_and_advertisements > 0 {
        words.push(format!(
            "{} of them drafts or advertisements",
            thousands(report.drafts_and_advertisements)
        ));
    }
    words.push(format!("{} already there", thousands(report.there)));
    words.push(format!("{} known from the API", thousands(report.merged)));
    words.push(plural(report.conversations.len(), "conversation"));
    out.line(words.join(", "))?;
    out.line(format!(
        "From the API the new ones would have cost about {}. What is newer than the export is for `archiver sync`.",
        plural(report.credits_saved, "credit")
    ))?;
    if args.check > 0 && !args.dry_run {
        out.line(format!(
            "{} to look at again: the next sync spends about {} on them, within the budget.",
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
    fn the_account_must_be_named_only_where_there_are_several() {
        let chosen = |names: &[&str], name| chosen(&accounts(names), name).map(|a| a.account.clone());
        assert_eq!(chosen(&["me"], None).unwrap(), "me");
        assert_eq!(chosen(&["me", "firm"], Some("firm")).unwrap(), "firm");
        for (names, name) in [(&["me", "firm"][..], None), (&["me"], Some("you")), (&[], None)] {
            let failure = chosen(names, name).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{failure}");
        }
    }
}
