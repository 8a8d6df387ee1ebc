//! A Delta table as it is: loaded from its newest checkpoint and the commits after it.

use serde::{Deserialize, Serialize};

use super::super::storage::{Created, Storage};
use super::action::{
    AddFile, CommitInfo, TableAction, TableMetadata, TableProtocol, read_commit, write_commit,
};
use super::checkpoint_read::read_checkpoint;
use super::log_file::{LogFile, LogFolder, WholeCheckpoint};
use super::refusal::refuse_unsupported;
use super::replay::{Replay, TableState};
use crate::core::Ms;
use crate::lake::LakeError;

/// How often a call that failed is made anew.
pub(super) const TRIES: u32 = 5;

/// Called before a call is made anew, with how often it failed: waits, or stops everything with an error.
pub type Pause<'a> = &'a mut dyn FnMut(u32) -> Result<(), LakeError>;

/// A Delta table, as of when it was loaded, refreshed or committed to last.
#[derive(Debug, Clone)]
pub struct DeltaTable {
    pub(super) root: String,
    pub(super) log: LogFolder,
    pub(super) state: TableState,
    /// The newest checkpoint that is known.
    pub(super) checkpoint: Option<u64>,
    /// When the log was last known to be read to its end.
    pub(super) fresh_ms: Ms,
}

/// What `_last_checkpoint` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckpointHint {
    pub(super) version: u64,
    /// How many actions the checkpoint has.
    #[serde(default)]
    pub(super) size: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) num_of_add_files: Option<i64>,
}

