//! The vendor's own figure of what is left and what was charged, before and after a run.

use tracing::{debug, info, warn};

use crate::api::Api;
use crate::clock::Clock;
use crate::core::budget::{Left, Receipt};
use crate::core::model::ids::{RequestId, RunId};
use crate::store::{Cause, Moment};
use crate::sync::report::{BalanceReport, Refusal};
use crate::sync::settings::{RunError, Settings};
use crate::sync::{Archive, Stop};

/// A difference below this (credits) is rounding.
const ROUNDING: f64 = 0.5;

/// The balance around a run (credits), as far as the vendor tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct VendorBalance {
    before: Option<f64>,
    after: Option<f64>,
    price: Price,
    /// The balance when it was last looked at.
    last_look: f64,
    /// Credits that the ledger has of all answers since then.
    booked: u32,
    /// The failed requests since then that are free, as their answers have it.
    free_failures: Vec<RequestId>,
    /// Credits of the answers since then, counted in full.
    in_full: u32,
    /// How many of these the answers may not have cost.
    unused: u32,
    /// Whether an answer has come that the next look may say something about.
    wants_look: bool,
    /// Whether a look has already shown a charge for just what was asked for.
    by_request_once: bool,
}

/// What the vendor counts where answers do not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Price {
    /// Nothing has shown it yet.
    #[default]
    Unseen,
    /// What came.
    ByAnswer,
    /// What was asked for.
    ByRequest,
}

impl VendorBalance {
    /// Asks for the balance before the first request, which is free, and notes it.
    pub(super) async fn before<R: Archive, A: Api, C: Clock>(
        archive: &mut R,
        api: &A,
        clock: &C,
        settings: &Settings,
        stop: &Stop,
        run: RunId,
    ) -> Result<Self, RunError> {
        if !settings.reconcile {
            return Ok(Self::default());
        }
        let before = ask(api, stop).await;
        if let Some(credits) = before {
            archive.note_balance(run, Moment::Before, credits, clock.now_ms())?;
            if credits < 1.0 {
                warn!(
                    balance = credits,
                    "the balance is too low for a single request, so nothing is requested"
                );
            }
        }
        Ok(Self { before, last_look: before.unwrap_or_default(), ..Self::default() })
    }

    /// An answer's receipt as the vendor counts. Until a balance has shown how that is, all that was asked for counts:
    /// a crash then leaves the ledger too high rather than too low.
    pub(super) fn seen(&mut self, receipt: Receipt, tells_price: bool) -> Receipt {
        let in_full = match self.price {
            Price::Unseen => self.before.is_some() && !tells_price,
            Price::ByAnswer => false,
            Price::ByRequest => true,
        };
        if !in_full {
            return receipt;
        }
        self.unused = self.unused.saturating_add(receipt.unused());
        self.wants_look |= self.unused > 0;
        let receipt = receipt.by_request();
        self.in_full = self.in_full.saturating_add(receipt.credits());
        receipt
    }

    /// Counts what the ledger has of an answer, and whether it is a failure that is said to be free.
    pub(super) fn booked(&mut self, receipt: &Receipt, failed: bool) {
        self.booked = self.booked.saturating_add(receipt.credits());
        if failed && receipt.credits() == 0 && self.before.is_some() {
            self.free_failures.push(receipt.request_id());
        }
    }

    /// Whether the balance may show what the vendor charges for: an answer was smaller than what was asked for, or a
    /// failure is said to be free.
    pub(super) fn wants_look(&self) -> bool {
        (self.wants_look && self.price == Price::Unseen) || !self.free_failures.is_empty()
    }

    /// Charges failures that were not free after all, by the balance since the last look.
    fn charge_failures<R: Archive>(&mut self, archive: &mut R, balance: f64) -> Result<(), RunError> {
        let failures = std::mem::take(&mut self.free_failures);
        let over = self.last_look - balance - f64::from(std::mem::take(&mut self.booked));
        if !failures.is_empty() && over > ROUNDING {
            warn!(credits = over, "failed requests were charged although the API says that they are free");
            archive.charge_failures(&failures, whole(over.ceil()))?;
        }
        Ok(())
    }

