//! Retention: what has grown too old goes as if it had been erased by hand, once a day.

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::timeline::gap::Gap;
use crate::store::erase::courses;
use crate::store::erased::known;
use crate::store::query::Statements as _;
use crate::store::read::timelines;
use crate::store::write::gaps;
use crate::store::{Queries, Result, Store, StoreError};

impl Queries<'_> {
    /// Before when retention has erased everything; `None`: it never has.
    pub fn retained(&self) -> Result<Option<Ms>> {
        Ok(self.db().first::<Option<Ms>>("SELECT retained_ms FROM configuration", [])?.flatten())
    }

    /// Those of these thread ids that no conversation of the archive has.
    pub fn threads_not_there(&self, threads: &[String]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for thread in threads {
            if !self.db().one("SELECT EXISTS (SELECT 1 FROM conversation WHERE thread = ?1)", [thread])? {
                missing.push(thread.clone());
            }
        }
        Ok(missing)
    }

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
    pub fn set_retention(&mut self, hold: &[String], floor: Option<Ms>, now: Ms) -> Result<()> {
        let before: Vec<String> = self.db.all("SELECT thread FROM hold ORDER BY thread", [])?;
        let mut hold = hold.to_vec();
        hold.sort_unstable();
        hold.dedup();
        let known: Option<Ms> =
            self.db.first::<Option<Ms>>("SELECT floor_ms FROM configuration", [])?.flatten();
        // It rises when what is below it is erased: see `retain`.
        let floor = if floor > known && known.is_some() { known } else { floor };
        if before == hold && known == floor {
            return Ok(());
        }
        let falls = floor < known;
        let is_new = |thread: &&String| !before.contains(thread);
        let newly_held: Vec<String> =
            hold.iter().filter(is_new).filter(|_| known.is_some()).cloned().collect();
        self.transact(|tx, _| {
            tx.run("DELETE FROM hold", [])?;
            hold.iter().try_for_each(|thread| tx.run("INSERT INTO hold (thread) VALUES (?1)", [thread]))?;
            // A configuration that was never applied has no row yet, and a digest that none has.
            tx.run(
                "INSERT INTO configuration (id, digest, floor_ms) VALUES (1, 0, ?1)
                 ON CONFLICT (id) DO UPDATE SET floor_ms = excluded.floor_ms",
                params![floor],
            )?;
            let with_erased: Vec<ConversationId> = tx.all("SELECT DISTINCT conversation FROM erased", [])?;
            with_erased.into_iter().try_for_each(|conversation| known::count(tx, conversation))?;
            if falls {
                tx.run("UPDATE configuration SET retained_ms = ?1", [floor])?;
            }
            courses::reopen(tx, now)?;
            let there = "SELECT EXISTS (SELECT 1 FROM conversation WHERE thread = ?1)";
            let passed_by = |thread: &String| Ok::<_, StoreError>(!tx.one::<bool>(there, [thread])?);
            let unknown: Vec<bool> = newly_held.iter().map(passed_by).collect::<Result<_>>()?;
            if falls || unknown.contains(&true) {
                walk_inboxes_again(tx, now)?;
            }
            Ok(())
        })
    }
}

/// Conversations whose last message was too old were passed by: where that is no longer so, the inboxes are walked again,
/// a credit for every ten conversations.
fn walk_inboxes_again(tx: &Connection, now: Ms) -> Result<()> {
    let inboxes: Vec<AccountId> = tx.all("SELECT account FROM inbox", [])?;
    for account in inboxes {
        let before = timelines::of_inbox(tx, account)?;
        gaps::write(tx, account, None, &before, &[Gap::everything(now)])?;
        tx.run("UPDATE inbox SET beginning_seen_ms = NULL WHERE account = ?1", [account])?;
    }
    Ok(())
}
