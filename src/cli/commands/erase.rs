//! `archiver erase`: removes messages for good, after showing what goes and asking.

use std::path::{Path, PathBuf};

use chrono::Local;
use clap::Args;
use serde::Serialize;

use crate::app::{Context, retention, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::cli::ui::reading::OpenArchive;
use crate::cli::ui::terminal::Terminal;
use crate::clock::{Clock as _, SystemClock};
use crate::core::format::{IsoTime, counted, plural, thousands};
use crate::error::Failure;
use crate::store::{Erasure, ErasurePreview, Proof, Reader, Selection, Store, StoreError, Traces, Trigger};
use crate::view::local_time::span;
use crate::view::{dates, person};

const EXAMPLES: &str = "\
The service must be stopped. What is erased is not fetched or paid for again.

Examples:
  archiver erase --person 'Ada Example' --dry-run      show what would go
  archiver erase --conversation béla --before 2020     what was sent before 2020";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EraseArgs {
    /// Only this conversation
    ///
    /// Its URN, its thread id (2-…), a profile URL, a configured name, or an unambiguous part of the other
    /// person's name.
    #[arg(long = "conversation", value_name = "NAME")]
    conversation: Option<String>,

    /// Only what this person wrote
    ///
    /// A whole name, or the URL of a profile, in every conversation and account.
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,

    /// Only this message, by its number or URN
    #[arg(long, value_name = "ID")]
    message: Option<String>,

    /// Only what was sent before DATE: 2024-03, 1y …
    #[arg(long, value_name = "DATE")]
    before: Option<String>,

    /// Never archive the conversation again
    #[arg(long, requires = "conversation", conflicts_with_all = ["person", "message", "before"])]
    and_future: bool,

    /// Repeat the erasures of another archive
    ///
    /// Such as one that a backup replaces: `archiver restore` does it by itself where it can read that one.
    #[arg(long, value_name = "ARCHIVE", conflicts_with_all = ["conversation", "person", "message", "before"])]
    from_log: Option<PathBuf>,

    /// Only rewrite the file, after an erasure that another program blocked
    #[arg(
        long,
        hide_short_help = true,
        conflicts_with_all = ["conversation", "person", "message", "before", "from_log", "dry_run"]
    )]
    finish: bool,

    /// Why, for the view erasure_log: name nobody
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    reason: Option<String>,

    /// Show what would go, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct EraseSummary {
    messages: i64,
    versions: i64,
    conversations: i64,
    oldest_at: Option<IsoTime>,
    newest_at: Option<IsoTime>,
    on_hold: i64,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
}

pub(crate) fn run(context: &Context, args: &EraseArgs) -> Result<(), Failure> {
    if args.finish {
        return finish(context);
    }
    if let Some(archive) = &args.from_log {
        return from_log(context, args, archive);
    }
    let archive = OpenArchive::open(context)?;
    let selection = selection(context, &archive, args)?;
    let config = context.reading_config()?;
    let unknown = retention::unknown_holds(&config, &archive.queries());
    unknown.map_err(|e| archive.failed(e))?.into_iter().for_each(|what| tracing::warn!("{what}"));
    let preview = archive.queries().erasure_preview(&selection).map_err(|e| archive.failed(e))?;
    let (path, now) = (archive.path.clone(), archive.now);
    drop(archive);
    let mut out = Output::stdout(&context.env);
    if !args.json {
        show_preview(&mut out, &preview)?;
    }
    let nothing = preview.messages == 0 && !selection.is_stretch();
    if args.dry_run || nothing {
        if args.json {
            return out.json(&summary(&preview, true, None));
        }
        return out.line("Nothing was erased.");
    }
    if !args.yes {
        out.finish()?;
        confirm(&preview, args)?;
    }
    let failed = |e| wiring::archive_failure(&path, e);
    let mut store = wiring::store(&config)?;
    let reason = args.reason.as_deref();
    let erasure = Erasure { selection: &selection, reason, trigger: Trigger::Once, now };
    let proof = match store.erase(&erasure).map_err(failed)? {
        Some(erased) => Some(prove(&mut store, erased.traces, args.json).map_err(failed)?),
        None => None,
    };
    store.close().map_err(failed)?;
    if args.json {
        out.json(&summary(&preview, false, proof.clone()))?;
    } else {
        show_proof(&mut out, preview.messages, proof.as_ref())?;
    }
    refuse_leftovers(proof.as_ref())
}

