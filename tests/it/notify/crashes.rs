//! A simulation: conversations change, runs come and go, receivers fail in every way, and the process dies between any two
//! steps. In the end every sink has got every change, in the order of each conversation, under one id each, and nothing
//! twice but where an answer was lost or the process died. `ARCHIVER_SIM_SEED` runs one seed alone.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use archiver::clock::Clock;
use archiver::config::Sink;
use archiver::core::Ms;
use archiver::core::alert::{AlertKind, Cause};
use archiver::notify::{Carrier, Courier, CourierStep, Delivered, Parcel};
use archiver::store::{ChangeRow, Outbox};
use fastrand::Rng;
use futures_util::FutureExt as _;
use serde_json::Value;

use super::sinks;
use crate::bench::{Bench, item, last_page};
use crate::support::share;

const SINKS: &str = r#"
[[notify]]
name = "all"
kind = "command"
command = ["x"]
summary_over = 0

[[notify]]
name = "some"
kind = "command"
command = ["x"]
what = ["new", "edited"]
query = "-secret"
summary_over = 0

[[notify]]
name = "sums up"
kind = "command"
command = ["x"]
summary_over = 4

[[notify]]
name = "mail"
kind = "email"
url = "smtps://localhost"
from = "a@example.org"
to = ["b@example.org"]
summary_over = 6
"#;

#[derive(Clone)]
struct SimClock<'a>(&'a Cell<Ms>);

impl Clock for SimClock<'_> {
    fn now_ms(&self) -> Ms {
        self.0.get()
    }

    async fn sleep(&self, _: Duration) {}
}

/// How the receiver treats one attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Treatment {
    Accepts,
    Refuses,
    /// It has the event, but the answer does not come back.
    LosesTheAnswer,
    /// The process dies before the event has left.
    DiesBefore,
    /// The process dies when the receiver has the event.
    DiesAfter,
}

/// What a receiver got.
struct Received {
    id: String,
    json: Value,
    /// How many alerts or changes that is, as the sender counts them.
    events: i64,
    /// Whether the sender knows that it came.
    treatment: Treatment,
}

struct Receiver<'a> {
    rng: &'a RefCell<Rng>,
    /// Of a hundred attempts, how many go wrong.
    bad: &'a Cell<u8>,
    received: RefCell<Vec<Received>>,
}

impl Carrier for Receiver<'_> {
    async fn deliver(&self, parcel: &Parcel, _: Ms) -> Delivered {
        let treatment = {
            let mut rng = self.rng.borrow_mut();
            match rng.u8(0..100) < self.bad.get() {
                false => Treatment::Accepts,
                true => rng
                    .choice([
                        Treatment::Refuses,
                        Treatment::LosesTheAnswer,
                        Treatment::DiesBefore,
                        Treatment::DiesAfter,
                    ])
                    .unwrap(),
            }
        };
        if !matches!(treatment, Treatment::Refuses | Treatment::DiesBefore) {
            let Parcel { id, json, events, .. } = parcel.clone();
            self.received.borrow_mut().push(Received { id, json, events, treatment });
        }
        match treatment {
            Treatment::Accepts => Delivered::Accepted,
            Treatment::Refuses | Treatment::LosesTheAnswer => Delivered::failed("500"),
            Treatment::DiesBefore | Treatment::DiesAfter => std::future::pending().await,
        }
    }
}

/// A change as it was when it was stored.
#[derive(Debug, Clone, PartialEq)]
struct Happened {
    seq: i64,
    kind: String,
    conversation: i64,
    text: String,
    history: bool,
}

/// A conversation as the server has it: each message's number, time, text and whether it is there.
type Messages = Vec<(u32, Ms, String, bool)>;

struct World<'a> {
    bench: Bench,
    rng: &'a RefCell<Rng>,
    clock: &'a Cell<Ms>,
    conversations: Vec<Messages>,
    numbers: u32,
    happened: Vec<Happened>,
    alerts: usize,
}

impl<'a> World<'a> {
    fn new(rng: &'a RefCell<Rng>, clock: &'a Cell<Ms>) -> Self {
        let bench = Bench::new(3);
        clock.set(bench.now);
        let conversations = vec![Messages::new(); 3];
        let mut world =
            Self { bench, rng, clock, conversations, numbers: 0, happened: Vec::new(), alerts: 0 };
        for at in 0..3 {
            // History, which nobody gets.
            for ago in [5_000_000, 4_000_000, 3_000_000] {
                world.send(at, world.bench.now - ago * 100);
            }
            world.fetch(at);
        }
        world
    }

