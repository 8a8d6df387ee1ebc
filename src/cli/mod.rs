//! The command line: parse, dispatch, say what went wrong, and an exit code.

pub mod ahead;
pub mod args;
pub mod backup;
pub mod charts;
pub mod chat;
pub mod check;
pub mod completions;
pub mod dates;
pub mod demo;
pub mod export;
pub mod fake_api;
pub mod import;
pub mod login;
pub mod output;
pub mod pager;
pub mod people;
pub mod plan;
pub mod progress;
pub mod reading;
pub mod search;
pub mod show;
pub mod sql;
pub mod stats;
pub mod status;
pub mod sync;
pub mod verify;
pub mod wiring;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::config::{Config, DEFAULT_TOML, Env, Flags};
use crate::error::{Failure, explain};
use crate::logging;

use self::args::{Cli, Command, GlobalArgs};
use self::output::{Output, Style};

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// The environment that the program was started in.
    pub env: Env,
    /// The flags that every command takes.
    pub global: GlobalArgs,
}

impl Context {
    /// Loads the configuration. `budget` is the command line's cap on this run.
    ///
    /// Its warnings are the caller's to pass to [`Context::warn`], once nothing more can add to them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn config(&self, budget: Option<u32>) -> Result<Config, Failure> {
        let flags = Flags { config: self.global.config.clone(), budget };
        Ok(Config::load(&flags, &self.env)?)
    }

    /// Loads the configuration and the secrets that talking to the API takes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong or missing.
    pub fn config_with_secrets(&self, budget: Option<u32>) -> Result<Config, Failure> {
        let mut config = self.config(budget)?;
        let loaded = config.load_secrets();
        self.warn(&config);
        loaded?;
        Ok(config)
    }

    /// Prints a configuration's warnings, to the log.
    pub fn warn(&self, config: &Config) {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Standard output for many lines: gathered before they are written, unless somebody looks on.
    /// [`Output::finish`] writes the last.
    #[must_use]
    pub fn bulk_output(&self) -> Output {
        Output::in_bulk(&self.env)
    }

    /// Standard output.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::stdout(&self.env)
    }
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let env = Env::of_process();
    let (style, journal) = (Style::for_stderr(&env), logging::goes_to_journal(&env));
    let outcome = match Cli::try_parse_from(args) {
        Ok(cli) => start(cli, env, journal),
        Err(error) => return show_usage(&error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads only the beginning has got what was wanted.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let explanation = explain(&failure);
            output::complain(&explanation, style, journal);
            ExitCode::from(explanation.code)
        }
    }
}

/// Help, version, or what is wrong with the arguments: clap knows which goes where.
fn show_usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told that this could not be printed.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn start(cli: Cli, env: Env, journal: bool) -> Result<(), Failure> {
    let usage = |message| Failure::Usage { message, help: "see `archiver --help`".into() };
    let filter = match &cli.global.log_level {
        Some(given) => Ok(given.clone()),
        // The demo says itself what its runs did.
        None if matches!(cli.command, Command::Demo(_)) && env.text("ARCHIVER_LOG_LEVEL").is_none() => {
            "warn".parse()
        }
        None => logging::from_env(&env, "ARCHIVER_LOG_LEVEL"),
    };
    let format = cli.global.log_format.map_or_else(|| logging::from_env(&env, "ARCHIVER_LOG_FORMAT"), Ok);
    let colour = Style::for_stderr(&env).is_on();
    logging::init(&filter.map_err(usage)?, format.map_err(usage)?, colour, journal);
    dispatch(&Context { env, global: cli.global }, cli.command)
}

fn dispatch(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Sync(args) => sync::run(context, &args),
        Command::Plan(args) => plan::run(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::Status(args) => status::run(context, &args),
        Command::Search(args) => search::run(context, &args),
        Command::Show(args) => show::run(context, &args),
        Command::Sql(args) => sql::run(context, &args),
        Command::Export(args) => export::run(context, &args),
        Command::Check(args) => check::run(context, &args),
        Command::People(args) => people::run(context, &args),
        Command::Stats(args) => stats::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Backup(args) => backup::run(context, &args),
        Command::Login(args) => login::run(context, &args),
        Command::Demo(_) => demo::run(context),
        Command::FakeApi(args) => fake_api::run(context, &args),
        Command::DefaultConfig => context.output().text(DEFAULT_TOML),
        Command::Completions(args) => completions::completions(&mut context.output(), &args),
        Command::Man(args) => completions::man(&mut context.output(), &args),
    }
}