/// What the flags select.
fn selection(context: &Context, archive: &OpenArchive, args: &EraseArgs) -> Result<Selection, Failure> {
    let queries = archive.queries();
    let mut selection = Selection { and_future: args.and_future, ..Selection::default() };
    selection.hold = retention::hold(&context.reading_config()?);
    if let Some(word) = &args.conversation {
        selection.conversations = Some(vec![archive.conversation(&archive.candidates()?, word)?]);
    }
    if let Some(word) = &args.person {
        let senders = queries.senders().map_err(|e| archive.failed(e))?;
        let chosen = person::choose(&senders, word)?;
        if chosen.is_me && selection.conversations.is_none() && args.before.is_none() {
            tracing::warn!(
                "{} is the owner of an account: this erases everything they have sent",
                chosen.name
            );
        }
        selection.people = Some(chosen.ids);
    }
    if let Some(word) = &args.message {
        let word = word.trim_start_matches('#');
        let found = queries.messages_called(word).map_err(|e| archive.failed(e))?;
        if found.is_empty() {
            let help = "`archiver search --json` and `archiver changes` show message_id and entity_urn";
            return Err(Failure::usage(format!("there is no message {word:?}"), help));
        }
        selection.messages = Some(found);
    }
    if let Some(text) = &args.before {
        let before = dates::parse(text, archive.now, &Local)?.0;
        if before > archive.now {
            return Err(Failure::usage(
                format!("--before {text} lies in the future"),
                "pass a date in the past: what is sent until then has not been archived yet",
            ));
        }
        selection.before_ms = Some(before);
    }
    if selection.conversations.is_none() && selection.is_stretch() && selection.before_ms.is_none() {
        let help =
            "pass --conversation, --person, --message or --before; `archiver erase --help` has examples";
        return Err(Failure::usage("nothing is selected to be erased", help));
    }
    Ok(selection)
}

fn show_preview(out: &mut Output, preview: &ErasurePreview) -> Result<(), Failure> {
    let ErasurePreview { messages, versions, conversations, oldest_ms, newest_ms, on_hold } = *preview;
    let mut words = vec![plural(messages, "message")];
    if versions > 0 {
        words.push(plural(versions, "former version"));
    }
    let of = plural(conversations, "conversation");
    let when = if messages > 0 { format!(", {}", span(oldest_ms, newest_ms)) } else { String::new() };
    out.line(format!("{} in {of}{when}", words.join(", ")))?;
    if on_hold > 0 {
        out.line(format!("{} on hold (retention.hold) stay.", plural(on_hold, "message")))?;
    }
    Ok(())
}

fn confirm(preview: &ErasurePreview, args: &EraseArgs) -> Result<(), Failure> {
    let Some(mut terminal) = Terminal::open() else {
        return Err(Failure::usage(
            "an erasure cannot be undone, and there is no terminal to ask on",
            "add --yes to agree; --dry-run shows what would go",
        ));
    };
    terminal.say(
        "They go for good: from the archive, its search index and its file. Backups and exports keep them.\n",
    )?;
    if args.and_future {
        terminal.say("The conversation is not archived any more.\n")?;
    }
    let asked = format!("Erase {}? [y/N] ", plural(preview.messages, "message"));
    match terminal.ask(&asked)?.to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::usage("not confirmed: nothing was erased", "answer y, or pass --yes")),
    }
}

/// Rewrites the file and searches it.
fn prove(store: &mut Store, traces: Traces, quiet: bool) -> Result<Proof, StoreError> {
    let meter = if quiet { Meter::hidden() } else { Meter::new() };
    meter.say("rewriting the archive's file without what was erased");
    store.finish_erasures(traces, Some(SystemClock.now_ms()))
}

