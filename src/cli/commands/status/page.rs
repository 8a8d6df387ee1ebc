//! The status as one self-contained HTML page: no script, and nothing loaded from the network.

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::picture::Picture;
use crate::app::replace;
use crate::core::Ms;
use crate::core::format::{iso_date, iso_utc, plural, thousands};
use crate::core::printable::printable;
use crate::core::timeline::bar::{Cell, Stretch};
use crate::error::Failure;
use crate::store::{ConversationRow, DayRow};
use crate::view::label;
use crate::view::local_time::{local_date, local_minute};
use crate::view::status::{Status, missing};

const STYLE: &str = include_str!("page.css");
/// By this it is known as one of its own pages.
const TITLE: &str = "<title>archiver: status</title>";
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Writes the page as a whole or not at all, readable by its owner only.
pub(super) fn write(path: &Path, status: &Status<'_>, picture: &Picture<'_>) -> Result<(), Failure> {
    let failed = |source| Failure::file(path, source);
    if !replace::is_own_or_new(path, TITLE).map_err(failed)? {
        return Err(Failure::usage(
            format!("{} is not a status page, and is left alone", path.display()),
            "pass another PATH, or delete the file first",
        ));
    }
    let page = render(status, picture).into_string();
    let written = replace::begin(path).and_then(|file| replace::finish(file, path, &page));
    written.map_err(failed)
}

fn render(status: &Status, picture: &Picture<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                meta name="viewport" content="width=device-width, initial-scale=1";
                (PreEscaped(TITLE))
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(status, picture))
                    (attention(status))
                    (credits(picture))
                    (conversations(picture))
                }
            }
        }
    }
}

fn head(status: &Status, picture: &Picture<'_>) -> Markup {
    let left = |left: Option<u32>| left.map(|n| format!(", {} left", thousands(n))).unwrap_or_default();
    let (c, gaps) = (&status.credits, status.gaps_synced());
    let tiles = [
        (thousands(status.messages), "messages".to_owned()),
        (thousands(status.count), format!("conversations, {} complete", thousands(status.complete))),
        (thousands(gaps), if gaps == 1 { "gap" } else { "gaps" }.to_owned()),
        (thousands(c.spent_today), format!("credits today{}", left(c.left_today))),
        (thousands(c.spent_this_month), format!("credits this month{}", left(c.left_this_month))),
    ];
    html! {
        header {
            h1 { "Archive" }
            p.lead { (status.horizon_words(iso_utc)) }
            p.fine { (printable(&status.archive)) " · as of " (local_minute(picture.now)) }
        }
        section.tiles {
            @for (figure, words) in tiles {
                div.tile { b { (figure) } span { (words) } }
            }
        }
        @for words in [status.not_synced_words(), status.last_run_words(iso_utc)].into_iter().flatten() {
            p { (words) }
        }
    }
}

fn attention(status: &Status) -> Markup {
    if status.attention.is_empty() {
        return html! {};
    }
    html! {
        section.attention {
            h2 { "Needs attention" }
            ul { @for sentence in &status.attention { li { (printable(sentence)) } } }
        }
    }
}

/// Width and height of the columns' chart, without its labels.
const CHART: (i64, i64) = (900, 160);

/// Credits per day as columns.
fn credits(picture: &Picture<'_>) -> Markup {
    let most = picture.days.iter().map(|d| d.credits).max().unwrap_or_default();
    if most == 0 {
        return html! {};
    }
    let (width, height) = CHART;
    let count = i64::try_from(picture.days.len()).unwrap_or(i64::MAX);
    let step = width / count.max(1);
    let total: i64 = picture.days.iter().map(|d| d.credits).sum();
    html! {
        section {
            h2 { "Credits per day" }
            p.fine { (thousands(total)) " in " (count) " days (UTC), at most " (thousands(most)) " in one day" }
            svg.columns viewBox={ "-12 0 " (width + 24) " " (height + 24) } role="img" aria-label="Credits per day" {
                line.axis x1="0" x2=(width) y1=(height) y2=(height) {}
                @for (n, day) in (0..).zip(picture.days) {
                    // The last day is always named, and every seventh before it.
                    (column(day, n * step, step, most, (count - 1 - n) % 7 == 0))
                }
            }
        }
    }
}

fn column(day: &DayRow, x: i64, step: i64, most: i64, named: bool) -> Markup {
    let (_, height) = CHART;
    let date = iso_date(day.day_ms);
    let tall = if day.credits > 0 { (day.credits * (height - 20) / most).max(2) } else { 0 };
    let (y, middle) = (height - tall, x + step / 2);
    html! {
        g {
            title { (date) ": " (plural(day.credits, "credit")) }
            rect.hover x=(x) y="0" width=(step) height=(height) {}
            rect.column x=(x + 3) y=(y) width=(step - 6) height=(tall) rx="2" {}
            @if day.credits == most { text x=(middle) y=(y - 5) { (thousands(most)) } }
            @if named { text x=(middle) y=(height + 18) { (date.get(5..).unwrap_or_default()) } }
        }
    }
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

fn conversations(picture: &Picture<'_>) -> Markup {
    if picture.rows.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Conversations" }
            p.legend {
                @for (class, words) in [Cell::Covered, Cell::Missing, Cell::Unknown].map(meaning) {
                    span class={ "key " (class) } {} (words) " "
                }
            }
            div.scroll {
                table {
                    thead {
                        tr {
                            th { "Conversation" }
                            th.number { "Messages" }
                            th.bar { span { (local_date(picture.from)) } span { (local_date(picture.now)) } }
                            th { "Missing" }
                            th { "Last synced" }
                        }
                    }
                    tbody { @for (row, stretches) in &picture.rows { (conversation(picture, row, stretches)) } }
                }
            }
            @if picture.left_out > 0 { p.fine { "and " (thousands(picture.left_out)) " more; --all shows them" } }
        }
    }
}

fn conversation(picture: &Picture<'_>, row: &ConversationRow, stretches: &[Stretch]) -> Markup {
    html! {
        tr {
            td.name { (label(row)) }
            td.number { (thousands(row.timeline.messages)) }
            td.bar {
                svg viewBox="0 0 10000 10" preserveAspectRatio="none" role="img" aria-label="over time" {
                    @for stretch in stretches.iter().filter(|s| s.cell != Cell::Before) { (bar(picture, stretch)) }
                }
            }
            td { (missing(row)) }
            td.time { (row.synced_ms.map(local_minute).unwrap_or_default()) }
        }
    }
}

fn bar(picture: &Picture<'_>, stretch: &Stretch) -> Markup {
    let span = i128::from(picture.now.saturating_sub(picture.from).max(1));
    let place = |ms: Ms| i128::from(ms.saturating_sub(picture.from)) * 10_000 / span;
    let (x, end) = (place(stretch.from_ms), place(stretch.to_ms));
    // Wide enough to be seen, however short it is.
    let wide = (end - x).max(30);
    let (class, words) = meaning(stretch.cell);
    html! {
        rect class=(class) x=(x.min(10_000 - wide)) y="0" width=(wide) height="10" {
            title { (words) ": " (local_date(stretch.from_ms)) " – " (local_date(stretch.to_ms)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_strangers_is_never_markup() {
        let text =
            html! { td title=(printable("\"x\"")) { (printable("<script>alert(1)</script> & \u{1b}")) } };
        let expected =
            "<td title=\"&quot;x&quot;\">&lt;script&gt;alert(1)&lt;/script&gt; &amp; \u{fffd}</td>";
        assert_eq!(text.into_string(), expected);
    }
}
