//! `archiver backup`: makes a consistent, verified copy of the archive, also while a sync runs.

mod pattern;

use std::path::{Path, PathBuf};
use std::{fs, io};

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::app::{Context, backups, metrics, wiring};
use crate::cli::ui::interrupt::until_interrupted;
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::clock::{Clock as _, SystemClock};
use crate::core::format::{plural, thousands};
use crate::error::Failure;
use crate::store::backup::{self, BackupError, Copied};
use crate::store::sealed::{self, Recipients};
use pattern::Pattern;

const EXAMPLES: &str = "\
Examples:
  archiver backup /mnt/backups --keep 14           keeps the 14 newest
  archiver backup /mnt/%Y-%m-%d.db --keep 7        one per day, for a week
  archiver backup archive-copy.db                  replaces an earlier copy
  archiver backup /mnt/backups --encrypt-to age1…  encrypted to that key";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// The copy, or a folder for it; %Y %m %d %H %M %S %j %F stand for the time (UTC)
    ///
    /// The copy is checked before it is put in place, and has mode 0600. A file that is not an archive is never
    /// replaced.
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,

    /// Then delete all but the N newest backups whose names have this form
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: Option<u32>,

    /// Encrypt the copy to this age public key (age1…); repeatable
    ///
    /// Any one of the private keys decrypts it, with `archiver restore --identity` or with `age` itself. The copy is
    /// checked before it is encrypted. The name of an encrypted backup ends with `.age`.
    #[arg(long, value_name = "KEY")]
    pub(crate) encrypt_to: Vec<String>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct BackupReport {
    path: String,
    encrypted: bool,
    #[serde(flatten)]
    copied: Copied,
    deleted: Vec<String>,
}

pub(crate) fn run(context: &Context, args: &BackupArgs) -> Result<(), Failure> {
    let archive = context.reading_config()?.archive.path;
    let keys = recipients(&args.encrypt_to)?;
    let encrypted = keys.is_some();
    let (folder, pattern) = place(&args.path, encrypted)?;
    if args.keep.is_some() && !pattern.tells_the_order() {
        return Err(Failure::usage(
            "--keep needs file names with the full date, to know which backups are the oldest",
            "pass a folder, or a name with placeholders such as backups/%Y-%m-%d.db",
        ));
    }
    let now = DateTime::<Utc>::from_timestamp_millis(SystemClock.now_ms()).unwrap_or_default();
    let to = folder.join(pattern.name(now));
    let copied = copy(archive.clone(), to.clone(), keys)?;
    metrics::note_backup(&archive, now.timestamp_millis());
    backups::note(&archive, &to, now.timestamp_millis());
    let deleted = match args.keep {
        Some(keep) => prune(&archive, &folder, &pattern, &to, usize::try_from(keep).unwrap_or(usize::MAX))?,
        None => Vec::new(),
    };
    let mut out = Output::stdout(&context.env);
    let shown = |path: &Path| path.display().to_string();
    if args.json {
        let deleted = deleted.iter().map(|p| shown(p)).collect();
        return out.json(&BackupReport { path: shown(&to), encrypted, copied, deleted });
    }
    out.line(format!(
        "Backed up {} in {} to {} ({} bytes, verified{})",
        plural(copied.contents.messages, "message"),
        plural(copied.contents.conversations, "conversation"),
        shown(&to),
        thousands(copied.bytes),
        if encrypted { ", encrypted" } else { "" }
    ))?;
    for path in &deleted {
        out.line(format!("Deleted {}", shown(path)))?;
    }
    Ok(())
}

/// The public keys to encrypt to, if any.
fn recipients(keys: &[String]) -> Result<Option<Recipients>, Failure> {
    Recipients::parse(keys).map_err(|why| {
        Failure::usage(why, "pass the public key that `age-keygen` prints, which begins with age1")
    })
}

/// The folder that the copy goes to, and the pattern of its name.
fn place(path: &Path, encrypted: bool) -> Result<(PathBuf, Pattern), Failure> {
    let help = "the name may contain %Y %m %d %H %M %S %j %F, and %% for a percent sign";
    let usage = |message: String| Failure::usage(message, help);
    let is_folder = path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/');
    if is_folder {
        let ending = if encrypted { sealed::ENDING } else { "" };
        let pattern = Pattern::parse(&format!("{}{ending}", pattern::DEFAULT)).map_err(usage)?;
        return Ok((path.to_owned(), pattern));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| usage(format!("{} is not a file name", path.display())))?;
    match (encrypted, sealed::has_ending(path)) {
        (true, false) => {
            return Err(Failure::usage(
                format!("{name:?} is not the name of an encrypted backup"),
                format!("end it with .age: {name}.age"),
            ));
        }
        (false, true) => {
            return Err(Failure::usage(
                format!("{name:?} is the name of an encrypted backup, and this one would not be encrypted"),
                "pass --encrypt-to with a public key of age, or another name",
            ));
        }
        _ => {}
    }
    let pattern = Pattern::parse(name).map_err(|why| usage(format!("{name:?}: {why}")))?;
    Ok((path.parent().unwrap_or(Path::new("")).to_owned(), pattern))
}

/// Makes the copy; a signal ends it and leaves nothing half-written.
fn copy(archive: PathBuf, to: PathBuf, keys: Option<Recipients>) -> Result<Copied, Failure> {
    until_interrupted(move |interrupt| {
        let (meter, seen) = (Meter::new(), interrupt.clone());
        let go_on = &mut |done, total| {
            meter.show(if done < total { "copying" } else { "checking the copy" }, done, total);
            !interrupt.has_come()
        };
        let stop = move || seen.has_come();
        let copied = match keys {
            Some(keys) => backup::backup_sealed(&archive, &to, &keys, go_on, stop),
            None => backup::backup(&archive, &to, go_on, stop),
        };
        copied.map_err(|error| match error {
            BackupError::Archive(error) => wiring::read_failure(&archive, error),
            BackupError::File { path, source } => Failure::File(path, source),
            BackupError::Refused { path, why } => Failure::file(&path, io::Error::other(format!("it {why}"))),
            BackupError::Stopped => interrupt.failure("nothing was left behind"),
            BackupError::Unsound(why) => Failure::CheckFailed(format!(
                "the copy of {} is damaged and was discarded: {why}; `archiver verify` has details",
                archive.display()
            )),
        })
    })
}

/// Deletes all but the newest backups of this form, and returns the deleted ones. The copy just made counts as the newest
/// whatever the names of the others say. The archive itself and one that is in use do not count as backups.
fn prune(
    archive: &Path,
    folder: &Path,
    pattern: &Pattern,
    newest: &Path,
    keep: usize,
) -> Result<Vec<PathBuf>, Failure> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |source| Failure::file(folder, source);
    let mut others = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let moment = entry.file_name().to_str().and_then(|name| pattern.read(name));
        if let Some(moment) = moment
            && !backup::same_file(newest, &entry.path())
            && backup::is_spare(archive, &entry.path())
        {
            others.push((moment, entry.path()));
        }
    }
    others.sort();
    let surplus = others.len().saturating_sub(keep.saturating_sub(1));
    let mut deleted = Vec::new();
    for (_, path) in others.into_iter().take(surplus) {
        if backup::delete(archive, &path).map_err(|source| Failure::file(&path, source))? {
            deleted.push(path);
        }
    }
    Ok(deleted)
}
