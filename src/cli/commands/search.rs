//! `archiver search`: the messages that have these words, newest or best first.

use crate::cli::ui::output;
use chrono::Local;
use clap::Args;
use serde_json::{Value, json};

use crate::app::Context;
use crate::cli::commands::show;
use crate::cli::ui::output::{Output, local_minute, note, plural, thousands};
use crate::cli::ui::reading::{Archive, SpanArgs, conversation};
use crate::cli::ui::{dates, message_text};
use crate::core::Ms;
use crate::core::planner::target::Candidate;
use crate::core::search::query::{Filter, Query, What};
use crate::core::search::tokenize;
use crate::error::Failure;
use crate::store::{Found, MessageRange, MessageRow, Nothing, Queries, RANKED, Search};

/// Letters of a text that are shown around a hit.
const SNIPPET: usize = 240;

/// `archiver search`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct SearchArgs {
    /// Words, "phrases", begin*, OR, -not, from:ada, has:link …
    ///
    /// Quote it for the shell. One that begins with a minus stands after `--`.
    #[arg(value_name = "QUERY", required = true, num_args = 1..)]
    pub query: Vec<String>,

    /// Only by whose name has this part; `me` is you
    #[arg(long, value_name = "NAME")]
    pub from: Vec<String>,

    /// Only this conversation
    ///
    /// A conversation's URN, its thread id (2-…), a profile URL, a configured name, or a part of the other side's
    /// name that fits only one. May be given several times.
    #[arg(long = "in", value_name = "CONVERSATION")]
    pub within: Vec<String>,

    /// Between which dates.
    #[command(flatten)]
    pub span: SpanArgs,

    /// At most N messages
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,

    /// The best of the newest 2,000 that fit first
    #[arg(long)]
    pub best: bool,

    /// With N messages before and after each
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    pub context: u32,

    /// Print only how many there are
    #[arg(long, conflicts_with = "best", hide_short_help = true)]
    pub count: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver search thursday report
  archiver search '\"signed contract\" from:béla after:2024 -draft' -C 2";

const LONG: &str = "\
In a query:
  word \"a phrase\" begin*        capitals and accents do not matter
  a OR b     -a                 one of two; without
  from:NAME  in:CONVERSATION    who wrote it (me: you), and where
  after:2024  before:2024-03  on:yesterday
  has:link  is:edited  is:gone  is:mine  type:TEXT
  Any filter can be turned round: -from:me. Quotes take several words: from:\"Ada E\".
  Chinese, Japanese, Korean and Thai are found without spaces between the words.

Newest first. With filters at most 100,000 messages are looked at, and it is told
when that was the end of it. --best rates the newest 2,000 that fit.

Each line of --json has message_id, entity_urn, account, conversation_id,
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
/// Bad configuration or usage, or an archive that is not there or cannot be read.
pub fn run(context: &Context, args: &SearchArgs) -> Result<(), Failure> {
    let archive = Archive::open(context)?;
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let query = Query::parse(&args.query.join(" "));
    let needs_names = !args.within.is_empty() || query.filters.iter().any(|f| matches!(f.what, What::In(_)));
    let candidates = if needs_names { archive.candidates()? } else { Vec::new() };
    let search = search_of(args, query, &candidates, archive.now)?;
    let mut out = Output::in_bulk(&context.env);
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
        print(&mut out, row, &around, &search, args)?;
    }
    out.finish()?;
    let say = |text: String| note(&text, context);
    if found.messages.is_empty() && args.limit > 0 {
        let why = queries.why_nothing(&search).map_err(failed)?;
        explain(&why, &search).into_iter().for_each(say);
    } else {
        remarks(&found, args).into_iter().for_each(say);
    }
    if let Some(at) = found.ended_at {
        note(
            &format!(
                "Looked back to {} only: go on with --until then, or a narrower query.",
                local_minute(at)
            ),
            context,
        );
    }
    Ok(())
}

/// What the arguments and the query's filters ask for together.
fn search_of(args: &SearchArgs, query: Query, candidates: &[Candidate], now: Ms) -> Result<Search, Failure> {
    let mut search = Search { from: args.from.clone(), ..Search::default() };
    for word in &args.within {
        search.within.get_or_insert_default().insert(conversation(candidates, word)?);
    }
    let (since, until) = args.span.understood(now)?;
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
            (What::Edited, not) => search.edited = Some(!not),
            (What::Gone, not) => search.gone = Some(!not),
        }
    }
    (search.since, search.until) = (since.into_iter().max(), until.into_iter().min());
    Ok(Search { query, ..search })
}

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

