//! Ending the watch of an account that nobody wants or pays for any longer: the API charges each day until then.

use std::collections::BTreeMap;

use tracing::{debug, info, warn};

use crate::api::{ApiError, HttpApi};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::calendar::day_and_month;
use crate::core::model::ids::AccountId;
use crate::store::{Feed, Store};
use crate::sync::Stop;
use crate::sync::settings::{RunError, Settings};
use crate::sync::watch_days::{CREDITS_PER_DAY, Watcher};

/// The wait after a failed attempt to end a watch.
const BETWEEN_TRIES_MS: Ms = 3_600_000;

const DAY_MS: Ms = 86_400_000;

/// The watches that are to end and have not. Kept from one call to the next, so that each is tried again no sooner than
/// after an hour, and warned of once.
#[derive(Debug, Default)]
pub struct Unended {
    /// When the end was last tried (ms).
    tried: BTreeMap<AccountId, Ms>,
    /// The day that the caps left no room for (ms, its first moment).
    refused: BTreeMap<AccountId, Ms>,
}

impl Unended {
    /// Forgets them: the configuration may have changed.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes a try that failed. Returns whether that is news: it was not tried a short while ago.
    fn note(&mut self, account: AccountId, now: Ms) -> bool {
        self.tried.insert(account, now).is_none_or(|tried| now.saturating_sub(tried) >= DAY_MS)
    }

    /// Whether it may be tried now. A clock that was set back does not make it wait.
    pub(super) fn may_try(&self, account: AccountId, now: Ms) -> bool {
        let waits = |tried: &Ms| (0..BETWEEN_TRIES_MS).contains(&now.saturating_sub(*tried));
        !self.tried.get(&account).is_some_and(waits)
    }

    /// Whether the caps left no room for the day of this moment, given what they say about it now.
    fn is_refused(&mut self, account: AccountId, has_room: bool, now: Ms) -> bool {
        let (today, _) = day_and_month(now);
        if !has_room {
            self.refused.insert(account, today);
        }
        // Once it is booked, it is no longer asked for room.
        self.refused.get(&account) == Some(&today)
    }
}

/// Books today for each watch that goes on, and ends the watches that are not to go on: events are switched off, the account
/// is not configured any more, or the caps leave no room.
///
/// The caps are looked at before the next day begins, because the API charges a day as soon as it has begun. Where today
/// itself does not fit, because a run or another account was faster, the watch is ended at once, and the day is booked
/// beyond the caps: what is charged must be in the ledger. Each day is booked before the end is asked for, so that no crash
/// loses it. A crash between the API's answer and the archive is no loss, either: the next attempt is told that the watch is
/// gone.
///
/// No request is made while nothing is to be ended, except after days that passed without a run of this program. `hurry`
/// gives up the request that is under way.
///
/// # Errors
/// Only the archive's. API errors are logged, and tried again.
pub async fn keep<C: Clock>(
    store: &mut Store,
    api: &HttpApi<C>,
    settings: &Settings,
    clock: &C,
    hurry: &Stop,
    unended: &mut Unended,
) -> Result<(), RunError> {
    for (id, account, feed) in store.feeds()? {
        if hurry.requested() {
            break;
        }
        let index = settings.accounts.iter().position(|configured| configured.account == account);
        let watcher = Watcher { api, settings, clock, index, id };
        let has_room = watcher.book(store, &feed).await?;
        let is_refused = unended.is_refused(id, has_room, clock.now_ms());
        let why = if !settings.events {
            "events are switched off"
        } else if index.is_none() {
            "the account is no longer configured"
        } else if is_refused {
            "the caps left no room for today, which is booked all the same"
        } else if watcher.next_day_is_too_much(store)? {
            "the caps leave no room for tomorrow"
        } else {
            continue;
        };
        if unended.may_try(id, clock.now_ms()) {
            watcher.end(store, (&account, &feed), why, hurry, unended).await?;
        }
    }
    Ok(())
}

impl<C: Clock> Watcher<'_, C> {
    /// Ends the watch, and forgets it once that is done.
    pub(super) async fn end(
        &self,
        store: &mut Store,
        (account, feed): (&str, &Feed),
        why: &str,
        hurry: &Stop,
        unended: &mut Unended,
    ) -> Result<(), RunError> {
        let ended = tokio::select! {
            biased;
            () = hurry.wait() => return Ok(()),
            ended = self.api.end_watch(&feed.watch) => ended,
        };
        match ended {
            Ok(()) => {
                store.forget_watch(self.id)?;
                unended.tried.remove(&self.id);
                info!(account, why, "the account is no longer watched for events");
            }
            Err(error) => {
                tell(account, why, &error, unended.note(self.id, self.clock.now_ms()));
            }
        }
        Ok(())
    }
}

/// Says that a watch goes on against our will; once aloud.
fn tell(account: &str, why: &str, error: &ApiError, is_news: bool) {
    if !is_news {
        debug!(account, %error, "cannot end watching the account yet");
        return;
    }
    warn!(
        account, why, %error,
        "cannot end watching the account: it costs {CREDITS_PER_DAY} credits a day, booked even beyond the caps, until that \
         succeeds. It is tried again every hour; to end it yourself, delete the account's webhook in the LinkupAPI dashboard"
    );
}
