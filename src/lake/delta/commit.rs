//! Commits to a Delta table: the next version is put where there is none, so that of several who try, one succeeds.

use std::collections::BTreeSet;

use super::super::storage::{Created, Storage};
use super::action::{AddFile, CommitInfo, TableAction, read_commit, write_commit};
use super::refusal::refuse_unsupported;
use super::table::{DeltaTable, Pause, TRIES, read_hint, read_version};
use super::upkeep::LogRetention;
use crate::core::Ms;
use crate::lake::LakeError;

/// After so long, commits that were not seen may be cleaned away, which so have to be looked for first.
const STALE: Ms = 24 * 60 * 60 * 1_000;

/// What is to be committed.
pub struct CommitPlan<'a> {
    /// What changes, without the `commitInfo`.
    pub actions: Vec<TableAction>,
    /// Who commits and why.
    pub info: CommitInfo,
    /// A random id of this plan alone, by which its commit is known again when an answer was lost.
    pub txn_id: String,
    /// Whose `txn` by another makes this plan void.
    pub app_id: Option<&'a str>,
    /// Which files make this plan void when another adds them.
    pub owns: &'a dyn Fn(&AddFile) -> bool,
}

/// What became of a commit.
#[derive(Debug)]
pub enum CommitOutcome {
    /// It is the table's version.
    Done {
        /// Which.
        version: u64,
        /// Whether a checkpoint was written; why it, or the cleaning after it, failed, which a later commit makes up for.
        checkpoint: Result<bool, LakeError>,
    },
    /// Another commit has made the plan void. The table is as that commit left it: plan anew.
    Conflict(CommitConflict),
}

/// Why a plan is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitConflict {
    /// The same application has committed.
    SameApp {
        /// In which version.
        version: u64,
    },
    /// The table's columns, properties or protocol were changed.
    TableChanged {
        /// In which version.
        version: u64,
    },
    /// A file that was to be removed was removed or replaced.
    FileGone {
        /// In which version.
        version: u64,
        /// Its key within the table.
        key: String,
    },
    /// A file was added that the plan should have known.
    FileAdded {
        /// In which version.
        version: u64,
        /// Its key within the table.
        key: String,
    },
    /// So much was committed that not all of it can be looked at any more.
    FarBehind {
        /// The version now.
        version: u64,
    },
}

/// A plan, as other commits are compared with it.
struct PlanReach<'a> {
    app_id: Option<&'a str>,
    owns: &'a dyn Fn(&AddFile) -> bool,
    txn_id: String,
    removes: BTreeSet<String>,
    adds: BTreeSet<String>,
}

impl<'a> PlanReach<'a> {
    fn of(plan: &CommitPlan<'a>) -> Self {
        let (mut removes, mut adds) = (BTreeSet::new(), BTreeSet::new());
        for action in &plan.actions {
            match action {
                TableAction::Remove(remove) => drop(removes.insert(remove.key())),
                TableAction::Add(add) => drop(adds.insert(add.key())),
                _ => {}
            }
        }
        Self { app_id: plan.app_id, owns: plan.owns, txn_id: plan.txn_id.clone(), removes, adds }
    }

    fn is_own(&self, actions: &[TableAction]) -> bool {
        let own = |info: &CommitInfo| info.txn_id.as_ref() == Some(&self.txn_id);
        actions.iter().any(|action| matches!(action, TableAction::Info(info) if own(info)))
    }

    /// Whether another's commit makes the plan void.
    fn conflict(&self, version: u64, actions: &[TableAction]) -> Option<CommitConflict> {
        actions.iter().find_map(|action| match action {
            TableAction::Txn(txn) => {
                (Some(txn.app_id.as_str()) == self.app_id).then_some(CommitConflict::SameApp { version })
            }
            TableAction::Protocol(_) | TableAction::Metadata(_) => {
                Some(CommitConflict::TableChanged { version })
            }
            TableAction::Remove(remove) => {
                let key = remove.key();
                self.removes.contains(&key).then_some(CommitConflict::FileGone { version, key })
            }
            TableAction::Add(add) => {
                let key = add.key();
                if self.removes.contains(&key) {
                    Some(CommitConflict::FileGone { version, key })
                } else if self.adds.contains(&key) || (self.owns)(add) {
                    Some(CommitConflict::FileAdded { version, key })
                } else {
                    None
                }
            }
            TableAction::Info(_) => None,
        })
    }
}

