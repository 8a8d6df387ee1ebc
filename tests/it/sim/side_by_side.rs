//! The same calm history with one request at a time and with several under way: the same archive, and what it costs.

use super::*;

/// What becomes of a calm history.
struct Course {
    /// Credits until nothing is missing.
    charged: u32,
    /// Credits for pages of gaps alone.
    for_gaps: u32,
    stored: BTreeMap<usize, Vec<Row>>,
    /// Whether a message is dated ahead, so that what is asked depends on when it is first seen.
    ahead: bool,
    /// The most requests that were under way.
    seen: usize,
}

/// A calm history with so many requests under way, of all and of an account.
fn course(seed: u64, most: (u32, u32), capped: bool) -> Course {
    let History { server, settings } = draw(seed);
    let mut settings =
        Settings { in_flight: most.0, in_flight_per_account: most.1, recheck_days: None, ..settings };
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
    let gaps = archive.ledger.iter().filter(|row| !row.head);
    let for_gaps = gaps.map(|row| row.spent.unwrap_or(row.reserved)).sum();
    let ahead = world.conversations.iter().flatten().any(|m| m.ahead);
    Course { charged, for_gaps, stored, ahead, seen: world.wire.seen }
}

pub(crate) fn like_a_serial_one(seed: u64) {
    let mut rng = Rng::with_seed(seed ^ 0xc0_ffee);
    let capped = rng.bool();
    let serial = course(seed, (1, 1), capped);
    let most = ([2, 4, 16, 64][rng.usize(0..4)], [1, 2, 4][rng.usize(0..3)]);
    let concurrent = course(seed, most, capped);
    assert_eq!(concurrent.stored, serial.stored, "another archive with {most:?} requests under way");
    // Where a run's credits end, another page is cut short, and each page shows one message of the one before again. How
    // many runs that takes, each with its looks for what is new, differs, so that the pages alone can be compared.
    let costs = |course: &Course| if capped { course.for_gaps } else { course.charged };
    let (one, many) = (costs(&serial), costs(&concurrent));
    let grace = match (capped, serial.ahead) {
        (true, _) => 2 + one / 10,
        (false, true) => 2 + one / 20,
        (false, false) => 0,
    };
    assert!(many <= one + grace, "{many} credits with {most:?} requests under way, {one} with one");
    if std::env::var("ARCHIVER_SIM_SURVEY").is_ok() {
        eprintln!("SEEN {} {one} {many} {capped}", concurrent.seen);
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
