//! Makes rows of the configuration: accounts, conversations and their first gaps.

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::core::timeline::gap::Timeline;
use crate::store::read::targets::{self, Configured, Target};
use crate::store::read::timelines;
use crate::store::{Store, StoreError};

impl Store {
    /// Makes sure that every configured account and conversation has its row (and a new conversation its gap over
    /// everything), and returns the conversations in configured order, each once.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<Target>, StoreError> {
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
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn timeline(&self, conversation: ConversationId) -> Result<Timeline, StoreError> {
        timelines::conversation(&self.db, conversation)
    }
}

/// An account's row, made or brought up to date, and whether that changed anything.
pub(crate) fn account_row(tx: &Connection, account: &Configured) -> Result<(AccountId, bool), StoreError> {
    let renamed = tx.execute(
        "INSERT INTO account (name, owner_name) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET owner_name = excluded.owner_name WHERE owner_name IS NOT excluded.owner_name",
        params![account.account, account.owner_name],
    )? > 0;
    let id = tx.query_row("SELECT id FROM account WHERE name = ?1", [&account.account], |row| row.get(0))?;
    Ok((id, renamed))
}

fn by_profile(tx: &Connection, account: AccountId, url: &str, now: Ms) -> Result<ConversationId, StoreError> {
    if let Some(id) = targets::known_profile(tx, account, url)? {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO address (account, profile_url, conversation) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![account, url, id])?;
        return Ok(id);
    }
    tx.execute("INSERT INTO conversation (account, profile_url) VALUES (?1, ?2)", params![account, url])?;
    let id = ConversationId(tx.last_insert_rowid());
    tx.execute(
        "INSERT INTO address (account, profile_url, conversation) VALUES (?1, ?2, ?3)",
        params![account, url, id],
    )?;
    open_everything(tx, account, id, now)?;
    Ok(id)
}

pub(crate) fn by_thread(
    tx: &Connection,
    account: AccountId,
    given: &str,
    now: Ms,
) -> Result<ConversationId, StoreError> {
    if let Some(id) = targets::known_thread(tx, account, given)? {
        return Ok(id);
    }
    let thread = urn::thread_key(given);
    let full = urn::is_conversation_urn(given).then_some(given);
    tx.execute(
        "INSERT INTO conversation (account, thread, urn) VALUES (?1, ?2, ?3)",
        params![account, thread, full],
    )?;
    let id = ConversationId(tx.last_insert_rowid());
    open_everything(tx, account, id, now)?;
    Ok(id)
}

/// Opens the gap over everything that a new conversation is.
pub(crate) fn open_everything(
    tx: &Connection,
    account: AccountId,
    conversation: ConversationId,
    now: Ms,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO gap (account, conversation, opened_ms) VALUES (?1, ?2, ?3)",
        params![account, conversation, now],
    )?;
    Ok(())
}

fn name_row(tx: &Connection, conversation: ConversationId, name: Option<&str>) -> Result<(), StoreError> {
    if name.is_some() {
        tx.prepare_cached("UPDATE conversation SET alias = ?2 WHERE id = ?1 AND alias IS NOT ?2")?
            .execute(params![conversation, name])?;
    }
    Ok(())
}
