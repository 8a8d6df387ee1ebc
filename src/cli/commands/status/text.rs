//! The status as people read it on a terminal.

use super::picture::Picture;
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::Output;
use crate::cli::ui::table::{number, text};
use crate::core::format::{IsoTime, counted, plural, thousands};
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::store::ConversationRow;
use crate::view::label;
use crate::view::local_time::{local_minute, span};
use crate::view::status::{Status, missing};

/// Sentences on what needs attention that are shown without `--all`.
const SENTENCES: usize = 8;

pub(super) fn show(
    out: &mut Output,
    status: &Status,
    picture: &Picture<'_>,
    glyphs: Glyphs,
    all: bool,
) -> Result<(), Failure> {
    conversations(out, picture)?;
    picture.show(out, glyphs)?;
    summary(out, status)?;
    let style = out.style();
    let most = if all { usize::MAX } else { SENTENCES };
    for line in status.attention.iter().take(most) {
        out.line(format!("{} {}", style.yellow("!"), one_line(line)))?;
    }
    more(out, status.attention.len().saturating_sub(most))
}

fn more(out: &mut Output, left_out: usize) -> Result<(), Failure> {
    match left_out {
        0 => Ok(()),
        n => out.line(format!("and {}", counted(n, "more; --all shows it", "more; --all shows them"))),
    }
}

fn conversations(out: &mut Output, picture: &Picture<'_>) -> Result<(), Failure> {
    if picture.rows.is_empty() {
        return Ok(());
    }
    let columns =
        [text("Conversation"), number("Messages"), text("From – to"), text("Missing"), text("Last synced")];
    let rows: Vec<Vec<String>> = picture.rows.iter().map(|(row, _)| cells(row)).collect();
    out.table(&columns, &rows)?;
    more(out, picture.left_out)?;
    out.line("")
}

fn cells(row: &ConversationRow) -> Vec<String> {
    let span = span(row.timeline.oldest_ms, row.timeline.newest_ms);
    let synced = row.synced_ms.map(local_minute).unwrap_or_default();
    vec![label(row), thousands(row.timeline.messages), span, missing(row), synced]
}

fn summary(out: &mut Output, status: &Status) -> Result<(), Failure> {
    let (conversations, complete) = (plural(status.count, "conversation"), thousands(status.complete));
    let (messages, gaps) = (plural(status.messages, "message"), plural(status.gaps_synced(), "gap"));
    out.line(format!("{messages} in {conversations}, {complete} complete, {gaps}"))?;
    status.not_synced_words().map_or(Ok(()), |words| out.line(words))?;
    out.line(status.horizon_words(local_minute))?;
    let left = |left: Option<u32>| left.map(|n| format!(" ({} left)", thousands(n))).unwrap_or_default();
    let c = &status.credits;
    let (day, month) = (plural(c.spent_today, "credit"), thousands(c.spent_this_month));
    out.line(format!("{day} today{}, {month} this month{}", left(c.left_today), left(c.left_this_month)))?;
    status.last_run_words(local_minute).map_or(Ok(()), |words| out.line(words))?;
    if let Some(IsoTime(at)) = status.last_backup_at {
        out.line(format!("Last backup: {}", local_minute(at)))?;
    }
    status.erasures.retention_words().map_or(Ok(()), |words| out.line(words))?;
    if let Some(lake) = status.lake {
        out.line(one_line(&lake.words(local_minute)))?;
    }
    if let Some(service) = &status.service {
        let next = service.next_slot_at.map(|at| format!(", next run {}", local_minute(at.0)));
        let next = next.unwrap_or_default();
        out.line(format!("The service is running (process {}){next}.", service.pid))?;
    }
    Ok(())
}
