//! `archiver export`: writes the archive in other formats.

mod meter;

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

pub(crate) use meter::ExportMeter;

use crate::app::{Context, wiring};
use crate::cli::ui::interrupt::{Interrupt, until_interrupted};
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::config;
use crate::core::format::plural;
use crate::error::Failure;
use crate::export::{self, ExportError, Format, Job, Summary};
use crate::view::person;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// jsonl, csv, html, parquet, markdown or delta
    ///
    /// jsonl is lossless: `archiver import jsonl` restores the archive from it. csv is for spreadsheets. html is a
    /// folder of pages to read and search offline. parquet is a folder for DuckDB, pandas and the like. markdown is a
    /// folder of notes, for example for Obsidian. delta adds what changed since the last time to Delta Lake tables, in a
    /// folder or on S3, which many archives may share.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub(crate) format: Format,

    /// The file or folder to write; `-` for standard output
    ///
    /// jsonl and csv are a file, the others a folder; delta also takes s3://BUCKET/PREFIX. An earlier export is replaced, anything else is left alone. jsonl
    /// and csv can also go to a pipe or a device.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Only what this person wrote
    ///
    /// A whole name, or the URL of a profile, in every conversation and account.
    #[arg(long, value_name = "PERSON", conflicts_with = "since_last")]
    pub(crate) person: Option<String>,

    /// Only what is new or changed since the last export
    ///
    /// The last one to PATH counts. jsonl and csv: writes a numbered file beside PATH. parquet: rewrites the months with changes. html and
    /// markdown: writes nothing if nothing has changed.
    #[arg(long)]
    pub(crate) since_last: bool,

    /// Start csv with a byte order mark, which Excel needs
    #[arg(long, hide_short_help = true)]
    pub(crate) bom: bool,

    /// Show times in this zone, not UTC
    ///
    /// For html, markdown and csv: a name such as Europe/Berlin. jsonl and parquet always use UTC.
    #[arg(long, value_name = "ZONE", value_parser = config::timezone)]
    pub(crate) timezone: Option<Tz>,

    /// Replace notes that you have edited (markdown)
    ///
    /// Notes that were edited since the last export are otherwise left alone.
    #[arg(long, hide_short_help = true)]
    pub(crate) force: bool,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Jsonl, Self::Csv, Self::Html, Self::Parquet, Self::Markdown, Self::Delta]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

const EXAMPLES: &str = "\
Examples:
  archiver export --format html --out pages   then open pages/index.html
  archiver export --format jsonl --out all.jsonl --since-last
  archiver export --format html --out ada --person 'Ada Example'
  archiver export --format delta --out s3://bucket/archives
  archiver export --format jsonl --out - | jq .text";

pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<(), Failure> {
    use Format::{Csv, Html, Markdown};
    for (given, flag, formats) in [
        (args.bom, "--bom", &[Csv][..]),
        (args.timezone.is_some(), "--timezone", &[Html, Markdown, Csv]),
        (args.force, "--force", &[Markdown]),
    ] {
        if given && !formats.contains(&args.format) {
            let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
            return Err(Failure::usage(
                format!("{flag} works with --format {} only", names.join(", ")),
                format!("remove {flag}"),
            ));
        }
    }
    if args.format == Format::Delta {
        return delta(context, args);
    }
    let archive = OpenArchive::open(context)?;
    let (out, stream) = destination(context, &args.out);
    let mut scope = archive.select(&args.scope)?;
    if let Some(word) = &args.person {
        let senders = archive.queries().senders().map_err(|e| archive.failed(e))?;
        let chosen = person::choose(&senders, word)?;
        archive.reader.choose_people(&chosen.ids).map_err(|e| archive.failed(e))?;
        scope.chosen_people = true;
    }
    let job = Job {
        scope,
        since_last: args.since_last,
        bom: args.bom,
        timezone: args.timezone.unwrap_or(Tz::UTC),
        stream,
        force: args.force,
        ..Job::new(args.format, out, archive.now)
    };
    let OpenArchive { path, reader, .. } = archive;
    let done = until_interrupted(move |interrupt| {
        let done = export::run(&reader, &job, &mut ExportMeter::new(interrupt.clone()));
        done.map_err(|error| match error {
            ExportError::Store(error) => wiring::read_failure(&path, error),
            ExportError::File { source, .. } if stream => Failure::Stdout(source),
            ExportError::Stopped if stream => interrupt.failure("the output is incomplete"),
            error => failure(&job.out, error, interrupt),
        })
    })?;
    // A stream holds the export and nothing else.
    if stream { Ok(()) } else { Output::stdout(&context.env).line(summary(&done, args.format)) }
}

/// Delta Lake tables have all of an archive, and a push always goes on from the last one.
fn delta(context: &Context, args: &ExportArgs) -> Result<(), Failure> {
    let scope = &args.scope;
    for (given, flag) in [
        (scope.conversation.is_some(), "--in"),
        (scope.span.since.is_some(), "--since"),
        (scope.span.until.is_some(), "--until"),
        (args.person.is_some(), "--person"),
    ] {
        if given {
            let what =
                format!("{flag} does not work with --format delta, whose tables have the whole archive");
            return Err(Failure::usage(what, format!("remove {flag}, or choose another format")));
        }
    }
    #[cfg(feature = "lake")]
    return super::lake::push(context, &context.reading_config()?, &args.out, false);
    #[cfg(not(feature = "lake"))]
    super::lake::not_built(context)
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

fn summary(done: &Summary, format: Format) -> String {
    let out = done.out.display();
    if done.unchanged {
        return format!("Nothing has changed since the last export to {out}.");
    }
    let messages = plural(done.messages, "message");
    let said = match format {
        Format::Jsonl | Format::Csv => format!("Wrote {messages} to {out}"),
        Format::Html => {
            format!("Wrote {messages}; open {}", done.out.join("index.html").display())
        }
        Format::Parquet | Format::Markdown | Format::Delta => {
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
pub(crate) fn failure(at: &Path, error: ExportError, interrupt: &Interrupt) -> Failure {
    match error {
        ExportError::Store(error) => wiring::archive_failure(at, error),
        ExportError::File { path, source } => Failure::File(path, source),
        ExportError::Refused { message, help } => Failure::Usage { message, help },
        ExportError::Stopped => interrupt.failure("nothing was replaced"),
    }
}
