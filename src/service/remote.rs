//! Asks the running service for a run: its process is known by its lock on the archive and by being this program.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::Failure;
use crate::store::{Holder, holder};

/// Asks the service of this archive for a run at once. Returns its process id.
///
/// # Errors
/// [`Failure::NoService`] when none is running or it may not be signalled; [`Failure::Busy`] when another process has
/// the archive.
pub fn run_now(archive: &Path) -> Result<i32, Failure> {
    let shown = archive.display();
    let failed = |error| Failure::ArchiveRead(archive.to_owned(), format!("its lock: {error}"));
    let found = holder(archive).map_err(failed)?;
    let pid = match found {
        Holder::Service(pid) => pid,
        Holder::Other => return Err(Failure::Busy(archive.to_owned())),
        Holder::Nobody => {
            return Err(Failure::NoService {
                message: format!("no service is running for {shown}"),
                help: "`archiver sync --once` makes a run by itself; `archiver sync` is the service".into(),
            });
        }
    };
    let refused = |reason: String| Failure::NoService {
        message: format!("cannot signal the service (process {pid}): {reason}"),
        help: "run this as the user of the service, or as root".into(),
    };
    // Held from here on, the process cannot become another one before it is signalled.
    let process = Pid::from_raw(pid).ok_or_else(|| refused("that is no process".to_owned()))?;
    let process = pidfd_open(process, PidfdFlags::empty()).map_err(|error| refused(error.to_string()))?;
    if Path::new("/proc/self/fdinfo").exists() {
        is_this_program(pid).map_err(|why| refused(why.to_owned()))?;
        if !holds_lock(pid, archive) {
            return Err(Failure::Busy(archive.to_owned()));
        }
    }
    pidfd_send_signal(process, Signal::USR1).map_err(|error| refused(error.to_string()))?;
    Ok(pid)
}

/// Whether the process runs this program, perhaps in another version: anything else dies of the signal.
fn is_this_program(pid: i32) -> Result<(), &'static str> {
    let name = |link: String| {
        let path = fs::read_link(link).ok()?.into_os_string().into_string().ok()?;
        let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
        Some(path.rsplit('/').next()?.to_owned())
    };
    let theirs = name(format!("/proc/{pid}/exe")).ok_or("its program cannot be looked at")?;
    if name("/proc/self/exe".to_owned()) == Some(theirs) { Ok(()) } else { Err("it is another program") }
}

/// Whether the process itself has locked the archive, rather than merely opened its lock.
fn holds_lock(pid: i32, archive: &Path) -> bool {
    let Ok(archive) = fs::canonicalize(archive) else { return false };
    let inodes = [archive.with_added_extension("lock"), archive];
    let inodes: Vec<String> =
        inodes.iter().filter_map(|p| Some(format!(":{} ", fs::metadata(p).ok()?.ino()))).collect();
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return false };
    files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok()).any(|info| {
        let mut locks = info.lines().filter(|line| line.starts_with("lock:") && line.contains(" WRITE "));
        locks.any(|line| inodes.iter().any(|inode| line.contains(inode)))
    })
}
