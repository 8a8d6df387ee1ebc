//! Credits: what a request may cost, what is left to spend, and the reservation without which none is sent.
//!
//! The path of a credit is a chain of types, each made only from the one before:
//! [`grant`] (arithmetic over caps and what is spent) → [`Grant`] → `recorded` in the ledger → [`Reservation`]
//! → consumed by the API client → [`Receipt`] → settled in the ledger together with the rows it bought.

pub mod calendar;

use super::Ms;
use crate::core::model::ids::RequestId;

/// Messages that one credit buys.
pub const RESULTS_PER_CREDIT: u32 = 10;

/// The most credits that may be spent in each window; `None` is no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// In one run.
    pub run: Option<u32>,
    /// In one UTC day.
    pub day: Option<u32>,
    /// In one UTC month.
    pub month: Option<u32>,
}

/// What a request is paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purse {
    /// The caps on everything.
    pub all: Caps,
    /// Those on its account alone.
    pub account: Caps,
}

/// Credits spent or reserved so far in each window; a reservation whose answer never came counts in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// In this run.
    pub run: u32,
    /// In this UTC day.
    pub day: u32,
    /// In this UTC month.
    pub month: u32,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            run: self.run.saturating_add(other.run),
            day: self.day.saturating_add(other.day),
            month: self.month.saturating_add(other.month),
        }
    }
}

/// Credits left in each window; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// In this run.
    pub run: Option<u32>,
    /// In this UTC day.
    pub day: Option<u32>,
    /// In this UTC month.
    pub month: Option<u32>,
}

impl Left {
    /// The credits that may be spent now: the tightest window. `None` is without limit.
    #[must_use]
    pub fn least(&self) -> Option<u32> {
        [self.run, self.day, self.month].into_iter().flatten().min()
    }
}

/// What is left of each cap.
#[must_use]
pub fn left(caps: &Caps, spent: &Spent) -> Left {
    let minus = |cap: Option<u32>, spent: u32| cap.map(|c| c.saturating_sub(spent));
    Left {
        run: minus(caps.run, spent.run),
        day: minus(caps.day, spent.day),
        month: minus(caps.month, spent.month),
    }
}

/// When the caps that are used up have opened again, day and month being those of UTC, and the window that it is: when
/// both are used up, the month. `None` when neither is.
fn opens_again(left: &Left, now: Ms) -> Option<(Ms, &'static str)> {
    let (day, month) = calendar::next_day_and_month(now);
    let opens = |left: Option<u32>, at: Ms, window| (left == Some(0)).then_some((at, window));
    opens(left.month, month, "this month").or_else(|| opens(left.day, day, "today"))
}

/// When the caps of a day or a month leave nothing to any account: when the first of them opens again, and its window.
/// `None` as long as one account may spend.
#[must_use]
pub fn closes(all: &Left, accounts: &[Left], now: Ms) -> Option<(Ms, &'static str)> {
    opens_again(all, now).or_else(|| {
        let each: Option<Vec<_>> = accounts.iter().map(|left| opens_again(left, now)).collect();
        each.into_iter().flatten().min_by_key(|(at, _)| *at)
    })
}

/// Whether more than half of each day's and month's cap is left: enough to spend some on what can wait.
#[must_use]
pub fn spare(caps: &Caps, spent: &Spent) -> bool {
    let half_left = |cap: Option<u32>, spent: u32| cap.is_none_or(|cap| spent < cap / 2);
    half_left(caps.day, spent.day) && half_left(caps.month, spent.month)
}

/// The worst price of a request for so many results: 1 credit per 10 or fraction thereof, never less than 1.
#[must_use]
pub fn price(results: u32) -> u32 {
    results.div_ceil(RESULTS_PER_CREDIT).max(1)
}

/// The most results that so many credits are sure to pay for.
#[must_use]
pub fn affordable(credits: u32) -> u32 {
    credits.saturating_mul(RESULTS_PER_CREDIT)
}

/// Leave to reserve: arithmetic says that the caps allow it. Made by [`grant`] alone.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a grant that is not recorded in the ledger buys nothing"]
pub struct Grant {
    results: u32,
    credits: u32,
}

impl Grant {
    /// Results that may be asked for.
    #[must_use]
    pub fn results(&self) -> u32 {
        self.results
    }

    /// Credits to reserve: the worst price of asking for that many.
    #[must_use]
    pub fn credits(&self) -> u32 {
        self.credits
    }

    /// The reservation, once a committed transaction has written the grant to this row of the ledger.
    pub fn recorded(self, request_id: RequestId) -> Reservation {
        Reservation { request_id, results: self.results, credits: self.credits }
    }
}

/// Allows a request for `wanted` results, or for as many as the tightest of all these caps still pays for; `None` when
/// not even one credit is left.
pub fn grant(limits: &[(Caps, Spent)], wanted: u32) -> Option<Grant> {
    let room = limits.iter().filter_map(|(caps, spent)| left(caps, spent).least()).min().unwrap_or(u32::MAX);
    if room == 0 {
        return None;
    }
    let results = wanted.min(affordable(room));
    Some(Grant { results, credits: price(results) })
}

/// Credits set aside in the ledger for exactly one request. It can be neither copied nor made up: sending
/// consumes it.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation must be spent on a request"]
pub struct Reservation {
    request_id: RequestId,
    results: u32,
    credits: u32,
}

