//! The same calm history with one request at a time and with several under way: the same archive, and what it costs.

use super::*;

/// A calm history with so many requests under way: what it costs until nothing is missing, and what is archived then.
fn calmly(seed: u64, most: (u32, u32), capped: bool) -> (u32, BTreeMap<usize, Vec<Row>>, usize) {
    let History { server, settings } = draw(seed);
    let mut settings = Settings { in_flight: most.0, in_flight_per_account: most.1, ..settings };
    if !capped {
        settings.caps = Caps { run: Some(10_000), ..Caps::default() };
        settings.account_caps.clear();
        server.0.borrow_mut().caps = (settings.caps, vec![]);
    }
    {
        let mut world = server.0.borrow_mut();
        world.traits.wild = Wild::default();
        world.traits.by_request = false;
        world.wire = Wire::new(seed, (most.0 as usize, most.1 as usize));
    }
    let history = History { server, settings };
    let mut archive = MemArchive::default();
    let charged = settle(&history, &mut archive);
    let mut stored = archive.rows();
    compare(&history, &stored);
    ledger_covers_charges(&history, &archive);
    let world = history.server.0.borrow();
    undate(&world, &mut stored);
    (charged, stored, world.wire.seen)
}

pub(crate) fn like_a_serial_one(seed: u64) {
    let mut rng = Rng::with_seed(seed ^ 0xc0_ffee);
    let capped = rng.bool();
    let (serial, wanted, _) = calmly(seed, (1, 1), capped);
    let most = ([2, 4, 16, 64][rng.usize(0..4)], [1, 2, 4][rng.usize(0..3)]);
    let (concurrent, stored, seen) = calmly(seed, most, capped);
    assert_eq!(stored, wanted, "another archive with {most:?} requests under way");
    // Where a run's credits end, another page is cut short, and each page shows one message of the one before again.
    // That can take one run more, and the last run that finds something spends on heads what it may.
    let two_runs = 2 * draw(seed).settings.caps.run.unwrap_or_default();
    let grace = if capped { two_runs.max(2 + serial / 20) } else { 0 };
    assert!(
        concurrent <= serial + grace,
        "{concurrent} credits with {most:?} requests under way, {serial} with one"
    );
    if std::env::var("ARCHIVER_SIM_SURVEY").is_ok() {
        eprintln!("SEEN {seen} {serial} {concurrent}");
    }
}

/// Takes away what depends on when something was first seen: where a message stands that is dated ahead.
pub(crate) fn undate(world: &World, stored: &mut BTreeMap<usize, Vec<Row>>) {
    for (i, rows) in stored {
        let ahead: BTreeSet<u32> = world.conversations[*i].iter().filter(|m| m.ahead).map(|m| m.id).collect();
        for row in rows.iter_mut().filter(|_| !ahead.is_empty()) {
            if !world.traits.urns || ahead.contains(&wild::id_of(&row.0)) {
                row.1 = 0;
            }
        }
        rows.sort();
    }
}
