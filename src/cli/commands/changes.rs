//! `archiver changes`: what changed since a number, one JSON object a line, and on request whatever changes from now on.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::app::Context;
use crate::cli::ui::output::Output;
use crate::cli::ui::reading::OpenArchive;
use crate::error::Failure;
use crate::view::message::feed_line;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChangesArgs {
    /// Only changes after this number
    ///
    /// Pass `seq` of the last line you have read: nothing is missed, and nothing is repeated unless it changed again.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) since: i64,

    /// Print at most N changes
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,

    /// Keep printing new changes until interrupted
    #[arg(long)]
    pub(crate) follow: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver changes                         every message, in the order of its latest change
  archiver changes --since 4711 --limit 100
  archiver changes --since 4711 --follow | while read -r line; do …; done

Each line has seq, kind, history, changed_at and the message as it is now.
docs/json.md lists the members.";

/// How often the archive is looked at for changes.
const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

pub(crate) fn run(context: &Context, args: &ChangesArgs) -> Result<(), Failure> {
    let archive = OpenArchive::open(context)?;
    let opened = inode(&archive.path);
    let queries = archive.queries();
    let mut out = Output::buffered(&context.env);
    let (mut since, mut left) = (args.since, args.limit);
    let last = queries.last_change().map_err(|e| archive.failed(e))?;
    if since > last {
        return Err(Failure::usage(
            format!(
                "the archive's last change has the number {last}, not {since}: an older copy took its place"
            ),
            "read all of it again: omit --since",
        ));
    }
    let mut seen = None;
    loop {
        // First the version, then the changes: what is written in between is seen twice rather than never.
        let version = queries.data_version().map_err(|e| archive.failed(e))?;
        if seen != Some(version) {
            seen = Some(version);
            let shown = queries.changes(since, left, |change| {
                since = change.seq;
                left = left.map(|left| left.saturating_sub(1));
                match out.json(&feed_line(&change)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(failure) => ControlFlow::Break(failure),
                }
            });
            if let Some(failure) = shown.map_err(|e| archive.failed(e))? {
                return Err(failure);
            }
            out.finish()?;
        }
        if !args.follow || left == Some(0) || !is_read_on()? {
            return Ok(());
        }
        if inode(&archive.path) != opened {
            return Err(Failure::ArchiveLost {
                message: format!("another file is at {}, or none", archive.path.display()),
                help: "begin again with the seq of the last line; if that is too large, an older copy took the place",
            });
        }
    }
}

/// Waits a moment; whether anybody still reads standard output.
fn is_read_on() -> Result<bool, Failure> {
    let stdout = io::stdout();
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut ends, Some(&EVERY)) {
        Ok(0) | Err(Errno::INTR) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(Failure::Stdout(error.into())),
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
