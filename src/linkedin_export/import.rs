//! From an export to the archive: thread by thread, a batch of rows at a time, and what to tell about it.

use crate::linkedin_export::scan;
use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use crate::core::Ms;
use crate::core::budget::RESULTS_PER_CREDIT;
use crate::linkedin_export::ImportError;
use crate::linkedin_export::participants::{Thread, owner};
use crate::linkedin_export::scan::Export;
use crate::store::{Batch, Configured, ImportThread, Imported, Reader, Store, StoreError, Taken};

/// Rows that are read and stored at once.
const BATCH: usize = 1_000;
/// Odd rows that are stored at once; each may be long.
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
    /// How many places the next sync is to look at again.
    pub check: u32,
    /// Now.
    pub now: Ms,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The archive's name of the account.
    pub account: String,
    /// Rows of the file.
    pub rows: u64,
    /// Messages that were not stored.
    pub new_messages: u64,
    /// Messages that an earlier import had stored.
    pub there: u64,
    /// Messages that the API had shown.
    pub merged: u64,
    /// Of the new ones, drafts and advertisements.
    pub drafts_and_advertisements: u64,
    /// What their messages would have cost from the API: a credit for ten of each conversation.
    pub credits_saved: u64,
    /// Small gaps that were opened for the next sync to look at, each for about a credit.
    pub checks: usize,
    /// By conversation, in the order of the file.
    pub conversations: Vec<ThreadReport>,
    /// Rows that are no messages, as lines of the file and why.
    pub odd_rows: Vec<(u64, String)>,
}

/// What an import did to one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ThreadReport {
    /// Its own id, without padding.
    pub thread: String,
    /// What it is called, if anything.
    pub name: Option<String>,
    /// Its rows.
    pub rows: usize,
    /// Messages that were not stored.
    pub new_messages: u64,
}

/// A failure to read the file again, or of the archive.
#[derive(Debug, thiserror::Error)]
enum Step {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Step {
    fn told(self, file: &str) -> ImportError {
        match self {
            Self::Read(source) => ImportError::Read { path: file.into(), source },
            Self::Store(error) => ImportError::Store(error),
        }
    }
}

/// Stores an export. `watch` is told how many rows are done.
///
/// # Errors
/// When the file cannot be read any more, or the archive fails: what was stored by then stays, and the next import
/// completes it.
pub fn import(
    store: &mut Store,
    export: &Export,
    options: &Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<Report, ImportError> {
    store_all(store, export, options, watch).map_err(|e| e.told(options.file))
}

fn store_all(
    store: &mut Store,
    export: &Export,
    options: &Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<Report, Step> {
    let now = options.now;
    let targets = store.configure(options.accounts, now)?;
    let import = store.begin_import(options.account, "linkedin-export", options.file, now)?;
    let mut kept = store.kept_oddities(import)?;
    for odd in export.odd().chunks(ODD_BATCH) {
        let rows = odd.iter().map(|odd| Ok((odd.line, odd.reason.clone(), export.content(odd)?)));
        store.import_oddities(import, &rows.collect::<io::Result<Vec<_>>>()?, &mut kept)?;
    }
    let mut report = each_thread(export, options, watch, |thread, described, part, last, taken| {
        let messages = export.messages(part)?;
        let covers = thread.span.filter(|_| last);
        Ok(store
            .import_batch(&Batch { import, thread: described, messages: &messages, covers, now }, taken)?)
    })?;
    if options.check > 0 {
        // A conversation that nobody asks for is not looked at either; one that the inbox may show is.
        let wanted: BTreeSet<i64> = targets.iter().map(|t| t.plan.id).collect();
        let within = (!options.account.discover).then_some(&wanted);
        let most = usize::try_from(options.check).unwrap_or(usize::MAX);
        report.checks = store.open_checks(import, within, most, now)?;
    }
    let new = u32::try_from(report.new_messages).unwrap_or(u32::MAX);
    store.finish_import(import, report.rows, new, report.odd_rows.len(), now)?;
    Ok(report)
}

/// What an import would do; `None` stands for an archive that is not there yet. Nothing is written.
///
/// # Errors
/// When the file or the archive cannot be read.
pub fn outlook(
    archive: Option<&Reader>,
    export: &Export,
    options: &Options<'_>,
    watch: &mut dyn FnMut(u64),
) -> Result<Report, ImportError> {
    let account = &options.account.account;
    each_thread(export, options, watch, |_, described, part, last, taken| {
        let messages = export.messages(part)?;
        Ok(Reader::import_outlook(archive, account, described, (&messages, last), taken)?)
    })
    .map_err(|e: Step| e.told(options.file))
}

/// Goes through the export in parts, newest first within a thread, and adds up what became of them.
fn each_thread(
    export: &Export,
    options: &Options<'_>,
    watch: &mut dyn FnMut(u64),
    mut act: impl FnMut(&Thread, &ImportThread, &[scan::Place], bool, &mut Taken) -> Result<Imported, Step>,
) -> Result<Report, Step> {
    let owner = owner(&export.threads, options.account.owner_name.as_deref());
    let mut report = Report {
        account: options.account.account.clone(),
        rows: export.rows,
        odd_rows: export.odd.iter().map(|odd| (odd.line, odd.reason.clone())).collect(),
        ..Report::default()
    };
    let mut done = 0_u64;
    for thread in &export.threads {
        let described = thread.described(owner.as_deref());
        let mut taken = Taken::new();
        let (mut new, mut sent) = (0, 0);
        let parts = thread.places.len().div_ceil(BATCH);
        for (number, part) in thread.places.chunks(BATCH).enumerate() {
            let counts = act(thread, &described, part, number + 1 == parts, &mut taken)?;
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
