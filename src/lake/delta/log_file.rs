//! The names of the files in a table's log.

use std::collections::{BTreeMap, BTreeSet};

use super::super::storage::ListedObject;
use crate::core::Ms;

/// A table's log, within the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFolder(String);

/// A file of a log, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogFile {
    Commit(u64),
    /// A checkpoint in one file.
    Checkpoint(u64),
    /// A part of a checkpoint: which, of how many.
    Part(u64, u32, u32),
    /// A checkpoint with a name of its own, which tables of a later protocol have.
    Named(u64),
    /// A checksum, or several commits in one: nothing that is needed.
    Extra(u64),
}

/// A checkpoint all of whose files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WholeCheckpoint {
    pub(super) version: u64,
    /// How many files it has.
    pub(super) parts: u32,
}

impl LogFolder {
    /// The log of the table in a folder of the lake; the lake itself may be one table.
    #[must_use]
    pub fn of(root: &str) -> Self {
        let root = root.trim_end_matches('/');
        Self(if root.is_empty() { "_delta_log/".to_owned() } else { format!("{root}/_delta_log/") })
    }

    pub(super) fn key(&self) -> &str {
        &self.0
    }

    /// The key of a commit.
    #[must_use]
    pub fn commit(&self, version: u64) -> String {
        format!("{}{version:020}.json", self.0)
    }

    /// The key of a checkpoint in one file.
    #[must_use]
    pub fn checkpoint(&self, version: u64) -> String {
        format!("{}{version:020}.checkpoint.parquet", self.0)
    }

    pub(super) fn parts_of(&self, checkpoint: WholeCheckpoint) -> Vec<String> {
        let WholeCheckpoint { version, parts } = checkpoint;
        if parts <= 1 {
            return vec![self.checkpoint(version)];
        }
        let part = |n: u32| format!("{}{version:020}.checkpoint.{n:010}.{parts:010}.parquet", self.0);
        (1..=parts).map(part).collect()
    }

    /// The key of the file that says which checkpoint is the newest.
    #[must_use]
    pub fn last_checkpoint(&self) -> String {
        format!("{}_last_checkpoint", self.0)
    }

    pub(super) fn parse(&self, key: &str) -> Option<LogFile> {
        let name = key.strip_prefix(&self.0)?;
        let mut words = name.split('.');
        let first = words.next()?;
        if first.len() != 20 || !first.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let version = first.parse().ok()?;
        let rest: Vec<&str> = words.collect();
        match rest.as_slice() {
            ["json"] => Some(LogFile::Commit(version)),
            ["checkpoint", "parquet"] => Some(LogFile::Checkpoint(version)),
            ["checkpoint", part, parts, "parquet"] => {
                Some(LogFile::Part(version, part.parse().ok()?, parts.parse().ok()?))
            }
            ["checkpoint", _, "parquet" | "json"] => Some(LogFile::Named(version)),
            ["crc"] | [_, "compacted", "json"] => Some(LogFile::Extra(version)),
            _ => None,
        }
    }

    /// The checkpoints that are whole, the oldest first.
    pub(super) fn whole_checkpoints(&self, listed: &[ListedObject]) -> BTreeSet<WholeCheckpoint> {
        let mut whole = BTreeSet::new();
        let mut parts_of: BTreeMap<(u64, u32), BTreeSet<u32>> = BTreeMap::new();
        for file in listed {
            match self.parse(&file.key) {
                Some(LogFile::Checkpoint(version)) => {
                    whole.insert(WholeCheckpoint { version, parts: 1 });
                }
                Some(LogFile::Part(version, part, parts)) if (1..=parts).contains(&part) => {
                    parts_of.entry((version, parts)).or_default().insert(part);
                }
                _ => {}
            }
        }
        for ((version, parts), there) in parts_of {
            if u32::try_from(there.len()) == Ok(parts) {
                whole.insert(WholeCheckpoint { version, parts });
            }
        }
        whole
    }

