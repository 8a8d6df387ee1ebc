//! Makes rows of the configuration: accounts, conversations and their first gaps.

use rusqlite::{Connection, Params, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::core::timeline::gap::Timeline;
use crate::store::Result;
use crate::store::Store;
use crate::store::query::Statements as _;
use crate::store::read::targets::{self, Configured, Target};
use crate::store::read::timelines;

impl Store {
    /// Makes sure that every configured account and conversation has its row (and a new conversation its gap over
    /// everything), and returns the conversations in configured order, each once.
    pub fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<Target>> {
        self.transact(|tx, ids| {
            let mut wanted: Vec<(usize, AccountId, ConversationId, Option<&str>)> = Vec::new();
            for (index, account) in accounts.iter().enumerate() {
                let (account_id, renamed) = account_row(tx, account)?;
                ids.new_people |= renamed;
                for (url, name) in &account.profiles {
                    let id = by_profile(tx, account_id, url, now)?;
                    name_row(tx, id, name.as_deref())?;
                    wanted.push((index, account_id, id, None));
                }
                for (given, name) in &account.conversations {
                    let id = by_thread(tx, account_id, given, now)?;
                    name_row(tx, id, name.as_deref())?;
                    wanted.push((index, account_id, id, Some(given)));
                }
                if account.discover {
                    let found = targets::discovered(tx, account_id, &account.wanted)?;
                    wanted.extend(found.into_iter().map(|id| (index, account_id, id, None)));
                }
            }
            let mut targets: Vec<Target> = Vec::with_capacity(wanted.len());
            let mut seen = std::collections::BTreeSet::new();
            for (index, account_id, id, given) in wanted {
                if seen.insert(id) {
                    targets.push(targets::target(tx, index, account_id, id, given)?);
                }
            }
            Ok(targets)
        })
    }

    /// The course of a conversation as the archive has it now.
    pub fn timeline(&self, conversation: ConversationId) -> Result<Timeline> {
        timelines::conversation(&self.db, conversation)
    }
}

/// An account's row, made or brought up to date, and whether that changed anything.
pub(crate) fn account_row(tx: &Connection, account: &Configured) -> Result<(AccountId, bool)> {
    let renamed = tx.changed(
        "INSERT INTO account (name, owner_name) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET owner_name = excluded.owner_name WHERE owner_name IS NOT excluded.owner_name",
        params![account.account, account.owner_name],
    )? > 0;
    let id = tx.one("SELECT id FROM account WHERE name = ?1", [&account.account])?;
    Ok((id, renamed))
}

fn by_profile(tx: &Connection, account: AccountId, url: &str, now: Ms) -> Result<ConversationId> {
    let id = match targets::known_profile(tx, account, url)? {
        Some(id) => id,
        None => {
            let sql = "INSERT INTO conversation (account, profile_url) VALUES (?1, ?2)";
            begin_conversation(tx, account, now, sql, params![account, url])?
        }
    };
    let sql = "INSERT OR IGNORE INTO address (account, profile_url, conversation) VALUES (?1, ?2, ?3)";
    tx.run(sql, params![account, url, id])?;
    Ok(id)
}

pub(crate) fn by_thread(tx: &Connection, account: AccountId, given: &str, now: Ms) -> Result<ConversationId> {
    if let Some(id) = targets::known_thread(tx, account, given)? {
        return Ok(id);
    }
    let full = urn::is_conversation_urn(given).then_some(given);
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
            "UPDATE conversation SET alias = ?2 WHERE id = ?1 AND alias IS NOT ?2",
            params![conversation, name],
        )?;
    }
    Ok(())
}
