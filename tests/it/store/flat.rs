//! What a run that finds nothing costs does not depend on how much is archived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archiver::api::{Answer, Api, Ask, Turn};
use archiver::clock::Clock;
use archiver::core::Ms;
use archiver::core::budget::{Caps, Charge, Reservation};
use archiver::core::inbox::{InboxPage, InboxRow};
use archiver::core::model::page::Page;
use archiver::core::planner::backoff::Backoff;
use archiver::store::{Configured, Outcome, Store, Trigger};
use archiver::sync::{self, NoProgress, Report, Settings, Stopper};

use crate::bench::{NOW, item, last_page};

/// A mailbox of so many conversations with one message each, in which nothing happens.
struct Still(usize);

impl Still {
    fn at(conversation: usize) -> Ms {
        NOW - 1000 * i64::try_from(conversation + 1).unwrap()
    }
}

impl Api for Still {
    async fn turn(&self) -> Turn {
        Turn::free()
    }

    async fn conversation(&self, _: Turn, reservation: Reservation, ask: &Ask) -> Answer<Page> {
        let name = ask.conversation.id().unwrap();
        let conversation: usize = name.strip_prefix("2-c").unwrap().parse().unwrap();
        let page =
            last_page(&[item(&format!("u{conversation}"), Self::at(conversation), "Ada Example", "hello")]);
        let page = Page { conversation_urn: None, ..page };
        Answer { receipt: reservation.spend(Charge::Known(1)), http_status: Some(200), outcome: Ok(page) }
    }

    async fn inbox(
        &self,
        _: Turn,
        reservation: Reservation,
        _: usize,
        cursor: Option<&str>,
    ) -> Answer<InboxPage> {
        let from = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let to = self.0.min(from + usize::try_from(reservation.results()).unwrap());
        let row = |conversation: usize| InboxRow {
            conversation_urn: format!("2-c{conversation}"),
            name: Some(format!("Person {conversation}")),
            last_at_ms: Some(Self::at(conversation)),
            last_text: Some("hello".to_owned()),
            ..InboxRow::default()
        };
        let page = InboxPage {
            rows: (from..to).map(row).collect(),
            returned: u32::try_from(to - from).unwrap(),
            next_cursor: (to < self.0).then(|| to.to_string()),
            ..InboxPage::default()
        };
        let receipt = reservation.spend(Charge::told(None, page.returned));
        Answer { receipt, http_status: Some(200), outcome: Ok(page) }
    }

    async fn balance(&self) -> Option<f64> {
        None
    }

    fn tells_price(&self) -> bool {
        true
    }

    fn endpoint(&self) -> &'static str {
        "still"
    }

    fn inbox_endpoint(&self) -> &'static str {
        "still inbox"
    }
}

/// A clock that stands still.
struct Noon;

impl Clock for Noon {
    fn now_ms(&self) -> Ms {
        NOW
    }

    async fn sleep(&self, _: Duration) {}
}

fn run(store: &mut Store, api: &Still) -> Report {
    let account = Configured { account: "me".into(), discover: true, ..Configured::default() };
    let settings = Settings {
        trigger: Trigger::Once,
        caps: Caps::default(),
        account_caps: vec![],
        page_size: 50,
        in_flight: 4,
        in_flight_per_account: 4,
        retries: 0,
        backoff: Backoff { base: Duration::from_secs(1), max: Duration::from_secs(1) },
        jitter: || 0.5,
        accounts: vec![account],
        only: vec![],
        inbox: true,
        longest_silence: 64,
        recheck_days: Some(30),
        reconcile: false,
        events: false,
        parked: BTreeSet::new(),
        probe: false,
    };
    let (_stopper, stop) = Stopper::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut unseen = NoProgress;
    let run = sync::run(store, api, &Noon, &settings, &stop, &mut unseen);
    runtime.block_on(run).unwrap()
}

/// The statements of an idle run over so many conversations, and how often each was executed.
fn idle(conversations: usize) -> BTreeMap<String, u32> {
    let mut store = Store::in_memory().unwrap();
    let api = Still(conversations);
    let first = run(&mut store, &api);
    assert_eq!((first.outcome, first.new_messages as usize), (Outcome::Complete, conversations));
    let seen: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let count = move |sql: &str| *sink.lock().unwrap().entry(sql.to_owned()).or_default() += 1;
    store.trace(count).unwrap();
    let report = run(&mut store, &api);
    assert_eq!(
        (report.outcome, report.requests, report.credits_spent),
        (Outcome::Complete, 1, 1),
        "{report:?}"
    );
    assert_eq!((report.conversations.len(), report.gaps_left), (0, 0));
    drop(store);
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

#[test]
fn an_idle_run_executes_the_same_statements_whatever_is_stored() {
    let (few, many) = (idle(40), idle(crate::support::share(1_200)));
    assert_eq!(few, many);
    let executed: u32 = few.values().sum();
    assert!(executed < 200, "{executed} statements: {few:#?}");
}
