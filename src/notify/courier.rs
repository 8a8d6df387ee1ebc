//! Delivers events to one sink, one after the other, and records how far the sink has got.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::backlog::Backlog;
use super::carrier::{Carrier, Delivered};
use super::parcel::{self, ChangeCounts, ChangedMessage, ConversationShare, Parcel};
use crate::clock::Clock;
use crate::config::{Sink, SinkMeans};
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::notify::batch::{
    self, BatchForm, BatchRules, EventKind, NextDelivery, PendingChange, Standing,
};
use crate::core::notify::retry;
use crate::store::{Outbox, SinkRow, StoreError};

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CourierStep {
    /// An event was delivered.
    Delivered,
    /// An attempt failed.
    Failed,
    /// There is nothing to do before this moment (ms), unless something changes.
    Idle(Option<Ms>),
}

/// Delivers events to one sink. What it keeps in memory can be read again from the archive at any time.
#[derive(Debug)]
pub struct Courier {
    sink: Sink,
    archive: String,
    backlog: Backlog,
    /// An event whose end could not be noted yet.
    unnoted: Option<SentEvent>,
}

/// An event that was sent, and what became of it.
#[derive(Debug)]
struct SentEvent {
    next: NextDelivery,
    /// How many alerts or changes it stands for.
    events: i64,
    delivered: Delivered,
    at_ms: Ms,
    /// By how much the wait after a failure is longer: from 0 to 1.
    chance: f64,
}

