//! What an alert says.

use crate::api::{ApiError, FailureKind};
use crate::store::{Alert, Cause};

/// What a person reads.
#[must_use]
pub fn describe(row: &Alert) -> String {
    let kind = match row.cause {
        Cause::Account => FailureKind::Account,
        Cause::Key => FailureKind::Key,
        Cause::Credits => FailureKind::Credits,
    };
    ApiError::new(kind, row.message.as_str()).to_string()
}
