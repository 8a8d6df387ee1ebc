//! The command line: every command, every flag and what `--help` says about them.

use crate::cli::commands::backup;
use crate::cli::commands::people;
use crate::cli::commands::search;
use crate::cli::commands::show;
use crate::cli::commands::sql;
use crate::cli::commands::stats;
use crate::cli::commands::verify;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::commands::export::ExportArgs;
use crate::cli::commands::import::ImportArgs;
use crate::cli::commands::login::LoginArgs;
use crate::cli::commands::plan::PlanArgs;
use crate::logging::{LogFilter, LogFormat};

const BEGIN: &str = "Begin with `archiver demo`; `archiver --help` says more.";

const MORE: &str = "\
Examples:
  archiver demo                             how it works: no key, no credits
  archiver default-config > archiver.toml   a configuration to begin with
  archiver check                            is everything well? spends nothing
  archiver sync --once --dry-run            what a run would ask for and cost
  archiver sync --once                      a run

Data goes to standard output, everything else to standard error.

Exit codes:
  0   done as asked, also when the budget ended the run
  1   a check found something wrong
  2   bad usage
  69  the API could not be reached or kept failing; or there is no service to ask
  73  the archive cannot be created
  74  the archive cannot be written
  75  another process is syncing this archive
  77  the API refused the credentials
  78  bad configuration
When some targets failed and others not, the rest is still synced and the code is
that of the worst failure.";

/// A command's own flags come first in its help, those of all commands after them.
const LAST: usize = 1000;

/// A gap-free, credit-frugal archive of your own LinkedIn conversations.
#[derive(Debug, Parser)]
#[command(name = "archiver", version, after_help = BEGIN, after_long_help = MORE, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Configuration file [default: ./archiver.toml, …]
    ///
    /// Without it: $ARCHIVER_CONFIG, ./archiver.toml, $XDG_CONFIG_HOME/archiver/archiver.toml,
    /// /etc/archiver/archiver.toml, whichever is there first.
    #[arg(long, global = true, value_name = "PATH", display_order = LAST)]
    pub config: Option<PathBuf>,

    /// error, warn, info, debug, trace [default: info]
    ///
    /// Or off, or filter directives such as warn,archiver::sync=trace. Without it: $ARCHIVER_LOG_LEVEL. Libraries
    /// never say more than info.
    #[arg(long, global = true, value_name = "LEVEL", display_order = LAST)]
    pub log_level: Option<LogFilter>,

    /// text or json [default: text]
    ///
    /// How the log on standard error is written. Without it: $ARCHIVER_LOG_FORMAT.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        hide_short_help = true,
        display_order = LAST
    )]
    pub log_format: Option<LogFormat>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch what is missing, within the budget
    Sync(SyncArgs),
    /// What comes next, its cost, and when it is whole
    Plan(PlanArgs),
    /// Add history that you have already: no credits
    Import(ImportArgs),
    /// What is archived, what is missing, what was spent
    Status(StatusArgs),
    /// Find messages by their words
    Search(search::SearchArgs),
    /// Read a conversation
    Show(show::ShowArgs),
    /// Ask the archive in SQL; changes nothing
    Sql(sql::SqlArgs),
    /// Take it out as JSON Lines, CSV, pages, Parquet or Markdown
    Export(ExportArgs),
    /// Is everything well? Spends nothing
    Check(CheckArgs),
    /// Who you talk to, how much, and how fast who answers
    People(people::PeopleArgs),
    /// Months, hours, who waits for whom, credits
    Stats(stats::StatsArgs),
    /// Does the archive keep its promises? Reads only
    Verify(verify::VerifyArgs),
    /// Copy the archive, also while a sync runs
    Backup(backup::BackupArgs),
    /// A new session with LinkedIn; asks before it spends
    Login(LoginArgs),
    /// A guided first run: no key, no credits
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Serve the made-up LinkupAPI that the demo uses
    #[cfg(feature = "demo")]
    FakeApi(FakeApiArgs),
    /// Print a configuration to begin with, every key explained
    #[command(after_help = DEFAULT_CONFIG_EXAMPLES)]
    DefaultConfig,
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual pages
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

/// `archiver sync`.
#[derive(Debug, Clone, Args)]
#[command(after_help = SYNC_EXAMPLES)]
pub struct SyncArgs {
    /// One run now, then exit
    #[arg(long)]
    pub once: bool,

    /// A run at once, by the service that is running
    #[arg(long, conflicts_with = "once")]
    pub now: bool,

