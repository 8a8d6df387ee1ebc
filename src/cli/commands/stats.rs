//! `archiver stats`: the archive in figures and small charts.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Local, TimeZone as _, Timelike as _};
use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::cli::commands::people::{UNKNOWN_OWNER, duration};
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::{Output, local_minute, plural, printable, thousands};
use crate::cli::ui::reading::{Archive, ScopeArgs};
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::people::{Author, Correspondence, Waiting};
use crate::core::planner::target::Candidate;
use crate::error::Failure;
use crate::store::MonthRow;

const EXAMPLES: &str = "\
Examples:
  archiver stats
  archiver stats --since 2025         from January 2025 on
  archiver stats --in béla
  archiver stats --json | jq .waiting_for_you";

/// `archiver stats`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatsArgs {
    /// What is looked at.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Months, and waiting dialogues, that are shown to a person.
const MONTHS: usize = 24;
const WAITING: usize = 8;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Count {
    sent: i64,
    received: i64,
    unknown: i64,
}

impl Count {
    fn add(&mut self, side: Author) {
        match side {
            Author::Mine => self.sent += 1,
            Author::Theirs => self.received += 1,
            Author::Unknown => self.unknown += 1,
        }
    }

    fn all(self) -> i64 {
        self.sent + self.received + self.unknown
    }
}

#[derive(Serialize)]
struct Month {
    month: String,
    #[serde(flatten)]
    count: Count,
}

#[derive(Serialize)]
struct WaitingLine {
    conversation_id: Option<String>,
    name: String,
    since: String,
    #[serde(skip)]
    since_ms: Ms,
}

#[derive(Serialize)]
struct CreditMonth {
    #[serde(flatten)]
    row: MonthRow,
    credits_per_message: Option<f64>,
}

#[derive(Serialize)]
struct Stats {
    owner_known: bool,
    messages: Count,
    months: Vec<Month>,
    /// By hour of the day, in the reader's zone.
    hours: Vec<i64>,
    /// By day of the week, Monday first.
    weekdays: Vec<i64>,
    you_answer_median_secs: Option<u32>,
    they_answer_median_secs: Option<u32>,
    waiting_for_you: Vec<WaitingLine>,
    waiting_for_them: Vec<WaitingLine>,
    credits: Vec<CreditMonth>,
}

/// Runs the command.
///
/// # Errors
/// Bad configuration or usage, or an archive that is not there or cannot be read.
pub fn run(context: &Context, args: &StatsArgs) -> Result<(), Failure> {
    let stats = gather(&Archive::open(context)?, args)?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&stats) } else { show(&mut out, Glyphs::of(&context.env), &stats) }
}

fn gather(archive: &Archive, args: &StatsArgs) -> Result<Stats, Failure> {
    let failed = |e| archive.failed(e);
    let queries = archive.queries();
    let scope = archive.scope(&args.scope)?;
    let mut tally = Correspondence::new(&queries.senders().map_err(failed)?);
    let mut months: BTreeMap<(i32, u32), Count> = BTreeMap::new();
    let (mut messages, mut hours, mut weekdays) = (Count::default(), vec![0_i64; 24], vec![0_i64; 7]);
    let one_more = |list: &mut Vec<i64>, at: u32| {
        if let Some(n) = usize::try_from(at).ok().and_then(|at| list.get_mut(at)) {
            *n += 1;
        }
    };
    queries
        .lines(scope.conversation, scope.since, scope.until, |line| {
            let side = tally.add(line);
            messages.add(side);
            if let Some(time) = Local.timestamp_millis_opt(line.at_ms).earliest() {
                months.entry((time.year(), time.month())).or_default().add(side);
                one_more(&mut hours, time.hour());
                one_more(&mut weekdays, time.weekday().num_days_from_monday());
            }
        })
        .map_err(failed)?;
    let names: BTreeMap<i64, Candidate> = archive.candidates()?.into_iter().map(|c| (c.id, c)).collect();
    let waiting = tally.waiting();
    let lines = |side: Author| -> Vec<WaitingLine> {
        let line = |w: &Waiting| {
            let known = names.get(&w.conversation);
            WaitingLine {
                conversation_id: known.and_then(|c| c.conversation_id.clone()),
                name: known.map(|c| c.label()).unwrap_or_default(),
                since: iso_utc(w.since_ms),
                since_ms: w.since_ms,
            }
        };
        waiting.iter().filter(|w| w.for_side == side).map(line).collect()
    };
    let (mine, theirs) = tally.answers();
    Ok(Stats {
        owner_known: tally.owner_known(),
        messages,
        months: months
            .into_iter()
            .map(|((year, month), count)| Month { month: format!("{year:04}-{month:02}"), count })
            .collect(),
        hours,
        weekdays,
        you_answer_median_secs: mine,
        they_answer_median_secs: theirs,
        waiting_for_you: lines(Author::Mine),
        waiting_for_them: lines(Author::Theirs),
        credits: queries.credits_by_month().map_err(failed)?.into_iter().map(credit_month).collect(),
    })
}

