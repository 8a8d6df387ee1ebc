//! Small tables that many messages point into, with a memory of the ids that were looked up before.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use rusqlite::{Connection, Params, params};

use crate::core::model::ids::{AccountId, PersonId};
use crate::core::model::message::Sender;
use crate::store::Result;
use crate::store::ledger::spent::SpentCache;
use crate::store::query::Statements as _;

/// Remembered ids and sums, all of which go when a transaction fails. Bounded: a memory that has grown large is simply begun anew.
#[derive(Debug, Default)]
pub(crate) struct Interned {
    kinds: Names,
    templates: Names,
    shapes: BTreeMap<String, Names>,
    people: BTreeMap<AccountId, BTreeMap<Sender, PersonId>>,
    /// What is spent in each window.
    pub(crate) tally: SpentCache,
}

type Names = BTreeMap<String, i64>;

/// Entries that one memory holds at most: some megabytes.
const REMEMBERED: usize = 20_000;

impl Interned {
    /// Forgets the ids of rows, some of which have been deleted.
    pub(crate) fn forget_rows(&mut self) {
        *self = Self { tally: std::mem::take(&mut self.tally), ..Self::default() };
    }

    pub(crate) fn kind(&mut self, db: &Connection, name: &str) -> Result<i64> {
        let sql = ("SELECT id FROM kind WHERE name = ?1", "INSERT INTO kind (name) VALUES (?1)");
        remembered(&mut self.kinds, name, || Ok(found_or_made(db, sql, [name])?.0))
    }

    pub(crate) fn template(&mut self, db: &Connection, json: &str) -> Result<i64> {
        let sql = ("SELECT id FROM template WHERE json = ?1", "INSERT INTO template (json) VALUES (?1)");
        remembered(&mut self.templates, json, || Ok(found_or_made(db, sql, [json])?.0))
    }

    pub(crate) fn shape(&mut self, db: &Connection, prefix: &str, suffix: &str) -> Result<i64> {
        if let Some(id) = self.shapes.get(prefix).and_then(|suffixes| suffixes.get(suffix)) {
            return Ok(*id);
        }
        if self.shapes.len() >= REMEMBERED {
            self.shapes.clear();
        }
        let sql = (
            "SELECT id FROM urn_shape WHERE prefix = ?1 AND suffix = ?2",
            "INSERT INTO urn_shape (prefix, suffix) VALUES (?1, ?2)",
        );
        let suffixes = self.shapes.entry(prefix.to_owned()).or_default();
        remembered(suffixes, suffix, || Ok(found_or_made(db, sql, [prefix, suffix])?.0))
    }

    pub(crate) fn person(
        &mut self,
        db: &Connection,
        account: AccountId,
        sender: &Sender,
    ) -> Result<PersonId> {
        remembered(self.people.entry(account).or_default(), sender, || {
            let sql = (
                "SELECT id FROM person WHERE account = ?1 AND name = ?2 AND ifnull(first_name, char(0)) = ifnull(?3, char(0))
                 AND ifnull(last_name, char(0)) = ifnull(?4, char(0)) AND ifnull(profile_url, char(0)) = ifnull(?5, char(0))",
                "INSERT INTO person (account, name, first_name, last_name, profile_url) VALUES (?1, ?2, ?3, ?4, ?5)",
            );
            let Sender { name, first_name, last_name, profile_url } = sender;
            let values = params![account, name, first_name, last_name, profile_url];
            Ok(PersonId(found_or_made(db, sql, values)?.0))
        })
    }
}

/// What is remembered for a key, or else looked up and remembered.
fn remembered<K, Q, V>(memory: &mut BTreeMap<K, V>, key: &Q, look_up: impl FnOnce() -> Result<V>) -> Result<V>
where
    K: Ord + Borrow<Q>,
    Q: Ord + ToOwned<Owned = K> + ?Sized,
    V: Copy,
{
    if let Some(id) = memory.get(key) {
        return Ok(*id);
    }
    let id = look_up()?;
    if memory.len() >= REMEMBERED {
        memory.clear();
    }
    memory.insert(key.to_owned(), id);
    Ok(id)
}

/// The id of a row that the first statement finds or else the second makes, and whether it was made.
fn found_or_made(
    db: &Connection,
    (find, make): (&str, &str),
    values: impl Params + Clone,
) -> Result<(i64, bool)> {
    match db.first(find, values.clone())? {
        Some(id) => Ok((id, false)),
        None => Ok((db.insert(make, values)?, true)),
    }
}
