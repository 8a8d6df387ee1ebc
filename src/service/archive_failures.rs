//! How often in a row the archive has failed, remembered over restarts where the archive itself cannot: a full disk must
//! not be met with a paid request every two minutes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Env;
use crate::core::Ms;

/// The wait after the first failure, which doubles with each, and the longest one.
const FIRST_WAIT_MS: Ms = 2 * 60_000;
pub(super) const LONGEST_WAIT_MS: Ms = 6 * 60 * 60_000;

/// The file that counts them. It is in memory, so that a full disk does not matter and a reboot forgets it.
#[derive(Debug, Clone)]
pub(super) struct ArchiveFailures {
    file: Option<PathBuf>,
    /// Those of another one are no reason to wait.
    archive: String,
}

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// When the last one was (ms).
    pub(super) last_ms: Ms,
}

impl Failures {
    /// No run is to be made before this (ms).
    pub(super) fn until_ms(self) -> Ms {
        let wait = FIRST_WAIT_MS << self.count.saturating_sub(1).min(10);
        self.last_ms.saturating_add(wait.min(LONGEST_WAIT_MS))
    }
}

impl ArchiveFailures {
    /// In the folder that systemd gives a service, or the user's own; nowhere without one.
    pub(super) fn of(env: &Env, archive: &Path) -> Self {
        let given = env.text("RUNTIME_DIRECTORY").map(PathBuf::from);
        let own = || env.text("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("archiver"));
        let file = given.or_else(own).map(|dir| dir.join("archive-failures"));
        Self { file, archive: archive.display().to_string() }
    }

    pub(super) fn read(&self) -> Option<Failures> {
        let text = fs::read_to_string(self.file.as_ref()?).ok()?;
        let (numbers, archive) = text.split_once('\n')?;
        let (count, last_ms) = numbers.split_once(' ')?;
        (archive == self.archive).then_some(())?;
        Some(Failures { count: count.parse().ok()?, last_ms: last_ms.parse().ok()? })
    }

    /// Counts one more. Returns how many it makes in a row.
    pub(super) fn add(&self, now: Ms) -> u32 {
        let count = self.read().map_or(0, |failures| failures.count).saturating_add(1);
        let Some(path) = &self.file else { return count };
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = written.and_then(|()| fs::write(path, format!("{count} {now}\n{}", self.archive)))
        {
            tracing::debug!(%error, "the failure of the archive cannot be noted");
        }
        count
    }

    /// The archive works.
    pub(super) fn clear(&self) {
        if let Some(path) = &self.file {
            // Mostly there is none.
            fs::remove_file(path).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_waited_for_ever_longer() {
        let dir = tempfile::tempdir().unwrap();
        let file = Some(dir.path().join("new").join("archive-failures"));
        let failures = ArchiveFailures { file, archive: "/a.db".to_owned() };
        assert_eq!(failures.read(), None);
        let waits: Vec<Ms> = (1..=10)
            .map(|count| {
                assert_eq!(failures.add(1_000), count);
                (failures.read().unwrap().until_ms() - 1_000) / 60_000
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        let of_another = ArchiveFailures { archive: "/b.db".to_owned(), ..failures.clone() };
        assert_eq!((of_another.read(), of_another.add(0)), (None, 1), "none of its own");
        assert_eq!((failures.read(), failures.add(0)), (None, 1));
        failures.clear();
        assert_eq!((failures.read(), failures.add(0)), (None, 1));
    }

    #[test]
    fn without_a_folder_nothing_is_remembered() {
        let failures = ArchiveFailures { file: None, archive: "/a.db".to_owned() };
        assert_eq!((failures.add(0), failures.add(0), failures.read()), (1, 1, None));
    }
}