fn credit_month(row: MonthRow) -> CreditMonth {
    #[expect(clippy::cast_precision_loss, reason = "counts of credits and messages are far below 2^53")]
    let each = (row.new_messages > 0).then(|| row.credits as f64 / row.new_messages as f64);
    CreditMonth { credits_per_message: each.map(|n| (n * 1000.0).round() / 1000.0), row }
}

fn show(out: &mut Output, glyphs: Glyphs, stats: &Stats) -> Result<(), Failure> {
    let style = out.style();
    let all = stats.messages;
    let mut words = vec![plural(all.all(), "message")];
    if all.sent + all.received > 0 {
        words.push(format!("{} sent, {} received", thousands(all.sent), thousands(all.received)));
    }
    if all.unknown > 0 {
        words.push(format!("{} of whom it is not known whether they are yours", thousands(all.unknown)));
    }
    out.line(words.join(", "))?;
    if !stats.owner_known {
        out.line(UNKNOWN_OWNER)?;
    }
    if all.all() > 0 {
        show_times(out, glyphs, stats)?;
    }
    if let Some(line) = answers(stats.you_answer_median_secs, stats.they_answer_median_secs) {
        out.line("")?;
        out.line(line)?;
    }
    show_waiting(out, "Waiting for your answer since", &stats.waiting_for_you)?;
    show_waiting(out, "Waiting for theirs since", &stats.waiting_for_them)?;
    if !stats.credits.is_empty() {
        out.line("")?;
        out.line(style.bold("Credits a month (UTC)"))?;
        let most = stats.credits.iter().map(|c| c.row.credits).max().unwrap_or_default();
        for month in latest(&stats.credits) {
            let bar = glyphs.bar(month.row.credits, most, 24);
            let each = month.credits_per_message.map_or_else(String::new, |n| format!(", {n} a message"));
            let credits = plural(month.row.credits, "credit");
            let new = plural(month.row.new_messages, "new message");
            out.line(format!("{}  {bar:<24}  {credits}, {new}{each}", month.row.month))?;
        }
    }
    Ok(())
}

/// How soon answers come, each way that there are any.
fn answers(mine: Option<u32>, theirs: Option<u32>) -> Option<String> {
    match (mine.map(duration), theirs.map(duration)) {
        (Some(mine), Some(theirs)) => {
            Some(format!("Half of your answers come within {mine}, half of theirs within {theirs}."))
        }
        (Some(mine), None) => Some(format!("Half of your answers come within {mine}.")),
        (None, Some(theirs)) => Some(format!("Half of their answers come within {theirs}.")),
        (None, None) => None,
    }
}

fn latest<T>(list: &[T]) -> &[T] {
    list.get(list.len().saturating_sub(MONTHS)..).unwrap_or(list)
}

fn show_times(out: &mut Output, glyphs: Glyphs, stats: &Stats) -> Result<(), Failure> {
    let style = out.style();
    out.line("")?;
    out.line(style.bold("Messages a month"))?;
    let months = latest(&stats.months);
    let most = months.iter().map(|m| m.count.all()).max().unwrap_or_default();
    for month in months {
        let count = month.count;
        let bar = glyphs.bar(count.all(), most, 30);
        let split = if count.sent + count.received > 0 {
            format!("  {} sent, {} received", thousands(count.sent), thousands(count.received))
        } else {
            String::new()
        };
        out.line(format!("{}  {bar:<30}  {:>7}{split}", month.month, thousands(count.all())))?;
    }
    if stats.months.len() > months.len() {
        out.line(format!(
            "and {} before; --json has them",
            plural(stats.months.len() - months.len(), "month")
        ))?;
    }
    out.line("")?;
    out.line(style.bold("Hours of the day"))?;
    out.line(glyphs.spark(&stats.hours))?;
    out.line("0     6     12    18")?;
    out.line("")?;
    out.line(style.bold("Days of the week"))?;
    let most = stats.weekdays.iter().copied().max().unwrap_or_default();
    for (day, count) in DAYS.iter().zip(&stats.weekdays) {
        out.line(format!("{day}      {:<30}  {:>7}", glyphs.bar(*count, most, 30), thousands(*count)))?;
    }
    Ok(())
}

fn show_waiting(out: &mut Output, title: &str, lines: &[WaitingLine]) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let title = out.style().bold(title);
    out.line(title)?;
    for line in lines.iter().take(WAITING) {
        out.line(format!("{}  {}", local_minute(line.since_ms), printable(&line.name)))?;
    }
    let left = lines.len().saturating_sub(WAITING);
    if left > 0 { out.line(format!("and {} more", thousands(left))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ways_that_have_answers_are_told() {
        let told = |mine, theirs| answers(mine, theirs).unwrap_or_default();
        assert_eq!(told(Some(7200), None), "Half of your answers come within 2 h.");
        assert_eq!(told(None, Some(7200)), "Half of their answers come within 2 h.");
        assert!(told(Some(1), Some(1)).contains("half of theirs") && told(None, None).is_empty());
    }
}
