//! `archiver status`: what is archived, what is missing, what was spent, and what needs attention.

mod page;
mod picture;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::Context;
use crate::app::metrics::{Closed, Metrics};
use crate::app::wiring;
use crate::cli::args::StatusArgs;
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::{Column, Output, local_minute, local_of, plural, thousands};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::model::urn;
use crate::error::Failure;
use crate::service::alerts;
use crate::store::{
    AccountFigures, ArchiveSummary, AttentionRow, Cause, ConversationRow, DayRow, GapRow, Holder, InboxRow,
    Reader, RunRow, holder,
};
use picture::Picture;

/// How a time is written.
type When = fn(Ms) -> String;

#[derive(Serialize)]
struct Status {
    archive: String,
    messages: i64,
    gaps: i64,
    complete: usize,
    horizon: Option<String>,
    credits: Credits,
    last_run: Option<LastRun>,
    horizon_age_secs: Option<i64>,
    last_success_at: Option<String>,
    service: Option<Service>,
    accounts: Vec<AccountLine>,
    runs: BTreeMap<String, i64>,
    failures: BTreeMap<String, i64>,
    needs_attention: Vec<Need>,
    attention: Vec<String>,
    conversations: Vec<Line>,
}

/// The service, while it runs.
#[derive(Serialize)]
struct Service {
    pid: i32,
    next_slot_at: Option<String>,
}

#[derive(Serialize)]
struct AccountLine {
    account: String,
    messages: i64,
    conversations: i64,
    complete: i64,
    failing: i64,
    gaps: i64,
    parked: bool,
}

/// What only a person can mend.
#[derive(Serialize)]
struct Need {
    kind: &'static str,
    account: Option<String>,
    since: String,
    message: String,
}

#[derive(Serialize)]
struct Credits {
    spent_last_run: u32,
    spent_today: u32,
    spent_this_month: u32,
    left_last_run: Option<u32>,
    left_today: Option<u32>,
    left_this_month: Option<u32>,
    days: Vec<Day>,
}

/// Credits of one UTC day.
#[derive(Serialize)]
struct Day {
    day: String,
    credits: i64,
}

#[derive(Serialize)]
struct LastRun {
    run_id: i64,
    started_at: String,
    finished_at: Option<String>,
    outcome: Option<String>,
    requests: i64,
    new_messages: i64,
    changed_messages: i64,
    credits_spent: i64,
}

#[derive(Serialize)]
struct Line {
    account: String,
    conversation_id: Option<String>,
    profile_url: Option<String>,
    name: Option<String>,
    messages: i64,
    gone: i64,
    unread: Option<i64>,
    oldest_at: Option<String>,
    newest_at: Option<String>,
    gaps: usize,
    complete: bool,
    last_synced_at: Option<String>,
    error: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Bad configuration, or an archive that is not there or cannot be read.
pub fn run(context: &Context, args: &StatusArgs) -> Result<(), Failure> {
    let config = context.config_with_readable_secrets()?;
    let mut out = Output::stdout(&context.env);
    let how = How { json: args.json, html: args.html.as_deref(), glyphs: Glyphs::of(&context.env) };
    report(&config, &mut out, &how)
}

/// How the status is told.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// As one JSON object.
    pub json: bool,
    /// As a page, at this place.
    pub html: Option<&'a std::path::Path>,
    /// What the terminal can show.
    pub glyphs: Glyphs,
}

/// Prints the status of a configuration's archive.
///
/// # Errors
/// When the archive is not there or cannot be read.
pub fn report(config: &Config, out: &mut Output, how: &How<'_>) -> Result<(), Failure> {
    let path = &config.archive.path;
    let failed = |e| wiring::read_failure(path, e);
    let reader = Reader::open(path).map_err(failed)?;
    let queries = reader.queries();
    let now = SystemClock.now_ms();
    let rows = queries.conversations().map_err(failed)?;
    let inboxes = queries.inboxes().map_err(failed)?;
    let snapshot = Metrics::of(&queries, config, &rows, &inboxes, now).map_err(failed)?;
    let (spent, room) = (snapshot.spent, snapshot.left);
    let summary = queries.summary().map_err(failed)?;
    let stalled = queries.stalled().map_err(failed)?;
    let days = queries.credits_by_day(now, picture::DAYS).map_err(failed)?;
    // A person reads times in the own zone, a script and the page, which travels, in UTC.
    let when: When = if how.json || how.html.is_some() { iso_utc } else { local_minute };
    let mut attention = needs(&snapshot, when);
    attention.extend(told(&rows, &inboxes, &stalled, &summary, (snapshot.closed, when)));
    let status = Status {
        archive: path.display().to_string(),
        messages: summary.messages,
        gaps: summary.gaps,
        complete: rows.iter().filter(|r| r.timeline.complete()).count(),
        horizon: snapshot.horizon.map(iso_utc),
        horizon_age_secs: snapshot.horizon_age_secs(),
        last_success_at: snapshot.figures.last_success_ms.map(iso_utc),
        service: service(config, snapshot.closed, now),
        accounts: snapshot.figures.accounts.iter().map(|a| account_line(a, &snapshot)).collect(),
        runs: snapshot.runs(),
        failures: snapshot.failures(),
        needs_attention: snapshot.figures.attention.iter().map(need).collect(),
        credits: Credits {
            spent_last_run: spent.run,
            left_last_run: room.run,
            spent_today: spent.day,
            spent_this_month: spent.month,
            left_today: room.day,
            left_this_month: room.month,
            days: days.iter().map(day_line).collect(),
        },
        attention,
        last_run: snapshot.last_run.map(last_run_line),
        conversations: rows.iter().map(line).collect(),
    };
    let drawn = Picture::of(&rows, &inboxes, days, now);
    if let Some(path) = how.html {
        page::write(path, &status, &drawn)?;
        if !how.json {
            return out.line(format!("{} written", path.display()));
        }
    }
    if how.json {
        return out.json(&status);
    }
    show_table(out, &rows)?;
    drawn.show(out, how.glyphs)?;
    show(out, &status, &rows)
}

