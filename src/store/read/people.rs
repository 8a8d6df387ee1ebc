//! What can be learned from the archive as a whole: who wrote when, and what credits bought.

use rusqlite::params;

use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::people::{SenderRow, SentMessage};
use crate::store::Queries;
use crate::store::Result;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::written;

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

    /// Who wrote when, conversation by conversation and oldest first, from `since` up to before `until`: what people wrote,
    /// not what the system noted, nor the drafts and advertisements of an export.
    pub fn lines(
        &self,
        conversation: Option<ConversationId>,
        since: Option<Ms>,
        until: Option<Ms>,
        mut each: impl FnMut(SentMessage),
    ) -> Result<()> {
        let (since, until) = (since.unwrap_or(Ms::MIN), until.unwrap_or(Ms::MAX));
        let within = if conversation.is_some() { "conversation = ?3" } else { "?3 IS NULL" };
        let mut statement = self.db().prepare_cached(&format!(
            "SELECT conversation, oldest_ms, lines FROM written
             WHERE {within} AND newest_ms >= ?1 AND oldest_ms < ?2 ORDER BY conversation, oldest_ms"
        ))?;
        let mut rows = statement.query(params![since, until, conversation])?;
        while let Some(row) = rows.next()? {
            let (conversation, oldest_ms) = (row.get(0)?, row.get(1)?);
            let lines = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            written::read(conversation, oldest_ms, lines, |(at_ms, sender)| {
                if at_ms >= since && at_ms < until {
                    each(SentMessage { conversation, sender, at_ms });
                }
            })?;
        }
        Ok(())
    }

    /// Credits of the last `days` UTC days up to that of `now`, oldest first, idle days included.
    pub fn credits_by_day(&self, now: Ms, days: u32) -> Result<Vec<DayRow>> {
        let today = now - now.rem_euclid(DAY_MS);
        let first = today - (Ms::from(days) - 1) * DAY_MS;
        let mut all: Vec<DayRow> =
            (0..Ms::from(days)).map(|n| DayRow { day_ms: first + n * DAY_MS, credits: 0 }).collect();
        self.db().each(
            "SELECT (day_ms - ?1) / 86400000, sum(credits) FROM spent WHERE day_ms >= ?1 GROUP BY day_ms",
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
