//! What a failed request asks the caller to do: one table, so that no caller decides by itself.
//!
//! What a failure cost is not in it: that depends on the version of the API and on the answer, not on the kind of
//! failure. Each answer's receipt says it; `Dialect::charge` in [`v1`](super::v1) and [`v2`](super::v2) decides.

use serde::Serialize;

use crate::core::alert::Cause;

/// The kind of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The account or its session was refused.
    Account,
    /// The balance is used up.
    Credits,
    /// The API key was refused.
    Key,
    /// The answer cannot be read.
    Malformed,
    /// Too many requests.
    RateLimited,
    /// This one request was refused.
    Refused,
    /// A fault that may pass.
    Transient,
}

/// What the caller does about a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether the same run tries again.
    pub retry: Retry,
    /// What the run leaves alone after the last attempt.
    pub stops: Stops,
    /// Whether the gap that was asked for is marked as stalled after the last attempt.
    pub stalls: Stalls,
    /// What a person has to mend, if it takes one. Who is alerted, and which accounts are parked, follows from it.
    pub alert: Option<Cause>,
    /// What it means for the exit code of a run; `None`: nothing, the run ends as one that used up its budget.
    pub exit: Option<ExitClass>,
}

/// Whether another attempt in the same run can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It cannot.
    Never,
    /// After a wait.
    AfterWait,
    /// After a longer wait: the API wants fewer requests.
    AfterLongWait,
}

/// What is left alone for the rest of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stops {
    /// The conversation or inbox that was asked for.
    Target,
    /// The same; several such failures in a row mean that the API is down, and end the run.
    TargetThenRun,
    /// Everything of the account.
    Account,
    /// The run.
    Run,
}

/// Whether a failure is put down to what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stalls {
    /// It says nothing about what was asked for.
    Never,
    /// It is, where the API serves other requests.
    IfOthersAreServed,
    /// It is.
    Always,
}

/// How bad a failure is for the exit code, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitClass {
    /// The API refused what was asked for, and nothing else was wrong.
    Refused,
    /// The API could not be reached, kept failing, or answered what cannot be read.
    Unavailable,
    /// The API refused the key or an account.
    Credentials,
}

impl FailureKind {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 7] = [
        Self::Account,
        Self::Credits,
        Self::Key,
        Self::Malformed,
        Self::RateLimited,
        Self::Refused,
        Self::Transient,
    ];

    /// As the archive, the metrics and the log name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Credits => "credits",
            Self::Key => "key",
            Self::Malformed => "malformed",
            Self::RateLimited => "rate_limited",
            Self::Refused => "refused",
            Self::Transient => "transient",
        }
    }

    /// What an error's message begins with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Account => "the account was refused: ",
            Self::Credits => "the API reports that the credits are used up: ",
            Self::Key => "the API key was refused: ",
            Self::Malformed => "the answer cannot be used: ",
            Self::RateLimited => "the API is limiting the rate of requests: ",
            Self::Refused => "the request was refused: ",
            Self::Transient => "",
        }
    }

    /// Whether a later attempt in the same run may succeed.
    pub(super) fn may_pass(self) -> bool {
        self.policy().retry != Retry::Never
    }

    /// What the caller does about it.
    #[must_use]
    pub fn policy(self) -> Policy {
        let policy = |retry, stops, stalls, alert, exit| Policy { retry, stops, stalls, alert, exit };
        let refused_to = |stops, cause, exit| policy(Retry::Never, stops, Stalls::Never, Some(cause), exit);
        let (credentials, unavailable) = (Some(ExitClass::Credentials), Some(ExitClass::Unavailable));
        match self {
            Self::Key => refused_to(Stops::Run, Cause::Key, credentials),
            Self::Account => refused_to(Stops::Account, Cause::Account, credentials),
            Self::Credits => refused_to(Stops::Run, Cause::Credits, None),
            Self::Refused => {
                policy(Retry::Never, Stops::Target, Stalls::Always, None, Some(ExitClass::Refused))
            }
            Self::Malformed => policy(Retry::Never, Stops::Target, Stalls::Always, None, unavailable),
            Self::Transient => {
                policy(Retry::AfterWait, Stops::TargetThenRun, Stalls::IfOthersAreServed, None, unavailable)
            }
            Self::RateLimited => {
                policy(Retry::AfterLongWait, Stops::TargetThenRun, Stalls::Never, None, unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde_and_in_order() {
        let names = FailureKind::ALL.map(FailureKind::as_str);
        assert!(names.is_sorted());
        assert_eq!(serde_json::to_value(FailureKind::ALL).unwrap(), serde_json::json!(names));
    }

    #[test]
    fn only_what_may_pass_is_retried_and_what_a_person_must_mend_is_alerted() {
        for kind in FailureKind::ALL {
            let policy = kind.policy();
            let may_pass = matches!(kind, FailureKind::Transient | FailureKind::RateLimited);
            assert_eq!(policy.retry != Retry::Never, may_pass, "{kind:?}");
            assert_eq!(
                policy.alert.is_some(),
                matches!(policy.stops, Stops::Account | Stops::Run),
                "{kind:?}"
            );
            if policy.alert.is_some() {
                assert_eq!((policy.retry, policy.stalls), (Retry::Never, Stalls::Never), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_refused_credential_is_worse_than_an_api_that_fails() {
        let exit = |kind: FailureKind| kind.policy().exit;
        assert!(exit(FailureKind::Key) > exit(FailureKind::Transient));
        assert!(exit(FailureKind::Malformed) > exit(FailureKind::Refused));
        assert_eq!(exit(FailureKind::Credits), None);
    }
}
