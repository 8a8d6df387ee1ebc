//! What a push has to write: which rows of which partitions have changed since the last one.

use std::collections::{BTreeMap, BTreeSet};

use super::LakeError;
use super::files::Partition;
use super::state::{ChangeMark, LakeState};
use super::tables::{LakeTable, RowSource};
use crate::core::lake::{ChangedRows, StoredRows};
use crate::core::model::ids::{AccountId, ConversationId, MessageId};
use crate::core::{Ms, hash};
use crate::store::{LakeRows, Scope, Snapshot, TableValue};

/// Ids of a range of which one number tells whether any row has changed.
const RANGE: i64 = 1_024;

/// Changed rows of a partition that are kept apart; more are taken together by their neighbourhood.
const MOST_APART: usize = 10_000;

const ALL: ChangedRows = ChangedRows { first: i64::MIN, last: i64::MAX, rows: 0 };

/// What has changed in a table.
#[derive(Debug, Default)]
pub(crate) struct TableChanges {
    /// Whether these are all rows of all partitions.
    pub(crate) whole: bool,
    pub(crate) partitions: BTreeMap<Partition, Vec<ChangedRows>>,
}

/// Looks for what has changed since a state, and notes what is now.
pub(crate) struct Differences<'a> {
    pub(crate) snapshot: &'a Snapshot<'a>,
    pub(crate) before: &'a LakeState,
    /// Everything counts as changed.
    pub(crate) whole: bool,
    /// An erasure has not reached every file, as far as is known.
    pub(crate) erased: bool,
    /// The last erasure.
    erasure: i64,
    /// Everything counts as changed in the tables that no feed tells of: the last push may have written some of it.
    unsure: bool,
    /// So does every run and request: an erasure may have taken something from them, or the archive is a copy from
    /// before some of them were.
    ledger_whole: bool,
    pub(crate) accounts: BTreeMap<i64, String>,
    /// For each conversation, what changes with the names that its messages are shown with.
    pub(crate) faces: BTreeMap<i64, i64>,
    /// The first run and the first request that may still change.
    pub(crate) unsettled: (i64, i64),
    /// Conversations whose names or participants are not what they were, or what a push wrote that was cut short.
    pub(crate) renamed: Vec<ConversationId>,
    /// The messages that were touched, by partition, and those of them with former versions, by account.
    touched: Touched,
}

#[derive(Default)]
struct Touched {
    messages: BTreeMap<Partition, Vec<i64>>,
    versions: BTreeMap<Partition, Vec<i64>>,
    /// Those that were erased, by account: in which month they were before a change of their times, nobody knows now.
    erased: BTreeMap<Option<String>, BTreeSet<i64>>,
}

impl<'a> Differences<'a> {
    /// Looks at the names and the change feed.
    pub(crate) fn find(snapshot: &'a Snapshot<'a>, before: &'a LakeState) -> Result<Self, LakeError> {
        let accounts = snapshot.accounts()?.into_iter().map(|(id, name)| (id.0, name)).collect();
        let faces: BTreeMap<i64, i64> =
            snapshot.faces(false)?.into_iter().map(|(id, face)| (id.0, face)).collect();
        let whole = !before.goes_on(snapshot, &accounts)?;
        let erasure = snapshot.last_erasure()?;
        let (erased, unwritten) =
            (whole || erasure != before.erasure, whole || erasure != before.erasure_rows);
        // A conversation that turned out to be another one, of which no page ever came, has left its requests to that.
        let merged = before.faces.keys().any(|id| !faces.contains_key(id));
        let forked = before.ledger != snapshot.settled_ledger((before.runs_from, before.requests_from))?;
        let is_renamed =
            |id: &i64, face: &i64| before.faces.get(id) != Some(face) || before.doubtful.contains(id);
        let renamed = faces.iter().filter(|(id, face)| is_renamed(id, face));
        let renamed = renamed.map(|(id, _)| ConversationId(*id)).collect();
        let mut found = Self {
            snapshot,
            before,
            whole,
            erased,
            erasure,
            unsure: before.cut_short,
            ledger_whole: unwritten || merged || forked || before.cut_short,
            accounts,
            faces,
            unsettled: snapshot.first_unsettled()?,
            renamed,
            touched: Touched::default(),
        };
        if !whole {
            found.touch()?;
        }
        Ok(found)
    }

    /// What a push will have left that writes all this.
    pub(crate) fn state(&self, mark: ChangeMark, now: Ms) -> Result<LakeState, LakeError> {
        Ok(LakeState {
            version: self.before.version,
            pushed: Some(mark),
            pushed_ms: Some(now),
            cut_short: false,
            tables: BTreeMap::new(),
            begun: Vec::new(),
            accounts: self.accounts.clone(),
            faces: self.faces.clone(),
            digests: BTreeMap::new(),
            runs_from: self.unsettled.0,
            requests_from: self.unsettled.1,
            ledger: self.snapshot.settled_ledger(self.unsettled)?,
            erasure: self.erasure,
            erasure_rows: self.erasure,
            doubtful: BTreeSet::new(),
            tidied_ms: self.before.tidied_ms,
            listed_ms: self.before.listed_ms,
        })
    }

