//! The steps of a login: agreement to its cost, credentials, and the challenge that LinkedIn may pose.

use std::path::PathBuf;
use std::time::Duration;

use super::destination::Destination;
use super::session::{LoginSession, LoginStep, out_of_budget, refused};
use super::{ChallengeArg, LoginArgs};
use crate::api::login::{Challenge, Credentials, LoginRequest, Means, Session};
use crate::api::{ApiVersion, FailureKind};
use crate::cli::ui::terminal::{Terminal, aborted, line_of_stdin};
use crate::config::Config;
use crate::core::format::plural;
use crate::error::Failure;
use crate::secret::Secret;

/// How many codes may be tried: each may cost a credit.
const MOST_CODES: u32 = 3;

/// A login that succeeded.
pub(super) struct Finished {
    pub(super) account_id: Option<String>,
    pub(super) file: PathBuf,
    pub(super) requests: u32,
    pub(super) credits: u32,
}

/// Logs an account in.
pub(super) struct LoginFlow<'a> {
    pub(super) args: &'a LoginArgs,
    pub(super) terminal: Option<Terminal>,
    pub(super) version: ApiVersion,
    pub(super) name: &'a str,
    pub(super) country: &'a str,
}

impl LoginFlow<'_> {
    /// Tells the user what it costs and where the result goes, and asks for agreement.
    pub(super) fn agree(
        &mut self,
        config: &Config,
        session: &LoginSession<'_>,
        destination: &Destination,
    ) -> Result<(), Failure> {
        let left = session.left()?;
        if left == Some(0) {
            return Err(out_of_budget());
        }
        if self.args.yes {
            return Ok(());
        }
        let Some(terminal) = &mut self.terminal else {
            return Err(Failure::usage(
                "a login may cost credits, and there is no terminal to ask on",
                format!("add --yes to agree: {}", price(self.version, self.args.token_stdin)),
            ));
        };
        let caps = left.map_or_else(String::new, |n| format!(" Your budget leaves {}.", plural(n, "credit")));
        let terms = format!(
            "This logs the account {:?} in through {} ({}), from {}.\n{}{caps}\nThe result is written to {}.\n",
            self.name,
            config.api.base_url.host_str().unwrap_or_default(),
            config.api.version.as_str(),
            self.country,
            price(self.version, self.args.token_stdin),
            destination.path().display(),
        );
        terminal.say(&terms)?;
        match terminal.ask("Continue? [y/N] ")?.to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(aborted("not confirmed")),
        }
    }

    /// Logs in and writes the result to its file.
    pub(super) async fn log_in(
        &mut self,
        mut session: LoginSession<'_>,
        destination: Destination,
    ) -> Result<Finished, Failure> {
        let result = self.requests(&mut session).await;
        let (requests, credits) = (session.requests, session.credits);
        let finished = session.finish(result.is_ok());
        let (text, account_id) = match result? {
            Session::Token(token) => (token, None),
            Session::Connected(id) => (Secret::new(&id), Some(id)),
            Session::CodeSent { .. } | Session::Challenged { .. } => {
                return Err(no_more("another challenge"));
            }
        };
        let file = destination.write(text.expose())?;
        // The session exists and is stored: only now does a ledger that cannot be written matter.
        finished?;
        Ok(Finished { account_id, file, requests, credits })
    }

    async fn requests(&mut self, session: &mut LoginSession<'_>) -> Result<Session, Failure> {
        if self.args.token_stdin {
            let token = Secret::new(line_of_stdin("the token")?.expose());
            let answer = session.log_in(&self.ask(Credentials::Token(&token)), LoginStep::Token).await?;
            return self.challenged(session, answer, "").await;
        }
        let (email, password) = (self.email()?, self.password()?);
        let ask = self.ask(Credentials::Password { email: &email, password: &password });
        let answer = session.log_in(&ask, LoginStep::Password).await?;
        drop(password);
        self.challenged(session, answer, &email).await
    }

    fn ask<'b>(&'b self, credentials: Credentials<'b>) -> LoginRequest<'b> {
        let by_app = self.args.challenge == Some(ChallengeArg::App);
        let challenge = if by_app { Means::App } else { Means::Code };
        LoginRequest { credentials, country: self.country, name: self.name, challenge }
    }

    /// Passes the challenge, if there is one.
    async fn challenged(
        &mut self,
        session: &mut LoginSession<'_>,
        answer: Session,
        email: &str,
    ) -> Result<Session, Failure> {
        match answer {
            done @ (Session::Token(_) | Session::Connected(_)) => Ok(done),
            Session::CodeSent { said } => self.code(session, &said, None, email).await,
            Session::Challenged { account_id, means: Means::Code } => {
                self.code(session, "", Some(&account_id), email).await
            }
            Session::Challenged { account_id, means: Means::App } => self.app(session, &account_id).await,
        }
    }

    /// Asks for the code that LinkedIn has sent. A person may mistype it; a script has one try.
    async fn code(
        &mut self,
        session: &mut LoginSession<'_>,
        said: &str,
        account_id: Option<&str>,
        email: &str,
    ) -> Result<Session, Failure> {
        let mut prompt = match said {
            "" => "LinkedIn has sent a code. Code: ".to_owned(),
            said => format!("{said}\nCode: "),
        };
        let mut left = MOST_CODES;
        loop {
            let code = self.one_code(&prompt)?;
            let challenge = match account_id {
                Some(account_id) => Challenge::V2 { account_id, code: Some(&code) },
                None => Challenge::V1 { email, country: self.country, code: &code },
            };
            left -= 1;
            match session.pass(&challenge).await? {
                Ok(came) => return Ok(came),
                Err(error) if error.kind == FailureKind::Refused && left > 0 && self.asks() => {
                    let why = error.message;
                    let price = if account_id.is_none() { "1 credit" } else { "up to 1 credit" };
                    prompt = format!("Refused: {why}\nAnother try costs {price} (empty to cancel). Code: ");
                }
                Err(error) => return Err(refused(&error, LoginStep::Code)),
            }
        }
    }

    /// Waits for the login to be confirmed in LinkedIn's app.
    async fn app(&mut self, session: &mut LoginSession<'_>, account_id: &str) -> Result<Session, Failure> {
        // If the account has been connected all along, its state says nothing about the confirmation.
        let telling = !session.is_connected(account_id).await;
        let connected = match &mut self.terminal {
            Some(terminal) => {
                terminal.ask("Confirm the login in LinkedIn's app, then press Enter. ")?;
                telling && session.is_connected(account_id).await
            }
            None => {
                let (seconds, most) = (self.args.wait, Duration::from_secs(self.args.wait));
                tracing::info!(seconds, "waiting for the login to be confirmed in LinkedIn's app");
                if telling {
                    session.wait_until_connected(account_id, most).await
                } else {
                    tokio::time::sleep(most).await;
                    false
                }
            }
        };
        if connected {
            return Ok(Session::Connected(account_id.to_owned()));
        }
        let challenge = Challenge::V2 { account_id, code: None };
        session.pass(&challenge).await?.map_err(|error| refused(&error, LoginStep::App))
    }

    /// Whether there is somebody to ask for a code.
    fn asks(&self) -> bool {
        self.terminal.is_some() && !self.args.code_stdin
    }

    fn email(&mut self) -> Result<String, Failure> {
        let email = match (&self.args.email, &mut self.terminal) {
            (Some(email), _) => email.trim().to_owned(),
            (None, Some(terminal)) => terminal.ask("LinkedIn email address: ")?,
            (None, None) => return Err(no_terminal("--email ADDRESS")),
        };
        if email.is_empty() { Err(aborted("no address given")) } else { Ok(email) }
    }

    fn password(&mut self) -> Result<Secret, Failure> {
        let from_stdin = self.args.password_stdin;
        self.hidden("password", from_stdin, "Password (hidden): ", || no_terminal("--password-stdin"))
    }

    fn one_code(&mut self, prompt: &str) -> Result<Secret, Failure> {
        let code = self.hidden("code", self.args.code_stdin, prompt, || no_more("the code it has sent"))?;
        Ok(Secret::new(code.expose()))
    }

    fn hidden(
        &mut self,
        what: &str,
        stdin: bool,
        prompt: &str,
        not: fn() -> Failure,
    ) -> Result<Secret, Failure> {
        let typed = match &mut self.terminal {
            _ if stdin => line_of_stdin(&format!("the {what}"))?,
            Some(terminal) => terminal.ask_hidden(prompt)?,
            None => return Err(not()),
        };
        if typed.expose().trim().is_empty() { Err(aborted(&format!("no {what} given"))) } else { Ok(typed) }
    }
}

/// What the login may cost, in a sentence or two.
fn price(version: ApiVersion, by_token: bool) -> &'static str {
    match (version, by_token) {
        (ApiVersion::V1, _) => {
            "The login costs 1 credit, and so does each code you enter; v1 also charges for failures."
        }
        (ApiVersion::V2, false) => {
            "The login may cost 1 credit, and a challenge another one; failures are free."
        }
        (ApiVersion::V2, true) => {
            "Connecting a valid session should be free; 1 credit is reserved until the API confirms that."
        }
    }
}

fn no_terminal(flag: &str) -> Failure {
    Failure::usage("there is no terminal to ask on", format!("add {flag}, or run the command on a terminal"))
}

/// LinkedIn asks for something that cannot be asked for without a terminal.
fn no_more(what: &str) -> Failure {
    Failure::Login {
        message: format!("LinkedIn asks for {what}"),
        help: "run `archiver login` on a terminal, or with --code-stdin and the code on standard input"
            .to_owned(),
        refused: true,
    }
}
