//! Events of a watched account (v2): free to read, charged by the day, and a sign that something has changed.

use tracing::{debug, info, warn};

use crate::api::v2::WEBHOOKS;
use crate::api::{Api as _, ApiError, Events, HttpApi};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::calendar::day_and_month;
use crate::store::{Feed, Outcome, RunKind, Settlement, Store, Trigger};
use crate::sync::Stop;
use crate::sync::report::Reception;
use crate::sync::settings::{RunError, Settings};
use crate::sync::watch_days::{Watcher, request};

pub use crate::sync::watch_days::CREDITS_PER_DAY;
pub use crate::sync::watch_end::{Unended, keep};

/// The wait after a failed attempt to watch an account. Events only save time, so it is long.
const BETWEEN_TRIES_MS: Ms = 3_600_000;

/// How long the vendor keeps events.
const KEPT_MS: Ms = 86_400_000;

/// The result of reading the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polled {
    /// Whether there is anything to fetch.
    pub news: bool,
    /// How the API received the requests.
    pub reception: Reception,
}

/// Reads the events of all accounts, starts watching accounts that are not watched yet, and ends the watches that are not to
/// go on, as [`keep`] says. Each UTC day of watching is booked in the ledger as a request. Events may be missed: the
/// scheduled look at the inbox is what finds everything.
///
/// `hurry` ends it before the next free request; a request that costs credits is given up before it is sent when `stop` is
/// requested, and waited for once it has been sent.
///
/// # Errors
/// Only the archive's. API errors are logged and reported, for the next poll is soon.
pub async fn poll<C: Clock>(
    store: &mut Store,
    api: &HttpApi<C>,
    settings: &Settings,
    clock: &C,
    (hurry, stop): (&Stop, &Stop),
    unended: &mut Unended,
) -> Result<Polled, RunError> {
    keep(store, api, settings, clock, hurry, unended).await?;
    let mut polled = Polled::default();
    if !settings.events {
        return Ok(polled);
    }
    for (index, account) in settings.accounts.iter().enumerate() {
        // Before the first run there is nothing that events could add to.
        let Some((id, feed)) = store.feed(&account.account)? else { continue };
        if settings.parked.contains(&index) || hurry.requested() {
            continue;
        }
        let watcher = Watcher { api, settings, clock, index: Some(index), id };
        let feed = match feed {
            Some(feed) => feed,
            None => match watcher.watch(store, index, stop, &mut polled.reception).await? {
                Some(feed) => feed,
                None => continue,
            },
        };
        // What happens while the answer is on its way is of the next poll.
        let asked_ms = clock.now_ms();
        let events = tokio::select! {
            biased;
            () = hurry.wait() => break,
            events = watcher.events(&feed, asked_ms) => events,
        };
        match events {
            Ok(Some(events)) => {
                store.note_events(id, events.last.as_deref(), asked_ms)?;
                if events.messages > 0 {
                    debug!(account = %account.account, messages = events.messages, "events have come");
                    polled.news = true;
                }
            }
            Ok(None) if unended.may_try(id, asked_ms) => {
                let (feed, why) = ((account.account.as_str(), &feed), "the API no longer has the watch");
                watcher.end(store, feed, why, hurry, unended).await?;
            }
            Ok(None) => {}
            Err(error) => {
                polled.reception.failed(&error, Some(index));
                debug!(account = %account.account, %error, "cannot read events");
            }
        }
    }
    Ok(polled)
}

impl<C: Clock> Watcher<'_, C> {
    async fn events(&self, feed: &Feed, now: Ms) -> Result<Option<Events>, ApiError> {
        let since = feed.polled_ms.unwrap_or_default().max(now.saturating_sub(KEPT_MS));
        self.api.events(&feed.watch, feed.position.as_deref(), since).await
    }

    /// Whether a try to be watched has cost something today, or has begun a watch: one that is gone again so soon may go on
    /// unseen.
    fn paid_today(&self, store: &Store) -> Result<bool, RunError> {
        let (today, _) = day_and_month(self.clock.now_ms());
        Ok(store.watching_booked(self.id, [WEBHOOKS; 2], today, 1)?
            || store.watch_begun(self.id, WEBHOOKS, today)?)
    }

    /// Whether a watch was asked for a short while ago, at whatever price.
    fn tried_lately(&self, store: &Store) -> Result<bool, RunError> {
        let lately = self.clock.now_ms().saturating_sub(BETWEEN_TRIES_MS);
        Ok(store.watching_booked(self.id, [WEBHOOKS; 2], lately, 0)?)
    }

    /// Has the account watched, as a run of its own. A try that may have cost something is the only one of its day:
    /// an answer that got lost may have begun a watch that nobody here knows the name of.
    async fn watch(
        &self,
        store: &mut Store,
        index: usize,
        stop: &Stop,
        reception: &mut Reception,
    ) -> Result<Option<Feed>, RunError> {
        let (clock, purse) = (self.clock, self.purse());
        if self.paid_today(store)? || self.tried_lately(store)? || !self.pays(store, clock.now_ms())? {
            return Ok(None);
        }
        let turn = tokio::select! {
            biased;
            () = stop.wait() => return Ok(None),
            turn = self.api.turn() => turn,
        };
        let run = store.begin_run_of(RunKind::Watch, Trigger::Schedule, clock.now_ms())?;
        let reserved = store.reserve(&purse, &request(run, self.id, WEBHOOKS), clock.now_ms())?;
        let Some(reservation) = reserved else {
            store.finish_run(run, Outcome::Budget, clock.now_ms())?;
            return Ok(None);
        };
        let flight = turn.flight();
        let asked = stop.unless_abandoned(&flight, self.api.watch(turn, reservation, index)).await;
        let Some(answer) = asked else {
            store.finish_run(run, Outcome::Interrupted, clock.now_ms())?;
            return Ok(None);
        };
        let error = answer.outcome.as_ref().err().map(ToString::to_string);
        let settlement = Settlement::bare(&answer.receipt, answer.http_status, error.as_deref());
        let name = answer.outcome.as_ref().ok().map(String::as_str);
        store.commit_watch(self.id, name, &settlement, clock.now_ms())?;
        let outcome = if error.is_none() { Outcome::Complete } else { Outcome::Failed };
        store.finish_run(run, outcome, clock.now_ms())?;
        match answer.outcome {
            Ok(watch) => {
                info!(credits_per_day = CREDITS_PER_DAY, "watching the account for events from now on");
                let feed = Feed { watch, position: None, polled_ms: Some(clock.now_ms()) };
                // The answer may not have named the price of the first day.
                self.book(store, &feed).await?;
                Ok(Some(feed))
            }
            Err(error) => {
                reception.failed(&error, Some(index));
                reception.count(&error);
                warn!(%error, "cannot watch the account for events");
                Ok(None)
            }
        }
    }
}
