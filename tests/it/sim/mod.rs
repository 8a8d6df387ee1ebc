//! Whole histories, seeded: a server that lives and fails, an engine that crashes, budgets from one credit upward.
//!
//! `ARCHIVER_SIM_HISTORIES` sets how many are run; two fifths of them also go through SQLite. `ARCHIVER_SIM_SEED` runs one
//! alone; with `ARCHIVER_SIM_SURVEY` a failure does not stop the others. A failure prints its seed; seeds that once failed
//! are kept in `OLD_FOES` and run every time.

mod crash;
mod erasures;
mod free_faults;
mod memory;
mod side_by_side;
mod wild;
mod wire;
mod world;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use archiver::core::budget::calendar::day_and_month;
use archiver::core::budget::{self, Caps};
use archiver::core::model::ids::{AccountId, RunId};
use archiver::core::planner::backoff::Backoff;
use archiver::core::planner::forecast::{Prospect, forecast};
use archiver::core::planner::plan::{Load, Plan};
use archiver::core::planner::state::{Room, Share, State};
use archiver::store::{
    ChangeRow, Configured, ConversationRow, FeedMessage, MessageRow, Scope, Store, Trigger,
};
use archiver::sync::{self, Archive, NoProgress, Report, RunError, Settings, Stopper};
use fastrand::Rng;

use crash::Crashing;
use erasures::Erasures;
use memory::MemArchive;
use wild::Wild;
use wire::{Wire, drive};
use world::{Server, Traits, World};

use crate::support::sample;

/// Seeds that once failed.
const OLD_FOES: &[u64] = &[
    35, 221, 277, 395, 760, 846, 1_064, 1_985, 2_274, 2_908, 3_482, 4_458, 4_521, 4_681, 4_701, 4_773, 5_201,
    8_396, 9_465, 17_790, 30_060, 41_040, 45_245, 53_675, 159_803, 201_924, 210_295, 270_615, 299_366,
    339_910, 340_762, 379_203, 428_524, 528_770, 563_545, 634_123, 865_858, 71_047, 137_284, 900_352,
];

/// Seeds that failed since inboxes have a life of their own.
const LIVELY_FOES: &[u64] = &[
    55, 555, 603, 1_166, 1_389, 1_440, 1_670, 2_075, 4_354, 4_491, 5_750, 5_996, 7_729, 30_055, 31_140,
    4_000_260,
];

/// A balance that no history can spend.
const PLENTY: f64 = 1e9;

/// What the inbox is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inbox {
    Off,
    Probe,
    Discover,
}

/// The accounts of the configuration, among which the conversations are dealt out.
fn accounts(count: usize, configured: std::ops::Range<usize>, inbox: Inbox) -> Vec<Configured> {
    let account = |at: usize| Configured {
        account: format!("me{at}"),
        conversations: configured
            .clone()
            .filter(|i| i % count == at)
            .map(|i| (wild::thread(i), None))
            .collect(),
        discover: inbox == Inbox::Discover,
        ..Configured::default()
    };
    (0..count).map(account).collect()
}

fn settings(
    accounts: Vec<Configured>,
    inbox: Inbox,
    (caps, account_caps): (Caps, Vec<Caps>),
    page_size: u32,
    recheck_days: Option<u32>,
    reconcile: bool,
) -> Settings {
    Settings {
        trigger: Trigger::Once,
        caps,
        account_caps,
        longest_silence: 64,
        recheck_days,
        reconcile,
        page_size,
        in_flight: 1,
        in_flight_per_account: 1,
        retries: 2,
        backoff: Backoff { base: Duration::from_secs(2), max: Duration::from_secs(60) },
        jitter: || 0.5,
        accounts,
        only: vec![],
        inbox: inbox != Inbox::Off,
        events: false,
        parked: BTreeSet::new(),
        probe: false,
    }
}

fn one_run(archive: &mut impl Archive, server: &Server, settings: &Settings) -> Result<Report, RunError> {
    let (_stopper, stop) = Stopper::new();
    server.0.borrow_mut().begin_run();
    drive(server, sync::run(archive, server, server, settings, &stop, &mut NoProgress))
}

/// An archive that knows the number of the next run.
trait Numbered: Archive {
    fn next_run(&self) -> RunId;

