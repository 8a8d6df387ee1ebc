//! `archiver login`: a new session with LinkedIn, in a dialogue or from a script. It is never begun by itself.

mod destination;
mod dialogue;
mod session;

use crate::app::runtime;
use crate::cli::ui::output;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::destination::Destination;
use self::dialogue::{Terminal, gave_up, line_of_stdin};
use self::session::{Session, Step, out_of_budget, refused};
use crate::api::ApiError;
use crate::api::login::{Challenge, Credentials, LoginRequest, Means, Session as Came};
use crate::app::Context;
use crate::app::wiring;
use crate::cli::ui::output::{Output, plural};
use crate::config::{AccountConfig, ApiVersion, Config, LoginFile, Reads};
use crate::core::budget::Purse;
use crate::error::Failure;
use crate::secret::Secret;

/// How many codes may be typed before the dialogue ends: each may cost a credit.
const MOST_CODES: u32 = 3;

/// `archiver login`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoginArgs {
    /// The account, where several are configured
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,

    /// The address that LinkedIn knows you by
    #[arg(long, value_name = "ADDRESS", conflicts_with = "token_stdin")]
    pub email: Option<String>,

    /// Read the password from standard input
    #[arg(long, conflicts_with = "token_stdin")]
    pub password_stdin: bool,

    /// Read the code from there, once one is wanted
    ///
    /// Standard input has a line each: the password or the token first, then the code. The code's line is not read
    /// before LinkedIn has sent one, so that it may be written late.
    #[arg(long)]
    pub code_stdin: bool,

    /// Connect a v1 login token from standard input (v2)
    #[arg(long)]
    pub token_stdin: bool,

    /// Reach LinkedIn from there [default: configured]
    #[arg(long, value_name = "XX")]
    pub country: Option<String>,

    /// Proof that it is you (v2): code or app [default: code]
    #[arg(long, value_name = "WAY", value_enum, hide_possible_values = true)]
    pub challenge: Option<ChallengeArg>,

    /// Without a terminal, wait so long for LinkedIn's app
    ///
    /// After that the login is concluded with one more request.
    #[arg(long, value_name = "SECS", default_value_t = 120, hide_short_help = true)]
    pub wait: u64,

    /// Where to put the token (v1) or the account's id
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,

    /// Agree to what it costs
    #[arg(long)]
    pub yes: bool,

    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `--challenge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChallengeArg {
    /// A code that LinkedIn sends.
    Code,
    /// A question in LinkedIn's app.
    App,
}

const EXAMPLES: &str = "\
Examples:
  archiver login                asks for all it needs, and what it may cost
  archiver login --yes --email me@example.org --password-stdin < password";

/// What a script is told.
#[derive(Debug, Serialize)]
struct Done<'a> {
    account: &'a str,
    version: &'static str,
    status: &'static str,
    account_id: Option<&'a str>,
    file: PathBuf,
    /// What must be done before the file is read; null when nothing must.
    todo: Option<String>,
    requests: u32,
    credits_spent: u32,
}

/// Runs the command.
///
/// # Errors
/// Bad usage or configuration, an archive or a file that cannot be written, or what the API answers.
pub fn run(context: &Context, args: &LoginArgs) -> Result<(), Failure> {
    let mut config = context.config(None)?;
    let loaded = config.load_api_key();
    context.warn(&config);
    loaded?;
    let index = choose(&config, args.account.as_deref())?;
    let account = account(&config, index)?;
    check_version(args, config.api.version)?;
    let country = country(args, account)?;
    let file = file(context, args, &config, index)?;
    let destination = Destination::prepare(&file.path)?;
    let terminal = Terminal::open();
    let purse = Purse { all: config.budget.caps(), account: account.caps };
    let (api, version) = (wiring::api(&config)?, config.api.version);
    let session = Session::new(api, version, &config.archive.path, &account.name, purse)?;
    let mut dialogue = Dialogue { args, terminal, version, name: &account.name, country: &country };
    dialogue.agree(&config, &session, &destination)?;
    let done = runtime()?.block_on(dialogue.log_in(session, destination))?;
    let todo = todo(&file.reads, &country, account, &done);
    show(&mut Output::stdout(&context.env), args.json, &config, account, &done, todo)
}

fn choose(config: &Config, named: Option<&str>) -> Result<usize, Failure> {
    let names: Vec<String> = config.accounts.iter().map(|a| format!("{:?}", a.name)).collect();
    let usage = |message: String, help: String| Err(Failure::Usage { message, help });
    match (named, config.accounts.as_slice()) {
        (_, []) => usage(
            "no account is configured".to_owned(),
            "add [[accounts]] with a name to the configuration first".to_owned(),
        ),
        (None, [_]) => Ok(0),
        (None, _) => usage(
            "several accounts are configured".to_owned(),
            format!("say which with --account: {}", names.join(", ")),
        ),
        (Some(name), accounts) => {
            let wanted = name.to_lowercase();
            match accounts.iter().position(|a| a.name.to_lowercase() == wanted) {
                Some(index) => Ok(index),
                None => {
                    usage(format!("no account is called {name:?}"), format!("there is {}", names.join(", ")))
                }
            }
        }
    }
}

fn account(config: &Config, index: usize) -> Result<&AccountConfig, Failure> {
    config.accounts.get(index).ok_or_else(|| Failure::Usage {
        message: "there is no such account".to_owned(),
        help: "see [[accounts]] in the configuration".to_owned(),
    })
}

fn check_version(args: &LoginArgs, version: ApiVersion) -> Result<(), Failure> {
    let flag = match (args.token_stdin, args.challenge) {
        (true, _) => "--token-stdin",
        (_, Some(_)) => "--challenge",
        (false, None) => return Ok(()),
    };
    if version == ApiVersion::V2 {
        return Ok(());
    }
    Err(Failure::Usage {
        message: format!("{flag} is for v2, and api.version is \"v1\""),
        help: "leave it out, or put version = \"v2\" under [api]".to_owned(),
    })
}

fn country(args: &LoginArgs, account: &AccountConfig) -> Result<String, Failure> {
    let Some(given) = &args.country else { return Ok(account.country.clone()) };
    let country = given.trim().to_uppercase();
    if country.len() == 2 && country.chars().all(|c| c.is_ascii_alphabetic()) {
        return Ok(country);
    }
    Err(Failure::Usage {
        message: format!("{given:?} is no country"),
        help: "it has two letters, such as --country FR".to_owned(),
    })
}

fn file(context: &Context, args: &LoginArgs, config: &Config, index: usize) -> Result<LoginFile, Failure> {
    let file = config.login_file(index)?;
    let Some(out) = &args.out else { return Ok(file) };
    let path = context.env.cwd().join(out);
    if path == file.path {
        return Ok(file);
    }
    let key = match config.api.version {
        ApiVersion::V1 => "login_token_file",
        ApiVersion::V2 => "account_id_file",
    };
    Ok(LoginFile { reads: Reads::AfterLine(format!("{key} = {:?}", path.display().to_string())), path })
}

/// A login that went well.
struct Finished {
    account_id: Option<String>,
    file: PathBuf,
    requests: u32,
    credits: u32,
}

/// Who logs in, and how they are asked.
struct Dialogue<'a> {
    args: &'a LoginArgs,
    terminal: Option<Terminal>,
    version: ApiVersion,
    name: &'a str,
    country: &'a str,
}

impl Dialogue<'_> {
    /// Says what it costs and where the result goes, and has that agreed to.
    fn agree(
        &mut self,
        config: &Config,
        session: &Session<'_>,
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
            return Err(Failure::Usage {
                message: "a login may cost credits, and there is no terminal to ask at".to_owned(),
                help: format!("--yes agrees to this: {}", price(self.version, self.args.token_stdin)),
            });
        };
        let caps = left.map_or_else(String::new, |n| format!(" Your caps leave {}.", plural(n, "credit")));
        let terms = format!(
            "A new session for the account {:?} through {} ({}, from {}).\n{}{caps}\nThe result goes to {}.\n",
            self.name,
            config.api.base_url.host_str().unwrap_or_default(),
            config.api.version.as_str(),
            self.country,
            price(self.version, self.args.token_stdin),
            destination.path().display(),
        );
        terminal.say(&terms)?;
        match terminal.ask("Go on? [y/N] ")?.to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(gave_up("not agreed to")),
        }
    }

    /// The login with all that it takes, and its result in its file.
    async fn log_in(
        &mut self,
        mut session: Session<'_>,
        destination: Destination,
    ) -> Result<Finished, Failure> {
        let came = self.requests(&mut session).await;
        let (requests, credits) = (session.requests, session.credits);
        let finished = session.finish(came.is_ok());
        let (text, account_id) = match came? {
            Came::Token(token) => (token, None),
            Came::Connected(id) => (Secret::new(&id), Some(id)),
            Came::CodeSent { .. } | Came::Challenged { .. } => return Err(no_more("another challenge")),
        };
        let file = destination.write(text.expose())?;
        // The session is there and kept: a ledger that cannot be written is said after that.
        finished?;
        Ok(Finished { account_id, file, requests, credits })
    }

    async fn requests(&mut self, session: &mut Session<'_>) -> Result<Came, Failure> {
        if self.args.token_stdin {
            let token = line_of_stdin("the token")?;
            let token = Secret::new(token.expose());
            let came = session.log_in(&self.ask(Credentials::Token(&token)), Step::Token).await?;
            return self.challenged(session, came, "").await;
        }
        let email = self.email()?;
        let password = self.password()?;
        let ask = self.ask(Credentials::Password { email: &email, password: &password });
        let came = session.log_in(&ask, Step::Password).await?;
        drop(password);
        self.challenged(session, came, &email).await
    }

    fn ask<'b>(&'b self, credentials: Credentials<'b>) -> LoginRequest<'b> {
        let challenge = match self.args.challenge {
            Some(ChallengeArg::App) => Means::App,
            Some(ChallengeArg::Code) | None => Means::Code,
        };
        LoginRequest { credentials, country: self.country, name: self.name, challenge }
    }

    /// What is still wanted after the login itself.
    async fn challenged(
        &mut self,
        session: &mut Session<'_>,
        came: Came,
        email: &str,
    ) -> Result<Came, Failure> {
        match came {
            done @ (Came::Token(_) | Came::Connected(_)) => Ok(done),
            Came::CodeSent { said } => self.code(session, &said, None, email).await,
            Came::Challenged { account_id, means: Means::Code } => {
                self.code(session, "", Some(&account_id), email).await
            }
            Came::Challenged { account_id, means: Means::App } => self.app(session, &account_id).await,
        }
    }

    /// Asks for the code that LinkedIn sent. Somebody at a terminal may mistype it; a script may not.
    async fn code(
        &mut self,
        session: &mut Session<'_>,
        said: &str,
        account_id: Option<&str>,
        email: &str,
    ) -> Result<Came, Failure> {
        let mut prompt = match said {
            "" => "LinkedIn has sent a code. Code: ".to_owned(),
            said => format!("{}\nCode: ", output::printable(said)),
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
                Err(ApiError::Refused(why)) if left > 0 && self.asks() => {
                    let price = if account_id.is_none() { "1 credit" } else { "up to 1 credit" };
                    prompt = format!("Refused: {why}\nAnother code costs {price} (nothing gives up). Code: ");
                }
                Err(error) => return Err(refused(&error, Step::Code)),
            }
        }
    }

    /// Has a login confirmed in LinkedIn's app.
    async fn app(&mut self, session: &mut Session<'_>, account_id: &str) -> Result<Came, Failure> {
        // An account that was connected all the time says nothing about the confirmation.
        let telling = !session.is_connected(account_id).await;
        let connected = match &mut self.terminal {
            Some(terminal) => {
                terminal.ask("Confirm the login in LinkedIn's app, then press Enter. ")?;
                telling && session.is_connected(account_id).await
            }
            None => {
                tracing::info!(
                    seconds = self.args.wait,
                    "waiting for the login to be confirmed in LinkedIn's app"
                );
                let most = Duration::from_secs(self.args.wait);
                if telling {
                    session.wait_until_connected(account_id, most).await
                } else {
                    tokio::time::sleep(most).await;
                    false
                }
            }
        };
        if connected {
            return Ok(Came::Connected(account_id.to_owned()));
        }
        let challenge = Challenge::V2 { account_id, code: None };
        session.pass(&challenge).await?.map_err(|error| refused(&error, Step::App))
    }

    /// Whether somebody is there to be asked for a code.
    fn asks(&self) -> bool {
        self.terminal.is_some() && !self.args.code_stdin
    }

    fn email(&mut self) -> Result<String, Failure> {
        let email = match (&self.args.email, &mut self.terminal) {
            (Some(email), _) => email.trim().to_owned(),
            (None, Some(terminal)) => terminal.ask("Your address at LinkedIn: ")?,
            (None, None) => return Err(no_terminal("--email ADDRESS")),
        };
        if email.is_empty() { Err(gave_up("no address was given")) } else { Ok(email) }
    }

    fn password(&mut self) -> Result<Secret, Failure> {
        let password = match &mut self.terminal {
            _ if self.args.password_stdin => line_of_stdin("the password")?,
            Some(terminal) => terminal.ask_hidden("Password (not shown): ")?,
            None => return Err(no_terminal("--password-stdin")),
        };
        if password.is_empty() { Err(gave_up("no password was given")) } else { Ok(password) }
    }

    fn one_code(&mut self, prompt: &str) -> Result<Secret, Failure> {
        let code = match &mut self.terminal {
            _ if self.args.code_stdin => line_of_stdin("the code")?,
            Some(terminal) => terminal.ask_hidden(prompt)?,
            None => return Err(no_more("a code that it has sent")),
        };
        let code = Secret::new(code.expose());
        if code.is_empty() { Err(gave_up("no code was given")) } else { Ok(code) }
    }
}

/// What it may cost, in a sentence or two.
fn price(version: ApiVersion, by_token: bool) -> &'static str {
    match (version, by_token) {
        (ApiVersion::V1, _) => {
            "The login counts as 1 credit, and so does each code that it may ask for; v1 charges failures, too."
        }
        (ApiVersion::V2, false) => {
            "The login may cost 1 credit, and so may passing the challenge that it may ask for; failures are free."
        }
        (ApiVersion::V2, true) => {
            "Connecting a session that holds should be free; 1 credit is set aside until the answer says so."
        }
    }
}

fn no_terminal(flag: &str) -> Failure {
    Failure::Usage {
        message: "there is no terminal to ask at".to_owned(),
        help: format!("give {flag}, or run it at a terminal"),
    }
}

/// LinkedIn wants something that cannot be had.
fn no_more(what: &str) -> Failure {
    Failure::Login {
        message: format!("LinkedIn asks for {what}"),
        help: "run `archiver login` at a terminal, or with --code-stdin and the code on standard input"
            .to_owned(),
        refused: true,
    }
}

/// What has to be done before the new session is used.
fn todo(reads: &Reads, country: &str, account: &AccountConfig, done: &Finished) -> Option<String> {
    let mut todo = Vec::new();
    match reads {
        Reads::Yes => {}
        Reads::AfterLine(line) => {
            todo.push(format!("put this under [[accounts]] of {:?}: {line}", account.name))
        }
        // It says the same already.
        Reads::NotBefore(_) if done.account_id.is_some() && done.account_id == account.account_id => {}
        Reads::NotBefore(place) => {
            let line = done.account_id.as_ref().map(|id| format!(", or make it account_id = {id:?}"));
            todo.push(format!("take away what goes before the file: {place}{}", line.unwrap_or_default()));
        }
    }
    if country != account.country {
        todo.push(format!("put this under [[accounts]] of {:?}: country = {country:?}", account.name));
    }
    (!todo.is_empty()).then(|| todo.join("; "))
}

fn show(
    out: &mut Output,
    json: bool,
    config: &Config,
    account: &AccountConfig,
    done: &Finished,
    todo: Option<String>,
) -> Result<(), Failure> {
    if json {
        return out.json(&Done {
            account: &account.name,
            version: config.api.version.as_str(),
            status: "connected",
            account_id: done.account_id.as_deref(),
            file: done.file.clone(),
            todo,
            requests: done.requests,
            credits_spent: done.credits,
        });
    }
    let what = match &done.account_id {
        Some(id) => format!("The account's id is {id}, which"),
        None => "The login token".to_owned(),
    };
    out.line(format!("{what} is in {} (mode 600).", done.file.display()))?;
    if let Some(id) = &done.account_id {
        out.line(format!("For a service that cannot read that file: account_id = {id:?}"))?;
    }
    if let Some(todo) = todo {
        out.line(format!("Now {todo}"))?;
    }
    let (requests, credits) = (plural(done.requests, "request"), plural(done.credits, "credit"));
    out.line(format!("{requests}, {credits}. Next: archiver check"))
}
