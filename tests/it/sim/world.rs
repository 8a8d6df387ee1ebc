//! The server of the simulation: a few conversations that live while they are walked, and every fault there is.
//!
//! It is independent of the product's fake API on purpose: two models built from one contract check each other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archiver::api::{Answer, Api, ApiError, Ask, FailureKind, Turn};
use archiver::clock::Clock;
use archiver::core::Ms;
use archiver::core::budget::calendar::{day_and_month, next_day_and_month};
use archiver::core::budget::{Caps, Charge, Reservation, price};
use archiver::core::inbox::{InboxPage, InboxRow};
use archiver::core::model::cursor::Cursor;
use archiver::core::model::message::Sender;
use archiver::core::model::page::{Below, Page};
use archiver::core::raw::Served;
use archiver::core::timeline::timestamps;
use fastrand::Rng;

use super::wild::{self, HOUR_MS, Wild};
use super::wire::{Given, Wanted, Wire};

pub(crate) const START_MS: Ms = 1_700_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Msg {
    pub(crate) id: u32,
    pub(crate) at: Ms,
    /// When it was made, as its URN tells.
    created: Ms,
    /// Whether it is dated ahead of its time.
    pub(crate) ahead: bool,
    /// Whether it turned up below newer ones.
    pub(crate) late: bool,
    /// Orders messages of one millisecond, so that a later one may stand below an earlier one.
    order: u32,
    pub(crate) versions: Vec<String>,
    pub(crate) deleted: bool,
}

/// What a world is like.
#[derive(Clone, Debug)]
pub(crate) struct Traits {
    pub(crate) inclusive: bool,
    pub(crate) urns: bool,
    pub(crate) counts: bool,
    pub(crate) edits: bool,
    pub(crate) v2: bool,
    /// Chance in a thousand that a request meets a fault.
    pub(crate) faults: u32,
    /// Chance in a thousand that a request meets one that costs nothing.
    pub(crate) free_faults: u32,
    /// Chance in a hundred that something happens in the mailbox at a request.
    pub(crate) bustle: u32,
    /// Most messages a page has, whatever is asked for.
    pub(crate) page_cap: u32,
    pub(crate) ties: bool,
    /// Whether the inbox is read: what sorts below the last message in the same millisecond leaves no trace there.
    pub(crate) inbox: bool,
    /// Conversations from this index on are not in the inbox.
    pub(crate) hidden_from: usize,
    /// Accounts; conversation `i` belongs to account `i % accounts`.
    pub(crate) accounts: usize,
    /// Whether the vendor charges for what was asked rather than for what came, and does not say so.
    pub(crate) by_request: bool,
    pub(crate) wild: Wild,
}

/// What the server charged for one request.
#[derive(Clone, Copy, Debug)]
struct Charged {
    /// When the request was made: what a window's cap counts by.
    at: Ms,
    account: usize,
    credits: u32,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) traits: Traits,
    pub(crate) conversations: Vec<Vec<Msg>>,
    pub(crate) now: Ms,
    /// The caps that must hold at every instant: over all accounts, and of each.
    pub(crate) caps: (Caps, Vec<Caps>),
    /// What the vendor says is left to spend; `None` where it does not say.
    pub(crate) balance: Option<f64>,
    charges: Vec<Charged>,
    /// How many charges there were before this run.
    before_run: usize,
    /// The accounts whose inbox answered, for a test that looks after each run.
    pub(crate) inboxes_read: BTreeSet<usize>,
    /// Draws what happens to the inbox; apart from the rest, so that other histories stay what they were.
    moods: Rng,
    /// Pages show the messages up to this one: they may lag behind the inbox.
    shown_up_to: u32,
    /// When something other than a message last moved a conversation up in the inbox.
    moved_up: BTreeMap<usize, Ms>,
    /// Conversations that have left the inbox.
    pub(crate) left: BTreeSet<usize>,
    next_id: u32,
    /// Whether the history that was there before is complete.
    started: bool,
    pub(super) wire: Wire,
}