/// The service, where one runs; whoever may not look at its lock is told nothing.
fn service(config: &Config, closed: Option<Closed>, now: Ms) -> Option<Service> {
    let Ok(Holder::Service(pid)) = holder(&config.archive.path) else { return None };
    let next = closed.map_or_else(|| config.schedule.slots.next(now), |closed| closed.goes_on_ms);
    Some(Service { pid, next_slot_at: next.map(iso_utc) })
}

fn account_line(account: &AccountFigures, snapshot: &Metrics) -> AccountLine {
    AccountLine {
        account: account.account.clone(),
        messages: account.messages,
        conversations: account.conversations,
        complete: account.complete,
        failing: account.failing,
        gaps: account.gaps,
        parked: snapshot.parked.contains(&account.account),
    }
}

fn need(row: &AttentionRow) -> Need {
    Need {
        kind: row.cause.as_str(),
        account: row.account.clone(),
        since: iso_utc(row.since_ms),
        message: row.message.clone(),
    }
}

/// What only a person can mend, each in a line with what to do.
fn needs(snapshot: &Metrics, when: When) -> Vec<String> {
    let line = |row: &AttentionRow| {
        let whose = row.account.as_ref().map_or_else(String::new, |name| format!("account {name}: "));
        let parked = match &row.account {
            Some(name) => snapshot.parked.contains(name),
            None => !snapshot.parked.is_empty(),
        };
        let then = match row.cause {
            Cause::Account | Cause::Key if !parked => "renewed since: the next run tries again",
            Cause::Account => "not asked on schedule until its login token or account is renewed",
            Cause::Key => "nothing is asked on schedule until the key is replaced",
            Cause::Credits => "each run tries again",
        };
        format!("NEEDS ATTENTION since {}: {whose}{}; {then}", when(row.since_ms), alerts::describe(row))
    };
    snapshot.figures.attention.iter().map(line).collect()
}

fn day_line(row: &DayRow) -> Day {
    let day = iso_utc(row.day_ms).split('T').next().unwrap_or_default().to_owned();
    Day { day, credits: row.credits }
}

fn last_run_line(run: RunRow) -> LastRun {
    LastRun {
        run_id: run.id,
        started_at: iso_utc(run.started_ms),
        finished_at: run.finished_ms.map(iso_utc),
        outcome: run.outcome,
        requests: run.requests,
        new_messages: run.new_messages,
        changed_messages: run.changed_messages,
        credits_spent: run.credits_spent,
    }
}

fn line(row: &ConversationRow) -> Line {
    Line {
        account: row.account.clone(),
        conversation_id: row.conversation_id.clone(),
        profile_url: row.profile_url.clone(),
        name: row.name.clone(),
        messages: row.timeline.messages,
        gone: row.timeline.gone,
        unread: row.unread,
        oldest_at: row.timeline.oldest_ms.map(iso_utc),
        newest_at: row.timeline.newest_ms.map(iso_utc),
        gaps: row.timeline.gaps.len(),
        complete: row.timeline.complete(),
        last_synced_at: row.synced_ms.map(iso_utc),
        error: row.last_error.clone(),
    }
}

/// What a person should look at, each in a line.
fn told(
    rows: &[ConversationRow],
    inboxes: &[InboxRow],
    stalled: &[GapRow],
    summary: &ArchiveSummary,
    (closed, when): (Option<Closed>, When),
) -> Vec<String> {
    let name = |id: i64| rows.iter().find(|r| r.id == id).map_or_else(|| format!("conversation {id}"), label);
    let mut lines: Vec<String> = Vec::new();
    for gap in stalled {
        let why = gap.stalled.as_deref().unwrap_or_default();
        lines.push(format!(
            "{}: {why}; what is missing there is asked for again, ever less often",
            name(gap.conversation)
        ));
    }
    for inbox in inboxes {
        if let Some(error) = &inbox.last_error {
            lines.push(format!("inbox of {}: {error}", inbox.account));
        } else if !inbox.timeline.gaps.is_empty() {
            lines.push(format!(
                "inbox of {}: not walked to its end yet; conversations may be missing",
                inbox.account
            ));
        }
    }
    for row in rows {
        let stalled = row.timeline.gaps.iter().any(|g| g.stalled.is_some());
        if let Some(error) = row.last_error.as_ref().filter(|_| !stalled) {
            lines.push(format!("{}: {error}", label(row)));
        }
        if let Some(total) =
            row.served_total.filter(|t| row.timeline.complete() && *t > row.timeline.standing())
        {
            let held = row.timeline.standing();
            lines.push(format!("{}: the API counts {total} messages, the archive holds {held}", label(row)));
        }
    }
    lines.extend(closed.map(|closed| closed.words(when)));
    if summary.unsettled > 0 {
        lines.push(format!(
            "{} of runs that were cut short {} no known cost: what was reserved counts as spent",
            plural(summary.unsettled, "request"),
            if summary.unsettled == 1 { "has" } else { "have" }
        ));
    }
    if summary.quarantined > 0 {
        let items = plural(summary.quarantined, "item");
        lines.push(format!("{items} of answers were no messages; they are kept in the table quarantine"));
    }
    lines
}

