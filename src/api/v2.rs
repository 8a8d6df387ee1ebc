//! LinkupAPI v2: an account id and an action in each body, error codes, and the price in every answer.

use serde_json::{Value, json};

use super::conversation::data;
use super::error::ApiError;
use super::outcome::{Seen, Unusable, says_success};
use super::policy::FailureKind;
use super::reply::{Object, Reply};
use super::{Ask, request_body};
use crate::core::budget::Charge;
use crate::core::model::cursor::Cursor;

/// The conversation action, as the ledger names it.
pub(super) const CONVERSATION: &str = "v2/messages/get_conversation";
/// The inbox action, as the ledger names it.
pub(super) const INBOX: &str = "v2/messages/list_inbox";
/// Where all message actions go.
pub(super) const MESSAGES: &str = "v2/messages";

/// Where watches are made; their events are below it.
pub const WEBHOOKS: &str = "v2/webhooks";

/// What happened in a watched account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    /// Messages among it.
    pub messages: u32,
    /// The last event, to go on after.
    pub last: Option<String>,
}

/// A price above this is a fault: believed, it would close the budget for months.
const MOST_BELIEVED: f64 = 100_000.0;

/// A request. It has no `mark_as_read`, which would change the read state with either value.
fn action(account_id: &str, action: &str, mut params: Value) -> Vec<u8> {
    super::drop_nulls(&mut params);
    request_body(json!({ "account_id": account_id, "action": action, "params": params }))
}

pub(super) fn conversation_body(ask: &Ask, results: u32, account_id: &str) -> Vec<u8> {
    let (conversation, cursor) = (&ask.conversation, ask.cursor.as_ref().map(Cursor::text));
    let params = json!({
        "conversation_id": conversation.id(),
        "profile_url": conversation.profile_url(),
        "count": results,
        "cursor": cursor,
    });
    action(account_id, "get_conversation", params)
}

pub(super) fn inbox_body(rows: u32, cursor: Option<&str>, account_id: &str) -> Vec<u8> {
    action(account_id, "list_inbox", json!({ "count": rows, "category": "INBOX", "cursor": cursor }))
}

/// Reads the answer to `GET /v2/credits`.
pub(super) fn read_balance(body: &Object<'_>) -> Result<f64, Unusable> {
    data(body)?.number("credits").ok_or_else(|| Unusable::new("its `data` has no `credits`"))
}

/// Reads the answer to `GET /v2/accounts/{id}`.
pub(super) fn read_account_state(body: &Object<'_>) -> Result<String, Unusable> {
    data(body)?.string("status").ok_or_else(|| Unusable::new("its `data` has no `status`"))
}

/// Reads the name of the watch that was made.
pub(super) fn read_watch(body: &Object<'_>) -> Result<String, Unusable> {
    let data = data(body)?;
    let id = data.string("webhook_id").or_else(|| data.string("id"));
    id.ok_or_else(|| Unusable::new("its `data` has no `webhook_id`"))
}

/// Reads the events of a watch. One that is not understood counts as a message: looking once too often loses nothing.
pub(super) fn read_events(body: &Object<'_>) -> Result<Events, Unusable> {
    let data = body.object("data");
    let list = data.as_ref().and_then(|d| d.list("events").or_else(|| d.list("items")));
    let list = list.or_else(|| body.list("data")).or_else(|| body.list("events"));
    let mut events = Events::default();
    for item in list.ok_or_else(|| Unusable::new("it has no `events`"))? {
        let event = Object::parse(item.get()).unwrap_or_default();
        let kind = event.object("event").and_then(|e| e.string("type")).or_else(|| event.string("type"));
        events.messages += u32::from(kind.is_none_or(|kind| kind.contains("message")));
        events.last = event.string("id").or_else(|| event.string("event_id")).or(events.last);
    }
    Ok(events)
}

/// Reads the answer to `DELETE /v2/webhooks/{id}`.
pub(super) fn read_ended(body: &Object<'_>) -> Result<(), Unusable> {
    if says_success(body) { Ok(()) } else { Err(Unusable::new("it does not say that it succeeded")) }
}

/// Whether the API says that what was asked for is not there, or is no more.
pub(super) fn is_gone(reply: &Reply, error: &ApiError) -> bool {
    let is_missing = matches!(reply.status, 404 | 410);
    let said = error.message.to_ascii_lowercase();
    match error.kind {
        FailureKind::Refused => is_missing || said.contains("not found") || said.contains("already"),
        FailureKind::Account => is_missing,
        _ => false,
    }
}

pub(super) fn charge(body: Option<&Object<'_>>, seen: Seen) -> Charge {
    match (body.and_then(credits_consumed), seen) {
        (told, Seen::List(returned)) => Charge::told(told, returned),
        (told, Seen::NoList) => Charge::Known(told.unwrap_or(1)),
        (told, Seen::Error) => Charge::Known(told.unwrap_or_default()),
        (Some(credits), Seen::Neither) => Charge::Known(credits),
        (None, Seen::Neither) => Charge::Unknown,
    }
}

/// What an error is about, by its code.
pub(super) fn coded(body: &Object<'_>) -> Option<FailureKind> {
    let code = match body.object("error") {
        Some(error) => error.string("code"),
        None => body.string("code").or_else(|| body.string("error")),
    }?;
    match code.to_ascii_uppercase().as_str() {
        "INVALID_API_KEY" => Some(FailureKind::Key),
        "INVALID_ACCOUNT" | "ACCOUNT_INACTIVE" => Some(FailureKind::Account),
        "INSUFFICIENT_CREDITS" => Some(FailureKind::Credits),
        "RATE_LIMITED" => Some(FailureKind::RateLimited),
        "INTERNAL_ERROR" | "CHANNEL_ERROR" => Some(FailureKind::Transient),
        "INVALID_ACTION" | "INVALID_PARAMS" => Some(FailureKind::Refused),
        _ => None,
    }
}

/// What the answer itself says it cost; part of a credit counts as one.
fn credits_consumed(body: &Object<'_>) -> Option<u32> {
    let credits = body.object("metadata")?.number("credits_consumed")?.ceil();
    if !(0.0..=MOST_BELIEVED).contains(&credits) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number of that range just above"
    )]
    let credits = credits as u32;
    Some(credits)
}

#[cfg(test)]
#[path = "v2_tests.rs"]
mod tests;
