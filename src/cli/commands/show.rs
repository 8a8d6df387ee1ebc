//! `archiver show`: one conversation, oldest message first.

use std::ops::ControlFlow;

use clap::Args;

use crate::app::Context;
use crate::cli::ui::message_text::{folded, notes, sender};
use crate::cli::ui::output::Output;
use crate::cli::ui::pager::paged;
use crate::cli::ui::reading::{OpenArchive, SpanArgs};
use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::core::printable::{one_line, printable};
use crate::core::timeline::gap::Gap;
use crate::error::Failure;
use crate::store::{MessageRow, Scope};
use crate::view::local_time::{local, local_minute};
use crate::view::message::{from_to, is_system, message_json};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// Part of its name, its URN, thread id, profile URL, or #N
    ///
    /// '#N' means the conversation around message N, as numbered by `archiver search`.
    #[arg(value_name = "CONVERSATION")]
    pub(crate) conversation: String,

    #[command(flatten)]
    pub(crate) span: SpanArgs,

    /// Only the newest N messages
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,

    /// Only messages around this one: its URN or number
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["since", "until"])]
    pub(crate) around: Option<String>,

    /// Include earlier versions of edited messages
    #[arg(long)]
    pub(crate) edits: bool,

    /// Do not use a pager
    ///
    /// On a terminal, output goes through $PAGER, or less.
    #[arg(long)]
    pub(crate) no_pager: bool,

    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,

    /// Print the JSON as served by the API, one line per message
    #[arg(long, conflicts_with = "json", hide_short_help = true)]
    pub(crate) raw: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver show béla --limit 30   the newest 30 messages
  archiver show '#1234'           around a message that search found
  archiver show 2-QUJD --since 2024-03 --until 2024-04 --edits";

/// Messages shown for `--around` without `--limit`.
const AROUND: u32 = 40;

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let candidates = archive.candidates()?;
    let (id, around) = match message_number(&args.conversation) {
        Some(number) => {
            let message = queries.message(number).map_err(failed)?.ok_or_else(|| {
                Failure::usage(
                    format!("the archive has no message #{number}"),
                    "`archiver search` shows the numbers of messages",
                )
            })?;
            (message.conversation, Some(number.to_string()))
        }
        None => (archive.conversation(&candidates, &args.conversation)?, args.around.clone()),
    };
    let name = candidates.iter().find(|c| c.id == id).map(|c| c.label()).unwrap_or_default();
    let (range, limit, mark) = range(&archive, id, around.as_deref(), args)?;
    if args.json || args.raw {
        let mut out = Output::buffered(&context.env);
        let line = |row: MessageRow| {
            let done = if args.raw { out.json_text(&row.raw()) } else { out.json(&message_json(&row)) };
            done.map_or_else(ControlFlow::Break, ControlFlow::Continue)
        };
        queries.messages(&range, limit, line).map_err(failed)?.map_or(Ok(()), Err)?;
        return out.finish();
    }
    let gaps = queries.gaps_of(id).map_err(failed)?;
    let row = if gaps.is_empty() { None } else { queries.conversation(id).map_err(failed)? };
    let asked = row.map_or(Ok(true), |(row, _)| archive.asked().map(|asked| asked.asks(&row)))?;
    let low = range.from.map_or(range.since_ms, |(at, _)| Some(at)).unwrap_or(Ms::MIN);
    let high = range.until_ms.unwrap_or(Ms::MAX);
    paged(context, !args.no_pager, |out| {
        let title = out.style().bold(&one_line(&name));
        out.line(title)?;
        let (day, is_empty, archive, edits) = (String::new(), true, &archive, args.edits);
        let mut transcript = Transcript { out, archive, edits, gaps, asked, low, high, mark, day, is_empty };
        let flow = |done: Result<(), Failure>| done.map_or_else(ControlFlow::Break, ControlFlow::Continue);
        let ended = queries.messages(&range, limit, |row| flow(transcript.message(&row))).map_err(failed)?;
        ended.map_or_else(|| transcript.foot(), Err)
    })
}

/// The number of a message, as `archiver search` shows it.
fn message_number(word: &str) -> Option<MessageId> {
    word.trim().strip_prefix('#')?.parse().ok().map(MessageId)
}

