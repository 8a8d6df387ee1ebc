//! `archiver show`: one conversation, oldest message first.

use std::ops::ControlFlow;

use clap::Args;

use crate::app::Context;
use crate::cli::ui::local_time::{local_minute, local_time, local_weekday};
use crate::cli::ui::message_text::{folded, harmless, message_json, sender};
use crate::cli::ui::output::Output;
use crate::cli::ui::pager::Pager;
use crate::cli::ui::reading::{OpenArchive, SpanArgs, conversation};
use crate::core::Ms;
use crate::core::timeline::gap::Gap;
use crate::error::Failure;
use crate::store::{MessageRange, MessageRow};

/// `archiver show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// Part of its name, its URN, thread id or profile URL
    #[arg(value_name = "CONVERSATION")]
    pub conversation: String,

    /// By date.
    #[command(flatten)]
    pub span: SpanArgs,

    /// Only the newest N messages
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,

    /// Only messages around this one: its URN or number
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["since", "until"])]
    pub around: Option<String>,

    /// Include earlier versions of edited messages
    #[arg(long)]
    pub edits: bool,

    /// Do not use a pager
    ///
    /// On a terminal, output goes through $PAGER, or less.
    #[arg(long)]
    pub no_pager: bool,

    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,

    /// Print the JSON as served by the API, one line per message
    #[arg(long, conflicts_with = "json", hide_short_help = true)]
    pub raw: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver show béla              everything, oldest first
  archiver show béla --limit 30   the newest 30 messages
  archiver show 2-QUJD --since 2024-03 --until 2024-04 --edits";

/// Messages shown for `--around` without `--limit`.
const AROUND: u32 = 40;

/// Runs the command.
///
/// # Errors
/// [`Failure::Config`], [`Failure::Usage`] if the conversation is unknown or ambiguous, or [`Failure::ArchiveRead`].
pub fn run(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let candidates = archive.candidates()?;
    let id = conversation(&candidates, &args.conversation)?;
    let name = candidates.iter().find(|c| c.id == id).map(|c| c.label()).unwrap_or_default();
    let (range, mark) = range(&archive, id, args)?;
    if args.json || args.raw {
        let mut out = Output::buffered(&context.env);
        let line = |row: MessageRow| {
            let done = if args.raw { out.json_text(&row.raw()) } else { out.json(&message_json(&row)) };
            done.map_or_else(ControlFlow::Break, ControlFlow::Continue)
        };
        queries.messages(&range, line).map_err(failed)?.map_or(Ok(()), Err)?;
        return out.finish();
    }
    let gaps = queries.gaps_of(id).map_err(failed)?;
    let mut pager = Pager::start(context, !args.no_pager);
    let mut transcript = Transcript::new(pager.output(), &archive, args, gaps, &range, mark);
    let done = transcript.head(&name).and_then(|()| {
        match queries.messages(&range, |row| transcript.message(&row)) {
            Ok(None) => transcript.foot(),
            Ok(Some(failure)) => Err(failure),
            Err(error) => Err(failed(error)),
        }
    });
    // A pager that its reader has closed is no failure; one that cannot be started comes before any other.
    pager.finish()?;
    done
}

/// The messages to show, and the one in their middle that `--around` names.
fn range(
    archive: &OpenArchive,
    conversation: i64,
    args: &ShowArgs,
) -> Result<(MessageRange, Option<i64>), Failure> {
    let queries = archive.queries();
    let failed = |e| archive.failed(e);
    let mut range = MessageRange { conversation: Some(conversation), ..MessageRange::default() };
    if let Some(word) = &args.around {
        let anchor = queries.message_called(word.trim_start_matches('#'), conversation).map_err(failed)?;
        let anchor = anchor.ok_or_else(|| Failure::Usage {
            message: format!("this conversation has no message {word:?}"),
            help: "use its entity_urn, or the number after # in the output of `archiver search`".to_owned(),
        })?;
        let count = args.limit.unwrap_or(AROUND);
        range.from = Some(queries.before(&anchor, count / 2).map_err(failed)?);
        range.limit = Some(count.max(1));
        return Ok((range, Some(anchor.id)));
    }
    (range.since, range.until) = args.span.parse(archive.now)?;
    if let Some(limit) = args.limit {
        range = queries.newest_of(range, limit).map_err(failed)?;
        range.limit = Some(limit);
    }
    Ok((range, None))
}

/// A conversation on its way to the reader.
struct Transcript<'a> {
    out: &'a mut Output,
    archive: &'a OpenArchive,
    edits: bool,
    /// Gaps still to come, oldest last.
    gaps: Vec<Gap>,
    /// The time (ms) that is shown; gaps outside of it are not.
    low: Ms,
    high: Ms,
    /// Whether gaps after the last message are shown.
    to_end: bool,
    mark: Option<i64>,
    day: String,
    last_ms: Option<Ms>,
}

