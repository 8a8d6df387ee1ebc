//! Figures of the whole archive for those who watch it.

use crate::core::Ms;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::{Alert, Cause, Queries, Result};

/// What there is of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct AccountFigures {
    /// Its name.
    pub account: String,
    /// Messages stored.
    pub messages: i64,
    /// Conversations known.
    pub conversations: i64,
    /// Those of them in which nothing is missing.
    pub complete: i64,
    /// Those of them whose last request failed.
    pub failing: i64,
    /// Gaps open, in its conversations and its inbox.
    pub gaps: i64,
}

struct_rows!(AccountFigures { account, messages, conversations, complete, failing, gaps });

/// Counts over all runs, and what is there now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Each account.
    pub accounts: Vec<AccountFigures>,
    /// Runs by how they ended.
    pub runs: Vec<(String, i64)>,
    /// Failed requests by kind.
    pub failures: Vec<(String, i64)>,
    /// When a run that asked all there was to ask, or all that its budget allowed, last ended (ms).
    pub last_success_ms: Option<Ms>,
    /// What needs the user's attention.
    pub alerts: Vec<Alert>,
}

impl Figures {
    /// Whether the archive may be behind without its gaps showing it: an account was refused, and has not been seen to
    /// work since.
    #[must_use]
    pub fn blind(&self) -> bool {
        self.alerts.iter().any(|row| row.cause != Cause::Credits)
    }
}

impl Queries<'_> {
    /// Figures for those who watch the archive.
    pub fn figures(&self) -> Result<Figures> {
        let db = self.db();
        Ok(Figures {
        accounts: db.all(
            "SELECT a.name, ifnull(sum(c.messages), 0), count(c.id),
               ifnull(sum(c.beginning_seen_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id)), 0),
               ifnull(sum(c.last_error IS NOT NULL), 0),
               (SELECT count(*) FROM gap g WHERE g.account = a.id)
             FROM account a LEFT JOIN conversation c ON c.account = a.id GROUP BY a.id ORDER BY a.id",
            [],
        )?,
        runs: db.all(
            "SELECT outcome, count(*) FROM run WHERE outcome IS NOT NULL AND kind = 'sync' GROUP BY outcome ORDER BY outcome",
            [],
        )?,
        failures: db.all("SELECT kind, count FROM failure ORDER BY kind", [])?,
        last_success_ms: db.first(
            "SELECT finished_ms FROM run WHERE outcome IN ('complete', 'budget') AND kind = 'sync' ORDER BY id DESC LIMIT 1",
            [],
        )?,
        alerts: self.alerts()?,
    })
    }
}
