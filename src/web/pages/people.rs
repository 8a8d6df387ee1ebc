//! People: how much each wrote and how fast they answer, and a page for each.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::conversations::list as listed;
use crate::core::format::{plural, thousands};
use crate::core::model::ids::PersonId;
use crate::core::model::urn;
use crate::core::people::{Contact, Human};
use crate::export::html::message::is_web;
use crate::export::text::Text;
use crate::look::{Glance, Listed, People};
use crate::view::people::{UNKNOWN_OWNER, duration};
use crate::web::asked::{WebRequest, url};
use crate::web::chart::{self, Bar};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager};

/// People on a page.
const SHOWN: usize = 100;

fn called(human: &Human) -> String {
    let name = human.names.first().filter(|name| !name.trim().is_empty()).cloned();
    name.or_else(|| human.profile_urls.first().map(|url| urn::label(url)))
        .unwrap_or_else(|| "(no name)".to_owned())
}

pub(in crate::web) fn list(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let figures = look.figures()?;
    let people = &figures.people;
    let part = asked.text("q").unwrap_or_default();
    let start = usize::try_from(asked.number("after")?.unwrap_or(0)).unwrap_or(0);
    let all = people.named(part);
    let end = start.saturating_add(SHOWN);
    let link = |after: usize, words| (url("/people", &[("q", part), ("after", &after.to_string())]), words);
    let next = (all.len() > end).then(|| link(end, "More"));
    let before = (start > 0).then(|| link(start.saturating_sub(SHOWN), "Fewer"));
    let main = html! {
        h1 { "People" }
        form.filter action="/people" method="get" data-typing {
            label.hidden for="filter" { "Only names with" }
            input #filter name="q" type="search" value=(Text(part)) placeholder="Filter by name" autocomplete="off";
            button type="submit" { "Filter" }
        }
        @if !people.owner_known { p.sub { (UNKNOWN_OWNER) } }
        div #results {
            p.sub { (if all.len() == 1 { "1 person".to_owned() } else { format!("{} people", thousands(all.len())) }) }
            div.scroll tabindex="0" role="group" aria-label="People" {
                table.people {
                    thead { tr { @for head in ["Who", "Received", "Sent", "Last", "They answer in", "You answer in"] { th scope="col" { (head) } } } }
                    tbody { @for contact in all.iter().skip(start).take(SHOWN) { (row(look, people, contact)) } }
                }
            }
            (pager(before, next))
        }
    };
    Ok(SiteReply::page(
        Shell { title: "People", at: "/people", live: false, query: "" }.around(look, "wide", &main),
    ))
}

fn row(look: &Glance<'_>, people: &People, contact: &Contact) -> Markup {
    let name = people.everybody.get(contact.human).map(called).unwrap_or_default();
    let page = people.senders.get(&contact.human).and_then(|senders| senders.first());
    html! {
        tr data-item {
            th scope="row" dir="auto" {
                @if let Some(page) = page { a href={ "/people/" (page) } { (Text(&name)) } } @else { (Text(&name)) }
            }
            td.number { (thousands(contact.received)) }
            td.number { (contact.sent.map_or_else(|| "?".to_owned(), thousands)) }
            td { (look.times().day(contact.last_ms)) }
            td.number { (contact.they_answer.map(duration).unwrap_or_default()) }
            td.number { (contact.i_answer.map(duration).unwrap_or_default()) }
        }
    }
}

pub(in crate::web) fn one(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let figures = look.figures()?;
    let people = &figures.people;
    let id = PersonId(asked.id("such person")?);
    let human = people.humans.get(&id).ok_or(Refused::NotFound("such person"))?;
    let senders = people.senders.get(human).ok_or(Refused::NotFound("such person"))?;
    let person = people.everybody.get(*human).ok_or(Refused::NotFound("such person"))?;
    let contact = people.contacts.iter().find(|contact| contact.human == *human);
    let conversations = look.queries.conversations_with(senders)?;
    let mut months: BTreeMap<String, i64> = BTreeMap::new();
    for conversation in &conversations {
        look.queries.lines(Some(*conversation), None, None, |line| {
            if senders.contains(&line.sender) {
                let day = look.times().day(line.at_ms);
                *months.entry(day.get(..7).unwrap_or_default().to_owned()).or_default() += 1;
            }
        })?;
    }
    let mut theirs = Listed::newest(look, usize::MAX - 1)?;
    theirs.heads.retain(|head| conversations.contains(&head.id));
    let name = called(person);
    let main = html! {
        h1 dir="auto" { (Text(&name)) }
        @if person.names.len() > 1 { p.sub { "Also " @for other in person.names.iter().skip(1) { bdi { (Text(other)) } " " } } }
        @for page in person.profile_urls.iter().filter(|page| is_web(page)) {
            p { a href=(Text(page)) rel="noopener noreferrer nofollow" target="_blank" { (Text(page)) } }
        }
        @if let Some(contact) = contact { (known(look, contact)) }
        p { a href=(url("/search", &[("q", &format!("from:\"{}\"", name.replace('"', "")))])) { "Search what they wrote" } }
        @if !months.is_empty() { (chart::columns("months", "Messages per month", &by_month(&months), 6)) }
        h2 { "Conversations" }
        (listed(look, &theirs)?)
    };
    Ok(SiteReply::page(
        Shell { title: &name, at: "/people", live: false, query: "" }.around(look, "wide", &main),
    ))
}

fn known(look: &Glance<'_>, contact: &Contact) -> Markup {
    let answer = |seconds: Option<u32>| seconds.map_or_else(|| "—".to_owned(), duration);
    let rows = [
        ("Messages received", thousands(contact.received)),
        ("Messages sent to them alone", contact.sent.map_or_else(|| "not known".to_owned(), thousands)),
        ("Conversations", thousands(contact.conversations)),
        ("Last message", look.times().long_day(contact.last_ms)),
        ("They answer within (median)", answer(contact.they_answer)),
        ("You answer within (median)", answer(contact.i_answer)),
    ];
    html! { table.plain { tbody { @for (what, figure) in rows { tr { th scope="row" { (what) } td { (figure) } } } } } }
}

/// A column for each month, those without messages included.
pub(super) fn by_month(months: &BTreeMap<String, i64>) -> Vec<Bar> {
    let (Some((first, _)), Some((last, _))) = (months.first_key_value(), months.last_key_value()) else {
        return Vec::new();
    };
    let number = |month: &str| {
        let (year, month) = month.split_once('-')?;
        Some(year.parse::<i64>().ok()? * 12 + month.parse::<i64>().ok()? - 1)
    };
    let (Some(first), Some(last)) = (number(first), number(last)) else { return Vec::new() };
    // Fifty years will do, whatever a clock has said.
    let first = first.max(last - 600);
    (first..=last)
        .map(|n| {
            let label = format!("{:04}-{:02}", n.div_euclid(12), n.rem_euclid(12) + 1);
            let value = months.get(&label).copied().unwrap_or_default();
            Bar { words: format!("{label}: {}", plural(value, "message")), label, value }
        })
        .collect()
}
