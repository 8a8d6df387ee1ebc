//! What was asked, what it cost, and what no client should have sent.

use std::borrow::Cow;

use serde::Serialize;

use crate::Ms;

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRow {
    /// Its number, from 1; 0 for a charge without a request (a day of watching).
    pub id: u64,
    /// When it came (ms).
    pub at_ms: Ms,
    /// Path without query.
    pub path: Cow<'static, str>,
    /// Index of the account, once known.
    pub account: Option<usize>,
    /// Index of the conversation in that account's mailbox, once known.
    pub conversation: Option<usize>,
    /// Results asked for.
    pub asked: u32,
    /// Results in the answer.
    pub returned: u32,
    /// Credits charged.
    pub charged: u32,
    /// HTTP status answered; 0 when none was: a closed connection, or anything but a page without a wire.
    pub status: u16,
    /// The fault that struck, if one did.
    pub fault: Option<Cow<'static, str>>,
}

/// Something that a correct client never sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The request's number.
    pub request_id: u64,
    /// What was wrong.
    pub what: String,
}

/// All requests, all charges, the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Credits left.
    pub balance: u64,
    charged: u64,
    rows: Vec<RequestRow>,
    violations: Vec<Violation>,
    numbers: u64,
}

impl Meter {
    /// A meter over this balance.
    #[must_use]
    pub fn new(balance: u64) -> Self {
        Self { balance, charged: 0, rows: Vec::new(), violations: Vec::new(), numbers: 0 }
    }

    /// Credits charged since the beginning.
    #[must_use]
    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// All requests, oldest first.
    #[must_use]
    pub fn rows(&self) -> &[RequestRow] {
        &self.rows
    }

    /// Everything that a correct client would not have sent.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether the balance pays for so much.
    #[must_use]
    pub fn pays(&self, credits: u32) -> bool {
        self.balance >= u64::from(credits)
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Requests that came at `since` or later.
    pub(super) fn requests_since(&self, since: Ms) -> usize {
        self.rows.iter().rev().take_while(|r| r.at_ms >= since).filter(|r| r.id > 0).count()
    }

    pub(super) fn violation(&mut self, request_id: u64, what: String) {
        self.violations.push(Violation { request_id, what });
    }

    /// Takes the row's charge off the balance, as far as that goes, keeps the row, and gives what was charged.
    pub(super) fn record(&mut self, mut row: RequestRow) -> u32 {
        row.charged = u32::try_from(self.balance).map_or(row.charged, |b| b.min(row.charged));
        let charged = row.charged;
        self.balance -= u64::from(charged);
        self.charged += u64::from(charged);
        self.rows.push(row);
        charged
    }
}

/// The price of an answer: 1 credit per 10 results or fraction thereof; `empty` when there are none.
#[must_use]
pub fn price(results: u32, empty: u32) -> u32 {
    if results == 0 { empty } else { results.div_ceil(10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_results_or_a_fraction_thereof_cost_a_credit() {
        let prices: Vec<u32> = [0, 1, 10, 11, 20, 300].map(|n| price(n, 1)).to_vec();
        assert_eq!(prices, [1, 1, 1, 2, 2, 30]);
        assert_eq!(price(0, 0), 0);
    }
}
