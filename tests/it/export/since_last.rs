//! `--since-last`: only what is new or changed, and together with what came before it is everything.

use std::fs;
use std::path::PathBuf;

use archiver::export::{ExportError, Format, Job, Unwatched, Watch, restore, run};
use archiver::store::verify::{Depth, verify};
use archiver::store::{Ledger, Outcome, Reader, Scope, Store, Trigger};

use super::jsonl::assert_equal;
use crate::bench::{Bench, NOW, item, more_page};
use crate::support::export::{FORMATS, MINUTE, export, files, job, odd_archive};

fn since_last(format: Format, out: &std::path::Path) -> Job {
    Job { since_last: true, ..job(format, out) }
}

/// Something new, an edit, and a message that vanishes.
fn life(bench: &mut Bench, n: i64) {
    let at = NOW + n * 100 * MINUTE;
    let page = [
        item(&format!("n{n}"), at, "Ada Example", "brand new"),
        item("z", NOW - MINUTE, "Olivia <Owner>", &format!("one above a gap, edit {n}")),
    ];
    bench.put(6, &more_page(&page, NOW - MINUTE)).unwrap();
    bench.next_run();
}

#[test]
fn the_parts_of_an_export_together_are_the_archive() {
    let mut bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    let mut parts = vec![out.clone()];
    let first = export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap();
    assert_eq!(first.out, out);
    for n in 1..4 {
        life(&mut bench, n);
        let done = export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap();
        assert!((2..5).contains(&done.messages), "one new, one edited, and what vanished: {done:?}");
        assert_eq!(done.out.file_name().unwrap(), format!("all.{n:04}.jsonl").as_str());
        parts.insert(0, done.out);
    }
    let again = bench.dir.path().join("again.db");
    restore::jsonl(&parts, &again, &mut Unwatched).unwrap();
    assert_equal(&bench.path(), &again);
    // A part too few, or one twice, is no export.
    for wrong in [parts[..2].to_vec(), [parts.clone(), vec![out.clone()]].concat()] {
        let error = restore::jsonl(&wrong, &bench.dir.path().join("x.db"), &mut Unwatched).unwrap_err();
        assert!(matches!(error, ExportError::Refused { .. }), "{error}");
    }
    // A whole one takes the place of all.
    export(&bench.path(), &job(Format::Jsonl, &out)).unwrap();
    assert_eq!(parts.iter().filter(|p| p.exists()).collect::<Vec<&PathBuf>>(), [&out]);
}

#[test]
fn what_a_run_that_still_goes_on_stores_is_exported_whenever_it_comes() {
    let mut bench = odd_archive();
    let out = bench.dir.path().join("all.csv");
    export(&bench.path(), &since_last(Format::Csv, &out)).unwrap();
    let put = |bench: &mut Bench, n: i64| {
        let page =
            more_page(&[item(&format!("r{n}"), NOW + n * MINUTE, "Ada Example", "in the run")], NOW - MINUTE);
        bench.put(6, &page).unwrap();
    };
    put(&mut bench, 1);
    assert_eq!(export(&bench.path(), &since_last(Format::Csv, &out)).unwrap().messages, 1);
    put(&mut bench, 2);
    let done = export(&bench.path(), &since_last(Format::Csv, &out)).unwrap();
    assert_eq!(done.messages, 1, "the first one not again");
    assert!(fs::read_to_string(done.out).unwrap().contains("r2"));
}

#[test]
fn a_login_beside_a_run_makes_no_export_leave_out_what_the_run_stores() {
    let mut bench = odd_archive();
    let out = bench.dir.path().join("all.csv");
    let mut ledger = Ledger::open(&bench.path()).unwrap();
    let login = ledger.begin("me", bench.now).unwrap();
    ledger.finish(login, Outcome::Complete, bench.now).unwrap();
    assert_eq!(verify(&bench.path(), Depth::Quick, &mut |_| ()).unwrap().broken(), 0);
    export(&bench.path(), &since_last(Format::Csv, &out)).unwrap();
    let page = more_page(&[item("late", NOW, "Ada Example", "stored after the login")], NOW - MINUTE);
    bench.put(6, &page).unwrap();
    assert_eq!(export(&bench.path(), &since_last(Format::Csv, &out)).unwrap().messages, 1);
}

#[test]
fn nothing_is_written_when_nothing_has_changed() {
    let bench = odd_archive();
    for &format in FORMATS {
        let out = bench.dir.path().join(format!("out-{}", format.name()));
        assert!(!export(&bench.path(), &since_last(format, &out)).unwrap().unchanged);
        let done = export(&bench.path(), &since_last(format, &out)).unwrap();
        assert!(done.unchanged && done.files == 0, "{format:?}: {done:?}");
    }
}

