//! LinkupAPI v1: a login token in each body, errors mostly with HTTP 200, no word about credits.

use serde_json::json;

use super::outcome::Seen;
use super::{Ask, request_body};
use crate::core::budget::{Charge, price};
use crate::core::model::cursor::Cursor;

pub(super) const CONVERSATION: &str = "v1/messages/conversation";
pub(super) const INBOX: &str = "v1/messages/inbox";

pub(super) fn conversation_body(ask: &Ask, results: u32, country: &str, login_token: &str) -> Vec<u8> {
    request_body(json!({
        "linkedin_url": ask.conversation.profile_url(),
        "conversation_id": ask.conversation.id(),
        "total_results": results,
        "cursor": ask.cursor.as_ref().map(Cursor::text),
        "country": country,
        "login_token": login_token,
    }))
}

/// The cursor of an inbox has another name than that of a conversation.
pub(super) fn inbox_body(rows: u32, cursor: Option<&str>, country: &str, login_token: &str) -> Vec<u8> {
    request_body(json!({
        "total_results": rows,
        "category": "INBOX",
        "next_cursor": cursor,
        "country": country,
        "login_token": login_token,
    }))
}

pub(super) fn charge(status: u16, seen: Seen) -> Charge {
    match seen {
        Seen::List(returned) => Charge::Known(price(returned)),
        Seen::Error if status == 500 => Charge::Known(0),
        Seen::NoList | Seen::Error => Charge::Known(1),
        Seen::Neither => Charge::Unknown,
    }
}

#[cfg(test)]
#[path = "v1_tests.rs"]
mod tests;