    fn send(&mut self, at: usize, time: Ms) {
        self.numbers += 1;
        let secret = if self.rng.borrow_mut().u8(0..4) == 0 { " secret" } else { "" };
        let text = format!("message {}{secret}", self.numbers);
        self.conversations[at].push((self.numbers, time, text, true));
    }

    /// Something happens to a message that is neither the first nor the last.
    fn touch(&mut self, at: usize) {
        let mut rng = self.rng.borrow_mut();
        let messages = &mut self.conversations[at];
        let which = rng.usize(1..messages.len() - 1);
        let (number, _, text, is_there) = &mut messages[which];
        if rng.bool() && *is_there {
            let secret = if rng.bool() { " secret" } else { "" };
            *text = format!("message {number} edited {}{secret}", rng.u32(..));
        } else {
            *is_there = !*is_there;
        }
    }

    /// A page of the conversation is stored, and what that changed is noted.
    fn fetch(&mut self, at: usize) {
        let there = self.conversations[at].iter().rev().filter(|(.., is_there)| *is_there);
        let items: Vec<String> = there
            .map(|(number, time, text, _)| item(&format!("u{number}"), *time, "Ada Example", text))
            .collect();
        self.bench.put(at, &last_page(&items)).unwrap();
        self.clock.set(self.clock.get().max(self.bench.now));
        let since = self.happened.last().map_or(0, |last| last.seq);
        let note = |change: ChangeRow| {
            let message = change.message.stored().unwrap();
            self.happened.push(Happened {
                seq: change.seq,
                kind: change.kind,
                conversation: message.conversation.0,
                text: message.message.text,
                history: change.history,
            });
            ControlFlow::<()>::Continue(())
        };
        self.bench.store.queries().changes(since, None, note).unwrap();
    }

    fn something_happens(&mut self) {
        let (what, at) = {
            let mut rng = self.rng.borrow_mut();
            (rng.u8(0..10), rng.usize(0..3))
        };
        match what {
            0..=3 => {
                let count = self.rng.borrow_mut().u8(1..4);
                for _ in 0..count {
                    self.bench.now += 1;
                    self.send(at, self.bench.now);
                }
                self.fetch(at);
            }
            4..=6 => {
                self.touch(at);
                self.fetch(at);
            }
            7 => {
                self.alerts += 1;
                let text = format!("alert {}", self.alerts);
                let kind = AlertKind::Refused(Cause::Account);
                self.bench.store.add_notice((kind, Some("me")), &text, None, self.clock.get()).unwrap();
            }
            8 => self.bench.next_run(),
            _ => {
                let wait = self.rng.borrow_mut().i64(0..7_200_000);
                self.clock.set(self.clock.get() + wait);
                self.bench.now = self.clock.get();
            }
        }
    }
}

/// The couriers and their way to the archive, which a crash takes away.
struct Office {
    outbox: RefCell<Outbox>,
    couriers: Vec<Courier>,
}

impl Office {
    fn open(world: &World<'_>, sinks: &[Sink]) -> Self {
        let mut outbox = world.bench.store.outbox().unwrap();
        let couriers = sinks.iter().map(|sink| Courier::new(sink, &mut outbox).unwrap()).collect();
        Self { outbox: RefCell::new(outbox), couriers }
    }
}

/// Whether the sink is to get this.
fn wants(sink: &Sink, change: &Happened) -> bool {
    let kind = sink.what.iter().any(|kind| kind.as_str() == change.kind);
    kind && !change.history && (sink.query.is_none() || !change.text.contains("secret"))
}