fn print(
    out: &mut Output,
    row: &MessageRow,
    (before, after): &Around,
    search: &Search,
    args: &SearchArgs,
) -> Result<(), Failure> {
    let style = out.style();
    let (hits, _) = tokenize::hits(&row.message.text, &search.wanted());
    if args.json {
        let mut value = show::as_json(row);
        let plain = output::Style::plain();
        let snippet = message_text::snippet(&row.message.text, &hits, SNIPPET, plain);
        let list = |rows: &[MessageRow]| Value::from(rows.iter().map(show::as_json).collect::<Vec<_>>());
        if let Some(object) = value.as_object_mut() {
            object.insert("snippet".to_owned(), Value::from(snippet));
            if args.context > 0 {
                object.insert("before".to_owned(), list(before));
                object.insert("after".to_owned(), list(after));
            }
        }
        return out.json(&value);
    }
    let conversation =
        message_text::harmless(row.conversation_name.as_deref().unwrap_or("unnamed conversation"));
    let when = local_minute(row.message.at_ms);
    out.line(format!(
        "{}  {}  {}",
        style.green(&when),
        style.dim(&conversation),
        style.dim(&format!("#{}", row.id))
    ))?;
    let width = out.columns().map_or(usize::MAX, |w| usize::from(w).saturating_sub(4));
    let brief = |other: &MessageRow| {
        let text = message_text::snippet(&other.message.text, &[], width.min(100), style);
        style.dim(&format!("    {}: {text}", show::sender(other)))
    };
    for other in before {
        out.line(brief(other))?;
    }
    let snippet = message_text::snippet(&row.message.text, &hits, SNIPPET, style);
    let mut marks = String::new();
    if !matches!(row.message.kind.as_str(), "" | "TEXT") {
        marks.push_str(&format!(" [{}]", message_text::harmless(&row.message.kind)));
    }
    if row.versions > 1 {
        marks.push_str(" (edited)");
    }
    if row.gone_since_ms.is_some() {
        marks.push_str(" (gone)");
    }
    out.line(format!("  {}: {snippet}{}", show::sender(row), style.dim(&marks)))?;
    for other in after {
        out.line(brief(other))?;
    }
    out.line("")
}

/// What a person may want to know beside what was found.
fn remarks(found: &Found, args: &SearchArgs) -> Vec<String> {
    let mut lines = Vec::new();
    let ranked = u64::try_from(RANKED).unwrap_or(u64::MAX);
    if args.best && found.counted >= ranked {
        lines.push(format!("Rated the newest {} that fit; older ones were not.", thousands(ranked)));
    } else if found.messages.len() == args.limit && !args.best {
        lines.push(format!("The newest {}; there may be more: --limit, --count.", thousands(args.limit)));
    }
    lines
}

/// Why nothing was found, a line for each reason.
fn explain(why: &Nothing, search: &Search) -> Vec<String> {
    if why.empty {
        return vec!["Nothing is archived yet: `archiver sync --once`.".to_owned()];
    }
    let mut lines = Vec::new();
    for (word, nearest) in &why.unknown {
        lines.push(match nearest {
            Some(nearest) => format!("No message has {word:?}; there is {nearest:?}."),
            None => format!("No message has {word:?}."),
        });
    }
    for name in &why.nobody {
        lines.push(format!("Nobody whose name has {name:?} has written anything."));
    }
    match why.without_filters {
        Some((n, more)) if n > 0 => {
            let n = format!("{}{}", plural(n, "message"), if more { " or more" } else { "" });
            lines.push(format!("Without the filters there would be {n}."));
        }
        _ if lines.is_empty() && why.waiting == 0 && search.query.all.len() > 1 => {
            lines.push("Each word is somewhere, but no message has them all: try OR.".to_owned());
        }
        _ => {}
    }
    if lines.is_empty() {
        lines.push("No message fits.".to_owned());
    }
    if why.waiting > 0 {
        let verb = if why.waiting == 1 { "waits" } else { "wait" };
        let waiting = plural(why.waiting, "message");
        lines.push(format!(
            "{waiting} {verb} to be indexed and cannot be found yet; the next sync does that."
        ));
    }
    if let Some((gaps, from, to)) = why.gaps {
        let from = from.map_or_else(|| "the beginning".to_owned(), local_minute);
        let to = to.map_or_else(|| "now".to_owned(), local_minute);
        let gaps = plural(gaps, "gap");
        lines.push(format!(
            "Messages may be missing: {gaps} between {from} and {to}; `archiver sync --once` fills them."
        ));
    }
    lines
}
