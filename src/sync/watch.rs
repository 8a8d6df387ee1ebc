//! Events of a watched account (v2): free to read, charged by the day, and a sign that something has changed.

use tracing::{debug, info, warn};

use crate::api::v2::WEBHOOKS;
use crate::api::{Api as _, HttpApi};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::calendar::day_and_month;
use crate::core::budget::{Charge, Purse, RESULTS_PER_CREDIT, left};
use crate::core::model::ids::{AccountId, RunId};
use crate::store::{Feed, Outcome, Purpose, Request, RunKind, Settlement, Store, Trigger};
use crate::sync::Stop;
use crate::sync::report::Reception;
use crate::sync::settings::{RunError, Settings};

/// What a day of watching one account costs (credits).
pub const CREDITS_PER_DAY: u32 = 10;

/// The ledger's name for a day of watching.
const DAY_OF_WATCHING: &str = "v2/webhooks/day";

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

/// Reads the events of all accounts, and starts watching accounts that are not watched yet. Each UTC day of watching is
/// booked in the ledger as a request, under the caps like any other. Events may be missed: the scheduled look at the
/// inbox is what finds everything.
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
) -> Result<Polled, RunError> {
    let mut polled = Polled::default();
    for (index, account) in settings.accounts.iter().enumerate() {
        // Before the first run there is nothing that events could add to.
        let Some((id, feed)) = store.feed(&account.account)? else { continue };
        if settings.parked.contains(&index) || hurry.requested() {
            continue;
        }
        let watcher = Watcher { api, settings, clock, index, id };
        let feed = match feed {
            Some(feed) => feed,
            None => match watcher.watch(store, stop, &mut polled.reception).await? {
                Some(feed) => feed,
                None => continue,
            },
        };
        if !watcher.book_day(store)? {
            continue;
        }
        // What happens while the answer is on its way is of the next poll.
        let asked_ms = clock.now_ms();
        let since = feed.polled_ms.unwrap_or_default().max(asked_ms.saturating_sub(KEPT_MS));
        let events = tokio::select! {
            biased;
            () = hurry.wait() => break,
            events = api.events(&feed.watch, feed.position.as_deref(), since) => events,
        };
        match events {
            Ok(None) => debug!(account = %account.account, "the API no longer has the watch"),
            Ok(Some(events)) => {
                store.note_events(id, events.last.as_deref(), asked_ms)?;
                if events.messages > 0 {
                    debug!(account = %account.account, messages = events.messages, "events have come");
                    polled.news = true;
                }
            }
            Err(error) => {
                polled.reception.failed(&error, Some(index));
                debug!(account = %account.account, %error, "cannot read events");
            }
        }
    }
    Ok(polled)
}

/// What a day of watching is paid from. A cap per run does not apply, for no run asks for it.
fn purse(settings: &Settings, index: usize) -> Purse {
    let mut purse = settings.purse(index);
    purse.all.run = None;
    purse.account.run = None;
    purse
}

fn request(run: RunId, account: AccountId, endpoint: &str) -> Request<'_> {
    let wanted = CREDITS_PER_DAY * RESULTS_PER_CREDIT;
    Request { run, account, endpoint, conversation: None, purpose: Purpose::Watch, wanted }
}

/// One account and what its watch takes.
struct Watcher<'a, C> {
    api: &'a HttpApi<C>,
    settings: &'a Settings,
    clock: &'a C,
    /// Its place in the settings.
    index: usize,
    /// The archive's id of it.
    id: AccountId,
}

impl<C: Clock> Watcher<'_, C> {
    /// Whether the caps leave room for a day of watching.
    fn pays(&self, store: &Store, purse: &Purse) -> Result<bool, RunError> {
        let now = self.clock.now_ms();
        let spent = [
            (purse.all, store.spent(RunId::default(), now)?),
            (purse.account, store.spent_by(self.id, RunId::default(), now)?),
        ];
        let room = spent.iter().filter_map(|(caps, spent)| left(caps, spent).least()).min();
        if room.is_some_and(|room| room < CREDITS_PER_DAY) {
            debug!("the caps leave nothing for watching events");
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether one of these has cost something today.
    fn paid_today(&self, store: &Store, endpoints: [&str; 2]) -> Result<bool, RunError> {
        let (today, _) = day_and_month(self.clock.now_ms());
        Ok(store.watching_booked(self.id, endpoints, today, 1)?)
    }

    /// Whether a watch was asked for a short while ago, at whatever price.
    fn tried_lately(&self, store: &Store) -> Result<bool, RunError> {
        let lately = self.clock.now_ms().saturating_sub(BETWEEN_TRIES_MS);
        Ok(store.watching_booked(self.id, [WEBHOOKS; 2], lately, 0)?)
    }

    /// Books a day of watching, once a UTC day, as a run of its own. False when the caps do not allow it: then events
    /// are left alone.
    fn book_day(&self, store: &mut Store) -> Result<bool, RunError> {
        // The answer that began the watch may have named the price of its first day.
        if self.paid_today(store, [DAY_OF_WATCHING, WEBHOOKS])? {
            return Ok(true);
        }
        let purse = purse(self.settings, self.index);
        if !self.pays(store, &purse)? {
            return Ok(false);
        }
        let now = self.clock.now_ms();
        let run = store.begin_run_of(RunKind::Watch, Trigger::Schedule, now)?;
        let reserved = store.reserve(&purse, &request(run, self.id, DAY_OF_WATCHING), now)?;
        let booked = reserved.is_some();
        if let Some(reservation) = reserved {
            let receipt = reservation.spend(Charge::Known(CREDITS_PER_DAY));
            store.commit_watch(self.id, None, &Settlement::bare(&receipt, None, None), now)?;
        }
        store.finish_run(run, Outcome::Complete, now)?;
        Ok(booked)
    }

    /// Has the account watched, as a run of its own. A try that may have cost something is the only one of its day:
    /// an answer that got lost may have begun a watch that nobody here knows the name of.
    async fn watch(
        &self,
        store: &mut Store,
        stop: &Stop,
        reception: &mut Reception,
    ) -> Result<Option<Feed>, RunError> {
        let (clock, purse) = (self.clock, purse(self.settings, self.index));
        if self.paid_today(store, [WEBHOOKS; 2])? || self.tried_lately(store)? || !self.pays(store, &purse)? {
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
        let asked = stop.unless_abandoned(&flight, self.api.watch(turn, reservation, self.index)).await;
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
                Ok(Some(Feed { watch, position: None, polled_ms: Some(clock.now_ms()) }))
            }
            Err(error) => {
                reception.failed(&error, Some(self.index));
                reception.count(&error);
                warn!(%error, "cannot watch the account for events");
                Ok(None)
            }
        }
    }
}
