//! Row ids as SQLite has them, and the numbers by which messages are stored and found.

use rusqlite::Connection;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};

use crate::core::model::ids::{AccountId, ConversationId, MessageId, PersonId, RequestId, RunId};
use crate::core::model::urn;
use crate::core::{Ms, hash};
use crate::store::Result;
use crate::store::query::{Statements as _, value_rows};

macro_rules! sql_ids {
    ($($name:ident),+) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }

        impl From<$name> for Value {
            fn from(id: $name) -> Self {
                Self::Integer(id.0)
            }
        }
    )+};
}

sql_ids!(AccountId, ConversationId, MessageId, PersonId, RequestId, RunId);
value_rows!(AccountId, ConversationId, MessageId, PersonId, RequestId, RunId);

/// The id that a message of this time gets when it is free: ids grow with time, one step is 1024 ms.
///
/// Steps of about a second keep ids dense, which makes the full-text index small, and are enough to list search
/// results newest first by id alone.
#[must_use]
pub fn rowid_of(sent_at_ms: Ms) -> MessageId {
    MessageId(sent_at_ms >> 10)
}

/// The number under which a message is found by its URN: the creation time in it, which keeps neighbours together in
/// the index, or a hash of it. Different URNs may share one; the URN itself decides.
pub(super) fn probe(urn: &str) -> i64 {
    urn::created_ms(urn).unwrap_or_else(|| hash::of_text(urn))
}

/// The last number that a change was given; 0: none was.
pub(super) fn last_change(db: &Connection) -> Result<i64> {
    Ok(db.first("SELECT seq FROM sqlite_sequence WHERE name = 'change'", [])?.unwrap_or_default())
}
