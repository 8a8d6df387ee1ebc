//! `archiver completions` and `archiver man`: generated from the same definition as the command line itself.

use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::args::{Cli, CompletionsArgs, ManArgs};
use crate::cli::ui::output::Output;
use crate::error::Failure;

/// Prints a completion script.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn completions(output: &mut Output, args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "archiver", &mut script);
    output.bytes(&script)
}

/// Prints the manual pages one after the other, or writes each to its own file.
///
/// # Errors
///
/// When standard output or one of the files cannot be written.
pub fn man(output: &mut Output, args: &ManArgs) -> Result<(), Failure> {
    for (name, page) in pages().map_err(Failure::Stdout)? {
        match &args.out {
            None => output.bytes(&page)?,
            Some(dir) => write(dir, &name, &page)?,
        }
    }
    Ok(())
}

fn write(dir: &Path, name: &str, page: &[u8]) -> Result<(), Failure> {
    let path = dir.join(name);
    std::fs::write(&path, page).map_err(|source| Failure::File { path, source })
}

/// The pages and their files' names: the program's own, then each command's.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut commands = vec![root.clone()];
    commands.extend(root.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
    let page = |command: clap::Command| {
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
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let (mut output, written) = Output::captured();
            completions(&mut output, &CompletionsArgs { shell: *shell }).unwrap();
            assert!(written.text().contains("default-config"), "{shell}");
        }
    }

    #[test]
    fn every_command_has_its_page() {
        let dir = tempfile::tempdir().unwrap();
        let (mut output, written) = Output::captured();
        man(&mut output, &ManArgs { out: Some(dir.path().to_owned()) }).unwrap();
        let mut files: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut expected: Vec<String> = Cli::command()
            .get_subcommands()
            .map(|command| format!("archiver-{}.1", command.get_name()))
            .chain(["archiver.1".to_owned()])
            .collect();
        expected.sort();
        assert_eq!(files, expected);
        assert_eq!(written.text(), "");
        man(&mut output, &ManArgs { out: None }).unwrap();
        assert_eq!(written.text().matches("\n.TH ").count(), files.len());
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let (mut output, _) = Output::captured();
        let failure = man(&mut output, &ManArgs { out: Some("/nowhere/at/all".into()) }).unwrap_err();
        assert_eq!(failure.exit_code(), 73);
        assert!(failure.to_string().starts_with("/nowhere/at/all/archiver.1 cannot be written"));
    }
}
