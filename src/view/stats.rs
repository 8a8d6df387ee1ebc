//! Messages over time, unanswered messages and credits, in numbers.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Local, TimeZone as _, Utc};
use serde::Serialize;

use crate::core::format::{IsoTime, thousands};
use crate::core::model::ids::ConversationId;
use crate::core::people::{Author, Correspondence, Waiting};
use crate::core::planner::target::Candidate;
use crate::store::{MonthRow, Queries, Scope, StoreError};
use crate::view::correspondence;

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Count {
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) unknown: i64,
}

impl Count {
    fn add(&mut self, side: Author) {
        match side {
            Author::Mine => self.sent += 1,
            Author::Theirs => self.received += 1,
            Author::Unknown => self.unknown += 1,
        }
    }

    fn join(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.unknown += other.unknown;
    }

    pub(crate) fn all(self) -> i64 {
        self.sent + self.received + self.unknown
    }

    pub(crate) fn sides(self) -> Option<String> {
        let known = self.sent + self.received > 0;
        known.then(|| format!("{} sent, {} received", thousands(self.sent), thousands(self.received)))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct MonthCount {
    pub(crate) month: String,
    #[serde(flatten)]
    pub(crate) count: Count,
}

#[derive(Debug, Serialize)]
pub(crate) struct WaitingLine {
    pub(crate) conversation_id: Option<String>,
    pub(crate) name: String,
    pub(crate) since: IsoTime,
}

#[derive(Debug, Serialize)]
pub(crate) struct CreditMonth {
    #[serde(flatten)]
    pub(crate) row: MonthRow,
    pub(crate) credits_per_message: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    pub(crate) owner_known: bool,
    pub(crate) messages: Count,
    pub(crate) months: Vec<MonthCount>,
    /// By hour of the day, in the user's time zone.
    pub(crate) hours: Vec<i64>,
    /// By day of the week, Monday first.
    pub(crate) weekdays: Vec<i64>,
    pub(crate) you_answer_median_secs: Option<u32>,
    pub(crate) they_answer_median_secs: Option<u32>,
    pub(crate) waiting_for_you: Vec<WaitingLine>,
    pub(crate) waiting_for_them: Vec<WaitingLine>,
    pub(crate) credits: Vec<CreditMonth>,
}

/// Messages by local days and hours. Clocks are set once a day at the most, so that a day's offset is looked up once.
#[derive(Default)]
struct LocalTimes {
    /// Of each UTC day, the milliseconds to add; `None`: clocks are set on it.
    offsets: BTreeMap<i64, Option<i64>>,
    last_offset: Option<(i64, Option<i64>)>,
    /// By the local day since 1970.
    days: BTreeMap<i64, Count>,
    last_day: Option<(i64, Count)>,
    hours: [i64; 24],
}

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// What is to be added to a UTC time; `None` beyond the years that a calendar has.
fn offset_ms(at_ms: i64) -> Option<i64> {
    let time = Local.timestamp_millis_opt(at_ms).earliest()?;
    Some(i64::from(time.offset().local_minus_utc()) * 1000)
}

impl LocalTimes {
    fn add(&mut self, side: Author, at_ms: i64) {
        let Some(offset) = self.offset(at_ms) else { return };
        let local = at_ms.saturating_add(offset);
        let day = local.div_euclid(DAY_MS);
        match &mut self.last_day {
            Some((last, count)) if *last == day => count.add(side),
            last => {
                let mut count = Count::default();
                count.add(side);
                let done = last.replace((day, count));
                self.keep(done);
            }
        }
        let hour = usize::try_from(local.rem_euclid(DAY_MS) / HOUR_MS).ok();
        if let Some(n) = hour.and_then(|hour| self.hours.get_mut(hour)) {
            *n += 1;
        }
    }

    fn keep(&mut self, day: Option<(i64, Count)>) {
        if let Some((day, count)) = day {
            self.days.entry(day).or_default().join(count);
        }
    }

    fn offset(&mut self, at_ms: i64) -> Option<i64> {
        let day = at_ms.div_euclid(DAY_MS);
        let known = self.last_offset.filter(|(last, _)| *last == day).map(|(_, offset)| offset);
        let of_day = known.unwrap_or_else(|| {
            let ends = || {
                let first = day.checked_mul(DAY_MS)?;
                Some((offset_ms(first)?, offset_ms(first.checked_add(DAY_MS)?)?))
            };
            *self
                .offsets
                .entry(day)
                .or_insert_with(|| ends().filter(|(a, b)| a == b).map(|(offset, _)| offset))
        });
        self.last_offset = Some((day, of_day));
        of_day.or_else(|| offset_ms(at_ms))
    }

    /// By months, by hours of the day, and by days of the week.
    fn sums(mut self) -> (BTreeMap<String, Count>, Vec<i64>, Vec<i64>) {
        let last = self.last_day.take();
        self.keep(last);
        let (mut months, mut weekdays) = (BTreeMap::<String, Count>::new(), vec![0_i64; 7]);
        for (day, count) in &self.days {
            let date = day.checked_mul(DAY_MS).and_then(|ms| Utc.timestamp_millis_opt(ms).single());
            let Some(date) = date else { continue };
            months.entry(format!("{:04}-{:02}", date.year(), date.month())).or_default().join(*count);
            let weekday = usize::try_from(date.weekday().num_days_from_monday()).ok();
            if let Some(n) = weekday.and_then(|weekday| weekdays.get_mut(weekday)) {
                *n += count.all();
            }
        }
        (months, self.hours.to_vec(), weekdays)
    }
}

impl Stats {
    /// The statistics of these messages, and of all credits.
    pub(crate) fn gather(queries: &Queries<'_>, scope: &Scope) -> Result<Self, StoreError> {
        Self::with_correspondence(queries, scope).map(|(stats, _)| stats)
    }

    /// The same with what it was made of.
    pub(crate) fn with_correspondence(
        queries: &Queries<'_>,
        scope: &Scope,
    ) -> Result<(Self, Correspondence), StoreError> {
        let mut messages = Count::default();
        let mut times = LocalTimes::default();
        let tally = correspondence(queries, scope, |side, line| {
            messages.add(side);
            times.add(side, line.at_ms);
        })?;
        let (months, hours, weekdays) = times.sums();
        let names: BTreeMap<ConversationId, Candidate> =
            queries.candidates()?.into_iter().map(|c| (c.id, c)).collect();
        let waiting = tally.waiting();
        let lines = |side: Author| -> Vec<WaitingLine> {
            let line = |w: &Waiting| {
                let known = names.get(&w.conversation);
                WaitingLine {
                    conversation_id: known.and_then(|c| c.conversation_id.clone()),
                    name: known.map(|c| c.label()).unwrap_or_default(),
                    since: IsoTime(w.since_ms),
                }
            };
            waiting.iter().filter(|w| w.for_side == side).map(line).collect()
        };
        let (mine, theirs) = tally.answers();
        let stats = Self {
            owner_known: tally.owner_known(),
            messages,
            months: months.into_iter().map(|(month, count)| MonthCount { month, count }).collect(),
            hours,
            weekdays,
            you_answer_median_secs: mine,
            they_answer_median_secs: theirs,
            waiting_for_you: lines(Author::Mine),
            waiting_for_them: lines(Author::Theirs),
            credits: queries.credits_by_month()?.into_iter().map(credit_month).collect(),
        };
        Ok((stats, tally))
    }
}

fn credit_month(row: MonthRow) -> CreditMonth {
    #[expect(clippy::cast_precision_loss, reason = "counts of credits and messages are far below 2^53")]
    let each = (row.new_messages > 0).then(|| row.credits as f64 / row.new_messages as f64);
    CreditMonth { credits_per_message: each.map(|n| (n * 1000.0).round() / 1000.0), row }
}