    fn touch(&mut self) -> Result<(), LakeError> {
        let after = self.before.pushed.map_or(0, |(number, _)| number);
        let mut touched = Touched::default();
        // A conversation that was not there before is all new, and so in the feed.
        let known = self.renamed.iter().filter(|id| self.before.faces.contains_key(&id.0));
        let known: Vec<ConversationId> = known.copied().collect();
        self.snapshot.touched_messages(after, &known, |message| {
            let account = self.accounts.get(&message.account.0).cloned();
            if message.erased {
                touched.erased.entry(account.clone()).or_default().insert(message.id);
            }
            if message.versions {
                let partition = Partition { account: account.clone(), month: None };
                touched.versions.entry(partition).or_default().push(message.id);
            }
            let partition = Partition { account, month: Some(message.month) };
            touched.messages.entry(partition).or_default().push(message.id);
        })?;
        self.touched = touched;
        Ok(())
    }

    /// Adds the erased messages wherever a file may hold them.
    pub(crate) fn add_erased(
        &self,
        table: &LakeTable,
        files: impl Iterator<Item = (Partition, StoredRows)>,
        changes: &mut TableChanges,
    ) {
        if changes.whole || !matches!(table.source, RowSource::Messages) {
            return;
        }
        let mut held: BTreeMap<Partition, Vec<i64>> = BTreeMap::new();
        for (partition, file) in files {
            // What another program says of its files may make no sense.
            let Some(erased) =
                self.touched.erased.get(&partition.account).filter(|_| file.first <= file.last)
            else {
                continue;
            };
            let mut ids = erased.range(file.first..=file.last).copied().peekable();
            if ids.peek().is_some() {
                held.entry(partition).or_default().extend(ids);
            }
        }
        for (partition, rows) in apart(&held) {
            changes.partitions.entry(partition).or_default().extend(rows);
        }
    }

    /// What has changed in a table. `digests` gets what is now of tables that no feed tells of.
    pub(crate) fn of(
        &self,
        table: &LakeTable,
        whole: bool,
        digests: &mut BTreeMap<String, BTreeMap<i64, i64>>,
    ) -> Result<TableChanges, LakeError> {
        let of_feed = matches!(table.source, RowSource::Messages | RowSource::Rows(LakeRows::Versions));
        let whole = whole || self.whole || (self.unsure && !of_feed);
        let partitions = match table.source {
            RowSource::Messages if whole => self.months()?,
            RowSource::Messages => apart(&self.touched.messages),
            RowSource::Rows(LakeRows::Versions) if whole => self.each_account(),
            RowSource::Rows(LakeRows::Versions) => apart(&self.touched.versions),
            RowSource::Rows(rows @ (LakeRows::Conversations | LakeRows::Gaps)) => {
                let changed = self.by_digests(table, rows, digests)?;
                if whole { self.each_account() } else { changed }
            }
            RowSource::Rows(rows @ (LakeRows::Runs | LakeRows::Requests)) => {
                let (before, now) = match rows {
                    LakeRows::Runs => (self.before.runs_from, self.unsettled.0),
                    _ => (self.before.requests_from, self.unsettled.1),
                };
                let from = if whole || self.ledger_whole { i64::MIN } else { before };
                let mut changed = self.of_ledger(table, rows, (from, now), digests)?;
                if from > i64::MIN && rows == LakeRows::Requests {
                    for (partition, rows) in self.requests_about()? {
                        changed.entry(partition).or_default().extend(rows);
                    }
                }
                changed
            }
        };
        Ok(TableChanges { whole, partitions })
    }

    fn months(&self) -> Result<BTreeMap<Partition, Vec<ChangedRows>>, LakeError> {
        let months = self.snapshot.months(&Scope::default())?.into_iter();
        let months = months.map(|month| {
            let partition = Partition { account: Some(month.account_name), month: Some(month.month) };
            let (MessageId(first), MessageId(last)) = month.ids;
            let rows = u64::try_from(month.messages).unwrap_or_default();
            (partition, vec![ChangedRows { first, last, rows }])
        });
        Ok(months.collect())
    }

    fn each_account(&self) -> BTreeMap<Partition, Vec<ChangedRows>> {
        self.accounts.values().map(|name| (of_account(name), vec![ALL])).collect()
    }

