//! Why a tool has no answer, in words that say what to do next.

use serde_json::{Value, json};

use crate::core::printable::one_line;
use crate::error::Failure;
use crate::look::Unseen;
use crate::store::StoreError;

/// Letters of another's words in an error.
const LONGEST: usize = 600;

/// A tool's error. What others wrote stands apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolFailure {
    what: String,
    next: String,
    /// Words that hold names or texts of others.
    untrusted: Option<String>,
}

impl ToolFailure {
    pub(super) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into(), untrusted: None }
    }

    /// That an argument is wrong. Its name may be anything.
    pub(super) fn argument(name: &str, why: String) -> Self {
        let name: String = one_line(name).chars().take(64).collect();
        Self::new(
            format!("argument `{name}`: {why}"),
            "call the tool again with this argument mended or left out",
        )
    }

    pub(super) fn with_untrusted(self, words: &str) -> Self {
        Self { untrusted: Some(one_line(words).chars().take(LONGEST).collect()), ..self }
    }

    /// The error as JSON.
    pub(super) fn json(&self) -> Value {
        let mut error = json!({"error": self.what, "next": self.next});
        if let (Some(words), Some(object)) = (&self.untrusted, error.as_object_mut()) {
            object.insert("untrusted".to_owned(), json!({"detail": words}));
        }
        error
    }
}

impl std::fmt::Display for ToolFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<Unseen> for ToolFailure {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Busy => {
                Self::new("the archive is being read by others", "call the tool again in a moment")
            }
            Unseen::Slow => Self::new(
                "reading took too long and was stopped",
                "narrow the question down: a conversation, a time (after: before:), or rarer words",
            ),
            Unseen::Fault => Self::new(
                "something went wrong in archiver",
                "tell the user to look at what archiver wrote to standard error",
            ),
        }
    }
}

impl From<StoreError> for ToolFailure {
    fn from(error: StoreError) -> Self {
        if error.was_stopped() {
            return Unseen::Slow.into();
        }
        tracing::warn!(%error, "the archive cannot be read");
        Self::new(
            "the archive cannot be read at the moment",
            "call the tool again in a moment; if it goes on, ask the user to run `archiver verify`",
        )
    }
}

/// What was asked for in words that make no sense, such as a date that is none. They may name conversations.
impl From<Failure> for ToolFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Usage { message, help } => Self::argument(
                "query",
                "a filter in it cannot be applied; `untrusted.detail` says why".to_owned(),
            )
            .with_untrusted(&format!("{message}: {help}")),
            other => {
                tracing::warn!(error = %other, "a tool failed");
                Self::new(
                    "the configuration or the archive cannot be read",
                    "ask the user to run `archiver check`",
                )
            }
        }
    }
}