    /// Whether it is known whose mailbox each account is.
    fn knows_owners(&self, _: usize) -> bool {
        false
    }

    /// Takes a copy to come back to.
    fn remember(&mut self) {}

    /// Puts the copy in place of what came after it; the ledger is not forgotten.
    fn go_back(&mut self) {}
}

impl Numbered for MemArchive {
    fn next_run(&self) -> RunId {
        RunId(self.runs + 1)
    }

    fn knows_owners(&self, accounts: usize) -> bool {
        (1..=accounts)
            .all(|id| self.owners(AccountId(i64::try_from(id).unwrap())).unwrap().of_messages.is_some())
    }

    fn remember(&mut self) {
        MemArchive::remember(self);
    }

    fn go_back(&mut self) {
        MemArchive::go_back(self);
    }
}

impl Numbered for Store {
    fn knows_owners(&self, accounts: usize) -> bool {
        (1..=accounts)
            .all(|id| self.owners(AccountId(i64::try_from(id).unwrap())).unwrap().of_messages.is_some())
    }

    fn next_run(&self) -> RunId {
        self.queries().next_run().unwrap().number
    }
}

/// What the plan says of the next run: at least, and at most.
fn foretold<A: Numbered>(archive: &mut A, history: &History) -> (u32, u32) {
    let settings = &history.settings;
    let now = history.server.0.borrow().now;
    let ids = archive.configure(&settings.accounts, now).unwrap();
    let targets = archive.targets(&ids).unwrap();
    let inboxes = if settings.inbox { archive.inboxes(&settings.accounts, now).unwrap() } else { vec![] };
    let ids: BTreeMap<usize, AccountId> = ids.into_iter().enumerate().collect();
    let state = State {
        inboxes: inboxes.into_iter().map(|(_, inbox)| inbox).collect(),
        conversations: targets.into_iter().map(|t| t.plan).collect(),
    };
    let run = archive.next_run();
    let spent = archive.spent(run, now).unwrap();
    let left = budget::left(&settings.caps, &spent).least();
    let own = |(at, caps): (usize, &Caps)| {
        let spent = ids.get(&at).map(|id| archive.spent_by(*id, run, now).unwrap()).unwrap_or_default();
        budget::left(caps, &spent).least()
    };
    let accounts = settings.account_caps.iter().enumerate().map(own).collect();
    let room = Room { all: left, accounts, spare: budget::spare(&settings.caps, &spent) };
    let share =
        |id: Option<AccountId>, budget| Share { budget, head_came_last: archive.head_came_last(id).unwrap() };
    let shares = room.accounts.iter().enumerate();
    let shares = shares.map(|(at, budget)| match ids.get(&at) {
        Some(id) => share(Some(*id), *budget),
        None => Share { budget: *budget, head_came_last: false },
    });
    let limits = settings.limits(share(None, left), shares.collect(), run, now);
    let nothing_more = |_: &mut Plan, load: Load| Err(load);
    let range = forecast(Prospect::of_all(&state, &limits), &room, true, nothing_more).unwrap().next_run;
    (range.min, range.max.unwrap())
}

/// One history, drawn from its seed.
struct History {
    server: Server,
    settings: Settings,
}

impl History {
    /// The tightest of all caps: at least so many credits a run get through once a new day and month begin.
    fn least(&self) -> u32 {
        let caps = std::iter::once(&self.settings.caps).chain(&self.settings.account_caps);
        caps.flat_map(|c| [c.run, c.day, c.month]).flatten().min().unwrap()
    }

    /// Whether a cap of a day or a month began anew between these moments: what was foretold holds until then.
    fn renewed(&self, from: i64, to: i64) -> bool {
        let mut caps = std::iter::once(&self.settings.caps).chain(&self.settings.account_caps);
        caps.any(|c| c.day.or(c.month).is_some()) && day_and_month(from) != day_and_month(to)
    }

    /// Whether nothing tells where a conversation ends.
    fn never_ends(&self) -> bool {
        let traits = &self.server.0.borrow().traits;
        traits.wild.endless && !traits.counts
    }

