//! The command line: parse, dispatch, say what went wrong, and an exit code.

pub mod args;
pub mod commands;
pub mod ui;

use crate::cli::commands::backup;
use crate::cli::commands::check;
use crate::cli::commands::completions;
use crate::cli::commands::demo;
use crate::cli::commands::export;
use crate::cli::commands::fake_api;
use crate::cli::commands::import;
use crate::cli::commands::login;
use crate::cli::commands::people;
use crate::cli::commands::plan;
use crate::cli::commands::search;
use crate::cli::commands::show;
use crate::cli::commands::sql;
use crate::cli::commands::stats;
use crate::cli::commands::status;
use crate::cli::commands::sync;
use crate::cli::commands::verify;
use crate::cli::ui::output;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::app::Context;
use crate::config::{DEFAULT_TOML, Env};
use crate::error::{Failure, explain};
use crate::logging;

use self::args::{Cli, Command};
use self::ui::output::{Output, Style};

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
    dispatch(&Context { env, config: cli.global.config }, cli.command)
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
        #[cfg(feature = "demo")]
        Command::Demo(_) => demo::run(context),
        #[cfg(feature = "demo")]
        Command::FakeApi(args) => fake_api::run(context, &args),
        Command::DefaultConfig => Output::stdout(&context.env).text(DEFAULT_TOML),
        Command::Completions(args) => completions::completions(&mut Output::stdout(&context.env), &args),
        Command::Man(args) => completions::man(&mut Output::stdout(&context.env), &args),
    }
}
