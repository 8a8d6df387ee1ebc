//! Names the account's owner and the other sides, as far as the answers tell: see [`crate::core::owner`].

use rusqlite::{Connection, params};

use crate::core::model::ids::{AccountId, ConversationId, PersonId};
use crate::core::model::urn::profile_slug;
use crate::core::owner::{self, Participants};
use crate::store::query::{Statements as _, struct_rows};
use crate::store::write::linkedin_export::Import;
use crate::store::{Result, Store};

/// Whose mailbox an account is, by the profile that the API's ids name; `None` where none has been stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// As the ids of messages name it.
    pub of_messages: Option<String>,
    /// As the ids of the conversations in the inbox name it.
    pub of_inbox: Option<String>,
}

impl Store {
    /// Whose mailbox an account is, as far as its first pages have told.
    pub fn owners(&self, account: AccountId) -> Result<Owners> {
        self.db.one("SELECT message_owner, inbox_owner FROM account WHERE id = ?1", [account])
    }

    /// What a conversation is called, if it has a name.
    pub fn name_of(&self, conversation: ConversationId) -> Result<Option<String>> {
        let sql = "SELECT coalesce(alias, name) FROM conversation WHERE id = ?1";
        Ok(self.db.first::<Option<String>>(sql, [conversation])?.flatten())
    }

    /// Notes who the account's owner is, as an export tells: by this name or by this part of a profile's URL.
    pub fn name_owner(&mut self, import: Import, name: &str, slug: Option<&str>) -> Result<()> {
        self.transact(|tx, _| {
            let sql = "SELECT id, name, profile_url FROM person WHERE account = ?1";
            let people: Vec<(PersonId, bool)> = tx.all_by(sql, [import.account], |row| {
                let page: Option<String> = row.get(2)?;
                let own_slug = page.as_deref().and_then(profile_slug);
                let same_page = slug.is_some() && own_slug.as_deref() == slug;
                // Another page is another person, whatever the name.
                let other_page = slug.is_some() && own_slug.is_some() && !same_page;
                let same_name = !name.is_empty() && row.get::<_, String>(1)?.eq_ignore_ascii_case(name);
                Ok((row.get(0)?, same_page || same_name && !other_page))
            })?;
            for (person, is_me) in people {
                let sql = "UPDATE person SET is_me = ?2 WHERE id = ?1 AND is_me IS NOT ?2";
                tx.run(sql, params![person, is_me])?;
            }
            forget_names(tx, import.account)
        })
    }

    /// Works out again who is who, when senders were stored that had not been seen before.
    pub(crate) fn name_people(&mut self) -> Result<()> {
        let sql = "SELECT id, owner_name FROM account WHERE unnamed = 1";
        let unnamed: Vec<(AccountId, Option<String>)> = self.db.all(sql, [])?;
        if unnamed.is_empty() {
            return Ok(());
        }
        self.transact(|tx, _| {
            for (account, owner_name) in &unnamed {
                name_account(tx, *account, owner_name.as_deref())?;
                tx.run("UPDATE account SET unnamed = 0 WHERE id = ?1", [account])?;
            }
            Ok(())
        })
    }
}

fn name_account(tx: &Connection, account: AccountId, configured: Option<&str>) -> Result<()> {
    let (ids, conversations) = participants(tx, account)?;
    // Whom an export has told is known, whoever writes in what the API has shown.
    let told: Vec<String> = tx.all(
        "SELECT DISTINCT name FROM person WHERE account = ?1 AND is_me = 1 AND name <> '' LIMIT 2",
        [account],
    )?;
    let told = if let [only] = told.as_slice() { Some(only.clone()) } else { None };
    let me = owner::owner(&conversations, configured).or(told);
    if let Some(me) = &me {
        tx.run(
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
fn participants(tx: &Connection, account: AccountId) -> Result<(Vec<ConversationId>, Vec<Participants>)> {
    let (mut ids, mut conversations): (Vec<ConversationId>, Vec<Participants>) = (Vec::new(), Vec::new());
    tx.each(
        "SELECT c.id, c.profile_url, p.name FROM conversation c JOIN participant x ON x.conversation = c.id
         JOIN person p ON p.id = x.person WHERE c.account = ?1 AND p.name <> '' ORDER BY c.id",
        [account],
        |(id, profile_url, name)| {
            if ids.last() != Some(&id) {
                ids.push(id);
                conversations.push(Participants { profile_url, ..Participants::default() });
            }
            conversations.last_mut().map(|last| last.names.insert(name));
            Ok(())
        },
    )?;
    Ok((ids, conversations))
}

struct_rows!(Owners { of_messages, of_inbox });

/// Who is who is to be worked out again.
pub(crate) fn forget_names(tx: &Connection, account: AccountId) -> Result<()> {
    tx.run("UPDATE account SET unnamed = 1 WHERE id = ?1 AND unnamed = 0", [account])
}
