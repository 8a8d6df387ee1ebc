//! The settings of a run and its observer.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::ApiError;
use crate::core::Ms;
use crate::core::budget::{Caps, Purse};
use crate::core::model::ids::RunId;
use crate::core::planner::backoff::Backoff;
use crate::core::planner::state::{Limits, Share};
use crate::core::planner::step::Step;
use crate::store::{Committed, Configured, StoreError, Trigger};

const DAY_MS: Ms = 86_400_000;

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What set it off.
    pub trigger: Trigger,
    /// The most it may spend.
    pub caps: Caps,
    /// The most that each account may spend by itself, in the order of the accounts; one that is not in here has no
    /// cap of its own.
    pub account_caps: Vec<Caps>,
    /// Messages per request while filling history.
    pub page_size: u32,
    /// The most requests that may be under way at once.
    pub in_flight: u32,
    /// The most of one account.
    pub in_flight_per_account: u32,
    /// Further attempts after a failed request, where they can help.
    pub retries: u32,
    /// Waits between them.
    pub backoff: Backoff,
    /// Spreads the waits: a number from 0 to 1 at each call.
    pub jitter: fn() -> f64,
    /// Accounts and conversations.
    pub accounts: Vec<Configured>,
    /// Narrows the run; empty is everything.
    pub only: Vec<String>,
    /// Whether the inbox tells what has changed; otherwise each conversation is asked.
    pub inbox: bool,
    /// How many runs at most pass between two looks at a conversation that the inbox never shows.
    pub longest_silence: u32,
    /// Complete conversations are read a second time once so many days have passed; `None`: never.
    pub recheck_days: Option<u32>,
    /// Whether the vendor's balance is asked for before and after the run.
    pub reconcile: bool,
    /// Whether the accounts are watched for events between the runs (v2).
    pub events: bool,
    /// Accounts that are not asked, by their place in `accounts`.
    pub parked: BTreeSet<usize>,
    /// Whether the API was down when last asked: then one small request shows whether it still is.
    pub probe: bool,
}

impl Settings {
    /// What bounds the plan of a run.
    #[must_use]
    pub fn limits(&self, share: Share, account_shares: Vec<Share>, run: RunId, now: Ms) -> Limits {
        let days = |days: u32| now.saturating_sub(i64::from(days).saturating_mul(DAY_MS));
        Limits {
            page_size: self.page_size,
            share,
            account_shares,
            run,
            longest_silence: self.longest_silence,
            recheck_before_ms: self.recheck_days.map(days),
            in_flight_per_account: self.in_flight_per_account,
        }
    }

    /// What the requests of an account are paid from.
    #[must_use]
    pub fn purse(&self, account: usize) -> Purse {
        Purse { all: self.caps, account: self.account_caps.get(account).copied().unwrap_or_default() }
    }
}

/// Why a run could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A target on the command line names none or several conversations.
    #[error(transparent)]
    Select(#[from] super::SelectError),
}

/// Watches a run.
pub trait Observer {
    /// The run begins, and may spend so many credits.
    fn begin(&mut self, left: Option<u32>);
    /// A request is about to be made.
    fn asking(&mut self, step: &Step);
    /// A page was stored.
    fn stored(&mut self, step: &Step, committed: &Committed, credits: u32);
    /// A request failed; after this long it is made again.
    fn failed(&mut self, step: &Step, error: &ApiError, again_after: Option<Duration>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Observer for NoProgress {
    fn begin(&mut self, _: Option<u32>) {}
    fn asking(&mut self, _: &Step) {}
    fn stored(&mut self, _: &Step, _: &Committed, _: u32) {}
    fn failed(&mut self, _: &Step, _: &ApiError, _: Option<Duration>) {}
}
