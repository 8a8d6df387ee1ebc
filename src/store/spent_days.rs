//! Keeps the table `spent` in step with the ledger: what counts as spent of each day.

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::ids::AccountId;
use crate::store::Result;
use crate::store::query::Statements as _;

/// A request of that moment costs more, or less, than was counted.
pub(crate) fn change(tx: &Connection, account: AccountId, at_ms: Ms, credits: i64) -> Result<()> {
    if credits == 0 {
        return Ok(());
    }
    tx.run(
        "INSERT INTO spent (day_ms, account, credits) VALUES (?1 / 86400000 * 86400000, ?2, ?3)
         ON CONFLICT (day_ms, account) DO UPDATE SET credits = credits + excluded.credits",
        params![at_ms, account, credits],
    )
}

/// Adds up the whole ledger.
pub(crate) fn fill(db: &Connection) -> Result<()> {
    db.run("DELETE FROM spent", [])?;
    db.run(
        "INSERT INTO spent (day_ms, account, credits)
         SELECT at_ms / 86400000 * 86400000, account, sum(ifnull(credits_spent, credits_reserved)) FROM request GROUP BY 1, 2",
        [],
    )
}
