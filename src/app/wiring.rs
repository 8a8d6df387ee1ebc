//! Builds the parts of the program from the configuration, and turns their errors into failures.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::api::{AccountAccess, ApiSettings, BuildError, HttpApi, Network, Rate};
use crate::clock::SystemClock;
use crate::config::{ArchiveConfig, Config, InboxMode};
use crate::error::Failure;
use crate::secret::Secret;
use crate::store::{Configured, FileReaders, Reader, Store, StoreError, Trigger};
use crate::sync::{RunError, Settings};

/// The accounts and conversations of the configuration, as the archive takes them.
pub fn accounts(config: &Config) -> Vec<Configured> {
    let account = |a: &crate::config::AccountConfig| Configured {
        account: a.name.clone(),
        owner_name: a.owner_name.clone(),
        profiles: a.profiles.iter().map(|p| (p.url.clone(), p.name.clone())).collect(),
        conversations: a.conversations.iter().map(|c| (c.id.clone(), c.name.clone())).collect(),
        discover: config.sync.inbox == InboxMode::Discover,
        wanted: a.wanted(),
    };
    config.accounts.iter().map(account).collect()
}

/// What a run is to do.
pub fn settings(config: &Config, trigger: Trigger, only: Vec<String>) -> Settings {
    Settings {
        trigger,
        caps: config.budget.caps(),
        account_caps: config.accounts.iter().map(crate::config::AccountConfig::caps).collect(),
        page_size: config.sync.page_size,
        in_flight: config.api.in_flight,
        in_flight_per_account: config.api.in_flight_per_account,
        retries: config.api.retries,
        backoff: config.api.backoff(),
        jitter: fastrand::f64,
        accounts: accounts(config),
        only,
        inbox: config.sync.inbox != InboxMode::Off,
        events: config.watches(),
        parked: BTreeSet::new(),
        probe: false,
        longest_silence: config.sync.max_runs_between_polls,
        recheck_days: Some(config.sync.recheck_days).filter(|days| *days > 0),
        reconcile: config.budget.reconcile,
    }
}

/// The client for the configured API. The secrets must have been loaded.
pub fn api(config: &Config) -> Result<HttpApi<SystemClock>, Failure> {
    api_at(config, &Rate::new(config.api.requests_per_minute))
}

/// The same at the rate of clients before it.
pub fn api_at(config: &Config, rate: &Rate) -> Result<HttpApi<SystemClock>, Failure> {
    let accounts = config.accounts.iter().map(|a| AccountAccess {
        name: a.name.clone(),
        country: a.country.clone(),
        login_token: a.login_token.clone(),
        account_id: a.account_id.clone(),
    });
    let settings = ApiSettings {
        base_url: config.api.base_url.clone(),
        version: config.api.version,
        api_key: config.api.api_key.clone().unwrap_or_else(|| Secret::new("")),
        timeout: config.api.timeout,
        rate: rate.clone(),
        network: network(config),
        accounts: accounts.collect(),
    };
    HttpApi::new(settings, SystemClock).map_err(|error: BuildError| Failure::Machine(error.to_string()))
}

/// How the network is reached, as configured.
pub(crate) fn network(config: &Config) -> Network {
    let api = &config.api;
    Network { proxy: api.proxy.clone(), ca_file: api.ca_file.clone(), ignored_proxy: api.ignored_proxy }
}

/// The archive, opened for writing, and open to those whom the configuration lets read it.
pub(crate) fn store(config: &Config) -> Result<Store, Failure> {
    store_or_why(config).map_err(|error| archive_failure(&config.archive.path, error))
}

/// The same, with the reason where it cannot be opened.
pub(crate) fn store_or_why(config: &Config) -> Result<Store, StoreError> {
    let ArchiveConfig { path, readable_by_group } = &config.archive;
    let readers = if *readable_by_group { FileReaders::Group } else { FileReaders::Owner };
    Store::open_for(path, readers)
}

/// The archive, opened for reading; `None` if there is none yet.
pub(crate) fn reader_if_any(path: &Path) -> Result<Option<Reader>, Failure> {
    match Reader::open(path) {
        Ok(reader) => Ok(Some(reader)),
        Err(StoreError::Missing(_)) if !is_denied(path) => Ok(None),
        Err(error) => Err(read_failure(path, error)),
    }
}

/// What a failure of the archive at this place means for the program.
pub fn archive_failure(path: &Path, error: StoreError) -> Failure {
    let path = path.to_owned();
    if let Some(help) = error.help_if_lost() {
        return Failure::ArchiveLost { message: error.to_string(), help };
    }
    match error {
        StoreError::Busy(_) | StoreError::Older { .. } => Failure::Busy(path),
        StoreError::Create { source, .. } => Failure::ArchiveCreate(path, source.to_string()),
        StoreError::Missing(_) => Failure::ArchiveRead(path, "there is none yet".to_owned()),
        StoreError::Unreachable { source, .. } => Failure::ArchiveRead(path, source.to_string()),
        error @ (StoreError::NotAnArchive { .. }
        | StoreError::Altered { .. }
        | StoreError::Newer { .. }
        | StoreError::Exists(_)) => Failure::ArchiveCreate(path, error.to_string()),
        error @ (StoreError::Sqlite(_)
        | StoreError::FolderNotWritable(_)
        | StoreError::Replaced { .. }
        | StoreError::Gone { .. }
        | StoreError::ForeignLog { .. }
        | StoreError::NoRoom { .. }
        | StoreError::StillRead
        | StoreError::Changed { .. }
        | StoreError::Broken(_)) => Failure::ArchiveWrite(path, error.to_string()),
    }
}

/// The same for a command that only reads it: nothing was to be created or written.
pub(crate) fn read_failure(path: &Path, error: StoreError) -> Failure {
    match archive_failure(path, error) {
        Failure::ArchiveCreate(path, _) | Failure::ArchiveWrite(path, _) | Failure::ArchiveRead(path, _)
            if is_denied(&path) =>
        {
            Failure::ArchiveDenied(path)
        }
        Failure::ArchiveCreate(path, why) | Failure::ArchiveWrite(path, why) => {
            Failure::ArchiveRead(path, why)
        }
        other => other,
    }
}

/// Whether this user may not read what is there, or not even look.
pub(crate) fn is_denied(path: &Path) -> bool {
    let looked =
        fs::metadata(path).and_then(|meta| if meta.is_file() { File::open(path).map(drop) } else { Ok(()) });
    looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// What a run that could not be done means for the program.
pub fn run_failure(path: &Path, error: RunError) -> Failure {
    match error {
        RunError::Store(error) => archive_failure(path, error),
        RunError::Select(error) => Failure::usage(
            error.to_string(),
            "`archiver status` lists the conversations and what they are called",
        ),
    }
}
