//! The requests of a login, each reserved in the ledger before it is sent and none ever retried automatically.

use std::path::Path;
use std::time::Duration;

use crate::api::login::{self, Challenge, LoginRequest as Ask, Session};
use crate::api::{Answer, Api as _, ApiError, ApiVersion, ExitClass, FailureKind, HttpApi};
use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::core::budget::{Purse, Reservation};
use crate::error::Failure;
use crate::store::{Ledger, LoginRun, Outcome, StoreError};

/// How often the account's state is checked while the user confirms the login in LinkedIn's app.
const POLL_EVERY: Duration = Duration::from_secs(3);

/// What a request is for, which decides what to do if it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginStep {
    Password,
    Token,
    Code,
    App,
}

/// The API, the ledger, and what this login has spent.
pub(super) struct LoginSession<'a> {
    api: HttpApi<SystemClock>,
    version: ApiVersion,
    ledger: Ledger,
    archive: &'a Path,
    account: &'a str,
    purse: Purse,
    login: Option<LoginRun>,
    pub(super) requests: u32,
    pub(super) credits: u32,
}

impl<'a> LoginSession<'a> {
    pub(super) fn new(
        api: HttpApi<SystemClock>,
        version: ApiVersion,
        archive: &'a Path,
        account: &'a str,
        purse: Purse,
    ) -> Result<Self, Failure> {
        let ledger = Ledger::open(archive).map_err(|e| wiring::archive_failure(archive, e))?;
        Ok(Self { api, version, ledger, archive, account, purse, login: None, requests: 0, credits: 0 })
    }

    /// What the budget leaves; `None` without a cap.
    pub(super) fn left(&self) -> Result<Option<u32>, Failure> {
        let left = self.ledger.left(&self.purse, self.account, SystemClock.now_ms());
        left.map_err(|e| self.archive_failure(e))
    }

    /// Requests a session.
    pub(super) async fn log_in(&mut self, ask: &Ask<'_>, attempt: LoginStep) -> Result<Session, Failure> {
        let turn = self.api.turn().await;
        let reservation = self.reserve(login::endpoint(self.version))?;
        let answer = self.api.log_in(turn, reservation, ask).await;
        self.settled(answer)?.map_err(|error| refused(&error, attempt))
    }

    /// Answers a challenge. The inner error is the API's: another code may succeed.
    pub(super) async fn pass(
        &mut self,
        challenge: &Challenge<'_>,
    ) -> Result<Result<Session, ApiError>, Failure> {
        let turn = self.api.turn().await;
        let reservation = self.reserve(challenge.endpoint())?;
        let answer = self.api.pass(turn, reservation, challenge).await;
        self.settled(answer)
    }

    /// Whether the account is known to be connected; asking is free.
    pub(super) async fn is_connected(&self, account_id: &str) -> bool {
        let state = self.api.state_of(account_id).await;
        state.is_ok_and(|state| ["connected", "active"].contains(&state.to_ascii_lowercase().as_str()))
    }

    /// Polls the account's state until it is connected or `most` has passed.
    pub(super) async fn wait_until_connected(&self, account_id: &str, most: Duration) -> bool {
        let mut waited = Duration::ZERO;
        while waited < most {
            let wait = POLL_EVERY.min(most.saturating_sub(waited));
            SystemClock.sleep(wait).await;
            waited += wait;
            if self.is_connected(account_id).await {
                return true;
            }
        }
        false
    }

    /// Records how the login ended.
    pub(super) fn finish(mut self, succeeded: bool) -> Result<(), Failure> {
        let outcome = if succeeded { Outcome::Complete } else { Outcome::Failed };
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
            // Keep what was paid for: the reservation stands in for its price.
            (Err(error), Ok(_)) => tracing::warn!(%error, "cannot record the price of the login"),
            (Err(error), Err(_)) => return Err(self.archive_failure(error)),
        }
        Ok(answer.outcome)
    }

    fn archive_failure(&self, error: StoreError) -> Failure {
        wiring::archive_failure(self.archive, error)
    }
}

/// The budget leaves no credit.
pub(super) fn out_of_budget() -> Failure {
    Failure::usage(
        "the budget leaves no credit for a login",
        "see `archiver status`; raise the cap, or wait for the next day or month",
    )
}

/// The failure that the API's answer amounts to.
pub(super) fn refused(error: &ApiError, attempt: LoginStep) -> Failure {
    let what = match attempt {
        LoginStep::Password | LoginStep::Token => "the login",
        LoginStep::Code => "the code",
        LoginStep::App => "the confirmation in LinkedIn's app",
    };
    let help = match error.kind {
        FailureKind::Key => "check the API key; it comes from LinkupAPI, not from LinkedIn",
        FailureKind::Refused | FailureKind::Account => match attempt {
            LoginStep::Password => {
                "check address, password and country before you try again: each login may cost a credit, and after \
                 many of them LinkedIn may lock the account"
            }
            LoginStep::Token => "the session may have expired; log in with address and password instead",
            LoginStep::Code => "codes expire after some minutes; run `archiver login` to get another",
            LoginStep::App => "confirm the login in LinkedIn's app in time, or use --challenge code",
        },
        FailureKind::Credits => "buy credits from LinkupAPI, then log in",
        FailureKind::RateLimited => "wait a few minutes before you log in again",
        FailureKind::Transient | FailureKind::Malformed => {
            "it may have succeeded nevertheless: wait a few minutes and run `archiver check` before you try again"
        }
    };
    // Whatever the API refuses here are credentials.
    let refused = matches!(error.policy().exit, Some(ExitClass::Credentials | ExitClass::Refused));
    Failure::Login { message: format!("{what}: {error}"), help: help.to_owned(), refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_exit_with_77_and_temporary_failures_with_69() {
        use FailureKind::{Account, Credits, Key, Malformed, Refused, Transient};
        let code = |kind, attempt| refused(&ApiError::new(kind, "no"), attempt).exit_code();
        for step in [LoginStep::Password, LoginStep::Token, LoginStep::Code, LoginStep::App] {
            assert_eq!(code(Refused, step), 77);
            assert_eq!(code(Account, step), 77);
            assert_eq!(code(Key, step), 77);
            assert_eq!(code(Credits, step), 69);
            assert_eq!(code(Malformed, step), 69);
            assert_eq!(code(Transient, step), 69);
        }
    }
}
