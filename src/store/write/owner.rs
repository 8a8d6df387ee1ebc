//! Names the account's owner and the other sides, as far as the answers tell: see [`crate::core::owner`].

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::model::urn::profile_slug;
use crate::core::owner::{self, Participants};
use crate::store::write::linkedin_export::Import;
use crate::store::{Store, StoreError};

/// Counts messages that somebody wrote in a conversation.
pub(crate) fn wrote(
    tx: &Connection,
    conversation: i64,
    person: i64,
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
    pub fn name_of(&self, conversation: i64) -> Result<Option<String>, StoreError> {
        let mut statement =
            self.db.prepare_cached("SELECT coalesce(alias, name) FROM conversation WHERE id = ?1")?;
        Ok(statement.query_row([conversation], |row| row.get(0)).optional()?.flatten())
    }

    /// Notes who the account's owner is, as an export tells: by this name or by this part of a profile's URL.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn name_owner(&mut self, import: Import, name: &str, slug: Option<&str>) -> Result<(), StoreError> {
        self.transact(|tx, ids| {
            let mut people = tx.prepare("SELECT id, name, profile_url FROM person WHERE account = ?1")?;
            let people = people.query_map([import.account], |row| {
                let page: Option<String> = row.get(2)?;
                let own_slug = page.as_deref().and_then(profile_slug);
                let same_page = slug.is_some() && own_slug.as_deref() == slug;
                // Another page is another person, whatever the name.
                let other_page = slug.is_some() && own_slug.is_some() && !same_page;
                let same_name = !name.is_empty() && row.get::<_, String>(1)?.eq_ignore_ascii_case(name);
                Ok((row.get::<_, i64>(0)?, same_page || same_name && !other_page))
            })?;
            let mut set = tx.prepare("UPDATE person SET is_me = ?2 WHERE id = ?1 AND is_me IS NOT ?2")?;
            for person in people.collect::<Result<Vec<_>, _>>()? {
                set.execute(params![person.0, person.1])?;
            }
            ids.new_people = true;
            Ok(())
        })
    }

    /// Works out again who is who, when senders were stored that had not been seen before.
    pub(crate) fn name_people(&mut self) -> Result<(), StoreError> {
        if !self.interned.new_people {
            return Ok(());
        }
        self.transact(|tx, _| {
            let accounts: Vec<(i64, Option<String>)> = tx
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

fn name_account(tx: &Connection, account: i64, configured: Option<&str>) -> Result<(), StoreError> {
    let (ids, conversations) = participants(tx, account)?;
    // Whom an export has told is known, whoever writes in what the API has shown.
    let told = tx
        .prepare_cached(
            "SELECT DISTINCT name FROM person WHERE account = ?1 AND is_me = 1 AND name <> '' LIMIT 2",
        )?
        .query_map([account], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let told = if let [only] = told.as_slice() { Some(only.clone()) } else { None };
    let me = owner::owner(&conversations, configured).or(told);
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
fn participants(tx: &Connection, account: i64) -> Result<(Vec<i64>, Vec<Participants>), StoreError> {
    let mut statement = tx.prepare(
        "SELECT c.id, c.profile_url, p.name FROM conversation c JOIN participant x ON x.conversation = c.id
         JOIN person p ON p.id = x.person WHERE c.account = ?1 AND p.name <> '' ORDER BY c.id",
    )?;
    let mut rows = statement.query([account])?;
    let (mut ids, mut conversations): (Vec<i64>, Vec<Participants>) = (Vec::new(), Vec::new());
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