    /// Time from one run to the next once all is calm: a month where that has a cap.
    fn pace(&self) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        let mut caps = std::iter::once(&self.settings.caps).chain(&self.settings.account_caps);
        if caps.any(|c| c.month.is_some()) { 31 * DAY_MS } else { DAY_MS }
    }
}

/// Caps, accounts and balances, drawn apart from the rest, so that a seed's conversations stay what they were.
struct Purses {
    accounts: usize,
    month: Option<u32>,
    account_caps: Vec<Caps>,
    reconcile: bool,
    by_request: bool,
}

fn purses(seed: u64, budget: u32, may_count_requests: bool) -> Purses {
    let mut rng = Rng::with_seed(seed ^ 0x9e37_79b9);
    let accounts = if rng.u8(..) < 80 { 2 } else { 1 };
    let mut cap = |chance: u8, most: u32| (rng.u8(..) < chance).then(|| rng.u32(1..=most));
    let month = cap(50, budget * 6);
    let capped = cap(80, 1).is_some();
    let own = |_| Caps { run: cap(128, budget), day: cap(60, budget * 2), month: cap(40, budget * 4) };
    let account_caps = if capped { (0..accounts).map(own).collect() } else { vec![] };
    let reconcile = rng.u8(..) < 100;
    let by_request = may_count_requests && reconcile && rng.bool();
    Purses { accounts, month, account_caps, reconcile, by_request }
}

/// How many requests may be under way, of all and of an account: half of the histories are serial.
fn in_flight(seed: u64) -> (u32, u32) {
    let mut rng = Rng::with_seed(seed ^ 0xf1_1e5);
    let most = [1, 1, 1, 2, 4, 16][rng.usize(0..6)];
    (most, [1, 2, 4, 4][rng.usize(0..4)])
}

fn draw(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let urns = rng.u8(..) < 230;
    let traits = Traits {
        inclusive: rng.bool(),
        urns,
        counts: rng.bool(),
        edits: urns && rng.bool(),
        v2: rng.bool(),
        faults: [0, 0, 30, 150, 400][rng.usize(0..5)],
        free_faults: 0,
        bustle: [0, 5, 30][rng.usize(0..3)],
        page_cap: [1000, 1000, 25][rng.usize(0..3)],
        ties: rng.bool(),
        hidden_from: usize::MAX,
        inbox: false,
        accounts: 1,
        by_request: false,
        wild: Wild::draw(seed, urns),
    };
    let inbox = [Inbox::Off, Inbox::Probe, Inbox::Discover][rng.usize(0..3)];
    let most = if inbox == Inbox::Off { 4 } else { 24 };
    let sizes: Vec<u32> = (0..rng.usize(1..=most))
        .map(|_| match rng.u32(0..4) {
            0 => rng.u32(0..=3),
            1 => rng.u32(8..=12),
            2 => rng.u32(0..=60),
            _ if most > 4 => rng.u32(0..=9),
            _ => rng.u32(0..=220),
        })
        .collect();
    let budget = [1, 1, 2, 3, 5, 10, 50][rng.usize(0..7)];
    let page_size = [10, 20, 50, 100][rng.usize(0..4)];
    let day = if rng.u8(..) < 30 { Some(budget * 3) } else { None };
    let recheck_days = (rng.u8(..) < 40).then_some(3);
    let purses = purses(seed, budget, !traits.v2 && traits.faults == 0);
    let caps = (Caps { run: Some(budget), day, month: purses.month }, purses.account_caps);
    // Some conversations are never in the inbox; those must be configured, the others need not be to be discovered.
    let hidden_from = if rng.bool() { sizes.len() } else { rng.usize(0..=sizes.len()) };
    let configured_from = if inbox == Inbox::Discover { rng.usize(0..=hidden_from) } else { 0 };
    let Purses { accounts: count, by_request, reconcile, .. } = purses;
    let mut traits =
        Traits { hidden_from, inbox: inbox != Inbox::Off, accounts: count, by_request, ..traits };
    // What turns up late leaves no trace but in the count.
    traits.counts |= traits.wild.late;
    let mut recheck_days = recheck_days;
    // Seeds that failed before that stay the histories they were.
    if inbox != Inbox::Off && !OLD_FOES.contains(&seed) {
        traits.wild = traits.wild.with_lively_inbox(seed);
        // What leaves the inbox below its first page is found where that is read again from time to time.
        recheck_days = recheck_days.or(traits.wild.leaves.then_some(3));
        // Of two messages of one millisecond a page may show one alone, which looks like the other.
        traits.ties &= !traits.wild.lags;
    }
    let mut world = World::new(rng.fork(), traits, &sizes);
    world.caps = caps.clone();
    world.balance = reconcile.then_some(PLENTY);
    let accounts = accounts(count, configured_from..sizes.len(), inbox);
    let settings = settings(accounts, inbox, caps, page_size, recheck_days, reconcile);
    let (in_flight, in_flight_per_account) = in_flight(seed);
    let settings = Settings { in_flight, in_flight_per_account, ..settings };
    world.wire = Wire::new(seed, (in_flight as usize, in_flight_per_account as usize));
    History { settings, server: Server(RefCell::new(world)) }
}

