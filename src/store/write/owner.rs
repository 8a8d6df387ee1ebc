//! Names the account's owner and the other sides, as far as the answers tell: see [`crate::core::owner`].

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::model::ids::{AccountId, ConversationId, PersonId};
use crate::core::owner::{self, Participants};
use crate::store::{Store, StoreError};

/// Counts messages that somebody wrote in a conversation.
pub(crate) fn wrote(
    tx: &Connection,
    conversation: ConversationId,
    person: PersonId,
    messages: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO participant (conversation, person, messages) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
    )?
    .execute(params![conversation, person, messages])?;
    Ok(())
}

impl Store {
    /// What a conversation is called, if it has a name.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn name_of(&self, conversation: ConversationId) -> Result<Option<String>, StoreError> {
        let mut statement =
            self.db.prepare_cached("SELECT coalesce(alias, name) FROM conversation WHERE id = ?1")?;
        Ok(statement.query_row([conversation], |row| row.get(0)).optional()?.flatten())
    }

    /// Works out again who is who, when senders were stored that had not been seen before.
    pub(crate) fn name_people(&mut self) -> Result<(), StoreError> {
        if !self.interned.new_people {
            return Ok(());
        }
        self.transact(|tx, _| {
            let accounts: Vec<(AccountId, Option<String>)> = tx
                .prepare("SELECT id, owner_name FROM account")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            for (account, owner_name) in accounts {
                name_account(tx, account, owner_name.as_deref())?;
            }
            Ok(())
        })?;
        self.interned.new_people = false;
        Ok(())
    }
}

fn name_account(tx: &Connection, account: AccountId, configured: Option<&str>) -> Result<(), StoreError> {
    let (ids, conversations) = participants(tx, account)?;
    let me = owner::owner(&conversations, configured);
    if let Some(me) = &me {
        tx.execute(
            "UPDATE person SET is_me = (name = ?2) WHERE account = ?1 AND is_me IS NOT (name = ?2)",
            params![account, me],
        )?;
    }
    for (id, conversation) in ids.into_iter().zip(&conversations) {
        if let Some(name) = conversation.other_side(me.as_deref()) {
            tx.prepare_cached(
                // What an export calls it, a group's title perhaps, says more than who wrote.
                "UPDATE conversation SET name = ?2 WHERE id = ?1 AND (inbox_seen_ms IS NULL OR name IS NULL) AND name IS NOT ?2
                   AND (name IS NULL OR NOT EXISTS (SELECT 1 FROM export_cover e WHERE e.conversation = ?1))",
            )?
            .execute(params![id, name])?;
        }
    }
    Ok(())
}

/// The conversations of an account with the names that wrote in each.
fn participants(
    tx: &Connection,
    account: AccountId,
) -> Result<(Vec<ConversationId>, Vec<Participants>), StoreError> {
    let mut statement = tx.prepare(
        "SELECT c.id, c.profile_url, p.name FROM conversation c JOIN participant x ON x.conversation = c.id
         JOIN person p ON p.id = x.person WHERE c.account = ?1 AND p.name <> '' ORDER BY c.id",
    )?;
    let mut rows = statement.query([account])?;
    let (mut ids, mut conversations): (Vec<ConversationId>, Vec<Participants>) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if ids.last() != Some(&id) {
            ids.push(id);
            conversations.push(Participants { profile_url: row.get(1)?, ..Participants::default() });
        }
        if let Some(last) = conversations.last_mut() {
            last.names.insert(row.get(2)?);
        }
    }
    Ok((ids, conversations))
}
