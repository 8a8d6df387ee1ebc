//! `archiver export`: writes the archive in other formats.

mod meter;

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use clap::{Args, ValueEnum};

pub use meter::ExportMeter;

use crate::app::{Context, wiring};
use crate::cli::ui::interrupt::until_interrupted;
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::config;
use crate::core::format::plural;
use crate::error::Failure;
use crate::export::{self, ExportError, Format, Job, Summary};
use crate::store::Scope;

/// `archiver export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// jsonl, csv, html, parquet or markdown
    ///
    /// jsonl is lossless: `archiver import jsonl` restores the archive from it. csv is for spreadsheets. html is a
    /// folder of pages to read and search offline. parquet is a folder for DuckDB, pandas and the like. markdown is a
    /// folder of notes, for example for Obsidian.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub format: ExportFormat,

    /// The file (jsonl, csv) or folder to write
    ///
    /// An earlier export is replaced, anything else is left alone. jsonl and csv can also go to - (standard output), a
    /// pipe or a device.
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,

    /// Which messages.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Only what is new or changed since the last export to PATH
    ///
    /// jsonl and csv: writes a numbered file beside PATH. parquet: rewrites the months with changes. html and
    /// markdown: writes nothing if nothing has changed.
    #[arg(long)]
    pub since_last: bool,

    /// Start csv with a byte order mark, which Excel needs
    #[arg(long)]
    pub bom: bool,

    /// Show times in this zone, not in UTC: Europe/Berlin
    ///
    /// In html, markdown and csv. jsonl and parquet have UTC.
    #[arg(long, value_name = "ZONE", value_parser = config::timezone)]
    pub timezone: Option<Tz>,

    /// Replace notes that you have edited since the last export (markdown)
    #[arg(long, hide_short_help = true)]
    pub force: bool,
}

/// The formats, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// JSON Lines, lossless.
    Jsonl,
    /// Comma-separated values.
    Csv,
    /// HTML pages.
    Html,
    /// Parquet files.
    Parquet,
    /// Markdown notes.
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
  archiver export --format html --out pages   then open pages/index.html
  archiver export --format jsonl --out all.jsonl --since-last
  archiver export --format csv --out ada.csv --in ada --since 2024
  archiver export --format jsonl --out - | jq .text";

/// Runs the command.
///
/// # Errors
/// [`Failure::Usage`], [`Failure::Config`], [`Failure::ArchiveRead`], or [`Failure::File`] if the export cannot be
/// written.
pub fn run(context: &Context, args: &ExportArgs) -> Result<(), Failure> {
    use ExportFormat::{Csv, Html, Markdown};
    for (given, flag, formats) in [
        (args.bom, "--bom", &[Csv][..]),
        (args.timezone.is_some(), "--timezone", &[Html, Markdown, Csv]),
        (args.force, "--force", &[Markdown]),
    ] {
        if given && !formats.contains(&args.format) {
            let names: Vec<&str> = formats.iter().map(|format| Format::from(*format).name()).collect();
            return Err(Failure::Usage {
                message: format!("{flag} works with --format {} only", names.join(", ")),
                help: format!("remove {flag}"),
            });
        }
    }
    let archive = OpenArchive::open(context)?;
    let selected = archive.select(&args.scope)?;
    let scope = Scope {
        conversation: selected.conversation,
        since_ms: selected.since,
        until_ms: selected.until,
        ..Scope::default()
    };
    let (out, stream) = destination(context, &args.out);
    let job = Job {
        scope,
        since_last: args.since_last,
        bom: args.bom,
        timezone: args.timezone.unwrap_or(Tz::UTC),
        stream,
        force: args.force,
        ..Job::new(args.format.into(), out, archive.now)
    };
    let OpenArchive { path, reader, .. } = archive;
    let done = until_interrupted(move |interrupt| {
        let mut meter = ExportMeter::new(interrupt);
        export::run(&reader, &job, &mut meter)
    })?;
    let done = done.map_err(|error| match error {
        ExportError::Store(error) => wiring::read_failure(&path, error),
        ExportError::File { source, .. } if stream => Failure::Stdout(source),
        error => failure(&args.out, error),
    })?;
    // A stream holds the export and nothing else.
    if stream { Ok(()) } else { Output::stdout(&context.env).line(summary(&done, args.format)) }
}

/// Where to write, and whether what is there takes the export as it comes.
fn destination(context: &Context, out: &Path) -> (PathBuf, bool) {
    if ["-", "/dev/stdout"].iter().any(|stdout| out == Path::new(stdout)) {
        return ("-".into(), true);
    }
    let out = context.env.cwd().join(out);
    let stream = out.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    (out, stream)
}

fn summary(done: &Summary, format: ExportFormat) -> String {
    let out = done.out.display();
    if done.unchanged {
        return format!("Nothing has changed since the last export to {out}.");
    }
    let messages = plural(done.messages, "message");
    let said = match format {
        ExportFormat::Jsonl | ExportFormat::Csv => format!("Wrote {messages} to {out}"),
        ExportFormat::Html => {
            format!("Wrote {messages}; open {}", done.out.join("index.html").display())
        }
        ExportFormat::Parquet | ExportFormat::Markdown => {
            format!("Wrote {messages} in {} to {out}", plural(done.files, "file"))
        }
    };
    match done.left_alone.as_slice() {
        [] => said,
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            format!(
                "{said}\nLeft alone, because you have edited it: {}{more}. --force replaces it.",
                first.display()
            )
        }
    }
}

/// The failure that a failed export or restore amounts to; `at` is the archive, or what was being written.
#[must_use]
pub fn failure(at: &Path, error: ExportError) -> Failure {
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
