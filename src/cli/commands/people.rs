//! `archiver people`: contacts, message counts and response times.

use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::cli::ui::local_time::local_date;
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::{OpenArchive, ScopeArgs};
use crate::cli::ui::table::{number, text};
use crate::core::format::{IsoTime, plural, thousands};
use crate::core::model::urn;
use crate::core::people::{Contact, Correspondence};
use crate::error::Failure;

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

#[derive(Serialize)]
struct PeopleReport<'a> {
    /// Whether the owner of every account is known.
    owner_known: bool,
    people: Vec<PersonLine<'a>>,
}

#[derive(Serialize)]
struct PersonLine<'a> {
    account: &'a str,
    name: Option<&'a String>,
    other_names: &'a [String],
    profile_urls: &'a [String],
    received: i64,
    sent: Option<i64>,
    last_at: IsoTime,
    conversations: i64,
    they_answer_median_secs: Option<u32>,
    you_answer_median_secs: Option<u32>,
}

pub(crate) fn run(context: &Context, args: &PeopleArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let tally = archive.correspondence(&args.scope, |_, _| ())?;
    let contacts = tally.contacts();
    let most = args.limit.unwrap_or(if args.json { usize::MAX } else { 30 });
    let people: Vec<_> = contacts.iter().take(most).filter_map(|c| person(&tally, c)).collect();
    let report = PeopleReport { owner_known: tally.owner_known(), people };
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&report) } else { show(&mut out, &report, contacts.len()) }
}

fn person<'a>(tally: &'a Correspondence, contact: &Contact) -> Option<PersonLine<'a>> {
    let human = tally.humans().get(contact.human)?;
    Some(PersonLine {
        account: &human.account,
        name: human.names.first(),
        other_names: human.names.get(1..).unwrap_or_default(),
        profile_urls: &human.profile_urls,
        received: contact.received,
        sent: contact.sent,
        last_at: IsoTime(contact.last_ms),
        conversations: contact.conversations,
        they_answer_median_secs: contact.they_answer,
        you_answer_median_secs: contact.i_answer,
    })
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

/// Printed if it is not known which messages are the owner's.
pub(super) const UNKNOWN_OWNER: &str =
    "It is not known for every account which person is you: set `owner_name` in the configuration.";

/// A duration in its largest unit.
pub(super) fn duration(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => plural(seconds / 86_400, "day"),
    }
}
