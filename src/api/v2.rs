//! LinkupAPI v2: an account id and an action in each body, error codes, and the price in every answer.

use serde::Serialize;

use super::error::ApiError;
use super::policy::FailureKind;
use super::reply::{Object, Reply};
use super::scrub::Scrubber;
use super::{Ask, inbox};
use crate::api::conversation::{data, read_page};
use crate::api::outcome::{Dialect, Reading, Seen, Unusable, judge};
use crate::core::budget::{Charge, price};
use crate::core::inbox::InboxPage;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::Page;

/// The conversation action, as the ledger names it.
pub const CONVERSATION: &str = "v2/messages/get_conversation";
/// The inbox action, as the ledger names it.
pub const INBOX: &str = "v2/messages/list_inbox";
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
#[derive(Serialize)]
struct ActionRequest<'a, P> {
    account_id: &'a str,
    action: &'static str,
    params: P,
}

#[derive(Serialize)]
struct ConversationParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_url: Option<&'a str>,
    count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct InboxParams<'a> {
    count: u32,
    category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

/// The body of a request for a page of the inbox.
pub(super) fn inbox_body(
    rows: u32,
    cursor: Option<&str>,
    account_id: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let params = InboxParams { count: rows, category: "INBOX", cursor };
    serde_json::to_vec(&ActionRequest { account_id, action: "list_inbox", params })
}

/// Reads the answer to a request for a page of the inbox, asked with this cursor.
#[must_use]
pub fn read_inbox(reply: &Reply, cursor: Option<&str>, scrubber: &Scrubber) -> Reading<InboxPage> {
    judge(&V2, reply, scrubber, |body| inbox::read_inbox(body, cursor))
}

/// The body of a request for a page of a conversation.
pub(super) fn conversation_body(
    ask: &Ask,
    results: u32,
    account_id: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let cursor = ask.cursor.as_ref().map(Cursor::text);
    let params = ConversationParams {
        conversation_id: ask.conversation.id(),
        profile_url: ask.conversation.profile_url(),
        count: results,
        cursor,
    };
    serde_json::to_vec(&ActionRequest { account_id, action: "get_conversation", params })
}

/// Reads the answer to a request for a page of a conversation.
#[must_use]
pub fn read_conversation(reply: &Reply, ask: &Ask, scrubber: &Scrubber) -> Reading<Page> {
    judge(&V2, reply, scrubber, |body| read_page(body, ask, reply.came_ms))
}

/// Reads the answer to `GET /v2/credits`.
pub(super) fn read_balance(reply: &Reply, scrubber: &Scrubber) -> Result<f64, ApiError> {
    let read = |body: &Object<'_>| {
        let credits = data(body)?.number("credits");
        credits.map(|c| (c, 0)).ok_or_else(|| Unusable::new("its `data` has no `credits`"))
    };
    judge(&V2, reply, scrubber, read).outcome
}

/// Reads the answer to `GET /v2/accounts/{id}`.
pub(super) fn read_account_state(reply: &Reply, scrubber: &Scrubber) -> Result<String, ApiError> {
    let read = |body: &Object<'_>| {
        let status = data(body)?.string("status");
        status.map(|s| (scrubber.clean(&s), 0)).ok_or_else(|| Unusable::new("its `data` has no `status`"))
    };
    judge(&V2, reply, scrubber, read).outcome
}

/// The body of a request to have an account watched, its events to be fetched.
pub(super) fn watch_body(account_id: &str) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&serde_json::json!({ "account_id": account_id }))
}

/// Reads the answer to it: the name of the watch.
pub(super) fn read_watch(reply: &Reply, scrubber: &Scrubber) -> Reading<String> {
    judge(&V2, reply, scrubber, |body| {
        let data = data(body)?;
        let id = ["webhook_id", "id"].iter().find_map(|name| data.string(name)).filter(|id| !id.is_empty());
        id.map(|id| (id, 0)).ok_or_else(|| Unusable::new("its `data` has no `webhook_id`"))
    })
}

/// Reads the events of a watch. One that is not understood counts as a message: looking once too often loses nothing.
pub(super) fn read_events(reply: &Reply, scrubber: &Scrubber) -> Result<Events, ApiError> {
    let read = |body: &Object<'_>| {
        let data = body.object("data");
        let list = data.as_ref().and_then(|d| d.list("events").or_else(|| d.list("items")));
        let list = list.or_else(|| body.list("data")).or_else(|| body.list("events"));
        let list = list.ok_or_else(|| Unusable::new("it has no `events`"))?;
        let mut events = Events::default();
        for item in list {
            let event = Object::parse(item.get());
            let inner = event.as_ref().and_then(|e| e.object("event"));
            let kind = inner
                .as_ref()
                .and_then(|e| e.string("type"))
                .or(event.as_ref().and_then(|e| e.string("type")));
            events.messages += u32::from(kind.is_none_or(|kind| kind.contains("message")));
            let id = event.as_ref().and_then(|e| e.string("id").or_else(|| e.string("event_id")));
            events.last = id.or(events.last);
        }
        Ok((events, 0))
    };
    judge(&V2, reply, scrubber, read).outcome
}

pub(super) struct V2;

impl Dialect for V2 {
    fn charge(&self, _: u16, body: Option<&Object<'_>>, seen: Seen) -> Charge {
        if let Some(credits) = body.and_then(credits_consumed) {
            return Charge::Known(credits);
        }
        match seen {
            Seen::List(returned) => Charge::Known(price(returned)),
            Seen::Error => Charge::Known(0),
            Seen::Neither => Charge::Unknown,
        }
    }

    fn coded(&self, body: &Object<'_>) -> Option<FailureKind> {
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

/// Why an account cannot be asked through v2 at all.
pub(super) fn no_account_id(account: &str) -> ApiError {
    ApiError::Account(format!("the account `{account}` has no account_id, which v2 needs"))
}

#[cfg(test)]
#[path = "v2_tests.rs"]
mod tests;
