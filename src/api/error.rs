//! Why a request failed. What the caller does about it is in [`super::policy`].

use std::time::Duration;

use super::policy::{FailureKind, Policy};

/// A failed request. No variant holds a key, a token or a URL with either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The API refuses the API key: every account that uses it is stopped for this run.
    #[error("the API key was refused: {0}")]
    Key(String),
    /// The API refuses the account or its session: this account is stopped, never retried by itself.
    #[error("the account was refused: {0}")]
    Account(String),
    /// The balance is used up: the run ends.
    #[error("the API reports that the credits are used up: {0}")]
    Credits(String),
    /// The API refuses this one request (wrong id, wrong parameters): the target fails, others go on.
    #[error("the request was refused: {0}")]
    Refused(String),
    /// Too many requests: wait, then try again.
    #[error("the API is limiting the rate of requests: {message}")]
    RateLimited {
        /// What the API said.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// A fault that a later attempt may not meet: 500, 502, 503, 504, a broken connection, a time-out.
    #[error("{message}")]
    Transient {
        /// What happened.
        message: String,
        /// How long the API asks to wait, if it does.
        retry_after: Option<Duration>,
    },
    /// The answer cannot be read as what was asked for: never taken for "no messages", never retried at once.
    #[error("the answer cannot be used: {0}")]
    Malformed(String),
}

impl ApiError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Key(_) => FailureKind::Key,
            Self::Account(_) => FailureKind::Account,
            Self::Credits(_) => FailureKind::Credits,
            Self::Refused(_) => FailureKind::Refused,
            Self::RateLimited { .. } => FailureKind::RateLimited,
            Self::Transient { .. } => FailureKind::Transient,
            Self::Malformed(_) => FailureKind::Malformed,
        }
    }

    /// What the caller does about it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.kind().policy()
    }

    /// The error of this kind.
    #[must_use]
    pub fn new(kind: FailureKind, message: String, retry_after: Option<Duration>) -> Self {
        match kind {
            FailureKind::Key => Self::Key(message),
            FailureKind::Account => Self::Account(message),
            FailureKind::Credits => Self::Credits(message),
            FailureKind::Refused => Self::Refused(message),
            FailureKind::RateLimited => Self::RateLimited { message, retry_after },
            FailureKind::Transient => Self::Transient { message, retry_after },
            FailureKind::Malformed => Self::Malformed(message),
        }
    }

    /// What the API or the network said, without the kind of failure.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Key(message)
            | Self::Account(message)
            | Self::Credits(message)
            | Self::Refused(message)
            | Self::RateLimited { message, .. }
            | Self::Transient { message, .. }
            | Self::Malformed(message) => message,
        }
    }

    /// How long the server asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Why the client could not be built. Shows neither the key nor the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The base URL cannot be used.
    #[error("base_url: {0}")]
    BaseUrl(&'static str),
    /// The API key cannot be used.
    #[error("the API key is empty or holds a character that no HTTP header can carry")]
    Key,
    /// The time-out is zero.
    #[error("timeout_secs must be more than 0")]
    Timeout,
    /// The HTTP client cannot be set up, mostly because the machine has no CA certificates.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
