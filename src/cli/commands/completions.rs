//! `archiver completions` and `archiver man`, generated from the definition of the command line.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::app::Context;
use crate::cli::ui::output::Output;
use crate::error::Failure;

#[derive(Debug, Clone, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  archiver completions bash > /etc/bash_completion.d/archiver
  archiver completions fish > ~/.config/fish/completions/archiver.fish";

#[derive(Debug, Clone, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// Write one file per page into this existing folder
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  archiver man | man -l -
  archiver man --out /usr/share/man/man1";

/// Prints a completion script for the program that `root` defines.
pub(crate) fn completions(context: &Context, root: Command, args: &CompletionsArgs) -> Result<(), Failure> {
    Output::stdout(&context.env).bytes(&script(root, args.shell))
}

fn script(mut root: Command, shell: Shell) -> Vec<u8> {
    // Into memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut root, "archiver", &mut script);
    script
}

/// Prints the manual pages one after the other, or writes each to its own file.
pub(crate) fn man(context: &Context, root: Command, args: &ManArgs) -> Result<(), Failure> {
    let pages = pages(root).map_err(Failure::Stdout)?;
    match &args.out {
        Some(folder) => write(folder, &pages),
        None => Output::stdout(&context.env)
            .bytes(&pages.iter().flat_map(|(_, page)| page).copied().collect::<Vec<u8>>()),
    }
}

fn write(folder: &Path, pages: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    for (name, page) in pages {
        let path = folder.join(name);
        std::fs::write(&path, page).map_err(|source| Failure::File(path, source))?;
    }
    Ok(())
}

/// Each page with its file name: the program's own, then one per command.
fn pages(root: Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = root.disable_help_subcommand(true);
    root.build();
    let mut commands = vec![root.clone()];
    commands.extend(root.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
    let page = |command: Command| {
        let man = clap_mangen::Man::new(command);
        let mut page = Vec::new();
        man.render(&mut page)?;
        Ok((man.get_filename(), page))
    };
    commands.into_iter().map(page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::{CommandFactory as _, ValueEnum as _};

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(Cli::command(), *shell)).unwrap();
            assert!(script.contains("default-config"), "{shell}");
        }
    }

    #[test]
    fn every_command_has_its_page() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pages(Cli::command()).unwrap()).unwrap();
        let root = Cli::command();
        let commands = root.get_subcommands().map(|command| format!("archiver-{}.1", command.get_name()));
        for name in commands.chain(["archiver.1".to_owned()]) {
            let page = std::fs::read_to_string(folder.path().join(&name)).unwrap();
            assert!(page.contains("\n.TH "), "{name}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), root.get_subcommands().count() + 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let failure = write(Path::new("/nowhere/at/all"), &pages(Cli::command()).unwrap()).unwrap_err();
        assert_eq!(failure.exit_code(), 73);
        assert!(failure.to_string().starts_with("cannot write /nowhere/at/all/archiver.1"));
    }
}
