//! What needs a person, and what of it the API can refuse.

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

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// Something was refused.
    Refused(Cause),
    /// Runs bring nothing.
    Unreachable,
    /// The credits of a window are used up.
    Budget,
    /// Gaps get no further.
    Gap,
    /// The archive cannot be written.
    Archive,
}

impl AlertKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Refused(Cause::Account),
        Self::Refused(Cause::Key),
        Self::Refused(Cause::Credits),
        Self::Unreachable,
        Self::Budget,
        Self::Gap,
        Self::Archive,
    ];

    /// As the archive, the alert command and notifications name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused(cause) => cause.as_str(),
            Self::Unreachable => "unreachable",
            Self::Budget => "budget",
            Self::Gap => "gap",
            Self::Archive => "archive",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
