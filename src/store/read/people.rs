//! What can be learned from the archive as a whole: who wrote when, and what credits bought.

use rusqlite::params;

use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::people::{SenderRow, SentMessage};
use crate::store::Queries;
use crate::store::Result;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::timelines::OUTSIDE;

/// Credits of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// Midnight at its beginning (ms).
    pub day_ms: Ms,
    /// Credits that count as spent.
    pub credits: i64,
}

/// What a UTC month's credits bought.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MonthRow {
    /// Such as `2026-01`.
    pub month: String,
    /// Credits that count as spent.
    pub credits: i64,
    /// Messages that were new.
    pub new_messages: i64,
}

struct_rows! {
    SenderRow { id, account, name, profile_url, is_me }
    SentMessage { conversation, sender, at_ms }
    MonthRow { month, credits, new_messages }
}

const DAY_MS: Ms = 86_400_000;

impl Queries<'_> {
    /// Everybody who wrote, as the answers describe them: one human may be several rows.
    pub fn senders(&self) -> Result<Vec<SenderRow>> {
        self.db().all(
            "SELECT p.id, a.name, p.name, p.profile_url, p.is_me FROM person p JOIN account a ON a.id = p.account ORDER BY p.id",
            [],
        )
    }

    /// Who wrote when, oldest first within each conversation, from `since` up to before `until`: what people wrote, not
    /// what the system noted, nor the drafts and advertisements of an export.
    pub fn lines(
        &self,
        conversation: Option<ConversationId>,
        since: Option<Ms>,
        until: Option<Ms>,
        mut each: impl FnMut(SentMessage),
    ) -> Result<()> {
        // Ids grow with time, so the whole table is read in its own order and not by an index.
        let (within, order) = match conversation {
            Some(_) => ("conversation = ?3", "sent_at_ms, id"),
            None => ("?3 IS NULL", "id"),
        };
        let sql = format!(
            "SELECT conversation, sender, sent_at_ms FROM message
             WHERE {within} AND sent_at_ms >= ?1 AND sent_at_ms < ?2
               AND kind NOT IN (SELECT id FROM kind WHERE name = 'SYSTEM') AND NOT ({OUTSIDE}) ORDER BY {order}"
        );
        let values = params![since.unwrap_or(Ms::MIN), until.unwrap_or(Ms::MAX), conversation];
        self.db().each(&sql, values, |message| {
            each(message);
            Ok(())
        })
    }

    /// Credits of the last `days` UTC days up to that of `now`, oldest first, idle days included.
    pub fn credits_by_day(&self, now: Ms, days: u32) -> Result<Vec<DayRow>> {
        let today = now - now.rem_euclid(DAY_MS);
        let first = today - (Ms::from(days) - 1) * DAY_MS;
        let mut all: Vec<DayRow> =
            (0..Ms::from(days)).map(|n| DayRow { day_ms: first + n * DAY_MS, credits: 0 }).collect();
        self.db().each(
            "SELECT (at_ms - ?1) / 86400000, sum(ifnull(credits_spent, credits_reserved)) FROM request
             WHERE at_ms >= ?1 GROUP BY 1",
            [first],
            |(day, credits): (i64, i64)| {
                if let Some(row) = usize::try_from(day).ok().and_then(|day| all.get_mut(day)) {
                    row.credits = credits;
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// What each UTC month's credits bought, oldest first.
    pub fn credits_by_month(&self) -> Result<Vec<MonthRow>> {
        self.db().all(
            "SELECT strftime('%Y-%m', at_ms / 1000, 'unixepoch'), sum(ifnull(credits_spent, credits_reserved)),
               sum(new_messages) FROM request GROUP BY 1 ORDER BY 1",
            [],
        )
    }
}
