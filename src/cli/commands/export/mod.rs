//! `archiver export`: writes the archive in other formats.

mod meter;

use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

pub(crate) use meter::ExportMeter;

use crate::app::{Context, wiring};
use crate::cli::ui::interrupt::{Interrupt, until_interrupted};
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::core::format::plural;
use crate::error::Failure;
use crate::export::{self, ExportError, Format, Job, Summary};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// jsonl, csv, html, parquet or markdown
    ///
    /// jsonl is lossless: `archiver import jsonl` restores the archive from it. csv is for spreadsheets. html is a
    /// folder of pages to read and search offline. parquet is a folder for DuckDB, pandas and the like. markdown is a
    /// folder of notes, for example for Obsidian.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub(crate) format: Format,

    /// The file (jsonl, csv) or folder to write
    ///
    /// An earlier export is replaced, anything else is left alone.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Only what is new or changed since the last export to PATH
    ///
    /// jsonl and csv: writes a numbered file beside PATH. parquet: rewrites the months with changes. html and
    /// markdown: writes nothing if nothing has changed.
    #[arg(long)]
    pub(crate) since_last: bool,

    /// Start csv with a byte order mark, which Excel needs
    #[arg(long)]
    pub(crate) bom: bool,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Jsonl, Self::Csv, Self::Html, Self::Parquet, Self::Markdown]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

const EXAMPLES: &str = "\
Examples:
  archiver export --format html --out pages   then open pages/index.html
  archiver export --format jsonl --out all.jsonl --since-last
  archiver export --format csv --out ada.csv --in ada --since 2024";

pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<(), Failure> {
    if args.bom && args.format != Format::Csv {
        return Err(Failure::usage("--bom works with --format csv only", "remove --bom"));
    }
    let archive = OpenArchive::open(context)?;
    let job = Job {
        format: args.format,
        out: context.env.cwd().join(&args.out),
        scope: archive.select(&args.scope)?,
        since_last: args.since_last,
        bom: args.bom,
        now: archive.now,
    };
    let OpenArchive { path, reader, .. } = archive;
    let done = until_interrupted(move |interrupt| {
        let done = export::run(&reader, &job, &mut ExportMeter::new(interrupt.clone()));
        done.map_err(|error| match error {
            ExportError::Store(error) => wiring::read_failure(&path, error),
            error => failure(&job.out, error, interrupt),
        })
    })?;
    Output::stdout(&context.env).line(summary(&done, args.format))
}

fn summary(done: &Summary, format: Format) -> String {
    let out = done.out.display();
    if done.unchanged {
        return format!("Nothing has changed since the last export to {out}.");
    }
    let messages = plural(done.messages, "message");
    match format {
        Format::Jsonl | Format::Csv => format!("Wrote {messages} to {out}"),
        Format::Html => {
            format!("Wrote {messages}; open {}", done.out.join("index.html").display())
        }
        Format::Parquet | Format::Markdown => {
            format!("Wrote {messages} in {} to {out}", plural(done.files, "file"))
        }
    }
}

/// The failure that a failed export or restore amounts to; `at` is the archive, or what was being written.
pub(crate) fn failure(at: &Path, error: ExportError, interrupt: &Interrupt) -> Failure {
    match error {
        ExportError::Store(error) => wiring::archive_failure(at, error),
        ExportError::File { path, source } => Failure::File(path, source),
        ExportError::Refused { message, help } => Failure::Usage { message, help },
        ExportError::Stopped => interrupt.failure("nothing was replaced"),
    }
}
