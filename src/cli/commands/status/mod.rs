//! `archiver status`: what is archived, what is missing, what was spent, and what needs attention.

mod page;
mod picture;
mod selection;
mod text;

use std::path::PathBuf;

use clap::Args;

use self::picture::Picture;
use crate::app::{Context, wiring};
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::format::iso_utc;
use crate::error::Failure;
use crate::store::Reader;
use crate::view::local_time::local_minute;
use crate::view::status::{Facts, FormatTime, Listing, Status};

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// Write an HTML page with charts to PATH
    ///
    /// The page is one file and loads nothing from the network.
    #[arg(long, value_name = "PATH")]
    pub(crate) html: Option<PathBuf>,

    /// Show everything instead of the first few
    ///
    /// Without it, the newest conversations and those that need attention are shown. --json always includes everything.
    #[arg(long)]
    pub(crate) all: bool,

    /// Exit with 1 if an account needs you or the last run failed
    ///
    /// For monitors; see also the alert command and the metrics in the configuration.
    #[arg(long)]
    pub(crate) exit_code: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver status                      the newest conversations, and what needs attention
  archiver status --all                every conversation
  archiver status --html status.html
  archiver status --json | jq '.conversations[] | select(.gaps > 0)'";

/// Conversations that are shown without `--all`: on a page or in a file, and at least and at most on a terminal.
const SHOWN: usize = 20;
const SHOWN_ON_TERMINAL: (usize, usize) = (5, SHOWN);
/// Lines of the terminal that are not conversations. Each conversation takes two: in the table and in the picture.
const OTHER_LINES: usize = 16;

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<(), Failure> {
    let config = context.config_with_readable_secrets()?;
    report(&config, &mut Output::stdout(&context.env), Glyphs::of(&context.env), args)
}

/// Prints the status of a configuration's archive.
pub(crate) fn report(
    config: &Config,
    out: &mut Output,
    glyphs: Glyphs,
    args: &StatusArgs,
) -> Result<(), Failure> {
    let most = most(args, out);
    let listing = most.filter(|_| !args.json).map_or(Listing::All, Listing::Notable);
    let read = Reader::open(&config.archive.path);
    let facts = read.and_then(|reader| Facts::read(config, &reader, listing, SystemClock.now_ms()));
    let facts = facts.map_err(|e| wiring::read_failure(&config.archive.path, e))?;
    // People read times in their own zone; scripts, and the page, which travels, have them in UTC.
    let format: FormatTime = if args.json || args.html.is_some() { iso_utc } else { local_minute };
    let status = Status::of(&facts, config, format);
    let picture = Picture::of(&facts, most);
    if let Some(path) = &args.html {
        page::write(path, &status, &picture)?;
    }
    match &args.html {
        _ if args.json => out.json(&status)?,
        Some(path) => out.line(format!("Wrote {}", path.display()))?,
        None => text::show(out, &status, &picture, glyphs, args.all)?,
    }
    match facts.trouble().filter(|_| args.exit_code) {
        Some(trouble) => Err(Failure::CheckFailed(trouble)),
        None => Ok(()),
    }
}

/// How many conversations are shown; `None` is all of them.
fn most(args: &StatusArgs, out: &Output) -> Option<usize> {
    if args.all {
        return None;
    }
    let lines = out.lines().filter(|_| args.html.is_none());
    let (least, most) = SHOWN_ON_TERMINAL;
    Some(lines.map_or(SHOWN, |lines| (usize::from(lines).saturating_sub(OTHER_LINES) / 2).clamp(least, most)))
}
