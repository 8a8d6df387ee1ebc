//! The failures of the program, each with its message, one line of help and its exit code.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

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
    /// The archive's file cannot be created, for this reason.
    #[error("cannot create the archive {path}: {1}", path = .0.display())]
    ArchiveCreate(PathBuf, String),
    /// The archive's file cannot be written, for this reason.
    #[error("cannot write the archive {path}: {1}", path = .0.display())]
    ArchiveWrite(PathBuf, String),
    /// The archive does not exist or cannot be read, for this reason.
    #[error("cannot read the archive {path}: {1}", path = .0.display())]
    ArchiveRead(PathBuf, String),
    /// This user may not read the archive, or not look into its folder.
    #[error("cannot read the archive {path}: permission denied", path = .0.display())]
    ArchiveDenied(PathBuf),
    /// Another file than the expected one is at the archive's place, or none.
    #[error("{message}")]
    ArchiveLost {
        /// What happened.
        message: String,
        /// What to do about it.
        help: &'static str,
    },
    /// A file other than the archive, or a directory, cannot be written.
    #[error("cannot write {path}: {1}", path = .0.display())]
    File(PathBuf, io::Error),
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// A signal of this number ended the work.
    #[error("interrupted: {1}")]
    Interrupted(i32, &'static str),
    /// No service is running.
    #[error("{message}")]
    NoService {
        /// What was found instead.
        message: String,
        /// What can be done.
        help: String,
    },
    /// Another process is syncing this archive.
    #[error("another process is syncing the archive {path}", path = .0.display())]
    Busy(PathBuf),
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
    /// The lake cannot be reached, or not be written.
    #[error("{message}")]
    Lake {
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: String,
        /// Whether another process is pushing this archive.
        busy: bool,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
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

    /// A wrong command line, and what to do instead.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: help.into() }
    }

    /// A file or directory that cannot be written.
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::File(path.to_owned(), source)
    }

    /// The exit code after sysexits.h, how bad it is, and one line on what to do about it.
    ///
    /// The more work a failure stops, and the less likely it passes by itself, the worse it is: bad usage or
    /// configuration lets nothing begin; an archive that cannot be written makes everything else pointless; a busy one
    /// stops this process; refused credentials stop an account until someone acts; an API that fails may work again at
    /// the next run; a failed check has changed nothing.
    fn class(&self) -> (u8, u8, &str) {
        match self {
            Self::CheckFailed(_) => (1, 0, "see the list above"),
            Self::Refused(_) => (
                69,
                1,
                "check profiles and conversations in the configuration; refused ones are retried less and less often",
            ),
            Self::ApiUnreachable(_) => {
                (69, 1, "what has been archived is kept; try again later, the next run continues from there")
            }
            Self::Machine(_) => {
                (69, 1, "check the CA certificates, and the limits on processes and open files")
            }
            Self::NoService { help, .. } => (69, 1, help),
            Self::Credentials(_) => {
                (77, 2, "renew whichever was refused: the API key, the account, or an expired login token")
            }
            Self::Login { help, refused, .. } => (if *refused { 77 } else { 69 }, 2, help),
            Self::Busy(..) => (
                75,
                3,
                "wait for it. If it is the service, `archiver sync --now` starts a run; `erase`, `import` and `restore` need it stopped",
            ),
            Self::Interrupted(signal, _) => {
                (u8::try_from(128 + signal).unwrap_or(128), 4, "run the command again")
            }
            Self::Stdout(_) => (74, 4, "check whether the disk that the output goes to is full"),
            Self::File(_, error) if is_full(error) => {
                (73, 4, "make room on that disk, then run the command again")
            }
            Self::File(..) => (73, 4, "check that the folder exists and that you can write to it"),
            Self::ArchiveDenied(_) => (
                74,
                5,
                "run it as the user that owns the archive; for the service's: sudo archiver --config /etc/archiver/archiver.toml …",
            ),
            Self::ArchiveRead(..) => (
                74,
                5,
                "check archive.path in the configuration; `archiver sync --once` creates a new archive",
            ),
            Self::ArchiveLost { help, .. } => (74, 6, help),
            Self::ArchiveWrite(..) => {
                (74, 6, "check for a full disk and the file's permissions; what was committed is kept")
            }
            Self::ArchiveCreate(..) => {
                (73, 7, "check archive.path in the configuration and the permissions of its folder")
            }
            Self::Lake { help, busy: true, .. } => (75, 3, help),
            Self::Lake { help, .. } => (74, 4, help),
            Self::Config(error) => (78, 8, error.help()),
            Self::Usage { help, .. } => (2, 9, help),
        }
    }

    /// The exit code, after sysexits.h.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.class().0
    }

    /// One line on what to do about it.
    #[must_use]
    pub fn help(&self) -> &str {
        self.class().2
    }

    /// The worst of several failures, the first of equally bad ones.
    #[must_use]
    pub fn worst(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        failures.into_iter().reduce(|worst, next| if next.class().1 > worst.class().1 { next } else { worst })
    }

    /// Whether the reader of standard output closed it, as `head` does.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Whether there is no room for a file, or it may not be so large; whoever wrote it may have wrapped the reason.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(StorageFull | QuotaExceeded | FileTooLarge)) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FailureKind;
    use crate::config::Config;

    fn one_of_each() -> Vec<Failure> {
        let (path, reason) = (PathBuf::from("/data/archive.db"), "no space left".to_owned());
        let config = Config::parse("x", Path::new("archiver.toml")).unwrap_err();
        vec![
            Failure::CheckFailed("2 promises are broken".into()),
            Failure::usage("what now", "use --once"),
            Failure::ApiUnreachable("the API could not be reached".into()),
            Failure::Refused("there is no such profile".into()),
            Failure::Machine("no CA certificates".into()),
            Failure::ArchiveCreate(path.clone(), reason.clone()),
            Failure::ArchiveWrite(path.clone(), reason.clone()),
            Failure::ArchiveRead(path.clone(), reason),
            Failure::ArchiveDenied(path.clone()),
            Failure::ArchiveLost { message: "the archive is gone".into(), help: "put it back" },
            Failure::file(&path, io::ErrorKind::NotFound.into()),
            Failure::Stdout(io::ErrorKind::StorageFull.into()),
            Failure::Interrupted(2, "nothing was replaced"),
            Failure::NoService { message: "no service is running".into(), help: "use --once".into() },
            Failure::Busy(path),
            Failure::Credentials("the API key was refused".into()),
            Failure::Config(config),
            Failure::Login {
                message: "the login: no".into(),
                help: "see the password".into(),
                refused: true,
            },
            Failure::Login { message: "the login: time-out".into(), help: "wait".into(), refused: false },
            Failure::Lake { message: "no such bucket".into(), help: "create it".into(), busy: false },
            Failure::Lake { message: "somebody is pushing".into(), help: "wait".into(), busy: true },
        ]
    }

    #[test]
    fn every_failure_has_its_promised_code_a_message_and_a_line_of_help() {
        let codes: Vec<u8> = one_of_each().iter().map(Failure::exit_code).collect();
        assert_eq!(
            codes,
            [1, 2, 69, 69, 69, 73, 74, 74, 74, 74, 73, 74, 130, 69, 75, 77, 78, 77, 69, 74, 75]
        );
        for failure in one_of_each() {
            let (said, help) = (failure.to_string(), failure.help());
            assert!(!said.is_empty() && !help.is_empty() && !help.contains('\n'), "{failure:?}");
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
