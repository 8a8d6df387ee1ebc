//! What an archive's last push left in the lake, so that the next one knows what has changed since.
//!
//! It is written before and after each push. Everything in it is from a push that ended, or before that: what it says may
//! be behind the tables, and then rows are written again that need not be, but it is never ahead of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::LakeError;
use super::storage::Storage;
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::store::Snapshot;

/// The version of this form.
const VERSION: u32 = 1;

/// More pushes than these that did not end are not remembered one by one.
const MOST_BEGUN: usize = 50;

/// A number of the change feed, and when that change was made: an archive that was restored may give the number again.
pub(crate) type ChangeMark = (i64, Option<Ms>);

/// A push that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// What its files are called.
    pub(crate) push: String,
    /// How far the archive was.
    pub(crate) mark: ChangeMark,
}

/// The state of an archive in a lake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LakeState {
    pub(crate) version: u32,
    /// How far the last push came that ended; `None`: none did.
    pub(crate) pushed: Option<ChangeMark>,
    /// When that was (ms).
    #[serde(default)]
    pub(crate) pushed_ms: Option<Ms>,
    /// The number that each table was at then.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, i64>,
    /// Pushes since then that did not end, or whose files were not tidied up.
    #[serde(default)]
    pub(crate) begun: Vec<Begun>,
    /// Whether a push was begun since then and did not end: what it committed is ahead of what is said here.
    #[serde(default)]
    pub(crate) cut_short: bool,
    /// The accounts by their ids.
    #[serde(default)]
    pub(crate) accounts: BTreeMap<i64, String>,
    /// For each conversation, what changes with the names that its messages are shown with.
    #[serde(default)]
    pub(crate) faces: BTreeMap<i64, i64>,
    /// Conversations that a push wrote by another name, which did not end.
    #[serde(default)]
    pub(crate) doubtful: BTreeSet<i64>,
    /// By table, account and range of ids, what changes with any row of it.
    #[serde(default)]
    pub(crate) digests: BTreeMap<String, BTreeMap<String, BTreeMap<i64, i64>>>,
    /// The first run that might still change.
    #[serde(default)]
    pub(crate) runs_from: i64,
    /// The first request that might.
    #[serde(default)]
    pub(crate) requests_from: i64,
    /// What changes with the last runs and requests before those.
    #[serde(default)]
    pub(crate) ledger: i64,
    /// The last erasure that has reached the lake: no file from before it is there.
    #[serde(default)]
    pub(crate) erasure: i64,
    /// The last erasure that has reached the rows; a file from before it may still be there.
    #[serde(default)]
    pub(crate) erasure_rows: i64,
    /// Files that were replaced before this are deleted (ms).
    #[serde(default)]
    pub(crate) tidied_ms: Ms,
    /// When all files were last listed (ms).
    #[serde(default)]
    pub(crate) listed_ms: Ms,
}

impl LakeState {
    /// What the last push left. What is missing or not understood is as if nothing had ever been pushed: then
    /// everything is.
    pub(crate) fn read(storage: &dyn Storage, archive: &str) -> Result<Self, LakeError> {
        let bytes = storage.get(&key(archive))?;
        let state = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        Ok(state
            .filter(|state| state.version == VERSION)
            .unwrap_or_else(|| Self { version: VERSION, ..Self::default() }))
    }

    pub(crate) fn write(&self, storage: &dyn Storage, archive: &str) -> Result<(), LakeError> {
        let key = key(archive);
        let json = serde_json::to_vec(self).map_err(|error| LakeError::broken(&key, error))?;
        storage.put(&key, json.into())
    }

    /// Notes that a push begins, which writes everything or what has changed.
    pub(crate) fn begin(&mut self, push: &str, mark: ChangeMark, whole: bool, renamed: &[ConversationId]) {
        self.doubtful.extend(renamed.iter().map(|id| id.0));
        if whole {
            self.pushed = None;
        }
        self.cut_short = true;
        self.begun.push(Begun { push: push.to_owned(), mark });
        if self.begun.len() > MOST_BEGUN {
            self.begun.remove(0);
        }
    }

    /// Whether this archive goes on from where the last push left it: it was not replaced by an older copy since, and
    /// its accounts are called what they were.
    pub(crate) fn goes_on(
        &self,
        snapshot: &Snapshot<'_>,
        accounts: &BTreeMap<i64, String>,
    ) -> Result<bool, LakeError> {
        let Some(pushed) = self.pushed else { return Ok(false) };
        let known = self.accounts.iter().all(|(id, name)| accounts.get(id) == Some(name));
        // What a push that was cut short has written may be of an archive that is no more.
        let begun = self.begun.iter().map(|begun| begun.mark).filter(|_| self.cut_short);
        let last = snapshot.last_change()?;
        for (number, made_ms) in std::iter::once(pushed).chain(begun) {
            if number > last || made_ms != snapshot.change_made(number)? {
                return Ok(false);
            }
        }
        Ok(known)
    }

    /// Whether a table may be at this number: the last push that ended has left it there, or one that was cut short.
    pub(crate) fn knows(&self, table: &str, number: i64) -> bool {
        let begun = self.begun.iter().map(|begun| begun.mark.0);
        self.tables.get(table).copied().into_iter().chain(begun).any(|known| known == number)
    }
}

/// Where it is: beside the tables.
pub(crate) fn key(archive: &str) -> String {
    format!("_archiver/{archive}.json")
}
