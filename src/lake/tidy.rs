//! Deletes an archive's files that no table has any more: a day after they were replaced, and at once after an erasure.

use super::LakeError;
use super::delta::table::DeltaTable;
use super::files::folder_of;
use super::state::{Begun, LakeState};
use super::storage::Storage;
use super::tables::LakeTable;
use crate::core::Ms;

const DAY_MS: Ms = 86_400_000;

/// Who reads a table as it was has a day to finish.
const KEPT_MS: Ms = DAY_MS;

/// A file that no table has may be one that another program is about to commit, until it is a day old.
const UNCOMMITTED_MS: Ms = DAY_MS;

/// So often, all files are listed, for what crashes and other programs left.
const LISTED_EVERY_MS: Ms = 7 * DAY_MS;

/// What was tidied up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tidied {
    /// Files deleted.
    pub(crate) deleted: u64,
    /// Files that no table has, but that are too new to be deleted.
    pub(crate) left: u64,
}

/// Tidies up after a push.
pub(crate) struct Tidying<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) archive: &'a str,
    pub(crate) now: Ms,
    /// Whether nothing that was replaced may stay.
    pub(crate) at_once: bool,
    /// Pushes whose files are no one else's: this one, and those that did not end.
    pub(crate) begun: &'a [Begun],
}

impl Tidying<'_> {
    pub(crate) fn tidy(
        &self,
        tables: &mut [(LakeTable, DeltaTable)],
        state: &mut LakeState,
    ) -> Result<Tidied, LakeError> {
        // More than this push means that one before it did not end.
        let is_due = self.now.saturating_sub(state.listed_ms) >= LISTED_EVERY_MS;
        let lists = self.at_once || self.begun.len() > 1 || is_due;
        let mut tidied = Tidied::default();
        for (table, delta) in tables {
            if lists {
                delta.refresh(self.storage, self.now)?;
                self.by_list(table, delta, &mut tidied)?;
            } else {
                self.replaced(delta, state.tidied_ms, &mut tidied)?;
            }
        }
        state.tidied_ms = self.now;
        if lists {
            state.listed_ms = self.now;
        }
        Ok(tidied)
    }

    /// What the log says was replaced long enough ago, and not yet before the last time.
    fn replaced(&self, delta: &DeltaTable, last_ms: Ms, tidied: &mut Tidied) -> Result<(), LakeError> {
        let since = last_ms.saturating_sub(KEPT_MS);
        let until = self.now.saturating_sub(KEPT_MS);
        let folder = folder_of(delta.root(), self.archive);
        let due = delta.state().tombstones().values().filter_map(|file| {
            let replaced = file.deletion_timestamp.unwrap_or(0);
            let key = format!("{}/{}", delta.root(), file.key());
            ((since..=until).contains(&replaced) && key.starts_with(&folder)).then_some(key)
        });
        self.delete(&due.collect::<Vec<_>>(), tidied)
    }

    /// What is in the archive's folder of the table, and not in the table.
    fn by_list(&self, table: &LakeTable, delta: &DeltaTable, tidied: &mut Tidied) -> Result<(), LakeError> {
        let mut due = Vec::new();
        for object in self.storage.list(&folder_of(table.name, self.archive))? {
            let key = object.key.strip_prefix(table.name).unwrap_or_default().trim_start_matches('/');
            if delta.state().files().contains_key(key) {
                continue;
            }
            let name = key.rsplit('/').next().unwrap_or_default();
            let is_own = self.begun.iter().any(|begun| name.starts_with(&begun.push));
            let is_due = match delta.state().tombstones().get(key) {
                _ if is_own => true,
                Some(_) if self.at_once => true,
                Some(file) => self.now.saturating_sub(file.deletion_timestamp.unwrap_or(0)) > KEPT_MS,
                None => self.now.saturating_sub(object.modified_ms) > UNCOMMITTED_MS,
            };
            if is_due {
                due.push(object.key);
            } else if self.at_once {
                tidied.left = tidied.left.saturating_add(1);
            }
        }
        self.delete(&due, tidied)
    }

    fn delete(&self, keys: &[String], tidied: &mut Tidied) -> Result<(), LakeError> {
        if !keys.is_empty() {
            self.storage.delete(keys)?;
        }
        tidied.deleted = tidied.deleted.saturating_add(u64::try_from(keys.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}
