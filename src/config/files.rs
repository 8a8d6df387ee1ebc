//! Reading a file that ought to be a small text, whatever is at its path.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The text of a regular file of at most so many bytes: a device or a pipe may have no end.
pub(super) fn read_small(path: &Path, most: u64) -> io::Result<String> {
    read_checked(path, most, |_| Ok(()))
}

/// The same of a file that nobody named: it decides where the key is sent and what is run, so it must be one's own.
pub(super) fn read_own(path: &Path, most: u64) -> io::Result<String> {
    is_own(&path.symlink_metadata()?)?;
    read_checked(path, most, |meta| match meta.mode() & 0o002 {
        0 => is_own(meta),
        _ => Err(not_trusted("other users can write to it")),
    })
}

fn is_own(meta: &Metadata) -> io::Result<()> {
    match meta.uid() {
        0 => Ok(()),
        uid if uid == rustix::process::geteuid().as_raw() => Ok(()),
        uid => Err(not_trusted(&format!("it belongs to another user (uid {uid})"))),
    }
}

fn not_trusted(why: &str) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, format!("{why}; name it with --config to use it anyway"))
}

fn read_checked(path: &Path, most: u64, check: impl Fn(&Metadata) -> io::Result<()>) -> io::Result<String> {
    // Without this flag, opening a pipe would wait for somebody to write to it.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    check(&meta)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > most) {
        let what = format!("it is too long, over {most} bytes: is it the right file?");
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    let what = "it is not text (UTF-8): is it the right file?";
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, what))
}
