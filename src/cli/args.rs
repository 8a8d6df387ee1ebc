//! The command line: the commands, the flags that all of them take, and the help of the program itself.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cli::commands::{
    backup::BackupArgs, changes::ChangesArgs, check::CheckArgs, completions::CompletionsArgs,
    completions::ManArgs, default_config, erase::EraseArgs, export::ExportArgs, import::ImportArgs,
    lake::LakeArgs, login::LoginArgs, mcp::McpArgs, notify::NotifyArgs, people::PeopleArgs, plan::PlanArgs,
    restore::RestoreArgs, search::SearchArgs, serve::ServeArgs, show::ShowArgs, sql::SqlArgs,
    stats::StatsArgs, status::StatusArgs, sync::SyncArgs, verify::VerifyArgs,
};
#[cfg(feature = "demo")]
use crate::cli::commands::{demo, fake_api::FakeApiArgs};
use crate::logging::{LogFilter, LogFormat};

const START: &str = "New here? Try `archiver demo`. `archiver --help` has examples and exit codes.";

const EXAMPLES_AND_CODES: &str = "\
Examples:
  archiver demo                             try it: no key, no credits, no network
  archiver default-config > archiver.toml   write a configuration to edit
  archiver check                            check configuration and credentials, for free
  archiver sync --once --dry-run            show what a run would request and cost
  archiver sync --once                      run once

Data goes to standard output, everything else to standard error.

Exit codes:
  0   success, also when the budget ended the run
  1   a check failed
  2   bad usage
  69  the API could not be reached or kept failing; or no service is running,
      or `serve` cannot listen
  73  the archive or another file cannot be created
  74  the archive cannot be read or written
  75  another process is syncing this archive
  77  the API refused the credentials
  78  bad configuration
  130 interrupted by Ctrl-C; other signals: 128 plus the signal's number
If some conversations fail, the others are still synced, and the exit code is that
of the worst failure.";

/// A command's own flags come first in its help, those of all commands after them.
const LAST: usize = 1000;

