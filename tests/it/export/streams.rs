//! Exports that are read as they come, and times in other zones than UTC.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::thread;

use chrono::DateTime;
use chrono_tz::Tz;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use archiver::export::{Format, Job};

use crate::bench::NOW;
use crate::binary::{FakeApi, Home, server};
use crate::support::export::{MINUTE, export, files, job, odd_archive};

fn home() -> Home {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3)]));
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    home
}

#[test]
fn standard_output_and_pipes_get_the_export_and_nothing_else() {
    let home = home();
    let before = home.files();
    for (format, lines) in [("jsonl", 28), ("csv", 29)] {
        let mut outputs = Vec::new();
        for out in ["-", "/dev/stdout"] {
            let ran = home.run(&["export", "--format", format, "--out", out]).expect(0);
            assert_eq!(ran.stderr, "");
            let rows =
                ran.stdout.lines().filter(|line| format == "csv" || line.contains("\"message\",\"account"));
            assert_eq!(rows.count(), lines, "{format} {out}");
            outputs.push(ran.stdout);
        }
        let pipe = home.path("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let reader = {
            let pipe = pipe.clone();
            thread::spawn(move || fs::read_to_string(pipe).unwrap())
        };
        assert_eq!(home.run(&["export", "--format", format, "--out", "pipe"]).expect(0).stdout, "");
        outputs.push(reader.join().unwrap());
        fs::remove_file(pipe).unwrap();
        // The header of JSON Lines says when it was written.
        let body = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert!(outputs.iter().all(|output| body(output) == body(&outputs[0])), "{format}");
    }
    assert_eq!(home.files(), before);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = home();
    let mut command = home.archiver(&["export", "--format", "jsonl", "--out", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_folder_of_files_does_not_go_to_a_stream_and_a_stream_is_not_continued() {
    let home = home();
    for (args, said) in [
        (&["--format", "html", "--out", "-"][..], "html is a folder of files"),
        (&["--format", "csv", "--out", "-", "--since-last"], "nothing to continue from"),
        (&["--format", "jsonl", "--out", "x", "--timezone", "UTC"], "--timezone works with"),
        (&["--format", "csv", "--out", "x", "--timezone", "Europe/Berln"], "Europe/Berlin"),
        (&["--format", "csv", "--out", "x", "--force"], "--force works with --format markdown only"),
    ] {
        let ran = home.run(&[&["export"], args].concat()).expect(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn times_that_people_read_are_in_the_zone_that_was_asked_for() {
    let bench = odd_archive();
    let told = |format: Format, timezone: Tz| {
        let out = bench.dir.path().join(format!("{}-{}", format.name(), timezone.name().replace('/', "-")));
        export(&bench.path(), &Job { timezone, ..job(format, &out) }).unwrap();
        let paths = if out.is_dir() { files(&out) } else { vec![out] };
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let newest = DateTime::from_timestamp_millis(NOW - MINUTE).unwrap();
    let utc = newest.format("%FT%T%.3fZ").to_string();
    let tokyo = newest.with_timezone(&Tz::Asia__Tokyo).format("%FT%T%.3f+09:00").to_string();
    for (format, utc, tokyo) in [
        (Format::Csv, utc.as_str(), tokyo.as_str()),
        (Format::Html, "All times are UTC.", "All times are Asia/Tokyo."),
        (Format::Markdown, "(UTC)", "(Asia/Tokyo)"),
    ] {
        let (in_utc, in_tokyo) = (told(format, Tz::UTC), told(format, Tz::Asia__Tokyo));
        assert!(in_utc.contains(utc) && !in_utc.contains(tokyo), "{format:?}");
        assert!(in_tokyo.contains(tokyo) && !in_tokyo.contains(utc), "{format:?}");
    }
    let search = told(Format::Html, Tz::Asia__Tokyo);
    assert!(search.contains("],\"Asia/Tokyo\");"), "the search shows dates, too");
}

#[test]
fn another_zone_is_a_change() {
    let bench = odd_archive();
    for format in [Format::Html, Format::Markdown] {
        let out = bench.dir.path().join(format.name());
        let again = Job { since_last: true, ..job(format, &out) };
        export(&bench.path(), &again).unwrap();
        assert!(export(&bench.path(), &again).unwrap().unchanged);
        assert!(!export(&bench.path(), &Job { timezone: Tz::Asia__Tokyo, ..again }).unwrap().unchanged);
    }
}
