//! A fake API, an archive in a temporary file, the client between them, and what tests want to know of all three.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use archiver::api::{AccountAccess, ApiSettings, ApiVersion, HttpApi, Network, Rate};
use archiver::clock::Clock;
use archiver::core::Ms;
use archiver::core::budget::Caps;
use archiver::core::planner::backoff::Backoff;
use archiver::secret::Secret;
use archiver::store::{Configured, Store, Trigger};
use archiver::sync::watch::{self, Polled, Unended};
use archiver::sync::{self, NoProgress, Report, Settings, Stopper};
use fake_linkup::meter::RequestRow;
use fake_linkup::serve::{self, Running};
use fake_linkup::{Account, Behaviour, Mailbox, Person, Request, Server, ServerMessage};
use rusqlite::{Connection, OpenFlags, Params, Row};
use serde_json::{Value, json};
use tempfile::TempDir;

/// When every test begins: 2025-10-09, shortly before nine in the morning.
pub(crate) const NOW: Ms = 1_760_000_000_000;
pub(crate) const HOUR: Ms = 3_600_000;
pub(crate) const DAY: Ms = 24 * HOUR;
pub(crate) const KEY: &str = "the-api-key-of-the-tests";

/// A clock that stands still, but for those who wait.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now_ms(&self) -> Ms {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(i64::try_from(duration.as_millis()).unwrap());
        tokio::task::yield_now().await;
    }
}

impl TestClock {
    pub(crate) fn advance(&self, ms: Ms) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A message as `message_log` shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logged {
    pub(crate) urn: Option<String>,
    pub(crate) at_ms: Ms,
    pub(crate) sender: String,
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) versions: i64,
    pub(crate) gone_since: Option<String>,
    pub(crate) raw: Value,
}

pub(crate) struct World {
    pub(crate) server: Arc<Mutex<Server>>,
    pub(crate) clock: TestClock,
    pub(crate) settings: Settings,
    pub(crate) version: ApiVersion,
    api: HttpApi<TestClock>,
    running: Running,
    dir: TempDir,
    /// Requests that the server had seen before the last run.
    seen: usize,
}

/// A server with one account over this mailbox.
pub(crate) fn server(mailbox: Mailbox, behaviour: Behaviour) -> Server {
    let mut server = Server::new(KEY);
    server.behaviour = behaviour;
    server.add_account(Account::new("me", mailbox));
    server
}

/// A mailbox with a conversation of each size, an hour between messages, the newest a day old. The other sides are
/// called Ada and the conversation's place.
pub(crate) fn mailbox(sizes: &[usize]) -> Mailbox {
    let mut mailbox = Mailbox::of("Olga", "Owner");
    for (i, size) in sizes.iter().enumerate() {
        let start = NOW - DAY - i64::try_from(*size).unwrap() * HOUR - i64::try_from(i).unwrap() * 7_001;
        mailbox.with_messages(Person::named("Ada", &format!("N{i}")), *size, start, HOUR);
    }
    mailbox
}

impl World {
    /// Everything by its conversation's id, without any cap.
    pub(crate) async fn new(server: Server, version: ApiVersion) -> Self {
        let clock = TestClock(Arc::new(AtomicI64::new(NOW)));
        let accounts = server.accounts().iter().map(access).collect();
        let server = Arc::new(Mutex::new(server));
        let time = clock.clone();
        // Each request takes its time, so that no two carry the same one.
        let now = move || time.0.fetch_add(40, Ordering::Relaxed);
        let running = serve::bind(Arc::clone(&server), 0, now).await.unwrap();
        let api = ApiSettings {
            base_url: running.base_url().parse().unwrap(),
            version,
            api_key: Secret::new(KEY),
            timeout: Duration::from_secs(20),
            rate: Rate::new(1_000_000),
            network: Network::default(),
            accounts,
        };
        let mut world = Self {
            api: HttpApi::new(api, clock.clone()).unwrap(),
            settings: settings(),
            server,
            clock,
            version,
            running,
            dir: tempdir(),
            seen: 0,
        };
        world.by_id();
        world
    }

