//! Objects as the files of a folder: whole or not there, durable, and nothing left of a writer that crashed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::super::storage::{Created, ListedObject};
use crate::core::Ms;
use crate::lake::LakeError;

/// Where files are while they are written. A writer holds a lock on its own, so that those of writers that crashed are
/// known by having none.
pub(super) const STAGING: &str = ".staging";
/// A folder may be removed as empty just when a file is to come into it; so often in a row it is not.
const TRIES: usize = 16;

/// A lake's folder.
pub(super) struct Folder {
    root: PathBuf,
}

/// A file that nobody sees yet. It is removed when this is dropped, whatever became of it.
struct Staged {
    file: File,
    path: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What cannot be removed now is, when the lake is opened next.
        fs::remove_file(&self.path).ok();
    }
}

impl Folder {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        // Only what this makes is private: of a folder that is there its owner decides.
        make_folders(&root, 0o700)?;
        fs::read_dir(&root)?;
        let folder = Self { root };
        folder.sweep()?;
        Ok(folder)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    pub(super) fn get(&self, key: &str) -> io::Result<Option<Bytes>> {
        match fs::read(self.path(key)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let (staged, path) = (self.stage(bytes)?, self.path(key));
        in_folder_of(&path, || fs::rename(&staged.path, &path))
    }

    pub(super) fn create(&self, key: &str, bytes: &[u8]) -> io::Result<Created> {
        let path = self.path(key);
        // Otherwise each loser of a race would write its bytes first.
        if path.symlink_metadata().is_ok() {
            return Ok(Created::Taken);
        }
        let staged = self.stage(bytes)?;
        match in_folder_of(&path, || link_or_move(&staged.path, &path)) {
            Ok(()) => Ok(Created::Yes),
            // A file system on the network may have made the link, lost the answer and asked again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Ok(match staged.file.metadata()?.nlink() {
                    2.. => Created::Yes,
                    _ => Created::Taken,
                })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn delete(&self, keys: &[String]) -> Result<(), LakeError> {
        let mut folders = BTreeSet::new();
        for key in keys {
            let path = self.path(key);
            match fs::remove_file(&path) {
                Ok(()) => folders.extend(path.parent().map(Path::to_owned)),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(LakeError::storage(key, error)),
            }
        }
        let tidied = folders.iter().try_for_each(|folder| self.tidy(folder)).and_then(|()| self.sweep());
        tidied.map_err(|error| LakeError::storage("", error))
    }

    /// All files below a folder, in no order.
    pub(super) fn list(&self, below: &str) -> io::Result<Vec<ListedObject>> {
        let (mut listed, mut folders) = (Vec::new(), vec![below.to_owned()]);
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(self.path(&folder)) {
                Err(error) if is_missing(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                // No object has such a name.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if super::what_is_wrong(&key).is_some() {
                    continue;
                }
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(key);
                } else if kind.is_file() {
                    match entry.metadata() {
                        Err(error) if is_missing(&error) => {}
                        meta => listed.push(listed_of(key, &meta?)),
                    }
                }
            }
        }
        Ok(listed)
    }

    /// Writes the bytes where nobody looks.
    fn stage(&self, bytes: &[u8]) -> io::Result<Staged> {
        let mut staged = self.empty()?;
        staged.file.write_all(bytes)?;
        staged.file.sync_all()?;
        Ok(staged)
    }

    fn empty(&self) -> io::Result<Staged> {
        let staging = self.root.join(STAGING);
        for _ in 0..TRIES {
            let path = staging.join(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)));
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) if is_missing(&error) => {
                    make_folders(&staging, 0o777)?;
                    continue;
                }
                file => file?,
            };
            let staged = Staged { file, path };
            // Where files cannot be locked, nothing is swept.
            staged.file.lock().ok();
            // Another process may have swept it between its creation and its lock.
            if staged.file.metadata()?.nlink() > 0 {
                return Ok(staged);
            }
        }
        Err(io::Error::other("its files for writing are removed as they are made"))
    }

    /// Removes what writers left that are no more. It may be a second name of an object that is deleted.
    fn sweep(&self) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(STAGING)) {
            Err(error) if is_missing(&error) => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            // On NFS only a file that is open for writing can be locked.
            let file = match OpenOptions::new().read(true).write(true).open(&path) {
                Err(error) if is_missing(&error) => continue,
                file => file?,
            };
            match file.try_lock() {
                Ok(()) => match fs::remove_file(&path) {
                    Err(error) if !is_missing(&error) => return Err(error),
                    _ => {}
                },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(%error, "cannot tell whether a file is still being written");
                }
            }
        }
        Ok(())
    }

    /// Has a deletion last, and removes the folders that it left empty.
    fn tidy(&self, folder: &Path) -> io::Result<()> {
        match sync_folder(folder) {
            Err(error) if !is_missing(&error) => return Err(error),
            _ => {}
        }
        let below = folder.ancestors().take_while(|folder| *folder != self.root);
        // One that is not empty is not removed.
        let removed = below.take_while(|folder| fs::remove_dir(folder).is_ok()).last();
        match removed.and_then(Path::parent).map(sync_folder) {
            Some(Err(error)) if !is_missing(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Does what makes a name in a folder, which is made if it is missing, and has the name last.
fn in_folder_of(path: &Path, mut make: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    for _ in 0..TRIES {
        match make() {
            Err(error) if error.kind() == ErrorKind::NotFound => make_folders(folder, 0o777)?,
            Err(error) => return Err(error),
            Ok(()) => return sync_folder(folder),
        }
    }
    Err(io::Error::other("its folder is removed as it is made"))
}

/// Gives a file its name if that is free.
fn link_or_move(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if cannot_link(&error) => renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
            .map_err(|without| match without {
                rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP => {
                    io::Error::other(
                        "the file system has no way to create a file only where there is none: \
                         keep the lake on a local disk, on NFS or on S3",
                    )
                }
                without => without.into(),
            }),
        linked => linked,
    }
}

/// What file systems without hard links say, such as exFAT.
fn cannot_link(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::TooManyLinks)
        || error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error())
}

/// Makes a folder and those above it that are missing, and has their names last.
fn make_folders(folder: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(mode).create(folder)?;
    missing.iter().filter_map(|made| made.parent()).try_for_each(|parent| match sync_folder(parent) {
        // One above it may be there to be passed through only.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    })
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot, and have their names last by other means.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn listed_of(key: String, meta: &fs::Metadata) -> ListedObject {
    let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_ms = since.and_then(|since| Ms::try_from(since.as_millis()).ok()).unwrap_or_default();
    ListedObject { key, size: meta.len(), modified_ms }
}

/// Why a folder cannot be a lake's.
pub(super) fn refused(place: &Path, error: &io::Error) -> LakeError {
    let what = |what: &str| format!("{}: {what}", place.display());
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => LakeError::refused(
            what("it is not a folder, or something above it is not"),
            "name another folder, or remove the file that is in its place",
        ),
        ErrorKind::PermissionDenied => LakeError::refused(
            what("permission denied"),
            "name a folder that the user of archiver may write to, or have it given to that user",
        ),
        ErrorKind::ReadOnlyFilesystem => LakeError::refused(
            what("it is on a read-only file system"),
            "name another folder; under systemd, add it to ReadWritePaths= of the unit",
        ),
        _ => LakeError::refused(what(&error.to_string()), "name another folder"),
    }
}