    /// Ranges of rows of which the number is another one than at the last push, or that are gone.
    fn by_digests(
        &self,
        table: &LakeTable,
        rows: LakeRows,
        digests: &mut BTreeMap<String, BTreeMap<i64, i64>>,
    ) -> Result<BTreeMap<Partition, Vec<ChangedRows>>, LakeError> {
        let none = BTreeMap::new();
        let mut changed = BTreeMap::new();
        for (id, name) in &self.accounts {
            let before = self.before.digests.get(table.name).and_then(|of| of.get(name)).unwrap_or(&none);
            let mut now: BTreeMap<i64, (i64, u64)> = BTreeMap::new();
            self.snapshot.lake_rows(rows, Some(AccountId(*id)), (i64::MIN, i64::MAX), |row| {
                if let Some((_, TableValue::Int(key))) = row.first() {
                    let (digest, rows) = now.entry(key.div_euclid(RANGE)).or_default();
                    *digest = hash::of_text(&format!("{digest} {row:?}"));
                    *rows = rows.saturating_add(1);
                }
                Ok::<(), LakeError>(())
            })?;
            let gone = before.keys().filter(|range| !now.contains_key(range)).map(|range| (*range, 0));
            let others = now.iter().filter(|(range, (digest, _))| before.get(range) != Some(digest));
            let ranges: Vec<ChangedRows> = others
                .map(|(range, (_, rows))| (*range, *rows))
                .chain(gone)
                .map(|(range, rows)| ChangedRows {
                    first: range.saturating_mul(RANGE),
                    last: range.saturating_mul(RANGE).saturating_add(RANGE - 1),
                    rows,
                })
                .collect();
            if !ranges.is_empty() {
                changed.insert(of_account(name), ranges);
            }
            let now: BTreeMap<i64, i64> =
                now.into_iter().map(|(range, (digest, _))| (range, digest)).collect();
            if !now.is_empty() {
                digests.insert(name.clone(), now);
            }
        }
        Ok(changed)
    }

    /// Rows from the first on that could still change, if they did or others came.
    fn of_ledger(
        &self,
        table: &LakeTable,
        rows: LakeRows,
        (from, next): (i64, i64),
        digests: &mut BTreeMap<String, BTreeMap<i64, i64>>,
    ) -> Result<BTreeMap<Partition, Vec<ChangedRows>>, LakeError> {
        let mut changed = BTreeMap::new();
        let accounts = match rows {
            LakeRows::Runs => vec![(None, String::new())],
            _ => self.accounts.iter().map(|(id, name)| (Some(AccountId(*id)), name.clone())).collect(),
        };
        for (account, name) in accounts {
            let (mut now, mut later, mut count) = (0, 0, 0_u64);
            let mut last = from;
            self.snapshot.lake_rows(rows, account, (from, i64::MAX), |row| {
                let mix = |digest: i64| hash::of_text(&format!("{digest} {row:?}"));
                if let Some((_, TableValue::Int(key))) = row.first() {
                    (now, last, count) = (mix(now), *key, count.saturating_add(1));
                    if *key >= next {
                        later = mix(later);
                    }
                }
                Ok::<(), LakeError>(())
            })?;
            let before = self.before.digests.get(table.name).and_then(|of| of.get(&name)?.get(&from));
            if before.copied().unwrap_or_default() != now {
                let account = account.map(|_| name.clone());
                let rows = ChangedRows { first: from, last, rows: count };
                changed.insert(Partition { account, month: None }, vec![rows]);
            }
            if later != 0 {
                digests.insert(name, [(next, later)].into());
            }
        }
        Ok(changed)
    }

    /// Requests about conversations that are called something else now.
    fn requests_about(&self) -> Result<BTreeMap<Partition, Vec<ChangedRows>>, LakeError> {
        let mut about: BTreeMap<Partition, Vec<i64>> = BTreeMap::new();
        self.snapshot.requests_about(&self.renamed, |account, id| {
            if let Some(name) = self.accounts.get(&account.0).filter(|_| id < self.before.requests_from) {
                about.entry(of_account(name)).or_default().push(id);
            }
        })?;
        Ok(apart(&about))
    }
}

fn of_account(name: &str) -> Partition {
    Partition { account: Some(name.to_owned()), month: None }
}

/// Each row by itself; of very many, neighbours together.
fn apart(touched: &BTreeMap<Partition, Vec<i64>>) -> BTreeMap<Partition, Vec<ChangedRows>> {
    let changed = touched.iter().map(|(partition, ids)| {
        let mut ids = ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let together = ids.len().div_ceil(MOST_APART).max(1);
        let of = |ids: &[i64]| {
            let rows = u64::try_from(ids.len()).unwrap_or(u64::MAX);
            Some(ChangedRows { first: *ids.first()?, last: *ids.last()?, rows })
        };
        (partition.clone(), ids.chunks(together).filter_map(of).collect())
    });
    changed.collect()
}
