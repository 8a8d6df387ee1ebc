//! Coverage: what of each conversation is archived, over time.

use maud::{Markup, html};

use crate::core::Ms;
use crate::core::format::thousands;
use crate::core::model::ids::ConversationId;
use crate::core::timeline::bar::{Cell, Stretch, stretches};
use crate::export::text::Text;
use crate::look::Glance;
use crate::store::ConversationRow;
use crate::view::label;
use crate::view::status::{Facts, missing};
use crate::web::asked::{WebRequest, url};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager};

/// Conversations on a page.
const SHOWN: usize = 50;

/// The time that is drawn.
struct DrawnSpan {
    from: Ms,
    to: Ms,
}

pub(in crate::web) fn page(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let facts = look.facts()?;
    let (only, start) = (asked.number("c")?, asked.number("after")?.unwrap_or(0));
    let start = usize::try_from(start).unwrap_or(0);
    let mut rows: Vec<&ConversationRow> =
        facts.conversations.iter().filter(|row| only.is_none_or(|only| row.id.0 == only)).collect();
    // What the status leaves out, because nobody asks for it and it holds nothing, has a page all the same.
    let left_out = match only.filter(|_| rows.is_empty()) {
        Some(id) => look.queries.conversation(ConversationId(id))?,
        None => None,
    };
    rows.extend(left_out.iter().map(|(row, _)| row));
    if only.is_some() && rows.is_empty() {
        return Err(Refused::NotFound("such conversation"));
    }
    // What is incomplete comes first, each kind newest first.
    rows.sort_by_key(|row| row.timeline.gaps.is_empty());
    let oldest = rows.iter().filter_map(|row| row.timeline.oldest_ms).min();
    let span = DrawnSpan { from: oldest.unwrap_or(look.now).min(look.now - 1), to: look.now };
    let end = start.saturating_add(SHOWN);
    let link = |after: usize, words| (url("/coverage", &[("after", &after.to_string())]), words);
    let next = (rows.len() > end).then(|| link(end, "More"));
    let before = (start > 0).then(|| link(start.saturating_sub(SHOWN), "Fewer"));
    let main = html! {
        h1 { "Coverage" }
        @if only.is_some() { p.sub { a href="/coverage" { "All conversations" } } }
        p.legend {
            @for cell in [Cell::Covered, Cell::Missing, Cell::Unknown] {
                @let (class, words) = meaning(cell);
                span class={ "key " (class) } aria-hidden="true" {} " " (words) " "
            }
        }
        div.scroll tabindex="0" role="group" aria-label="Coverage of each conversation" {
            table.coverage {
                thead { tr {
                    th scope="col" { "Conversation" }
                    th scope="col" { "Messages" }
                    th scope="col" { (look.times().day(span.from)) " – today" }
                    th scope="col" { "Missing" }
                } }
                tbody { @for row in rows.iter().skip(start).take(SHOWN) { (line(look, &facts, row, &span)) } }
            }
        }
        (pager(before, next))
    };
    Ok(SiteReply::page(Shell::live("Coverage", "/coverage").around(look, "wide", &main)))
}

/// The class of a stretch, and what it means.
fn meaning(cell: Cell) -> (&'static str, &'static str) {
    match cell {
        Cell::Before => ("before", "before the beginning"),
        Cell::Covered => ("covered", "archived"),
        Cell::Partly => ("partly", "partly archived"),
        Cell::Missing => ("missing", "missing"),
        Cell::Unknown => ("unknown", "not checked since"),
    }
}

fn line(look: &Glance<'_>, facts: &Facts, row: &ConversationRow, span: &DrawnSpan) -> Markup {
    // As long as the inbox shows no news of a conversation, nothing has changed in it.
    let inbox =
        facts.inboxes.iter().find(|inbox| inbox.account == row.account).and_then(|inbox| inbox.synced_ms);
    let asked = row.synced_ms.map(|own| inbox.map_or(own, |inbox| inbox.max(own)));
    let drawn = stretches(&row.timeline, asked, span.from, span.to);
    html! {
        tr data-item {
            th scope="row" dir="auto" { a href={ "/c/" (row.id) "#end" } { (Text(&label(row))) } }
            td.number { (thousands(row.timeline.messages)) }
            td.course {
                svg viewBox="0 0 10000 10" preserveAspectRatio="none" aria-hidden="true" {
                    @for stretch in drawn.iter().filter(|stretch| stretch.cell != Cell::Before) { (bar(look, span, stretch)) }
                }
            }
            td {
                (missing(row))
                @for gap in row.timeline.gaps.iter().take(3) {
                    @if let Some(edge) = gap.newer_ms { " " a href={ "/c/" (row.id) "?date=" (look.times().day(edge)) "#gap" (gap.id) } { "go to it" } }
                }
            }
        }
    }
}

fn bar(look: &Glance<'_>, span: &DrawnSpan, stretch: &Stretch) -> Markup {
    let whole = i128::from(span.to.saturating_sub(span.from).max(1));
    let place = |ms: Ms| i128::from(ms.saturating_sub(span.from)) * 10_000 / whole;
    let (x, end) = (place(stretch.from_ms), place(stretch.to_ms));
    // Wide enough to be seen, however short it is.
    let wide = (end - x).max(30);
    let (class, words) = meaning(stretch.cell);
    let day = |ms: Ms| look.times().day(ms);
    html! {
        rect class=(class) x=(x.min(10_000 - wide)) y="0" width=(wide) height="10" {
            title { (words) ": " (day(stretch.from_ms)) " – " (day(stretch.to_ms)) }
        }
    }
}
