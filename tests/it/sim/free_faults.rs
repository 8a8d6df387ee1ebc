//! The same history undisturbed, and with faults that cost nothing by themselves: they make nothing dearer.

use super::*;

/// Runs in which requests fail.
const DISTURBED: usize = 6;

/// Runs after which all is there again.
const RUNS: usize = 60;

/// What so many faults in a thousand requests leave of a history.
struct Course {
    charged: u32,
    /// Looks at conversations that the plan means to pay for, because an inbox was not to be had in two runs.
    instead: usize,
    complete: bool,
    stored: BTreeMap<usize, Vec<Row>>,
}

fn course(seed: u64, faults: u32) -> Course {
    let History { server, settings } = draw(seed);
    let caps = Caps { run: Some(10_000), ..Caps::default() };
    // Second readings fall due by the clock, one more or less of them in so many runs.
    let settings =
        Settings { caps, account_caps: Vec::new(), reconcile: false, recheck_days: None, ..settings };
    {
        let mut world = server.0.borrow_mut();
        world.caps = (caps, vec![]);
        world.balance = world.balance.map(|_| PLENTY);
        world.traits =
            Traits { faults: 0, bustle: 0, by_request: false, wild: Wild::default(), ..world.traits.clone() };
    }
    let history = History { server, settings };
    let mut archive = MemArchive::default();
    let (mut instead, mut silent) = (0, BTreeSet::new());
    for run in 0..RUNS {
        {
            let mut world = history.server.0.borrow_mut();
            world.traits.free_faults = if run < DISTURBED { faults } else { 0 };
            world.now += history.pace();
        }
        let report = one_run(&mut archive, &history.server, &history.settings).unwrap();
        if std::env::var("ARCHIVER_SIM_SEED").is_ok() {
            eprintln!(
                "run {run}: {} credits, {} requests, {} new, {} gaps",
                report.credits_spent, report.requests, report.new_messages, report.gaps_left
            );
        }
        let mut world = history.server.0.borrow_mut();
        let read = std::mem::take(&mut world.inboxes_read);
        let still = (0..world.traits.accounts)
            .filter(|account| world.traits.inbox && !read.contains(account))
            .collect();
        instead += silent.intersection(&still).count() * world.conversations.len();
        silent = still;
    }
    let complete = archive.conversations.iter().all(|c| c.timeline.complete());
    let (world, mut stored) = (history.server.0.borrow(), archive.rows());
    side_by_side::undate(&world, &mut stored);
    Course { charged: world.charged(), instead, complete, stored }
}

pub(crate) fn costs_no_more(seed: u64) {
    let plain = course(seed, 0);
    let faults = [30, 100, 300][usize::try_from(seed % 3).unwrap()];
    let disturbed = course(seed, faults);
    assert!(plain.complete && disturbed.complete, "{} {}", plain.complete, disturbed.complete);
    assert_eq!(disturbed.stored, plain.stored);
    let more = disturbed.charged.saturating_sub(plain.charged);
    if std::env::var("ARCHIVER_SIM_SURVEY").is_ok() {
        eprintln!("COSTS {seed} {faults} {} {} {more}", disturbed.instead, plain.charged);
    }
    assert!(
        more <= 1.max(plain.charged / 20) + u32::try_from(disturbed.instead).unwrap(),
        "{} credits with free faults, {} without",
        disturbed.charged,
        plain.charged
    );
}
