//! The file that a login's result goes to: private to its owner, and replaced as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, fchown};
use tempfile::NamedTempFile;

use crate::app::replace;
use crate::error::Failure;

/// No token is longer (bytes).
const LONGEST: u64 = 65_536;

#[derive(Debug)]
pub(super) struct Destination {
    path: PathBuf,
    /// Created before anything is paid for: if it cannot be, the result would be lost.
    file: NamedTempFile,
}

impl Destination {
    /// Makes sure that the file can be written.
    pub(super) fn prepare(path: &Path) -> Result<Self, Failure> {
        // A link stays a link: its target is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let prepared = (|| {
            if path.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if !may_be_a_credential(&path)? {
                let what = "it does not look like a token or an account id and is not overwritten";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            replace::begin(&path)
        })();
        let file = prepared.map_err(|source| Failure::File(path.clone(), source))?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file and syncs it to disk.
    pub(super) fn write(self, text: &str) -> Result<PathBuf, Failure> {
        let Self { path, file } = self;
        keep_owner(&path, file.as_file());
        let written = replace::finish(file, &path, &format!("{text}\n"));
        written.map_err(|source| Failure::file(&path, source))?;
        Ok(path)
    }
}

/// Whether the file is missing or may have been written by a login: it has one short line.
fn may_be_a_credential(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LONGEST + 1).read_to_end(&mut head)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let line = head.trim_ascii();
    let short = u64::try_from(head.len()).is_ok_and(|length| length <= LONGEST);
    Ok(short && !line.iter().any(|byte| byte.is_ascii_control() || *byte == b' '))
}

/// Keeps the file's owner when the superuser renews a service's token.
fn keep_owner(path: &Path, file: &File) {
    let (Ok(before), Ok(now)) = (fs::metadata(path), file.metadata()) else { return };
    if (before.uid(), before.gid()) == (now.uid(), now.gid()) {
        return;
    }
    let (uid, gid) = (Uid::from_raw(before.uid()), Gid::from_raw(before.gid()));
    if let Err(error) = fchown(file, Some(uid), Some(gid)) {
        tracing::warn!(path = %path.display(), %error, "cannot keep the file's owner");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login_token");
        fs::write(&path, "the-one-before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let destination = Destination::prepare(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "the-one-before");
        destination.write("token").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "token\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_abandoned_login_leaves_nothing_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "before").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        drop(Destination::prepare(&link).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        Destination::prepare(&link).unwrap().write("after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "after\n");
    }

    #[test]
    fn only_a_credential_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for other in ["[api]\nversion = \"v1\"\n", "SQLite format 3\0", "two words", &"a".repeat(70_000)] {
            fs::write(&path, other).unwrap();
            assert_eq!(Destination::prepare(&path).unwrap_err().exit_code(), 73, "{:.20}", other);
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
        for credential in ["", "AQED-token\n", "acc_123"] {
            fs::write(&path, credential).unwrap();
            drop(Destination::prepare(&path).unwrap());
        }
    }

    #[test]
    fn an_unwritable_file_is_reported_before_anything_is_paid_for() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("not/there")] {
            assert_eq!(Destination::prepare(&path).unwrap_err().exit_code(), 73);
        }
    }
}
