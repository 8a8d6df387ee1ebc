//! The service left to itself over an API with faults, in which things go on.

use std::fs;
use std::time::{Duration, Instant};

use archiver::clock::{Clock as _, SystemClock};
use fake_linkup::{Author, Fault, FaultRule, When};

use super::{Service, assert_one_at_a_time, home, number, runs, until};
use crate::binary::{FakeApi, assert_complete, assert_sound, server};

/// Seconds of it, unless `ARCHIVER_SOAK_SECS` says otherwise.
const SECONDS: u64 = 8;

/// What the system knows of a process: resident kB and open files.
fn size_of(pid: i32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kb = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kb = kb.trim().trim_end_matches(" kB").parse().unwrap();
    (kb, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

#[test]
fn left_to_itself_it_keeps_up_and_does_not_grow() {
    let seconds = std::env::var("ARCHIVER_SOAK_SECS").map_or(SECONDS, |text| text.parse().unwrap());
    let people: Vec<String> = (0..12).map(|n| format!("Ada Example{n}")).collect();
    let people: Vec<(&str, usize)> = people.iter().map(|name| (name.as_str(), 40)).collect();
    let api = FakeApi::serve(server(&people));
    let mut home = home(&api, "v1", "*/2 * * * * *");
    home.discovers(2);
    home.point_at(&api, "v1");
    api.server().faults.seed(20_261_123);
    for fault in
        [Fault::http(500), Fault::CloseAfter, Fault::Html, Fault::CutJson, Fault::DataArray, Fault::http(429)]
    {
        let when = When { probability: Some(0.03), ..When::default() };
        api.server().faults.add(FaultRule::always(fault).when(when));
    }
    let service = Service::start(&home);
    until("some runs", || runs(&home) >= 2);
    let pid = service.process.pid().as_raw_nonzero().get();
    let (begun, before) = (Instant::now(), size_of(pid));
    let mut most = before;
    let mut rng = fastrand::Rng::with_seed(7);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let ended = runs(&home);
        // Changes of old messages are noticed only where they are read again: here there is news alone.
        let (to, now) = (rng.usize(0..people.len()), SystemClock.now_ms());
        let sent =
            api.server().mailbox_mut(0).unwrap().send(to, Author::Other(0), now, &format!("news of {now}"));
        assert!(sent.is_some());
        until("the next run", || runs(&home) > ended);
        let now = size_of(pid);
        most = (most.0.max(now.0), most.1.max(now.1));
    }
    // Faults leave what waits for later runs: as many as it takes.
    api.server().faults.clear();
    let open = "SELECT count(*) FROM conversation_log WHERE complete = 0";
    until("all of it", || {
        let good = runs(&home);
        until("another run", || runs(&home) > good);
        number(&home, open) == 0 && number(&home, "SELECT count(*) FROM gap_log") == 0
    });
    let good = number(&home, "SELECT max(run_id) FROM run_log WHERE outcome = 'complete'");
    until("a run that finds nothing more", || {
        number(&home, "SELECT max(run_id) FROM run_log WHERE outcome = 'complete'") > good
    });
    let after = size_of(pid);
    service.stop();
    eprintln!("{} runs, kB and files at first {before:?}, at most {most:?}, at last {after:?}", runs(&home));
    assert_one_at_a_time(&home);
    assert_sound(&home, api.charged());
    assert_complete(&home, &api.server());
    assert!(after.1 <= before.1 + 2, "files: {before:?}, then {after:?}");
    assert!(after.0 <= before.0 + 6_000, "memory: {before:?}, then {after:?}");
}