    /// After an answer that was smaller than what was asked for: asks the balance whether that made it cheaper. If so,
    /// the ledger counts by answers from then on. Only an exact difference since the last look says anything, and what
    /// another program spends may make a charge by answer look like one by request: that takes two looks. What fits
    /// neither, because an answer got lost or something else spends credits too, leaves it open.
    pub(super) async fn compare<R: Archive, A: Api>(
        &mut self,
        archive: &mut R,
        api: &A,
        stop: &Stop,
        run: RunId,
    ) -> Result<(), RunError> {
        let by_price = std::mem::take(&mut self.wants_look) && self.price == Price::Unseen;
        let Some(now) = ask(api, stop).await else {
            self.free_failures.clear();
            return Ok(());
        };
        self.charge_failures(archive, now)?;
        if !by_price {
            (self.last_look, self.in_full, self.unused) = (now, 0, 0);
            return Ok(());
        }
        let charged = self.last_look - now;
        let (by_request, by_answer) = (f64::from(self.in_full), f64::from(self.in_full - self.unused));
        (self.last_look, self.in_full, self.unused) = (now, 0, 0);
        if (charged - by_answer).abs() <= ROUNDING {
            self.price = Price::ByAnswer;
            archive.charge_by_answer(run)?;
        } else if (charged - by_request).abs() > ROUNDING {
            debug!(charged, by_request, by_answer, "the balance does not show what the vendor charges for");
        } else if self.by_request_once {
            self.price = Price::ByRequest;
            warn!(
                "the vendor charges for what was requested, not for what was returned; the ledger does the same for this run"
            );
        } else {
            self.by_request_once = true;
        }
        Ok(())
    }

    /// Asks for it again after the last one, and says so when the vendor charged other than the ledger says.
    pub(super) async fn after<R: Archive, A: Api, C: Clock>(
        &mut self,
        archive: &mut R,
        api: &A,
        clock: &C,
        stop: &Stop,
        run: RunId,
    ) -> Result<(), RunError> {
        let Some(before) = self.before.filter(|b| *b >= 1.0) else { return Ok(()) };
        let Some(after) = ask(api, stop).await else { return Ok(()) };
        let now = clock.now_ms();
        archive.note_balance(run, Moment::After, after, now)?;
        self.charge_failures(archive, after)?;
        self.after = Some(after);
        let (charged, ledger) = (before - after, f64::from(archive.spent(run, now)?.run));
        if charged - ledger > ROUNDING {
            warn!(
                charged,
                ledger,
                "the vendor charged more than the ledger shows, or something else spent credits meanwhile"
            );
        } else if ledger - charged > ROUNDING {
            info!(
                charged,
                ledger, "the vendor charged less than the ledger shows, where lost answers count in full"
            );
        }
        Ok(())
    }

    /// The whole credits that there were before the run; `None` where that is not known.
    pub(super) fn whole(&self) -> Option<u32> {
        self.before.map(|credits| whole(credits.floor()))
    }

    /// Whether it is the balance that ended the run, rather than a cap.
    pub(super) fn ended_it(&self, left: &Left, spent: u32) -> bool {
        let rest = self.whole().map(|balance| balance.saturating_sub(spent));
        rest.is_some_and(|rest| left.least().is_none_or(|left| rest < left))
    }

    /// The balance that ended a run as what needs a person, as a refusal would be.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let balance = self.before?;
        let message = format!("the balance of {balance} credits is used up");
        Some(Refusal { cause: Cause::Credits, account: None, message })
    }

    pub(super) fn report(&self, spent: u32) -> Option<BalanceReport> {
        let before = self.before?;
        let charged = self.after.map(|after| before - after);
        Some(BalanceReport { before, after: self.after, charged, ledger: spent })
    }
}

fn whole(credits: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what a counter holds; the cast itself saturates"
    )]
    let whole = credits.clamp(0.0, f64::from(u32::MAX)) as u32;
    whole
}

/// The balance, unless a stop is asked for first.
async fn ask<A: Api>(api: &A, stop: &Stop) -> Option<f64> {
    tokio::select! {
        balance = api.balance() => balance.filter(|credits| credits.is_finite()),
        () = stop.wait() => None,
    }
}