impl World {
    pub(crate) fn new(mut rng: Rng, traits: Traits, sizes: &[u32]) -> Self {
        let conversations = sizes.iter().map(|_| Vec::new()).collect();
        let start = START_MS + i64::from(rng.u32(0..1_000_000));
        let moods = Rng::with_seed(traits.wild.moods);
        let mut world = Self {
            rng,
            traits,
            conversations,
            now: start,
            caps: (Caps::default(), Vec::new()),
            balance: None,
            charges: Vec::new(),
            before_run: 0,
            inboxes_read: BTreeSet::new(),
            moods,
            shown_up_to: u32::MAX,
            moved_up: BTreeMap::new(),
            left: BTreeSet::new(),
            next_id: 0,
            started: false,
            wire: Wire::default(),
        };
        for (at, size) in sizes.iter().enumerate() {
            for _ in 0..*size {
                world.grow(at);
            }
        }
        world.now += 3_600_000;
        world.started = true;
        world
    }

    pub(crate) fn grow(&mut self, conversation: usize) {
        // What is sent now is newer than all that was sent before, in any conversation.
        let sane = self.conversations.iter().flatten().filter(|m| !m.ahead);
        let latest = sane.map(|m| m.at).max().filter(|_| self.started);
        let own = self.conversations[conversation].iter().filter(|m| !m.ahead).map(|m| m.at).max();
        // Where times lie ahead, some of them come true, and what is sent then is newer than they are.
        let now = (self.started && self.traits.wild.ahead > 0).then_some(self.now);
        let last = own.max(latest).max(now).unwrap_or(START_MS);
        // A page of one credit gets past nine messages: those of a millisecond and of the one above it, where it asks.
        let near = |m: &&Msg| (last - 1..=last).contains(&m.at);
        let run = self.conversations[conversation].iter().filter(near).count();
        // A message of the same millisecond and the same text as the last one leaves no trace in an inbox at all.
        let told = self.traits.urns || !self.started;
        // So do those that are dated ahead, which stand above it.
        let aheads = self.conversations[conversation].iter().filter(|m| m.ahead).count();
        let tie = told && self.traits.ties && run > 0 && run + aheads < 8 && self.rng.u8(..) < 50;
        let pace = [2, 1000, 500_000][self.rng.usize(0..3)];
        let at = if tie { last } else { last + 1 + i64::from(run >= 8) + i64::from(self.rng.u32(0..pace)) };
        let ahead = self.traits.wild.dated_ahead(&mut self.rng);
        let ahead = if run + aheads < 7 { ahead } else { 0 };
        self.post(conversation, at, ahead, false);
    }

    /// Posts a message to a conversation: at this time, or dated so far ahead of it.
    fn post(&mut self, conversation: usize, at: Ms, ahead: Ms, late: bool) {
        let above = self.conversations[conversation].iter().filter(|_| self.traits.inbox && !late);
        let above = above.map(|m| m.order + 1).max();
        let order = self.rng.u32(..1 << 30).max(above.unwrap_or(0));
        self.next_id += 1;
        let text =
            if self.traits.urns { format!("m{}", self.next_id) } else { format!("t{}", self.rng.u32(0..3)) };
        let told = if self.traits.wild.ahead_urn { at + ahead } else { at };
        let msg = Msg {
            id: self.next_id,
            at: at + ahead,
            created: told - i64::from(self.next_id % 150),
            ahead: ahead > 0,
            late,
            order,
            versions: vec![text],
            deleted: false,
        };
        let list = &mut self.conversations[conversation];
        list.push(msg);
        list.sort_by_key(|m| (m.at, m.order));
        self.now = self.now.max(at);
    }

