//! The client: LinkupAPI v1 or v2 behind the trait [`Api`], at most so many requests a minute.

use std::fmt;
use std::time::Duration;

use tracing::debug;
use url::Url;

use super::error::{ApiError, BuildError};
use super::inbox::MOST_ROWS;
use super::login::{self, Challenge, LoginRequest, Session};
use super::rate::{Rate, Turn};
use super::reply::Reply;
use super::scrub::Scrubber;
use super::transport::{Lost, Transport};
use super::v2::{self, Events};
use super::{Answer, Api, Ask, v1};
use crate::api::outcome::Reading;
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::{Charge, Reservation};
use crate::core::inbox::InboxPage;
use crate::core::model::api_version::ApiVersion;
use crate::core::model::page::Page;
use crate::secret::Secret;

/// What the client needs to know of an account.
#[derive(Debug, Clone)]
pub struct AccountAccess {
    /// Its configured name, for messages.
    pub name: String,
    /// The proxy country (v1): that of the login.
    pub country: String,
    /// The LinkedIn session (v1).
    pub login_token: Option<Secret>,
    /// The account's id (v2).
    pub account_id: Option<String>,
}

/// What the client needs to know.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Where the API is; may carry a path of its own, with or without a slash at the end.
    pub base_url: Url,
    /// Which version to speak.
    pub version: ApiVersion,
    /// The API key.
    pub api_key: Secret,
    /// The longest that a request may take, its body included.
    pub timeout: Duration,
    /// The most requests in any 60 seconds, together with all clients that share it.
    pub rate: Rate,
    /// The accounts, in the order that [`Ask::account`] counts them in.
    pub accounts: Vec<AccountAccess>,
}

/// LinkupAPI over HTTP.
pub struct HttpApi<C> {
    version: ApiVersion,
    accounts: Vec<AccountAccess>,
    transport: Transport,
    scrubber: Scrubber,
    rate: Rate,
    clock: C,
}

impl<C> fmt::Debug for HttpApi<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApi").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<C: Clock> HttpApi<C> {
    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// When a setting cannot be used or the machine has no usable CA certificates.
    pub fn new(settings: ApiSettings, clock: C) -> Result<Self, BuildError> {
        let ApiSettings { base_url, version, api_key, timeout, rate, accounts } = settings;
        let tokens = accounts.iter().filter_map(|a| a.login_token.clone());
        Ok(Self {
            version,
            transport: Transport::new(&base_url, &api_key, timeout)?,
            scrubber: Scrubber::new(tokens.chain([api_key])),
            rate,
            accounts,
            clock,
        })
    }

    /// Asks for the balance in credits. Free, so that it takes no reservation; it needs only the key, and serves
    /// users of v1 as well.
    pub async fn balance(&self) -> Result<f64, ApiError> {
        self.balance_at().await.0
    }

    /// The same, and what time it is by the server's clock (ms), where it says so.
    pub async fn balance_at(&self) -> (Result<f64, ApiError>, Option<Ms>) {
        match self.get(&["v2", "credits"], &[]).await {
            Ok(reply) => (v2::read_balance(&reply, &self.scrubber), reply.date_ms),
            Err(error) => (Err(error), None),
        }
    }

    /// Asks in what state an account is, such as `connected`. Free, so that it takes no reservation; needs the
    /// account's id.
    ///
    /// # Errors
    /// As every request, and when the account has no id.
    pub async fn account_state(&self, account: usize) -> Result<String, ApiError> {
        self.state_of(self.v2_access(account)?).await
    }

    /// The same of an account by its id.
    pub async fn state_of(&self, account_id: &str) -> Result<String, ApiError> {
        v2::read_account_state(&self.get(&["v2", "accounts", account_id], &[]).await?, &self.scrubber)
    }

    /// Asks for a new session. One request, never repeated by itself.
    pub async fn log_in(
        &self,
        turn: Turn,
        reservation: Reservation,
        login: &LoginRequest<'_>,
    ) -> Answer<Session> {
        let scrubber = self.scrubber.and(login.secrets());
        let body = login.body(self.version).map_err(|_| unwritable());
        let path = login::endpoint(self.version);
        self.ask(turn, reservation, path, body, |reply| login::read(reply, self.version, &scrubber)).await
    }

    /// Answers a challenge, with the code that LinkedIn sent or, where the login was confirmed in its app, without.
    pub async fn pass(
        &self,
        turn: Turn,
        reservation: Reservation,
        challenge: &Challenge<'_>,
    ) -> Answer<Session> {
        let scrubber = self.scrubber.and(challenge.code().cloned());
        let body = challenge.body().map_err(|_| unwritable());
        self.ask(turn, reservation, challenge.endpoint(), body, |reply| {
            login::read_passed(reply, self.version, &scrubber)
        })
        .await
    }

    /// Has an account watched, so that its events can be read (v2). Returns the name of the watch.
    pub async fn watch(&self, turn: Turn, reservation: Reservation, account: usize) -> Answer<String> {
        let body = self.v2_access(account).and_then(|id| v2::watch_body(id).map_err(|_| unwritable()));
        self.ask(turn, reservation, v2::WEBHOOKS, body, |reply| v2::read_watch(reply, &self.scrubber)).await
    }

    /// Reads what happened in a watched account after an event, or since a moment (ms). Free, so that it takes no
    /// reservation.
    pub async fn events(&self, watch: &str, after: Option<&str>, since_ms: Ms) -> Result<Events, ApiError> {
        let since = since_ms.to_string();
        let from = after.map_or(("since", since.as_str()), |after| ("after", after));
        let reply = self.get(&["v2", "webhooks", watch, "events"], &[from, ("count", "100")]).await?;
        v2::read_events(&reply, &self.scrubber)
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Reply, ApiError> {
        self.transport.get(self.turn().await, path, query, &self.clock).await.map_err(|lost| self.lost(&lost))
    }

    /// Posts a body and has the answer read.
    async fn ask<T>(
        &self,
        turn: Turn,
        reservation: Reservation,
        path: &str,
        body: Result<Vec<u8>, ApiError>,
        read: impl FnOnce(&Reply) -> Reading<T>,
    ) -> Answer<T> {
        let body = match body {
            Ok(body) => body,
            Err(error) => return answer(reservation, None, Reading::unsent(error)),
        };
        match self.transport.post(turn, path, body, &self.clock).await {
            Ok(reply) => answer(reservation, Some(reply.status), read(&reply)),
            Err(lost) => {
                let charge = if lost.sent { Charge::Unknown } else { Charge::Known(0) };
                answer(reservation, None, Reading { charge, outcome: Err(self.lost(&lost)) })
            }
        }
    }

    fn lost(&self, lost: &Lost) -> ApiError {
        ApiError::Transient { message: self.scrubber.clean(&lost.message), retry_after: None }
    }

    fn account(&self, index: usize) -> Result<&AccountAccess, ApiError> {
        let missing = || ApiError::Account(format!("there is no account number {}", index + 1));
        self.accounts.get(index).ok_or_else(missing)
    }

    /// The account's name and country and its login token.
    fn v1_access(&self, index: usize) -> Result<(&AccountAccess, &Secret), ApiError> {
        let account = self.account(index)?;
        let token = account.login_token.as_ref().filter(|t| !t.is_empty());
        Ok((account, token.ok_or_else(|| v1::no_token(&account.name))?))
    }

    fn v2_access(&self, index: usize) -> Result<&str, ApiError> {
        let account = self.account(index)?;
        let id = account.account_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        id.ok_or_else(|| v2::no_account_id(&account.name))
    }

    fn conversation_body(&self, ask: &Ask, results: u32) -> Result<Vec<u8>, ApiError> {
        match self.version {
            ApiVersion::V1 => {
                let (account, token) = self.v1_access(ask.account)?;
                v1::conversation_body(ask, results, &account.country, token.expose())
            }
            ApiVersion::V2 => v2::conversation_body(ask, results, self.v2_access(ask.account)?),
        }
        .map_err(|_| unwritable())
    }

    fn inbox_body(&self, account: usize, results: u32, cursor: Option<&str>) -> Result<Vec<u8>, ApiError> {
        let rows = results.min(MOST_ROWS);
        match self.version {
            ApiVersion::V1 => {
                let (account, token) = self.v1_access(account)?;
                v1::inbox_body(rows, cursor, &account.country, token.expose())
            }
            ApiVersion::V2 => v2::inbox_body(rows, cursor, self.v2_access(account)?),
        }
        .map_err(|_| unwritable())
    }
}