/// The lively part: runs with faults, growth and crashes, the budget checked after each.
fn turmoil<A: Numbered>(seed: u64, history: &History, archive: &mut A) {
    turmoil_with(seed, history, archive, |_| ());
}

/// The same, with something that happens to the archive between runs.
fn turmoil_with<A: Numbered>(seed: u64, history: &History, archive: &mut A, mut between: impl FnMut(&mut A)) {
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    for _ in 0..rng.u32(1..=6) {
        between(archive);
        if history.settings.reconcile {
            let short = rng.u8(..) < 80;
            let credits = if short { f64::from(rng.u32(0..400)) / 10.0 } else { PLENTY };
            history.server.0.borrow_mut().balance = Some(credits);
        }
        let settings = Settings { probe: rng.u8(..) < 30, ..history.settings.clone() };
        archive.configure(&settings.accounts, history.server.0.borrow().now).unwrap();
        wild_weather(&mut rng, history, archive);
        let (_, most) = foretold(archive, history);
        let before = history.server.0.borrow().now;
        let crash_at = (rng.u8(..) < 120).then(|| rng.u32(0..40));
        let mut crashing = Crashing::new(archive, crash_at);
        match one_run(&mut crashing, &history.server, &settings) {
            Ok(_) => {}
            Err(RunError::Store(_)) if crashing.crashed() => {}
            Err(error) => panic!("{error}"),
        }
        let mut world = history.server.0.borrow_mut();
        let kept = world.charged_this_run() <= most || history.renewed(before, world.now);
        assert!(kept, "{most} at most were foretold");
        for _ in 0..rng.u32(0..3) {
            world.live();
        }
        world.now += i64::from(rng.u32(0..100_000_000));
    }
}

/// What is wild about the next run.
fn wild_weather<A: Numbered>(rng: &mut Rng, history: &History, archive: &mut A) {
    let accounts = history.settings.accounts.len();
    let wild = &mut history.server.0.borrow_mut().traits.wild;
    // Drawn only where it matters, so that tame histories stay what they were.
    if let Some(shift) = wild.shifts {
        wild.shift = if rng.bool() { shift } else { 0 };
    }
    if wild.restores {
        match rng.u8(0..4) {
            0 => archive.remember(),
            1 => archive.go_back(),
            _ => {}
        }
    }
    if wild.imposter {
        // Once it is known whose mailbox it is.
        wild.imposing = rng.u8(..) < 80 && archive.knows_owners(accounts);
    }
}

