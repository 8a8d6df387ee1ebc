//! Webhooks: an account is watched, and its new messages can be read as events for a day.
//!
//! Events are not stored: they follow from the messages that arrived since the watch began.

use std::borrow::Cow;

use chrono::DateTime;
use serde_json::{Value, json};

use crate::meter::RequestRow;
use crate::model::{Mailbox, ServerMessage};
use crate::refusal::{Cause, Refusal};
use crate::server::{Answered, Call, Handled, Server};
use crate::{Ms, urn, wire};

const DAY_MS: Ms = 86_400_000;
/// What a day of watching one account costs.
const CREDITS_PER_DAY: u32 = 10;
/// Events in an answer when nothing else is asked for.
const COUNT: usize = 50;

/// An account that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) account: usize,
    created_ms: Ms,
    ended_ms: Option<Ms>,
    billed_days: Ms,
}

impl Webhook {
    pub(super) fn is_active(&self) -> bool {
        self.ended_ms.is_none()
    }
}

/// Charges the days that began since the last time; none that begins after the webhook was deleted.
pub(super) fn bill(server: &mut Server, now_ms: Ms) {
    for hook in &mut server.hooks {
        let until_ms = hook.ended_ms.unwrap_or(now_ms);
        let days = (until_ms - hook.created_ms).div_euclid(DAY_MS) + 1;
        for _ in hook.billed_days..days {
            server.meter.record(RequestRow {
                id: 0,
                at_ms: now_ms,
                path: Cow::Borrowed("a day of watching"),
                account: Some(hook.account),
                conversation: None,
                asked: 0,
                returned: 0,
                charged: CREDITS_PER_DAY,
                status: 0,
                fault: None,
            });
        }
        hook.billed_days = hook.billed_days.max(days);
    }
}

pub(super) fn create(server: &mut Server, account: usize, call: &Call<'_>) -> Handled {
    if !server.meter.pays(CREDITS_PER_DAY) {
        return Err(Refusal::plain(Cause::Credits));
    }
    let number = u64::try_from(server.hooks.len()).unwrap_or_default();
    let id = format!("wh_{:016x}", urn::mix(number ^ 0x77));
    let url = call.body.get("url").and_then(Value::as_str);
    let data = json!({
        "webhook_id": id,
        "account_id": call.about(server).account_id,
        "hosted": url.is_none(),
        "url": url,
        "events_url": format!("{}/v2/webhooks/{id}/events", server.base_url),
    });
    server.hooks.push(Webhook { id, account, created_ms: call.now_ms, ended_ms: None, billed_days: 1 });
    let body = wire::v2_data(&data, CREDITS_PER_DAY, call.about(server), &server.behaviour);
    Ok(Answered { body, returned: 0, credits: CREDITS_PER_DAY })
}

/// Deletes a webhook: the day that has begun stays charged, and no other begins.
pub(super) fn delete(server: &mut Server, index: usize, call: &mut Call<'_>) -> Handled {
    let hook = server.hooks.get_mut(index).ok_or_else(|| Refusal::plain(Cause::Path))?;
    hook.ended_ms = Some(call.now_ms);
    call.row.account = Some(hook.account);
    let data = json!({"webhook_id": hook.id, "deleted": true});
    Ok(Answered::free(wire::v2_data(&data, 0, call.about(server), &server.behaviour)))
}

pub(super) fn events(server: &Server, index: usize, call: &mut Call<'_>) -> Handled {
    let hook = server.hooks.get(index).ok_or_else(|| Refusal::plain(Cause::Params))?;
    call.row.account = Some(hook.account);
    let number = |name: &str| call.parameter(name).map(|text| (text.to_owned(), text.parse::<usize>().ok()));
    let count = match number("count") {
        None => COUNT,
        Some((_, Some(count))) if count > 0 => count,
        Some(_) => return Err(Refusal::new(Cause::Params, "count must be a positive integer")),
    };
    let after = match call.parameter("after").map(event_number) {
        None => 0,
        Some(Some(serial)) => serial,
        Some(None) => return Err(Refusal::new(Cause::Params, "after is no event")),
    };
    let since = match call.parameter("since").map(time) {
        None => Ms::MIN,
        Some(Some(since)) => since,
        Some(None) => return Err(Refusal::new(Cause::Params, "since is no time")),
    };
    let from = since.max(hook.created_ms).max(call.now_ms - DAY_MS);
    let mailbox = server.mailbox(hook.account).ok_or_else(|| Refusal::plain(Cause::Account))?;
    let mut events: Vec<(u64, Value)> = mailbox
        .conversations()
        .iter()
        .flat_map(|c| {
            let first = c.messages().partition_point(|m| m.at_ms < from);
            c.messages().get(first..).unwrap_or_default().iter().map(move |m| (c, m))
        })
        .filter(|(_, m)| m.serial > after)
        .map(|(c, m)| (m.serial, event(mailbox, c, m)))
        .collect();
    events.sort_unstable_by_key(|(serial, _)| *serial);
    events.truncate(count);
    let events: Vec<Value> = events.into_iter().map(|(_, event)| event).collect();
    let data = json!({"events": events});
    Ok(Answered::free(wire::v2_data(&data, 0, call.about(server), &server.behaviour)))
}

fn event(mailbox: &Mailbox, c: &crate::model::Conversation, m: &ServerMessage) -> Value {
    let sender = mailbox.author(c, m.author);
    // The event tells what the message said when it arrived.
    let text = m.earlier.first().map_or(&m.text, |e| &e.text);
    json!({
        "id": format!("evt_{}", m.serial),
        "timestamp": m.at_ms,
        "event": {
            "type": "message",
            "sender": {"name": sender.name, "profile_url": sender.profile_url},
            "text": text,
        },
    })
}

fn event_number(id: &str) -> Option<u64> {
    id.strip_prefix("evt_").unwrap_or(id).parse().ok()
}

/// Milliseconds, or ISO 8601.
fn time(text: &str) -> Option<Ms> {
    text.parse().ok().or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_millis()))
}
