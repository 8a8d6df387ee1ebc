//! The status as one self-contained page: no script, nothing fetched from anywhere, everything escaped.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::json::Status;
use super::picture::Picture;
use super::selection::Selection;
use super::text;
use crate::cli::ui::local_time::{local_date, local_minute};
use crate::cli::ui::printable::printable;
use crate::core::Ms;
use crate::core::format::{iso_date, plural, thousands};
use crate::core::timeline::bar::{Cell, Stretch};
use crate::error::Failure;
use crate::export::text::html;
use crate::store::ConversationRow;

const STYLE: &str = include_str!("page.css");

/// Writes the page: in full or not at all, for its owner's eyes only.
pub(super) fn write(
    path: &Path,
    status: &Status,
    selection: &Selection<'_>,
    picture: &Picture<'_>,
) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), source };
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files have mode 0600.
    let mut file =
        tempfile::Builder::new().prefix(".archiver-status-").tempfile_in(folder).map_err(failed)?;
    file.write_all(render(status, selection, picture).as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed)
}

/// The page's text.
fn render(status: &Status, selection: &Selection<'_>, picture: &Picture<'_>) -> String {
    let mut page = String::new();
    page.push_str(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>archiver: status</title>\n<style>\n",
    );
    page.push_str(STYLE);
    page.push_str("</style>\n</head>\n<body>\n<main>\n");
    head(&mut page, status, picture);
    attention(&mut page, status);
    credits(&mut page, picture);
    conversations(&mut page, selection, picture);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.push_str(&std::fmt::format(text));
}

/// A text as HTML. Names come from strangers.
fn escaped(text: &str) -> String {
    html(&printable(text))
}

fn head(page: &mut String, status: &Status, picture: &Picture<'_>) {
    add(
        page,
        format_args!(
            "<header>\n<h1>Archive</h1>\n<p class=\"lead\">{}</p>\n",
            escaped(&super::horizon(status, str::to_owned))
        ),
    );
    add(
        page,
        format_args!(
            "<p class=\"fine\">{} · as of {}</p>\n</header>\n",
            escaped(&status.archive),
            local_minute(picture.now)
        ),
    );
    let mut tile = |figure: String, words: String| {
        add(
            page,
            format_args!(
                "<div class=\"tile\"><b>{}</b><span>{}</span></div>\n",
                escaped(&figure),
                escaped(&words)
            ),
        );
    };
    let left = |left: Option<u32>| left.map(|n| format!(", {} left", thousands(n))).unwrap_or_default();
    let c = &status.credits;
    tile(thousands(status.messages), "messages".to_owned());
    tile(thousands(status.conversations.len()), format!("conversations, {} complete", thousands(status.complete)));
    tile(thousands(status.gaps_synced()), if status.gaps_synced() == 1 { "gap" } else { "gaps" }.to_owned());
    tile(thousands(c.spent_today), format!("credits today{}", left(c.left_today)));
    tile(thousands(c.spent_this_month), format!("credits this month{}", left(c.left_this_month)));
    *page = page.replacen("<div class=\"tile\">", "<section class=\"tiles\">\n<div class=\"tile\">", 1);
    page.push_str("</section>\n");
    for words in [text::not_synced(status), status.last_run_words(str::to_owned)].into_iter().flatten() {
        add(page, format_args!("<p>{}</p>\n", escaped(&words)));
    }
}

fn attention(page: &mut String, status: &Status) {
    if status.attention.is_empty() {
        return;
    }
    page.push_str("<section class=\"attention\">\n<h2>Needs attention</h2>\n<ul>\n");
    for line in &status.attention {
        add(page, format_args!("<li>{}</li>\n", escaped(line)));
    }
    page.push_str("</ul>\n</section>\n");
}

