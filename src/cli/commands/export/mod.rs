//! `archiver export`: the archive as other files.

mod watch;

use crate::cli::ui::output::Output;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub use watch::{Bar, with_signals};

use crate::app::Context;
use crate::app::wiring;
use crate::cli::ui::output::plural;
use crate::cli::ui::reading::{Archive, ScopeArgs};
use crate::error::Failure;
use crate::export::{self, ExportError, Format, Job, Summary};
use crate::store::Scope;

/// `archiver export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// jsonl, csv, html, parquet or markdown
    ///
    /// jsonl loses nothing: `archiver import jsonl` makes an equal archive of it. csv is for spreadsheets. html is a
    /// folder of pages to read and search offline. parquet is a folder for DuckDB, pandas and the like. markdown is a
    /// folder of notes, such as for Obsidian.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub format: ExportFormat,

    /// The file (jsonl, csv) or folder to write
    ///
    /// What an earlier export left there is replaced, anything else is not touched.
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,

    /// What of it.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Only what is new or changed since the last export to PATH
    ///
    /// jsonl and csv: into a numbered file beside PATH. parquet: only the months with changes are written anew. html
    /// and markdown: nothing is written when nothing has changed.
    #[arg(long)]
    pub since_last: bool,

    /// Begin a csv with a byte order mark, which Excel wants
    #[arg(long)]
    pub bom: bool,
}

/// The formats, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// JSON Lines, without loss.
    Jsonl,
    /// Comma-separated values.
    Csv,
    /// Pages.
    Html,
    /// Columns.
    Parquet,
    /// Notes.
    Markdown,
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Jsonl => Self::Jsonl,
            ExportFormat::Csv => Self::Csv,
            ExportFormat::Html => Self::Html,
            ExportFormat::Parquet => Self::Parquet,
            ExportFormat::Markdown => Self::Markdown,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  archiver export --format html --out pages     then open pages/index.html
  archiver export --format jsonl --out all.jsonl --since-last
  archiver export --format csv --out ada.csv --in ada --since 2024";

/// Runs the command.
///
/// # Errors
/// Bad usage or configuration, an archive that cannot be read, or a place that cannot be written.
pub fn run(context: &Context, args: &ExportArgs) -> Result<(), Failure> {
    if args.bom && args.format != ExportFormat::Csv {
        return Err(Failure::Usage {
            message: "--bom is for --format csv".to_owned(),
            help: "leave it out".to_owned(),
        });
    }
    let archive = Archive::open(context)?;
    let chosen = archive.scope(&args.scope)?;
    let scope = Scope {
        conversation: chosen.conversation,
        since_ms: chosen.since,
        until_ms: chosen.until,
        ..Scope::default()
    };
    let job = Job {
        format: args.format.into(),
        out: context.env.cwd().join(&args.out),
        scope,
        since_last: args.since_last,
        bom: args.bom,
        now: archive.now,
    };
    let Archive { path, reader, .. } = archive;
    let done = with_signals(move |mut bar| {
        let done = export::run(&reader, &job, &mut bar);
        bar.finish();
        done
    })?;
    let done = done.map_err(|error| match error {
        ExportError::Store(error) => wiring::read_failure(&path, error),
        error => failure(&args.out, error),
    })?;
    Output::stdout(&context.env).line(told(&done, args.format))
}

fn told(done: &Summary, format: ExportFormat) -> String {
    let out = done.out.display();
    if done.unchanged {
        return format!("Nothing has changed since the last export to {out}.");
    }
    let messages = plural(done.messages, "message");
    match format {
        ExportFormat::Jsonl | ExportFormat::Csv => format!("{messages} written to {out}"),
        ExportFormat::Html => {
            format!("{messages} written; open {}", done.out.join("index.html").display())
        }
        ExportFormat::Parquet | ExportFormat::Markdown => {
            format!("{messages} in {} written to {out}", plural(done.files, "file"))
        }
    }
}

/// What a failed export or import means for the program: `at` is the archive, or what was to be written when it was
/// stopped.
#[must_use]
pub fn failure(at: &std::path::Path, error: ExportError) -> Failure {
    match error {
        ExportError::Store(error) => wiring::archive_failure(at, error),
        ExportError::File { path, source } => Failure::File { path, source },
        ExportError::Refused { message, help } => Failure::Usage { message, help },
        ExportError::Stopped => {
            let source = std::io::Error::new(std::io::ErrorKind::Interrupted, error.to_string());
            Failure::File { path: at.to_owned(), source }
        }
    }
}