    /// Something happens in the mailbox.
    pub(crate) fn live(&mut self) {
        let at = self.rng.usize(0..self.conversations.len());
        let len = self.conversations[at].len();
        match self.rng.u32(0..10) {
            0 if self.traits.wild.campaigns => self.campaign(),
            1 if self.traits.wild.late && len > 1 => self.turn_up_late(at),
            0..=5 => {
                let most = if self.rng.u8(..) < 20 { 40 } else { 4 };
                for _ in 0..self.rng.u32(1..=most) {
                    self.grow(at);
                }
            }
            6..=7 if self.traits.edits && len > 0 => {
                let i = self.near_the_top(len);
                let msg = &mut self.conversations[at][i];
                msg.versions.push(format!("m{}.{}", msg.id, msg.versions.len()));
            }
            8 if self.traits.edits && len > 0 => {
                let i = self.near_the_top(len);
                self.conversations[at][i].deleted = true;
            }
            _ => {}
        }
    }

    /// Many conversations get a message in the same millisecond.
    fn campaign(&mut self) {
        let latest = self.conversations.iter().flatten().filter(|m| !m.ahead).map(|m| m.at).max();
        // A server that counts in whole seconds.
        let at = (self.now.max(latest.unwrap_or(START_MS)) / 1000 + 1) * 1000;
        for conversation in 0..self.conversations.len() {
            if self.rng.u8(..) < 220 {
                self.post(conversation, at, 0, false);
            }
        }
    }

    /// A message turns up between two that are there already.
    fn turn_up_late(&mut self, conversation: usize) {
        let list = &self.conversations[conversation];
        let below = self.rng.usize(0..list.len() - 1);
        let (from, to) = (list[below].at, list[below + 1].at);
        if !list[below + 1].ahead && to - from > 2 {
            let at = self.rng.i64(from + 1..to);
            self.post(conversation, at, 0, true);
        }
    }

    /// The wild is over. What turned up late shows in a count as soon as its conversation is asked for again.
    pub(crate) fn calm_down(&mut self) {
        self.traits.wild.shift = 0;
        self.traits.wild.imposing = false;
        self.traits.wild.calm = true;
        self.shown_up_to = u32::MAX;
        for at in 0..self.conversations.len() {
            if self.conversations[at].iter().any(|m| m.late) {
                self.grow(at);
            }
        }
    }

    /// The inbox lives by itself: pages lag behind it or catch up, conversations move up in it without a message, leave it
    /// or come back.
    fn inbox_lives(&mut self) {
        let Wild { lags, moves, leaves, calm, .. } = self.traits.wild;
        if calm || !(lags || moves || leaves) {
            return;
        }
        let at = self.moods.usize(0..self.conversations.len());
        match self.moods.u8(..) {
            0..=29 if lags => self.shown_up_to = self.next_id,
            30..=69 if lags => self.shown_up_to = u32::MAX,
            70..=99 if moves => _ = self.moved_up.insert(at, self.now),
            100..=119 if leaves => _ = self.left.insert(at),
            120..=139 if leaves => _ = self.left.remove(&at),
            _ => {}
        }
    }

    fn near_the_top(&mut self, len: usize) -> usize {
        let reach = if self.rng.bool() { len.min(8) } else { len };
        len - 1 - self.rng.usize(0..reach)
    }

    fn served(&self, m: &Msg, conversation: usize) -> Served {
        let wild = &self.traits.wild;
        let spelling = if wild.respelled { self.now / HOUR_MS } else { 0 };
        let owner = format!("ACoAAOWNER{}", conversation % self.traits.accounts);
        let told = || wild::message_urn(&owner, m.created, m.id, conversation, spelling);
        let urn = || if wild.told { told() } else { format!("u{}", m.id) };
        Served {
            urn: self.traits.urns.then(urn),
            time_ms: Some(m.at + wild.shift),
            sender: Sender { name: "Ada".into(), ..Sender::default() },
            kind: "TEXT".into(),
            text: m.versions.last().unwrap().clone(),
            raw: wild::raw(),
        }
    }

