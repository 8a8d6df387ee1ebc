//! Budgets from one credit upward: never exceeded, never in the way of a whole archive.

use std::collections::BTreeMap;

use archiver::api::ApiVersion;
use archiver::core::budget::Caps;
use archiver::sync::Report;
use chrono::DateTime;
use fake_linkup::behaviour::CursorRule;
use fake_linkup::faults::{Fault, FaultRule, When};
use fake_linkup::{Author, Behaviour};

use super::world::{DAY, HOUR, World, mailbox, server};
use crate::support::sample;

/// Budgets with their numbers, in both versions.
fn budgets() -> Vec<(usize, ApiVersion, u32)> {
    let budgets = [1, 2, 3, 5, 7, 10, 50].into_iter().enumerate();
    budgets.flat_map(|(n, budget)| [(n, ApiVersion::V1, budget), (n, ApiVersion::V2, budget)]).collect()
}

/// What must hold after every run over a server that stands still.
fn check(world: &World, report: &Report) {
    let logged = world.logged();
    let server = world.server();
    let conversations = server.mailbox(0).unwrap().conversations();
    let horizon =
        report.horizon.as_deref().map(|at| DateTime::parse_from_rfc3339(at).unwrap().timestamp_millis());
    let complete: BTreeMap<String, bool> = world
        .query("SELECT conversation_id, complete FROM conversation_log", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .into_iter()
        .collect();
    for c in conversations {
        let rows = logged.get(&c.urn).map_or(&[][..], Vec::as_slice);
        let stored: BTreeMap<&str, _> = rows.iter().map(|r| (r.urn.as_deref().unwrap(), r)).collect();
        assert_eq!(stored.len(), rows.len(), "a message is stored twice");
        assert!(rows.iter().all(|r| r.versions == 1 && r.gone_since.is_none()));
        let missing = c.visible().filter(|m| !stored.contains_key(m.urn.as_str()));
        let newest_missing = missing.map(|m| m.at_ms).max();
        assert_eq!(complete[&c.urn], newest_missing.is_none(), "{newest_missing:?} is missing in {}", c.urn);
        // Since the horizon nothing is missing anywhere; at its own millisecond something may be.
        if let Some(horizon) = horizon {
            assert!(newest_missing.is_none_or(|at| at <= horizon), "{newest_missing:?}, said {horizon}");
        }
    }
}

#[tokio::test]
async fn with_any_budget_the_archive_becomes_whole_and_never_claims_to_be_before() {
    for (n, version, budget) in sample(budgets(), 5) {
        let cursor = [CursorRule::Exclusive, CursorRule::Inclusive][n % 2];
        let behaviour = Behaviour { cursor, ..Behaviour::default() };
        let mut world = World::new(server(mailbox(&[23, 1, 61, 10]), behaviour), version).await;
        world.cap_runs(budget);
        let (mut runs, mut new_messages) = (0, 0);
        loop {
            let report = world.run().await;
            check(&world, &report);
            assert_eq!(report.credits_spent, world.charged());
            (runs, new_messages) = (runs + 1, new_messages + report.new_messages);
            if report.gaps_left == 0 {
                break;
            }
            assert_eq!(report.outcome.as_str(), "budget", "{report:?}");
            assert!(runs < 60, "{report:?}");
            world.clock.advance(DAY);
        }
        world.assert_archived();
        world.assert_ledger();
        assert_eq!((new_messages, world.complete()), (95, 4));
        let spent = world.server().meter.charged();
        eprintln!("{version:?}, {cursor:?}, {budget} a run: whole after {runs} runs and {spent} credits");
    }
}

/// What goes wrong in a way that a client can tell, or that can do no harm.
fn mishaps(version: ApiVersion) -> Vec<Fault> {
    let mut faults: Vec<Fault> = [
        "http-400",
        "http-404",
        "http-429",
        "http-429-after-7",
        "http-500",
        "http-502",
        "http-503-date-9",
        "http-504",
        "close-before",
        "close-after",
        "cut-connection",
        "cut-json",
        "html",
        "data-array",
        "data-null",
        "no-messages",
        "odd-item",
        "repeat-page",
        "repeat-cursor",
        "cursor-up",
        "more-without-cursor",
        "short-page",
        "duplicate-rows",
        "empty-more",
        "reversed",
        "other-conversation",
        "channel-error",
        "expired-token",
        "exhausted-credits",
    ]
    .iter()
    .map(|word| word.parse().unwrap())
    .collect();
    if version == ApiVersion::V2 {
        // Without the thread's count nobody could tell this from the truth.
        faults.push(Fault::EmptyEnd);
    }
    faults
}

/// Rules that let one request in `one_in` fail, each time in another way.
pub(crate) fn trouble(world: &World, seed: u64, one_in: f64) {
    let faults = mishaps(world.version);
    let mut server = world.server();
    server.faults.clear();
    server.faults.seed(seed);
    for (n, fault) in faults.iter().enumerate() {
        // The first rule that applies strikes: the later ones are asked only where the earlier ones let pass.
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let probability = Some(1.0 / one_in / (faults.len() - n) as f64);
        server.faults.add(FaultRule::always(fault.clone()).when(When { probability, ..When::default() }));
    }
}

/// Credits charged by day and month.
fn charged_by(world: &World, format: &str) -> BTreeMap<String, u32> {
    let mut sums = BTreeMap::new();
    for row in world.server().meter.rows() {
        let when = DateTime::from_timestamp_millis(row.at_ms).unwrap().format(format).to_string();
        *sums.entry(when).or_default() += row.charged;
    }
    sums
}

#[tokio::test]
async fn no_run_day_or_month_ever_costs_more_than_its_cap_whatever_goes_wrong() {
    for (n, version, budget) in sample(budgets(), 5) {
        let mut world = World::new(server(mailbox(&[23, 1, 61, 10]), Behaviour::default()), version).await;
        let (day, month) = (budget * 2 + 1, budget * 5 + 3);
        world.settings.caps = Caps { run: Some(budget), day: Some(day), month: Some(month) };
        trouble(&world, u64::try_from(n).unwrap() + 1, 3.0);
        for round in 0..12 {
            let before = (charged_by(&world, "%F"), charged_by(&world, "%Y-%m"));
            let report = world.run().await;
            let today = DateTime::from_timestamp_millis(world.clock_ms()).unwrap();
            let (days, months) = (charged_by(&world, "%F"), charged_by(&world, "%Y-%m"));
            let (today, this_month) = (today.format("%F").to_string(), today.format("%Y-%m").to_string());
            assert!(days.values().all(|c| *c <= day), "{days:?}, {day} allowed, before {before:?}");
            assert!(months.values().all(|c| *c <= month), "{months:?}, {month} allowed");
            // The ledger never says less than the truth.
            let left = report.credits_left;
            assert!(left.day.unwrap() <= day - days.get(&today).unwrap_or(&0));
            assert!(left.month.unwrap() <= month - months.get(&this_month).unwrap_or(&0));
            world.assert_ledger();
            if round % 4 == 3 {
                let at = world.clock_ms();
                world.server().mailbox_mut(0).unwrap().send(round % 4, Author::Owner, at, "meanwhile");
            }
            world.clock.advance(7 * HOUR);
        }
        world.server().faults.clear();
        world.settings.caps = Caps { run: Some(budget), ..Caps::default() };
        world.clock.advance(31 * DAY);
        world.run_until_quiet(120).await;
        world.assert_archived();
        world.assert_ledger();
        assert_eq!(world.complete(), 4);
    }
}

#[tokio::test]
async fn a_spent_day_or_month_ends_runs_at_once_and_the_next_one_goes_on() {
    let mut world = World::new(server(mailbox(&[61]), Behaviour::default()), ApiVersion::V1).await;
    world.settings.caps = Caps { run: None, day: Some(3), month: Some(4) };
    let left = |r: &Report| {
        (r.outcome.as_str(), r.requests, r.credits_left.run, r.credits_left.day, r.credits_left.month)
    };
    assert_eq!(left(&world.run().await), ("budget", 1, None, Some(0), Some(1)));
    assert_eq!(left(&world.run().await), ("budget", 0, None, Some(0), Some(1)));
    world.clock.advance(DAY);
    assert_eq!(left(&world.run().await), ("budget", 1, None, Some(2), Some(0)));
    world.clock.advance(DAY);
    assert_eq!(left(&world.run().await), ("budget", 0, None, Some(3), Some(0)));
    world.clock.advance(31 * DAY);
    let report = world.run().await;
    assert!(report.requests > 0 && report.credits_left.month < Some(4), "{report:?}");
    world.assert_ledger();
}