fn simulate(seed: u64) {
    let (rng, clock, bad) = (RefCell::new(Rng::with_seed(seed)), Cell::new(0), Cell::new(45));
    let sinks = sinks(SINKS);
    let mut world = World::new(&rng, &clock);
    let receivers: Vec<Receiver<'_>> =
        sinks.iter().map(|_| Receiver { rng: &rng, bad: &bad, received: RefCell::default() }).collect();
    let mut office = Office::open(&world, &sinks);
    let step = |office: &mut Option<Office>, at: usize| -> Option<CourierStep> {
        let Office { outbox, couriers } = office.as_mut().unwrap();
        let done = couriers[at].step(outbox, &receivers[at], &SimClock(&clock), 0.5).now_or_never();
        match done {
            Some(done) => Some(done.unwrap()),
            // The process has died.
            None => {
                *office = None;
                None
            }
        }
    };
    for _ in 0..60 {
        world.something_happens();
        let at = rng.borrow_mut().usize(0..sinks.len());
        let mut open = Some(office);
        step(&mut open, at);
        office = match open {
            Some(office) => office,
            None => {
                world.bench.crash();
                Office::open(&world, &sinks)
            }
        };
    }
    // From now on all goes well.
    bad.set(0);
    world.bench.next_run();
    let mut open = Some(office);
    for (at, sink) in sinks.iter().enumerate() {
        for turn in 0.. {
            assert!(turn < 2_000, "seed {seed}: {} is never done", sink.name);
            match step(&mut open, at).unwrap() {
                CourierStep::Idle(None) => break,
                CourierStep::Idle(Some(until)) => clock.set(until),
                CourierStep::Delivered | CourierStep::Failed => {}
            }
        }
    }
    for (sink, receiver) in sinks.iter().zip(&receivers) {
        check(seed, sink, &world, &receiver.received.borrow());
    }
}

fn check(seed: u64, sink: &Sink, world: &World<'_>, received: &[Received]) {
    let place = format!("seed {seed}, sink {:?}", sink.name);
    let by_seq: BTreeMap<i64, &Happened> = world.happened.iter().map(|change| (change.seq, change)).collect();
    let mut known: BTreeMap<&str, (&Value, Treatment)> = BTreeMap::new();
    let mut ids: BTreeMap<i64, &str> = BTreeMap::new();
    let (mut delivered, mut alerts): (Vec<i64>, Vec<String>) = (Vec::new(), Vec::new());
    for Received { id, json, events, treatment } in received {
        if let Some((before, how)) = known.insert(id, (json, *treatment)) {
            assert_ne!(how, Treatment::Accepts, "{place}: {id} came again after it was accepted");
            for member in ["seq", "kind", "text", "since", "until", "message"] {
                assert_eq!(before["data"][member], json["data"][member], "{place}: {id} is another event");
            }
            continue;
        }
        let data = &json["data"];
        match json["type"].as_str().unwrap() {
            "alert" => {
                assert_eq!(*events, 1, "{place}");
                alerts.push(data["message"].as_str().unwrap().to_owned());
            }
            "summary" | "digest" => {
                let (since, until) = (data["since"].as_i64().unwrap(), data["until"].as_i64().unwrap());
                let covered = by_seq.range(since + 1..=until).filter(|(_, change)| wants(sink, change));
                let covered: Vec<i64> = covered.map(|(seq, _)| *seq).collect();
                if json["type"] == "summary" {
                    let of = |kind: &str| data[kind].as_i64().unwrap();
                    let count: i64 = ["new", "edited", "gone", "back"].map(of).iter().sum();
                    assert_eq!(count, *events, "{place}: {json}");
                }
                assert_eq!(*events, i64::try_from(covered.len()).unwrap(), "{place}: {json}");
                for seq in covered {
                    assert_eq!(ids.insert(seq, id), None, "{place}: {seq} has two ids");
                    delivered.push(seq);
                }
            }
            _ => {
                let change = by_seq[&data["seq"].as_i64().unwrap()];
                assert_eq!(*events, 1, "{place}");
                assert!(wants(sink, change), "{place}: {json} is none of its");
                assert_eq!(data["kind"], change.kind, "{place}");
                assert_eq!(data["text"], change.text, "{place}: what it said when it was changed");
                assert_eq!(ids.insert(change.seq, id), None, "{place}: {} has two ids", change.seq);
                delivered.push(change.seq);
            }
        }
    }
    // Every change, in the order of changes, which is that of each conversation.
    let wanted: Vec<i64> =
        world.happened.iter().filter(|change| wants(sink, change)).map(|change| change.seq).collect();
    assert_eq!(delivered, wanted, "{place}");
    let all: Vec<String> = match sink.name.as_str() {
        "some" => Vec::new(),
        _ => (1..=world.alerts).map(|n| format!("alert {n}")).collect(),
    };
    assert_eq!(alerts, all, "{place}");
}

/// Seeds that failed once.
const PAST: [u64; 0] = [];

#[test]
fn every_sink_gets_every_change_in_order_whatever_dies_and_nothing_twice_but_for_that() {
    if let Ok(seed) = std::env::var("ARCHIVER_SIM_SEED") {
        return simulate(seed.parse().unwrap());
    }
    PAST.into_iter().for_each(simulate);
    (0..u64::try_from(share(60)).unwrap()).for_each(simulate);
}
