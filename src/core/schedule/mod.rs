//! When the service syncs: the slots of a cron line in a time zone, and whether one of them is due.
//!
//! croner finds the local times that fit. Which moments those are, where clocks are put forward or back, is decided
//! here, by one rule for each of two kinds of lines:
//!
//! - A line with `*` in its seconds, minutes or hours means *every so often*. It follows the wall clock: local times
//!   that do not exist are not slots, local times that occur twice are two slots.
//! - A line that names its times means *at these times, each day*. A time that does not exist becomes the moment at
//!   which the clock jumps over it; one that occurs twice counts the first time.
//!
//! croner documents the same two rules, and applies them when it is asked in a zone. It is asked in UTC instead, because
//! it keeps only the local time of the moment it is asked from: asked in the second of two equal hours, it answers with
//! a moment of the first one, which has passed. It also takes a line that lists times (`0 10,40 2 * * *`) for one of the
//! first kind, so that listed times in a skipped hour would be lost. A test below shows both.

#[cfg(test)]
mod tests;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::Ms;

/// Offsets change at most once in so many seconds.
const BETWEEN_CHANGES: i64 = 12 * 3_600;
/// No change of offset is larger: places have moved over the date line.
const LARGEST_CHANGE: i64 = 26 * 3_600;

/// A cron line in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    line: String,
    cron: Cron,
    zone: Tz,
    every_so_often: bool,
}

/// The fields of a line, and how many values each has.
const FIELDS: [(&str, u32); 6] =
    [("seconds", 60), ("minutes", 60), ("hours", 24), ("days", 31), ("months", 12), ("weekdays", 7)];

/// The line that a name stands for.
fn named(name: &str) -> Result<&'static str, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "@hourly" => "0 0 * * * *",
        "@daily" | "@midnight" => "0 0 0 * * *",
        "@weekly" => "0 0 0 * * 0",
        "@monthly" => "0 0 0 1 * *",
        "@yearly" | "@annually" => "0 0 0 1 1 *",
        _ => {
            return Err(
                "must have 6 fields (sec min hour day month weekday) or 5 without sec, or be one of \
                        @hourly, @daily, @weekly, @monthly, @yearly"
                    .to_owned(),
            );
        }
    })
}

/// A step beyond the end of its field would never come: croner takes it for once in the next larger unit.
fn check_steps(text: &str, (field, values): (&str, u32)) -> Result<(), String> {
    let steps = text.split(',').filter_map(|part| part.split_once('/')?.1.parse::<u32>().ok());
    match steps.max().filter(|step| *step >= values) {
        None => Ok(()),
        Some(step) => Err(format!(
            "steps by {step} in its {field}, of which there are {values}: a step stays within them, so that this one \
             would never come; list the times instead"
        )),
    }
}

impl Schedule {
    /// Reads a line of six fields, sec min hour day month weekday, or of five without the second, which is then 0; or a
    /// name such as `@daily`.
    ///
    /// # Errors
    /// What is wrong with the line, that it never occurs among it.
    pub fn new(line: &str, zone: Tz) -> Result<Self, String> {
        let line = match line.split_whitespace().count() {
            1 => named(line.trim())?.to_owned(),
            5 => format!("0 {}", line.trim()),
            6 => line.trim().to_owned(),
            n => {
                return Err(format!(
                    "must have 6 fields (sec min hour day month weekday) or 5 without sec, not {n}"
                ));
            }
        };
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        line.split_whitespace().zip(FIELDS).try_for_each(|(text, field)| check_steps(text, field))?;
        let cron = parser.parse(&line).map_err(|error| format!("is not a schedule: {error}"))?;
        let every_so_often = line.split_whitespace().take(3).any(|field| field.contains('*'));
        let schedule = Self { line, cron, zone, every_so_often };
        // From a fixed day on: without a year in it, a line either occurs for ever or never.
        match schedule.next(0) {
            Some(_) => Ok(schedule),
            None => Err("never occurs: there is no such day".into()),
        }
    }

    /// The line, of six fields.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The zone that the line is meant in.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The slots (ms) after this moment, in order.
    pub fn after(&self, moment: Ms) -> impl Iterator<Item = Ms> {
        std::iter::successors(self.next(moment), |slot| self.next(*slot))
    }

    /// The first slot after this moment; `None` when there is none for centuries.
    #[must_use]
    pub fn next(&self, after: Ms) -> Option<Ms> {
        let after = after.div_euclid(1_000);
        let slot = if self.every_so_often { self.by_the_wall(after) } else { self.by_the_day(after) };
        slot.map(|seconds| seconds.saturating_mul(1_000))
    }

    /// The distance of the two slots that come after this moment.
    fn spacing(&self, after: Ms) -> Ms {
        let Some(slot) = self.next(after) else { return Ms::MAX };
        self.next(slot).map_or(Ms::MAX, |next| next - slot)
    }

