//! What the API can refuse that only a person can mend.

use serde::Serialize;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An account or its session.
    Account,
    /// The API key.
    Key,
    /// A purchase: the balance is used up.
    Credits,
}

impl Cause {
    /// As the archive and the alert command name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Key => "key",
            Self::Credits => "credits",
        }
    }

    /// The cause of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Account, Self::Key, Self::Credits].into_iter().find(|cause| cause.as_str() == name)
    }
}
