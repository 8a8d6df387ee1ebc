//! `archiver stats`: messages over time, unanswered messages and credits, in numbers and charts.

use clap::Args;

use crate::app::Context;
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::core::format::{plural, thousands};
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::view::local_time::local_minute;
use crate::view::people::{UNKNOWN_OWNER, duration};
use crate::view::stats::{CreditMonth, MonthCount, Stats, WaitingLine};

const EXAMPLES: &str = "\
Examples:
  archiver stats
  archiver stats --since 2025   from January 2025 on
  archiver stats --in béla --all
  archiver stats --json | jq .waiting_for_you";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Show everything instead of the first few
    ///
    /// Without it, the last 24 months and the first 8 unanswered messages are shown. --json always includes everything.
    #[arg(long)]
    pub(crate) all: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Months, and unanswered messages, that are shown without `--all`.
const MONTHS: usize = 24;
const WAITING: usize = 8;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub(crate) fn run(context: &Context, args: &StatsArgs) -> Result<(), Failure> {
    let stats = gather(&OpenArchive::open(context)?, args)?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&stats) } else { show(&mut out, Glyphs::of(&context.env), &stats, args.all) }
}

fn gather(archive: &OpenArchive, args: &StatsArgs) -> Result<Stats, Failure> {
    let scope = archive.select(&args.scope)?;
    Stats::gather(&archive.queries(), &scope).map_err(|e| archive.failed(e))
}

fn show(out: &mut Output, glyphs: Glyphs, stats: &Stats, all: bool) -> Result<(), Failure> {
    let count = stats.messages;
    let mut words = vec![plural(count.all(), "message")];
    words.extend(count.sides());
    if count.unknown > 0 {
        words.push(format!("{} sent or received", thousands(count.unknown)));
    }
    out.line(words.join(", "))?;
    if !stats.owner_known {
        out.line(UNKNOWN_OWNER)?;
    }
    if count.all() > 0 {
        show_months(out, glyphs, &stats.months, all)?;
        show_times(out, glyphs, stats)?;
    }
    if let Some(line) = answers(stats.you_answer_median_secs, stats.they_answer_median_secs) {
        out.line(format!("\n{line}"))?;
    }
    show_waiting(out, "Waiting for your answer since", &stats.waiting_for_you, all)?;
    show_waiting(out, "Waiting for their answer since", &stats.waiting_for_them, all)?;
    show_credits(out, glyphs, &stats.credits, all)
}

/// The median time to answer, for each side that has answered.
fn answers(mine: Option<u32>, theirs: Option<u32>) -> Option<String> {
    Some(match (mine.map(duration), theirs.map(duration)) {
        (Some(mine), Some(theirs)) => format!("You answer within {mine}, they within {theirs} (median)."),
        (Some(mine), None) => format!("You answer within {mine} (median)."),
        (None, Some(theirs)) => format!("They answer within {theirs} (median)."),
        (None, None) => return None,
    })
}

/// The last `most` entries of a list, or `all` of it.
fn last<T>(list: &[T], most: usize, all: bool) -> &[T] {
    let left_out = if all { 0 } else { list.len().saturating_sub(most) };
    list.get(left_out..).unwrap_or(list)
}

fn heading(out: &mut Output, text: &str) -> Result<(), Failure> {
    let text = out.style().bold(text);
    out.line(format!("\n{text}"))
}

fn bars(
    out: &mut Output,
    glyphs: Glyphs,
    width: usize,
    rows: impl Iterator<Item = (String, i64, String)>,
) -> Result<(), Failure> {
    let rows: Vec<_> = rows.collect();
    let most = rows.iter().map(|(_, value, _)| *value).max().unwrap_or_default();
    rows.iter().try_for_each(|(label, value, rest)| {
        out.line(format!("{label:<7}  {:<width$}  {rest}", glyphs.bar(*value, most, width)))
    })
}

fn show_months(out: &mut Output, glyphs: Glyphs, months: &[MonthCount], all: bool) -> Result<(), Failure> {
    heading(out, "Messages per month")?;
    let shown = last(months, MONTHS, all);
    let row = |m: &MonthCount| {
        let sides = m.count.sides().map_or_else(String::new, |sides| format!("  {sides}"));
        (m.month.clone(), m.count.all(), format!("{:>7}{sides}", thousands(m.count.all())))
    };
    bars(out, glyphs, 30, shown.iter().map(row))?;
    match months.len() - shown.len() {
        0 => Ok(()),
        n => out.line(format!("and {}; --all shows them", plural(n, "earlier month"))),
    }
}

fn show_times(out: &mut Output, glyphs: Glyphs, stats: &Stats) -> Result<(), Failure> {
    heading(out, "Messages per hour of the day")?;
    out.line(glyphs.spark(&stats.hours))?;
    out.line("0     6     12    18")?;
    heading(out, "Messages per day of the week")?;
    let days = DAYS.iter().zip(&stats.weekdays);
    let rows = days.map(|(day, n)| ((*day).to_owned(), *n, format!("{:>7}", thousands(*n))));
    bars(out, glyphs, 30, rows)
}

fn show_waiting(out: &mut Output, title: &str, lines: &[WaitingLine], all: bool) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    heading(out, title)?;
    let most = if all { lines.len() } else { WAITING };
    for line in lines.iter().take(most) {
        out.line(format!("{}  {}", local_minute(line.since.0), one_line(&line.name)))?;
    }
    match lines.len().saturating_sub(most) {
        0 => Ok(()),
        n => out.line(format!("and {} more; --all shows them", thousands(n))),
    }
}

fn show_credits(out: &mut Output, glyphs: Glyphs, months: &[CreditMonth], all: bool) -> Result<(), Failure> {
    if months.is_empty() {
        return Ok(());
    }
    heading(out, "Credits per month (UTC)")?;
    let row = |CreditMonth { row, credits_per_message }: &CreditMonth| {
        let each = credits_per_message.map_or_else(String::new, |n| format!(", {n} per message"));
        let (credits, new) = (plural(row.credits, "credit"), plural(row.new_messages, "new message"));
        (row.month.clone(), row.credits, format!("{credits}, {new}{each}"))
    };
    bars(out, glyphs, 24, last(months, MONTHS, all).iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sides_that_have_answered_are_mentioned() {
        let said = |mine, theirs| answers(mine, theirs).unwrap_or_default();
        assert_eq!(said(Some(7200), None), "You answer within 2 h (median).");
        assert_eq!(said(None, Some(7200)), "They answer within 2 h (median).");
        assert!(said(Some(1), Some(1)).contains("they within") && said(None, None).is_empty());
    }
}
