//! Who is the account's owner and who the other side, as far as the answers tell.
//!
//! v1 names senders and says no more. The owner is who takes part in (nearly) all of the account's dialogues; where there
//! is one dialogue only, the profile that it was asked by may name the other side. Otherwise it stays unknown.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::{Store, StoreError};

/// Counts messages that somebody wrote in a conversation.
pub(in crate::store) fn wrote(
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

/// A conversation and the names that wrote in it.
struct Dialogue {
    id: i64,
    profile_url: Option<String>,
    names: BTreeSet<String>,
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

    /// Works out again who is who, when senders were stored that had not been seen before.
    pub(in crate::store) fn name_people(&mut self) -> Result<(), StoreError> {
        if !self.interned.new_people {
            return Ok(());
        }
        self.transact(|tx, _| {
            let accounts: Vec<(i64, Option<String>)> = tx
                .prepare("SELECT id, owner_name FROM account")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            for (account, owner_name) in accounts {
                name_account(tx, account, owner_name)?;
            }
            Ok(())
        })?;
        self.interned.new_people = false;
        Ok(())
    }
}

fn name_account(tx: &Connection, account: i64, owner_name: Option<String>) -> Result<(), StoreError> {
    let dialogues = dialogues(tx, account)?;
    // A configured name that nobody has is a mistake, and says nothing.
    let known = |name: &String| dialogues.iter().any(|d| d.names.contains(name));
    let me = owner_name.filter(known).or_else(|| owner(&dialogues)).or_else(|| owner_by_profile(&dialogues));
    if let Some(me) = &me {
        tx.execute(
            "UPDATE person SET is_me = (name = ?2) WHERE account = ?1 AND is_me IS NOT (name = ?2)",
            params![account, me],
        )?;
    }
    for dialogue in &dialogues {
        let named = match &me {
            Some(me) => dialogue.names.iter().filter(|n| *n != me).cloned().collect::<Vec<_>>().join(", "),
            None => dialogue.names.iter().find(|n| is_of_profile(n, dialogue)).cloned().unwrap_or_default(),
        };
        if !named.is_empty() {
            tx.prepare_cached(
                // What an export calls it, a group's title perhaps, says more than who wrote.
                "UPDATE conversation SET name = ?2 WHERE id = ?1 AND (inbox_seen_ms IS NULL OR name IS NULL) AND name IS NOT ?2
                   AND (name IS NULL OR NOT EXISTS (SELECT 1 FROM export_cover e WHERE e.conversation = ?1))",
            )?
            .execute(params![dialogue.id, named])?;
        }
    }
    Ok(())
}

fn dialogues(tx: &Connection, account: i64) -> Result<Vec<Dialogue>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT c.id, c.profile_url, p.name FROM conversation c JOIN participant x ON x.conversation = c.id
         JOIN person p ON p.id = x.person WHERE c.account = ?1 AND p.name <> '' ORDER BY c.id",
    )?;
    let mut rows = statement.query([account])?;
    let mut dialogues: Vec<Dialogue> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name) = (row.get(0)?, row.get(2)?);
        match dialogues.last_mut() {
            Some(last) if last.id == id => {
                last.names.insert(name);
            }
            _ => dialogues.push(Dialogue { id, profile_url: row.get(1)?, names: [name].into() }),
        }
    }
    Ok(dialogues)
}

/// The one name that is in nine of ten dialogues, when there are at least two.
fn owner(dialogues: &[Dialogue]) -> Option<String> {
    let two_sided: Vec<_> = dialogues.iter().filter(|d| d.names.len() > 1).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in two_sided.iter().flat_map(|d| &d.names) {
        *counts.entry(name).or_default() += 1;
    }
    let (name, most) = counts.iter().max_by_key(|(_, n)| **n)?;
    let alone = counts.values().filter(|n| *n == most).count() == 1;
    (alone && *most >= 2 && most * 10 >= two_sided.len() * 9).then(|| (*name).to_owned())
}

/// Of two names in a dialogue that was asked for by profile, the one that is not the profile's.
fn owner_by_profile(dialogues: &[Dialogue]) -> Option<String> {
    dialogues.iter().filter(|d| d.names.len() == 2).find_map(|d| {
        let others: Vec<_> = d.names.iter().filter(|n| !is_of_profile(n, d)).collect();
        match others.as_slice() {
            [one] => Some((*one).clone()),
            _ => None,
        }
    })
}

/// Whether a name is spelled out in the dialogue's profile URL: each of its words is a word of the slug.
fn is_of_profile(name: &str, dialogue: &Dialogue) -> bool {
    let Some(slug) = dialogue.profile_url.as_deref().and_then(|u| u.split("/in/").nth(1)) else {
        return false;
    };
    let slug: BTreeSet<String> = words(slug);
    let name = words(name);
    !name.is_empty() && name.iter().all(|w| slug.contains(w))
}

fn words(text: &str) -> BTreeSet<String> {
    let plain: String = text.to_lowercase().chars().map(unaccented).collect();
    plain.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The letter that a profile's slug writes for an accented one.
fn unaccented(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        c => c,
    }
}