#[test]
fn another_selection_or_another_archive_does_not_go_on_from_there() {
    let bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    export(&bench.path(), &job(Format::Jsonl, &out)).unwrap();
    let scope = Scope { since_ms: Some(NOW), ..Scope::default() };
    let other = Job { scope, ..since_last(Format::Jsonl, &out) };
    assert!(matches!(export(&bench.path(), &other), Err(ExportError::Refused { .. })));
    let stranger = Bench::of(&[archiver::store::Configured { account: "else".into(), ..Default::default() }]);
    assert!(matches!(
        export(&stranger.path(), &since_last(Format::Jsonl, &out)),
        Err(ExportError::Refused { .. })
    ));
}

#[test]
fn after_an_older_archive_was_restored_it_begins_anew() {
    let mut bench = odd_archive();
    let older = bench.dir.path().join("older.db");
    bench.other().execute("VACUUM INTO ?1", [older.to_str().unwrap()]).unwrap();
    for n in 1..4 {
        life(&mut bench, n);
    }
    let out = bench.dir.path().join("all.jsonl");
    export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap();
    let archive = bench.path();
    bench.store = Store::in_memory().unwrap();
    fs::copy(&older, &archive).unwrap();
    bench.store = Store::open(&archive).unwrap();
    // Another hour, and the same numbers of runs again.
    bench.now += 3_600_000;
    bench.run = bench.store.begin_run(Trigger::Once, bench.now).unwrap();
    for n in 7..10 {
        life(&mut bench, n);
    }
    let done = export(&archive, &since_last(Format::Jsonl, &out)).unwrap();
    assert_eq!(done.out, out);
    let again = bench.dir.path().join("again.db");
    restore::jsonl(&[out], &again, &mut Unwatched).unwrap();
    assert_equal(&archive, &again);
}

#[test]
fn a_run_that_brought_nothing_but_spent_credits_is_a_change_where_the_ledger_is_exported() {
    let mut bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    let sheet = bench.dir.path().join("all.csv");
    export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap();
    export(&bench.path(), &since_last(Format::Csv, &sheet)).unwrap();
    let _receipt = bench.receipt(0, 10);
    assert!(export(&bench.path(), &since_last(Format::Csv, &sheet)).unwrap().unchanged);
    let done = export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap();
    assert!(!done.unchanged && done.messages == 0, "{done:?}");
    assert!(export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap().unchanged);
    let again = bench.dir.path().join("again.db");
    restore::jsonl(&[out, done.out], &again, &mut Unwatched).unwrap();
    assert_equal(&bench.path(), &again);
}

#[test]
fn a_gap_that_has_closed_is_a_change_where_gaps_are_shown() {
    let bench = odd_archive();
    let out = |format: Format| bench.dir.path().join(format.name());
    let all = || FORMATS.iter().copied().filter(|format| *format != Format::Jsonl);
    for format in all() {
        export(&bench.path(), &since_last(format, &out(format))).unwrap();
    }
    let warnings = |format: Format| {
        let written = files(&out(format));
        let said =
            |file: &PathBuf| fs::read_to_string(file).unwrap().matches("Messages may be missing").count();
        written.iter().map(said).sum::<usize>()
    };
    let before = [warnings(Format::Html), warnings(Format::Markdown)];
    let gap = "SELECT min(id) FROM gap WHERE conversation = (SELECT conversation FROM message WHERE text = 'one above a gap')";
    assert_eq!(bench.other().execute(&format!("DELETE FROM gap WHERE id = ({gap})"), []).unwrap(), 1);
    for format in all() {
        let done = export(&bench.path(), &since_last(format, &out(format))).unwrap();
        assert_eq!(done.unchanged, !matches!(format, Format::Html | Format::Markdown), "{format:?}");
    }
    assert_eq!([warnings(Format::Html), warnings(Format::Markdown)], before.map(|n| n - 1));
}

/// Puts a folder where this file is once all messages have been read, so that it cannot be removed.
struct BlockThen(PathBuf);

impl Watch for BlockThen {
    fn total(&mut self, _: u64) {}

    fn step(&mut self) -> Result<(), ExportError> {
        Ok(())
    }

    fn closing(&mut self, _: &'static str) {
        fs::remove_file(&self.0).unwrap();
        fs::create_dir(&self.0).unwrap();
    }
}

#[test]
fn a_new_beginning_that_is_cut_short_is_not_gone_on_from() {
    let mut bench = odd_archive();
    let out = bench.dir.path().join("all.jsonl");
    export(&bench.path(), &job(Format::Jsonl, &out)).unwrap();
    life(&mut bench, 1);
    let part = export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap().out;
    let reader = Reader::open(&bench.path()).unwrap();
    let anew = Job { now: NOW + 1, ..job(Format::Jsonl, &out) };
    run(&reader, &anew, &mut BlockThen(part.clone())).unwrap_err();
    fs::remove_dir(&part).unwrap();
    life(&mut bench, 2);
    let done = export(&bench.path(), &since_last(Format::Jsonl, &out)).unwrap();
    assert_eq!(done.out, out);
    let again = bench.dir.path().join("again.db");
    restore::jsonl(&[out], &again, &mut Unwatched).unwrap();
    assert_equal(&bench.path(), &again);
}
