//! `archiver plan`: what the next run will ask and cost, and when nothing will be missing any more.

use crate::app::outlook;
use clap::Args;

use crate::app::Context;
use crate::app::outlook::{Ahead, ToComplete, look};
use crate::cli::ui::output::{Column, Output, local_minute, plural, thousands};
use crate::core::planner::next::{Next, Step};
use crate::error::Failure;

/// `archiver plan`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// As if the next run could spend at most N credits; never raises a configured cap
    #[arg(long, value_name = "N")]
    pub budget: Option<u32>,

    /// Only this conversation; may be given several times
    #[arg(long, value_name = "TARGET")]
    pub only: Vec<String>,

    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver plan                                 what comes next, and what it costs
  archiver plan --budget 20                     the same with 20 credits a run
  archiver plan --json | jq .to_complete.likely when nothing will be missing";

/// Runs the command.
///
/// # Errors
/// Bad configuration, a target that names nothing, or an archive that cannot be read.
pub fn run(context: &Context, args: &PlanArgs) -> Result<(), Failure> {
    let config = context.config(args.budget)?;
    context.warn(&config);
    let ahead = look(&config, &args.only)?;
    let mut out = Output::stdout(&context.env);
    if args.json {
        return out.json(&ahead);
    }
    next_run(&mut out, &ahead)?;
    missing(&mut out, &ahead)?;
    until_complete(&mut out, &ahead)
}

/// The steps of the next run and its cost, as `sync --dry-run` prints them, too.
///
/// # Errors
/// When it cannot be written.
pub fn next_run(out: &mut Output, ahead: &Ahead) -> Result<(), Failure> {
    for step in &ahead.steps {
        out.line(step)?;
    }
    let first: u32 = ahead.steps.iter().map(Step::credits_max).sum();
    let count = plural(ahead.steps.len(), "request");
    out.line(format!("{count}, {} at most for these.", plural(first, "credit")))?;
    let least = ahead.next_run.credits_min;
    match (ahead.steps.is_empty(), ahead.room) {
        (true, _) if ahead.end == Next::OutOfBudget => {
            out.line("The budget is used up: nothing would be asked.")
        }
        (true, _) => out.line("Nothing would be asked."),
        (false, Some(room)) => out.line(format!(
            "What they show may lead to more; the whole run spends {least} to {} at most. Nothing was spent now.",
            plural(room, "credit")
        )),
        (false, None) => out.line(format!(
            "What they show may lead to more, and no budget caps the run: {least} at least. Nothing was spent now.",
        )),
    }
}

fn missing(out: &mut Output, ahead: &Ahead) -> Result<(), Failure> {
    if ahead.missing.is_empty() {
        return Ok(());
    }
    let about = |n: Option<u32>| n.map_or_else(|| "unknown".to_owned(), |n| format!("~{}", thousands(n)));
    let row = |m: &outlook::MissingLine| {
        vec![
            m.conversation.clone(),
            thousands(m.gaps),
            about(m.messages_likely),
            thousands(m.credits_min),
            about(m.credits_likely),
        ]
    };
    let rows: Vec<Vec<String>> = ahead.missing.iter().map(row).collect();
    let columns = [
        Column::text("Missing of"),
        Column::number("Gaps"),
        Column::number("Messages"),
        Column::number("Credits from"),
        Column::number("likely"),
    ];
    out.line("")?;
    out.table(&columns, &rows)
}

fn until_complete(out: &mut Output, ahead: &Ahead) -> Result<(), Failure> {
    out.line("")?;
    if ahead.missing.is_empty() {
        out.line("Nothing is known to be missing.")?;
    } else {
        out.line(completion(&ahead.to_complete))?;
    }
    let upkeep = &ahead.upkeep;
    let extra = |credits: f64, what: &str| {
        if credits > 0.0 { format!(", {credits} for {what}") } else { String::new() }
    };
    out.line(format!(
        "To stay complete: {} runs a day, {} credits a day when nothing happens{}{}.",
        upkeep.runs_per_day,
        upkeep.idle_per_day,
        extra(upkeep.recheck_per_day, "second readings"),
        extra(upkeep.events_per_day, "events"),
    ))
}

fn completion(to: &ToComplete) -> String {
    let least = plural(to.credits_min, "credit");
    let credits = match to.credits_likely {
        Some(likely) => format!("about {}, {least} at least", plural(likely, "credit")),
        None => format!("{least} at least; how long some conversations are is not known yet"),
    };
    match (to.moments.1, to.runs_likely, to.moments.0, to.runs_min) {
        (Some(at), Some(runs), ..) => {
            format!("Nothing is missing after {credits}: {}, by {}.", plural(runs, "run"), local_minute(at))
        }
        (_, _, Some(at), Some(runs)) => format!(
            "Nothing is missing after {credits}: {} at least, not before {}.",
            plural(runs, "run"),
            local_minute(at)
        ),
        _ => format!(
            "Nothing is missing after {credits}; under the present caps that takes longer than can be told."
        ),
    }
}
