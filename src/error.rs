//! The failures of the program, each with its message, one line of help and its exit code.

use std::io;
use std::path::PathBuf;

use crate::api::{ApiError, ExitClass};
use crate::config::ConfigError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A check failed and has printed what is wrong.
    #[error("{0}")]
    CheckFailed(String),
    /// The command line is wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// The API could not be reached or kept failing.
    #[error("{0}")]
    ApiUnreachable(String),
    /// The API refused what was asked for.
    #[error("{0}")]
    Refused(String),
    /// This machine lacks something that the program needs.
    #[error("{0}")]
    Machine(String),
    /// The archive's file cannot be created.
    #[error("cannot create the archive {}: {reason}", path.display())]
    ArchiveCreate {
        /// The archive.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The archive's file cannot be written.
    #[error("cannot write the archive {}: {reason}", path.display())]
    ArchiveWrite {
        /// The archive.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The archive does not exist or cannot be read.
    #[error("cannot read the archive {}: {reason}", path.display())]
    ArchiveRead {
        /// The archive.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file other than the archive cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// No service is running.
    #[error("{message}")]
    NoService {
        /// What was found instead.
        message: String,
        /// What can be done.
        help: String,
    },
    /// Another process is syncing this archive.
    #[error("another process is syncing the archive {}", path.display())]
    Busy {
        /// The archive.
        path: PathBuf,
    },
    /// The API refused the key, the account or its session.
    #[error("{0}")]
    Credentials(String),
    /// A login did not succeed.
    #[error("{message}")]
    Login {
        /// What happened.
        message: String,
        /// What to do about it.
        help: String,
        /// Whether it was refused, rather than not answered.
        refused: bool,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A failure as people and scripts see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What happened; may have several lines.
    pub message: String,
    /// One line on what to do about it.
    pub help: String,
    /// The exit code, after sysexits.h.
    pub code: u8,
}

/// The help and exit code for a failure.
#[must_use]
pub fn explain(failure: &Failure) -> Explanation {
    let (code, help) = match failure {
        Failure::CheckFailed(_) => (1, "see the list above"),
        Failure::Usage { help, .. } => (2, help.as_str()),
        Failure::NoService { help, .. } => (69, help.as_str()),
        Failure::ApiUnreachable(_) => {
            (69, "what has been archived is kept; try again later, the next run continues from there")
        }
        Failure::Refused(_) => (
            69,
            "check profiles and conversations in the configuration; refused ones are retried less and less often",
        ),
        Failure::Machine(_) => (69, "check the CA certificates, and the limits on processes and open files"),
        Failure::ArchiveCreate { .. } => {
            (73, "check archive.path in the configuration and the permissions of its folder")
        }
        Failure::ArchiveWrite { .. } => {
            (74, "check for a full disk and the file's permissions; what was committed is kept")
        }
        Failure::ArchiveRead { .. } => {
            (74, "check archive.path in the configuration; `archiver sync --once` creates a new archive")
        }
        Failure::File { .. } => (73, "check that the folder exists and that you can write to it"),
        Failure::Stdout(_) => (74, "check whether the disk that the output goes to is full"),
        Failure::Busy { .. } => (
            75,
            "wait for it; if it is the service, `archiver sync --now` starts a run. Reading commands work meanwhile",
        ),
        Failure::Credentials(_) => {
            (77, "renew whichever was refused: the API key, the account, or an expired login token")
        }
        Failure::Login { help, refused, .. } => (if *refused { 77 } else { 69 }, help.as_str()),
        Failure::Config(error) => (78, error.help()),
    };
    Explanation { message: failure.to_string(), help: help.to_owned(), code }
}

impl Failure {
    /// The failure that a failed request amounts to. `about` says whose request it was.
    #[must_use]
    pub fn of_api(about: &str, error: &ApiError) -> Self {
        let message = format!("{about}: {error}");
        // A command that needs the answer fails, whether the balance or the connection kept it away.
        Self::of_exit(error.policy().exit.unwrap_or(ExitClass::Unavailable), message)
    }

    /// The failure of this class.
    #[must_use]
    pub fn of_exit(class: ExitClass, message: String) -> Self {
        match class {
            ExitClass::Refused => Self::Refused(message),
            ExitClass::Unavailable => Self::ApiUnreachable(message),
            ExitClass::Credentials => Self::Credentials(message),
        }
    }

    /// The exit code, after sysexits.h.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        explain(self).code
    }

    /// One line on what to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        explain(self).help
    }

    /// Whether the reader of standard output closed it, as `head` does.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// How bad it is, to choose among several: the more work it stops, and the less likely it passes by itself.
    ///
    /// Bad usage or configuration lets nothing begin; an archive that cannot be written makes everything else
    /// pointless; a busy one stops this process; refused credentials stop an account until someone acts; an API that
    /// fails may work again at the next run; a failed check has changed nothing.
    #[must_use]
    pub fn severity(&self) -> u8 {
        match self {
            Self::CheckFailed(_) => 0,
            Self::Refused(_) | Self::ApiUnreachable(_) | Self::Machine(_) | Self::NoService { .. } => 1,
            Self::Credentials(_) | Self::Login { .. } => 2,
            Self::Busy { .. } => 3,
            Self::Stdout(_) | Self::File { .. } => 4,
            Self::ArchiveRead { .. } => 5,
            Self::ArchiveWrite { .. } => 6,
            Self::ArchiveCreate { .. } => 7,
            Self::Config(_) => 8,
            Self::Usage { .. } => 9,
        }
    }

    /// The worst of several failures, the first of equally bad ones.
    #[must_use]
    pub fn worst(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        failures
            .into_iter()
            .reduce(|worst, next| if next.severity() > worst.severity() { next } else { worst })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FailureKind;
    use crate::config::Config;
    use std::path::Path;

    fn one_of_each() -> Vec<Failure> {
        let (path, reason) = (PathBuf::from("/data/archive.db"), "no space left".to_owned());
        let config = Config::parse("x", Path::new("archiver.toml")).unwrap_err();
        vec![
            Failure::CheckFailed("2 promises are broken".into()),
            Failure::Usage { message: "what now".into(), help: "use --once".into() },
            Failure::ApiUnreachable("the API could not be reached".into()),
            Failure::Refused("there is no such profile".into()),
            Failure::Machine("no CA certificates".into()),
            Failure::ArchiveCreate { path: path.clone(), reason: reason.clone() },
            Failure::ArchiveWrite { path: path.clone(), reason: reason.clone() },
            Failure::ArchiveRead { path: path.clone(), reason },
            Failure::File { path: path.clone(), source: io::ErrorKind::NotFound.into() },
            Failure::Stdout(io::ErrorKind::StorageFull.into()),
            Failure::NoService { message: "no service is running".into(), help: "use --once".into() },
            Failure::Busy { path },
            Failure::Credentials("the API key was refused".into()),
            Failure::Config(config),
            Failure::Login {
                message: "the login: no".into(),
                help: "see the password".into(),
                refused: true,
            },
            Failure::Login { message: "the login: time-out".into(), help: "wait".into(), refused: false },
        ]
    }

    #[test]
    fn every_failure_has_its_promised_code_a_message_and_a_line_of_help() {
        let codes: Vec<u8> = one_of_each().iter().map(Failure::exit_code).collect();
        assert_eq!(codes, [1, 2, 69, 69, 69, 73, 74, 74, 73, 74, 69, 75, 77, 78, 77, 69]);
        for failure in one_of_each() {
            let said = explain(&failure);
            assert!(
                !said.message.is_empty() && !said.help.is_empty() && !said.help.contains('\n'),
                "{said:?}"
            );
        }
    }

    #[test]
    fn the_worst_failure_decides_the_first_of_equals() {
        let unreachable = |message: &str| Failure::ApiUnreachable(message.into());
        let refused = Failure::Credentials("refused".into());
        let worst = Failure::worst([unreachable("first"), refused, unreachable("second")]).unwrap();
        assert_eq!(worst.exit_code(), 77);
        let worst = Failure::worst([unreachable("first"), unreachable("second")]).unwrap();
        assert_eq!(worst.to_string(), "first");
        assert!(Failure::worst([]).is_none());
    }

    #[test]
    fn only_refused_keys_and_accounts_are_credentials() {
        let code = |kind| Failure::of_api("me", &ApiError::new(kind, "no")).exit_code();
        assert_eq!(code(FailureKind::Key), 77);
        assert_eq!(code(FailureKind::Account), 77);
        assert_eq!(code(FailureKind::Malformed), 69);
        assert_eq!(code(FailureKind::Credits), 69);
    }

    #[test]
    fn a_closed_pipe_is_not_a_full_disk() {
        assert!(Failure::Stdout(io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
        assert!(one_of_each().iter().all(|failure| !failure.is_broken_pipe()));
    }
}
