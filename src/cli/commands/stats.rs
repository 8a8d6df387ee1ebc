//! `archiver stats`: messages over time, unanswered messages and credits, in numbers and charts.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Local, TimeZone as _, Utc};
use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::cli::commands::people::{UNKNOWN_OWNER, duration};
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::local_time::local_minute;
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::core::format::{IsoTime, plural, thousands};
use crate::core::model::ids::ConversationId;
use crate::core::people::{Author, Waiting};
use crate::core::planner::target::Candidate;
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::store::MonthRow;

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
    /// Without it, the last 24 months and the first 8 unanswered messages are shown. --json always has all of them.
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

    fn join(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.unknown += other.unknown;
    }

    fn all(self) -> i64 {
        self.sent + self.received + self.unknown
    }

    fn sides(self) -> Option<String> {
        let known = self.sent + self.received > 0;
        known.then(|| format!("{} sent, {} received", thousands(self.sent), thousands(self.received)))
    }
}

#[derive(Serialize)]
struct MonthCount {
    month: String,
    #[serde(flatten)]
    count: Count,
}

#[derive(Serialize)]
struct WaitingLine {
    conversation_id: Option<String>,
    name: String,
    since: IsoTime,
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
    months: Vec<MonthCount>,
    /// By hour of the day, in the user's time zone.
    hours: Vec<i64>,
    /// By day of the week, Monday first.
    weekdays: Vec<i64>,
    you_answer_median_secs: Option<u32>,
    they_answer_median_secs: Option<u32>,
    waiting_for_you: Vec<WaitingLine>,
    waiting_for_them: Vec<WaitingLine>,
    credits: Vec<CreditMonth>,
}

pub(crate) fn run(context: &Context, args: &StatsArgs) -> Result<(), Failure> {
    let stats = gather(&OpenArchive::open(context)?, args)?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&stats) } else { show(&mut out, Glyphs::of(&context.env), &stats, args.all) }
}

/// Messages by local days and hours. Clocks are set once a day at the most, so that a day's offset is looked up once.
#[derive(Default)]
struct LocalTimes {
    /// Of each UTC day, the milliseconds to add; `None`: clocks are set on it.
    offsets: BTreeMap<i64, Option<i64>>,
    last_offset: Option<(i64, Option<i64>)>,
    /// By the local day since 1970.
    days: BTreeMap<i64, Count>,
    last_day: Option<(i64, Count)>,
    hours: [i64; 24],
}

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// What is to be added to a UTC time; `None` beyond the years that a calendar has.
fn offset_ms(at_ms: i64) -> Option<i64> {
    let time = Local.timestamp_millis_opt(at_ms).earliest()?;
    Some(i64::from(time.offset().local_minus_utc()) * 1000)
}

impl LocalTimes {
    fn add(&mut self, side: Author, at_ms: i64) {
        let Some(offset) = self.offset(at_ms) else { return };
        let local = at_ms.saturating_add(offset);
        let day = local.div_euclid(DAY_MS);
        match &mut self.last_day {
            Some((last, count)) if *last == day => count.add(side),
            last => {
                let mut count = Count::default();
                count.add(side);
                let done = last.replace((day, count));
                self.keep(done);
            }
        }
        let hour = usize::try_from(local.rem_euclid(DAY_MS) / HOUR_MS).ok();
        if let Some(n) = hour.and_then(|hour| self.hours.get_mut(hour)) {
            *n += 1;
        }
    }

    fn keep(&mut self, day: Option<(i64, Count)>) {
        if let Some((day, count)) = day {
            self.days.entry(day).or_default().join(count);
        }
    }

    fn offset(&mut self, at_ms: i64) -> Option<i64> {
        let day = at_ms.div_euclid(DAY_MS);
        let known = self.last_offset.filter(|(last, _)| *last == day).map(|(_, offset)| offset);
        let of_day = known.unwrap_or_else(|| {
            let ends = || {
                let first = day.checked_mul(DAY_MS)?;
                Some((offset_ms(first)?, offset_ms(first.checked_add(DAY_MS)?)?))
            };
            *self
                .offsets
                .entry(day)
                .or_insert_with(|| ends().filter(|(a, b)| a == b).map(|(offset, _)| offset))
        });
        self.last_offset = Some((day, of_day));
        of_day.or_else(|| offset_ms(at_ms))
    }

    /// By months, by hours of the day, and by days of the week.
    fn sums(mut self) -> (BTreeMap<String, Count>, Vec<i64>, Vec<i64>) {
        let last = self.last_day.take();
        self.keep(last);
        let (mut months, mut weekdays) = (BTreeMap::<String, Count>::new(), vec![0_i64; 7]);
        for (day, count) in &self.days {
            let date = day.checked_mul(DAY_MS).and_then(|ms| Utc.timestamp_millis_opt(ms).single());
            let Some(date) = date else { continue };
            months.entry(format!("{:04}-{:02}", date.year(), date.month())).or_default().join(*count);
            let weekday = usize::try_from(date.weekday().num_days_from_monday()).ok();
            if let Some(n) = weekday.and_then(|weekday| weekdays.get_mut(weekday)) {
                *n += count.all();
            }
        }
        (months, self.hours.to_vec(), weekdays)
    }
}

fn gather(archive: &OpenArchive, args: &StatsArgs) -> Result<Stats, Failure> {
    let failed = |e| archive.failed(e);
    let mut messages = Count::default();
    let mut times = LocalTimes::default();
    let tally = archive.correspondence(&args.scope, |side, line| {
        messages.add(side);
        times.add(side, line.at_ms);
    })?;
    let (months, hours, weekdays) = times.sums();
    let names: BTreeMap<ConversationId, Candidate> =
        archive.candidates()?.into_iter().map(|c| (c.id, c)).collect();
    let waiting = tally.waiting();
    let lines = |side: Author| -> Vec<WaitingLine> {
        let line = |w: &Waiting| {
            let known = names.get(&w.conversation);
            WaitingLine {
                conversation_id: known.and_then(|c| c.conversation_id.clone()),
                name: known.map(|c| c.label()).unwrap_or_default(),
                since: IsoTime(w.since_ms),
            }
        };
        waiting.iter().filter(|w| w.for_side == side).map(line).collect()
    };
    let (mine, theirs) = tally.answers();
    Ok(Stats {
        owner_known: tally.owner_known(),
        messages,
        months: months.into_iter().map(|(month, count)| MonthCount { month, count }).collect(),
        hours,
        weekdays,
        you_answer_median_secs: mine,
        they_answer_median_secs: theirs,
        waiting_for_you: lines(Author::Mine),
        waiting_for_them: lines(Author::Theirs),
        credits: archive
            .queries()
            .credits_by_month()
            .map_err(failed)?
            .into_iter()
            .map(credit_month)
            .collect(),
    })
}

fn credit_month(row: MonthRow) -> CreditMonth {
    #[expect(clippy::cast_precision_loss, reason = "counts of credits and messages are far below 2^53")]
    let each = (row.new_messages > 0).then(|| row.credits as f64 / row.new_messages as f64);
    CreditMonth { credits_per_message: each.map(|n| (n * 1000.0).round() / 1000.0), row }
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