    /// The files of a log that nobody needs any more: those before a checkpoint which is not the newest one and not
    /// younger than the last commit before `cutoff`, so that each moment since then can still be looked at.
    pub(super) fn expired(&self, listed: &[ListedObject], newest: u64, cutoff: Ms) -> Vec<String> {
        let mut last_old: Option<u64> = None;
        let mut first_young: Option<u64> = None;
        for file in listed {
            let Some(LogFile::Commit(version)) = self.parse(&file.key) else { continue };
            if file.modified_ms >= cutoff {
                first_young = Some(first_young.map_or(version, |known| known.min(version)));
            }
        }
        for file in listed {
            let Some(LogFile::Commit(version)) = self.parse(&file.key) else { continue };
            if first_young.is_none_or(|young| version < young) {
                last_old = last_old.max(Some(version));
            }
        }
        let kept = self
            .whole_checkpoints(listed)
            .into_iter()
            .map(|checkpoint| checkpoint.version)
            .filter(|&version| version < newest && Some(version) <= last_old)
            .max();
        let Some(kept) = kept else { return Vec::new() };
        let is_expired = |file: &&ListedObject| {
            let version = match self.parse(&file.key) {
                Some(
                    LogFile::Commit(version)
                    | LogFile::Checkpoint(version)
                    | LogFile::Part(version, _, _)
                    | LogFile::Extra(version),
                ) => version,
                Some(LogFile::Named(_)) | None => return false,
            };
            version < kept && file.modified_ms < cutoff
        };
        listed.iter().filter(is_expired).map(|file| file.key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[(&str, Ms)]) -> Vec<ListedObject> {
        let of = |&(name, modified_ms): &(&str, Ms)| ListedObject {
            key: format!("t/_delta_log/{name}"),
            size: 1,
            modified_ms,
        };
        names.iter().map(of).collect()
    }

    #[test]
    fn names_say_what_a_file_is() {
        let log = LogFolder::of("t");
        let parse = |name: &str| log.parse(&format!("t/_delta_log/{name}"));
        assert_eq!(parse("00000000000000000012.json"), Some(LogFile::Commit(12)));
        assert_eq!(parse("00000000000000000012.checkpoint.parquet"), Some(LogFile::Checkpoint(12)));
        assert_eq!(
            parse("00000000000000000012.checkpoint.0000000002.0000000003.parquet"),
            Some(LogFile::Part(12, 2, 3))
        );
        assert_eq!(
            parse("00000000000000000012.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"),
            Some(LogFile::Named(12))
        );
        assert_eq!(parse("00000000000000000012.crc"), Some(LogFile::Extra(12)));
        for other in ["_last_checkpoint", "12.json", "_staged_commits/00000000000000000012.a.json", ""] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(LogFolder::of("").commit(1), "_delta_log/00000000000000000001.json");
    }

    #[test]
    fn a_checkpoint_with_a_missing_part_is_not_whole() {
        let files = listed(&[
            ("00000000000000000003.checkpoint.0000000001.0000000002.parquet", 0),
            ("00000000000000000003.checkpoint.0000000002.0000000002.parquet", 0),
            ("00000000000000000004.checkpoint.0000000002.0000000002.parquet", 0),
            ("00000000000000000004.checkpoint.0000000000.0000000002.parquet", 0),
            ("00000000000000000002.checkpoint.parquet", 0),
        ]);
        let whole: Vec<_> = LogFolder::of("t").whole_checkpoints(&files).into_iter().collect();
        assert_eq!(whole, [2, 3].map(|v| WholeCheckpoint { version: v, parts: if v == 2 { 1 } else { 2 } }));
    }

    #[test]
    fn what_an_older_checkpoint_and_the_retention_need_is_kept() {
        let mut names = Vec::new();
        for version in 0..40_u64 {
            let when = i64::try_from(version).unwrap() * 10;
            names.push((format!("{version:020}.json"), when));
            if version % 10 == 9 {
                names.push((format!("{version:020}.checkpoint.parquet"), when));
            }
        }
        let names: Vec<(&str, Ms)> = names.iter().map(|(name, when)| (name.as_str(), *when)).collect();
        let log = LogFolder::of("t");
        let versions = |newest, cutoff| {
            log.expired(&listed(&names), newest, cutoff).iter().filter(|key| key.ends_with(".json")).count()
        };
        assert_eq!(versions(39, 0), 0, "nothing is old");
        assert_eq!(
            versions(39, 95),
            9,
            "the checkpoint at 9 is kept for commit 9, the last one before the cutoff"
        );
        assert_eq!(versions(39, 85), 0, "no checkpoint is as old as the last commit before the cutoff");
        assert_eq!(versions(39, 10_000), 29, "the checkpoint before the newest one is kept");
        assert_eq!(versions(9, 10_000), 0, "there is none before the newest one");
    }
}