/// Calm: faults and growth end, and after enough runs nothing is missing. Returns what was charged by the end of the last
/// run that found something missing.
fn settle<A: Numbered>(history: &History, archive: &mut A) -> u32 {
    {
        let mut world = history.server.0.borrow_mut();
        world.traits.faults = 0;
        world.traits.bustle = 0;
        world.balance = world.balance.map(|_| PLENTY);
        world.calm_down();
    }
    let messages: usize = history.server.0.borrow().conversations.iter().map(Vec::len).sum();
    let accounts = history.settings.accounts.len();
    let heads = history.server.0.borrow().conversations.len() + accounts;
    // An inbox that is read again is not missing anything by that, and may take so many runs that it is always under way.
    let walks_again = history.settings.inbox && history.settings.recheck_days.is_some();
    let mut inboxes_read = false;
    // What the inbox never shows, or may hide, is looked at ever less often, but at least once in 64 runs.
    let long = history.settings.inbox && {
        let world = history.server.0.borrow();
        let wild = &world.traits.wild;
        wild.by_time || walks_again || world.traits.hidden_from < world.conversations.len()
    };
    // An end that nothing but its repetition speaks for is believed at the ninth attempt, and what stands at its border is
    // asked for once more after that: some 80 runs after the first attempt.
    let most = accounts * if long { 600 } else { 90 }
        + (messages + heads * 10) * 2 / usize::try_from(history.least()).unwrap();
    let wild = history.server.0.borrow().traits.wild.clone();
    // What is doubted is asked again, by runs ever further apart.
    let most = if wild.is_tame() { most } else { most * 3 + 200 };
    // Every head asked, nothing new, no gap: then all is there.
    let mut quiet_heads = 0;
    let mut quiet_runs = 0;
    let mut until_quiet = 0;
    for run in 0..most {
        history.server.0.borrow_mut().now += history.pace();
        let (least, most) = foretold(archive, history);
        let before = history.server.0.borrow().now;
        let report = one_run(archive, &history.server, &history.settings).unwrap();
        let foretold = least..=most;
        let renewed = history.renewed(before, history.server.0.borrow().now);
        let kept = foretold.contains(&report.credits_spent) || renewed;
        assert!(kept, "{foretold:?} were foretold: {report:?}");
        if std::env::var("ARCHIVER_SIM_SEED").is_ok() {
            eprintln!("{report:?}");
        }
        // With few credits the next walk begins in the run that ends one; in so many runs, one has come to its end.
        inboxes_read |= report.gaps_left == 0 || run > 200;
        let only_walks = walks_again && inboxes_read && {
            let ids = archive.configure(&history.settings.accounts, before).unwrap();
            archive.missing(&ids, false).unwrap().gaps == 0
        };
        let quiet = (report.gaps_left == 0 || only_walks) && report.new_messages == 0;
        quiet_heads = if quiet { quiet_heads + usize::try_from(report.requests).unwrap() } else { 0 };
        quiet_runs = if quiet { quiet_runs + usize::from(report.requests > 0) } else { 0 };
        if !quiet {
            until_quiet = history.server.0.borrow().charged();
        }
        if quiet_heads > 2 * heads + 1 && (!long || quiet_runs > 140 * accounts) {
            return until_quiet;
        }
    }
    // Nothing tells the end of a conversation whose last page names one more cursor, and no count does either.
    if history.never_ends() {
        return until_quiet;
    }
    panic!("not complete after {most} runs");
}

/// What an archive holds of a conversation, for comparison: URN or empty, time, text, gone.
type Row = (String, i64, String, bool);

fn compare(history: &History, stored: &BTreeMap<usize, Vec<Row>>) {
    compare_but(history, stored, &Erasures::default());
}

/// The same where some of it was erased.
fn compare_but(history: &History, stored: &BTreeMap<usize, Vec<Row>>, erased: &Erasures) {
    let world = history.server.0.borrow();
    for (i, there) in world.conversations.iter().enumerate() {
        let Some(here) = stored.get(&i) else {
            let never_shown = world.left.contains(&i);
            assert!(never_shown || there.iter().all(|m| m.deleted), "conversation {i} was never archived");
            continue;
        };
        if !world.traits.urns {
            let mut theirs: Vec<_> =
                erased.leave(i, there).into_iter().map(|m| (m.at, m.versions[0].clone())).collect();
            let mut ours: Vec<_> = here.iter().map(|r| (r.1, r.2.clone())).collect();
            theirs.sort();
            ours.sort();
            if world.traits.wild.ahead > 0 {
                // A message that was dated ahead stands where it arrived.
                ours.iter_mut().chain(&mut theirs).for_each(|row| row.0 = 0);
                ours.sort();
                theirs.sort();
            }
            assert_eq!(ours, theirs);
            continue;
        }
        let rows = here.len();
        let here: BTreeMap<u32, &Row> = here.iter().map(|r| (wild::id_of(&r.0), r)).collect();
        assert_eq!(here.len(), rows, "a message is stored twice");
        let by_id: BTreeMap<u32, &world::Msg> = there.iter().map(|m| (m.id, m)).collect();
        // Of what turned up late the count tells, unless as much was deleted unnoticed, be it what was erased here before;
        // above a floor it says nothing.
        let standing = here.values().filter(|row| !row.3).count();
        let was_erased = by_id.keys().filter(|id| erased.has(i, **id)).count();
        let all = there.iter().filter(|m| !m.deleted).count();
        let untold = standing + was_erased >= all || erased.floor(i) > i64::MIN;
        for (id, msg) in &by_id {
            let row = here.get(id);
            let is_erased = erased.has(i, *id);
            assert!(!is_erased || row.is_none(), "message {id} of conversation {i} was erased, and is back");
            let excused = msg.deleted || (msg.late && untold) || is_erased || msg.at < erased.floor(i);
            assert!(excused || row.is_some(), "message {id} of conversation {i} is missing: {msg:?}");
            if let Some((_, at, text, gone)) = row {
                let odd = msg.ahead || world.traits.wild.shifts.is_some();
                assert!(*at == msg.at || odd, "message {id} was never sent at {at}: {msg:?}");
                assert!(msg.versions.contains(text), "message {id} was never like that: {row:?}");
                assert!(!gone || msg.deleted, "message {id} of conversation {i} is not gone");
            }
        }
        assert!(here.keys().all(|id| by_id.contains_key(id)), "something was made up");
    }
}

