//! The days of watching an account, in the ledger: what the caps leave for them, and those that are still to be booked.

use tracing::{debug, warn};

use crate::api::v2::WEBHOOKS;
use crate::api::{Api as _, HttpApi};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::calendar::{day_and_month, next_day_and_month};
use crate::core::budget::{Charge, Purse, RESULTS_PER_CREDIT, left};
use crate::core::model::ids::{AccountId, RunId};
use crate::store::{Feed, Outcome, Purpose, Request, RunKind, Settlement, Store, Trigger};
use crate::sync::settings::{RunError, Settings};

/// What a day of watching one account costs (credits).
pub const CREDITS_PER_DAY: u32 = 10;

/// The ledger's name for a day of watching.
const DAY_OF_WATCHING: &str = "v2/webhooks/day";

/// What a day of watching may be booked as: the answer that began the watch may have named the price of its first day.
const DAYS: [&str; 2] = [DAY_OF_WATCHING, WEBHOOKS];

const HOUR_MS: Ms = 3_600_000;
const DAY_MS: Ms = 24 * HOUR_MS;

/// So long before midnight (UTC) the next day's room is looked at: enough for a second try if the first one to end a watch
/// fails.
const BEFORE_MIDNIGHT_MS: Ms = 2 * HOUR_MS;

/// The most days that are booked afterwards.
const MOST_MISSED_MS: Ms = 31 * DAY_MS;

/// One account and what its watch takes.
pub(super) struct Watcher<'a, C> {
    pub(super) api: &'a HttpApi<C>,
    pub(super) settings: &'a Settings,
    pub(super) clock: &'a C,
    /// Its place in the settings; `None` if it is not configured any more.
    pub(super) index: Option<usize>,
    /// The archive's id of it.
    pub(super) id: AccountId,
}

/// A request for a day of watching.
pub(super) fn request(run: RunId, account: AccountId, endpoint: &str) -> Request<'_> {
    let wanted = CREDITS_PER_DAY * RESULTS_PER_CREDIT;
    Request { run, account, endpoint, conversation: None, purpose: Purpose::Watch, wanted }
}

impl<C: Clock> Watcher<'_, C> {
    /// What a day of watching is paid from. A cap per run does not apply, for no run asks for it.
    pub(super) fn purse(&self) -> Purse {
        let all = Purse { all: self.settings.caps, ..Purse::default() };
        let mut purse = self.index.map_or(all, |index| self.settings.purse(index));
        purse.all.run = None;
        purse.account.run = None;
        purse
    }

    /// Whether the caps leave room for a day of watching at this moment.
    pub(super) fn pays(&self, store: &Store, at: Ms) -> Result<bool, RunError> {
        let purse = self.purse();
        let spent = [
            (purse.all, store.spent(RunId::default(), at)?),
            (purse.account, store.spent_by(self.id, RunId::default(), at)?),
        ];
        let room = spent.iter().filter_map(|(caps, spent)| left(caps, spent).least()).min();
        let pays = room.is_none_or(|room| room >= CREDITS_PER_DAY);
        if !pays {
            debug!("the caps leave nothing for watching events");
        }
        Ok(pays)
    }

    /// Whether the next day begins soon, and the caps leave no room for it.
    pub(super) fn next_day_is_too_much(&self, store: &Store) -> Result<bool, RunError> {
        let now = self.clock.now_ms();
        let (midnight, _) = next_day_and_month(now);
        Ok(midnight.saturating_sub(now) <= BEFORE_MIDNIGHT_MS && !self.pays(store, midnight)?)
    }

    /// Whether today is booked.
    fn has_today(&self, store: &Store) -> Result<bool, RunError> {
        let (today, _) = day_and_month(self.clock.now_ms());
        Ok(store.watching_booked(self.id, DAYS, today, CREDITS_PER_DAY)?)
    }

    /// Books the days of a watch up to today that are not booked yet, as a run of its own. The API charges them because the
    /// watch goes on, whatever the caps say, so they are booked beyond the caps as well. False if the caps left no room for
    /// today.
    pub(super) async fn book(&self, store: &mut Store, feed: &Feed) -> Result<bool, RunError> {
        if self.has_today(store)? {
            return Ok(true);
        }
        let missed = self.missed(store, feed).await?;
        let now = self.clock.now_ms();
        let run = store.begin_run_of(RunKind::Watch, Trigger::Schedule, now)?;
        for day in &missed {
            self.book_day(store, run, *day)?;
        }
        let fits = self.pays(store, now)?;
        self.book_day(store, run, now)?;
        store.finish_run(run, Outcome::Complete, now)?;
        if !missed.is_empty() {
            warn!(days = missed.len(), "booked days of watching that passed without a run of this program");
        }
        Ok(fits)
    }

    fn book_day(&self, store: &mut Store, run: RunId, at: Ms) -> Result<(), RunError> {
        let reserved = store.reserve(&Purse::default(), &request(run, self.id, DAY_OF_WATCHING), at)?;
        if let Some(reservation) = reserved {
            let receipt = reservation.spend(Charge::Known(CREDITS_PER_DAY));
            store.commit_watch(self.id, None, &Settlement::bare(&receipt, None, None), at)?;
        }
        Ok(())
    }

    /// The days before today that are not booked: this program was not running, and the watch went on (ms, the first moment
    /// of each). None if the API says that the watch is gone, since nobody knows for how long it has been, or if its clock
    /// contradicts ours, for a clock that was set forward makes such days as well.
    async fn missed(&self, store: &Store, feed: &Feed) -> Result<Vec<Ms>, RunError> {
        let now = self.clock.now_ms();
        let (today, _) = day_and_month(now);
        let earliest = today.saturating_sub(MOST_MISSED_MS);
        // Before this watch was begun there may have been another one, which ended.
        let last = store.last_watched(self.id, DAYS, earliest)?.max(feed.polled_ms);
        let next = last.map_or(today, |last| next_day_and_month(last).0).max(earliest);
        let days = (0..).map(|days: Ms| next.saturating_add(days.saturating_mul(DAY_MS)));
        let missed: Vec<Ms> = days.take_while(|day| *day < today).collect();
        if missed.is_empty() {
            return Ok(missed);
        }
        let is_gone = matches!(self.api.events(&feed.watch, None, now).await, Ok(None));
        let is_contradicted = self.api.ahead_ms().is_some_and(|ahead| ahead.abs() > HOUR_MS);
        Ok(if is_gone || is_contradicted { Vec::new() } else { missed })
    }
}
