//! Files of an archive: one path for each, private, and never through a link that somebody else has put there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, OFlags, Uid, fchown};
use rustix::process::geteuid;

use crate::store::{Result, StoreError};

/// The one path of a file that may be reached by several, also before it is there.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.symlink_metadata().is_ok_and(|link| link.is_symlink()) {
                return Err(io::Error::other("it is a symbolic link that leads nowhere"));
            }
            let name = path.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
            Ok(fs::canonicalize(folder_of(path))?.join(name))
        }
        found => found,
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path of an archive that is there: a regular file, since reading a pipe or a device may never end.
pub(crate) fn existing(path: &Path) -> Result<PathBuf> {
    let unreachable = |source| StoreError::Unreachable { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(there) if there.is_file() => fs::canonicalize(path).map_err(unreachable),
        Ok(_) => Err(unreachable(io::Error::other("it is not a regular file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing(path.to_owned())),
        Err(error) => Err(unreachable(error)),
    }
}

/// Opens a file beside or of an archive, creating it for its owner alone.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.create_new(true).open(path) {
        Ok(created) => {
            leave_to_the_folders_user(path, &created);
            Ok(created)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            open_regular(path, options.create_new(false))
        }
        Err(error) => Err(error),
    }
}

/// Opens a file that is there, and no link to one.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Opening a pipe that nobody reads would wait for ever.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = options.custom_flags(flags).open(path)?;
    let regular = file.metadata()?.is_file();
    regular.then_some(file).ok_or_else(|| io::Error::other("it is not a regular file"))
}

/// What the superuser makes in another user's folder is that user's: the service must be able to open the archive that
/// `sudo archiver login` has made, and systemd changes owners only where the folder itself is another's.
fn leave_to_the_folders_user(path: &Path, created: &File) {
    let Ok(folder) = fs::metadata(folder_of(path)) else { return };
    if folder.uid() == 0 || !geteuid().is_root() {
        return;
    }
    let (uid, gid) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    if let Err(error) = fchown(created, Some(uid), Some(gid)) {
        tracing::warn!(path = %path.display(), %error, "the file cannot be left to the user of its folder");
    }
}

pub(crate) fn beside(archive: &Path, ending: &str) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What speaks against a file that [`leftover`] finds.
pub(crate) const LEFT: &str = "is left of an archive that is no longer there and would be taken for the new one's: \
                               move it away; it may hold that archive's last changes";

/// A file of SQLite's beside a place where no archive is. SQLite would put what it holds into whatever comes there.
pub(crate) fn leftover(archive: &Path) -> Option<PathBuf> {
    let beside = ["-wal", "-shm", "-journal"].map(|ending| beside(archive, ending));
    beside.into_iter().find(|file| file.symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_was_just_created_is_left_to_the_folders_user_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        let (new, old, victim) =
            (folder.path().join("new"), folder.path().join("old"), folder.path().join("victim"));
        for file in [&old, &victim] {
            fs::write(file, "").unwrap();
        }
        // Only root may give a folder away; everybody else keeps what is made.
        let (me, user) = (geteuid().as_raw(), if geteuid().is_root() { 12_345 } else { geteuid().as_raw() });
        std::os::unix::fs::chown(folder.path(), Some(user), None).unwrap();
        drop(open_private(&new).unwrap());
        drop(open_private(&old).unwrap());
        assert_eq!((owner(&new), owner(&old)), (user, me));
        let link = folder.path().join("link");
        symlink(&victim, &link).unwrap();
        assert!(open_private(&link).is_err());
        assert_eq!(owner(&victim), me);
    }
}
