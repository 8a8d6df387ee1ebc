//! `archiver restore`: puts a backup in the archive's place, with what its ledger does not know of.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::app::{Context, retention, runtime, wiring};
use crate::cli::ui::interrupt::{Interrupt, until_interrupted};
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::budget::left;
use crate::core::format::{IsoTime, iso_date, plural};
use crate::error::Failure;
use crate::store::backup::{BackupError, same_file};
use crate::store::sealed::{self, UnsealError};
use crate::store::verify::{self, Depth};
use crate::store::{CarriedLedger, LoggedErasure, Replacement, StoreError};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// The file with the private key of an encrypted backup
    ///
    /// An identity file of age, as `age-keygen` writes it. The key is used here only and kept nowhere.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,

    /// Credits spent since the backup was made
    ///
    /// Only if the ledger of the replaced archive cannot be read. Without it, the figure comes from that archive's lock file,
    /// or from the vendor's balance if the backup knows an earlier one; failing both, all that the caps leave today counts as
    /// spent.
    #[arg(long, value_name = "N")]
    spent: Option<u32>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
The service must be stopped. The replaced archive is kept beside the new one.

Examples:
  archiver restore /mnt/backups/archive-20260102T030405Z.db
  archiver restore copy.db --spent 0   nothing was spent since
  archiver restore copy.db.age --identity key.txt";

/// What stands in for credits that the backup's ledger does not know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum LedgerSource {
    /// The ledger of the replaced archive.
    Archive,
    /// `--spent`.
    Given,
    /// What its lock file has kept.
    Lock,
    /// The vendor's balance, now and then.
    Balance,
    /// Nothing tells: all that the caps leave.
    Caps,
}

#[derive(Serialize)]
struct RestoreSummary {
    archive: String,
    backup: String,
    messages: i64,
    conversations: i64,
    ledger_from: LedgerSource,
    credits_booked: i64,
    /// Messages that had been erased since and were erased again.
    erased: i64,
    /// Messages that had been erased since and are on hold.
    on_hold: i64,
    /// The erasures that the backup did not know of; `None`: those of the replaced archive cannot be read.
    erasures: Option<Vec<RepeatedErasure>>,
    replaced: Option<String>,
}

/// An erasure of the replaced archive's.
#[derive(Serialize)]
struct RepeatedErasure {
    erased_at: IsoTime,
    selector: String,
    messages: i64,
    reason: Option<String>,
}

impl From<LoggedErasure> for RepeatedErasure {
    fn from(LoggedErasure { at_ms, selector, messages, reason, .. }: LoggedErasure) -> Self {
        Self { erased_at: IsoTime(at_ms), selector, messages, reason }
    }
}

pub(crate) fn run(context: &Context, args: &RestoreArgs) -> Result<(), Failure> {
    let config = context.config_warned(None)?;
    let (archive, backup) = (config.archive.path.clone(), context.env.cwd().join(&args.path));
    if same_file(&archive, &backup) {
        return Err(Failure::usage("that is the archive itself", "pass the path of a backup"));
    }
    let identity = identity(context, args, &backup)?;
    let now = SystemClock.now_ms();
    let spent = args.spent;
    let (shown, from) = (archive.display().to_string(), backup.display().to_string());
    let balance = if spent.is_none() { balance(context) } else { None };
    let hold = retention::hold(&config);
    let summary = until_interrupted(move |interrupt| {
        let mut replacement = prepare(&archive, &backup, identity.as_deref(), interrupt)?;
        let failed = |e| wiring::archive_failure(&archive, e);
        let (ledger_from, credits_booked) =
            complete_ledger(&mut replacement, &config, spent, balance, now).map_err(failed)?;
        let again = replacement.repeat_erasures(&hold, now).map_err(failed)?;
        let contents = replacement.queries().and_then(|queries| queries.summary()).map_err(failed)?;
        let replaced = replacement.finish(&ending(now), now).map_err(failed)?;
        Ok(RestoreSummary {
            archive: shown,
            backup: from,
            messages: contents.messages,
            conversations: contents.conversations,
            ledger_from,
            credits_booked,
            erased: again.messages,
            on_hold: again.on_hold,
            erasures: (!again.is_unknown)
                .then(|| again.erasures.into_iter().map(RepeatedErasure::from).collect()),
            replaced: replaced.map(|path| path.display().to_string()),
        })
    })?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&summary) } else { show(&mut out, &summary) }
}

