//! Reading a file that ought to be a small text, whatever is at its path.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The text of a regular file of at most so many bytes: a device or a pipe may have no end.
pub(super) fn read_small(path: &Path, most: u64) -> io::Result<String> {
    // Without this flag, opening a pipe would wait for somebody to write to it.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > most) {
        let what = format!("it is too long, over {most} bytes: is it the right file?");
        return Err(io::Error::new(ErrorKind::FileTooLarge, what));
    }
    let what = "it is not text (UTF-8): is it the right file?";
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, what))
}
