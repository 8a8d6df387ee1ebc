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
    /// What was accepted and could not be noted yet.
    accepted: Option<Acceptance>,
}

/// An event that the receiver has.
#[derive(Debug, Clone, Copy)]
struct Acceptance {
    next: NextDelivery,
    /// How many alerts or changes it stands for.
    events: i64,
    at_ms: Ms,
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
        Ok(Self { sink: sink.clone(), archive: outbox.identity()?, backlog, accepted: None })
    }

    /// Delivers one event, if one is due. A crash in the middle of it loses nothing: the event is sent again, under the
    /// same id. What was accepted but could not be noted is noted by the next step, before anything else is sent.
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
        if let Some(accepted) = self.accepted {
            return self.note_accepted(&mut outbox.borrow_mut(), accepted);
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
            return self.note(&mut outbox.borrow_mut(), (&parcel, next), delivered, (clock.now_ms(), chance));
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
        let rules = BatchRules {
            summary_over: self.sink.summary_over,
            digest: matches!(self.sink.means, SinkMeans::Email(_)),
        };
        Ok(batch::next(&self.backlog.pending, notice.map(|notice| notice.id), &standing, &rules, now))
    }

    /// Notes what is sent from now on: what is sent together stays together, so that its id stays the same.
    fn begin(&self, outbox: &mut Outbox, open: Option<(i64, BatchForm)>) -> Result<SinkRow, StoreError> {
        let after = self.backlog.pending.first().map_or(0, |first| first.seq.saturating_sub(1));
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
                let end = self.backlog.pending.partition_point(|change| change.seq <= to);
                let (part, _) = self.backlog.pending.split_at(end);
                Some(match form {
                    BatchForm::Single | BatchForm::Digest => self.digest(outbox, row.change, to, part)?,
                    BatchForm::Summary => self.summary(outbox, row.change, to, part)?,
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

    /// Writes down that an event was accepted. Until that has succeeded, it is kept in mind.
    fn note_accepted(
        &mut self,
        outbox: &mut Outbox,
        accepted: Acceptance,
    ) -> Result<CourierStep, StoreError> {
        self.accepted = Some(accepted);
        let name = &self.sink.name;
        let waiting = self.waiting(outbox)?;
        let before = outbox.sink(name)?;
        outbox.update(name, |row| {
            match accepted.next {
                NextDelivery::Notice(id) => row.notice = row.notice.max(id),
                NextDelivery::Change(PendingChange { seq: to, .. }) | NextDelivery::Batch { to, .. } => {
                    row.change = row.change.max(self.backlog.covered_by(to));
                    row.set_open(None);
                }
                NextDelivery::Nothing | NextDelivery::Wait(_) => {}
            }
            row.forgive();
            row.waiting = waiting.saturating_sub(accepted.events).max(0);
            row.delivered = row.delivered.saturating_add(accepted.events);
            row.delivered_ms = Some(accepted.at_ms);
        })?;
        self.accepted = None;
        if before.attempts > 0 {
            tracing::info!(sink = name, attempts = before.attempts, "the sink accepts events again");
        }
        Ok(CourierStep::Delivered)
    }

    /// Writes down what became of an event.
    fn note(
        &mut self,
        outbox: &mut Outbox,
        (parcel, next): (&Parcel, NextDelivery),
        delivered: Delivered,
        (now, chance): (Ms, f64),
    ) -> Result<CourierStep, StoreError> {
        let name = self.sink.name.clone();
        match delivered {
            Delivered::Accepted => {
                self.note_accepted(outbox, Acceptance { next, events: parcel.events, at_ms: now })
            }
            Delivered::Failed { why, retry_after_ms } => {
                let waiting = self.waiting(outbox)?;
                let row = outbox.update(&name, |row| {
                    if is_covered(row, next) {
                        return;
                    }
                    row.attempts = row.attempts.saturating_add(1);
                    row.failing_since_ms = row.failing_since_ms.or(Some(now));
                    row.next_try_ms = Some(retry::next_try(row.attempts, now, retry_after_ms, chance));
                    row.last_error = Some(why.clone());
                    row.waiting = waiting;
                })?;
                if !is_covered(&row, next) {
                    let attempts = row.attempts;
                    tracing::warn!(sink = name, attempts, waiting, "an event was not delivered: {why}");
                }
                Ok(CourierStep::Failed)
            }
            Delivered::Ended(why) => {
                let waiting = self.waiting(outbox)?;
                outbox.update(&name, |row| {
                    row.attempts = row.attempts.saturating_add(1);
                    row.failing_since_ms = row.failing_since_ms.or(Some(now));
                    row.ended_ms = Some(now);
                    row.last_error = Some(why.clone());
                    row.waiting = waiting;
                })?;
                tracing::error!(
                    sink = name,
                    why,
                    waiting,
                    "the sink gets no more events until `archiver notify retry`"
                );
                Ok(CourierStep::Failed)
            }
        }
    }

    /// Events that wait, as far as they have been read.
    fn waiting(&self, outbox: &Outbox) -> Result<i64, StoreError> {
        let alerts = match self.sink.what.contains(&EventKind::Alert) {
            true => outbox.queries().notices_after(outbox.sink(&self.sink.name)?.notice)?,
            false => 0,
        };
        let changes = i64::try_from(self.backlog.pending.len()).unwrap_or(i64::MAX);
        Ok(alerts.saturating_add(changes))
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
