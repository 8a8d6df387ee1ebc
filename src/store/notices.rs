//! Alerts as they are sent to the sinks of notifications: numbered, and kept.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::alert::AlertKind;
use crate::core::model::ids::ConversationId;
use crate::core::timeline::stall::Stall;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::timelines::stall_of;
use crate::store::{Queries, Result, Store};

/// An alert that was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Its number.
    pub id: i64,
    /// When it was raised (ms).
    pub at_ms: Ms,
    /// What it is about.
    pub kind: AlertKind,
    /// The account's name; `None`: it concerns all.
    pub account: Option<String>,
    /// What is wrong.
    pub message: String,
}

struct_rows!(NoticeRow { id, at_ms, kind, account, message });

impl ToSql for AlertKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl FromSql for AlertKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// A gap that is tried less and less often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckGap {
    /// The archive's id of it.
    pub gap: i64,
    /// The conversation; `None`: an inbox.
    pub conversation: Option<ConversationId>,
    /// The account's name.
    pub account: String,
    /// What the conversation is called.
    pub name: Option<String>,
    /// Why.
    pub stall: Option<Stall>,
}

impl Store {
    /// Keeps an alert for the sinks; where `about` is given, once of the same.
    pub fn add_notice(
        &mut self,
        (kind, account): (AlertKind, Option<&str>),
        message: &str,
        about: Option<&str>,
        now: Ms,
    ) -> Result<()> {
        self.transact(|tx, _| {
            let same = "SELECT EXISTS (SELECT 1 FROM notice WHERE kind = ?1 AND about = ?2)";
            let is_known = about.is_some() && tx.one(same, params![kind, about])?;
            if is_known { Ok(()) } else { insert(tx, (kind, account), message, about, now) }
        })
    }

    /// Keeps an alert about these gaps, of which none is raised again.
    pub fn add_notice_of_gaps(&mut self, gaps: &[StuckGap], message: &str, now: Ms) -> Result<()> {
        self.transact(|tx, _| {
            for StuckGap { gap, .. } in gaps {
                tx.run("UPDATE gap SET told = 1 WHERE id = ?1", [gap])?;
            }
            insert(tx, (AlertKind::Gap, None), message, None, now)
        })
    }

    /// The gaps that got no further so many times in a row, and of which there has been no alert yet.
    pub fn stuck_gaps(&self, attempts: u32) -> Result<Vec<StuckGap>> {
        self.db.all_by(
            "SELECT g.id, g.conversation, a.name, coalesce(c.alias, c.name), g.stall_code, g.stall_detail
             FROM account a CROSS JOIN gap g INDEXED BY gap_by_rank
               ON g.account = a.id AND g.rank = 2 AND g.conversation IS NOT NULL
             JOIN conversation c ON c.id = g.conversation
             WHERE g.stalls >= ?1 AND g.told = 0 AND g.stall_code IS NOT NULL
             UNION ALL
             SELECT g.id, NULL, a.name, NULL, g.stall_code, g.stall_detail
             FROM account a CROSS JOIN gap g INDEXED BY gap_of_inbox ON g.account = a.id AND g.conversation IS NULL
             WHERE g.stalls >= ?1 AND g.told = 0 AND g.stall_code IS NOT NULL",
            [attempts],
            |row| {
                Ok(StuckGap {
                    gap: row.get(0)?,
                    conversation: row.get(1)?,
                    account: row.get(2)?,
                    name: row.get(3)?,
                    stall: stall_of(row, 4)?,
                })
            },
        )
    }
}

pub(super) fn insert(
    db: &Connection,
    (kind, account): (AlertKind, Option<&str>),
    message: &str,
    about: Option<&str>,
    now: Ms,
) -> Result<()> {
    db.run(
        "INSERT INTO notice (at_ms, kind, account, message, about) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![now, kind, account, message, about],
    )
}

/// The number of the last notice; 0: there is none.
pub(super) fn last_notice(db: &Connection) -> Result<i64> {
    db.one("SELECT ifnull(max(id), 0) FROM notice", [])
}

impl Queries<'_> {
    /// The first alert after this number.
    pub fn notice_after(&self, id: i64) -> Result<Option<NoticeRow>> {
        self.db().first(
            "SELECT id, at_ms, kind, account, message FROM notice WHERE id > ?1 ORDER BY id LIMIT 1",
            [id],
        )
    }

    /// The number of the last alert; 0: there is none.
    pub fn last_notice(&self) -> Result<i64> {
        last_notice(self.db())
    }

    /// How many alerts there are after this number.
    pub fn notices_after(&self, id: i64) -> Result<i64> {
        self.db().one("SELECT count(*) FROM notice WHERE id > ?1", [id])
    }
}
