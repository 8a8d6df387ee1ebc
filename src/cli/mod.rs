//! The command line: parses it, runs the command, and reports failures and the exit code.

mod args;
mod commands;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::args::{Cli, Command};
use self::commands::{
    backup, changes, check, completions, default_config, erase, export, import, lake, login, mcp, notify,
    people, plan, restore, search, serve, show, sql, stats, status, sync, verify,
};
#[cfg(feature = "demo")]
use self::commands::{demo, fake_api};
use self::ui::output;
use self::ui::style::Style;
use crate::app::Context;
use crate::config::Env;
use crate::error::Failure;
use crate::logging;

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
        // `archiver … | head` has got what it wanted.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::report(&failure, style, journal);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Prints help, the version or a usage error: clap knows which goes to which stream.
fn show_usage(error: &clap::Error) -> ExitCode {
    // If standard error cannot be written, there is nowhere to report that.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn start(cli: Cli, env: Env, journal: bool) -> Result<(), Failure> {
    let usage = |message: String| Failure::usage(message, "run `archiver --help`");
    let filter = match &cli.global.log_level {
        Some(given) => Ok(given.clone()),
        // The demo says itself what its runs did.
        #[cfg(feature = "demo")]
        None if matches!(cli.command, Command::Demo) && env.text("ARCHIVER_LOG_LEVEL").is_none() => {
            "warn".parse()
        }
        None => logging::from_env(&env, "ARCHIVER_LOG_LEVEL"),
    };
    let format = cli.global.log_format.map_or_else(|| logging::from_env(&env, "ARCHIVER_LOG_FORMAT"), Ok);
    let colour = Style::for_stderr(&env).is_on();
    logging::init(&filter.map_err(usage)?, format.map_err(usage)?, colour, journal);
    dispatch(&Context { env, config: cli.global.config, archive: cli.global.archive }, cli.command)
}

fn dispatch(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Sync(args) => sync::run(context, &args),
        Command::Plan(args) => plan::run(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::Status(args) => status::run(context, &args),
        Command::Search(args) => search::run(context, &args),
        Command::Show(args) => show::run(context, &args),
        Command::Serve(args) => serve::run(context, &args),
        Command::Mcp(args) => mcp::run(context, &args),
        Command::Sql(args) => sql::run(context, &args),
        Command::Changes(args) => changes::run(context, &args),
        Command::Notify(args) => notify::run(context, &args),
        Command::Erase(args) => erase::run(context, &args),
        Command::Export(args) => export::run(context, &args),
        Command::Lake(args) => lake::run(context, &args),
        Command::Check(args) => check::run(context, &args),
        Command::People(args) => people::run(context, &args),
        Command::Stats(args) => stats::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Backup(args) => backup::run(context, &args),
        Command::Restore(args) => restore::run(context, &args),
        Command::Login(args) => login::run(context, &args),
        #[cfg(feature = "demo")]
        Command::Demo => demo::run(context),
        #[cfg(feature = "demo")]
        Command::FakeApi(args) => fake_api::run(context, &args),
        Command::DefaultConfig => default_config::run(context),
        Command::Completions(args) => completions::completions(context, Cli::command(), &args),
        Command::Man(args) => completions::man(context, Cli::command(), &args),
    }
}
