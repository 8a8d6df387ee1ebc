//! A system that gives the process little: errors with words, and never a secret in a core dump.

use std::fs;

use fake_linkup::{Fault, FaultRule};
use rustix::process::Signal;

use crate::binary::{FakeApi, Home, Process, assert_complete, assert_sound, server};

#[test]
fn a_limit_on_file_sizes_is_an_error_and_loses_nothing() {
    let api = FakeApi::serve(server(&[("Ada Example", 3_000)]));
    let home = Home::of(&api, "v1");
    home.sync();
    assert_complete(&home, &api.server());
    let size = fs::metadata(home.archive()).unwrap().len();
    let home = Home::of(&api, "v1");
    // In blocks of 512 bytes: half of what it takes.
    let limit = format!("ulimit -f {}", size / 1_024);
    let ran = Process::start(&mut home.archiver_after(&limit, &["sync", "--once"])).finish();
    assert_eq!((ran.signal, ran.code), (None, Some(74)), "{ran:?}");
    assert!(ran.stderr.contains("archive.db"), "{ran:?}");
    home.sync_until_complete();
    assert_sound(&home, 0);
    assert_complete(&home, &api.server());
}

#[test]
fn few_file_descriptors_are_an_error_with_words() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    home.sync();
    for files in 4..=14 {
        for args in [&["sync", "--once"][..], &["sync"], &["check"], &["status"], &["search", "message"]] {
            let limit = format!("ulimit -n {files}");
            let ran = Process::start(&mut home.archiver_after(&limit, args)).finish();
            assert!(ran.signal.is_none() && ran.code != Some(101), "{files} {args:?}: {ran:?}");
            if ["sync", "check"].contains(&args[0]) && files >= 8 {
                assert_eq!(ran.code, Some(69), "{files} {args:?}: {ran:?}");
                assert!(ran.stderr.contains("ulimit -n"), "{ran:?}");
            }
        }
    }
}

#[test]
fn no_core_dump_holds_anything() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    api.server().faults.add(FaultRule::always(Fault::Hang));
    let requests = api.requests_as_they_come();
    let process = Process::start(&mut home.archiver_after("ulimit -c unlimited", &["sync", "--once"]));
    requests.recv().unwrap();
    let of_process =
        |name: &str| fs::read_to_string(format!("/proc/{}/{name}", process.pid().as_raw_nonzero())).unwrap();
    let limits = of_process("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = core.split_whitespace().rev().skip(1).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");
    assert_eq!(of_process("coredump_filter").trim(), "00000000");
    process.signal(Signal::ABORT);
    assert_eq!(process.finish().signal, Some(6));
    assert!(!home.files().iter().any(|name| name.starts_with("core")), "{:?}", home.files());
}
