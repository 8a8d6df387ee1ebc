//! Files that are replaced as a whole or not at all: whoever reads one sees the old content or the new.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Gid, Uid, fchown};
use rustix::process::geteuid;
use tempfile::NamedTempFile;

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The bytes at the beginning of a file in which its mark is looked for.
const HEAD: u64 = 4096;

/// Whether there is no file, an empty one, or one that this program has written: its mark is near the beginning.
pub(crate) fn is_own_or_new(path: &Path, mark: &str) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head.is_empty() || String::from_utf8_lossy(&head).contains(mark))
}

/// A new file beside the one to be replaced, of mode 0600. It goes away unless it is finished.
pub(crate) fn begin(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".archiver-").tempfile_in(folder(path))
}

/// Writes a file beside an archive, with the archive's owner and readers: the superuser may do so in the service's folder.
pub(crate) fn beside(archive: &Path, path: &Path, text: &str) -> io::Result<()> {
    let (file, of) = (begin(path)?, fs::metadata(archive)?);
    file.as_file().set_permissions(fs::Permissions::from_mode(of.mode() & 0o666))?;
    if geteuid().is_root() {
        fchown(file.as_file(), Some(Uid::from_raw(of.uid())), Some(Gid::from_raw(of.gid())))?;
    }
    finish(file, path, text)
}

/// Writes the file, and gives it its name once it is on the disk.
pub(crate) fn finish(mut file: NamedTempFile, path: &Path, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder(path))?.sync_all()
}
