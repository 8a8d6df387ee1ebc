//! The requests of a login: each reserved in the ledger before it is sent, none ever repeated by itself.

use std::path::Path;
use std::time::Duration;

use crate::api::login::{self, Challenge, LoginRequest as Ask, Session as Came};
use crate::api::{Answer, Api as _, ApiError, ApiVersion, HttpApi};
use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::core::budget::{Purse, Reservation};
use crate::error::Failure;
use crate::store::{Ledger, Login, Outcome, StoreError};

/// How often the state of an account is looked at while somebody confirms a login in LinkedIn's app.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What a request is, for what to do when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Step {
    /// By address and password.
    Password,
    /// By a token.
    Token,
    /// A code.
    Code,
    /// A question in LinkedIn's app.
    App,
}

/// The API, the ledger, and what was spent on this login.
pub(in crate::cli) struct Session<'a> {
    api: HttpApi<SystemClock>,
    version: ApiVersion,
    ledger: Ledger,
    archive: &'a Path,
    account: &'a str,
    purse: Purse,
    login: Option<Login>,
    pub(in crate::cli) requests: u32,
    pub(in crate::cli) credits: u32,
}

impl<'a> Session<'a> {
    pub(in crate::cli) fn new(
        api: HttpApi<SystemClock>,
        version: ApiVersion,
        archive: &'a Path,
        account: &'a str,
        purse: Purse,
    ) -> Result<Self, Failure> {
        let ledger = Ledger::open(archive).map_err(|e| wiring::archive_failure(archive, e))?;
        Ok(Self { api, version, ledger, archive, account, purse, login: None, requests: 0, credits: 0 })
    }

    /// What the caps leave; `None` is without limit.
    pub(in crate::cli) fn left(&self) -> Result<Option<u32>, Failure> {
        let left = self.ledger.left(&self.purse, self.account, SystemClock.now_ms());
        left.map_err(|e| self.archive_failure(e))
    }

    /// Asks for a session.
    pub(in crate::cli) async fn log_in(&mut self, ask: &Ask<'_>, step: Step) -> Result<Came, Failure> {
        let turn = self.api.turn().await;
        let reservation = self.reserve(login::endpoint(self.version))?;
        let answer = self.api.log_in(turn, reservation, ask).await;
        self.settled(answer)?.map_err(|error| refused(&error, step))
    }

    /// Answers a challenge. The inner failure is the API's answer, which may be another one to another code.
    pub(in crate::cli) async fn pass(
        &mut self,
        challenge: &Challenge<'_>,
    ) -> Result<Result<Came, ApiError>, Failure> {
        let turn = self.api.turn().await;
        let reservation = self.reserve(challenge.endpoint())?;
        let answer = self.api.pass(turn, reservation, challenge).await;
        self.settled(answer)
    }

    /// Whether the account is connected, as far as that can be told: asking is free.
    pub(in crate::cli) async fn is_connected(&self, account_id: &str) -> bool {
        let state = self.api.state_of(account_id).await;
        state.is_ok_and(|state| ["connected", "active"].contains(&state.to_ascii_lowercase().as_str()))
    }

    /// Looks at the account's state until it is connected or so long has passed.
    pub(in crate::cli) async fn wait_until_connected(&self, account_id: &str, most: Duration) -> bool {
        let mut waited = Duration::ZERO;
        while waited < most {
            let wait = LOOK_EVERY.min(most.saturating_sub(waited));
            SystemClock.sleep(wait).await;
            waited += wait;
            if self.is_connected(account_id).await {
                return true;
            }
        }
        false
    }

    /// Writes down how the login ended.
    pub(in crate::cli) fn finish(mut self, well: bool) -> Result<(), Failure> {
        let outcome = if well { Outcome::Complete } else { Outcome::Failed };
        let finished = match self.login {
            Some(login) => self.ledger.finish(login, outcome, SystemClock.now_ms()),
            None => Ok(()),
        };
        let closed = finished.and_then(|()| self.ledger.close());
        closed.map_err(|e| wiring::archive_failure(self.archive, e))
    }

