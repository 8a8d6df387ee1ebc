//! The ledger: credits by day, by run and by request.

use maud::{Markup, html};

use crate::core::format::{iso_date, plural, thousands};
use crate::core::model::ids::{RequestId, RunId};
use crate::export::text::Text;
use crate::look::Glance;
use crate::store::{LedgerRun, RequestRow};
use crate::web::asked::{WebRequest, url};
use crate::web::chart::{self, Bar};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager, upper_pager};

/// Runs, and requests, on a page.
const SHOWN: u32 = 50;
/// Days of the chart.
const DAYS: u32 = 90;

pub(in crate::web) fn page(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let before = asked.number("before")?.map(RunId);
    let mut runs = look.queries.ledger_runs(before, SHOWN + 1)?;
    let more = runs.len() > usize::try_from(SHOWN).unwrap_or(usize::MAX);
    runs.truncate(usize::try_from(SHOWN).unwrap_or(usize::MAX));
    let older = runs
        .last()
        .filter(|_| more)
        .map(|last| (url("/ledger", &[("before", &last.run.id.to_string())]), "Older"));
    let newest = before.map(|_| ("/ledger".to_owned(), "Newest"));
    let days = look.queries.credits_by_day(look.now, DAYS)?;
    let total: i64 = days.iter().map(|day| day.credits).sum();
    let bar = |day: &crate::store::DayRow| {
        let date = iso_date(day.day_ms);
        let words = format!("{date}: {}", plural(day.credits, "credit"));
        Bar { label: date.get(5..).unwrap_or_default().to_owned(), value: day.credits, words }
    };
    let bars: Vec<Bar> = days.iter().map(bar).collect();
    let main = html! {
        h1 { "Credits" }
        p { (plural(total, "credit")) " in the last " (DAYS) " days (UTC)." }
        (chart::columns("days", "Credits per day (UTC)", &bars, 14))
        h2 { "Runs" }
        (upper_pager(newest.clone(), older.clone()))
        div.scroll tabindex="0" role="group" aria-label="Runs" {
            table {
                thead { tr {
                    @for head in ["Run", "Began", "What", "Ended"] { th scope="col" { (head) } }
                    @for head in ["Requests", "New", "Credits"] { th.number scope="col" { (head) } }
                } }
                tbody { @for run in &runs { (run_row(look, run)) } }
            }
        }
        (pager(newest, older))
    };
    Ok(SiteReply::page(Shell::live("Credits", "/ledger").around(look, "wide", &main)))
}

fn run_row(look: &Glance<'_>, ledger: &LedgerRun) -> Markup {
    let run = &ledger.run;
    html! {
        tr data-item {
            th scope="row" { a href={ "/ledger/runs/" (run.id) } { (run.id) } }
            td { (look.times().minute(run.started_ms)) }
            td { (ledger.kind) ", " (ledger.trigger) }
            td { (run.outcome.as_deref().unwrap_or("running, or interrupted")) }
            td.number { (thousands(run.requests)) }
            td.number { (thousands(run.new_messages)) }
            td.number { (thousands(run.credits_spent)) }
        }
    }
}

pub(in crate::web) fn run(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let id = RunId(asked.id("such run")?);
    let run = look.queries.run(id)?.ok_or(Refused::NotFound("such run"))?;
    let before = asked.number("before")?.map(RequestId);
    let mut requests = look.queries.ledger_requests(Some(id), before, SHOWN + 1)?;
    let more = requests.len() > usize::try_from(SHOWN).unwrap_or(usize::MAX);
    requests.truncate(usize::try_from(SHOWN).unwrap_or(usize::MAX));
    let path = format!("/ledger/runs/{id}");
    let older = requests
        .last()
        .filter(|_| more)
        .map(|last| (url(&path, &[("before", &last.id.to_string())]), "Older"));
    let newest = before.map(|_| (path.clone(), "Newest"));
    let title = format!("Run {id}");
    let main = html! {
        h1 { (title) }
        p.sub { a href="/ledger" { "All runs" } }
        p {
            "Began " (look.times().minute(run.started_ms)) ", "
            (run.outcome.as_deref().unwrap_or("running, or interrupted")) ": "
            (plural(run.requests, "request")) ", " (plural(run.new_messages, "new message")) ", "
            (plural(run.changed_messages, "changed message")) ", " (plural(run.credits_spent, "credit")) "."
        }
        div.scroll tabindex="0" role="group" aria-label="Requests" {
            table {
                thead { tr {
                    @for head in ["At", "What for", "Conversation"] { th scope="col" { (head) } }
                    @for head in ["Asked", "Came", "New", "Credits"] { th.number scope="col" { (head) } }
                    th scope="col" { "Error" }
                } }
                tbody { @for request in &requests { (request_row(look, request)) } }
            }
        }
        (pager(newest, older))
    };
    Ok(SiteReply::page(
        Shell { title: &title, at: "/ledger", live: false, query: "" }.around(look, "wide", &main),
    ))
}

fn request_row(look: &Glance<'_>, request: &RequestRow) -> Markup {
    html! {
        tr data-item {
            th scope="row" { (look.times().minute(request.at_ms)) }
            td title=(Text(&request.endpoint)) { (request.purpose) ", " bdi { (Text(&request.account)) } }
            td dir="auto" {
                @if let Some(id) = request.conversation { a href={ "/c/" (id) "#end" } { (Text(request.name.as_deref().unwrap_or("unnamed conversation"))) } }
            }
            td.number { (thousands(request.asked)) }
            td.number { (request.returned.map(thousands).unwrap_or_default()) }
            td.number { (thousands(request.new_messages)) }
            td.number {
                @match request.credits_spent {
                    Some(spent) => (thousands(spent)),
                    None => span title="not settled: what was reserved counts" { (thousands(request.credits_reserved)) " reserved" },
                }
            }
            td dir="auto" { (Text(request.error.as_deref().unwrap_or_default())) }
        }
    }
}