/// The messages to show, and the one in their middle that `--around` names.
fn range(
    archive: &OpenArchive,
    conversation: ConversationId,
    around: Option<&str>,
    args: &ShowArgs,
) -> Result<(Scope, Option<u32>, Option<MessageId>), Failure> {
    let queries = archive.queries();
    let failed = |e| archive.failed(e);
    let mut range = Scope { conversation: Some(conversation), ..Scope::default() };
    if let Some(word) = around {
        let anchor = queries.message_called(word.trim_start_matches('#'), conversation).map_err(failed)?;
        let help = "use its entity_urn, or the number after # in the output of `archiver search`";
        let anchor = anchor
            .ok_or_else(|| Failure::usage(format!("this conversation has no message {word:?}"), help))?;
        let count = args.limit.unwrap_or(AROUND);
        range.from = Some(queries.before(&anchor, count / 2).map_err(failed)?);
        return Ok((range, Some(count.max(1)), Some(anchor.id)));
    }
    (range.since_ms, range.until_ms) = args.span.parse(archive.now)?;
    if let Some(limit) = args.limit {
        range = queries.newest_of(range, limit).map_err(failed)?;
    }
    Ok((range, args.limit, None))
}

struct Transcript<'a> {
    out: &'a mut Output,
    archive: &'a OpenArchive,
    edits: bool,
    /// Gaps still to come, oldest last.
    gaps: Vec<Gap>,
    /// Whether runs ask for the conversation, and so fill them.
    asked: bool,
    /// The time (ms) that is shown; gaps outside of it are not.
    low: Ms,
    high: Ms,
    /// The message that `--around` names; gaps after the last message are then not shown.
    mark: Option<MessageId>,
    day: String,
    is_empty: bool,
}

impl Transcript<'_> {
    fn message(&mut self, row: &MessageRow) -> Result<(), Failure> {
        let at = row.message.at_ms;
        self.gaps_before(Some(at))?;
        let style = self.out.style();
        let day = local(at, "%A, %Y-%m-%d");
        if day != self.day {
            self.out.line(format!("\n{}", style.dim(&format!("—— {day} ——"))))?;
            self.day = day;
        }
        let mut notes = notes(row);
        if let Some(gone) = row.gone_since_ms {
            notes.push_str(&format!(" (gone: not served since {})", local_minute(gone)));
        }
        let name = sender(row);
        let name = if row.from_me == Some(true) { style.green(&name) } else { style.bold(&name) };
        let here = if self.mark == Some(row.id) { ">" } else { " " };
        let time = style.dim(&local(at, "%H:%M"));
        self.out.line(format!("{here}{time} {name}{}", style.dim(&notes)))?;
        let quiet = is_system(row) || row.gone_since_ms.is_some();
        self.paragraphs(&row.shown(), "       ", quiet)?;
        if self.edits && row.versions > 1 {
            let former =
                self.archive.queries().former_versions(row.id).map_err(|e| self.archive.failed(e))?;
            for version in former {
                self.out.line(style.dim(&format!("       until {}:", local_minute(version.replaced_ms))))?;
                self.paragraphs(&version.text, "         ", true)?;
            }
        }
        self.is_empty = false;
        Ok(())
    }

    fn paragraphs(&mut self, text: &str, indent: &str, quiet: bool) -> Result<(), Failure> {
        let style = self.out.style();
        let width = self.out.columns().map_or(usize::MAX, |w| usize::from(w).saturating_sub(indent.len()));
        for line in folded(&printable(text), width) {
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
                && (moment.is_some() || self.mark.is_none());
            if within {
                let line = self.out.style().yellow(&gap_line(gap, self.asked));
                self.out.line(format!("\n{line}"))?;
                self.day.clear();
            }
            self.gaps.pop();
        }
        Ok(())
    }

    fn foot(&mut self) -> Result<(), Failure> {
        self.gaps_before(None)?;
        if self.is_empty { self.out.line("No messages.") } else { Ok(()) }
    }
}

fn gap_line(gap: &Gap, asked: bool) -> String {
    let (from, to) = from_to(gap.older_ms, gap.newer_ms, local_minute);
    let why = match &gap.stalled {
        Some(why) => format!("stalled: {}; retried less and less often", printable(&why.to_string())),
        None if asked => "`archiver sync --once` fills it".to_owned(),
        None => "sync does not ask for this conversation; add its id to conversations under [[accounts]]"
            .to_owned(),
    };
    format!("~~ messages may be missing from {from} to {to} ({why}) ~~")
}
