//! `archiver plan`: forecasts the next run, its cost and when the archive will be complete.

use clap::Args;
use serde::Serialize;

use crate::app::outlook::{Incomplete, Outlook, ToComplete, Upkeep, outlook};
use crate::app::{Context, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::table::{number, text};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::format::{IsoTime, plural, thousands};
use crate::core::planner::next::{Next, Step};
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::view::erasures::RetentionStatus;
use crate::view::local_time::local_minute;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    /// Assume that the next run may spend at most N credits
    #[arg(long, value_name = "N")]
    pub(crate) budget: Option<u32>,

    /// Only this conversation (repeatable)
    #[arg(long, value_name = "TARGET")]
    pub(crate) only: Vec<String>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver plan                                  the next run and what it costs
  archiver plan --budget 20                      the same with 20 credits per run
  archiver plan --json | jq .to_complete.likely  when the archive will be complete";

/// What `--json` prints.
#[derive(Serialize)]
struct PlanReport<'a> {
    #[serde(flatten)]
    outlook: &'a Outlook,
    /// What retention erases next; null: nothing.
    retention: Option<RetentionStatus>,
}

/// What retention erases next, if it is configured and there is an archive.
fn retention(config: &Config) -> Result<Option<RetentionStatus>, Failure> {
    let path = &config.archive.path;
    let Some(reader) = wiring::reader_if_any(path)? else { return Ok(None) };
    let next = RetentionStatus::of(config, &reader.queries(), SystemClock.now_ms());
    next.map_err(|error| wiring::read_failure(path, error))
}

pub(crate) fn run(context: &Context, args: &PlanArgs) -> Result<(), Failure> {
    let config = context.config_warned(args.budget)?;
    let outlook = outlook(&config, &args.only)?;
    let retention = retention(&config)?;
    let mut out = Output::stdout(&context.env);
    if args.json {
        return out.json(&PlanReport { outlook: &outlook, retention });
    }
    next_run(&mut out, &outlook)?;
    missing(&mut out, &outlook)?;
    until_complete(&mut out, &outlook)?;
    retention.map_or(Ok(()), |retention| out.line(retention.words()))
}

/// Prints the requests of the next run and its cost; also for `sync --dry-run`.
pub(crate) fn next_run(out: &mut Output, outlook: &Outlook) -> Result<(), Failure> {
    for step in &outlook.steps {
        out.line(one_line(&step.to_string()))?;
    }
    let first: u32 = outlook.steps.iter().map(Step::credits_max).sum();
    let count = plural(outlook.steps.len(), "request");
    out.line(format!("{count}, {} at most.", plural(first, "credit")))?;
    let least = outlook.next_run.credits_min;
    match (outlook.steps.is_empty(), outlook.room) {
        (true, _) if outlook.end == Next::OutOfBudget => {
            out.line("The budget is used up: the next run makes no request.")
        }
        (true, _) => out.line("The next run makes no request."),
        (false, Some(room)) => out.line(format!(
            "More may follow from what they return: the run costs {least} to {}. Nothing has been spent.",
            plural(room, "credit")
        )),
        (false, None) => out.line(format!(
            "More may follow from what they return: the run costs at least {least}; no budget caps it. Nothing has been spent.",
        )),
    }
}

fn missing(out: &mut Output, outlook: &Outlook) -> Result<(), Failure> {
    if outlook.missing.is_empty() {
        return Ok(());
    }
    let about = |n: Option<u32>| n.map_or_else(|| "unknown".to_owned(), |n| format!("~{}", thousands(n)));
    let row = |m: &Incomplete| {
        vec![
            m.conversation.clone(),
            thousands(m.gaps),
            about(m.messages_likely),
            thousands(m.credits_min),
            about(m.credits_likely),
        ]
    };
    let rows: Vec<Vec<String>> = outlook.missing.iter().map(row).collect();
    let columns = [
        text("Incomplete"),
        number("Gaps"),
        number("Messages"),
        number("Credits, at least"),
        number("Likely"),
    ];
    out.line("")?;
    out.table(&columns, &rows)
}

fn until_complete(out: &mut Output, outlook: &Outlook) -> Result<(), Failure> {
    out.line("")?;
    if outlook.missing.is_empty() {
        out.line("Nothing is known to be missing.")?;
    } else {
        out.line(completion(&outlook.to_complete))?;
    }
    out.line(staying_complete(&outlook.upkeep))
}

/// What it costs to stay complete, in whole numbers: of a day, or of four weeks where a day has parts of a run.
fn staying_complete(upkeep: &Upkeep) -> String {
    let Upkeep { runs_per_day, idle_per_day, recheck_per_day, events_per_day, .. } = upkeep;
    let whole = [runs_per_day, idle_per_day, recheck_per_day].iter().all(|n| n.fract() == 0.0);
    let (days, period) = if whole { (1.0, "day") } else { (28.0, "4 weeks") };
    let number = |per_day: &f64| thousands_of((per_day * days).round());
    let extra = |credits: &f64, what: &str| {
        if *credits > 0.0 { format!(", {} for {what}", number(credits)) } else { String::new() }
    };
    format!(
        "Staying complete costs {} credits per {period} in {} runs when nothing is new{}{}.",
        number(idle_per_day),
        number(runs_per_day),
        extra(recheck_per_day, "rechecks"),
        extra(events_per_day, "events"),
    )
}

#[expect(clippy::cast_possible_truncation, reason = "a saturating number for people")]
fn thousands_of(whole: f64) -> String {
    thousands(whole as i64)
}

fn completion(to: &ToComplete) -> String {
    let least = plural(to.credits_min, "credit");
    let credits = match to.credits_likely {
        Some(likely) => format!("about {}, {least} at least", plural(likely, "credit")),
        None => format!("{least} at least; the length of some conversations is not known yet"),
    };
    let when = |runs: Option<u32>, at: Option<IsoTime>| Some((plural(runs?, "run"), local_minute(at?.0)));
    match (when(to.runs_likely, to.likely), when(to.runs_min, to.earliest)) {
        (Some((runs, at)), _) => format!("Complete after {credits}: {runs}, by {at}."),
        (None, Some((runs, at))) => format!("Complete after {credits}: {runs} at least, not before {at}."),
        (None, None) => {
            format!("Complete after {credits}; with the current caps that takes longer than can be forecast.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upkeep_is_told_in_whole_numbers() {
        let said = |runs_per_day, recheck_per_day| {
            let (idle_run, idle_per_day, events_per_day) = (1, runs_per_day, 0.0);
            staying_complete(&Upkeep {
                runs_per_day,
                idle_run,
                idle_per_day,
                recheck_per_day,
                events_per_day,
            })
        };
        assert_eq!(
            said(8640.0, 0.0),
            "Staying complete costs 8,640 credits per day in 8,640 runs when nothing is new."
        );
        assert_eq!(
            said(0.14, 0.0),
            "Staying complete costs 4 credits per 4 weeks in 4 runs when nothing is new."
        );
        assert_eq!(
            said(48.0, 0.25),
            "Staying complete costs 1,344 credits per 4 weeks in 1,344 runs when nothing is new, 7 for rechecks."
        );
    }
}
