//! `archiver show`: one conversation as a person reads it.

use std::ops::ControlFlow;

use clap::Args;
use serde_json::{Value, json};

use crate::app::Context;
use crate::cli::ui::message_text;
use crate::cli::ui::output::{Output, local_minute};
use crate::cli::ui::pager::Pager;
use crate::cli::ui::reading::{Archive, SpanArgs, conversation};
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::timeline::apply::Gap;
use crate::error::Failure;
use crate::store::{MessageRange, MessageRow};

/// `archiver show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// Which: a part of its name, its URN, thread id or profile URL
    #[arg(value_name = "CONVERSATION")]
    pub conversation: String,

    /// Between which dates.
    #[command(flatten)]
    pub span: SpanArgs,

    /// At most N messages, the newest
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,

    /// Around this message: its URN, or search's number
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["since", "until"])]
    pub around: Option<String>,

    /// With what edited messages said before
    #[arg(long)]
    pub edits: bool,

    /// Print it at once, without the pager
    ///
    /// On a terminal it is read with $PAGER, or less, elsewhere never.
    #[arg(long)]
    pub no_pager: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,

    /// Print the JSON that was served, a line for each message
    #[arg(long, conflicts_with = "json", hide_short_help = true)]
    pub raw: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver show béla                       all of it, oldest first
  archiver show béla --limit 30            the newest 30
  archiver show 2-QUJD --since 2024-03 --until 2024-04 --edits";

/// Messages shown around one, unless told otherwise.
const AROUND: u32 = 40;

/// Runs the command.
///
/// # Errors
/// Bad configuration or usage, or an archive that is not there or cannot be read.
pub fn run(context: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let archive = Archive::open(context)?;
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let candidates = archive.candidates()?;
    let id = conversation(&candidates, &args.conversation)?;
    let name = candidates.iter().find(|c| c.id == id).map(|c| c.label()).unwrap_or_default();
    let (range, mark) = range(&archive, id, args)?;
    if args.json || args.raw {
        let mut out = Output::in_bulk(&context.env);
        let line = |row: MessageRow| {
            let done = if args.raw { out.json_text(&row.raw()) } else { out.json(&as_json(&row)) };
            done.map_or_else(ControlFlow::Break, ControlFlow::Continue)
        };
        queries.messages(&range, line).map_err(failed)?.map_or(Ok(()), Err)?;
        return out.finish();
    }
    let gaps = queries.gaps_of(id).map_err(failed)?;
    let mut pager = Pager::start(context, !args.no_pager);
    let mut chat = Chat::new(pager.output(), &archive, args, gaps, &range, mark);
    let done = chat.head(&name).and_then(|()| match queries.messages(&range, |row| chat.message(&row)) {
        Ok(None) => chat.foot(),
        Ok(Some(failure)) => Err(failure),
        Err(error) => Err(failed(error)),
    });
    // A pager that its reader has left is no failure, one that is not there is the first.
    pager.finish()?;
    done
}

/// What is to be shown, and the message that it is about.
fn range(
    archive: &Archive,
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
            help: "name it by its entity_urn, or by the number after # in what `archiver search` shows"
                .to_owned(),
        })?;
        let count = args.limit.unwrap_or(AROUND);
        range.from = Some(queries.before(&anchor, count / 2).map_err(failed)?);
        range.limit = Some(count.max(1));
        return Ok((range, Some(anchor.id)));
    }
    (range.since, range.until) = args.span.understood(archive.now)?;
    if let Some(limit) = args.limit {
        range = queries.newest_of(range, limit).map_err(failed)?;
        range.limit = Some(limit);
    }
    Ok((range, None))
}