    fn reserve(&mut self, endpoint: &str) -> Result<Reservation, Failure> {
        let now = SystemClock.now_ms();
        let login = match self.login {
            Some(login) => login,
            None => self.ledger.begin(self.account, now).map_err(|e| self.archive_failure(e))?,
        };
        self.login = Some(login);
        let reserved = self.ledger.reserve(login, &self.purse, endpoint, now);
        reserved.map_err(|e| self.archive_failure(e))?.ok_or_else(out_of_budget)
    }

    fn settled<T>(&mut self, answer: Answer<T>) -> Result<Result<T, ApiError>, Failure> {
        self.requests += 1;
        self.credits += answer.receipt.credits();
        let error = answer.outcome.as_ref().err().map(ToString::to_string);
        let settled = self.ledger.settle(&answer.receipt, answer.http_status, error.as_deref());
        match (settled, &answer.outcome) {
            (Ok(()), _) => {}
            // What was paid for is not thrown away: the reservation stands in the place of its price.
            (Err(error), Ok(_)) => tracing::warn!(%error, "the price of the login was not written down"),
            (Err(error), Err(_)) => return Err(self.archive_failure(error)),
        }
        Ok(answer.outcome)
    }

    fn archive_failure(&self, error: StoreError) -> Failure {
        wiring::archive_failure(self.archive, error)
    }
}

/// Not even one credit may be spent.
pub(in crate::cli) fn out_of_budget() -> Failure {
    Failure::Usage {
        message: "the caps of the configuration leave no credit for a login".to_owned(),
        help: "see `archiver status` for what was spent, and raise the cap or wait for the next day or month"
            .to_owned(),
    }
}

/// What the API's answer means for whoever wants to log in.
pub(in crate::cli) fn refused(error: &ApiError, step: Step) -> Failure {
    let what = match step {
        Step::Password | Step::Token => "the login",
        Step::Code => "the code",
        Step::App => "the confirmation in LinkedIn's app",
    };
    let (refused, help) = match error {
        ApiError::Key(_) => (true, "see the API key: it is LinkupAPI's, not LinkedIn's"),
        ApiError::Refused(_) | ApiError::Account(_) => (
            true,
            match step {
                Step::Password => {
                    "see address, password and country before you try again: each login may cost a credit, and many make \
                 LinkedIn ask for more or lock the account"
                }
                Step::Token => "log in with address and password instead; LinkedIn ends old sessions",
                Step::Code => {
                    "`archiver login` asks LinkedIn for another code; an old one holds for some minutes only"
                }
                Step::App => "confirm the login in LinkedIn's app within its time, or use --challenge code",
            },
        ),
        ApiError::Credits(_) => (false, "buy credits at LinkupAPI, then log in"),
        ApiError::RateLimited { .. } => (false, "wait some minutes before you log in again"),
        ApiError::Transient { .. } | ApiError::Malformed(_) => (
            false,
            "it may have gone through all the same: wait some minutes, for many logins cost credits and make LinkedIn \
             ask for more",
        ),
    };
    Failure::Login { message: format!("{what}: {error}"), help: help.to_owned(), refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_refuses_is_77_and_what_may_pass_is_69() {
        let code = |error: ApiError, step| refused(&error, step).exit_code();
        for step in [Step::Password, Step::Token, Step::Code, Step::App] {
            assert_eq!(code(ApiError::Refused("no".into()), step), 77);
            assert_eq!(code(ApiError::Account("no".into()), step), 77);
            assert_eq!(code(ApiError::Key("no".into()), step), 77);
            assert_eq!(code(ApiError::Credits("none".into()), step), 69);
            assert_eq!(code(ApiError::Malformed("html".into()), step), 69);
            assert_eq!(code(ApiError::Transient { message: "x".into(), retry_after: None }, step), 69);
        }
    }
}