/// The identity that opens the backup; `None` if it is not encrypted.
fn identity(context: &Context, args: &RestoreArgs, backup: &Path) -> Result<Option<PathBuf>, Failure> {
    match (&args.identity, sealed::has_header(backup)) {
        (None, false) => Ok(None),
        (Some(identity), true) => Ok(Some(context.env.cwd().join(identity))),
        (None, true) => Err(Failure::usage(
            format!("the backup {} is encrypted", backup.display()),
            "pass --identity with the file that holds its private key",
        )),
        (Some(_), false) if !backup.exists() => Ok(None),
        (Some(_), false) => Err(Failure::usage(
            format!("{} is not an age file", backup.display()),
            "leave out --identity if the backup is not encrypted; otherwise it is damaged, so take another",
        )),
    }
}

/// Copies the backup beside the archive, decrypted if need be, and checks all of it.
fn prepare(
    archive: &Path,
    backup: &Path,
    identity: Option<&Path>,
    interrupt: &Interrupt,
) -> Result<Replacement, Failure> {
    let Some(identity) = identity else { return prepare_plain(archive, backup, backup, interrupt) };
    let seen = interrupt.clone();
    let opened = Replacement::unsealed(archive, backup, identity, &move || seen.has_come());
    let plain = opened.map_err(|error| match error {
        UnsealError::Archive(error) => wiring::archive_failure(archive, error),
        UnsealError::File { path, source } => Failure::File(path, source),
        UnsealError::Identity(why) => {
            Failure::usage(why, "pass an identity file as `age-keygen` writes it, with its line AGE-SECRET-KEY-1…")
        }
        error @ UnsealError::NotBuilt => Failure::usage(
            error.to_string(),
            "build it with `--features encrypt`, or install the package, which has it",
        ),
        UnsealError::OtherKeys => Failure::usage(
            format!("{} does not open the backup {}", identity.display(), backup.display()),
            "pass the identity whose public key it was encrypted to; `age-keygen -y FILE` shows that of a file",
        ),
        UnsealError::Damaged(why) => Failure::CheckFailed(format!(
            "the backup {} is damaged and was not restored: {why}; restore another one",
            backup.display()
        )),
        UnsealError::Stopped => interrupt.failure("nothing was replaced"),
    })?;
    prepare_plain(archive, plain.path(), backup, interrupt)
}

/// Copies the plain backup beside the archive and checks all of it; failures name `backup`.
fn prepare_plain(
    archive: &Path,
    plain: &Path,
    backup: &Path,
    interrupt: &Interrupt,
) -> Result<Replacement, Failure> {
    let (meter, seen) = (Meter::new(), interrupt.clone());
    let go_on = &mut |done, total| {
        meter.show("copying the backup", done, total);
        !interrupt.has_come()
    };
    let stopped = || interrupt.failure("nothing was replaced");
    let prepared = Replacement::prepare(archive, plain, go_on, move || seen.has_come());
    let replacement = prepared.map_err(|error| match error {
        BackupError::Archive(
            error @ (StoreError::Missing(_)
            | StoreError::NotAnArchive { .. }
            | StoreError::Altered { .. }
            | StoreError::Newer { .. }
            | StoreError::Unreachable { .. }
            | StoreError::ForeignLog { .. }),
        ) => wiring::read_failure(backup, error),
        BackupError::Archive(error) if error.is_damaged() => unsound(backup, &error.to_string()),
        BackupError::Archive(error) => wiring::archive_failure(archive, error),
        BackupError::File { path, source } => Failure::File(path, source),
        BackupError::Refused { path, why } => {
            Failure::usage(format!("{} {why}", path.display()), "nothing was replaced")
        }
        BackupError::Unsound(why) => unsound(backup, &why),
        BackupError::Stopped => stopped(),
    })?;
    let verified =
        verify::verify(replacement.path(), Depth::Full, &mut |p| meter.show(p.about, p.done, p.of));
    let verified = verified.map_err(|error| unsound(backup, &error.to_string()))?;
    match verified.broken_for_good() {
        0 if interrupt.has_come() => Err(stopped()),
        0 => Ok(replacement),
        n => Err(unsound(backup, &format!("it has {}", plural(n, "problem")))),
    }
}

fn unsound(backup: &Path, why: &str) -> Failure {
    let what_next = if sealed::has_header(backup) {
        "restore another one".to_owned()
    } else {
        format!("`archiver verify {}` has details", backup.display())
    };
    Failure::CheckFailed(format!(
        "the backup {} is damaged and was not restored: {why}; {what_next}",
        backup.display()
    ))
}

/// The vendor's balance now, which is free to ask for; `None` if it cannot be had.
fn balance(context: &Context) -> Option<f64> {
    let config = context.config_with_secrets(None).ok()?;
    let api = wiring::api(&config).ok()?;
    runtime().ok()?.block_on(api.balance_at()).0.ok()
}

