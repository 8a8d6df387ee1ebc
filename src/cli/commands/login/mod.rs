//! `archiver login`: starts a new LinkedIn session, interactively or from a script. Nothing else ever does.

mod destination;
mod flow;
mod session;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::destination::Destination;
use self::flow::{Finished, LoginFlow};
use self::session::LoginSession;
use crate::app::{Context, runtime, wiring};
use crate::cli::ui::account::choose;
use crate::cli::ui::output::Output;
use crate::cli::ui::terminal::Terminal;
use crate::config::{AccountConfig, ApiVersion, Config, LoginFile, Reads};
use crate::core::budget::Purse;
use crate::core::format::plural;
use crate::error::Failure;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoginArgs {
    /// The account; needed if several are configured
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    /// Email address of your LinkedIn account
    #[arg(long, value_name = "ADDRESS", conflicts_with = "token_stdin")]
    pub(crate) email: Option<String>,

    /// Read the password from standard input
    #[arg(long, conflicts_with = "token_stdin")]
    pub(crate) password_stdin: bool,

    /// Read the code from standard input, when needed
    ///
    /// Standard input has one line each: the password or token, then the code. The second line is read only once
    /// LinkedIn has sent a code, so it may arrive later.
    #[arg(long)]
    pub(crate) code_stdin: bool,

    /// Read a v1 login token from standard input (v2)
    #[arg(long)]
    pub(crate) token_stdin: bool,

    /// Country to log in from [default: the account's]
    #[arg(long, value_name = "XX")]
    pub(crate) country: Option<String>,

    /// Proof of identity (v2): code or app [default: code]
    #[arg(long, value_name = "WAY", value_enum, hide_possible_values = true)]
    pub(crate) challenge: Option<ChallengeArg>,

    /// Without a terminal, wait SECS for approval in the app
    ///
    /// Then one more request completes the login.
    #[arg(long, value_name = "SECS", default_value_t = 120, hide_short_help = true)]
    pub(crate) wait: u64,

    /// Where to write the token (v1) or the account id (v2)
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,

    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--challenge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChallengeArg {
    Code,
    App,
}

const EXAMPLES: &str = "\
Examples:
  archiver login   asks for everything it needs, and before it spends credits
  archiver login --yes --email me@example.org --password-stdin < password";

#[derive(Debug, Serialize)]
struct LoginReport<'a> {
    account: &'a str,
    version: &'static str,
    status: &'static str,
    account_id: Option<String>,
    file: PathBuf,
    /// What you have to do before the file is used; null if nothing.
    todo: Option<String>,
    requests: u32,
    credits_spent: u32,
}

pub(crate) fn run(context: &Context, args: &LoginArgs) -> Result<(), Failure> {
    let mut config = context.config(None)?;
    let loaded = config.load_api_key();
    context.warn(&config);
    loaded?;
    let none = "add [[accounts]] with a name to the configuration first";
    let (index, account) = choose(&config.accounts, |a| &a.name, args.account.as_deref(), none)?;
    check_version(args, config.api.version)?;
    let country = country(args, account)?;
    let file = file(context, args, &config, index)?;
    let destination = Destination::prepare(&file.path)?;
    let terminal = Terminal::open();
    let purse = Purse { all: config.budget.caps(), account: account.caps() };
    let (api, version) = (wiring::api(&config)?, config.api.version);
    let session = LoginSession::new(api, version, &config.archive.path, &account.name, purse)?;
    let mut flow = LoginFlow { args, terminal, version, name: &account.name, country: &country };
    flow.agree(&config, &session, &destination)?;
    let done = runtime()?.block_on(flow.log_in(session, destination))?;
    let todo = todo(&file.reads, &country, account, &done);
    let report = LoginReport {
        account: &account.name,
        version: version.as_str(),
        status: "connected",
        account_id: done.account_id,
        file: done.file,
        todo,
        requests: done.requests,
        credits_spent: done.credits,
    };
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&report) } else { show(&mut out, &report) }
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
    Err(Failure::usage(
        format!("{flag} needs v2, but api.version is \"v1\""),
        "remove it, or set version = \"v2\" under [api]",
    ))
}

fn country(args: &LoginArgs, account: &AccountConfig) -> Result<String, Failure> {
    let Some(given) = &args.country else { return Ok(account.country.clone()) };
    let country = given.trim().to_uppercase();
    if country.len() == 2 && country.chars().all(|c| c.is_ascii_alphabetic()) {
        return Ok(country);
    }
    Err(Failure::usage(format!("{given:?} is not a country code"), "use two letters, such as --country FR"))
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

/// What the user has to do before the new session is used.
fn todo(reads: &Reads, country: &str, account: &AccountConfig, done: &Finished) -> Option<String> {
    let mut todo = Vec::new();
    match reads {
        Reads::Yes => {}
        Reads::AfterLine(line) => {
            todo.push(format!("add to the account {:?} in the configuration: {line}", account.name))
        }
        // It has the same value already.
        Reads::NotBefore(_) if done.account_id.is_some() && done.account_id == account.account_id => {}
        Reads::NotBefore(place) => {
            let line = done.account_id.as_ref().map(|id| format!(", or change it to account_id = {id:?}"));
            todo.push(format!("remove what overrides the file: {place}{}", line.unwrap_or_default()));
        }
    }
    if country != account.country {
        todo.push(format!(
            "add to the account {:?} in the configuration: country = {country:?}",
            account.name
        ));
    }
    (!todo.is_empty()).then(|| todo.join("; "))
}

fn show(out: &mut Output, report: &LoginReport<'_>) -> Result<(), Failure> {
    let what = match &report.account_id {
        Some(id) => format!("Wrote the account id {id}"),
        None => "Wrote the login token".to_owned(),
    };
    out.line(format!("{what} to {} (mode 600).", report.file.display()))?;
    if let Some(id) = &report.account_id {
        out.line(format!("If the service cannot read that file, configure account_id = {id:?}"))?;
    }
    if let Some(todo) = &report.todo {
        out.line(format!("To do: {todo}"))?;
    }
    let (requests, credits) = (plural(report.requests, "request"), plural(report.credits_spent, "credit"));
    out.line(format!("{requests}, {credits}. Next, run `archiver check`."))
}