    /// The server, to look at or to change.
    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    /// Where the fake API listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.running.addr
    }

    /// Puts something between the client and the server, or gives the client less patience.
    pub(crate) fn reach(&mut self, base_url: &str, timeout: Duration) {
        let accounts = self.server().accounts().iter().map(access).collect();
        let api = ApiSettings {
            base_url: base_url.parse().unwrap(),
            version: self.version,
            api_key: Secret::new(KEY),
            timeout,
            rate: Rate::new(1_000_000),
            network: Network::default(),
            accounts,
        };
        self.api = HttpApi::new(api, self.clock.clone()).unwrap();
    }

    /// Configures every conversation by its id.
    pub(crate) fn by_id(&mut self) {
        let configured = |account: &Account| Configured {
            account: account.name.clone(),
            conversations: account.mailbox.conversations().iter().map(|c| (c.urn.clone(), None)).collect(),
            ..Configured::default()
        };
        let accounts = self.server().accounts().iter().map(configured).collect();
        self.settings.accounts = accounts;
    }

    /// Configures every conversation by the other side's profile.
    pub(crate) fn by_profile(&mut self) {
        let configured = |account: &Account| Configured {
            account: account.name.clone(),
            profiles: account
                .mailbox
                .conversations()
                .iter()
                .map(|c| (c.others[0].profile_url.clone().unwrap(), None))
                .collect(),
            ..Configured::default()
        };
        let accounts = self.server().accounts().iter().map(configured).collect();
        self.settings.accounts = accounts;
    }

    /// Configures every conversation by the profile that leads to it, where one does, else by its id.
    pub(crate) fn by_any(&mut self) {
        let configured = |account: &Account| {
            let (mut profiles, mut conversations) = (Vec::new(), Vec::new());
            for (i, c) in account.mailbox.conversations().iter().enumerate() {
                let url = c.others.first().and_then(|p| p.profile_url.clone());
                match url.filter(|url| account.mailbox.find_profile(url) == Some(i)) {
                    Some(url) => profiles.push((url, None)),
                    None => conversations.push((c.urn.clone(), None)),
                }
            }
            Configured { account: account.name.clone(), profiles, conversations, ..Configured::default() }
        };
        let accounts = self.server().accounts().iter().map(configured).collect();
        self.settings.accounts = accounts;
    }

    pub(crate) fn discover(&mut self) {
        let configured = |account: &Account| Configured {
            account: account.name.clone(),
            discover: true,
            ..Configured::default()
        };
        let accounts = self.server().accounts().iter().map(configured).collect();
        self.settings.accounts = accounts;
        self.settings.inbox = true;
    }

    /// At most so many credits a run.
    pub(crate) fn cap_runs(&mut self, credits: u32) {
        self.settings.caps = Caps { run: Some(credits), ..self.settings.caps };
    }

    /// One run, as `sync --once` makes it: the archive is opened for it and closed again. Whatever happens, no run
    /// may spend more than its cap.
    pub(crate) async fn run(&mut self) -> Report {
        let seen = self.server().meter.rows().len();
        self.seen = seen;
        let mut store = Store::open(&self.path()).unwrap();
        let (_stopper, stop) = Stopper::new();
        let report = sync::run(&mut store, &self.api, &self.clock, &self.settings, &stop, &mut NoProgress)
            .await
            .unwrap();
        store.close().unwrap();
        if let Some(cap) = self.settings.caps.run {
            assert!(self.charged() <= cap, "{} credits were charged, {cap} were allowed", self.charged());
            assert_eq!(report.credits_left.run, Some(cap.saturating_sub(report.credits_spent)));
        }
        let violations = self.server().meter.violations().to_vec();
        assert_eq!(violations, [], "a correct client does not send this");
        report
    }

    /// Reads the events, as the service does between two runs.
    pub(crate) async fn poll(&self, unended: &mut Unended) -> Polled {
        let mut store = Store::open(&self.path()).unwrap();
        let (_stopper, stop) = Stopper::new();
        let stops = (&stop, &stop);
        let polled = watch::poll(&mut store, &self.api, &self.settings, &self.clock, stops, unended).await;
        store.close().unwrap();
        polled.unwrap()
    }

    /// Runs, a day apart, until every head has been asked in turn and nothing was new or missing; at most so many.
    pub(crate) async fn run_until_quiet(&mut self, most: u32) {
        let mut quiet_requests = 0;
        for _ in 0..most {
            let report = self.run().await;
            let quiet = report.gaps_left == 0 && report.new_messages == 0;
            quiet_requests =
                if quiet { quiet_requests + usize::try_from(report.requests).unwrap() } else { 0 };
            if quiet_requests >= report.conversations.len() {
                return;
            }
            self.clock.advance(DAY);
        }
        panic!("not quiet after {most} runs: {:?}", self.gaps());
    }

    /// The server's own record of the last run.
    pub(crate) fn requests(&self) -> Vec<RequestRow> {
        self.server().meter.rows()[self.seen..].to_vec()
    }

    /// Credits that the server charged for the last run.
    pub(crate) fn charged(&self) -> u32 {
        self.requests().iter().map(|r| r.charged).sum()
    }

    pub(crate) fn clock_ms(&self) -> Ms {
        self.clock.now_ms()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("archive.db")
    }

    /// What a query finds in the file, through a connection of the test's own.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Vec<T> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(self.path(), flags).unwrap();
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map(params, read).unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.query(sql, [], |row| row.get::<_, Option<i64>>(0))[0].unwrap_or(0)
    }

    /// What the archive holds, by conversation, oldest first; the empty name is for those not known by any.
    pub(crate) fn logged(&self) -> BTreeMap<String, Vec<Logged>> {
        let rows = self.query(
            "SELECT ifnull(conversation_id, ''), entity_urn, sent_at_ms, sender, message_type, text, versions, gone_since, raw
             FROM message_log ORDER BY sent_at_ms, message_id",
            [],
            |row| {
                let logged = Logged {
                    urn: row.get(1)?,
                    at_ms: row.get(2)?,
                    sender: row.get(3)?,
                    kind: row.get(4)?,
                    text: row.get(5)?,
                    versions: row.get(6)?,
                    gone_since: row.get(7)?,
                    raw: serde_json::from_str(&row.get::<_, String>(8)?).unwrap(),
                };
                Ok((row.get::<_, String>(0)?, logged))
            },
        );
        let mut logged: BTreeMap<String, Vec<Logged>> = BTreeMap::new();
        for (conversation, row) in rows {
            logged.entry(conversation).or_default().push(row);
        }
        logged
    }

    /// What the archive holds of the conversation with this index in the first account.
    pub(crate) fn log_of(&self, conversation: usize) -> Vec<Logged> {
        self.logged().remove(&self.urn(conversation)).unwrap_or_default()
    }

    pub(crate) fn urn(&self, conversation: usize) -> String {
        self.server().mailbox(0).unwrap().conversation(conversation).unwrap().urn.clone()
    }

    /// The message as the first account's mailbox has it.
    pub(crate) fn message(&self, conversation: usize, index: usize) -> ServerMessage {
        self.server().mailbox(0).unwrap().conversation(conversation).unwrap().messages()[index].clone()
    }

    /// Reasons of stalled gaps, and null for the others, newest first within a conversation.
    pub(crate) fn gaps(&self) -> Vec<Option<String>> {
        self.query("SELECT stalled FROM gap_log ORDER BY conversation_id, newer_ms DESC", [], |r| r.get(0))
    }

    /// How many conversations the archive takes for complete.
    pub(crate) fn complete(&self) -> i64 {
        self.number("SELECT sum(complete) FROM conversation_log")
    }

    /// All items that the server would serve of a conversation now, newest first, as JSON. Neither charged nor logged.
    pub(crate) fn served(&self, account: usize, conversation: usize) -> Vec<Value> {
        let mut copy = self.server().clone();
        copy.faults.clear();
        copy.behaviour.page_limit = None;
        copy.behaviour.requests_per_minute = None;
        copy.meter.balance = u64::from(u32::MAX);
        let urn = &copy.mailbox(account).unwrap().conversation(conversation).unwrap().urn;
        let (of, most) = (&copy.accounts()[account], 1_000_000);
        let (path, body) = match self.version {
            ApiVersion::V1 => (
                "/v1/messages/conversation",
                json!({"login_token": of.login_token, "conversation_id": urn, "total_results": most}),
            ),
            ApiVersion::V2 => (
                "/v2/messages",
                json!({"account_id": of.account_id, "action": "get_conversation",
                    "params": {"conversation_id": urn, "count": most}}),
            ),
        };
        let body = body.to_string();
        let request = Request {
            method: "POST",
            path,
            api_key: Some(KEY),
            content_type: Some("application/json"),
            body: body.as_bytes(),
        };
        let reply = copy.handle(&request, self.clock.now_ms()).value();
        reply["data"]["messages"].as_array().unwrap_or_else(|| panic!("{reply}")).clone()
    }

    /// The archive holds what the server would serve now: each message once, as JSON to the last member, and whatever
    /// else it holds is marked as gone.
    pub(crate) fn assert_archived(&self) {
        let logged = self.logged();
        // Where no answer has told a conversation's URN, it goes by what it was asked by.
        let nameless = logged.keys().any(|id| !id.starts_with("urn:"));
        let name = |urn: &str| if nameless { String::new() } else { urn.to_owned() };
        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let conversations: Vec<(usize, usize, String)> = {
            let server = self.server();
            let of = |a: usize| server.mailbox(a).unwrap().conversations();
            let all = (0..server.accounts().len())
                .flat_map(|a| of(a).iter().enumerate().map(move |(c, conv)| (a, c, conv.urn.clone())));
            all.collect()
        };
        for (account, conversation, urn) in conversations {
            let items = self.served(account, conversation);
            expected.entry(name(&urn)).or_default().extend(items.iter().map(Value::to_string));
        }
        expected.retain(|_, items| !items.is_empty());
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (urn, rows) in &logged {
            let there = rows.iter().filter(|r| r.gone_since.is_none()).map(|r| r.raw.to_string());
            found.entry(name(urn)).or_default().extend(there);
        }
        found.retain(|_, items| !items.is_empty());
        for items in expected.values_mut().chain(found.values_mut()) {
            items.sort();
        }
        for (urn, expected) in &expected {
            let found = found.get(urn).map_or(&[][..], Vec::as_slice);
            let missing = some(expected.iter().filter(|i| !found.contains(i)));
            let extra = some(found.iter().filter(|i| !expected.contains(i)));
            assert!(missing.is_empty() && extra.is_empty(), "{urn}: missing {missing:#?}, extra {extra:#?}");
            assert_eq!(found.len(), expected.len(), "{urn}: {found:#?}");
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    }

    /// The ledger has a row for every request that the server saw, in that order. Each says what was charged, and
    /// where the answer got lost at least that.
    pub(crate) fn assert_ledger(&self) {
        let ledger = self.query(
            "SELECT credits_spent, credits_reserved, http_status FROM request_log ORDER BY request_id",
            [],
            |row| Ok((row.get::<_, Option<u32>>(0)?, row.get::<_, u32>(1)?, row.get::<_, Option<u16>>(2)?)),
        );
        let server = self.server();
        let rows = server.meter.rows();
        assert_eq!(ledger.len(), rows.len(), "requests in the ledger and at the server");
        for ((spent, reserved, status), row) in ledger.iter().zip(rows) {
            let spent = spent.unwrap_or_else(|| panic!("not settled: {row:?}"));
            // An item more than was asked for may be charged, as far as a client can tell.
            let most = reserved + u32::from(row.fault.as_deref() == Some("odd-item"));
            assert!((row.charged..=most).contains(&spent), "{spent} of {reserved} were spent on {row:?}");
            if row.fault.is_none() {
                assert_eq!((spent, *status), (row.charged, Some(row.status)), "{row:?}");
            }
        }
    }
}

/// A directory in memory where the system has such a place: thousands of commits would each wait for the disk.
fn tempdir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The number of items and the first few of them.
fn some<'a>(items: impl Iterator<Item = &'a String> + Clone) -> Vec<String> {
    let count = items.clone().count();
    let first = items.take(3).cloned();
    if count == 0 { Vec::new() } else { std::iter::once(count.to_string()).chain(first).collect() }
}

fn settings() -> Settings {
    Settings {
        trigger: Trigger::Once,
        caps: Caps::default(),
        account_caps: vec![],
        longest_silence: 64,
        recheck_days: None,
        reconcile: false,
        page_size: 50,
        in_flight: 1,
        in_flight_per_account: 1,
        retries: 3,
        backoff: Backoff { base: Duration::from_secs(2), max: Duration::from_secs(300) },
        jitter: || 0.5,
        accounts: Vec::new(),
        only: Vec::new(),
        inbox: false,
        events: false,
        parked: BTreeSet::new(),
        probe: false,
    }
}

fn access(account: &Account) -> AccountAccess {
    AccountAccess {
        name: account.name.clone(),
        country: account.country.clone(),
        login_token: Some(Secret::new(&account.login_token)),
        account_id: Some(account.account_id.clone()),
    }
}
