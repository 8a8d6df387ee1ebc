//! What needs attention, one sentence each.

use std::collections::BTreeMap;

use super::{Facts, FormatTime};
use crate::app::alert_text::describe;
use crate::app::metrics::Metrics;
use crate::core::format::counted;
use crate::core::model::ids::ConversationId;
use crate::core::timeline::gap::ServerCount;
use crate::store::{Alert, Cause, ConversationRow, InboxStatus};
use crate::view::label;

/// Whether the conversation itself needs attention: its last request failed, or a gap is stalled.
pub(crate) fn needs_attention(row: &ConversationRow) -> bool {
    row.last_error.is_some() || row.timeline.gaps.iter().any(|gap| gap.stalled.is_some())
}

/// One sentence per problem, the most important first.
pub(super) fn sentences(facts: &Facts, format: FormatTime) -> Vec<String> {
    let Facts { metrics, census, inboxes, stalled, summary, .. } = facts;
    let mut lines: Vec<String> =
        metrics.figures.alerts.iter().map(|row| alert(row, metrics, format)).collect();
    lines.extend(metrics.closed.map(|closed| closed.words(format)));
    lines.extend(facts.sinks.iter().filter_map(|sink| sink.sentence(format)));
    lines.extend(facts.erasures.attention());
    lines.extend(facts.lake.as_ref().and_then(|lake| lake.attention(format)));
    lines.extend(inboxes.iter().filter_map(inbox));
    let rows: BTreeMap<ConversationId, &ConversationRow> =
        census.rows.iter().map(|row| (row.id, row)).collect();
    for gap in stalled {
        let id = gap.conversation;
        let name = rows.get(&id).map_or_else(|| format!("conversation {id}"), |row| label(row));
        lines.push(format!("{name}: {}; retried less and less often", gap.stalled));
    }
    lines.extend(census.rows.iter().flat_map(conversation));
    let mut some = |count: i64, one: &str, many: &str, rest: &str| {
        if count > 0 {
            lines.push(counted(count, one, many) + rest);
        }
    };
    let rest = " no known cost: the reserved credits count as spent";
    some(summary.unsettled, "request of interrupted runs has", "requests of interrupted runs have", rest);
    let rest = " not messages and kept in the table quarantine";
    some(summary.quarantined, "item in API responses was", "items in API responses were", rest);
    lines
}

/// Something that only a person can fix, and until when it lasts.
fn alert(row: &Alert, metrics: &Metrics, format: FormatTime) -> String {
    let account = row.account.as_ref().map_or_else(String::new, |name| format!("account {name}: "));
    let parked = match &row.account {
        Some(name) => metrics.parked.contains(name),
        None => !metrics.parked.is_empty(),
    };
    let then = match row.cause {
        Cause::Account | Cause::Key if !parked => "renewed since: the next run tries again",
        Cause::Account => "not synced on schedule until its login token or account is renewed",
        Cause::Key => "nothing is synced on schedule until the key is replaced",
        Cause::Credits => "each run tries again",
    };
    format!("NEEDS ATTENTION since {}: {account}{}; {then}", format(row.since_ms), describe(row))
}

fn inbox(inbox: &InboxStatus) -> Option<String> {
    let account = &inbox.account;
    match &inbox.last_error {
        Some(error) => Some(format!("inbox of {account}: {error}")),
        None if inbox.timeline.gaps.is_empty() => None,
        None => Some(format!("inbox of {account}: not read to its end yet; conversations may be missing")),
    }
}

/// What is wrong with a conversation, apart from its stalled gaps.
fn conversation(row: &ConversationRow) -> impl Iterator<Item = String> {
    let stalled = row.timeline.gaps.iter().any(|gap| gap.stalled.is_some());
    let error = row.last_error.as_ref().filter(|_| !stalled).map(|error| format!("{}: {error}", label(row)));
    let (held, gone) = (row.timeline.standing(), row.timeline.gone);
    let counted = ServerCount { extra: 0, ..row.timeline.count }.expected(held, gone);
    let short = row.served_total.filter(|total| row.timeline.complete() && *total > counted);
    let short = short
        .map(|total| format!("{}: the API counts {total} messages, the archive holds {held}", label(row)));
    error.into_iter().chain(short)
}
