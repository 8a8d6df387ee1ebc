//! Imports an export into the archive, thread by thread and in batches of rows, and reports what it did.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use crate::core::Ms;
use crate::core::budget::RESULTS_PER_CREDIT;
use crate::core::model::ids::ConversationId;
use crate::core::model::urn::profile_slug;
use crate::linkedin_export::ImportError;
use crate::linkedin_export::participants::{ExportOwner, Thread, folded};
use crate::linkedin_export::scan::{ExportFile, OddRow, RowLocation};
use crate::store::{Batch, Configured, ImportThread, Imported, PairedIds, Queries, Reader, Store};

/// Rows read and stored per transaction.
const BATCH: usize = 1_000;
/// Bytes of them.
const BATCH_BYTES: u64 = 16 << 20;
/// Odd rows stored per transaction; each may be long.
const ODD_BATCH: usize = 100;

/// How to import.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// All accounts, as a run takes them.
    pub accounts: &'a [Configured],
    /// Which of them the export is of.
    pub account: &'a Configured,
    /// The file's own name.
    pub file: &'a str,
    /// How many samples the next sync checks against the API.
    pub check: u32,
    /// Whether it may be another member's than the account's.
    pub any_owner: bool,
    /// Now.
    pub now: Ms,
}

impl Options<'_> {
    fn unreadable(&self) -> impl FnOnce(io::Error) -> ImportError + use<> {
        let path = self.file.into();
        |source| ImportError::Read { path, source }
    }
}

/// What an import did or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ImportReport {
    /// The archive's name of the account.
    pub account: String,
    /// Rows of the file.
    pub rows: u64,
    /// Messages that were not stored before.
    pub new_messages: u64,
    /// Messages stored by an earlier import.
    pub there: u64,
    /// Messages already fetched from the API.
    pub merged: u64,
    /// Of the new ones, drafts and advertisements.
    pub drafts_and_advertisements: u64,
    /// What the new messages would have cost through the API: a credit per ten of a conversation.
    pub credits_saved: u64,
    /// Small gaps opened for the next sync to check, each for about one credit.
    pub checks: usize,
    /// The conversations in the order of the file.
    pub conversations: Vec<ThreadReport>,
    /// Rows that are no messages: their line in the file, and why.
    pub odd_rows: Vec<(u64, String)>,
}

/// What an import did to one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ThreadReport {
    /// Its id, without base64 padding.
    pub thread: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many rows it has.
    pub rows: usize,
    /// Messages that were not stored before.
    pub new_messages: u64,
}

