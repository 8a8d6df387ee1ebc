//! What is on its way between the engine and the server: which answer comes next is drawn, and a process that dies
//! leaves requests that are answered to nobody.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use archiver::api::{Answer, Ask};
use archiver::core::Ms;
use archiver::core::budget::Reservation;
use archiver::core::inbox::InboxPage;
use archiver::core::model::page::Page;
use fastrand::Rng;

use super::world::{Server, World};

/// A request for what.
pub(crate) enum Wanted {
    Page(Ask),
    Inbox(usize, Option<String>),
}

impl Wanted {
    fn account(&self) -> usize {
        match self {
            Self::Page(ask) => ask.account,
            Self::Inbox(account, _) => *account,
        }
    }
}

/// An answer, as it was when the server gave it.
pub(crate) enum Given {
    Page(Answer<Page>),
    Inbox(Answer<InboxPage>),
    /// A wait is over.
    Time,
}

enum Item {
    /// Sent then, which is when it counts, and not yet with the server.
    Sent(Wanted, Reservation, Ms),
    /// Given, and on its way back.
    Given(Given),
    /// A wait until then.
    Wait(Ms),
    /// With the engine.
    Come(Given),
}

/// All that is on its way.
#[derive(Default)]
pub(crate) struct Wire {
    items: BTreeMap<u64, (Item, Waker)>,
    next: u64,
    /// Draws the order; apart from the world's, so that a serial history stays what it was.
    order: Rng,
    /// The most requests that may be under way: of all, and of an account.
    pub(crate) most: (usize, usize),
    /// The most that were.
    pub(crate) seen: usize,
}

impl Wire {
    pub(crate) fn new(seed: u64, most: (usize, usize)) -> Self {
        Self { order: Rng::with_seed(seed), most, ..Self::default() }
    }

    fn put(&mut self, item: Item, waker: Waker) -> u64 {
        self.next += 1;
        self.items.insert(self.next, (item, waker));
        self.hold();
        self.next
    }

    /// No more is under way than may be, and nothing is asked for twice at once.
    fn hold(&mut self) {
        let under_way = self.items.values().filter(|(item, _)| !matches!(item, Item::Wait(_))).count();
        assert!(under_way <= self.most.0, "{under_way} requests are under way");
        self.seen = self.seen.max(under_way);
        let sent = || {
            self.items.values().filter_map(|(item, _)| match item {
                Item::Sent(wanted, ..) => Some(wanted),
                _ => None,
            })
        };
        for one in sent() {
            let of_account = sent().filter(|other| other.account() == one.account()).count();
            assert!(of_account <= self.most.1, "{of_account} requests of one account are under way");
            let same = sent().filter(|other| match (one, other) {
                (Wanted::Page(one), Wanted::Page(other)) => one.conversation == other.conversation,
                (Wanted::Inbox(one, _), Wanted::Inbox(other, _)) => one == other,
                _ => false,
            });
            assert_eq!(same.count(), 1, "something is asked for twice at once");
        }
    }

    /// Any of what is on its way.
    fn draw(&mut self) -> Option<u64> {
        let waiting: Vec<u64> = self
            .items
            .iter()
            .filter(|(_, (item, _))| !matches!(item, Item::Come(_)))
            .map(|(id, _)| *id)
            .collect();
        match waiting.len() {
            0 | 1 => waiting.first().copied(),
            many => waiting.get(self.order.usize(0..many)).copied(),
        }
    }
}

/// Drives a future; whenever it waits, one thing on the wire goes on.
pub(crate) fn drive<T>(server: &Server, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        server.0.borrow_mut().go_on();
    }
}

impl World {
    /// Something on the wire goes on: a request reaches the server, an answer the engine, or a wait ends.
    fn go_on(&mut self) {
        let id = self.wire.draw().expect("the simulation waits for something that never comes");
        let Some((item, waker)) = self.wire.items.remove(&id) else { return };
        let item = match item {
            Item::Sent(wanted, reservation, at) => Item::Given(self.give(wanted, reservation, at)),
            Item::Given(given) => {
                waker.wake_by_ref();
                Item::Come(given)
            }
            Item::Wait(until) => {
                self.now = self.now.max(until);
                waker.wake_by_ref();
                Item::Come(Given::Time)
            }
            Item::Come(given) => Item::Come(given),
        };
        self.wire.items.insert(id, (item, waker));
    }

    fn give(&mut self, wanted: Wanted, reservation: Reservation, at: Ms) -> Given {
        match wanted {
            Wanted::Page(ask) => Given::Page(self.answer(reservation, &ask, at)),
            Wanted::Inbox(account, cursor) => {
                Given::Inbox(self.answer_inbox(reservation, (account, at), cursor.as_deref()))
            }
        }
    }
}

/// Something on the wire that somebody waits for.
struct Awaited<'a> {
    world: &'a RefCell<World>,
    id: u64,
}

impl Drop for Awaited<'_> {
    /// The engine waits no more: what it has sent may have reached the server or not.
    fn drop(&mut self) {
        let mut world = self.world.borrow_mut();
        if let Some((Item::Sent(wanted, reservation, at), _)) = world.wire.items.remove(&self.id)
            && world.wire.order.bool()
        {
            world.give(wanted, reservation, at);
        }
    }
}

impl Server {
    pub(crate) async fn exchange(&self, wanted: Wanted, reservation: Reservation) -> Given {
        let at = self.0.borrow().now;
        self.come(Item::Sent(wanted, reservation, at)).await
    }

    pub(crate) async fn wait(&self, for_ms: Ms) {
        let until = self.0.borrow().now + for_ms;
        self.come(Item::Wait(until)).await;
    }

    async fn come(&self, item: Item) -> Given {
        let id = self.0.borrow_mut().wire.put(item, Waker::noop().clone());
        let awaited = Awaited { world: &self.0, id };
        let given = poll_fn(|context| {
            let wire = &mut self.0.borrow_mut().wire;
            match wire.items.remove(&id) {
                Some((Item::Come(given), _)) => Poll::Ready(given),
                Some((item, _)) => {
                    wire.items.insert(id, (item, context.waker().clone()));
                    Poll::Pending
                }
                None => unreachable!("it stays on the wire until it is taken"),
            }
        });
        let given = given.await;
        drop(awaited);
        given
    }
}
