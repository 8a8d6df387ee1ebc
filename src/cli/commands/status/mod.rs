//! `archiver status`: what is archived, what is missing, what was spent, and what needs attention.

mod attention;
mod json;
mod page;
mod picture;
mod selection;
mod text;

use std::path::PathBuf;

use clap::Args;

use self::json::{ServiceStatus, Status};
use self::picture::Picture;
use crate::app::metrics::{Closed, Metrics};
use crate::app::outlook::AskedFor;
use crate::app::{Context, outlook, wiring};
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::local_time::{local_date, local_minute};
use crate::cli::ui::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{IsoTime, counted, iso_utc, plural};
use crate::error::Failure;
use crate::store::{
    Alert, ArchiveSummary, Cause, ConversationRow, DayRow, GapRow, Holder, InboxStatus, Reader, StoreError,
    holder,
};

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
    /// Without it, the newest conversations and those that need attention are shown. --json always has all of them.
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
    let facts = Facts::read(config).map_err(|e| wiring::read_failure(&config.archive.path, e))?;
    // People read times in their own zone; scripts, and the page, which travels, have them in UTC.
    let format: FormatTime = if args.json || args.html.is_some() { iso_utc } else { local_minute };
    let status = Status::of(&facts, config, format);
    let picture = Picture::of(&facts, most(args, out));
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

/// How a time is written.
type FormatTime = fn(Ms) -> String;

struct Facts {
    now: Ms,
    conversations: Vec<ConversationRow>,
    inboxes: Vec<InboxStatus>,
    days: Vec<DayRow>,
    metrics: Metrics,
    summary: ArchiveSummary,
    stalled: Vec<GapRow>,
    asked: AskedFor,
}

impl Facts {
    fn read(config: &Config) -> Result<Self, StoreError> {
        let reader = Reader::open(&config.archive.path)?;
        let queries = reader.queries();
        let now = SystemClock.now_ms();
        let (mut conversations, inboxes) = (queries.conversations()?, queries.inboxes()?);
        let metrics = Metrics::of(&queries, config, &mut conversations, &inboxes, now)?;
        let (mut summary, mut asked) = (queries.summary()?, outlook::asked(config, &reader, now)?);
        summary.gaps -= metrics.forgotten_gaps;
        asked.gaps_elsewhere -= metrics.forgotten_gaps;
        Ok(Self {
            now,
            metrics,
            days: queries.credits_by_day(now, picture::DAYS)?,
            summary,
            stalled: queries.stalled()?,
            asked,
            conversations,
            inboxes,
        })
    }
}

impl Facts {
    /// Why `--exit-code` is 1.
    fn trouble(&self) -> Option<String> {
        let used_up = |row: &&Alert| row.cause == Cause::Credits;
        // What has been renewed since is tried by the next run.
        let alerts = self.metrics.parked.len() + self.metrics.figures.alerts.iter().filter(used_up).count();
        let outcome = self.metrics.last_run.as_ref().and_then(|run| run.outcome.as_deref());
        match (alerts, outcome) {
            (1.., _) => Some(format!("{} your attention", counted(alerts, "thing needs", "things need"))),
            (0, Some(outcome @ ("failed" | "partial"))) => Some(format!("the last run ended {outcome}")),
            (0, _) => None,
        }
    }
}

/// The service, if one is running and this process may look at its lock.
fn service(config: &Config, closed: Option<Closed>, now: Ms) -> Option<ServiceStatus> {
    let Ok(Holder::Service(pid)) = holder(&config.archive.path) else { return None };
    let next = closed.map_or_else(|| config.schedule.slots.next(now), |closed| closed.goes_on_ms);
    Some(ServiceStatus { pid, next_slot_at: next.map(IsoTime) })
}

/// What is missing of a conversation: its newest gap, and how many more there are.
fn missing(row: &ConversationRow) -> String {
    let Some(newest) = row.timeline.gaps.first() else { return "nothing".to_owned() };
    let words = match (newest.newer_ms, newest.older_ms) {
        (None, None) => {
            match (row.timeline.oldest_ms.map(local_date), row.timeline.newest_ms.map(local_date)) {
                (Some(oldest), Some(newest)) if oldest == newest => format!("before and after {newest}"),
                (Some(oldest), Some(newest)) => format!("around {oldest} – {newest}"),
                _ => "everything".to_owned(),
            }
        }
        (None, Some(older)) => format!("after {}", local_date(older)),
        (Some(newer), None) => format!("before {}", local_date(newer)),
        (Some(newer), Some(older)) => format!("{} – {}", local_date(older), local_date(newer)),
    };
    match row.timeline.gaps.len() {
        1 => words,
        n => format!("{words} and {}", plural(n - 1, "more gap")),
    }
}
