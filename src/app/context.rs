//! What every command and the service is given: the environment, and the way to the configuration.

use std::path::PathBuf;

use crate::config::{Config, Env, Flags};
use crate::error::Failure;

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// The environment that the program was started in.
    pub env: Env,
    /// The configuration file that the command line names.
    pub config: Option<PathBuf>,
    /// The archive that the command line names.
    pub archive: Option<PathBuf>,
}

impl Context {
    /// Loads the configuration. `budget` is the command line's cap on this run.
    ///
    /// Its warnings are the caller's to pass to [`Context::warn`], once nothing more can add to them.
    pub fn config(&self, budget: Option<u32>) -> Result<Config, Failure> {
        let flags = Flags { config: self.config.clone(), budget };
        Ok(self.with_archive(Config::load(&flags, &self.env)?))
    }

    fn with_archive(&self, mut config: Config) -> Config {
        if let Some(archive) = &self.archive {
            config.archive.path = self.env.cwd().join(archive);
        }
        config
    }

    /// Loads the configuration for a command that only reads the archive, and prints its warnings. An archive that the
    /// command line names, such as a backup, is read without any.
    pub fn reading_config(&self) -> Result<Config, Failure> {
        match self.config_warned(None) {
            Err(Failure::Config(error)) if self.archive.is_some() && self.config.is_none() => {
                tracing::debug!(%error, "the archive is read without a configuration");
                Ok(self.with_archive(Config::parse("", &self.env.cwd().join("archiver.toml"))?))
            }
            loaded => loaded,
        }
    }

    /// The same, with its warnings printed.
    pub fn config_warned(&self, budget: Option<u32>) -> Result<Config, Failure> {
        let config = self.config(budget)?;
        self.warn(&config);
        Ok(config)
    }

    /// Loads the configuration and the secrets that talking to the API takes.
    pub fn config_with_secrets(&self, budget: Option<u32>) -> Result<Config, Failure> {
        let mut config = self.config(budget)?;
        let loaded = config.load_secrets();
        self.warn(&config);
        loaded?;
        Ok(config)
    }

    /// Loads the configuration and those secrets that can be read, for a command that only compares them.
    pub fn config_with_readable_secrets(&self) -> Result<Config, Failure> {
        let mut config = self.reading_config()?;
        if let Err(error) = config.load_secrets() {
            tracing::debug!(%error, "not every secret can be read");
        }
        Ok(config)
    }

    /// Prints a configuration's warnings, to the log.
    pub fn warn(&self, config: &Config) {
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    }
}