    /// Every so often: within a stretch of one offset, local time is plain; so stretch by stretch.
    fn by_the_wall(&self, after: i64) -> Option<i64> {
        let mut from = after + 1;
        // A line may fit local times only that are jumped over year after year.
        for _ in 0..64 {
            let offset = self.offset(from);
            let slot = self.next_local(local(from - 1 + offset)?)?.and_utc().timestamp() - offset;
            match self.change_between(from, slot) {
                None => return Some(slot),
                Some(change) => from = change,
            }
        }
        None
    }

    /// At these times, each day: local times in order, each as one moment.
    fn by_the_day(&self, after: i64) -> Option<i64> {
        let here = self.offset(after);
        // Where the clock was put back, earlier moments have later local times.
        let around = [after - LARGEST_CHANGE, after + LARGEST_CHANGE].map(|at| self.offset(at));
        let change = around.iter().map(|offset| (offset - here).abs()).max().unwrap_or_default();
        let mut at = local(after + here - change)?;
        loop {
            at = self.next_local(at)?;
            let slot = self.moment(at)?;
            if slot > after {
                return Some(slot);
            }
        }
    }

    /// The next local time after this one that fits.
    fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // Taken for UTC, local times have no gaps and none comes twice.
        self.cron.find_next_occurrence(&after.and_utc(), false).ok().map(|found| found.naive_utc())
    }

    /// The moment of a local time: the first of two, or when the clock jumps over it.
    fn moment(&self, at: NaiveDateTime) -> Option<i64> {
        let mut at = at;
        for _ in 0..LARGEST_CHANGE / 60 {
            match self.zone.from_local_datetime(&at) {
                MappedLocalTime::Single(found) | MappedLocalTime::Ambiguous(found, _) => {
                    return Some(found.timestamp());
                }
                // Clocks jump to a whole minute.
                MappedLocalTime::None => {
                    let into_minute = at.and_utc().timestamp().rem_euclid(60);
                    at = at.checked_add_signed(TimeDelta::seconds(60 - into_minute))?;
                }
            }
        }
        None
    }

    /// Seconds that local time is ahead of UTC.
    fn offset(&self, at: i64) -> i64 {
        let at = local(at).unwrap_or_default();
        self.zone.offset_from_utc_datetime(&at).fix().local_minus_utc().into()
    }

    /// The first second of another offset in `after + 1..=until`.
    fn change_between(&self, after: i64, until: i64) -> Option<i64> {
        let before = self.offset(after);
        let mut low = after;
        while low < until {
            let high = (low + BETWEEN_CHANGES).min(until);
            if self.offset(high) != before {
                return Some(self.bisect(before, low, high));
            }
            low = high;
        }
        None
    }

    fn bisect(&self, before: i64, mut low: i64, mut high: i64) -> i64 {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.offset(middle) == before { low = middle } else { high = middle }
        }
        high
    }
}

fn local(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::<Utc>::from_timestamp(seconds, 0).map(|time| time.naive_utc())
}

// The line and its zone say everything: the rest is made of them.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.line, self.zone) == (&other.line, other.zone)
    }
}

impl Eq for Schedule {}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A slot has come: run, however many were missed with it.
    Due,
    /// Nothing to do before this moment (ms).
    Wait(Ms),
}

/// A schedule and how far it has been followed. Only the present moment is ever asked for, so that it does not matter
/// how often, how late, or by what clock the question comes.
#[derive(Debug, Clone)]
pub struct Agenda {
    schedule: Schedule,
    /// Slots up to this moment are done with.
    followed: Ms,
    /// How much later than its slot the next run begins.
    delay: Ms,
}

impl Agenda {
    /// The schedule that it follows.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// From now on; slots before are not made up for.
    #[must_use]
    pub fn new(schedule: Schedule, now: Ms) -> Self {
        Self { schedule, followed: now, delay: 0 }
    }

    /// Whether a slot is due. A clock that was put back by less than the distance of two slots brings no slot a
    /// second time; one that was put back further is believed, and slots come again as it says.
    pub fn decide(&mut self, now: Ms) -> Decision {
        if now < self.followed && self.followed - now >= self.schedule.spacing(now) {
            self.followed = now;
        }
        let Some(slot) = self.schedule.next(self.followed) else { return Decision::Wait(Ms::MAX) };
        // Later than half way to the next slot would be nearer to that one.
        let begin = slot.saturating_add(self.delay.min(self.schedule.spacing(self.followed) / 2));
        if begin <= now { Decision::Due } else { Decision::Wait(begin) }
    }

    /// All slots up to now are done with, and the next run begins so much later than its slot.
    pub fn followed(&mut self, now: Ms, delay: Ms) {
        // Not backward: a slot that was done before the clock was put back a little stays done.
        self.followed = self.followed.max(now);
        self.delay = delay.max(0);
    }

    /// Another schedule from now on.
    pub fn follow(&mut self, schedule: Schedule, now: Ms) {
        *self = Self::new(schedule, now);
    }
}
