//! `archiver search`: full-text search, newest or most relevant first.

use chrono::Local;
use clap::Args;
use serde_json::{Value, json};

use crate::app::Context;
use crate::cli::ui::dates;
use crate::cli::ui::local_time::local_minute;
use crate::cli::ui::message_text::{harmless, message_json, sender, snippet};
use crate::cli::ui::output::{Output, note};
use crate::cli::ui::reading::{OpenArchive, SpanArgs, conversation};
use crate::cli::ui::style::Style;
use crate::core::Ms;
use crate::core::format::{plural, thousands};
use crate::core::planner::target::Candidate;
use crate::core::search::query::{Filter, Query, What};
use crate::core::search::tokenize;
use crate::error::Failure;
use crate::store::{Found, MessageRange, MessageRow, Nothing, Queries, RANKED, Search};

/// Characters of a message that are shown around a hit.
const SNIPPET: usize = 240;

/// `archiver search`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct SearchArgs {
    /// Words, "phrases", prefix*, OR, -not, from:ada, has:link …
    ///
    /// Quote it for the shell. Put -- before a query that starts with a minus.
    #[arg(value_name = "QUERY", required = true, num_args = 1..)]
    pub query: Vec<String>,

    /// Only senders whose name contains NAME; `me` is you
    #[arg(long, value_name = "NAME")]
    pub from: Vec<String>,

    /// Only this conversation
    ///
    /// Its URN, its thread id (2-…), a profile URL, a configured name, or an unambiguous part of the other
    /// person's name. Repeatable.
    #[arg(long = "in", value_name = "CONVERSATION")]
    pub within: Vec<String>,

    /// By date.
    #[command(flatten)]
    pub span: SpanArgs,

    /// Show at most N messages
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,

    /// Rank by relevance (newest 2,000 matches)
    #[arg(long)]
    pub best: bool,

    /// Show N messages before and after each match
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    pub context: u32,

    /// Print only the number of matches
    #[arg(long, conflicts_with = "best", hide_short_help = true)]
    pub count: bool,

    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver search thursday report
  archiver search '\"signed contract\" from:béla after:2024 -draft' -C 2";

const LONG: &str = "\
In a query:
  word \"a phrase\" prefix*       case and accents are ignored
  a OR b     -a                 either one; not this one
  from:NAME  in:CONVERSATION    the sender (me is you), the conversation
  after:2024  before:2024-03  on:yesterday
  has:link  has:attachment  is:edited  is:gone  is:mine  type:TEXT
  Prefix a filter with - to negate it: -from:me. Quote a value with spaces: from:\"Ada E\".
  Chinese, Japanese, Korean and Thai need no spaces between words.

Newest first. With filters, at most 100,000 messages are examined; you are told if
there were more. --best ranks the newest 2,000 matches.

Each line of --json has: message_id, entity_urn, account, conversation_id,
conversation, sent_at, sent_at_ms, sender, from_me, message_type, text, versions,
gone_since, source, snippet and, with -C, before and after: lists of the same.

Examples:
  archiver search thursday report
  archiver search '\"signed contract\" from:béla after:2024 -draft'
  archiver search 'invoic* OR bill has:link' --in ada -C 2
  archiver search --json --limit 1000 is:gone '' | jq -r .text";

/// Runs the command.
///
/// # Errors
/// [`Failure::Config`], [`Failure::Usage`] or [`Failure::ArchiveRead`].
pub fn run(context: &Context, args: &SearchArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let query = Query::parse(&args.query.join(" "));
    let needs_names = !args.within.is_empty() || query.filters.iter().any(|f| matches!(f.what, What::In(_)));
    let candidates = if needs_names { archive.candidates()? } else { Vec::new() };
    let search = search_of(args, query, &candidates, archive.now)?;
    let mut out = Output::buffered(&context.env);
    if args.count {
        let count = queries.search_count(&search).map_err(failed)?;
        if args.json {
            out.json(&json!({ "count": count }))?
        } else {
            out.line(count)?
        };
        return out.finish();
    }
    let found = if args.best {
        queries.search_best(&search, args.limit)
    } else {
        queries.search(&search, args.limit)
    };
    let found = found.map_err(failed)?;
    for row in &found.messages {
        let around = around(&queries, row, args.context).map_err(failed)?;
        let hits = tokenize::hits(&row.shown(), &search.wanted()).0;
        if args.json {
            print_json(&mut out, row, &around, &hits, args)?
        } else {
            print(&mut out, row, &around, &hits)?
        }
    }
    out.finish()?;
    let say = |text: String| note(&text, &context.env);
    if found.messages.is_empty() && args.limit > 0 {
        let why = queries.why_nothing(&search).map_err(failed)?;
        explain(&why, &search).into_iter().for_each(say);
    } else {
        remarks(&found, args).into_iter().for_each(say);
    }
    if let Some(at) = found.ended_at {
        say(format!(
            "Searched back to {} only: continue with --until that date, or narrow the query.",
            local_minute(at)
        ));
    }
    Ok(())
}