/// What to call a conversation.
fn label(row: &ConversationRow) -> String {
    let by = row.profile_url.as_deref().or(row.conversation_id.as_deref());
    row.name.clone().unwrap_or_else(|| by.map_or_else(|| format!("conversation {}", row.id), urn::label))
}

fn show_table(out: &mut Output, rows: &[ConversationRow]) -> Result<(), Failure> {
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let time = |ms: Option<Ms>| ms.map(local_minute).unwrap_or_default();
            let day = |ms: Option<Ms>| time(ms).split(' ').next().unwrap_or_default().to_owned();
            let span = match (row.timeline.oldest_ms, row.timeline.newest_ms) {
                (None, _) => String::new(),
                (oldest, newest) => format!("{} – {}", day(oldest), day(newest)),
            };
            vec![label(row), thousands(row.timeline.messages), span, missing(row), time(row.synced_ms)]
        })
        .collect();
    if !table.is_empty() {
        let columns = [
            Column::text("Conversation"),
            Column::number("Messages"),
            Column::text("From – to"),
            Column::text("Missing"),
            Column::text("Last synced"),
        ];
        out.table(&columns, &table)?;
        out.line("")?;
    }
    Ok(())
}

fn show(out: &mut Output, status: &Status, rows: &[ConversationRow]) -> Result<(), Failure> {
    let style = out.style();
    let (conversations, complete) = (plural(rows.len(), "conversation"), status.complete);
    out.line(format!(
        "{} in {conversations}, {complete} complete, {}",
        plural(status.messages, "message"),
        plural(status.gaps, "gap")
    ))?;
    out.line(horizon_words(status, local_of))?;
    let of = |left: Option<u32>| left.map(|n| format!(" ({} left)", thousands(n))).unwrap_or_default();
    let c = &status.credits;
    let (day, month) = (plural(c.spent_today, "credit"), thousands(c.spent_this_month));
    out.line(format!("{day} today{}, {month} this month{}", of(c.left_today), of(c.left_this_month)))?;
    if let Some(run) = &status.last_run {
        let outcome = run.outcome.as_deref().unwrap_or("still going on, or cut short");
        let (requests, new) = (plural(run.requests, "request"), plural(run.new_messages, "new message"));
        out.line(format!(
            "Last run: {}, {outcome}: {requests}, {new}, {}",
            local_of(&run.started_at),
            plural(run.credits_spent, "credit")
        ))?;
    }
    if let Some(service) = &status.service {
        let next = service
            .next_slot_at
            .as_ref()
            .map_or_else(String::new, |at| format!(", next run {}", local_of(at)));
        out.line(format!("The service is running (process {}){next}.", service.pid))?;
    }
    for line in &status.attention {
        out.line(format!("{} {line}", style.yellow("!")))?;
    }
    Ok(())
}

/// Since when nothing is missing, in a sentence.
fn horizon_words(status: &Status, when: fn(&str) -> String) -> String {
    match &status.horizon {
        Some(since) if status.conversations.iter().all(|line| line.gaps == 0) => {
            format!("Nothing is missing, back to {}.", when(since))
        }
        Some(since) => format!("Nothing is missing since {}.", when(since)),
        None if status.conversations.is_empty() => "Nothing is configured or archived yet.".to_owned(),
        None => "Something recent is missing.".to_owned(),
    }
}

/// What is missing of a conversation, newest first: the top gap in words, and how many there are.
fn missing(row: &ConversationRow) -> String {
    let day = |ms: Ms| local_minute(ms).split(' ').next().unwrap_or_default().to_owned();
    let Some(first) = row.timeline.gaps.first() else { return "nothing".to_owned() };
    let words = match (first.newer_ms, first.older_ms) {
        (None, None) => "everything".to_owned(),
        (None, Some(older)) => format!("after {}", day(older)),
        (Some(newer), None) => format!("before {}", day(newer)),
        (Some(newer), Some(older)) => format!("{} – {}", day(older), day(newer)),
    };
    match row.timeline.gaps.len() {
        1 => words,
        n => format!("{words} and {}", plural(n - 1, "more gap")),
    }
}