impl DeltaTable {
    /// Commits a plan that was made from the table as it is here. After an error other than `Refused`, whether the
    /// commit was made is unknown: refresh the table and look at its `txn` before anything is planned anew.
    ///
    /// # Errors
    /// When the storage cannot be reached, however often it was tried; when `pause` stops; `Refused` when another's
    /// commit made the table one that archiver does not write.
    pub fn commit(
        &mut self,
        storage: &dyn Storage,
        plan: CommitPlan<'_>,
        now: Ms,
        retention: LogRetention,
        pause: Pause<'_>,
    ) -> Result<CommitOutcome, LakeError> {
        let looked_at = PlanReach::of(&plan);
        if let Some(key) = looked_at.removes.iter().find(|&key| !self.state.files().contains_key(key)) {
            let version = self.state.version();
            return Ok(CommitOutcome::Conflict(CommitConflict::FileGone { version, key: key.clone() }));
        }
        if now.saturating_sub(self.fresh_ms) > STALE
            && let Some(outcome) = self.catch_up(storage, &looked_at, now)?
        {
            return Ok(outcome);
        }
        let CommitPlan { mut actions, info, txn_id, .. } = plan;
        actions.insert(0, TableAction::Info(CommitInfo { txn_id: Some(txn_id), ..info }));
        let lines = write_commit(&actions).map_err(|error| LakeError::broken(self.log.key(), error))?;
        let lines = bytes::Bytes::from(lines);
        let mut tries = 0;
        loop {
            let version = self.state.version().saturating_add(1);
            let key = self.log.commit(version);
            // A commit that was lost must not be made up for by another one.
            if storage.get(&self.log.commit(version.saturating_add(1)))?.is_some()
                && storage.get(&key)?.is_none()
            {
                let next = version.saturating_add(1);
                return Err(LakeError::broken(
                    &key,
                    format!("it is missing, though there is version {next}"),
                ));
            }
            let answer = storage.create(&key, lines.clone());
            if matches!(answer, Ok(Created::Yes)) {
                return Ok(self.done(storage, actions, now, retention));
            }
            // Taken by whom? An answer that was lost leaves the same question.
            let found = match storage.get(&key) {
                Ok(Some(bytes)) => Ok(read_commit(&key, &bytes)?),
                Ok(None) => match answer {
                    Ok(_) => Err(LakeError::broken(&key, "there is one, but it cannot be read")),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match found {
                Ok(theirs) if looked_at.is_own(&theirs) => {
                    return Ok(self.done(storage, actions, now, retention));
                }
                Ok(theirs) => {
                    tries = 0;
                    if let Some(conflict) = self.take(&looked_at, theirs)? {
                        return Ok(CommitOutcome::Conflict(conflict));
                    }
                }
                Err(error) if tries >= TRIES => return Err(error),
                Err(_) => {
                    tries += 1;
                    pause(tries)?;
                }
            }
        }
    }

    /// Applies another's commit, and says whether it makes the plan void.
    fn take(
        &mut self,
        plan: &PlanReach<'_>,
        theirs: Vec<TableAction>,
    ) -> Result<Option<CommitConflict>, LakeError> {
        let conflict = plan.conflict(self.state.version().saturating_add(1), &theirs);
        self.state.apply(theirs);
        if matches!(conflict, Some(CommitConflict::TableChanged { .. })) {
            refuse_unsupported(&self.root, self.state.protocol(), self.state.metadata())?;
        }
        Ok(conflict)
    }

    /// Reads what was committed since the plan was made; an outcome where that decides it.
    fn catch_up(
        &mut self,
        storage: &dyn Storage,
        plan: &PlanReach<'_>,
        now: Ms,
    ) -> Result<Option<CommitOutcome>, LakeError> {
        let hint = read_hint(storage, &self.log)?;
        let mut commits = 0;
        loop {
            let next = self.state.version().saturating_add(1);
            let Some(theirs) = read_version(storage, &self.log, next)? else { break };
            commits += 1;
            if let Some(conflict) = self.take(plan, theirs)? {
                return Ok(Some(CommitOutcome::Conflict(conflict)));
            }
        }
        if self.is_cut_off(storage, commits, hint.as_ref())? {
            self.reload(storage, now)?;
            let version = self.state.version();
            return Ok(Some(CommitOutcome::Conflict(CommitConflict::FarBehind { version })));
        }
        self.note_checkpoint(hint.as_ref());
        self.fresh_ms = now;
        Ok(None)
    }

    fn done(
        &mut self,
        storage: &dyn Storage,
        actions: Vec<TableAction>,
        now: Ms,
        retention: LogRetention,
    ) -> CommitOutcome {
        self.state.apply(actions);
        self.fresh_ms = now;
        let checkpoint = self.checkpoint_if_due(storage, now, retention);
        CommitOutcome::Done { version: self.state.version(), checkpoint }
    }
}