impl Reservation {
    /// The ledger's row.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Results that this reservation pays for.
    #[must_use]
    pub fn results(&self) -> u32 {
        self.results
    }

    /// Credits set aside.
    #[must_use]
    pub fn credits(&self) -> u32 {
        self.credits
    }

    /// What became of it, as far as the answer tells.
    pub fn spend(self, charge: Charge) -> Receipt {
        let charge = match charge {
            Charge::Known(credits) => Charge::Known(credits.min(self.credits)),
            Charge::Unknown => Charge::Unknown,
        };
        Receipt { request_id: self.request_id, reserved: self.credits, charge }
    }
}

/// What a request cost, as far as its answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// So many credits.
    Known(u32),
    /// The answer got lost or cannot be read: the whole reservation counts as spent.
    Unknown,
}

impl Charge {
    /// The charge for an answer with so many items: its list price, or more where the API says so. An answer that tells
    /// less than the list price would void every cap. [`Reservation::spend`] believes no more than was reserved.
    #[must_use]
    pub fn told(credits: Option<u32>, returned: u32) -> Self {
        Self::Known(credits.unwrap_or_default().max(price(returned)))
    }
}

/// A request that has been sent: to be settled in the ledger.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a receipt must be settled in the ledger"]
pub struct Receipt {
    request_id: RequestId,
    reserved: u32,
    charge: Charge,
}

impl Receipt {
    /// The ledger's row.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Credits that were reserved and, by the answer, not needed.
    #[must_use]
    pub fn unused(&self) -> u32 {
        self.reserved.saturating_sub(self.credits())
    }

    /// The same where what was asked for is paid, not what came; what was free stays free.
    pub fn by_request(self) -> Self {
        let charge = match self.charge {
            Charge::Known(credits) if credits > 0 => Charge::Known(credits.max(self.reserved)),
            charge => charge,
        };
        Self { charge, ..self }
    }

    /// Credits that count as spent.
    #[must_use]
    pub fn credits(&self) -> u32 {
        match self.charge {
            Charge::Known(credits) => credits,
            Charge::Unknown => self.reserved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    #[test]
    fn a_credit_buys_ten_results_or_a_fraction_thereof() {
        let prices: Vec<u32> = [0, 1, 10, 11, 20, 25, 137, 300].into_iter().map(price).collect();
        assert_eq!(prices, [1, 1, 1, 2, 2, 3, 14, 30]);
    }

    #[test]
    fn a_request_that_does_not_fit_is_made_smaller() {
        let caps = Caps { run: Some(50), day: Some(20), month: None };
        let spent = Spent { run: 10, day: 17, month: 900 };
        let grant = grant(&[(caps, spent)], 50).unwrap();
        assert_eq!((grant.results(), grant.credits()), (30, 3));
    }

    #[test]
    fn a_lost_answer_counts_in_full() {
        let reservation = grant(&[], 50).unwrap().recorded(RequestId(7));
        let receipt = reservation.spend(Charge::Unknown);
        assert_eq!((receipt.request_id(), receipt.credits()), (RequestId(7), 5));
    }

    #[test]
    fn a_cap_opens_again_at_midnight_or_on_the_first_utc() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let now = at("2026-12-31T23:59:59Z");
        let left = |day, month| Left { run: Some(0), day, month };
        assert_eq!(opens_again(&left(Some(1), None), now), None);
        assert_eq!(opens_again(&left(Some(0), Some(5)), now), Some((at("2027-01-01T00:00:00Z"), "today")));
        let now = at("2027-01-31T12:00:00Z");
        assert_eq!(
            opens_again(&left(Some(0), Some(0)), now),
            Some((at("2027-02-01T00:00:00Z"), "this month"))
        );
    }

    #[test]
    fn nothing_is_closed_while_one_account_may_spend() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let now = at("2026-11-23T12:00:00Z");
        let left = |day, month| Left { run: None, day, month };
        let (open, day, month) = (left(Some(3), None), left(Some(0), None), left(Some(4), Some(0)));
        assert_eq!(closes(&open, &[day, open], now), None);
        assert_eq!(closes(&open, &[], now), None);
        let tomorrow = Some((at("2026-11-24T00:00:00Z"), "today"));
        assert_eq!(closes(&open, &[month, day], now), tomorrow);
        assert_eq!(closes(&day, &[open], now), tomorrow);
    }

    proptest! {
        #[test]
        fn no_grant_ever_exceeds_a_cap(own in 0..60_u32, run in 0..60_u32, day in 0..60_u32, spent_run in 0..60_u32, spent_day in 0..60_u32, wanted in 1..500_u32) {
            let caps = Caps { run: Some(run), day: Some(day), month: None };
            let spent = Spent { run: spent_run, day: spent_day, month: 0 };
            let account = Caps { month: Some(own), ..Caps::default() };
            match grant(&[(caps, spent), (account, spent)], wanted) {
                Some(g) => {
                    prop_assert!(spent_run + g.credits() <= run && spent_day + g.credits() <= day && g.credits() <= own);
                    prop_assert!(g.results() <= wanted && price(g.results()) == g.credits());
                }
                None => prop_assert!(spent_run >= run || spent_day >= day || own == 0),
            }
        }
    }
}
