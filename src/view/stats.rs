//! Messages over time, unanswered messages and credits, in numbers.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Local, TimeZone as _, Timelike as _};
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
        let mut months: BTreeMap<String, Count> = BTreeMap::new();
        let (mut messages, mut hours, mut weekdays) = (Count::default(), vec![0_i64; 24], vec![0_i64; 7]);
        let one_more = |list: &mut Vec<i64>, at: u32| {
            if let Some(n) = usize::try_from(at).ok().and_then(|at| list.get_mut(at)) {
                *n += 1;
            }
        };
        let tally = correspondence(queries, scope, |side, line| {
            messages.add(side);
            if let Some(time) = Local.timestamp_millis_opt(line.at_ms).earliest() {
                months.entry(format!("{:04}-{:02}", time.year(), time.month())).or_default().add(side);
                one_more(&mut hours, time.hour());
                one_more(&mut weekdays, time.weekday().num_days_from_monday());
            }
        })?;
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
