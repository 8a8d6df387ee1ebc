//! The client: LinkupAPI v1 or v2 behind the trait [`Api`], at most so many requests a minute.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use serde_json::json;
use tracing::debug;
use url::Url;

use super::conversation::read_page;
use super::error::{ApiError, BuildError};
use super::inbox::{MOST_ROWS, read_inbox};
use super::login::{self, Challenge, LoginRequest, Session};
use super::network::Network;
use super::outcome::{Reading, Seen, Unusable, judge};
use super::policy::FailureKind;
use super::rate::{Rate, Turn};
use super::reply::{Object, Reply};
use super::scrub::Scrubber;
use super::transport::{Lost, Transport};
use super::v2::{self, Events};
use super::{Answer, Api, Ask, request_body, v1};
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
    /// How the network is reached.
    pub network: Network,
    /// The accounts, in the order that [`Ask::account`] counts them in.
    pub accounts: Vec<AccountAccess>,
}

/// LinkupAPI over HTTP.
pub struct HttpApi<C> {
    version: ApiVersion,
    accounts: Vec<AccountAccess>,
    transport: Transport,
    scrubber: Scrubber,
    ignored_proxy: Option<&'static str>,
    rate: Rate,
    clock: C,
    /// How far the server's clock is ahead, once an answer has told.
    ahead_ms: Cell<Option<Ms>>,
}

impl<C> fmt::Debug for HttpApi<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApi").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What a request says whose it is.
enum Access<'a> {
    V1 { country: &'a str, token: &'a str },
    V2 { account_id: &'a str },
}

