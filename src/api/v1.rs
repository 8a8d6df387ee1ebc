//! LinkupAPI v1: a login token in each body, errors mostly with HTTP 200, no word about credits.

use serde::Serialize;

use super::error::ApiError;
use super::policy::FailureKind;
use super::reply::{Object, Reply};
use super::scrub::Scrubber;
use super::{Ask, inbox};
use crate::api::conversation::read_page;
use crate::api::outcome::{Dialect, Reading, Seen, judge};
use crate::core::budget::{Charge, price};
use crate::core::inbox::InboxPage;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::Page;

/// Where conversations are asked for.
pub const CONVERSATION: &str = "v1/messages/conversation";
/// Where the inbox is asked for.
pub const INBOX: &str = "v1/messages/inbox";

/// A request for a page of a conversation.
#[derive(Serialize)]
struct ConversationRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    linkedin_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    total_results: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    country: &'a str,
    login_token: &'a str,
}

/// The body of a request for a page of a conversation.
pub(super) fn conversation_body(
    ask: &Ask,
    results: u32,
    country: &str,
    login_token: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let cursor = ask.cursor.as_ref().map(Cursor::text);
    serde_json::to_vec(&ConversationRequest {
        linkedin_url: ask.conversation.profile_url(),
        conversation_id: ask.conversation.id(),
        total_results: results,
        cursor,
        country,
        login_token,
    })
}

/// A request for a page of the inbox. Its cursor has another name than that of a conversation.
#[derive(Serialize)]
struct InboxRequest<'a> {
    total_results: u32,
    category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'a str>,
    country: &'a str,
    login_token: &'a str,
}

/// The body of a request for a page of the inbox.
pub(super) fn inbox_body(
    rows: u32,
    next_cursor: Option<&str>,
    country: &str,
    login_token: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let category = "INBOX";
    serde_json::to_vec(&InboxRequest { total_results: rows, category, next_cursor, country, login_token })
}

/// Reads the answer to a request for a page of the inbox, asked with this cursor.
#[must_use]
pub fn read_inbox(reply: &Reply, cursor: Option<&str>, scrubber: &Scrubber) -> Reading<InboxPage> {
    judge(&V1, reply, scrubber, |body| inbox::read_inbox(body, cursor))
}

/// Reads the answer to a request for a page of a conversation.
#[must_use]
pub fn read_conversation(reply: &Reply, ask: &Ask, scrubber: &Scrubber) -> Reading<Page> {
    let mut verdict = judge(&V1, reply, scrubber, |body| read_page(body, ask, reply.came_ms));
    if let Ok(page) = &mut verdict.outcome {
        // Only v2 documents this figure; in v1 a member of that name would be something unknown.
        page.total = None;
    }
    verdict
}

pub(super) struct V1;

impl Dialect for V1 {
    fn charge(&self, status: u16, _: Option<&Object<'_>>, seen: Seen) -> Charge {
        match seen {
            Seen::List(returned) => Charge::Known(price(returned)),
            Seen::Error if status == 500 => Charge::Known(0),
            Seen::Error => Charge::Known(1),
            Seen::Neither => Charge::Unknown,
        }
    }

    fn coded(&self, _: &Object<'_>) -> Option<FailureKind> {
        None
    }
}

/// Why an account cannot be asked through v1 at all.
pub(super) fn no_token(account: &str) -> ApiError {
    ApiError::Account(format!("the account `{account}` has no login token, which v1 needs"))
}

#[cfg(test)]
#[path = "v1_tests.rs"]
mod tests;
