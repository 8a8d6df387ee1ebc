//! Credits: reserved before anything is sent, counted by UTC day and month, never forgotten.

use archiver::core::Ms;
use archiver::core::budget::{Caps, Charge, Purse, Spent};
use archiver::core::model::ids::{AccountId, RunId};
use archiver::core::timeline::gap::{Asked, Gap};
use archiver::store::{Failed, Outcome, Purpose, Request, Settlement, Store, Trigger};
use chrono::{DateTime, Datelike as _, Utc};
use proptest::prelude::*;

use crate::bench::{Bench, NOW};

fn ms(time: &str) -> Ms {
    DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis()
}

fn spend_at(bench: &mut Bench, now: Ms, credits: u32) {
    bench.now = now;
    let _unsettled = bench.reserve(0, credits * 10);
}

fn spent(bench: &Bench, now: &str) -> (u32, u32) {
    let spent = bench.store.spent(bench.run, ms(now)).unwrap();
    (spent.day, spent.month)
}

#[test]
fn a_reservation_is_in_the_file_before_anything_can_be_sent() {
    let mut bench = Bench::new(1);
    let watcher = bench.other();
    let reservation = bench.reserve(0, 37);
    assert_eq!((reservation.results(), reservation.credits()), (37, 4));
    let row: (i64, i64, Option<i64>) = watcher
        .query_row("SELECT asked, credits_reserved, credits_spent FROM request", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
        })
        .unwrap();
    assert_eq!(row, (37, 4, None));
    assert_eq!(
        watcher.query_row("SELECT id FROM request", [], |r| r.get::<_, i64>(0)).unwrap(),
        reservation.request_id().0
    );
}

#[test]
fn what_a_dead_run_had_reserved_stays_spent_and_the_run_is_interrupted() {
    let mut bench = Bench::new(1);
    let _lost = bench.reserve(0, 50);
    let _lost = bench.reserve(0, 10);
    let dead = bench.run;
    bench.now += 5000;
    bench.crash();
    bench.run = bench.store.begin_run(Trigger::Schedule, bench.now).unwrap();
    assert!(bench.run > dead);
    let outcome: (String, i64) = bench
        .other()
        .query_row("SELECT outcome, finished_ms FROM run WHERE id = ?1", [dead], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    assert_eq!(outcome, ("interrupted".into(), NOW), "it ended with its last request, as far as is known");
    let spent = bench.store.spent(bench.run, bench.now).unwrap();
    assert_eq!(spent, Spent { run: 0, day: 6, month: 6 });
    assert_eq!(bench.one::<i64>("SELECT credits_spent FROM run_log WHERE run_id = 1"), 6);
    assert_eq!(bench.store.queries().summary().unwrap().unsettled, 2);
}

#[test]
fn a_finished_run_stays_as_it_ended() {
    let mut bench = Bench::new(1);
    bench.store.finish_run(bench.run, Outcome::Budget, NOW + 7).unwrap();
    bench.store.begin_run(Trigger::Once, NOW + 9).unwrap();
    assert_eq!(bench.one::<String>("SELECT outcome FROM run WHERE id = 1"), "budget");
    assert_eq!(bench.one::<i64>("SELECT finished_ms FROM run WHERE id = 1"), NOW + 7);
}

#[test]
fn days_and_months_begin_at_midnight_utc() {
    let mut bench = Bench::new(1);
    spend_at(&mut bench, ms("2025-12-31T23:59:59.999Z"), 1);
    assert_eq!(spent(&bench, "2025-12-31T23:59:59.999Z"), (1, 1));
    assert_eq!(spent(&bench, "2026-01-01T00:00:00.000Z"), (0, 0));
    spend_at(&mut bench, ms("2026-01-01T00:00:00.000Z"), 2);
    assert_eq!(spent(&bench, "2026-01-01T00:00:00.000Z"), (2, 2));
    assert_eq!(spent(&bench, "2026-01-02T00:00:00.000Z"), (0, 2));
    spend_at(&mut bench, ms("2026-02-28T12:00:00.000Z"), 3);
    assert_eq!(spent(&bench, "2026-02-28T23:00:00.000Z"), (3, 3));
    assert_eq!(spent(&bench, "2026-03-01T00:00:00.000Z"), (0, 0));
    spend_at(&mut bench, ms("2028-02-29T00:00:00.000Z"), 4);
    assert_eq!(spent(&bench, "2028-02-29T23:59:59.999Z"), (4, 4));
}

#[test]
fn a_clock_that_is_set_back_frees_no_credits() {
    let mut bench = Bench::new(1);
    spend_at(&mut bench, ms("2026-05-20T12:00:00Z"), 5);
    assert_eq!(spent(&bench, "2026-05-19T12:00:00Z"), (5, 5), "a day back");
    assert_eq!(spent(&bench, "2026-03-01T00:00:00Z"), (5, 5), "months back");
    assert_eq!(spent(&bench, "2026-05-21T00:00:00Z"), (0, 5), "and forward again");
}

#[test]
fn a_request_shrinks_to_what_the_tightest_cap_allows_and_none_is_made_beyond() {
    let mut bench = Bench::new(1);
    let request = Request {
        run: bench.run,
        account: bench.targets[0].account_id,
        endpoint: "test",
        conversation: None,
        purpose: Purpose::Head,
        wanted: 50,
    };
    let caps = Caps { run: Some(20), day: Some(8), month: Some(100) };
    let mut asked = Vec::new();
    while let Some(reservation) =
        bench.store.reserve(&Purse { all: caps, ..Purse::default() }, &request, NOW).unwrap()
    {
        asked.push((reservation.results(), reservation.credits()));
    }
    assert_eq!(asked, [(50, 5), (30, 3)]);
    assert!(
        bench
            .store
            .reserve(&Purse { all: caps, ..Purse::default() }, &request, NOW + 86_400_000)
            .unwrap()
            .is_some(),
        "tomorrow is another day"
    );
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM request"), 3, "what was refused is no request");
}

#[test]
fn a_failed_request_is_settled_with_its_reason() {
    let mut bench = Bench::new(1);
    let id = bench.targets[0].plan.id;
    let gap = bench.store.timeline(id).unwrap().gaps[0].clone();
    let asked = Asked { gap, cursor: None, count: 50, most: u32::MAX, run: bench.run };
    for (charge, error, counts) in
        [(Charge::Known(1), "refused", 1), (Charge::Unknown, "lost", 5), (Charge::Known(0), "500", 0)]
    {
        let receipt = bench.reserve(0, 50).spend(charge);
        let settlement = Settlement::bare(&receipt, Some(200), Some(error));
        let failed = Failed {
            longest_silence: 64,
            account: AccountId(1),
            conversation: Some(id),
            asked: &asked,
            settlement,
            stalls: false,
            now: NOW,
        };
        bench.store.commit_failure(&failed).unwrap();
        let row = format!("SELECT credits_spent FROM request_log WHERE error = '{error}'");
        assert_eq!(bench.one::<i64>(&row), counts);
    }
    assert_eq!(bench.store.spent(bench.run, NOW).unwrap().run, 6);
    assert_eq!(
        bench.store.timeline(id).unwrap().gaps,
        [Gap { id: asked.gap.id, opened_ms: NOW, ..Gap::default() }]
    );
}

/// What happens to the ledger.
#[derive(Debug, Clone)]
enum Entry {
    Reserve { wanted: u32 },
    Settle { credits: Option<u32> },
    NewRun,
    Clock { hours: i64 },
}

fn entries() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => (1..80_u32).prop_map(|wanted| Entry::Reserve { wanted }),
        3 => prop::option::of(0..4_u32).prop_map(|credits| Entry::Settle { credits }),
        1 => Just(Entry::NewRun),
        2 => (-30..200_i64).prop_map(|hours| Entry::Clock { hours }),
    ]
}

