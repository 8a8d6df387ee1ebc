//! HTTP: requests to LinkupAPI, its answers and what the caller does about each failure; and the calls of webhooks and pings.

mod classify;
mod client;
mod conversation;
mod conversation_ref;
mod error;
mod flight;
mod hook;
mod inbox;
mod lenient;
pub mod login;
mod mask;
mod network;
mod outcome;
mod ping;
mod policy;
mod rate;
mod reply;
mod scrub;
#[cfg(test)]
mod testing;
mod transport;
mod v1;
pub mod v2;

use std::future::Future;

use serde_json::Value;

use crate::core::Ms;
use crate::core::budget::{Receipt, Reservation};
use crate::core::inbox::InboxPage;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::Page;

pub use crate::core::model::api_version::ApiVersion;
pub use client::{AccountAccess, ApiSettings, HttpApi};
pub use conversation_ref::ConversationRef;
pub use error::{ApiError, BuildError};
pub use flight::Flight;
pub use hook::{Hook, HookAnswer, HookSettings};
pub use network::Network;
#[cfg(feature = "lake")]
pub(crate) use network::{build, builder, innermost, is_loopback};
pub use ping::{Ping, RunSign};
pub use policy::{ExitClass, FailureKind, Policy, Retry, Stalls, Stops};
pub use rate::{Rate, Turn};
pub use v2::Events;

/// A request for one page of a conversation. How many messages is the reservation's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Index of the account in the configuration.
    pub account: usize,
    /// The conversation.
    pub conversation: ConversationRef,
    /// Where to start; `None` is the newest page.
    pub cursor: Option<Cursor>,
}

/// What came back, and what it cost.
#[derive(Debug)]
pub struct Answer<T> {
    /// What the reservation was spent on: to be settled, whatever the outcome.
    pub receipt: Receipt,
    /// The HTTP status, when one came.
    pub http_status: Option<u16>,
    /// The answer or why there is none.
    pub outcome: Result<T, ApiError>,
}

impl<T> Answer<T> {
    /// Whether the API or a gateway before it cannot keep up: fewer requests at once may get through.
    #[must_use]
    pub fn wants_fewer(&self) -> bool {
        let Err(error) = &self.outcome else { return false };
        match error.kind {
            FailureKind::RateLimited => true,
            FailureKind::Transient => self.http_status.is_none_or(|status| (502..=504).contains(&status)),
            _ => false,
        }
    }

    /// The same answer with what came turned into something else.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { receipt: self.receipt, http_status: self.http_status, outcome: self.outcome.map(turn) }
    }
}

/// The API as the engine sees it. One call is one request on the wire: there are no retries in here. A call that
/// is dropped before its answer leaves its reservation unsettled, which counts as spent.
pub trait Api {
    /// Waits for the turn of one more request.
    fn turn(&self) -> impl Future<Output = Turn>;

    /// Asks for one page of a conversation, at most `reservation.results()` messages.
    fn conversation(
        &self,
        turn: Turn,
        reservation: Reservation,
        ask: &Ask,
    ) -> impl Future<Output = Answer<Page>>;

    /// Asks for one page of an account's inbox, most recently active conversations first: at most
    /// `reservation.results()` rows, and never more than 25. The cursor is the one of the page before.
    fn inbox(
        &self,
        turn: Turn,
        reservation: Reservation,
        account: usize,
        cursor: Option<&str>,
    ) -> impl Future<Output = Answer<InboxPage>>;

    /// The vendor's balance in credits, where it is known. Asking is free and takes no reservation; a failure is only
    /// logged.
    fn balance(&self) -> impl Future<Output = Option<f64>>;

    /// How far the server's clock is ahead of ours (ms), once an answer has told.
    fn ahead_ms(&self) -> Option<Ms> {
        None
    }

    /// Whether answers tell what they cost. Where not, nobody documents whether the vendor counts what came or what was
    /// asked for.
    fn tells_price(&self) -> bool;

    /// The name of the conversation endpoint for the ledger, such as `v1/messages/conversation`.
    fn endpoint(&self) -> &'static str;

    /// The name of the inbox endpoint for the ledger, such as `v1/messages/inbox`.
    fn inbox_endpoint(&self) -> &'static str;
}

/// A request's body: the members that have a value.
fn request_body(mut members: Value) -> Vec<u8> {
    drop_nulls(&mut members);
    members.to_string().into_bytes()
}

fn drop_nulls(members: &mut Value) {
    if let Value::Object(members) = members {
        members.retain(|_, value| !value.is_null());
    }
}