impl Courier {
    /// That of a sink, which is registered if it is new.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn new(sink: &Sink, outbox: &mut Outbox) -> Result<Self, StoreError> {
        let target = i64::from_be_bytes(
            ring::digest::digest(&ring::digest::SHA256, sink.target().expose().as_bytes())
                .as_ref()
                .first_chunk()
                .copied()
                .unwrap_or_default(),
        );
        let row = outbox.register(&sink.name, target)?;
        let mut backlog = Backlog::default();
        backlog.delivered_to(row.change);
        Ok(Self { sink: sink.clone(), archive: outbox.identity()?, backlog, unnoted: None })
    }

    /// Delivers one event, if one is due. A crash in the middle of it loses nothing: the event is sent again, under the
    /// same id. What became of an event and could not be noted is noted by a later step, before anything else is sent.
    ///
    /// # Errors
    /// When the archive cannot be read or written.
    pub async fn step(
        &mut self,
        outbox: &RefCell<Outbox>,
        carrier: &impl Carrier,
        clock: &impl Clock,
        chance: f64,
    ) -> Result<CourierStep, StoreError> {
        if let Some(attempt) = self.unnoted.take() {
            return self.note(&mut outbox.borrow_mut(), attempt);
        }
        loop {
            let now = clock.now_ms();
            let row = outbox.borrow().sink(&self.sink.name)?;
            if row.ended_ms.is_some() {
                return Ok(CourierStep::Idle(None));
            }
            if !retry::is_due(row.next_try_ms, now) {
                return Ok(CourierStep::Idle(row.next_try_ms));
            }
            self.read(outbox, &row, now).await?;
            let next = self.next(&outbox.borrow(), &row, now)?;
            let open = match next {
                NextDelivery::Nothing => return self.catch_up(&mut outbox.borrow_mut(), &row),
                NextDelivery::Wait(until) => return Ok(CourierStep::Idle(Some(until))),
                // An alert is sent by itself, and leaves alone what was begun.
                NextDelivery::Notice(_) => row.open(),
                NextDelivery::Change(change) => Some((change.seq, BatchForm::Single)),
                NextDelivery::Batch { form, to } => Some((to, form)),
            };
            let row = if row.open() == open { row } else { self.begin(&mut outbox.borrow_mut(), open)? };
            let Some(parcel) = self.pack(&outbox.borrow(), &row, next)? else {
                // Its message was erased since.
                if let NextDelivery::Change(change) = next {
                    self.backlog.leave_out(change.seq);
                }
                continue;
            };
            let delivered = carrier.deliver(&parcel, now).await;
            let attempt = SentEvent { next, events: parcel.events, delivered, at_ms: clock.now_ms(), chance };
            return self.note(&mut outbox.borrow_mut(), attempt);
        }
    }

    /// Reads what has changed since.
    async fn read(&mut self, outbox: &RefCell<Outbox>, row: &SinkRow, now: Ms) -> Result<(), StoreError> {
        self.backlog.delivered_to(row.change);
        while self.backlog.read(outbox.borrow().queries(), &self.sink, now)? {
            // Other sinks want their turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn next(&self, outbox: &Outbox, row: &SinkRow, now: Ms) -> Result<NextDelivery, StoreError> {
        let queries = outbox.queries();
        let notice = match self.sink.what.contains(&EventKind::Alert) {
            true => queries.notice_after(row.notice)?,
            false => None,
        };
        let standing = Standing { open: row.open(), run_under_way: queries.run_under_way()? };
        let (pending, notice) = (self.backlog.pending.iter(), notice.map(|notice| notice.id));
        Ok(batch::next(pending, notice, &standing, &self.rules(), now))
    }

    fn rules(&self) -> BatchRules {
        BatchRules {
            summary_over: self.sink.summary_over,
            digest: matches!(self.sink.means, SinkMeans::Email(_)),
        }
    }

    /// What is begun as the changes up to this one have been delivered, where that is one by itself: it is noted together
    /// with their delivery, in one transaction.
    fn begun_after(&self, outbox: &Outbox, to: i64, now: Ms) -> Result<Option<(i64, BatchForm)>, StoreError> {
        let standing = Standing { open: None, run_under_way: outbox.queries().run_under_way()? };
        let rest = self.backlog.pending.range(self.backlog.up_to(to)..);
        Ok(match batch::next(rest, None, &standing, &self.rules(), now) {
            NextDelivery::Change(change) => Some((change.seq, BatchForm::Single)),
            _ => None,
        })
    }

    /// Notes what is sent from now on: what is sent together stays together, so that its id stays the same.
    fn begin(&self, outbox: &mut Outbox, open: Option<(i64, BatchForm)>) -> Result<SinkRow, StoreError> {
        let after = self.backlog.pending.front().map_or(0, |first| first.seq.saturating_sub(1));
        outbox.update(&self.sink.name, |row| {
            row.change = row.change.max(after);
            row.set_open(open);
        })
    }

    /// The event to send; `None`: there is nothing left to send.
    fn pack(&self, outbox: &Outbox, row: &SinkRow, next: NextDelivery) -> Result<Option<Parcel>, StoreError> {
        let queries = outbox.queries();
        Ok(match next {
            NextDelivery::Nothing | NextDelivery::Wait(_) => None,
            NextDelivery::Notice(_) => {
                let notice = queries.notice_after(row.notice)?;
                notice.map(|notice| Parcel::of_notice(&self.archive, &notice))
            }
            NextDelivery::Change(change) => {
                let message = queries.message_at(&change)?;
                message.map(|message| Parcel::of_change(&self.archive, &(change, message)))
            }
            NextDelivery::Batch { form, to } => {
                let part = self.backlog.pending.range(..self.backlog.up_to(to));
                let part: Vec<PendingChange> = part.copied().collect();
                Some(match form {
                    BatchForm::Single | BatchForm::Digest => self.digest(outbox, row.change, to, &part)?,
                    BatchForm::Summary => self.summary(outbox, row.change, to, &part)?,
                })
            }
        })
    }

    fn digest(
        &self,
        outbox: &Outbox,
        after: i64,
        to: i64,
        part: &[PendingChange],
    ) -> Result<Parcel, StoreError> {
        let mut contents: Vec<ChangedMessage> = Vec::new();
        for change in part {
            contents.extend(outbox.queries().message_at(change)?.map(|message| (*change, message)));
        }
        let at_ms = part.last().map_or(0, |change| change.at_ms);
        Ok(Parcel::of_digest(&self.archive, &self.sink.name, (after, to), at_ms, &contents))
    }

    fn summary(
        &self,
        outbox: &Outbox,
        after: i64,
        to: i64,
        part: &[PendingChange],
    ) -> Result<Parcel, StoreError> {
        const NAMED: usize = 20;
        let mut all = ChangeCounts::default();
        let mut by_conversation: BTreeMap<ConversationId, (ChangeCounts, PendingChange)> = BTreeMap::new();
        for change in part {
            all.add(change.kind);
            by_conversation
                .entry(change.conversation)
                .or_insert((ChangeCounts::default(), *change))
                .0
                .add(change.kind);
        }
        let conversations = by_conversation.len();
        let mut busiest: Vec<(ChangeCounts, PendingChange)> = by_conversation.into_values().collect();
        busiest.sort_by_key(|(counts, change)| (std::cmp::Reverse(counts.all()), change.conversation));
        busiest.truncate(NAMED);
        let mut shares = Vec::new();
        for (counts, change) in busiest {
            let message = outbox.queries().message_at(&change)?;
            shares.push(message.map_or(
                ConversationShare { counts, ..ConversationShare::default() },
                |message| ConversationShare {
                    account: message.account,
                    conversation_id: message.conversation_id,
                    conversation: message.conversation_name,
                    counts,
                },
            ));
        }
        let at_ms = part.last().map_or(0, |change| change.at_ms);
        let span = (after, to);
        Ok(parcel::summary(&self.archive, &self.sink.name, span, at_ms, (&all, &shares, conversations)))
    }

    /// Writes down what became of an event. Until that has succeeded, it is kept in mind.
    fn note(&mut self, outbox: &mut Outbox, attempt: SentEvent) -> Result<CourierStep, StoreError> {
        let noted = match &attempt.delivered {
            Delivered::Accepted => self.note_accepted(outbox, &attempt),
            Delivered::Failed { why, retry_after_ms } => {
                self.note_failed(outbox, &attempt, why, *retry_after_ms)
            }
            Delivered::Ended(why) => self.note_ended(outbox, &attempt, why),
        };
        if noted.is_err() {
            self.unnoted = Some(attempt);
        }
        noted
    }

    fn note_accepted(&self, outbox: &mut Outbox, attempt: &SentEvent) -> Result<CourierStep, StoreError> {
        let name = &self.sink.name;
        let before = outbox.sink(name)?;
        let waiting = self.backlog.waiting(outbox.queries(), &self.sink, &before)?;
        let delivered_to = match attempt.next {
            NextDelivery::Change(PendingChange { seq: to, .. }) | NextDelivery::Batch { to, .. } => Some(to),
            NextDelivery::Notice(_) | NextDelivery::Nothing | NextDelivery::Wait(_) => None,
        };
        let begun = match delivered_to {
            Some(to) => self.begun_after(outbox, to, attempt.at_ms)?,
            None => None,
        };
        outbox.update(name, |row| {
            if let NextDelivery::Notice(id) = attempt.next {
                row.notice = row.notice.max(id);
            }
            if let Some(to) = delivered_to {
                row.change = row.change.max(self.backlog.covered_by(to));
                row.set_open(begun);
            }
            row.forgive();
            row.waiting = waiting.saturating_sub(attempt.events).max(0);
            row.delivered = row.delivered.saturating_add(attempt.events);
            row.delivered_ms = Some(attempt.at_ms);
        })?;
        if before.attempts > 0 {
            tracing::info!(sink = name, attempts = before.attempts, "the sink accepts events again");
        }
        Ok(CourierStep::Delivered)
    }

    fn note_failed(
        &self,
        outbox: &mut Outbox,
        attempt: &SentEvent,
        why: &str,
        retry_after_ms: Option<Ms>,
    ) -> Result<CourierStep, StoreError> {
        let SentEvent { next, at_ms, chance, .. } = *attempt;
        let name = &self.sink.name;
        let waiting = self.backlog.waiting(outbox.queries(), &self.sink, &outbox.sink(name)?)?;
        let row = outbox.update(name, |row| {
            if is_covered(row, next) {
                return;
            }
            row.attempts = row.attempts.saturating_add(1);
            row.failing_since_ms = row.failing_since_ms.or(Some(at_ms));
            row.next_try_ms = Some(retry::next_try(row.attempts, at_ms, retry_after_ms, chance));
            row.last_error = Some(why.to_owned());
            row.waiting = waiting;
        })?;
        if !is_covered(&row, next) {
            let attempts = row.attempts;
            tracing::warn!(sink = name, attempts, waiting, "an event was not delivered: {why}");
        }
        Ok(CourierStep::Failed)
    }

    fn note_ended(
        &self,
        outbox: &mut Outbox,
        attempt: &SentEvent,
        why: &str,
    ) -> Result<CourierStep, StoreError> {
        let name = &self.sink.name;
        let waiting = self.backlog.waiting(outbox.queries(), &self.sink, &outbox.sink(name)?)?;
        outbox.update(name, |row| {
            row.attempts = row.attempts.saturating_add(1);
            row.failing_since_ms = row.failing_since_ms.or(Some(attempt.at_ms));
            row.ended_ms = Some(attempt.at_ms);
            row.last_error = Some(why.to_owned());
            row.waiting = waiting;
        })?;
        let what = "the sink gets no more events until `archiver notify retry`";
        tracing::error!(sink = name, why, waiting, "{what}");
        Ok(CourierStep::Failed)
    }

    /// Nothing waits. Moves the cursor over what is none of the sink's, so that it need not be read again. A sink that
    /// failed has nothing left to fail at.
    fn catch_up(&self, outbox: &mut Outbox, row: &SinkRow) -> Result<CourierStep, StoreError> {
        if let Some(to) = self.backlog.far_from(row.change) {
            outbox.update(&self.sink.name, |row| row.change = row.change.max(to))?;
        }
        if row.attempts > 0 || row.waiting > 0 {
            outbox.update(&self.sink.name, |row| {
                row.forgive();
                row.waiting = 0;
            })?;
        }
        Ok(CourierStep::Idle(None))
    }

    /// The sink's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.sink.name
    }
}

/// Whether a sink need not get this any more: somebody has skipped it meanwhile.
fn is_covered(row: &SinkRow, next: NextDelivery) -> bool {
    match next {
        NextDelivery::Notice(id) => row.notice >= id,
        NextDelivery::Change(PendingChange { seq: to, .. }) | NextDelivery::Batch { to, .. } => {
            row.change >= to
        }
        NextDelivery::Nothing | NextDelivery::Wait(_) => false,
    }
}
