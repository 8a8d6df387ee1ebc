//! Why a request failed. What the caller does about it is in [`super::policy`].

use std::path::PathBuf;
use std::time::Duration;

use super::policy::{FailureKind, Policy};

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .kind.prefix())]
pub struct ApiError {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What the API or the network said, without keys, tokens and URLs.
    pub message: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error without a wait.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// What the caller does about it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.kind.policy()
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
    /// The file with CA certificates cannot be used.
    #[error("ca_file {}: {why}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client cannot be set up, mostly because the machine has no CA certificates.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