/// Credits per day as columns of an SVG.
fn credits(page: &mut String, picture: &Picture<'_>) {
    let most = picture.days.iter().map(|d| d.credits).max().unwrap_or_default();
    if most == 0 {
        return;
    }
    let (width, height, step) = (900, 160, 900 / i64::try_from(picture.days.len().max(1)).unwrap_or(1));
    let total: i64 = picture.days.iter().map(|d| d.credits).sum();
    add(
        page,
        format_args!(
            "<section>\n<h2>Credits per day</h2>\n<p class=\"fine\">{} in {} days (UTC), at most {} in one day</p>\n\
             <svg class=\"columns\" viewBox=\"-12 0 {} {}\" role=\"img\" aria-label=\"Credits per day\">\n",
            thousands(total),
            picture.days.len(),
            thousands(most),
            width + 24,
            height + 24
        ),
    );
    add(
        page,
        format_args!("<line class=\"axis\" x1=\"0\" x2=\"{width}\" y1=\"{height}\" y2=\"{height}\"/>\n"),
    );
    for (n, row) in (0_i64..).zip(picture.days) {
        let name = iso_date(row.day_ms);
        let tall = if row.credits > 0 { (row.credits * (height - 20) / most).max(2) } else { 0 };
        let (x, y) = (n * step, height - tall);
        add(
            page,
            format_args!(
                "<g><title>{name}: {}</title><rect class=\"hover\" x=\"{x}\" y=\"0\" width=\"{step}\" height=\"{height}\"/>\
                 <rect class=\"column\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{tall}\" rx=\"2\"/>",
                plural(row.credits, "credit"),
                x + 3,
                step - 6
            ),
        );
        if row.credits == most {
            add(
                page,
                format_args!("<text x=\"{}\" y=\"{}\">{}</text>", x + step / 2, y - 5, thousands(most)),
            );
        }
        // The last day is always named, and every seventh before it.
        if (i64::try_from(picture.days.len()).unwrap_or_default() - 1 - n) % 7 == 0 {
            let short = name.get(5..).unwrap_or_default();
            add(page, format_args!("<text x=\"{}\" y=\"{}\">{short}</text>", x + step / 2, height + 18));
        }
        page.push_str("</g>\n");
    }
    page.push_str("</svg>\n</section>\n");
}

fn class(cell: Cell) -> &'static str {
    match cell {
        Cell::Before => "before",
        Cell::Covered => "covered",
        Cell::Partly => "partly",
        Cell::Missing => "missing",
        Cell::Unknown => "unknown",
    }
}

fn words(cell: Cell) -> &'static str {
    match cell {
        Cell::Before => "before the beginning",
        Cell::Covered => "archived",
        Cell::Partly => "partly archived",
        Cell::Missing => "missing",
        Cell::Unknown => "not checked since",
    }
}

fn conversations(page: &mut String, selection: &Selection<'_>, picture: &Picture<'_>) {
    if picture.rows.is_empty() {
        return;
    }
    page.push_str("<section>\n<h2>Conversations</h2>\n<p class=\"legend\">");
    for cell in [Cell::Covered, Cell::Missing, Cell::Unknown] {
        add(page, format_args!("<span class=\"key {}\"></span>{} ", class(cell), words(cell)));
    }
    add(
        page,
        format_args!(
            "</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>Conversation</th><th class=\"number\">Messages</th>\
             <th class=\"bar\"><span>{}</span><span>{}</span></th><th>Missing</th><th>Last synced</th></tr></thead>\n<tbody>\n",
            local_date(picture.from),
            local_date(picture.now)
        ),
    );
    for (row, stretches) in &picture.rows {
        conversation(page, picture, row, stretches);
    }
    page.push_str("</tbody>\n</table></div>\n");
    if selection.left_out > 0 {
        let left_out = thousands(selection.left_out);
        add(page, format_args!("<p class=\"fine\">and {left_out} more; --all shows them</p>\n"));
    }
    page.push_str("</section>\n");
}

fn conversation(page: &mut String, picture: &Picture<'_>, row: &ConversationRow, stretches: &[Stretch]) {
    let synced = row.synced_ms.map(local_minute).unwrap_or_default();
    add(
        page,
        format_args!(
            "<tr><td class=\"name\">{}</td><td class=\"number\">{}</td><td class=\"bar\">",
            escaped(&super::label(row)),
            thousands(row.timeline.messages)
        ),
    );
    page.push_str(
        "<svg viewBox=\"0 0 10000 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"over time\">",
    );
    let span = i128::from(picture.now.saturating_sub(picture.from).max(1));
    let place = |ms: Ms| i128::from(ms.saturating_sub(picture.from)) * 10_000 / span;
    for stretch in stretches.iter().filter(|s| s.cell != Cell::Before) {
        let (x, end) = (place(stretch.from_ms), place(stretch.to_ms));
        // What is there is seen, however short it is.
        let wide = (end - x).max(30);
        add(
            page,
            format_args!(
                "<rect class=\"{}\" x=\"{}\" y=\"0\" width=\"{wide}\" height=\"10\"><title>{}: {} – {}</title></rect>",
                class(stretch.cell),
                x.min(10_000 - wide),
                words(stretch.cell),
                local_date(stretch.from_ms),
                local_date(stretch.to_ms)
            ),
        );
    }
    add(
        page,
        format_args!(
            "</svg></td><td>{}</td><td class=\"time\">{synced}</td></tr>\n",
            escaped(&super::missing(row))
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_strangers_wrote_is_text_and_never_markup() {
        assert_eq!(
            escaped("<script>alert('x')</script> & \"y\"\u{1b}"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;\u{fffd}"
        );
    }
}