impl<C: Clock> HttpApi<C> {
    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// When a setting cannot be used or the machine has no usable CA certificates.
    pub fn new(settings: ApiSettings, clock: C) -> Result<Self, BuildError> {
        let ApiSettings { base_url, version, api_key, timeout, rate, network, accounts } = settings;
        let tokens = accounts.iter().filter_map(|a| a.login_token.clone());
        Ok(Self {
            version,
            transport: Transport::new(&base_url, &api_key, timeout, &network)?,
            scrubber: Scrubber::new(tokens.chain([api_key]).chain(network.proxy)),
            ignored_proxy: network.ignored_proxy,
            rate,
            accounts,
            clock,
            ahead_ms: Cell::new(None),
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
            Ok(reply) => (self.free(&reply, v2::read_balance), reply.date_ms),
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
        let reply = self.get(&["v2", "accounts", account_id], &[]).await?;
        self.free(&reply, v2::read_account_state).map(|state| self.scrubber.clean(&state))
    }

    /// Asks for a new session. One request, never repeated by itself.
    pub async fn log_in(
        &self,
        turn: Turn,
        reservation: Reservation,
        login: &LoginRequest<'_>,
    ) -> Answer<Session> {
        let (version, scrubber) = (self.version, self.scrubber.of_login(login.secrets()));
        let request = (login::endpoint(version), login.body(version));
        let read = |body: &Object<'_>, _: &Reply| Ok((login::read(body, version, &scrubber)?, Seen::NoList));
        self.ask(turn, reservation, Ok(request), &scrubber, read).await
    }

    /// Answers a challenge, with the code that LinkedIn sent or, where the login was confirmed in its app, without.
    pub async fn pass(
        &self,
        turn: Turn,
        reservation: Reservation,
        challenge: &Challenge<'_>,
    ) -> Answer<Session> {
        let (version, scrubber) = (self.version, self.scrubber.of_login(challenge.code().cloned()));
        let request = (challenge.endpoint(), challenge.body());
        let read =
            |body: &Object<'_>, _: &Reply| Ok((login::read_passed(body, version, &scrubber)?, Seen::NoList));
        self.ask(turn, reservation, Ok(request), &scrubber, read).await
    }

    /// Has an account watched, so that its events can be read (v2). Returns the name of the watch.
    pub async fn watch(&self, turn: Turn, reservation: Reservation, account: usize) -> Answer<String> {
        let request = |id: &str| (v2::WEBHOOKS, request_body(json!({ "account_id": id })));
        let request = self.v2_access(account).map(request);
        // Where no price is named, the first day's may be meant.
        let read = |body: &Object<'_>, _: &Reply| Ok((v2::read_watch(body)?, Seen::Neither));
        self.ask(turn, reservation, request, &self.scrubber, read).await
    }

    /// Reads what happened in a watched account after an event, or since a moment (ms). `None` if the API no longer
    /// has the watch. Free, so that it takes no reservation.
    ///
    /// # Errors
    /// As every request.
    pub async fn events(
        &self,
        watch: &str,
        after: Option<&str>,
        since_ms: Ms,
    ) -> Result<Option<Events>, ApiError> {
        let since = since_ms.to_string();
        let from = after.map_or(("since", since.as_str()), |after| ("after", after));
        let reply = self.get(&["v2", "webhooks", watch, "events"], &[from, ("count", "100")]).await?;
        match self.free(&reply, v2::read_events) {
            Ok(events) => Ok(Some(events)),
            Err(error) if v2::is_gone(&reply, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a watch, so that it costs nothing more (v2). One that was ended before counts as ended. Free, so that it
    /// takes no reservation, and needs only the key.
    ///
    /// # Errors
    /// When the watch may go on: ask again later.
    pub async fn end_watch(&self, watch: &str) -> Result<(), ApiError> {
        let reply = self.delete(&["v2", "webhooks", watch]).await?;
        if reply.status == 204 {
            return Ok(());
        }
        let Err(error) = self.free(&reply, v2::read_ended) else { return Ok(()) };
        if !v2::is_gone(&reply, &error) {
            return Err(error);
        }
        // A path that the API does not know is answered in the same way, so the events must be gone as well.
        match self.events(watch, None, self.clock.now_ms()).await? {
            None => Ok(()),
            Some(_) => Err(error),
        }
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Reply, ApiError> {
        self.came(self.transport.get(self.turn().await, path, query, &self.clock).await)
    }

    async fn delete(&self, path: &[&str]) -> Result<Reply, ApiError> {
        self.came(self.transport.delete(self.turn().await, path, &self.clock).await)
    }

    fn came(&self, reply: Result<Reply, Lost>) -> Result<Reply, ApiError> {
        reply.inspect(|reply| self.compare_clocks(reply)).map_err(|lost| self.lost(&lost))
    }

    /// Reads what v2 alone offers, for nothing.
    fn free<T>(
        &self,
        reply: &Reply,
        read: impl FnOnce(&Object<'_>) -> Result<T, Unusable>,
    ) -> Result<T, ApiError> {
        judge(ApiVersion::V2, reply, &self.scrubber, |body| Ok((read(body)?, Seen::NoList))).outcome
    }

    /// Posts a body and has the answer read.
    async fn ask<T>(
        &self,
        turn: Turn,
        reservation: Reservation,
        request: Result<(&str, Vec<u8>), ApiError>,
        scrubber: &Scrubber,
        read: impl FnOnce(&Object<'_>, &Reply) -> Result<(T, Seen), Unusable>,
    ) -> Answer<T> {
        let (path, body) = match request {
            Ok(request) => request,
            Err(error) => return answer(reservation, None, Charge::Known(0), Err(error)),
        };
        let sent_ms = self.clock.now_ms();
        match self.transport.post(turn, path, body, reservation.results(), &self.clock).await {
            Ok(reply) => {
                self.compare_clocks(&reply);
                let Reading { charge, outcome } =
                    judge(self.version, &reply, scrubber, |body| read(body, &reply));
                if let Some(error) = outcome.as_ref().err().filter(|e| e.kind == FailureKind::RateLimited) {
                    self.rate.refused(sent_ms, self.clock.now_ms(), error.retry_after);
                }
                answer(reservation, Some(reply.status), charge, outcome)
            }
            Err(lost) => {
                let charge = if lost.sent { Charge::Unknown } else { Charge::Known(0) };
                answer(reservation, None, charge, Err(self.lost(&lost)))
            }
        }
    }

    fn compare_clocks(&self, reply: &Reply) {
        if let (Some(theirs), Some(ours)) = (reply.date_ms, reply.came_ms) {
            self.ahead_ms.set(Some(theirs - ours));
        }
    }

    fn lost(&self, lost: &Lost) -> ApiError {
        let mut message = self.scrubber.clean(&lost.message);
        if let Some(name) = self.ignored_proxy.filter(|_| !lost.sent) {
            message.push_str(&format!(" (${name} is ignored: set api.proxy if the API is behind a proxy)"));
        }
        ApiError::new(FailureKind::Transient, message)
    }

    fn account(&self, index: usize) -> Result<&AccountAccess, ApiError> {
        self.accounts.get(index).ok_or_else(|| no_access(format!("there is no account number {}", index + 1)))
    }

    fn v2_access(&self, index: usize) -> Result<&str, ApiError> {
        let account = self.account(index)?;
        let id = account.account_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        id.ok_or_else(|| {
            no_access(format!("the account `{}` has no account_id, which v2 needs", account.name))
        })
    }

    fn access(&self, index: usize) -> Result<Access<'_>, ApiError> {
        if self.version == ApiVersion::V2 {
            return self.v2_access(index).map(|account_id| Access::V2 { account_id });
        }
        let account = self.account(index)?;
        match account.login_token.as_ref().filter(|t| !t.is_empty()) {
            Some(token) => Ok(Access::V1 { country: &account.country, token: token.expose() }),
            None => {
                let why = format!("the account `{}` has no login token, which v1 needs", account.name);
                Err(no_access(why))
            }
        }
    }
}

impl<C: Clock> Api for HttpApi<C> {
    async fn turn(&self) -> Turn {
        self.rate.turn(&self.clock).await
    }

    async fn conversation(&self, turn: Turn, reservation: Reservation, ask: &Ask) -> Answer<Page> {
        let results = reservation.results();
        let request = self.access(ask.account).map(|access| match access {
            Access::V1 { country, token } => {
                (v1::CONVERSATION, v1::conversation_body(ask, results, country, token))
            }
            Access::V2 { account_id } => (v2::MESSAGES, v2::conversation_body(ask, results, account_id)),
        });
        let read =
            |body: &Object<'_>, reply: &Reply| read_page(body, self.version, ask, results, reply.came_ms);
        self.ask(turn, reservation, request, &self.scrubber, read).await
    }

    async fn inbox(
        &self,
        turn: Turn,
        reservation: Reservation,
        account: usize,
        cursor: Option<&str>,
    ) -> Answer<InboxPage> {
        let rows = reservation.results().min(MOST_ROWS);
        let request = self.access(account).map(|access| match access {
            Access::V1 { country, token } => (v1::INBOX, v1::inbox_body(rows, cursor, country, token)),
            Access::V2 { account_id } => (v2::MESSAGES, v2::inbox_body(rows, cursor, account_id)),
        });
        let read = |body: &Object<'_>, _: &Reply| read_inbox(body, rows, cursor);
        self.ask(turn, reservation, request, &self.scrubber, read).await
    }

    async fn balance(&self) -> Option<f64> {
        // An optional request takes no turn from one that is needed.
        if !self.rate.has_room_for_two(self.clock.now_ms()) {
            return None;
        }
        let balance = Self::balance(self).await;
        balance.inspect_err(|error| debug!(%error, "the balance cannot be read")).ok()
    }

    fn ahead_ms(&self) -> Option<Ms> {
        self.ahead_ms.get()
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

fn answer<T>(
    reservation: Reservation,
    http_status: Option<u16>,
    charge: Charge,
    outcome: Result<T, ApiError>,
) -> Answer<T> {
    Answer { receipt: reservation.spend(charge), http_status, outcome }
}

/// Why an account cannot be asked at all.
fn no_access(why: String) -> ApiError {
    ApiError::new(FailureKind::Account, why)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