/// What `_last_checkpoint` says; `None` where it is missing or damaged.
pub(super) fn read_hint(storage: &dyn Storage, log: &LogFolder) -> Result<Option<CheckpointHint>, LakeError> {
    Ok(storage.get(&log.last_checkpoint())?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The actions of a commit; `None` where there is none (yet).
pub(super) fn read_version(
    storage: &dyn Storage,
    log: &LogFolder,
    version: u64,
) -> Result<Option<Vec<TableAction>>, LakeError> {
    let key = log.commit(version);
    storage.get(&key)?.map(|bytes| read_commit(&key, &bytes)).transpose()
}

impl DeltaTable {
    /// Loads the table in a folder of the lake; `None` where there is none.
    ///
    /// # Errors
    /// `Refused` when the table needs what archiver does not do; `Broken` when its log makes no sense; otherwise when
    /// the storage cannot be read.
    pub fn load(storage: &dyn Storage, root: &str, now: Ms) -> Result<Option<Self>, LakeError> {
        let log = LogFolder::of(root);
        if let Some(hint) = read_hint(storage, &log)? {
            let whole = WholeCheckpoint { version: hint.version, parts: hint.parts.unwrap_or(1) };
            if let Ok(state) = state_of(storage, &log, whole)? {
                let mut table = Self::at(root, log, state, Some(hint.version), now);
                let has_tail = table.follow(storage)? > 0;
                // The log's end, unless the checkpoint is an old one and the commits after it are cleaned away.
                if has_tail || storage.get(&table.log.commit(hint.version))?.is_some() {
                    return table.supported().map(Some);
                }
            }
        }
        Self::load_by_listing(storage, root, now)
    }

    /// Loads the table in a folder of the lake, or creates it there. Of two who create, one does and both load it.
    ///
    /// # Errors
    /// As `load` and `commit`.
    pub fn load_or_create(
        storage: &dyn Storage,
        root: &str,
        metadata: TableMetadata,
        info: CommitInfo,
        now: Ms,
        pause: Pause<'_>,
    ) -> Result<Self, LakeError> {
        let actions = [
            TableAction::Info(info),
            TableAction::Protocol(TableProtocol::ours()),
            TableAction::Metadata(Box::new(metadata)),
        ];
        let key = LogFolder::of(root).commit(0);
        let lines = write_commit(&actions).map_err(|error| LakeError::broken(&key, error))?;
        let mut tries = 0;
        loop {
            if let Some(table) = Self::load(storage, root, now)? {
                return Ok(table);
            }
            let error = match storage.create(&key, lines.clone().into()) {
                Ok(Created::Yes) => None,
                Ok(Created::Taken) => Some(LakeError::broken(&key, "there is one, but it cannot be read")),
                Err(error) => Some(error),
            };
            // One who has just created it loads it, and one who lost, too.
            tries += 1;
            match error {
                Some(error) if tries > TRIES => return Err(error),
                Some(_) => pause(tries)?,
                None => {}
            }
        }
    }

    /// Reads what was committed since.
    ///
    /// # Errors
    /// As `load`. `Broken` also when the table is gone.
    pub fn refresh(&mut self, storage: &dyn Storage, now: Ms) -> Result<(), LakeError> {
        let hint = read_hint(storage, &self.log)?;
        let commits = self.follow(storage)?;
        if self.is_cut_off(storage, commits, hint.as_ref())? {
            return self.reload(storage, now);
        }
        self.note_checkpoint(hint.as_ref());
        self.fresh_ms = now;
        refuse_unsupported(&self.root, self.state.protocol(), self.state.metadata())
    }

    /// Whether the log goes on elsewhere than after the version that is known, having read so many commits up to it:
    /// those after it were cleaned away, or the table was begun anew.
    pub(super) fn is_cut_off(
        &self,
        storage: &dyn Storage,
        commits: u64,
        hint: Option<&CheckpointHint>,
    ) -> Result<bool, LakeError> {
        match (self.checkpoint, hint.map(|hint| hint.version)) {
            (_, Some(version)) if version > self.state.version() => Ok(true),
            _ if commits > 0 => Ok(false),
            (None, None) => Ok(storage.get(&self.log.commit(self.state.version()))?.is_none()),
            (known, version) => Ok(version < known),
        }
    }

    pub(super) fn reload(&mut self, storage: &dyn Storage, now: Ms) -> Result<(), LakeError> {
        let table = Self::load(storage, &self.root, now)?;
        let gone =
            || LakeError::broken(self.log.key(), "the table's log is gone; load or create the table anew");
        *self = table.ok_or_else(gone)?;
        Ok(())
    }

    pub(super) fn note_checkpoint(&mut self, hint: Option<&CheckpointHint>) {
        let version = hint.map(|hint| hint.version).filter(|&version| version <= self.state.version());
        self.checkpoint = self.checkpoint.max(version);
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.state.version()
    }

    /// What the table holds.
    #[must_use]
    pub const fn state(&self) -> &TableState {
        &self.state
    }

    /// The version of the newest checkpoint that is known.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<u64> {
        self.checkpoint
    }

    /// The table's folder within the lake.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A file's key within the lake.
    #[must_use]
    pub fn key_of(&self, file: &AddFile) -> String {
        if self.root.is_empty() { file.key() } else { format!("{}/{}", self.root, file.key()) }
    }

    fn at(root: &str, log: LogFolder, state: TableState, checkpoint: Option<u64>, now: Ms) -> Self {
        Self { root: root.trim_end_matches('/').to_owned(), log, state, checkpoint, fresh_ms: now }
    }

    fn supported(self) -> Result<Self, LakeError> {
        refuse_unsupported(&self.root, self.state.protocol(), self.state.metadata())?;
        Ok(self)
    }

    /// Reads commit after commit until there is none; how many there were.
    fn follow(&mut self, storage: &dyn Storage) -> Result<u64, LakeError> {
        let mut commits = 0_u64;
        while let Some(next) = self.state.version().checked_add(1) {
            let Some(actions) = read_version(storage, &self.log, next)? else { break };
            self.state.apply(actions);
            commits = commits.saturating_add(1);
        }
        Ok(commits)
    }

    /// Loads the table without the help of `_last_checkpoint`.
    fn load_by_listing(storage: &dyn Storage, root: &str, now: Ms) -> Result<Option<Self>, LakeError> {
        let log = LogFolder::of(root);
        let listed = storage.list(log.key())?;
        let files: Vec<LogFile> = listed.iter().filter_map(|file| log.parse(&file.key)).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let commit = |file: &LogFile| if let LogFile::Commit(version) = file { Some(*version) } else { None };
        let newest = files.iter().filter_map(commit).max();
        let mut why = None;
        let mut begin = None;
        for whole in log.whole_checkpoints(&listed).into_iter().rev() {
            match state_of(storage, &log, whole)? {
                Ok(state) => {
                    begin = Some((state, Some(whole.version)));
                    break;
                }
                Err(error) => why = why.or(Some(error)),
            }
        }
        if begin.is_none() {
            begin = first_version(storage, &log)?.map(|state| (state, None));
        }
        let Some((state, checkpoint)) = begin else {
            return Err(unreadable(&log, root, &files, why));
        };
        let mut table = Self::at(root, log, state, checkpoint, now);
        table.follow(storage)?;
        match newest.filter(|&newest| newest > table.version()) {
            None => table.supported().map(Some),
            Some(newest) => {
                let missing = table.log.commit(table.version().saturating_add(1));
                Err(LakeError::broken(&missing, format!("it is missing, though there is version {newest}")))
            }
        }
    }
}

/// Why a log that has files cannot be read.
fn unreadable(log: &LogFolder, root: &str, files: &[LogFile], why: Option<LakeError>) -> LakeError {
    if files.iter().any(|file| matches!(file, LogFile::Named(_))) {
        return LakeError::refused(
            format!("the Delta table {root:?} has checkpoints of a later protocol (v2Checkpoint)"),
            "write into another lake, or drop the feature (ALTER TABLE … DROP FEATURE v2Checkpoint)",
        );
    }
    why.unwrap_or_else(|| {
        LakeError::broken(log.key(), "neither the first version nor any checkpoint is there; restore the log")
    })
}

/// The state that version 0 begins.
fn first_version(storage: &dyn Storage, log: &LogFolder) -> Result<Option<TableState>, LakeError> {
    let Some(actions) = read_version(storage, log, 0)? else { return Ok(None) };
    let mut replay = Replay::default();
    actions.into_iter().for_each(|action| replay.apply(action));
    let missing = |name| LakeError::broken(&log.commit(0), format!("it has no {name}"));
    replay.finish(0).map(Some).map_err(missing)
}

/// The state that a checkpoint has. The inner error is one that an older checkpoint may make up for.
fn state_of(
    storage: &dyn Storage,
    log: &LogFolder,
    checkpoint: WholeCheckpoint,
) -> Result<Result<TableState, LakeError>, LakeError> {
    /// More than any writer makes: a damaged file may say any number.
    const PARTS: u32 = 100_000;
    let whole = log.checkpoint(checkpoint.version);
    if checkpoint.parts > PARTS {
        return Ok(Err(LakeError::broken(&whole, "it has too many parts")));
    }
    let mut replay = Replay::default();
    for key in log.parts_of(checkpoint) {
        let Some(bytes) = storage.get(&key)? else {
            return Ok(Err(LakeError::broken(&key, "the checkpoint is missing")));
        };
        if let Err(error) = read_checkpoint(bytes, |action| replay.apply(action)) {
            return Ok(Err(LakeError::broken(&key, error)));
        }
    }
    let missing = |name| LakeError::broken(&whole, format!("it has no {name}"));
    Ok(replay.finish(checkpoint.version).map_err(missing))
}
