//! Retention: what has grown too old goes as if it had been erased by hand, once a day.

use rusqlite::params;

use crate::core::Ms;
use crate::store::erase::{Erased, Erasure};
use crate::store::query::Statements as _;
use crate::store::{Queries, Result, Store};

impl Queries<'_> {
    /// Before when retention has erased everything; `None`: it never has.
    pub fn retained(&self) -> Result<Option<Ms>> {
        Ok(self.db().first::<Option<Ms>>("SELECT retained_ms FROM configuration", [])?.flatten())
    }
}

impl Queries<'_> {
    /// How many messages were erased so far, when the last were (ms), and whether the file is still to be rewritten.
    pub fn erasures(&self) -> Result<(i64, Option<Ms>, bool)> {
        self.db().one(
            "SELECT ifnull(sum(messages), 0), max(at_ms), EXISTS (SELECT 1 FROM erasure WHERE finished_ms IS NULL) FROM erasure",
            [],
        )
    }
}

impl Store {
    /// Notes which conversations are on hold, and what is too old to be fetched.
    pub fn set_retention(&mut self, hold: &[String], floor: Option<Ms>) -> Result<()> {
        let before: Vec<String> = self.db.all("SELECT thread FROM hold ORDER BY thread", [])?;
        let mut hold = hold.to_vec();
        hold.sort_unstable();
        hold.dedup();
        let known: Option<Ms> =
            self.db.first::<Option<Ms>>("SELECT floor_ms FROM configuration", [])?.flatten();
        if before == hold && known == floor {
            return Ok(());
        }
        self.transact(|tx, _| {
            tx.run("DELETE FROM hold", [])?;
            hold.iter().try_for_each(|thread| tx.run("INSERT INTO hold (thread) VALUES (?1)", [thread]))?;
            // A configuration that was never applied has no row yet, and a digest that none has.
            tx.run(
                "INSERT INTO configuration (id, digest, floor_ms) VALUES (1, 0, ?1)
                 ON CONFLICT (id) DO UPDATE SET floor_ms = excluded.floor_ms",
                params![floor],
            )
        })
    }

    /// Erases what was sent before the floor that the erasure's selection names, but for conversations on hold. Does
    /// nothing where that has been done.
    ///
    /// # Errors
    /// When the archive cannot be written. Nothing is erased then.
    pub fn retain(&mut self, erasure: &Erasure<'_>) -> Result<Option<Erased>> {
        let floor = erasure.selection.before_ms;
        if self.queries().retained()? == floor {
            return Ok(None);
        }
        self.erase(erasure)
    }
}
