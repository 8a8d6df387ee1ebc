//! Events of a watched account (v2) as the sign that something has changed: free to read, a price for each day.

use tracing::{debug, info, warn};

use super::settings::{RunError, Settings};
use crate::api::HttpApi;
use crate::api::v2::WEBHOOKS;
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::{Charge, Purse, RESULTS_PER_CREDIT, left};
use crate::core::calendar::day_and_month;
use crate::store::{Feed, Outcome, Purpose, Request, Settlement, Store, Trigger};

/// What a day of watching one account costs (credits).
pub const CREDITS_PER_DAY: u32 = 10;

/// The ledger's name for a day of watching.
const DAY_OF_WATCHING: &str = "v2/webhooks/day";

/// Events are kept for so long.
const KEPT_MS: Ms = 86_400_000;

/// Reads the events of all accounts, and says whether anything came. An account that is not watched yet is from now
/// on; each UTC day of watching is booked as a request in the ledger, under the caps like any other. Events may be
/// missed: the scheduled look at the inbox stays what nothing gets past.
///
/// # Errors
/// When the archive fails. What the API does wrong is logged: the next poll is soon.
pub async fn poll<C: Clock>(
    store: &mut Store,
    api: &HttpApi<C>,
    settings: &Settings,
    clock: &C,
) -> Result<bool, RunError> {
    let mut news = false;
    for (index, account) in settings.accounts.iter().enumerate() {
        // Before the first run there is nothing that events could add to.
        let Some((id, feed)) = store.feed(&account.account)? else { continue };
        if settings.parked.contains(&index) {
            continue;
        }
        let feed = match feed {
            Some(feed) => feed,
            None => match watch(store, api, settings, index, id, clock).await? {
                Some(feed) => feed,
                None => continue,
            },
        };
        if !book_day(store, settings, index, id, clock.now_ms())? {
            continue;
        }
        let since = feed.polled_ms.unwrap_or_default().max(clock.now_ms().saturating_sub(KEPT_MS));
        match api.events(&feed.watch, feed.position.as_deref(), since).await {
            Ok(events) => {
                store.note_events(id, events.last.as_deref(), clock.now_ms())?;
                if events.messages > 0 {
                    debug!(account = %account.account, messages = events.messages, "events have come");
                    news = true;
                }
            }
            Err(error) => debug!(account = %account.account, %error, "events cannot be read"),
        }
    }
    Ok(news)
}

/// What a day of watching is paid from. The run's own cap is for what a run asks.
fn purse(settings: &Settings, index: usize) -> Purse {
    let mut purse = settings.purse(index);
    purse.all.run = None;
    purse.account.run = None;
    purse
}

fn request(run: i64, account: i64, endpoint: &str) -> Request<'_> {
    let wanted = CREDITS_PER_DAY * RESULTS_PER_CREDIT;
    Request { run, account, endpoint, conversation: None, purpose: Purpose::Inbox, wanted }
}

/// Whether the caps leave room for a day of watching.
fn pays(store: &Store, purse: &Purse, account: i64, now: Ms) -> Result<bool, RunError> {
    let spent = [(purse.all, store.spent(0, now)?), (purse.account, store.spent_by(account, 0, now)?)];
    let room = spent.iter().filter_map(|(caps, spent)| left(caps, spent).least()).min();
    if room.is_some_and(|room| room < CREDITS_PER_DAY) {
        debug!("the caps leave nothing for watching events");
        return Ok(false);
    }
    Ok(true)
}

/// Books a day of watching, once a UTC day, as a run of its own. False when the caps do not allow it: then events are
/// left alone.
fn book_day(
    store: &mut Store,
    settings: &Settings,
    index: usize,
    account: i64,
    now: Ms,
) -> Result<bool, RunError> {
    let (today, _) = day_and_month(now);
    // The answer that began the watch may have named the price of its first day.
    if store.watching_booked(account, [DAY_OF_WATCHING, WEBHOOKS], today)? {
        return Ok(true);
    }
    let purse = purse(settings, index);
    if !pays(store, &purse, account, now)? {
        return Ok(false);
    }
    let run = store.begin_run(Trigger::Schedule, now)?;
    let reserved = store.reserve(&purse, &request(run, account, DAY_OF_WATCHING), now)?;
    let booked = reserved.is_some();
    if let Some(reservation) = reserved {
        let receipt = reservation.spend(Charge::Known(CREDITS_PER_DAY));
        store.commit_watch(account, None, &Settlement::bare(&receipt, None, None), now)?;
    }
    store.finish_run(run, Outcome::Complete, now)?;
    Ok(booked)
}

/// Has an account watched, as a run of its own.
async fn watch<C: Clock>(
    store: &mut Store,
    api: &HttpApi<C>,
    settings: &Settings,
    index: usize,
    account: i64,
    clock: &C,
) -> Result<Option<Feed>, RunError> {
    let purse = purse(settings, index);
    if !pays(store, &purse, account, clock.now_ms())? {
        return Ok(None);
    }
    let run = store.begin_run(Trigger::Schedule, clock.now_ms())?;
    let Some(reservation) = store.reserve(&purse, &request(run, account, WEBHOOKS), clock.now_ms())? else {
        store.finish_run(run, Outcome::Budget, clock.now_ms())?;
        return Ok(None);
    };
    let answer = api.watch(reservation, index).await;
    let error = answer.outcome.as_ref().err().map(ToString::to_string);
    let settlement = Settlement::bare(&answer.receipt, answer.http_status, error.as_deref());
    let name = answer.outcome.as_ref().ok().map(String::as_str);
    store.commit_watch(account, name, &settlement, clock.now_ms())?;
    let outcome = if error.is_none() { Outcome::Complete } else { Outcome::Failed };
    store.finish_run(run, outcome, clock.now_ms())?;
    match answer.outcome {
        Ok(watch) => {
            info!(credits_per_day = CREDITS_PER_DAY, "the account is watched for events from now on");
            Ok(Some(Feed { watch, position: None, polled_ms: Some(clock.now_ms()) }))
        }
        Err(error) => {
            warn!(%error, "the account cannot be watched for events");
            Ok(None)
        }
    }
}
