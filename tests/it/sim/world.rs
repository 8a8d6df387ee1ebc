//! The server of the simulation: a few conversations that live while they are walked, and every fault there is.
//!
//! It is independent of the product's fake API on purpose: two models built from one contract check each other.

use std::cell::RefCell;
use std::time::Duration;

use archiver::api::{Answer, Api, ApiError, Ask, Turn};
use archiver::clock::Clock;
use archiver::core::Ms;
use archiver::core::budget::{Charge, Reservation, price};
use archiver::core::inbox::{InboxPage, InboxRow};
use archiver::core::model::cursor::Cursor;
use archiver::core::model::message::{Message, Sender};
use archiver::core::model::page::{Below, Page};
use archiver::core::raw::Raw;
use fastrand::Rng;

pub(crate) const START_MS: Ms = 1_700_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Msg {
    pub(crate) id: u32,
    pub(crate) at: Ms,
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
    /// Chance in a hundred that something happens in the mailbox at a request.
    pub(crate) bustle: u32,
    /// Most messages a page has, whatever is asked for.
    pub(crate) page_cap: u32,
    pub(crate) ties: bool,
    /// Whether the inbox is read: what sorts below the last message in the same millisecond leaves no trace there.
    pub(crate) inbox: bool,
    /// Conversations from this index on are not in the inbox.
    pub(crate) hidden_from: usize,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) traits: Traits,
    pub(crate) conversations: Vec<Vec<Msg>>,
    pub(crate) now: Ms,
    pub(crate) charged: u32,
    pub(crate) charged_this_run: u32,
    pub(crate) requests: u32,
    next_id: u32,
    /// Whether the history that was there before is complete.
    started: bool,
}

