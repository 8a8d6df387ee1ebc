//! Statistics: messages over time, who waits for whom, and what credits bought.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::people::by_month;
use crate::core::format::{plural, thousands};
use crate::export::text::Text;
use crate::look::Glance;
use crate::view::people::{UNKNOWN_OWNER, duration};
use crate::view::stats::{Stats, WaitingLine};
use crate::web::asked::{WebRequest, url};
use crate::web::chart::{self, Bar};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::Shell;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Unanswered messages that are listed.
const WAITING: usize = 20;

pub(in crate::web) fn page(look: &Glance<'_>, _: &WebRequest) -> Result<SiteReply, Refused> {
    let figures = look.figures()?;
    let stats = &figures.stats;
    let months: BTreeMap<String, i64> =
        stats.months.iter().map(|m| (m.month.clone(), m.count.all())).collect();
    let count = |label: String, value: i64| Bar {
        words: format!("{label}: {}", plural(value, "message")),
        label,
        value,
    };
    let hours: Vec<Bar> =
        stats.hours.iter().enumerate().map(|(n, value)| count(format!("{n}:00"), *value)).collect();
    let days = DAYS.iter().zip(&stats.weekdays);
    let days: Vec<Bar> = days
        .map(|(day, value)| Bar { label: (*day).to_owned(), value: *value, words: thousands(*value) })
        .collect();
    let credits = stats.credits.iter().map(|month| {
        let each = month.credits_per_message.map(|n| format!(", {n} per message")).unwrap_or_default();
        let words = format!(
            "{}, {}{each}",
            plural(month.row.credits, "credit"),
            plural(month.row.new_messages, "new message")
        );
        Bar { label: month.row.month.clone(), value: month.row.credits, words }
    });
    let credits: Vec<Bar> = credits.collect();
    let main = html! {
        h1 { "Statistics" }
        p { (plural(stats.messages.all(), "message")) @if let Some(sides) = stats.messages.sides() { ", " (sides) } ". " (answers(stats)) }
        @if !stats.owner_known { p.sub { (UNKNOWN_OWNER) } }
        @if stats.messages.all() > 0 {
            (chart::columns("months", "Messages per month", &by_month(&months), 6))
            (chart::columns("hours", "Messages per hour of the day", &hours, 3))
            (chart::bars("Messages per day of the week", &days))
        }
        (waiting("Waiting for your answer", &stats.waiting_for_you, look))
        (waiting("Waiting for their answer", &stats.waiting_for_them, look))
        @if !credits.is_empty() { (chart::bars("Credits per month (UTC)", &credits)) }
    };
    Ok(SiteReply::page(
        Shell { title: "Statistics", at: "/stats", live: false, query: "" }.around(look, "wide", &main),
    ))
}

fn answers(stats: &Stats) -> String {
    let side = |who: &str, seconds: Option<u32>| {
        seconds.map(|s| format!("{who} answer within {} (median). ", duration(s)))
    };
    let sides = [side("You", stats.you_answer_median_secs), side("They", stats.they_answer_median_secs)];
    sides.into_iter().flatten().collect()
}

fn waiting(title: &str, lines: &[WaitingLine], look: &Glance<'_>) -> Markup {
    if lines.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { (title) }
            ul {
                @for line in lines.iter().take(WAITING) {
                    li {
                        a href=(url("/conversations", &[("q", &line.name)])) { bdi { (Text(&line.name)) } }
                        " since " (look.times().long_day(line.since.0))
                    }
                }
            }
            @if lines.len() > WAITING { p.sub { "and " (thousands(lines.len() - WAITING)) " more" } }
        }
    }
}
