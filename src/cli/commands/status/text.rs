//! The status as people read it on a terminal.

use super::json::Status;
use super::picture::Picture;
use super::selection::ShownConversations;
use super::{horizon, label, missing};
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::local_time::{local_date, local_minute, local_minute_of};
use crate::cli::ui::output::Output;
use crate::cli::ui::table::Column;
use crate::core::format::{plural, thousands};
use crate::error::Failure;
use crate::store::ConversationRow;

/// Sentences on what needs attention that are shown without `--all`.
const SENTENCES: usize = 8;

/// Prints it.
pub(super) fn show(
    out: &mut Output,
    status: &Status,
    selection: &ShownConversations<'_>,
    picture: &Picture<'_>,
    glyphs: Glyphs,
    all: bool,
) -> Result<(), Failure> {
    conversations(out, selection)?;
    picture.show(out, glyphs)?;
    summary(out, status)?;
    let style = out.style();
    let most = if all { usize::MAX } else { SENTENCES };
    for line in status.attention.iter().take(most) {
        out.line(format!("{} {line}", style.yellow("!")))?;
    }
    more(out, status.attention.len().saturating_sub(most), "")
}

/// Says how many more there are.
fn more(out: &mut Output, left_out: usize, what: &str) -> Result<(), Failure> {
    match left_out {
        0 => Ok(()),
        1 => out.line(format!("and 1 more{what}; --all shows it")),
        n => out.line(format!("and {} more{what}; --all shows them", thousands(n))),
    }
}

fn conversations(out: &mut Output, selection: &ShownConversations<'_>) -> Result<(), Failure> {
    if selection.rows.is_empty() {
        return Ok(());
    }
    let columns = [
        Column::text("Conversation"),
        Column::number("Messages"),
        Column::text("From – to"),
        Column::text("Missing"),
        Column::text("Last synced"),
    ];
    let rows: Vec<Vec<String>> = selection.rows.iter().map(|row| cells(row)).collect();
    out.table(&columns, &rows)?;
    more(out, selection.left_out, "")?;
    out.line("")
}

fn cells(row: &ConversationRow) -> Vec<String> {
    let span = match (row.timeline.oldest_ms, row.timeline.newest_ms) {
        (Some(oldest), Some(newest)) => format!("{} – {}", local_date(oldest), local_date(newest)),
        _ => String::new(),
    };
    let synced = row.synced_ms.map(local_minute).unwrap_or_default();
    vec![label(row), thousands(row.timeline.messages), span, missing(row), synced]
}

fn summary(out: &mut Output, status: &Status) -> Result<(), Failure> {
    let (conversations, complete) =
        (plural(status.conversations.len(), "conversation"), thousands(status.complete));
    let (messages, gaps) = (plural(status.messages, "message"), plural(status.gaps_synced(), "gap"));
    out.line(format!("{messages} in {conversations}, {complete} complete, {gaps}"))?;
    if let Some(words) = not_synced(status) {
        out.line(words)?;
    }
    out.line(horizon(status, local_minute_of))?;
    let left = |left: Option<u32>| left.map(|n| format!(" ({} left)", thousands(n))).unwrap_or_default();
    let c = &status.credits;
    let (day, month) = (plural(c.spent_today, "credit"), thousands(c.spent_this_month));
    out.line(format!("{day} today{}, {month} this month{}", left(c.left_today), left(c.left_this_month)))?;
    if let Some(words) = status.last_run_words(local_minute_of) {
        out.line(words)?;
    }
    if let Some(service) = &status.service {
        let next = service.next_slot_at.as_ref();
        let next = next.map_or_else(String::new, |at| format!(", next run {}", local_minute_of(at)));
        out.line(format!("The service is running (process {}){next}.", service.pid))?;
    }
    Ok(())
}

/// The gaps that no run fills, in a sentence.
pub(super) fn not_synced(status: &Status) -> Option<String> {
    let (gaps, are) = match status.gaps_not_synced {
        0 => return None,
        1 => ("1 more gap".to_owned(), "is in a conversation"),
        n => (format!("{} more gaps", thousands(n)), "are in conversations"),
    };
    Some(format!("{gaps} {are} that sync does not ask for; add them under [[accounts]] to fill them."))
}