fn in_memory(seed: u64) {
    let history = draw(seed);
    if std::env::var("ARCHIVER_SIM_SEED").is_ok() {
        eprintln!("{:?} {:?}", history.server.0.borrow().traits, history.server.0.borrow().conversations);
    }
    let mut archive = MemArchive::default();
    turmoil(seed, &history, &mut archive);
    settle(&history, &mut archive);
    let complete = archive.conversations.iter().all(|c| c.timeline.complete());
    assert!(complete || history.never_ends());
    compare(&history, &archive.rows());
    ledger_covers_charges(&history, &archive);
}

/// The ledger never says less than the server charged.
fn ledger_covers_charges(history: &History, archive: &impl Archive) {
    // What is dated later than "now" counts for its day and month: at the beginning of time, that is everything.
    let all = archive.spent(RunId::default(), 0).unwrap().month;
    let charged = history.server.0.borrow().charged();
    assert!(all >= charged, "the ledger says {all}, the server charged {charged}");
}

/// Messages by their ids: text, time, and whether they are gone.
type Copied = BTreeMap<i64, (String, i64, bool)>;

/// Brings a copy of the messages up to date by what changed since a number.
fn follow(store: &Store, since: &mut i64, copy: &mut Copied) {
    let ended: Option<()> = store
        .queries()
        .changes(*since, None, |change| {
            assert!(change.seq > *since, "numbers grow");
            *since = change.seq;
            let ChangeRow { message, kind, .. } = change;
            let row = match message {
                FeedMessage::Stored(row) => row,
                FeedMessage::Erased { id, .. } => {
                    assert_eq!(kind, "erased");
                    copy.remove(&id.0);
                    return ControlFlow::Continue(());
                }
            };
            let gone = row.gone_since_ms.is_some();
            assert_eq!(kind == "gone", gone, "{row:?}");
            copy.insert(row.id.0, (row.message.text.clone(), row.message.at_ms, gone));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(ended, None);
}

/// All messages, as the archive has them.
fn state(store: &Store) -> Copied {
    let mut all = Copied::new();
    let add = |row: MessageRow| {
        all.insert(row.id.0, (row.message.text.clone(), row.message.at_ms, row.gone_since_ms.is_some()));
        ControlFlow::<()>::Continue(())
    };
    store.queries().messages(&Scope::default(), None, add).unwrap();
    all
}

/// The same history through the real archive.
fn in_sqlite(seed: u64) {
    let history = draw(seed);
    let mut store = Store::in_memory().unwrap();
    turmoil(seed, &history, &mut store);
    let (mut copy, mut since) = (BTreeMap::new(), 0);
    follow(&store, &mut since, &mut copy);
    settle(&history, &mut store);
    follow(&store, &mut since, &mut copy);
    assert_eq!(copy, state(&store), "a reader that asked since its last number has missed something");
    let (mut anew, mut first) = (BTreeMap::new(), 0);
    follow(&store, &mut first, &mut anew);
    assert_eq!((anew, first), (copy, since));
    let rows = store.queries().conversations().unwrap();
    assert!(rows.iter().all(|c| c.timeline.complete()) || history.never_ends());
    compare(&history, &rows_of(&store, &rows));
    ledger_covers_charges(&history, &store);
}

/// The same history where messages are erased between the runs.
fn with_erasures(seed: u64) {
    let history = draw(seed);
    let mut store = Store::in_memory().unwrap();
    let mut erasures = Erasures::default();
    let mut rng = Rng::with_seed(seed ^ 0xe4a5e);
    let (mut copy, mut since) = (BTreeMap::new(), 0);
    turmoil_with(seed, &history, &mut store, |store| {
        erasures.erase_something(&history, store, &mut rng);
        follow(store, &mut since, &mut copy);
    });
    erasures.erase_something(&history, &mut store, &mut rng);
    settle(&history, &mut store);
    follow(&store, &mut since, &mut copy);
    assert_eq!(copy, state(&store), "a reader that asked since its last number has missed something");
    let rows = store.queries().conversations().unwrap();
    assert!(rows.iter().all(|c| c.timeline.complete()) || history.never_ends());
    let stored = rows_of(&store, &rows);
    compare_but(&history, &stored, &erasures);
    ledger_covers_charges(&history, &store);
}

fn rows_of(store: &Store, rows: &[ConversationRow]) -> BTreeMap<usize, Vec<Row>> {
    rows.iter()
        .map(|c| {
            let thread = c.thread.as_deref().unwrap();
            (wild::conversation_of(thread), store.rows_for_comparison(c.id).unwrap())
        })
        .collect()
}

/// How many histories `cargo test` takes the time for; `.ci/run` runs 5,000.
const HISTORIES: u64 = 20;

/// Runs so many histories of a hundred, after those that once failed. `ARCHIVER_SIM_HISTORIES` are there, from
/// `ARCHIVER_SIM_FIRST` on.
fn histories(percent: u64, run: fn(u64)) {
    let number = |name| std::env::var(name).ok().map(|v: String| v.parse::<u64>().unwrap());
    if let Some(seed) = number("ARCHIVER_SIM_SEED") {
        return run(seed);
    }
    let count = (number("ARCHIVER_SIM_HISTORIES").unwrap_or(HISTORIES) * percent).div_ceil(100);
    let first = number("ARCHIVER_SIM_FIRST").unwrap_or_default();
    // Histories know nothing of each other, so every core takes the next one.
    let foes = [OLD_FOES, LIVELY_FOES].concat();
    let foes = if percent == 100 { foes } else { sample(foes, 3) };
    let seeds = Mutex::new(foes.into_iter().chain(first..first + count));
    let failed = Mutex::new(None);
    let work = || {
        while failed.lock().unwrap().is_none() {
            let Some(seed) = seeds.lock().unwrap().next() else { return };
            if std::panic::catch_unwind(|| run(seed)).is_err() {
                if std::env::var("ARCHIVER_SIM_SURVEY").is_ok() {
                    eprintln!("SEED {seed}: {:?}", draw(seed).server.0.borrow().traits);
                    continue;
                }
                *failed.lock().unwrap() = Some(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    if let Some(seed) = failed.into_inner().unwrap() {
        panic!("history {seed} failed: see above, and run it alone with ARCHIVER_SIM_SEED={seed}");
    }
}

#[test]
fn histories_lose_nothing_and_keep_within_budget() {
    histories(100, in_memory);
}

#[test]
fn the_sqlite_archive_loses_nothing_in_such_histories_either() {
    histories(40, in_sqlite);
}

#[test]
fn what_is_erased_stays_erased_and_nothing_else_is_lost() {
    histories(8, with_erasures);
    // Once an erased message, dated ahead, made a page reach down to where it had been stored.
    sample(vec![1_418], 1).into_iter().for_each(with_erasures);
}

#[test]
fn faults_that_cost_nothing_by_themselves_make_nothing_dearer() {
    histories(20, free_faults::costs_no_more);
}

#[test]
fn requests_side_by_side_archive_the_same_as_one_after_the_other_for_no_more_credits() {
    histories(100, side_by_side::like_a_serial_one);
}