/// Archive your own LinkedIn conversations in one SQLite file, through LinkupAPI
#[derive(Debug, Parser)]
#[command(name = "archiver", version, after_help = START, after_long_help = EXAMPLES_AND_CODES)]
#[command(max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Configuration file [default: ./archiver.toml, …]
    ///
    /// If not given, the first of these that exists: $ARCHIVER_CONFIG, ./archiver.toml,
    /// $XDG_CONFIG_HOME/archiver/archiver.toml, /etc/archiver/archiver.toml.
    #[arg(long, global = true, value_name = "PATH", display_order = LAST)]
    pub(crate) config: Option<PathBuf>,

    /// Archive to use instead of the configured one
    ///
    /// For example a backup, which can be read without a configuration.
    #[arg(long, global = true, value_name = "PATH", hide_short_help = true, display_order = LAST)]
    pub(crate) archive: Option<PathBuf>,

    /// error, warn, info, debug or trace [default: info]
    ///
    /// Also accepts off, or filter directives such as warn,archiver::sync=trace. Defaults to $ARCHIVER_LOG_LEVEL.
    /// Libraries never log below info.
    #[arg(long, global = true, value_name = "LEVEL", display_order = LAST)]
    pub(crate) log_level: Option<LogFilter>,

    /// text or json [default: text]
    ///
    /// The log goes to standard error. Defaults to $ARCHIVER_LOG_FORMAT.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        hide_short_help = true,
        display_order = LAST
    )]
    pub(crate) log_format: Option<LogFormat>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download what is missing, within the budget
    Sync(SyncArgs),
    /// Forecast the next run, its cost and when the archive will be complete
    Plan(PlanArgs),
    /// Import history you already have; costs no credits
    Import(ImportArgs),
    /// Show what is archived, what is missing and what was spent
    Status(StatusArgs),
    /// Search messages
    Search(SearchArgs),
    /// Read a conversation
    Show(ShowArgs),
    /// Read and search in a browser (read-only)
    Serve(ServeArgs),
    /// Let an assistant read and search (MCP, read-only)
    Mcp(McpArgs),
    /// Query the archive with SQL (read-only)
    Sql(SqlArgs),
    /// Print changed messages as JSON, and follow changes
    Changes(ChangesArgs),
    /// Test, show and retry notifications
    Notify(NotifyArgs),
    /// Erase messages for good, and never fetch them again
    Erase(EraseArgs),
    /// Export as JSON Lines, CSV, HTML, Parquet, Markdown or Delta
    Export(ExportArgs),
    /// Push to Delta Lake tables, and compare
    Lake(LakeArgs),
    /// Check configuration, credentials and balance, for free
    Check(CheckArgs),
    /// List contacts, message counts and response times
    People(PeopleArgs),
    /// Chart messages over time, unanswered messages and credits
    Stats(StatsArgs),
    /// Check the archive's integrity (read-only)
    Verify(VerifyArgs),
    /// Back up the archive; safe while a sync runs
    Backup(BackupArgs),
    /// Replace the archive with a backup
    Restore(RestoreArgs),
    /// Log in to LinkedIn; asks before it spends credits
    Login(LoginArgs),
    /// Try it on made-up data: no key, no credits, no network
    #[cfg(feature = "demo")]
    #[command(after_help = demo::EXAMPLES)]
    Demo,
    /// Run the fake LinkupAPI that the demo uses
    #[cfg(feature = "demo")]
    FakeApi(FakeApiArgs),
    /// Print a configuration file with every key explained
    #[command(after_help = default_config::EXAMPLES)]
    DefaultConfig,
    /// Print a shell completion script
    Completions(CompletionsArgs),
    /// Print the manual pages
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn sync(args: &[&str]) -> Result<SyncArgs, clap::Error> {
        let command = SyncArgs::augment_args(clap::Command::new("sync").no_binary_name(true));
        <SyncArgs as clap::FromArgMatches>::from_arg_matches(&command.try_get_matches_from(args)?)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_fits_eighty_columns_and_the_short_one_a_screen() {
        for (name, command) in [("archiver".to_owned(), Cli::command())].into_iter().chain(leaves()) {
            let mut command = command.term_width(80);
            let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
            for line in short.lines().chain(long.lines()) {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{name}: {line}");
            }
            // A screen is 24 lines, of which the shell's prompt wants one; the list of all commands may be longer.
            let most = if name == "archiver" { 40 } else { 23 };
            assert!(short.lines().count() <= most, "{name}:\n{short}");
        }
    }

    /// Every command that does something, with those of `import`, by what is typed.
    fn leaves() -> Vec<(String, clap::Command)> {
        let mut root = Cli::command();
        root.build();
        let (mut left, mut leaves) = (vec![(String::new(), root)], Vec::new());
        while let Some((name, command)) = left.pop() {
            let below = |c: &clap::Command| (format!("{name} {}", c.get_name()).trim().to_owned(), c.clone());
            left.extend(command.get_subcommands().map(below));
            if !command.has_subcommands() {
                leaves.push((name, command));
            }
        }
        leaves
    }

    #[test]
    fn every_command_has_an_example_of_itself() {
        for (name, command) in leaves() {
            for help in [command.get_after_help(), command.get_after_long_help()] {
                let Some(help) = help.map(ToString::to_string) else { continue };
                let (_, examples) =
                    help.split_once("Examples:\n").unwrap_or_else(|| panic!("{name}: {help}"));
                assert!(examples.contains(&format!("  archiver {name}")), "{name}: {help}");
            }
            assert!(command.get_after_help().is_some(), "{name} has no example");
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        for (name, command) in leaves() {
            let help = command.get_after_long_help().or(command.get_after_help()).unwrap().to_string();
            for line in help.lines().filter_map(|l| l.strip_prefix("  archiver ")) {
                let line = line.split("  ").next().unwrap_or_default();
                let line = line.split(['|', '<', '>']).next().unwrap_or_default();
                let words: Vec<String> = shell_words(&format!("archiver {line}"));
                let parsed = Cli::try_parse_from(&words);
                assert!(parsed.is_ok(), "{name}: {words:?}: {}", parsed.unwrap_err());
            }
        }
    }

    /// Words between blanks, or within single quotes.
    fn shell_words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn a_flag_of_several_commands_means_and_is_called_the_same() {
        // What each command does with them is its own: how many of what, what it leaves undone, where to.
        let own = ["limit", "dry-run", "budget", "out", "check"];
        let mut seen = std::collections::BTreeMap::new();
        for (name, command) in leaves() {
            for flag in command.get_arguments().filter(|a| a.get_long().is_some()) {
                let long = flag.get_long().unwrap();
                let value: Vec<String> =
                    flag.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
                let value = if flag.get_action().takes_values() { value.join(" ") } else { String::new() };
                assert_eq!(value.to_uppercase(), value, "{name} --{long}");
                let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty() && !help.ends_with('.'), "{name} --{long}: {help}");
                let help = if own.contains(&long) { String::new() } else { help };
                // One object, or one per line: each in the same words everywhere.
                let key = match long {
                    "json" => format!("json, {}", help.contains("per line")),
                    // A number of a change, everywhere else a date.
                    "since" if name == "changes" => "since a change".to_owned(),
                    long => long.to_owned(),
                };
                let said = (flag.get_short(), value, help);
                let first = seen.entry(key).or_insert_with(|| (name.clone(), said.clone()));
                assert_eq!(first.1, said, "--{long} of {} and of {name}", first.0);
            }
        }
        assert!(seen.len() > 30);
    }

    #[test]
    fn flags_of_all_commands_come_last() {
        for (name, mut command) in leaves() {
            let help = command.render_help().to_string();
            let place = |flag: &str| help.find(flag).unwrap_or_else(|| panic!("{name}: {help}"));
            let own = command.get_arguments().filter(|a| !a.is_global_set() && !a.is_hide_short_help_set());
            for flag in
                own.filter_map(clap::Arg::get_long).filter(|long| !matches!(*long, "help" | "version"))
            {
                assert!(place(&format!("--{flag}")) < place("--config <PATH>"), "{name} --{flag}");
            }
        }
    }

    #[test]
    fn what_is_about_one_run_goes_with_once_alone() {
        assert!(!sync(&[]).unwrap().once && sync(&["--now"]).unwrap().now);
        assert_eq!(sync(&["--now", "--once"]).unwrap_err().exit_code(), 2);
        for flag in [["--budget", "5"].as_slice(), &["--dry-run"], &["--json"], &["--only", "x"]] {
            assert_eq!(sync(flag).unwrap_err().exit_code(), 2, "{flag:?}");
        }
    }

    #[test]
    fn sync_takes_its_flags() {
        let args =
            sync(&["--once", "--budget", "0", "--only", "a", "--only", "b", "--dry-run", "--json"]).unwrap();
        assert_eq!(
            (args.budget, args.only.as_slice()),
            (Some(0), ["a".to_owned(), "b".to_owned()].as_slice())
        );
        assert!(args.dry_run && args.json);
        assert!(sync(&["--once", "--budget", "-1"]).is_err());
    }

    #[test]
    fn global_flags_may_stand_on_either_side_of_the_command() {
        for args in [
            ["archiver", "--config", "a.toml", "--log-level", "debug", "man"],
            ["archiver", "man", "--config", "a.toml", "--log-level", "debug"],
        ] {
            let cli = Cli::try_parse_from(args).unwrap();
            assert_eq!(cli.global.config, Some("a.toml".into()));
            assert_eq!(cli.global.log_level, Some("debug".parse().unwrap()));
        }
        let error = Cli::try_parse_from(["archiver", "man", "--log-level", "debg"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
