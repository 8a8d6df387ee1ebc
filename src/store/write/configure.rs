//! Makes rows of the configuration: accounts, conversations and their first gaps, and which of them are asked for.

use rusqlite::{Connection, Params, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::core::timeline::gap::Timeline;
use crate::store::Result;
use crate::store::Store;
use crate::store::query::Statements as _;
use crate::store::read::targets::{self, AskedBy, Configured, Target};
use crate::store::read::timelines;
use crate::store::write::gaps;

impl Store {
    /// Makes sure that every configured account and conversation has its row (and a new conversation its gap over
    /// everything), and that it is known which conversations are asked for. Returns the archive's ids of the accounts. What
    /// was applied before is not written again.
    pub fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<AccountId>> {
        let digest = targets::digest(accounts);
        let applied: Option<i64> = self.db.first("SELECT digest FROM configuration", [])?;
        if applied == Some(digest) {
            return accounts.iter().map(|account| account_id_of(&self.db, account)).collect();
        }
        self.transact(|tx, _| {
            let mut account_ids = Vec::with_capacity(accounts.len());
            tx.run("UPDATE conversation SET asked = 0 WHERE asked > 0", [])?;
            for account in accounts {
                let account_id = account_row(tx, account)?;
                account_ids.push(account_id);
                if account.discover {
                    for id in targets::discovered(tx, account_id, &account.wanted)? {
                        ask_for(tx, id, AskedBy::Name)?;
                    }
                }
                for (url, name) in &account.profiles {
                    let id = by_profile(tx, account_id, url, now)?;
                    name_row(tx, id, name.as_deref())?;
                    ask_for(tx, id, AskedBy::Name)?;
                }
                for (given, name) in &account.conversations {
                    let id = by_thread(tx, account_id, given, now)?;
                    name_row(tx, id, name.as_deref())?;
                    ask_for(tx, id, AskedBy::Thread)?;
                }
            }
            gaps::rank_all(tx)?;
            tx.run(
                "INSERT INTO configuration (id, digest) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET digest = excluded.digest",
                [digest],
            )?;
            Ok(account_ids)
        })
    }

    /// All conversations of these accounts that are asked for.
    pub fn targets(&self, accounts: &[AccountId]) -> Result<Vec<Target>> {
        let mut all = Vec::new();
        for (index, account) in accounts.iter().enumerate() {
            let sql = "SELECT id FROM conversation WHERE account = ?1 AND asked > 0 ORDER BY id";
            let ids: Vec<ConversationId> = self.db.all(sql, [account])?;
            for id in ids {
                all.push(targets::target(&self.db, index, *account, id)?);
            }
        }
        Ok(all)
    }

    /// The course of a conversation as the archive has it now.
    pub fn timeline(&self, conversation: ConversationId) -> Result<Timeline> {
        timelines::conversation(&self.db, conversation)
    }
}

fn account_id_of(db: &Connection, account: &Configured) -> Result<AccountId> {
    db.one("SELECT id FROM account WHERE name = ?1", [&account.account])
}

/// From now on a conversation is asked for.
pub(crate) fn ask_for(tx: &Connection, id: ConversationId, by: AskedBy) -> Result<()> {
    // What was erased for good is not asked for again, whatever the configuration says.
    let sql = "UPDATE conversation SET asked = max(asked, ?2) WHERE id = ?1 AND stopped = 0";
    tx.run(sql, params![id, by as i64])
}

/// An account's row, made or brought up to date.
pub(crate) fn account_row(tx: &Connection, account: &Configured) -> Result<AccountId> {
    tx.run(
        "INSERT INTO account (name, owner_name) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET owner_name = excluded.owner_name, unnamed = 1
           WHERE owner_name IS NOT excluded.owner_name",
        params![account.account, account.owner_name],
    )?;
    tx.one("SELECT id FROM account WHERE name = ?1", [&account.account])
}

fn by_profile(tx: &Connection, account: AccountId, url: &str, now: Ms) -> Result<ConversationId> {
    let id = match targets::known_profile(tx, account, url)? {
        Some(id) => id,
        None => {
            let sql = "INSERT INTO conversation (account, profile_url) VALUES (?1, ?2)";
            begin_conversation(tx, account, now, sql, params![account, url])?
        }
    };
    let sql = "INSERT OR IGNORE INTO address (account, profile_url, conversation)
       SELECT ?1, ?2, id FROM conversation WHERE id = ?3 AND stopped = 0";
    tx.run(sql, params![account, url, id])?;
    Ok(id)
}

pub(crate) fn by_thread(tx: &Connection, account: AccountId, given: &str, now: Ms) -> Result<ConversationId> {
    let full = urn::is_conversation_urn(given).then_some(given);
    if let Some(id) = targets::known_thread(tx, account, given)? {
        if full.is_some() {
            let sql = "UPDATE conversation SET urn = ?2 WHERE id = ?1 AND urn IS NULL AND stopped = 0";
            tx.run(sql, params![id, full])?;
        }
        return Ok(id);
    }
    let sql = "INSERT INTO conversation (account, thread, urn) VALUES (?1, ?2, ?3)";
    begin_conversation(tx, account, now, sql, params![account, urn::thread_key(given), full])
}

/// Inserts a conversation, with the gap over everything that a new one is.
pub(crate) fn begin_conversation(
    tx: &Connection,
    account: AccountId,
    now: Ms,
    insert: &str,
    values: impl Params,
) -> Result<ConversationId> {
    let id = ConversationId(tx.insert(insert, values)?);
    let gap = "INSERT INTO gap (account, conversation, opened_ms) VALUES (?1, ?2, ?3)";
    tx.run(gap, params![account, id, now])?;
    Ok(id)
}

fn name_row(tx: &Connection, conversation: ConversationId, name: Option<&str>) -> Result<()> {
    if name.is_some() {
        tx.run(
            "UPDATE conversation SET alias = ?2 WHERE id = ?1 AND alias IS NOT ?2 AND stopped = 0",
            params![conversation, name],
        )?;
    }
    Ok(())
}
