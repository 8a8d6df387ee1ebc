//! Asks the running service for a run: its process is found by the lock on the archive, and signalled.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

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
    let process = Pid::from_raw(pid).ok_or_else(|| refused("that is no process".to_owned()))?;
    kill_process(process, Signal::USR1).map_err(|error| refused(error.to_string()))?;
    Ok(pid)
}