/// Imports an export, and calls `watch` with the number of rows done. What was stored before an error stays; importing
/// the file again completes it.
pub fn import(
    store: &mut Store,
    export: &ExportFile,
    options: &Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<ImportReport, ImportError> {
    let now = options.now;
    let owner = export.owner(options.account.owner_name.as_deref());
    belongs(owner.as_ref(), options, Some(&store.queries()))?;
    let accounts = store.configure(options.accounts, now)?;
    let import = store.begin_import(options.account, "linkedin-export", options.file, now)?;
    let mut kept = store.known_odd_rows(import)?;
    for odd in batches(export.odd(), ODD_BATCH, OddRow::length) {
        let rows = odd.iter().map(|odd| Ok((odd.line, odd.reason.clone(), export.content(odd)?)));
        let rows = rows.collect::<io::Result<Vec<_>>>().map_err(options.unreadable())?;
        store.keep_odd_rows(import, &rows, &mut kept)?;
    }
    let key = owner.as_ref().map(|owner| owner.key.as_str());
    let mut report = each_thread(export, options, key, watch, |thread, described, part, last, taken| {
        let messages = export.messages(part).map_err(options.unreadable())?;
        let covers = thread.span.filter(|_| last);
        Ok(store
            .import_batch(&Batch { import, thread: described, messages: &messages, covers, now }, taken)?)
    })?;
    // Of another member's export nothing is learnt of the account's owner.
    if let Some(owner) = owner.as_ref().filter(|_| !options.any_owner) {
        store.name_owner(import, &owner.name, owner.key.strip_prefix("in/"))?;
    }
    if options.check > 0 {
        // Only conversations that a sync would ask for can be checked; with `discover` that may be any.
        let wanted: BTreeSet<ConversationId> = store.targets(&accounts)?.iter().map(|t| t.plan.id).collect();
        let within = (!options.account.discover).then_some(&wanted);
        let most = usize::try_from(options.check).unwrap_or(usize::MAX);
        report.checks = store.open_checks(import, within, most, now)?;
    }
    let new = u32::try_from(report.new_messages).unwrap_or(u32::MAX);
    store.finish_import(import, report.rows, new, report.odd_rows.len(), now)?;
    Ok(report)
}

/// What an import would do, without writing anything. Without an `archive` everything is new.
pub fn outlook(
    archive: Option<&Reader>,
    export: &ExportFile,
    options: &Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<ImportReport, ImportError> {
    let account = &options.account.account;
    let owner = export.owner(options.account.owner_name.as_deref());
    belongs(owner.as_ref(), options, archive.map(Reader::queries).as_ref())?;
    let key = owner.as_ref().map(|owner| owner.key.as_str());
    each_thread(export, options, key, watch, |_, described, part, last, taken| {
        let messages = export.messages(part).map_err(options.unreadable())?;
        Ok(Reader::import_outlook(archive, account, described, (&messages, last), taken)?)
    })
}

/// Refuses an export of another member than the one whom the account belongs to, as far as both are known.
fn belongs(
    owner: Option<&ExportOwner>,
    options: &Options<'_>,
    archive: Option<&Queries<'_>>,
) -> Result<(), ImportError> {
    let Some(owner) = owner.filter(|_| !options.any_owner) else { return Ok(()) };
    let account = &options.account.account;
    let senders = archive.map(Queries::senders).transpose()?.unwrap_or_default();
    let own = senders.iter().filter(|sender| sender.account == *account && sender.is_me == Some(true));
    let mut names: Vec<&str> = options.account.owner_name.as_deref().into_iter().collect();
    names.extend(own.clone().map(|sender| sender.name.as_str()).filter(|name| !name.is_empty()));
    let same_name = names.iter().any(|name| folded(name) == folded(&owner.name));
    let pages = own.filter_map(|sender| profile_slug(sender.profile_url.as_deref()?));
    let same_page = pages.into_iter().any(|slug| owner.key.strip_prefix("in/") == Some(slug.as_str()));
    match names.first() {
        Some(known) if !same_name && !same_page => Err(ImportError::refused(
            format!(
                "this is the export of {:?}, but the account {account:?} belongs to {known:?}",
                owner.name
            ),
            "pass --account with the right account, or --any-owner to import it into this one anyway",
        )),
        _ => Ok(()),
    }
}

/// Rows that are read and stored together, in their order: at most so many, and of at most so many bytes.
fn batches<T>(rows: &[T], most: usize, length: fn(&T) -> u64) -> Vec<&[T]> {
    let (mut batches, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, row) in rows.iter().enumerate() {
        if at > from && (at - from >= most || bytes + length(row) > BATCH_BYTES) {
            batches.push(rows.get(from..at).unwrap_or_default());
            (from, bytes) = (at, 0);
        }
        bytes += length(row);
    }
    batches.extend(rows.get(from..).filter(|rest| !rest.is_empty()));
    batches
}

/// Calls `act` for each batch of each thread, newest first, and adds up the results.
fn each_thread(
    export: &ExportFile,
    options: &Options<'_>,
    owner: Option<&str>,
    watch: &mut dyn FnMut(u64),
    mut act: impl FnMut(
        &Thread,
        &ImportThread,
        &[RowLocation],
        bool,
        &mut PairedIds,
    ) -> Result<Imported, ImportError>,
) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport {
        account: options.account.account.clone(),
        rows: export.rows,
        odd_rows: export.odd.iter().map(|odd| (odd.line, odd.reason.clone())).collect(),
        ..ImportReport::default()
    };
    let mut done = 0_u64;
    for thread in &export.threads {
        let described = thread.described(owner);
        let mut taken = PairedIds::new();
        let (mut new, mut sent) = (0, 0);
        let parts = batches(&thread.places, BATCH, RowLocation::length);
        for (number, part) in parts.iter().enumerate() {
            let counts = act(thread, &described, part, number + 1 == parts.len(), &mut taken)?;
            new += u64::from(counts.new);
            sent += u64::from(counts.new.saturating_sub(counts.new_outside));
            report.there += u64::from(counts.there);
            report.merged += u64::from(counts.merged);
            report.drafts_and_advertisements += u64::from(counts.new_outside);
            done += u64::try_from(part.len()).unwrap_or_default();
            watch(done);
        }
        report.new_messages += new;
        report.credits_saved += sent.div_ceil(u64::from(RESULTS_PER_CREDIT));
        report.conversations.push(ThreadReport {
            thread: thread.key.clone(),
            name: described.name.clone(),
            rows: thread.places.len(),
            new_messages: new,
        });
    }
    Ok(report)
}
