//! The sinks of notifications, as `status` and `notify status` show them.

use serde::Serialize;

use crate::config::{Config, Sink};
use crate::core::Ms;
use crate::core::format::{IsoTime, counted};
use crate::core::printable::one_line;
use crate::store::SinkRow;

/// How it is with a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SinkState {
    /// It accepts events.
    Working,
    /// Its last attempt failed, and there will be others.
    Failing,
    /// The receiver wants no more.
    Ended,
}

/// A sink of the configuration.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SinkStatus {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) state: SinkState,
    pub(crate) waiting: i64,
    pub(crate) delivered: i64,
    pub(crate) delivered_at: Option<IsoTime>,
    pub(crate) attempts: u32,
    pub(crate) failing_since: Option<IsoTime>,
    pub(crate) next_try_at: Option<IsoTime>,
    pub(crate) last_error: Option<String>,
    pub(crate) ended_at: Option<IsoTime>,
}

/// The configured sinks, in their order. One that the archive does not know yet has got nothing.
pub(crate) fn sinks(config: &Config, rows: &[SinkRow]) -> Vec<SinkStatus> {
    let of = |sink: &Sink| SinkStatus::of(sink, rows.iter().find(|row| row.name == sink.name));
    config.sinks.iter().map(of).collect()
}

impl SinkStatus {
    fn of(sink: &Sink, row: Option<&SinkRow>) -> Self {
        let at = |pick: fn(&SinkRow) -> Option<Ms>| row.and_then(pick).map(IsoTime);
        let attempts = row.map_or(0, |row| row.attempts);
        let ended_at = at(|row| row.ended_ms);
        Self {
            name: sink.name.clone(),
            kind: sink.kind(),
            state: match (ended_at.is_some(), attempts) {
                (true, _) => SinkState::Ended,
                (false, 0) => SinkState::Working,
                (false, _) => SinkState::Failing,
            },
            waiting: row.map_or(0, |row| row.waiting),
            delivered: row.map_or(0, |row| row.delivered),
            delivered_at: at(|row| row.delivered_ms),
            attempts,
            failing_since: at(|row| row.failing_since_ms),
            next_try_at: at(|row| row.next_try_ms).filter(|_| attempts > 0 && ended_at.is_none()),
            last_error: row.and_then(|row| row.last_error.clone()),
            ended_at,
        }
    }

    /// What needs attention, if anything does.
    pub(crate) fn sentence(&self, format: fn(Ms) -> String) -> Option<String> {
        let (name, why) = (&self.name, one_line(self.last_error.as_deref().unwrap_or("no reason was given")));
        let waiting = counted(self.waiting, "event waits", "events wait");
        let time = |time: &Option<IsoTime>| time.map_or_else(|| "now".to_owned(), |IsoTime(at)| format(at));
        match self.state {
            SinkState::Working => None,
            SinkState::Ended => Some(format!(
                "sink {name}: ended at {}: {why}; {waiting} until `archiver notify retry {name}`",
                time(&self.ended_at)
            )),
            SinkState::Failing => Some(format!(
                "sink {name}: failing since {}: {why}; {waiting}, next try at {}",
                time(&self.failing_since),
                time(&self.next_try_at)
            )),
        }
    }
}
