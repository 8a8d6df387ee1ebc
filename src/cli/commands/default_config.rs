//! `archiver default-config`: the configuration file with every key, its default and an explanation.

use crate::app::Context;
use crate::cli::ui::output::Output;
use crate::config::DEFAULT_TOML;
use crate::error::Failure;

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "\
Examples:
  archiver default-config > archiver.toml   then edit it and run `archiver check`";

pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    Output::stdout(&context.env).text(DEFAULT_TOML)
}
