//! `archiver search`: full-text search, newest or most relevant first.

use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};

use chrono::Local;
use clap::Args;
use serde_json::{Value, json};

use crate::app::Context;
use crate::cli::ui::message_text::{notes, sender, snippet};
use crate::cli::ui::output::{Output, note};
use crate::cli::ui::reading::{OpenArchive, SpanArgs};
use crate::cli::ui::style::Style;
use crate::core::format::thousands;
use crate::core::planner::target::Candidate;
use crate::core::printable::one_line;
use crate::core::search::query::{Query, What};
use crate::core::search::tokenize;
use crate::error::Failure;
use crate::store::{Found, MessageRow, Queries, RANKED, Scope, Search};
use crate::view;
use crate::view::local_time::local_minute;
use crate::view::message::message_json;
use crate::view::search::{explain, misread, senders_named};

/// Characters of a message that are shown around a hit.
const SNIPPET: usize = 240;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub(crate) struct SearchArgs {
    /// Words, "phrases", prefix*, OR, -not, from:ada, has:link …
    ///
    /// Quote it for the shell. Put -- before a query that starts with a minus.
    #[arg(value_name = "QUERY", required = true, num_args = 1..)]
    pub(crate) query: Vec<String>,

    /// Only senders whose name contains NAME; `me` is you
    #[arg(long, value_name = "NAME")]
    pub(crate) from: Vec<String>,

    /// Only this conversation
    ///
    /// Its URN, its thread id (2-…), a profile URL, a configured name, or an unambiguous part of the other
    /// person's name. Repeatable.
    #[arg(long = "in", value_name = "CONVERSATION")]
    pub(crate) within: Vec<String>,

    #[command(flatten)]
    pub(crate) span: SpanArgs,

    /// Show at most N messages
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,

    /// Rank by relevance (newest 2,000 matches)
    #[arg(long)]
    pub(crate) best: bool,

    /// Show N messages before and after each match
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    pub(crate) context: u32,

    /// Print only the number of matches
    #[arg(long, conflicts_with = "best", hide_short_help = true)]
    pub(crate) count: bool,

    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
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

Newest first. With filters, at most 100,000 messages are examined; a note says if
there were more. --best ranks the newest 2,000 matches.

Each line of --json has: message_id, entity_urn, account, conversation_id,
conversation, sent_at, sent_at_ms, sender, from_me, message_type, text, versions,
gone_since, source, snippet and, with -C, before and after: lists of the same.

Examples:
  archiver search thursday report
  archiver search '\"signed contract\" from:béla after:2024 -draft'
  archiver search 'invoic* OR bill has:link' --in ada -C 2
  archiver search --json --limit 1000 is:gone '' | jq -r .text";

pub(crate) fn run(context: &Context, args: &SearchArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let query = Query::parse(&args.query.join(" "));
    let needs_names = !args.within.is_empty() || query.filters.iter().any(|f| matches!(f.what, What::In(_)));
    let candidates = if needs_names { archive.candidates()? } else { Vec::new() };
    let search = search_of(args, query, &candidates, &archive)?;
    let mut out = Output::buffered(&context.env);
    if args.count {
        let count = queries.search_count(&search).map_err(failed)?;
        let shown = if args.json { out.json(&json!({ "count": count })) } else { out.line(count) };
        return shown.and_then(|()| out.finish());
    }
    let look = if args.best { Queries::search_best } else { Queries::search };
    let found = look(&queries, &search, args.limit).map_err(failed)?;
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
    misread(&search.query).into_iter().for_each(say);
    if found.messages.is_empty() && args.limit > 0 {
        let why = queries.why_nothing(&search).map_err(failed)?;
        let elsewhere = why.gaps.is_some() && archive.asked()?.gaps_elsewhere > 0;
        explain(&why, &search, elsewhere, local_minute).into_iter().for_each(say);
        let names = queries.senders().map_err(failed)?;
        senders_named(&search, names.iter().map(|sender| sender.name.as_str())).into_iter().for_each(say);
    } else {
        remark(&found, args).into_iter().for_each(say);
    }
    if let Some(end) = found.ended {
        say(format!(
            "Searched back to {} only: continue with --until that date, or narrow the query.",
            local_minute(end.at_ms)
        ));
    }
    Ok(())
}

/// The search that the flags and the query's filters describe together.
fn search_of(
    args: &SearchArgs,
    query: Query,
    candidates: &[Candidate],
    archive: &OpenArchive,
) -> Result<Search, Failure> {
    let mut search = Search { from: args.from.clone(), ..Search::default() };
    for word in &args.within {
        search.within.get_or_insert_default().insert(archive.conversation(candidates, word)?);
    }
    (search.since, search.until) = args.span.parse(archive.now)?;
    view::search::with_filters(search, query, archive.now, &Local, |word| {
        archive.conversation(candidates, word)
    })
}

/// The messages before and after one.
type Around = (Vec<MessageRow>, Vec<MessageRow>);

fn around(queries: &Queries<'_>, row: &MessageRow, count: u32) -> Result<Around, crate::store::StoreError> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if count == 0 {
        return Ok((before, after));
    }
    let range = Scope {
        conversation: Some(row.conversation),
        from: Some(queries.before(row, count)?),
        ..Scope::default()
    };
    let limit = Some(count.saturating_mul(2).saturating_add(1));
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    queries.messages(&range, limit, |other| {
        match (other.message.at_ms, other.id).cmp(&(row.message.at_ms, row.id)) {
            Ordering::Less => before.push(other),
            Ordering::Equal => {}
            Ordering::Greater => after.push(other),
        }
        if after.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok((before, after))
}

fn print_json(
    out: &mut Output,
    row: &MessageRow,
    (before, after): &Around,
    hits: &[Range<usize>],
    args: &SearchArgs,
) -> Result<(), Failure> {
    let mut value = message_json(row);
    let mut set =
        |key: &str, inner: Value| value.as_object_mut().and_then(|o| o.insert(key.to_owned(), inner));
    set("snippet", snippet(&row.shown(), hits, SNIPPET, Style::plain()).into());
    if args.context > 0 {
        set("before", before.iter().map(message_json).collect());
        set("after", after.iter().map(message_json).collect());
    }
    out.json(&value)
}

fn print(
    out: &mut Output,
    row: &MessageRow,
    (before, after): &Around,
    hits: &[Range<usize>],
) -> Result<(), Failure> {
    let style = out.style();
    let conversation = one_line(row.conversation_name.as_deref().unwrap_or("unnamed conversation"));
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
    let mut marks = notes(row);
    if row.gone_since_ms.is_some() {
        marks.push_str(" (gone)");
    }
    out.line(format!("  {}: {text}{}", sender(row), style.dim(&marks)))?;
    for other in after {
        out.line(context(other))?;
    }
    out.line("")
}

/// A remark on what was found.
fn remark(found: &Found, args: &SearchArgs) -> Option<String> {
    let (ranked, limit) = (u64::try_from(RANKED).unwrap_or(u64::MAX), args.limit);
    if args.best && found.counted >= ranked {
        return Some(format!("Ranked the newest {} matches only.", thousands(ranked)));
    }
    let full = found.messages.len() == limit && !args.best;
    full.then(|| {
        format!("These are the newest {}; use --limit to see more, --count to count them.", thousands(limit))
    })
}
