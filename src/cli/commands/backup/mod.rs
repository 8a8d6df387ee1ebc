//! `archiver backup`: a consistent, verified copy of the archive while a sync runs.

mod pattern;

use crate::app::runtime;
use crate::cli::ui::output;
use crate::cli::ui::output::Output;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Context;
use crate::app::wiring;
use crate::cli::ui::output::plural;
use crate::cli::ui::progress::Meter;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Failure;
use crate::store::backup::{self, BackupError, Copied};
use pattern::Pattern;

const EXAMPLES: &str = "\
Examples:
  archiver backup /mnt/backups                      archive-20260102T030405Z.db
  archiver backup /mnt/backups --keep 14            and of those the 14 newest
  archiver backup /mnt/backups/%Y-%m-%d.db --keep 7  one for each day
  archiver backup archive-copy.db                   replaces an earlier one";

/// `archiver backup`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackupArgs {
    /// The copy, or a folder for it; %Y %m %d %H %M %S %j %F stand for the time (UTC)
    ///
    /// The copy is checked before it takes its place, and has mode 0600. A file that is no archive is never
    /// replaced.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Then delete all but the N newest backups whose name has this form
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    /// Print it as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Done {
    path: String,
    #[serde(flatten)]
    copied: Copied,
    deleted: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// Bad usage or configuration, an archive that cannot be read, or a place that cannot be written.
pub fn run(context: &Context, args: &BackupArgs) -> Result<(), Failure> {
    let config = context.config(None)?;
    context.warn(&config);
    let archive = config.archive.path;
    let (folder, pattern) = place(&args.path)?;
    if args.keep.is_some() && !pattern.tells_the_order() {
        return Err(Failure::Usage {
            message: "--keep needs names that tell the time from the year down, or the oldest cannot be told"
                .to_owned(),
            help: "name a folder, or put placeholders into the name, such as backups/%Y-%m-%d.db".to_owned(),
        });
    }
    let now = DateTime::<Utc>::from_timestamp_millis(SystemClock.now_ms()).unwrap_or_default();
    let to = folder.join(pattern.name(now));
    let copied = runtime()?
        .block_on(copy(archive.clone(), to.clone()))
        .map_err(|error| failure(&archive, &to, error))?;
    let deleted = match args.keep {
        Some(keep) => {
            let keep = usize::try_from(keep).unwrap_or(usize::MAX);
            prune(&Kept { archive: &archive, folder: &folder, pattern: &pattern, newest: &to, keep })?
        }
        None => Vec::new(),
    };
    let mut out = Output::stdout(&context.env);
    let shown = |path: &Path| path.display().to_string();
    if args.json {
        let deleted = deleted.iter().map(|p| shown(p)).collect();
        return out.json(&Done { path: shown(&to), copied, deleted });
    }
    out.line(format!(
        "{}: {} in {}, {} bytes, checked",
        shown(&to),
        plural(copied.contents.messages, "message"),
        plural(copied.contents.conversations, "conversation"),
        output::thousands(copied.bytes)
    ))?;
    for path in &deleted {
        out.line(format!("{}: deleted", shown(path)))?;
    }
    Ok(())
}

/// The folder that the copy goes to, and the form of its name.
fn place(path: &Path) -> Result<(PathBuf, Pattern), Failure> {
    let usage = |message: String| Failure::Usage {
        message,
        help: "%Y %m %d %H %M %S %j and %F may stand in the name, %% is a percent sign".to_owned(),
    };
    let is_folder = path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/');
    if is_folder {
        let pattern = Pattern::parse(pattern::DEFAULT).map_err(usage)?;
        return Ok((path.to_owned(), pattern));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| usage(format!("{} is no name for a file", path.display())))?;
    let pattern = Pattern::parse(name).map_err(|why| usage(format!("{name:?}: {why}")))?;
    Ok((path.parent().unwrap_or(Path::new("")).to_owned(), pattern))
}

/// Makes the copy on a thread of its own, so that a signal is heard and nothing half is left.
async fn copy(archive: PathBuf, to: PathBuf) -> Result<Copied, BackupError> {
    let stopped = Arc::new(AtomicBool::new(false));
    let (seen, asked) = (Arc::clone(&stopped), Arc::clone(&stopped));
    let mut work = tokio::task::spawn_blocking(move || {
        let meter = Meter::new();
        let result = backup::backup(
            &archive,
            &to,
            &mut |done, of| {
                meter.show(if done < of { "copying" } else { "checking the copy" }, done, of);
                !seen.load(Ordering::Relaxed)
            },
            move || asked.load(Ordering::Relaxed),
        );
        meter.clear();
        result
    });
    if let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    {
        tokio::select! {
            done = &mut work => return joined(done),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopped.store(true, Ordering::Relaxed);
    }
    joined(work.await)
}

fn joined(done: Result<Result<Copied, BackupError>, tokio::task::JoinError>) -> Result<Copied, BackupError> {
    done.unwrap_or_else(|error| Err(BackupError::Unsound(error.to_string())))
}

fn failure(archive: &Path, to: &Path, error: BackupError) -> Failure {
    let file = |path: &Path, source: io::Error| Failure::File { path: path.to_owned(), source };
    match error {
        BackupError::Archive(error) => wiring::read_failure(archive, error),
        BackupError::File { path, source } => file(&path, source),
        BackupError::Refused { path, why } => file(&path, io::Error::other(format!("it {why}"))),
        BackupError::Stopped => file(to, io::Error::new(io::ErrorKind::Interrupted, error.to_string())),
        BackupError::Unsound(why) => Failure::CheckFailed(format!(
            "the copy of {} is not sound and was not kept: {why}; `archiver verify` says more",
            archive.display()
        )),
    }
}

/// What is kept of earlier backups.
struct Kept<'a> {
    archive: &'a Path,
    folder: &'a Path,
    pattern: &'a Pattern,
    /// The copy that was just made, which is the newest whatever the clock of the others said.
    newest: &'a Path,
    keep: usize,
}

/// Deletes all but the newest backups of this form, and returns those that were. The archive itself and one that is in
/// use are no backups, whatever their names.
fn prune(kept: &Kept<'_>) -> Result<Vec<PathBuf>, Failure> {
    let folder = if kept.folder.as_os_str().is_empty() { Path::new(".") } else { kept.folder };
    let failed = |source: io::Error| Failure::File { path: folder.to_owned(), source };
    let mut others = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let moment = entry.file_name().to_str().and_then(|name| kept.pattern.read(name));
        if let Some(moment) = moment
            && !backup::same_file(kept.newest, &entry.path())
            && backup::is_spare(kept.archive, &entry.path())
        {
            others.push((moment, entry.path()));
        }
    }
    others.sort();
    let surplus = others.len().saturating_sub(kept.keep.saturating_sub(1));
    let mut deleted = Vec::new();
    for (_, path) in others.into_iter().take(surplus) {
        let gone = backup::delete(kept.archive, &path);
        if gone.map_err(|source| Failure::File { path: path.clone(), source })? {
            deleted.push(path);
        }
    }
    Ok(deleted)
}