impl<C: Clock> Api for HttpApi<C> {
    async fn turn(&self) -> Turn {
        self.rate.turn(&self.clock).await
    }

    async fn conversation(&self, turn: Turn, reservation: Reservation, ask: &Ask) -> Answer<Page> {
        let body = self.conversation_body(ask, reservation.results());
        match self.version {
            ApiVersion::V1 => {
                self.ask(turn, reservation, v1::CONVERSATION, body, |reply| {
                    v1::read_conversation(reply, ask, &self.scrubber)
                })
                .await
            }
            ApiVersion::V2 => {
                self.ask(turn, reservation, v2::MESSAGES, body, |reply| {
                    v2::read_conversation(reply, ask, &self.scrubber)
                })
                .await
            }
        }
    }

    async fn inbox(
        &self,
        turn: Turn,
        reservation: Reservation,
        account: usize,
        cursor: Option<&str>,
    ) -> Answer<InboxPage> {
        let body = self.inbox_body(account, reservation.results(), cursor);
        match self.version {
            ApiVersion::V1 => {
                self.ask(turn, reservation, v1::INBOX, body, |reply| {
                    v1::read_inbox(reply, cursor, &self.scrubber)
                })
                .await
            }
            ApiVersion::V2 => {
                self.ask(turn, reservation, v2::MESSAGES, body, |reply| {
                    v2::read_inbox(reply, cursor, &self.scrubber)
                })
                .await
            }
        }
    }

    async fn balance(&self) -> Option<f64> {
        // An optional request takes no turn from one that is needed.
        if !self.rate.has_room_for_two(self.clock.now_ms()) {
            return None;
        }
        let balance = Self::balance(self).await;
        balance.inspect_err(|error| debug!(%error, "the balance cannot be read")).ok()
    }

    fn tells_price(&self) -> bool {
        self.version == ApiVersion::V2
    }

    fn endpoint(&self) -> &'static str {
        match self.version {
            ApiVersion::V1 => v1::CONVERSATION,
            ApiVersion::V2 => v2::CONVERSATION,
        }
    }

    fn inbox_endpoint(&self) -> &'static str {
        match self.version {
            ApiVersion::V1 => v1::INBOX,
            ApiVersion::V2 => v2::INBOX,
        }
    }
}

fn answer<T>(reservation: Reservation, http_status: Option<u16>, reading: Reading<T>) -> Answer<T> {
    Answer { receipt: reservation.spend(reading.charge), http_status, outcome: reading.outcome }
}

fn unwritable() -> ApiError {
    ApiError::Refused("the request cannot be written as JSON".to_owned())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