impl World {
    pub(crate) fn new(mut rng: Rng, traits: Traits, sizes: &[u32]) -> Self {
        let conversations = sizes.iter().map(|_| Vec::new()).collect();
        let start = START_MS + i64::from(rng.u32(0..1_000_000));
        let mut world = Self {
            rng,
            traits,
            conversations,
            now: start,
            charged: 0,
            charged_this_run: 0,
            requests: 0,
            next_id: 0,
            started: false,
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
        let latest = self.conversations.iter().flatten().map(|m| m.at).max().filter(|_| self.started);
        let own = self.conversations[conversation].last().map(|m| m.at);
        let last = own.max(latest).unwrap_or(START_MS);
        // A page of one credit gets past nine messages: those of a millisecond and of the one above it, where it asks.
        let run = self.conversations[conversation].iter().rev().take_while(|m| m.at >= last - 1).count();
        // A message of the same millisecond and the same text as the last one leaves no trace in an inbox at all.
        let told = self.traits.urns || !self.started;
        let tie = told && self.traits.ties && run > 0 && run < 8 && self.rng.u8(..) < 50;
        let pace = [2, 1000, 500_000][self.rng.usize(0..3)];
        let at = if tie { last } else { last + 1 + i64::from(run >= 8) + i64::from(self.rng.u32(0..pace)) };
        let above =
            self.conversations[conversation].last().filter(|_| self.traits.inbox).map(|m| m.order + 1);
        let order = self.rng.u32(..1 << 30).max(above.unwrap_or(0));
        self.next_id += 1;
        let text =
            if self.traits.urns { format!("m{}", self.next_id) } else { format!("t{}", self.rng.u32(0..3)) };
        let msg = Msg { id: self.next_id, at, order, versions: vec![text], deleted: false };
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

    fn near_the_top(&mut self, len: usize) -> usize {
        let reach = if self.rng.bool() { len.min(8) } else { len };
        len - 1 - self.rng.usize(0..reach)
    }

    fn served(&self, m: &Msg) -> Message {
        Message {
            urn: self.traits.urns.then(|| format!("u{}", m.id)),
            at_ms: m.at,
            derived_time: false,
            sender: Sender { name: "Ada".into(), ..Sender::default() },
            kind: "TEXT".into(),
            text: m.versions.last().unwrap().clone(),
            raw: Raw::default(),
        }
    }

    fn page(&self, conversation: usize, cursor: Option<Ms>, count: u32) -> Page {
        let list = &self.conversations[conversation];
        let below: Vec<&Msg> = list
            .iter()
            .rev()
            .filter(|m| !m.deleted)
            .filter(|m| cursor.is_none_or(|c| if self.traits.inclusive { m.at <= c } else { m.at < c }))
            .collect();
        let count = usize::try_from(count.min(self.traits.page_cap)).unwrap();
        let messages: Vec<Message> = below.iter().take(count).map(|m| self.served(m)).collect();
        let more = below.len() > count;
        let next = messages.last().map(|m| Cursor::made(m.at_ms));
        Page {
            returned: u32::try_from(messages.len()).unwrap(),
            below: if more { next.map_or(Below::End, Below::More) } else { Below::End },
            messages,
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

    /// The inbox below a cursor, most recently active first. A conversation without messages is not in it.
    fn inbox(&self, cursor: Option<&str>, count: u32) -> InboxPage {
        let mut rows: Vec<(Ms, usize, &Msg)> = self
            .conversations
            .iter()
            .enumerate()
            .take(self.traits.hidden_from)
            .filter_map(|(i, list)| list.iter().rev().find(|m| !m.deleted).map(|m| (m.at, i, m)))
            .collect();
        rows.sort_by_key(|(at, i, _)| std::cmp::Reverse((*at, *i)));
        if let Some(cursor) = cursor {
            let (at, i) = cursor.split_once('/').unwrap();
            let below: (Ms, usize) = (at.parse().unwrap(), i.parse().unwrap());
            rows.retain(|(at, i, _)| (*at, *i) < below);
        }
        let count = usize::try_from(count.min(25)).unwrap();
        let more = rows.len() > count;
        rows.truncate(count);
        let next_cursor = rows.last().filter(|_| more).map(|(at, i, _)| format!("{at}/{i}"));
        let row = |(at, i, m): &(Ms, usize, &Msg)| InboxRow {
            conversation_urn: format!("2-c{i}"),
            last_at_ms: Some(*at),
            last_text: m.versions.last().cloned(),
            ..InboxRow::default()
        };
        InboxPage {
            returned: u32::try_from(rows.len()).unwrap(),
            rows: rows.iter().map(row).collect(),
            next_cursor,
            ..InboxPage::default()
        }
    }

    fn answer_inbox(&mut self, reservation: Reservation, cursor: Option<&str>) -> Answer<InboxPage> {
        self.requests += 1;
        self.now += i64::from(self.rng.u32(1..2000));
        if self.rng.u32(0..100) < self.traits.bustle {
            self.live();
        }
        let page = self.inbox(cursor, reservation.results());
        if self.rng.u32(0..1000) < self.traits.faults {
            let error_price = u32::from(!self.traits.v2);
            let (charge, error) = match self.rng.u32(0..3) {
                0 => (self.charge(0), ApiError::Transient { message: "500".into(), retry_after: None }),
                1 => (self.charge(error_price), ApiError::Refused("no".into())),
                _ => {
                    self.charge(price(page.returned));
                    (Charge::Unknown, ApiError::Malformed("cut".into()))
                }
            };
            return Answer {
                receipt: reservation.spend(charge),
                http_status: Some(200),
                outcome: Err(error),
            };
        }
        let charge = self.charge(price(page.returned));
        Answer { receipt: reservation.spend(charge), http_status: Some(200), outcome: Ok(page) }
    }

    fn charge(&mut self, credits: u32) -> Charge {
        self.charged += credits;
        self.charged_this_run += credits;
        Charge::Known(credits)
    }

    fn answer(&mut self, reservation: Reservation, ask: &Ask) -> Answer<Page> {
        self.requests += 1;
        self.now += i64::from(self.rng.u32(1..2000));
        if self.rng.u32(0..100) < self.traits.bustle {
            self.live();
        }
        let name = ask.conversation.id().expect("all are asked by id");
        let conversation: usize = name.trim_start_matches("2-c").parse().unwrap();
        let cursor = ask.cursor.as_ref().map(|c| c.number().unwrap());
        let mut page = self.page(conversation, cursor, reservation.results());
        let transient = |message: &str| ApiError::Transient { message: message.into(), retry_after: None };
        let error_price = u32::from(!self.traits.v2);
        if self.rng.u32(0..1000) < self.traits.faults {
            let (charge, error) = match self.rng.u32(0..12) {
                0 => (self.charge(0), Some(transient("500"))),
                1 => (self.charge(error_price), Some(transient("503"))),
                2 => {
                    // Processed and charged, but the answer got lost.
                    self.charge(price(page.returned));
                    (Charge::Unknown, Some(transient("lost")))
                }
                3 => (
                    self.charge(error_price),
                    Some(ApiError::RateLimited {
                        message: "slow".into(),
                        retry_after: Some(Duration::from_secs(3)),
                    }),
                ),
                4 => {
                    self.charge(price(page.returned));
                    (Charge::Unknown, Some(ApiError::Malformed("cut".into())))
                }
                5 => (self.charge(error_price), Some(ApiError::Refused("no such".into()))),
                6 => {
                    page = self.page(conversation, None, reservation.results());
                    (self.charge(price(page.returned)), None)
                }
                7 => {
                    if let (Below::More(c), Some(sent)) = (&mut page.below, cursor) {
                        *c = Cursor::made(sent + 5);
                    }
                    (self.charge(price(page.returned)), None)
                }
                8 => {
                    if matches!(page.below, Below::More(_)) {
                        page.below = Below::MoreWithoutCursor;
                    }
                    (self.charge(price(page.returned)), None)
                }
                9 => {
                    if matches!(page.below, Below::More(_)) {
                        page.messages.clear();
                        page.returned = 0;
                    }
                    (self.charge(price(page.returned)), None)
                }
                10 => {
                    // A short page, though there is more.
                    if page.messages.len() > 3 && self.traits.urns {
                        page.messages.truncate(3);
                        page.returned = 3;
                        page.below = Below::More(Cursor::made(page.messages[2].at_ms));
                    }
                    (self.charge(price(page.returned)), None)
                }
                _ => {
                    if self.traits.urns {
                        let again = page.messages.clone();
                        page.messages.extend(again.into_iter().take(2));
                        page.messages.sort_by_key(|m| -m.at_ms);
                    }
                    (self.charge(price(page.returned)), None)
                }
            };
            let outcome = error.map_or(Ok(page), Err);
            return Answer { receipt: reservation.spend(charge), http_status: Some(200), outcome };
        }
        let charge = self.charge(price(page.returned));
        Answer { receipt: reservation.spend(charge), http_status: Some(200), outcome: Ok(page) }
    }
}

/// The world as API and clock.
pub(crate) struct Server(pub(crate) RefCell<World>);

impl Api for Server {
    async fn balance(&self) -> Option<f64> {
        None
    }

    async fn turn(&self) -> Turn {
        Turn::free()
    }

    async fn conversation(&self, _: Turn, reservation: Reservation, ask: &Ask) -> Answer<Page> {
        self.0.borrow_mut().answer(reservation, ask)
    }

    async fn inbox(
        &self,
        _: Turn,
        reservation: Reservation,
        _: usize,
        cursor: Option<&str>,
    ) -> Answer<InboxPage> {
        self.0.borrow_mut().answer_inbox(reservation, cursor)
    }

    fn tells_price(&self) -> bool {
        true
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
        self.0.borrow_mut().now += i64::try_from(duration.as_millis()).unwrap();
    }
}
