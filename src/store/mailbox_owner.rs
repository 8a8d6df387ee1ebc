//! Whose mailbox each account is, kept beside the account so that no run has to look for it among what is stored.

use rusqlite::{Connection, params};

use crate::core::model::ids::AccountId;
use crate::core::model::urn;
use crate::store::Result;
use crate::store::query::Statements as _;

/// Notes whose mailbox the messages of an account are from, once that is known.
pub(crate) fn of_messages(tx: &Connection, account: AccountId, owner: &str) -> Result<()> {
    let sql = "UPDATE account SET message_owner = ?2 WHERE id = ?1 AND message_owner IS NULL";
    tx.run(sql, params![account, owner])
}

/// The same of its inbox.
pub(crate) fn of_inbox(tx: &Connection, account: AccountId, owner: &str) -> Result<()> {
    let sql = "UPDATE account SET inbox_owner = ?2 WHERE id = ?1 AND inbox_owner IS NULL";
    tx.run(sql, params![account, owner])
}

/// Finds out whose an archive's mailboxes are that does not say so.
pub(crate) fn find_all(tx: &Connection) -> Result<()> {
    for account in tx.all::<AccountId, Vec<_>>("SELECT id FROM account", [])? {
        let messages: Option<String> = tx.first(
            "SELECT u.prefix FROM conversation c JOIN message m ON m.conversation = c.id
             JOIN urn_shape u ON u.id = m.urn_shape WHERE c.account = ?1 AND u.prefix <> '' ORDER BY c.id LIMIT 1",
            [account],
        )?;
        if let Some(owner) = messages.as_deref().and_then(urn::owner) {
            of_messages(tx, account, owner)?;
        }
        let inbox: Option<String> = tx.first(
            "SELECT urn FROM conversation WHERE account = ?1 AND inbox_seen_ms IS NOT NULL AND urn IS NOT NULL
             ORDER BY id LIMIT 1",
            [account],
        )?;
        if let Some(owner) = inbox.as_deref().and_then(urn::owner) {
            of_inbox(tx, account, owner)?;
        }
    }
    Ok(())
}
