//! Adds rows to the ledger, and to what is spent of their day.

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId, RequestId, RunId};
use crate::store::ledger::Purpose;
use crate::store::query::Statements as _;
use crate::store::{Result, spent_days};

/// A row about to be added to the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerEntry<'a> {
    pub(crate) run: RunId,
    pub(crate) at_ms: Ms,
    pub(crate) account: AccountId,
    pub(crate) endpoint: &'a str,
    pub(crate) purpose: Purpose,
    /// Results requested.
    pub(crate) asked: u32,
    pub(crate) reserved: u32,
    /// What it has cost, where that is known already.
    pub(crate) spent: Option<u32>,
}

/// Adds a row to the ledger, about a conversation or about none.
pub(crate) fn insert(
    tx: &Connection,
    conversation: Option<ConversationId>,
    entry: &LedgerEntry<'_>,
) -> Result<RequestId> {
    let id = tx.insert(
        "INSERT INTO request (run, at_ms, account, endpoint, purpose, asked, credits_reserved, credits_spent, conversation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            entry.run,
            entry.at_ms,
            entry.account,
            entry.endpoint,
            entry.purpose,
            entry.asked,
            entry.reserved,
            entry.spent,
            conversation
        ],
    )?;
    let credits = i64::from(entry.spent.unwrap_or(entry.reserved));
    spent_days::change(tx, entry.account, entry.at_ms, credits)?;
    Ok(RequestId(id))
}
