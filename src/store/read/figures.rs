//! Figures of the whole archive for those who watch it.

use std::collections::BTreeMap;

use crate::core::Ms;
use crate::core::model::ids::AccountId;
use crate::store::query::Statements as _;
use crate::store::{Alert, Cause, Queries, Result, Tally};

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

/// Counts over all runs, and what is there now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Each account.
    pub accounts: Vec<AccountFigures>,
    /// All conversations together.
    pub all: Tally,
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
        is_blind(&self.alerts)
    }
}

/// The same, where only the alerts are at hand.
#[must_use]
pub fn is_blind(alerts: &[Alert]) -> bool {
    alerts.iter().any(|row| row.cause != Cause::Credits)
}

impl Queries<'_> {
    /// Figures for those who watch the archive.
    pub fn figures(&self) -> Result<Figures> {
        let db = self.db();
        let tallies = self.tallies()?;
        Ok(Figures {
            accounts: self.account_figures(&tallies)?,
            all: tallies.values().copied().fold(Tally::default(), Tally::plus),
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

    fn account_figures(&self, tallies: &BTreeMap<(AccountId, bool), Tally>) -> Result<Vec<AccountFigures>> {
        let db = self.db();
        let mut accounts = Vec::new();
        for (id, account) in self.account_ids()? {
            let of = |asked| tallies.get(&(id, asked)).copied().unwrap_or_default();
            let tally = of(false).plus(of(true));
            let (gaps, failing) = db.one(
                "SELECT (SELECT count(*) FROM gap WHERE account = ?1 AND conversation IS NOT NULL)
                   + (SELECT count(*) FROM gap WHERE account = ?1 AND conversation IS NULL),
                   (SELECT count(*) FROM conversation WHERE account = ?1 AND last_error IS NOT NULL)",
                [id],
            )?;
            accounts.push(AccountFigures {
                account,
                messages: tally.messages,
                conversations: tally.conversations,
                complete: tally.complete,
                failing,
                gaps,
            });
        }
        Ok(accounts)
    }
}
