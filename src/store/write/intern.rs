//! Small tables that many messages point into, with a memory of the ids that were looked up before.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::model::ids::{AccountId, PersonId};
use crate::core::model::message::Sender;
use crate::store::StoreError;
use crate::store::ledger::spent::SpentCache;

/// Remembered ids and sums, all of which go when a transaction fails. Bounded: a memory that has grown large is simply begun anew.
#[derive(Debug)]
pub(crate) struct Interned {
    kinds: Names,
    templates: Names,
    shapes: BTreeMap<String, Names>,
    people: BTreeMap<AccountId, BTreeMap<Sender, PersonId>>,
    /// Whether a sender may have been stored that no one had seen before, so that names are to be worked out again.
    pub(crate) new_people: bool,
    /// What is spent in each window.
    pub(crate) tally: SpentCache,
}

impl Default for Interned {
    fn default() -> Self {
        // Nothing is remembered of senders either: a run that was cut short may have left some unnamed.
        Self {
            kinds: Names::new(),
            templates: Names::new(),
            shapes: BTreeMap::new(),
            people: BTreeMap::new(),
            new_people: true,
            tally: SpentCache::default(),
        }
    }
}

type Names = BTreeMap<String, i64>;

/// Entries that one memory holds at most: some megabytes.
const REMEMBERED: usize = 20_000;

impl Interned {
    pub(crate) fn kind(&mut self, db: &Connection, name: &str) -> Result<i64, StoreError> {
        named(
            db,
            &mut self.kinds,
            name,
            "SELECT id FROM kind WHERE name = ?1",
            "INSERT INTO kind (name) VALUES (?1)",
        )
    }

    pub(crate) fn template(&mut self, db: &Connection, json: &str) -> Result<i64, StoreError> {
        let (select, insert) =
            ("SELECT id FROM template WHERE json = ?1", "INSERT INTO template (json) VALUES (?1)");
        named(db, &mut self.templates, json, select, insert)
    }

    pub(crate) fn shape(&mut self, db: &Connection, prefix: &str, suffix: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.shapes.get(prefix).and_then(|suffixes| suffixes.get(suffix)) {
            return Ok(*id);
        }
        let found = db
            .prepare_cached("SELECT id FROM urn_shape WHERE prefix = ?1 AND suffix = ?2")?
            .query_row(params![prefix, suffix], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                db.prepare_cached("INSERT INTO urn_shape (prefix, suffix) VALUES (?1, ?2)")?
                    .execute(params![prefix, suffix])?;
                db.last_insert_rowid()
            }
        };
        if self.shapes.len() >= REMEMBERED {
            self.shapes.clear();
        }
        remember(self.shapes.entry(prefix.to_owned()).or_default(), suffix.to_owned(), id);
        Ok(id)
    }

    pub(crate) fn person(
        &mut self,
        db: &Connection,
        account: AccountId,
        sender: &Sender,
    ) -> Result<PersonId, StoreError> {
        if let Some(id) = self.people.get(&account).and_then(|people| people.get(sender)) {
            return Ok(*id);
        }
        let values = params![account, sender.name, sender.first_name, sender.last_name, sender.profile_url];
        let found = db
            .prepare_cached(
                "SELECT id FROM person WHERE account = ?1 AND name = ?2 AND ifnull(first_name, char(0)) = ifnull(?3, char(0))
                 AND ifnull(last_name, char(0)) = ifnull(?4, char(0)) AND ifnull(profile_url, char(0)) = ifnull(?5, char(0))",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                db.prepare_cached(
                    "INSERT INTO person (account, name, first_name, last_name, profile_url) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(values)?;
                self.new_people = true;
                PersonId(db.last_insert_rowid())
            }
        };
        remember(self.people.entry(account).or_default(), sender.clone(), id);
        Ok(id)
    }
}

fn named(
    db: &Connection,
    memory: &mut Names,
    name: &str,
    select: &str,
    insert: &str,
) -> Result<i64, StoreError> {
    if let Some(id) = memory.get(name) {
        return Ok(*id);
    }
    let found = db.prepare_cached(select)?.query_row([name], |row| row.get(0)).optional()?;
    let id = match found {
        Some(id) => id,
        None => {
            db.prepare_cached(insert)?.execute([name])?;
            db.last_insert_rowid()
        }
    };
    remember(memory, name.to_owned(), id);
    Ok(id)
}

fn remember<K: Ord, V>(memory: &mut BTreeMap<K, V>, key: K, id: V) {
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(key, id);
}
