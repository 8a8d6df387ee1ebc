//! `archiver people`: contacts, message counts and response times.

use clap::Args;

use crate::app::Context;
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::cli::ui::table::{number, text};
use crate::core::format::thousands;
use crate::core::model::urn;
use crate::error::Failure;
use crate::view::local_time::local_date;
use crate::view::people::{PeopleReport, PersonLine, UNKNOWN_OWNER, duration};

const EXAMPLES: &str = "\
Examples:
  archiver people                       most messages first
  archiver people --since 1y --limit 10
  archiver people --in béla             the members of one conversation
  archiver people --json | jq '.people[] | select(.sent == 0)'";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PeopleArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Show at most N people [default: 30, with --json all]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(context: &Context, args: &PeopleArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let tally = archive.correspondence(&args.scope, |_, _| ())?;
    let contacts = tally.contacts();
    let most = args.limit.unwrap_or(if args.json { usize::MAX } else { 30 });
    let report = PeopleReport::of(&tally, &contacts, most);
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&report) } else { show(&mut out, &report, contacts.len()) }
}

fn show(out: &mut Output, report: &PeopleReport<'_>, all: usize) -> Result<(), Failure> {
    let row = |person: &PersonLine<'_>| {
        let url = || person.profile_urls.first().map(|url| urn::label(url));
        vec![
            person.name.cloned().or_else(url).unwrap_or_else(|| "(no name)".to_owned()),
            thousands(person.received),
            person.sent.map_or_else(|| "?".to_owned(), thousands),
            local_date(person.last_at.0),
            person.they_answer_median_secs.map(duration).unwrap_or_default(),
            person.you_answer_median_secs.map(duration).unwrap_or_default(),
            thousands(person.conversations),
        ]
    };
    let rows: Vec<_> = report.people.iter().map(row).collect();
    if rows.is_empty() {
        return out.line("No messages.");
    }
    let columns = [
        text("Who"),
        number("Received"),
        number("Sent"),
        text("Last"),
        number("They answer in"),
        number("You answer in"),
        number("Conversations"),
    ];
    out.table(&columns, &rows)?;
    let left = all.saturating_sub(rows.len());
    if left > 0 {
        out.line(format!("and {} more; --limit N shows them", thousands(left)))?;
    }
    if !report.owner_known {
        out.line(format!("\n{UNKNOWN_OWNER}"))?;
    }
    Ok(())
}
