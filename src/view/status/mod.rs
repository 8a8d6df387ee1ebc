//! The status: what is archived, what is missing, what was spent, and what needs attention.

mod attention;
mod json;

use crate::app::census::Census;
pub(crate) use crate::app::census::Listing;
use crate::app::metrics::{self, Closed, Metrics};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{IsoTime, counted, plural};
use crate::store::{
    Alert, ArchiveSummary, Cause, ConversationRow, DayRow, GapRow, Holder, InboxStatus, Reader, StoreError,
    holder,
};
use crate::view::erasures::ErasureStatus;
use crate::view::lake::LakeStatus;
use crate::view::local_time::local_date;
use crate::view::sinks::{SinkStatus, sinks};

pub(crate) use self::attention::needs_attention;
pub(crate) use self::json::{ConversationStatus, Status};

use self::json::ServiceStatus;

/// Days of the credits' chart.
pub(crate) const DAYS: u32 = 30;

/// How a time is written.
pub(crate) type FormatTime = fn(Ms) -> String;

/// All that the status is made of.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) now: Ms,
    pub(crate) census: Census,
    pub(crate) inboxes: Vec<InboxStatus>,
    pub(crate) days: Vec<DayRow>,
    pub(crate) metrics: Metrics,
    pub(crate) summary: ArchiveSummary,
    pub(crate) stalled: Vec<GapRow>,
    pub(crate) sinks: Vec<SinkStatus>,
    pub(crate) erasures: ErasureStatus,
    pub(crate) lake: Option<LakeStatus>,
}

impl Facts {
    /// Reads them from the configuration's archive.
    pub(crate) fn read(
        config: &Config,
        reader: &Reader,
        listing: Listing,
        now: Ms,
    ) -> Result<Self, StoreError> {
        let queries = reader.queries();
        let (inboxes, mut figures) = (queries.inboxes()?, queries.figures()?);
        let mut summary = queries.summary_of(&figures.all)?;
        let census = Census::take(config, &queries, &inboxes, &mut figures, listing)?;
        summary.gaps -= census.forgotten_gaps();
        let closed = metrics::closed(&queries, config, now)?;
        Ok(Self {
            now,
            metrics: Metrics::of(&queries, config, (figures, census.horizon, closed), now)?,
            days: queries.credits_by_day(now, DAYS)?,
            summary,
            stalled: queries.stalled()?,
            sinks: sinks(config, &queries.sinks()?),
            erasures: ErasureStatus::of(config, &queries, now)?,
            lake: LakeStatus::of(config, &queries)?,
            census,
            inboxes,
        })
    }

    /// What is wrong, if anything needs a person or the last run failed.
    pub(crate) fn trouble(&self) -> Option<String> {
        let used_up = |row: &&Alert| row.cause == Cause::Credits;
        // What has been renewed since is tried by the next run.
        let alerts = self.metrics.parked.len() + self.metrics.figures.alerts.iter().filter(used_up).count();
        let outcome = self.metrics.last_run.as_ref().and_then(|run| run.outcome.as_deref());
        match (alerts, outcome) {
            (1.., _) => Some(format!("{} your attention", counted(alerts, "thing needs", "things need"))),
            (0, Some(outcome @ ("failed" | "partial"))) => Some(format!("the last run ended {outcome}")),
            (0, _) => None,
        }
    }
}

/// The service, if one is running and this process may look at its lock.
fn service(config: &Config, closed: Option<Closed>, now: Ms) -> Option<ServiceStatus> {
    let Ok(Holder::Service(pid)) = holder(&config.archive.path) else { return None };
    let next = closed.map_or_else(|| config.schedule.slots.next(now), |closed| closed.goes_on_ms);
    Some(ServiceStatus { pid, next_slot_at: next.map(IsoTime) })
}

/// What is missing of a conversation: its newest gap, and how many more there are.
pub(crate) fn missing(row: &ConversationRow) -> String {
    let Some(newest) = row.timeline.gaps.first() else { return "nothing".to_owned() };
    let words = match (newest.newer_ms, newest.older_ms) {
        (None, None) => {
            match (row.timeline.oldest_ms.map(local_date), row.timeline.newest_ms.map(local_date)) {
                (Some(oldest), Some(newest)) if oldest == newest => format!("before and after {newest}"),
                (Some(oldest), Some(newest)) => format!("around {oldest} – {newest}"),
                _ => "everything".to_owned(),
            }
        }
        (None, Some(older)) => format!("after {}", local_date(older)),
        (Some(newer), None) => format!("before {}", local_date(newer)),
        (Some(newer), Some(older)) => format!("{} – {}", local_date(older), local_date(newer)),
    };
    match row.timeline.gaps.len() {
        1 => words,
        n => format!("{words} and {}", plural(n - 1, "more gap")),
    }
}