/// The search that the flags and the query's filters describe together.
fn search_of(args: &SearchArgs, query: Query, candidates: &[Candidate], now: Ms) -> Result<Search, Failure> {
    let mut search = Search { from: args.from.clone(), ..Search::default() };
    for word in &args.within {
        search.within.get_or_insert_default().insert(conversation(candidates, word)?);
    }
    let (since, until) = args.span.parse(now)?;
    let (mut since, mut until): (Vec<Ms>, Vec<Ms>) =
        (since.into_iter().collect(), until.into_iter().collect());
    let within = |text: &str| {
        Ok::<_, Failure>((dates::parse_since(text, now, &Local)?, dates::parse_until(text, now, &Local)?))
    };
    for Filter { not, what } in &query.filters {
        match (what, not) {
            (What::From(name), false) => search.from.push(name.clone()),
            (What::From(name), true) => search.not_from.push(name.clone()),
            (What::In(word), false) => {
                search.within.get_or_insert_default().insert(conversation(candidates, word)?);
            }
            (What::In(word), true) => {
                search.without.insert(conversation(candidates, word)?);
            }
            (What::Before(text), false) => until.push(within(text)?.0),
            (What::Before(text), true) => since.push(within(text)?.0),
            (What::After(text), false) => since.push(within(text)?.1),
            (What::After(text), true) => until.push(within(text)?.1),
            (What::On(text), false) => {
                let (from, to) = within(text)?;
                since.push(from);
                until.push(to);
            }
            (What::On(text), true) => search.outside.push(within(text)?),
            (What::Kind(kind), false) => search.kinds.push(kind.clone()),
            (What::Kind(kind), true) => search.not_kinds.push(kind.clone()),
            (What::Link, not) => search.link = Some(!not),
            (What::Attachment, not) => search.attachment = Some(!not),
            (What::Edited, not) => search.edited = Some(!not),
            (What::Gone, not) => search.gone = Some(!not),
        }
    }
    (search.since, search.until) = (since.into_iter().max(), until.into_iter().min());
    Ok(Search { query, ..search })
}

/// Where in a text a hit is (bytes).
type HitRange = std::ops::Range<usize>;

/// The messages before and after one.
type Around = (Vec<MessageRow>, Vec<MessageRow>);

fn around(queries: &Queries<'_>, row: &MessageRow, count: u32) -> Result<Around, crate::store::StoreError> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if count == 0 {
        return Ok((before, after));
    }
    let range = MessageRange {
        conversation: Some(row.conversation),
        from: Some(queries.before(row, count)?),
        limit: Some(count.saturating_mul(2).saturating_add(1)),
        ..MessageRange::default()
    };
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    queries.messages(&range, |other| {
        if other.id == row.id {
        } else if (other.message.at_ms, other.id) < (row.message.at_ms, row.id) {
            before.push(other);
        } else {
            after.push(other);
        }
        if after.len() < most {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        }
    })?;
    Ok((before, after))
}

fn print_json(
    out: &mut Output,
    row: &MessageRow,
    (before, after): &Around,
    hits: &[HitRange],
    args: &SearchArgs,
) -> Result<(), Failure> {
    let mut value = message_json(row);
    let list = |rows: &[MessageRow]| Value::from(rows.iter().map(message_json).collect::<Vec<_>>());
    if let Some(object) = value.as_object_mut() {
        let snippet = snippet(&row.shown(), hits, SNIPPET, Style::plain());
        object.insert("snippet".to_owned(), Value::from(snippet));
        if args.context > 0 {
            object.insert("before".to_owned(), list(before));
            object.insert("after".to_owned(), list(after));
        }
    }
    out.json(&value)
}