impl<'a> Transcript<'a> {
    fn new(
        out: &'a mut Output,
        archive: &'a OpenArchive,
        args: &ShowArgs,
        gaps: Vec<Gap>,
        range: &MessageRange,
        mark: Option<i64>,
    ) -> Self {
        let low = range.from.map_or(range.since, |(at, _)| Some(at)).unwrap_or(Ms::MIN);
        let (high, to_end) = (range.until.unwrap_or(Ms::MAX), mark.is_none());
        Self {
            out,
            archive,
            edits: args.edits,
            gaps,
            low,
            high,
            to_end,
            mark,
            day: String::new(),
            last_ms: None,
        }
    }

    fn head(&mut self, name: &str) -> Result<(), Failure> {
        let style = self.out.style();
        self.out.line(style.bold(&harmless(name)))
    }

    fn message(&mut self, row: &MessageRow) -> ControlFlow<Failure> {
        match self.write(row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => ControlFlow::Break(failure),
        }
    }

    fn write(&mut self, row: &MessageRow) -> Result<(), Failure> {
        let at = row.message.at_ms;
        self.gaps_before(Some(at))?;
        let style = self.out.style();
        let day = local_weekday(at);
        if day != self.day {
            self.out.line(format!("\n{}", style.dim(&format!("—— {day} ——"))))?;
            self.day = day;
        }
        let mut tail = String::new();
        if row.versions > 1 {
            tail.push_str(" (edited)");
        }
        if let Some(gone) = row.gone_since_ms {
            tail.push_str(&format!(" (gone: not served since {})", local_minute(gone)));
        }
        let name = sender(row);
        let name = if row.from_me == Some(true) { style.green(&name) } else { style.bold(&name) };
        let here = if self.mark == Some(row.id) { ">" } else { " " };
        let time = style.dim(&local_time(at));
        let quiet = !matches!(row.message.kind.as_str(), "" | "TEXT");
        if quiet {
            tail.push_str(&format!(" [{}]", harmless(&row.message.kind)));
        }
        self.out.line(format!("{here}{time} {name}{}", style.dim(&tail)))?;
        let text = harmless(&row.shown());
        self.paragraphs(&text, "       ", quiet || row.gone_since_ms.is_some())?;
        if self.edits && row.versions > 1 {
            let former = self.archive.queries().former(row.id).map_err(|e| self.archive.failed(e))?;
            for (replaced, text) in former {
                self.out.line(style.dim(&format!("       until {}:", local_minute(replaced))))?;
                self.paragraphs(&harmless(&text), "         ", true)?;
            }
        }
        self.last_ms = Some(at);
        Ok(())
    }

    fn paragraphs(&mut self, text: &str, indent: &str, quiet: bool) -> Result<(), Failure> {
        let style = self.out.style();
        let width = self.out.columns().map_or(usize::MAX, |w| usize::from(w).saturating_sub(indent.len()));
        for line in folded(text, width) {
            let line = if quiet { style.dim(&line) } else { line };
            self.out.line(format!("{indent}{line}").trim_end())?;
        }
        Ok(())
    }

    /// Writes the gaps that end before this time, or all that are left.
    fn gaps_before(&mut self, moment: Option<Ms>) -> Result<(), Failure> {
        while let Some(gap) = self.gaps.last() {
            // The message at a gap's newer edge is the first one after it.
            let ended = match (moment, gap.newer_ms) {
                (Some(moment), Some(newer)) => newer <= moment,
                (Some(_), None) => false,
                (None, _) => true,
            };
            if !ended {
                return Ok(());
            }
            let within = gap.newer_ms.is_none_or(|newer| newer > self.low)
                && gap.older_ms.is_none_or(|older| older < self.high)
                && (moment.is_some() || self.to_end);
            if within {
                let line = gap_line(gap);
                let style = self.out.style();
                self.out.line(format!("\n{}", style.yellow(&line)))?;
                self.day.clear();
            }
            self.gaps.pop();
        }
        Ok(())
    }

    fn foot(&mut self) -> Result<(), Failure> {
        self.gaps_before(None)?;
        if self.last_ms.is_none() {
            self.out.line("No messages.")?;
        }
        Ok(())
    }
}

fn gap_line(gap: &Gap) -> String {
    let from = gap.older_ms.map_or_else(|| "the beginning".to_owned(), local_minute);
    let to = gap.newer_ms.map_or_else(|| "now".to_owned(), local_minute);
    let why = match &gap.stalled {
        Some(why) => format!("stalled: {}; retried less and less often", harmless(&why.to_string())),
        None => "`archiver sync --once` fills it".to_owned(),
    };
    format!("~~ messages may be missing from {from} to {to} ({why}) ~~")
}