fn show_proof(out: &mut Output, messages: i64, proof: Option<&Proof>) -> Result<(), Failure> {
    let Some(proof) = proof else { return out.line("Nothing was left to erase.") };
    out.line(format!("Erased {}.", plural(messages, "message")))?;
    let looked = proof.looked_for.saturating_sub(proof.stays);
    let mebibytes = proof.bytes.div_ceil(1 << 20);
    out.line(format!(
        "Searched the archive's {} MiB for {} of what was erased: {} found.",
        thousands(mebibytes),
        plural(looked, "piece"),
        if proof.found == 0 { "none".to_owned() } else { thousands(proof.found) }
    ))?;
    for copy in &proof.copies {
        out.line(format!("{} still holds some of it: delete it.", copy.display()))?;
    }
    if proof.stays > 0 {
        let further = counted(proof.stays, "further piece also stands", "further pieces also stand");
        out.line(format!("{further} in messages or names that stay, as a greeting does."))?;
    }
    Ok(())
}

/// What was erased and still stands in the file is a broken promise.
fn refuse_leftovers(proof: Option<&Proof>) -> Result<(), Failure> {
    match proof.filter(|proof| proof.found > 0) {
        None => Ok(()),
        Some(proof) => Err(Failure::CheckFailed(format!(
            "{} of what was erased still in the archive's file: please report this",
            counted(proof.found, "piece is", "pieces are")
        ))),
    }
}

fn summary(preview: &ErasurePreview, dry_run: bool, proof: Option<Proof>) -> EraseSummary {
    EraseSummary {
        messages: preview.messages,
        versions: preview.versions,
        conversations: preview.conversations,
        oldest_at: preview.oldest_ms.map(IsoTime),
        newest_at: preview.newest_ms.map(IsoTime),
        on_hold: preview.on_hold,
        dry_run,
        proof,
    }
}

/// Finishes what an earlier erasure could not.
fn finish(context: &Context) -> Result<(), Failure> {
    let config = context.reading_config()?;
    let path = &config.archive.path;
    let failed = |e| wiring::archive_failure(path, e);
    // Opening it does all that is to be done, and warns where it cannot.
    let store = wiring::store(&config)?;
    let left = store.erasures_unfinished().map_err(failed)?;
    store.close().map_err(failed)?;
    if left { Err(failed(StoreError::StillRead)) } else { Ok(()) }
}

fn from_log(context: &Context, args: &EraseArgs, other: &Path) -> Result<(), Failure> {
    let config = context.reading_config()?;
    let path = &config.archive.path;
    let other = context.env.cwd().join(other);
    let now = SystemClock.now_ms();
    let mut out = Output::stdout(&context.env);
    let failed = |e| wiring::archive_failure(path, e);
    let log = Reader::open(&other).map_err(|e| wiring::read_failure(&other, e))?;
    let mut store = wiring::store(&config)?;
    let log = log.queries().erasure_log().map_err(|e| wiring::read_failure(&other, e))?;
    let selection = store.queries().erased_elsewhere(&log, &retention::hold(&config)).map_err(failed)?;
    let preview = store.queries().erasure_preview(&selection).map_err(failed)?;
    if !args.json {
        show_preview(&mut out, &preview)?;
    }
    if args.dry_run {
        return if args.json {
            out.json(&summary(&preview, true, None))
        } else {
            out.line("Nothing was erased.")
        };
    }
    if !args.yes {
        out.finish()?;
        confirm(&preview, args)?;
    }
    let reason = args.reason.as_deref();
    let erasure = Erasure { selection: &selection, reason, trigger: Trigger::Once, now };
    let repeated = store.repeat_erasures(&erasure, &log, true).map_err(failed)?;
    let proof = prove(&mut store, repeated.erased.traces, args.json).map_err(failed)?;
    store.close().map_err(failed)?;
    if args.json {
        out.json(&summary(&preview, false, Some(proof.clone())))?;
    } else {
        show_proof(&mut out, preview.messages, Some(&proof))?;
    }
    refuse_leftovers(Some(&proof))
}