fn print(
    out: &mut Output,
    row: &MessageRow,
    (before, after): &Around,
    hits: &[HitRange],
) -> Result<(), Failure> {
    let style = out.style();
    let conversation = harmless(row.conversation_name.as_deref().unwrap_or("unnamed conversation"));
    let when = style.green(&local_minute(row.message.at_ms));
    let number = format!("#{}", row.id);
    out.line(format!("{when}  {}  {}", style.dim(&conversation), style.dim(&number)))?;
    let width = out.columns().map_or(usize::MAX, |w| usize::from(w).saturating_sub(4));
    let context = |other: &MessageRow| {
        let text = snippet(&other.shown(), &[], width.min(100), style);
        style.dim(&format!("    {}: {text}", sender(other)))
    };
    for other in before {
        out.line(context(other))?;
    }
    let text = snippet(&row.shown(), hits, SNIPPET, style);
    out.line(format!("  {}: {text}{}", sender(row), style.dim(&marks(row))))?;
    for other in after {
        out.line(context(other))?;
    }
    out.line("")
}

/// What is special about a message.
fn marks(row: &MessageRow) -> String {
    let mut marks = String::new();
    if !matches!(row.message.kind.as_str(), "" | "TEXT") {
        marks.push_str(&format!(" [{}]", harmless(&row.message.kind)));
    }
    if row.versions > 1 {
        marks.push_str(" (edited)");
    }
    if row.gone_since_ms.is_some() {
        marks.push_str(" (gone)");
    }
    marks
}

/// Remarks on what was found.
fn remarks(found: &Found, args: &SearchArgs) -> Vec<String> {
    let mut lines = Vec::new();
    let ranked = u64::try_from(RANKED).unwrap_or(u64::MAX);
    if args.best && found.counted >= ranked {
        lines.push(format!("Ranked the newest {} matches only.", thousands(ranked)));
    } else if found.messages.len() == args.limit && !args.best {
        lines.push(format!(
            "These are the newest {}; use --limit to see more, --count to count them.",
            thousands(args.limit)
        ));
    }
    lines
}

/// Why nothing was found, one line per reason.
fn explain(why: &Nothing, search: &Search) -> Vec<String> {
    if why.empty {
        return vec!["The archive is empty; run `archiver sync --once`.".to_owned()];
    }
    let mut lines = Vec::new();
    for (word, nearest) in &why.unknown {
        lines.push(match nearest {
            Some(nearest) => format!("No message contains {word:?}. Did you mean {nearest:?}?"),
            None => format!("No message contains {word:?}."),
        });
    }
    for name in &why.nobody {
        lines.push(format!("No sender's name contains {name:?}."));
    }
    match why.without_filters {
        Some((n, more)) if n > 0 => {
            let n = format!("{}{}", plural(n, "message"), if more { " or more" } else { "" });
            lines.push(format!("{n} would match without the filters."));
        }
        _ if lines.is_empty() && why.waiting == 0 && search.query.all.len() > 1 => {
            lines.push("Each word occurs, but not in the same message. Try OR.".to_owned());
        }
        _ => {}
    }
    if lines.is_empty() {
        lines.push("No message matches.".to_owned());
    }
    if why.waiting > 0 {
        let are = if why.waiting == 1 { "is" } else { "are" };
        let waiting = plural(why.waiting, "message");
        lines.push(format!("{waiting} {are} not indexed yet; the next sync indexes them."));
    }
    if let Some((gaps, from, to)) = why.gaps {
        let from = from.map_or_else(|| "the beginning".to_owned(), local_minute);
        let to = to.map_or_else(|| "now".to_owned(), local_minute);
        let gaps = plural(gaps, "gap");
        lines.push(format!(
            "Messages may be missing: {gaps} between {from} and {to}. `archiver sync --once` fills them."
        ));
    }
    lines
}