    fn page(&self, conversation: usize, cursor: Option<Ms>, count: u32) -> Page {
        let wild = &self.traits.wild;
        if wild.imposing {
            return self.page_of_another(conversation);
        }
        let list = &self.conversations[conversation];
        let cursor = cursor.map(|cursor| cursor - wild.shift);
        let below: Vec<&Msg> = list
            .iter()
            .rev()
            .filter(|m| !m.deleted && m.id <= self.shown_up_to)
            .filter(|m| cursor.is_none_or(|c| if self.traits.inclusive { m.at <= c } else { m.at < c }))
            .collect();
        let count = usize::try_from(count.min(self.traits.page_cap)).unwrap();
        let items: Vec<Served> = below.iter().take(count).map(|m| self.served(m, conversation)).collect();
        let more = below.len() > count || wild.endless;
        let next = below.iter().take(count).next_back().map(|m| m.at).or(cursor);
        let next = next.map(|at| Cursor::made(at + wild.shift));
        Page {
            returned: u32::try_from(items.len()).unwrap(),
            below: if more { next.map_or(Below::End, Below::More) } else { Below::End },
            messages: timestamps::place(items, Some(self.now)),
            conversation_urn: None,
            total: self
                .traits
                .counts
                .then(|| i64::try_from(list.iter().filter(|m| !m.deleted).count()).unwrap()),
            unread: None,
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    /// What is served where the session is another person's.
    fn page_of_another(&self, conversation: usize) -> Page {
        let created = self.now - 5000;
        let urn = wild::message_urn("ACoAAANOTHER", created, 99_999, conversation, 0);
        let item = Served {
            urn: Some(urn),
            time_ms: Some(self.now - 4900),
            sender: Sender { name: "Eve".into(), ..Sender::default() },
            kind: "TEXT".into(),
            text: "to somebody else".into(),
            raw: wild::raw(),
        };
        Page {
            returned: 1,
            below: Below::End,
            messages: timestamps::place(vec![item], Some(self.now)),
            conversation_urn: None,
            total: self.traits.counts.then_some(1),
            unread: None,
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    /// An account's inbox below a cursor, most recently active first. A conversation without messages is not in it.
    fn inbox(&self, account: usize, cursor: Option<&str>, count: u32) -> InboxPage {
        let mut rows: Vec<(Ms, usize, &Msg)> = self
            .conversations
            .iter()
            .enumerate()
            .take(self.traits.hidden_from)
            .filter(|(i, _)| i % self.traits.accounts == account && !self.left.contains(i))
            .filter_map(|(i, list)| {
                let by_time = self.traits.wild.by_time;
                let shown = list.iter().filter(|m| !m.deleted && !m.late);
                let last = shown.max_by_key(|m| (if by_time { m.at } else { 0 }, m.id))?;
                let active = self.moved_up.get(&i).map_or(last.at, |moved| last.at.max(*moved));
                Some((active, i, last))
            })
            .collect();
        rows.sort_by_key(|(active, i, _)| std::cmp::Reverse((*active, *i)));
        if let Some(cursor) = cursor {
            let below = wild::read_inbox_cursor(cursor, self.traits.wild.shift);
            rows.retain(|(active, i, _)| (*active, *i) < below);
        }
        let count = usize::try_from(count.min(25)).unwrap();
        let more = rows.len() > count;
        rows.truncate(count);
        let next_cursor = rows.last().filter(|_| more).map(|(active, i, _)| {
            wild::inbox_cursor(*active + self.traits.wild.shift, *i, self.traits.wild.tells_activity)
        });
        let row = |(_, i, m): &(Ms, usize, &Msg)| InboxRow {
            conversation_urn: wild::thread(*i),
            last_at_ms: Some(m.at + self.traits.wild.shift),
            last_text: m.versions.last().cloned(),
            // The others are the owner's.
            unread: self.traits.wild.by_time.then(|| {
                let of_others = self.conversations[*i].iter().filter(|m| !m.deleted && m.id % 3 > 0);
                i64::try_from(of_others.count()).unwrap()
            }),
            ..InboxRow::default()
        };
        InboxPage {
            returned: u32::try_from(rows.len()).unwrap(),
            rows: rows.iter().map(row).collect(),
            next_cursor,
            ..InboxPage::default()
        }
    }

    pub(crate) fn begin_run(&mut self) {
        self.before_run = self.charges.len();
    }

    pub(crate) fn charged(&self) -> u32 {
        self.charges.iter().map(|c| c.credits).sum()
    }

    pub(crate) fn charged_this_run(&self) -> u32 {
        self.charges.iter().skip(self.before_run).map(|c| c.credits).sum()
    }

    /// Charges a request that was made at `at`, and holds every cap against what has been charged by now.
    fn charge(&mut self, (account, at): (usize, Ms), credits: u32) {
        self.charges.push(Charged { at, account, credits });
        if let Some(balance) = &mut self.balance {
            *balance -= f64::from(credits);
            let foreign = self.traits.wild.foreign;
            assert!(foreign || *balance >= 0.0, "more was spent than there was");
            if foreign && self.rng.u8(..) < 40 {
                *balance -= f64::from(self.rng.u32(1..30));
            }
        }
        let (begun, over) = (day_and_month(at), next_day_and_month(at));
        let sum = |of: Option<usize>, skip: usize, counts: &dyn Fn(Ms) -> bool| -> u32 {
            let counted = self.charges.iter().skip(skip).filter(|c| counts(c.at));
            counted.filter(|c| of.is_none_or(|account| c.account == account)).map(|c| c.credits).sum()
        };
        let same_day = |at| (begun.0..over.0).contains(&at);
        let same_month = |at| (begun.1..over.1).contains(&at);
        let held = |of: Option<usize>, caps: &Caps| {
            let within = |cap: Option<u32>, spent: u32| cap.is_none_or(|cap| spent <= cap);
            assert!(
                within(caps.run, sum(of, self.before_run, &|_| true)),
                "over the cap of the run: {caps:?}"
            );
            assert!(within(caps.day, sum(of, 0, &same_day)), "over the cap of the day: {caps:?}");
            assert!(within(caps.month, sum(of, 0, &same_month)), "over the cap of the month: {caps:?}");
        };
        let (all, accounts) = &self.caps;
        held(None, all);
        if let Some(caps) = accounts.get(account) {
            held(Some(account), caps);
        }
    }

    /// Time goes on, and something may happen, while a request is under way.
    fn travel(&mut self) {
        self.now += i64::from(self.rng.u32(1..2000));
        self.inbox_lives();
        if self.rng.u32(0..100) < self.traits.bustle {
            self.live();
        }
    }

    /// Charges for an answer with so many items, and says what the client can know of that.
    fn charge_answer(&mut self, from: (usize, Ms), asked: u32, returned: u32) -> Charge {
        let charged = if self.traits.by_request { price(asked) } else { price(returned) };
        self.charge(from, charged);
        Charge::told(self.traits.wild.tells.filter(|_| self.traits.v2), returned)
    }

    fn charge_error(&mut self, from: (usize, Ms)) -> Charge {
        let credits = u32::from(!self.traits.v2);
        self.charge(from, credits);
        Charge::Known(credits)
    }

    pub(super) fn answer_inbox(
        &mut self,
        reservation: Reservation,
        (account, sent): (usize, Ms),
        cursor: Option<&str>,
    ) -> Answer<InboxPage> {
        let from = (account, sent);
        self.travel();
        if let Some(error) = self.free_fault() {
            return Answer {
                receipt: reservation.spend(Charge::Known(0)),
                http_status: None,
                outcome: Err(error),
            };
        }
        let asked = reservation.results();
        let page = self.inbox(account, cursor, asked);
        self.inboxes_read.insert(account);
        let mut outcome = Ok(());
        let charge = if self.rng.u32(0..1000) < self.traits.faults {
            let (charge, error) = match self.rng.u32(0..3) {
                0 => (Charge::Known(0), transient("500")),
                1 => (self.charge_error(from), ApiError::new(FailureKind::Refused, "no")),
                _ => {
                    self.charge_answer(from, asked, page.returned);
                    (Charge::Unknown, ApiError::new(FailureKind::Malformed, "cut"))
                }
            };
            outcome = Err(error);
            charge
        } else {
            self.charge_answer(from, asked, page.returned)
        };
        Answer { receipt: reservation.spend(charge), http_status: Some(200), outcome: outcome.map(|()| page) }
    }

    pub(super) fn answer(&mut self, reservation: Reservation, ask: &Ask, sent: Ms) -> Answer<Page> {
        let name = ask.conversation.id().expect("all are asked by id");
        let conversation = wild::conversation_of(name);
        assert_eq!(conversation % self.traits.accounts, ask.account, "asked for in another's name");
        let from = (ask.account, sent);
        self.travel();
        if let Some(error) = self.free_fault() {
            return Answer {
                receipt: reservation.spend(Charge::Known(0)),
                http_status: None,
                outcome: Err(error),
            };
        }
        let cursor = ask.cursor.as_ref().map(|c| c.number().unwrap());
        let asked = reservation.results();
        let page = self.page(conversation, cursor, asked);
        let faulty = self.rng.u32(0..1000) < self.traits.faults;
        let (charge, outcome) = if faulty {
            self.fault(from, (conversation, cursor, asked), page)
        } else {
            (self.charge_answer(from, asked, page.returned), Ok(page))
        };
        Answer { receipt: reservation.spend(charge), http_status: Some(200), outcome }
    }

    /// A fault that costs nothing by itself. Whether one is met is drawn only where there are any.
    fn free_fault(&mut self) -> Option<ApiError> {
        if self.traits.free_faults == 0 || self.rng.u32(0..1000) >= self.traits.free_faults {
            return None;
        }
        // The first version charges for whatever it answers, except that it broke.
        let kinds = if self.traits.v2 { 4 } else { 1 };
        Some(match self.rng.u32(0..kinds) {
            0 => transient("500"),
            1 => transient("503"),
            2 => {
                let retry_after = Some(Duration::from_secs(3));
                ApiError { retry_after, ..ApiError::new(FailureKind::RateLimited, "slow") }
            }
            _ => ApiError::new(FailureKind::Refused, "no such"),
        })
    }

    /// One of twelve faults: the request fails, its answer gets lost, or the page is wrong.
    fn fault(
        &mut self,
        from: (usize, Ms),
        (conversation, cursor, asked): (usize, Option<Ms>, u32),
        mut page: Page,
    ) -> (Charge, Result<Page, ApiError>) {
        match self.rng.u32(0..12) {
            0 => return (Charge::Known(0), Err(transient("500"))),
            1 => return (self.charge_error(from), Err(transient("503"))),
            2 => {
                // Processed and charged, but the answer got lost.
                self.charge_answer(from, asked, page.returned);
                return (Charge::Unknown, Err(transient("lost")));
            }
            3 => {
                let retry_after = Some(Duration::from_secs(3));
                let slow = ApiError::new(FailureKind::RateLimited, "slow");
                let error = ApiError { retry_after, ..slow };
                return (self.charge_error(from), Err(error));
            }
            4 => {
                self.charge_answer(from, asked, page.returned);
                return (Charge::Unknown, Err(ApiError::new(FailureKind::Malformed, "cut")));
            }
            5 => return (self.charge_error(from), Err(ApiError::new(FailureKind::Refused, "no such"))),
            6 => page = self.page(conversation, None, asked),
            7 if self.traits.wild.cursor_up => {
                if let Below::More(c) = &mut page.below {
                    *c = Cursor::made(self.now + 90_000 * HOUR_MS);
                }
            }
            8 if self.traits.wild.strangers => self.mix_in_strangers(conversation, asked, &mut page),
            7 => {
                if let (Below::More(c), Some(sent)) = (&mut page.below, cursor) {
                    *c = Cursor::made(sent + 5);
                }
            }
            8 => {
                if matches!(page.below, Below::More(_)) {
                    page.below = Below::MoreWithoutCursor;
                }
            }
            9 => {
                if matches!(page.below, Below::More(_)) {
                    page.messages.clear();
                    page.returned = 0;
                }
            }
            10 => {
                // A short page, though there is more.
                if page.messages.len() > 3 && self.traits.urns {
                    page.messages.truncate(3);
                    page.returned = 3;
                    page.below = Below::More(Cursor::made(page.messages[2].at_ms));
                }
            }
            _ => {
                if self.traits.urns {
                    let again = page.messages.clone();
                    page.messages.extend(again.into_iter().take(2));
                    page.messages.sort_by_key(|m| -m.at_ms);
                }
            }
        }
        (self.charge_answer(from, asked, page.returned), Ok(page))
    }
}

impl World {
    /// Items of other threads come with a page, and may take the place of its own.
    fn mix_in_strangers(&mut self, conversation: usize, asked: u32, page: &mut Page) {
        let other = (conversation + self.traits.accounts) % self.conversations.len();
        if other % self.traits.accounts != conversation % self.traits.accounts || other == conversation {
            return;
        }
        let items = self.conversations[other].iter().rev().take(3).map(|m| self.served(m, other)).collect();
        let strangers = timestamps::place(items, Some(self.now));
        if self.rng.bool() {
            page.messages.truncate(page.messages.len().saturating_sub(strangers.len()));
        }
        page.messages.extend(strangers);
        page.messages.sort_by_key(|m| -m.at_ms);
        // No more than was asked for, which is what was reserved.
        page.messages.truncate(usize::try_from(asked).unwrap());
        page.returned = u32::try_from(page.messages.len()).unwrap();
    }
}

fn transient(message: &str) -> ApiError {
    ApiError::new(FailureKind::Transient, message)
}

/// The world as API and clock.
pub(crate) struct Server(pub(crate) RefCell<World>);

impl Api for Server {
    async fn balance(&self) -> Option<f64> {
        self.0.borrow().balance
    }

    async fn turn(&self) -> Turn {
        Turn::free()
    }

    async fn conversation(&self, _: Turn, reservation: Reservation, ask: &Ask) -> Answer<Page> {
        match self.exchange(Wanted::Page(ask.clone()), reservation).await {
            Given::Page(answer) => answer,
            Given::Inbox(_) | Given::Time => unreachable!("a page was asked for"),
        }
    }

    async fn inbox(
        &self,
        _: Turn,
        reservation: Reservation,
        account: usize,
        cursor: Option<&str>,
    ) -> Answer<InboxPage> {
        match self.exchange(Wanted::Inbox(account, cursor.map(str::to_owned)), reservation).await {
            Given::Inbox(answer) => answer,
            Given::Page(_) | Given::Time => unreachable!("an inbox was asked for"),
        }
    }

    fn tells_price(&self) -> bool {
        self.0.borrow().traits.v2
    }

    fn endpoint(&self) -> &'static str {
        "sim"
    }

    fn inbox_endpoint(&self) -> &'static str {
        "sim inbox"
    }
}

impl Clock for Server {
    fn now_ms(&self) -> Ms {
        self.0.borrow().now
    }

    async fn sleep(&self, duration: Duration) {
        self.wait(i64::try_from(duration.as_millis()).unwrap()).await;
    }
}