/// Adds what the backup's ledger does not know of, so that it cannot be spent again.
fn complete_ledger(
    replacement: &mut Replacement,
    config: &Config,
    given: Option<u32>,
    balance: Option<f64>,
    now: Ms,
) -> Result<(LedgerSource, i64), StoreError> {
    if let Some(CarriedLedger { credits, .. }) = replacement.carry_ledger()? {
        // It may be an older copy itself.
        let more = replacement.recall(now)?.unwrap_or_default();
        return Ok((LedgerSource::Archive, credits + i64::from(more)));
    }
    if given.is_none()
        && let Some(credits) = replacement.recall(now)?
    {
        return Ok((LedgerSource::Lock, i64::from(credits)));
    }
    let expected = replacement.expected_balance()?;
    let by_balance = expected.zip(balance).map(|(then, now)| (then - now).ceil()).filter(|n| *n >= 0.0);
    let first = config.accounts.first().map_or("", |account| account.name.as_str());
    let (source, mut booked) = match (given, by_balance) {
        (Some(given), _) => (LedgerSource::Given, vec![(first, given)]),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "filtered and saturating"
        )]
        (None, Some(spent)) => (LedgerSource::Balance, vec![(first, spent as u32)]),
        (None, None) => (LedgerSource::Caps, left_by_caps(replacement, config, now)?),
    };
    booked.retain(|(account, credits)| *credits > 0 && !account.is_empty());
    replacement.book(&booked, now)?;
    Ok((source, booked.iter().map(|(_, credits)| i64::from(*credits)).sum()))
}

/// What the caps leave of the day, by the account's name. The month's cap is as far as anybody knows spent by days that
/// were within theirs.
fn left_by_caps<'a>(
    replacement: &Replacement,
    config: &'a Config,
    now: Ms,
) -> Result<Vec<(&'a str, u32)>, StoreError> {
    let queries = replacement.queries()?;
    let (spent, by_account) = (queries.spent(now)?, queries.spent_by_account(now)?);
    let mut booked = Vec::new();
    for (index, account) in config.accounts.iter().enumerate() {
        let left = match index {
            0 => left(&config.budget.caps(), &spent),
            _ => left(&account.caps(), &by_account.get(&account.name).copied().unwrap_or_default()),
        };
        booked.push((account.name.as_str(), left.day.or(left.month).unwrap_or(0)));
    }
    Ok(booked)
}

/// What is behind the archive's name in that of the replaced one.
fn ending(now: Ms) -> String {
    let now = DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default();
    format!(".replaced-{}", now.format("%Y%m%dT%H%M%S%3fZ"))
}

fn show(out: &mut Output, summary: &RestoreSummary) -> Result<(), Failure> {
    let RestoreSummary {
        archive,
        backup,
        messages,
        conversations,
        ledger_from,
        credits_booked,
        erased,
        on_hold,
        erasures,
        replaced,
    } = summary;
    let (messages, conversations) = (plural(*messages, "message"), plural(*conversations, "conversation"));
    out.line(format!("Restored {messages} in {conversations} from {backup} to {archive}"))?;
    let credits = plural(*credits_booked, "credit");
    out.line(match ledger_from {
        LedgerSource::Archive => {
            format!("The ledger has {credits} more, which the replaced archive had spent since.")
        }
        LedgerSource::Lock => {
            format!("The ledger has {credits} more, which the replaced archive's lock has kept.")
        }
        LedgerSource::Given => format!("The ledger has {credits} more, as you say."),
        LedgerSource::Balance => format!("The ledger has {credits} more, which the balance has fallen by since."),
        LedgerSource::Caps => format!(
            "What was spent since is not known: {} of the caps count as spent. If you know, restore again with --spent N.",
            plural(*credits_booked, "credit")
        ),
    })?;
    if *erased > 0 {
        let erased = plural(*erased, "message");
        out.line(format!("{erased} of the backup were erased again, as they had been since."))?;
    }
    if erasures.is_none() {
        out.line(
            "The erasures of the replaced archive cannot be read: anything erased since the backup is there again. `archiver erase --from-log` repeats erasures from a later backup.",
        )?;
    }
    for RepeatedErasure { erased_at, selector, messages, reason } in erasures.iter().flatten() {
        let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let what = plural(*messages, "message");
        out.line(format!("Erased on {}: {selector}, {what}{reason}.", iso_date(erased_at.0)))?;
    }
    if *on_hold > 0 {
        let held = plural(*on_hold, "message");
        out.line(format!(
            "{held} on hold (retention.hold) came back although erased since; once the hold is over, `archiver erase --from-log` with the replaced archive erases them again."
        ))?;
    }
    match replaced {
        Some(replaced) => out.line(format!("The replaced archive is kept as {replaced}")),
        None => Ok(()),
    }
}