/// A row of the naive ledger: run, time, credits that count.
struct Row(RunId, Ms, u32);

fn naively(rows: &[Row], run: RunId, now: Ms) -> Spent {
    let date = |ms: Ms| DateTime::<Utc>::from_timestamp_millis(ms).unwrap().date_naive();
    let (today, sum) =
        (date(now), |of: &dyn Fn(&Row) -> bool| rows.iter().filter(|r| of(r)).map(|r| r.2).sum());
    Spent {
        run: sum(&|r| r.0 == run),
        day: sum(&|r| date(r.1) >= today),
        month: sum(&|r| (date(r.1).year(), date(r.1).month()) >= (today.year(), today.month())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn the_ledger_counts_like_a_plain_list_and_no_cap_is_ever_exceeded(
        entries in prop::collection::vec(entries(), 1..40),
        caps in (1..30_u32, 1..60_u32, 1..90_u32),
    ) {
        let caps = Caps { run: Some(caps.0), day: Some(caps.1), month: Some(caps.2) };
        let mut store = Store::in_memory().unwrap();
        let account = archiver::store::Configured {
            account: "me".into(),
            conversations: vec![("2-c0".into(), None)],
            ..archiver::store::Configured::default()
        };
        let ids = store.configure(&[account], NOW).unwrap();
        let target = store.targets(&ids).unwrap().remove(0);
        let (mut now, mut rows, mut open) = (NOW, Vec::new(), Vec::new());
        let mut run = store.begin_run(Trigger::Once, now).unwrap();
        for entry in entries {
            match entry {
                Entry::Reserve { wanted } => {
                    let request = Request {
                        run, account: target.account_id, endpoint: "test", conversation: Some(target.plan.id),
                        purpose: Purpose::Gap, wanted,
                    };
                    if let Some(reservation) = store.reserve(&Purse { all: caps, ..Purse::default() }, &request, now).unwrap() {
                        rows.push(Row(run, now, reservation.credits()));
                        open.push((reservation, rows.len() - 1));
                    }
                }
                Entry::Settle { credits } => if let Some((reservation, row)) = open.pop() {
                    let reserved = reservation.credits();
                    let credits = credits.map(|c| c.min(reserved));
                    rows[row].2 = credits.unwrap_or(reserved);
                    let receipt = reservation.spend(credits.map_or(Charge::Unknown, Charge::Known));
                    let settlement = Settlement::bare(&receipt, None, Some("x"));
                    let asked = Asked { gap: Gap::default(), cursor: None, count: 1, most: u32::MAX, run };
                    let failed = Failed {
                        longest_silence: 64,
                        account: target.account_id,
                        conversation: Some(target.plan.id),
                        asked: &asked,
                        settlement,
                        stalls: false,
                        now,
                    };
                    store.commit_failure(&failed).unwrap();
                }
                Entry::NewRun => run = store.begin_run(Trigger::Schedule, now).unwrap(),
                Entry::Clock { hours } => now += hours * 3_600_000,
            }
            let spent = store.spent(run, now).unwrap();
            prop_assert_eq!(spent, naively(&rows, run, now));
            // Set back, the clock may enter a day in which more was spent already than its cap; it then only waits.
            prop_assert!(Some(spent.run) <= caps.run);
        }
    }
}
