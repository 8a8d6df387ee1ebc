//! The first page: whether everything is well, what was spent, what is forecast, and what needs a person.

use maud::{Markup, html};

use super::conversations;
use crate::app::outlook::Outlook;
use crate::core::format::iso_date;
use crate::core::format::{plural, thousands};
use crate::core::printable::printable;
use crate::look::{Glance, Listed};
use crate::view::local_time::local_minute;
use crate::view::status::{Facts, FormatTime, Status};
use crate::web::asked::WebRequest;
use crate::web::chart::{self, Bar};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::Shell;

/// Conversations that are listed here.
const RECENT: usize = 8;

pub(in crate::web) fn page(look: &Glance<'_>, _: &WebRequest) -> Result<SiteReply, Refused> {
    let facts = look.facts()?;
    let status = Status::of(&facts, &look.shared.config, LOCAL);
    // A forecast takes accounts, and a configuration that fits the archive.
    let outlook = if look.shared.config.accounts.is_empty() { None } else { look.outlook().ok() };
    let main = html! {
        h1 { (lead(&facts)) }
        p.lead { (status.horizon_words(LOCAL)) }
        (tiles(&status))
        (attention(&status))
        @for words in [status.not_synced_words(), status.last_run_words(LOCAL)].into_iter().flatten() { p { (printable(&words)) } }
        @if let Some(service) = &status.service {
            p {
                "The service is running"
                @if let Some(next) = &service.next_slot_at { "; next run " (local_minute(next.0)) }
                "."
            }
        }
        @if let Some(outlook) = &outlook { (forecast(look, outlook)) }
        (credits(&facts))
        section aria-labelledby="recent" {
            h2 #recent { "Latest conversations" }
            (conversations::list(look, &Listed::newest(look, RECENT)?)?)
            p { a href="/conversations" { "All conversations" } }
        }
    };
    Ok(SiteReply::page(Shell::live("Home", "/").around(look, "wide", &main)))
}

const LOCAL: FormatTime = local_minute;

fn lead(facts: &Facts) -> String {
    match facts.trouble() {
        Some(trouble) => sentence(&trouble),
        None => "All is well".to_owned(),
    }
}

/// With a capital letter.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn tiles(status: &Status<'_>) -> Markup {
    let left = |left: Option<u32>| left.map(|n| format!(", {} left", thousands(n))).unwrap_or_default();
    let (credits, gaps) = (&status.credits, status.gaps_synced());
    let tiles = [
        (thousands(status.messages), "messages".to_owned(), "/stats"),
        (
            thousands(status.conversations.len()),
            format!("conversations, {} complete", thousands(status.complete)),
            "/conversations",
        ),
        (thousands(gaps), if gaps == 1 { "gap" } else { "gaps" }.to_owned(), "/coverage"),
        (thousands(credits.spent_today), format!("credits today{}", left(credits.left_today)), "/ledger"),
        (
            thousands(credits.spent_this_month),
            format!("credits this month{}", left(credits.left_this_month)),
            "/ledger",
        ),
    ];
    html! {
        ul.tiles {
            @for (figure, words, href) in tiles { li { a href=(href) { b { (figure) } " " span { (words) } } } }
        }
    }
}

fn attention(status: &Status<'_>) -> Markup {
    if status.attention.is_empty() {
        return html! {};
    }
    html! {
        section.attention aria-labelledby="attention" {
            h2 #attention { "Needs attention" }
            ul { @for sentence in status.attention.iter().take(20) { li dir="auto" { (printable(sentence)) } } }
            @if status.attention.len() > 20 { p.sub { "and " (thousands(status.attention.len() - 20)) " more" } }
        }
    }
}

fn forecast(look: &Glance<'_>, outlook: &Outlook) -> Markup {
    let (next, rest) = (&outlook.next_run, &outlook.to_complete);
    let at_most = next.credits_max.map(|most| format!(", at most {}", thousands(most))).unwrap_or_default();
    let likely = next.credits_likely.unwrap_or(next.credits_min);
    let whole = if outlook.missing.is_empty() {
        "Nothing is known to be missing.".to_owned()
    } else {
        let credits = rest.credits_likely.map_or_else(
            || format!("at least {}", plural(rest.credits_min, "credit")),
            |likely| format!("about {}", plural(likely, "credit")),
        );
        let when = rest.likely.as_ref().or(rest.earliest.as_ref());
        let when = when.map(|at| format!(", around {}", look.times().long_day(at.0))).unwrap_or_default();
        format!("What is missing costs {credits} and is complete on the present schedule{when}.")
    };
    html! {
        section aria-labelledby="forecast" {
            h2 #forecast { "Forecast" }
            p { "The next run costs about " (plural(likely, "credit")) (at_most) ". " (whole) }
        }
    }
}

fn credits(facts: &Facts) -> Markup {
    if facts.days.iter().all(|day| day.credits == 0) {
        return html! {};
    }
    let bar = |day: &crate::store::DayRow| {
        let date = iso_date(day.day_ms);
        Bar {
            label: date.get(5..).unwrap_or_default().to_owned(),
            value: day.credits,
            words: format!("{date}: {}", plural(day.credits, "credit")),
        }
    };
    let bars: Vec<Bar> = facts.days.iter().map(bar).collect();
    html! { section { h2 { "Credits" } (chart::columns("credits", "Credits per day (UTC)", &bars, 7)) } }
}