    /// Spend at most N credits in this run; never raises a configured cap
    #[arg(long, value_name = "N", requires = "once")]
    pub budget: Option<u32>,

    /// Only this conversation; may be given several times
    ///
    /// A conversation's URN, its thread id (2-…), a profile URL, a configured name, or a part of the other
    /// side's name that fits only one.
    #[arg(long, value_name = "TARGET", requires = "once")]
    pub only: Vec<String>,

    /// Print the plan and its cost; spend nothing
    #[arg(long, requires = "once")]
    pub dry_run: bool,

    /// Print it as one JSON object
    #[arg(long, requires = "once")]
    pub json: bool,
}

const SYNC_EXAMPLES: &str = "\
Examples:
  archiver sync                                 the service, on its schedule
  archiver sync --once                          one run within the budget
  archiver sync --once --dry-run                what that would ask for and cost
  archiver sync --once --budget 5 --only Béla   5 credits for one conversation
  archiver sync --once --json | jq .horizon     since when nothing is missing";

/// `archiver status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = STATUS_EXAMPLES)]
pub struct StatusArgs {
    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,

    /// Write it as a page with charts, one file that fetches nothing
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  archiver status
  archiver status --html status.html
  archiver status --json | jq '.conversations[] | select(.gaps > 0)'";

/// `archiver check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  archiver check                    exit code 0 when everything is well
  archiver check --config new.toml  before it replaces the old one";

/// `archiver demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
#[command(after_help = DEMO_EXAMPLES)]
pub struct DemoArgs {}

#[cfg(feature = "demo")]
const DEMO_EXAMPLES: &str = "\
Examples:
  archiver demo   no key, no credits, no network";

/// `archiver fake-api`.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Args)]
#[command(after_help = FAKE_API_EXAMPLES)]
pub struct FakeApiArgs {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = 8910)]
    pub port: u16,

    /// What its conversations are made from; the same seed, the same conversations
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[cfg(feature = "demo")]
const FAKE_API_EXAMPLES: &str = "\
Examples:
  archiver fake-api                    to be used as base_url = \"http://127.0.0.1:8910\"
  archiver fake-api --port 0 --seed 7  the address is printed";

const DEFAULT_CONFIG_EXAMPLES: &str = "\
Examples:
  archiver default-config > archiver.toml   then fill in ten lines and run `archiver check`";

/// `archiver completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  archiver completions bash > /etc/bash_completion.d/archiver
  archiver completions fish > ~/.config/fish/completions/archiver.fish";

/// `archiver man`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Write one file for each page into this folder, which must exist
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  archiver man | man -l -
  archiver man --out /usr/share/man/man1";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// The commands of these arguments, wired or not.
    fn all_commands() -> Vec<clap::Command> {
        let mut root = Cli::command();
        root.build();
        let mut commands: Vec<clap::Command> = root.get_subcommands().cloned().collect();
        commands.push(root);
        let alone = |name: &'static str| clap::Command::new(name);
        commands.extend([
            SyncArgs::augment_args(alone("sync")),
            StatusArgs::augment_args(alone("status")),
            CheckArgs::augment_args(alone("check")),
            ExportArgs::augment_args(alone("export")),
            LoginArgs::augment_args(alone("login")),
            #[cfg(feature = "demo")]
            DemoArgs::augment_args(alone("demo")),
            #[cfg(feature = "demo")]
            FakeApiArgs::augment_args(alone("fake-api")),
        ]);
        commands
    }

    fn sync(args: &[&str]) -> Result<SyncArgs, clap::Error> {
        let command = SyncArgs::augment_args(clap::Command::new("sync").no_binary_name(true));
        <SyncArgs as clap::FromArgMatches>::from_arg_matches(&command.try_get_matches_from(args)?)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
        all_commands().into_iter().for_each(clap::Command::debug_assert);
    }

    #[test]
    fn every_help_fits_eighty_columns_and_the_short_one_a_screen() {
        for command in all_commands() {
            let mut command = command.term_width(80);
            let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
            for line in short.lines().chain(long.lines()) {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{}: {line}", command.get_name());
            }
            // A screen is 24 lines, of which the shell's prompt wants one; the list of all commands may be longer.
            let most = if command.get_name() == "archiver" { 40 } else { 23 };
            assert!(short.lines().count() <= most, "{}:\n{short}", command.get_name());
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
                // One object, or one for each of many: both are said in the same words everywhere.
                let key = if long == "json" {
                    format!("json, {}", help.contains("a line"))
                } else {
                    long.to_owned()
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