/// A message as an object, as the view `message_log` has it.
#[must_use]
pub fn as_json(row: &MessageRow) -> Value {
    json!({
        "message_id": row.id,
        "account": row.account,
        "conversation_id": row.conversation_id,
        "conversation": row.conversation_name,
        "entity_urn": row.message.urn,
        "sent_at": iso_utc(row.message.at_ms),
        "sent_at_ms": row.message.at_ms,
        "sender": row.message.sender.name,
        "from_me": row.from_me,
        "message_type": row.message.kind,
        "text": row.message.text,
        "versions": row.versions,
        "gone_since": row.gone_since_ms.map(iso_utc),
        "source": row.source,
    })
}

/// Who wrote a message.
#[must_use]
pub fn sender(row: &MessageRow) -> String {
    match row.message.sender.name.as_str() {
        "" => "(unknown)".to_owned(),
        name => message_text::harmless(name).replace('\n', " "),
    }
}

/// A conversation that is being written down.
struct Chat<'a> {
    out: &'a mut Output,
    archive: &'a Archive,
    edits: bool,
    /// Still to come, oldest last.
    gaps: Vec<Gap>,
    /// What was asked for reaches from here up to there; gaps beyond are not drawn.
    low: Ms,
    high: Ms,
    /// Whether it reaches on after the last message.
    to_end: bool,
    mark: Option<i64>,
    day: String,
    last_ms: Option<Ms>,
}

impl<'a> Chat<'a> {
    fn new(
        out: &'a mut Output,
        archive: &'a Archive,
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
        self.out.line(style.bold(&message_text::harmless(name)))
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
        let day = message_text::local_day(at);
        if day != self.day {
            self.out.line(format!("\n{}", style.dim(&format!("—— {day} ——"))))?;
            self.day = day;
        }
        let mut tail = String::new();
        if row.versions > 1 {
            tail.push_str(" (edited)");
        }
        if let Some(gone) = row.gone_since_ms {
            tail.push_str(&format!(" (gone, not served any more since {})", local_minute(gone)));
        }
        let name = sender(row);
        let name = if row.from_me == Some(true) { style.green(&name) } else { style.bold(&name) };
        let here = if self.mark == Some(row.id) { ">" } else { " " };
        let time = style.dim(&message_text::local_time(at));
        let quiet = !matches!(row.message.kind.as_str(), "" | "TEXT");
        if quiet {
            tail.push_str(&format!(" [{}]", message_text::harmless(&row.message.kind)));
        }
        self.out.line(format!("{here}{time} {name}{}", style.dim(&tail)))?;
        let text = message_text::harmless(&row.message.text);
        self.paragraphs(&text, "       ", quiet || row.gone_since_ms.is_some())?;
        if self.edits && row.versions > 1 {
            let former = self.archive.queries().former(row.id).map_err(|e| self.archive.failed(e))?;
            for (replaced, text) in former {
                self.out.line(style.dim(&format!("       until {}:", local_minute(replaced))))?;
                self.paragraphs(&message_text::harmless(&text), "         ", true)?;
            }
        }
        self.last_ms = Some(at);
        Ok(())
    }

    fn paragraphs(&mut self, text: &str, indent: &str, quiet: bool) -> Result<(), Failure> {
        let style = self.out.style();
        let width = self.out.columns().map_or(usize::MAX, |w| usize::from(w).saturating_sub(indent.len()));
        for line in message_text::folded(text, width) {
            let line = if quiet { style.dim(&line) } else { line };
            self.out.line(format!("{indent}{line}").trim_end())?;
        }
        Ok(())
    }

    /// Draws the gaps that end before this moment, or those that are left.
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
            self.out.line("No message.")?;
        }
        Ok(())
    }
}

fn gap_line(gap: &Gap) -> String {
    let from = gap.older_ms.map_or_else(|| "the beginning".to_owned(), local_minute);
    let to = gap.newer_ms.map_or_else(|| "now".to_owned(), local_minute);
    let why = match &gap.stalled {
        Some(why) => {
            format!("stalled: {}; asked for again, ever less often", message_text::harmless(&why.to_string()))
        }
        None => "`archiver sync --once` goes on with it".to_owned(),
    };
    format!("~~ messages may be missing here, from {from} to {to} ({why}) ~~")
}
