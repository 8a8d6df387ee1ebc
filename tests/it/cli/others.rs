//! The commands around: the fake API, completions, manual pages, the default configuration, help.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::binary::{Home, Process};

/// The body of the answer to a bare GET.
fn get(base_url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn the_fake_api_prints_its_address_and_serves_until_it_is_stopped() {
    let mut home = Home::empty();
    home.env("ARCHIVER_BUDGET__CREDITS_PER_RUN", "10000");
    let mut process = Process::start(&mut home.archiver(&["fake-api", "--port", "0", "--seed", "3"]));
    let mut address = String::new();
    let mut stdout = BufReader::new(process.child().stdout.take().unwrap());
    stdout.read_line(&mut address).unwrap();
    let address = address.trim();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");

    home.write("archiver.toml", &get(address, "/_fake/config?inbox=off"));
    let report = home.sync();
    assert_eq!(report["outcome"], "complete", "{report}");
    let meter: serde_json::Value = serde_json::from_str(&get(address, "/_fake/meter")).unwrap();
    assert_eq!(meter["charged"], report["credits_spent"]);
    assert_eq!(meter["violations"], 0);

    process.signal(Signal::TERM);
    process.finish().expect(0);
}

#[test]
fn a_port_that_is_taken_is_said_to_be() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = Home::empty().run(&["fake-api", "--port", &port]).expect(69);
    assert!(ran.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{ran:?}");
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    let home = Home::empty();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]).expect(0).stdout;
        for word in ["sync", "status", "demo", "fake-api", "dry-run"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = home.run(&["man"]).expect(0).stdout;
    assert!(page.contains(".TH archiver 1") && page.contains("\n.SH SYNOPSIS"), "{page}");
    std::fs::create_dir(home.path("man1")).unwrap();
    home.run(&["man", "--out", "man1"]).expect(0);
    assert!(home.path("man1/archiver-sync.1").exists());
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    let home = Home::empty();
    let version = home.run(&["--version"]).expect(0);
    assert_eq!(version.stdout, format!("archiver {}\n", env!("CARGO_PKG_VERSION")));
    for command in [
        "sync",
        "status",
        "people",
        "stats",
        "verify",
        "backup",
        "check",
        "demo",
        "fake-api",
        "default-config",
        "completions",
        "man",
    ] {
        let ran = home.run(&[command, "--help"]).expect(0);
        assert!(ran.stdout.contains("Usage: archiver ") && ran.stderr.is_empty(), "{ran:?}");
        assert!(home.run(&["--help"]).expect(0).stdout.contains(command), "{command}");
        // A command that takes a while to explain shows how it is used.
        let bare = ["default-config"].contains(&command);
        assert!(bare || ran.stdout.contains("Examples:"), "{command}: {}", ran.stdout);
    }
}

#[test]
fn the_default_configuration_can_be_used_as_it_is() {
    let home = Home::empty();
    let text = home.run(&["default-config"]).expect(0).stdout;
    home.write("archiver.toml", &text);
    let ran = home.run(&["sync", "--once", "--dry-run"]).expect(0);
    assert!(ran.stdout.contains("The next run makes no request."), "{ran:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::empty();
    let mut process = Process::start(&mut home.archiver(&["man"]));
    drop(process.child().stdout.take());
    let ran = process.finish();
    assert_eq!((ran.code, ran.signal), (Some(0), None), "{ran:?}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn the_journal_is_told_a_failure_as_events_with_their_priority() {
    let mut home = Home::empty();
    home.write("archiver.toml", "[schedule]\nnonsense = 1\nzone = 2\n");
    let journal = std::fs::File::create(home.path("journal")).unwrap();
    let stat = rustix::fs::fstat(&journal).unwrap();
    home.env("JOURNAL_STREAM", &format!("{}:{}", stat.st_dev, stat.st_ino));
    let told = |args: &[&str]| {
        let mut command = home.archiver_after("exec 2>journal", args);
        Process::start(&mut command).finish().expect(78);
        std::fs::read_to_string(home.path("journal")).unwrap()
    };
    let said = told(&["sync"]);
    assert!(said.lines().count() >= 3 && said.lines().all(|line| line.starts_with("<3>ERROR ")), "{said}");
    assert!(said.contains("schedule.nonsense") && said.contains("<3>ERROR help: "), "{said}");
    let said = told(&["sync", "--log-level", "off"]);
    assert!(said.starts_with("error: ") && !said.contains("<3>"), "{said}");
}
