//! Many accounts and many conversations: how long runs take with several requests under way, and what an idle run and a
//! request cost as the archive grows. The server is a stand-in that makes its answers up, in another thread; each run is a
//! process of its own, so that its processor time and memory are its own.
//!
//! `cargo bench -p archiver-bench --bench seats` prints the table; `-- --quick` leaves out what takes minutes, `-- --growing`
//! shows only what grows, and `ARCHIVER_BENCH_CONVERSATIONS=1000,16000,1000000` sets the sizes.
//! `ARCHIVER_BENCH_MESSAGES=10` gives each of these conversations so many messages, and `ARCHIVER_BENCH_KEEP=FOLDER` leaves
//! the last archive there, of an account a0 with `inbox = "discover"`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time, and one that panics has failed"
)]

mod client;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// What the stand-in serves, and what a run may do.
#[derive(Clone, Copy)]
struct Case {
    accounts: usize,
    conversations: usize,
    messages: usize,
    latency_ms: u64,
    in_flight: u32,
    per_account: u32,
    per_minute: u32,
}

/// Idle runs of which the least is taken.
const IDLE_RUNS: usize = 5;

const CASE: Case = Case {
    accounts: 1,
    conversations: 10,
    messages: 1,
    latency_ms: 0,
    in_flight: 4,
    per_account: 1,
    per_minute: 60_000,
};

impl Case {
    /// As the arguments of a run's process.
    fn arguments(self, port: u16, folder: &Path) -> Vec<String> {
        let Self { accounts, in_flight, per_account, per_minute, .. } = self;
        let numbers = [accounts as u64, in_flight.into(), per_account.into(), per_minute.into(), port.into()];
        let folder = folder.to_str().unwrap().to_owned();
        ["run".to_owned(), folder].into_iter().chain(numbers.map(|n| n.to_string())).collect()
    }

    /// One run in a process of its own; what it measured.
    fn run(self, folder: &Path) -> Measured {
        let port = server::start(self);
        let me = std::env::current_exe().unwrap();
        let ran = Command::new(me).args(self.arguments(port, folder)).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let number = |name: &str| told[name].as_f64().unwrap();
        Measured {
            seconds: number("seconds"),
            cpu: number("cpu"),
            requests: number("requests"),
            memory_mib: number("memory_kib") / 1024.0,
            outcome: told["outcome"].as_str().unwrap().to_owned(),
        }
    }
}

struct Measured {
    seconds: f64,
    cpu: f64,
    requests: f64,
    memory_mib: f64,
    outcome: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "run") {
        return client::run(&arguments);
    }
    let is = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let quick = is("--quick");
    if !is("--growing") {
        side_by_side();
        if !quick {
            a_thousand_accounts();
        }
    }
    growing(quick);
}

fn line(what: &str, measured: &str, wanted: &str) {
    println!("{what:<72} {measured:>12}   {wanted}");
}

fn side_by_side() {
    for in_flight in [1, 4, 16] {
        let folder = tempfile::tempdir().unwrap();
        let case = Case { accounts: 100, in_flight, ..CASE };
        case.run(folder.path());
        let idle = Case { latency_ms: 300, ..case }.run(folder.path());
        assert_eq!((idle.requests, idle.outcome.as_str()), (100.0, "complete"));
        let most = 1.2 * 30.0 / f64::from(in_flight);
        let what = format!("idle run over 100 accounts, 0.3 s an answer, in_flight = {in_flight}");
        line(&what, &format!("{:.2} s", idle.seconds), &format!("at most {most:.2} s"));
    }
    for per_account in [1, 4] {
        let folder = tempfile::tempdir().unwrap();
        let case = Case { conversations: 40, messages: 100, latency_ms: 300, per_account, ..CASE };
        let first = case.run(folder.path());
        assert_eq!(first.outcome, "complete");
        let most = if per_account == 4 { "at most 4.03 s" } else { "" };
        let what =
            format!("first archive of 40 conversations of 100, 0.3 s, in_flight_per_account = {per_account}");
        line(&what, &format!("{:.2} s", first.seconds), most);
    }
}

fn a_thousand_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case { accounts: 1000, in_flight: 32, ..CASE };
    case.run(folder.path());
    let idle = Case { latency_ms: 2000, per_minute: 300, ..case }.run(folder.path());
    assert_eq!((idle.requests, idle.outcome.as_str()), (1000.0, "complete"));
    line(
        "idle run over 1,000 accounts, 2 s an answer, 300 requests a minute",
        &format!("{:.1} s", idle.seconds),
        "at most 210 s",
    );
    line("   its processor time", &format!("{:.2} s", idle.cpu), "");
}

fn growing(quick: bool) {
    let sizes = std::env::var("ARCHIVER_BENCH_CONVERSATIONS");
    let sizes =
        sizes.unwrap_or_else(|_| if quick { "1000,4000" } else { "1000,4000,16000,100000" }.to_owned());
    for conversations in sizes.split(',').map(|size| size.parse().unwrap()) {
        let temporary = tempfile::tempdir().unwrap();
        let kept = std::env::var("ARCHIVER_BENCH_KEEP").map(PathBuf::from);
        let folder = kept.unwrap_or_else(|_| temporary.path().to_owned());
        let messages = std::env::var("ARCHIVER_BENCH_MESSAGES").map_or(1, |n| n.parse().unwrap());
        let case = Case { conversations, messages, per_account: 4, ..CASE };
        let first = case.run(&folder);
        assert_eq!(first.outcome, "complete");
        let a_request = first.cpu * 1000.0 / first.requests;
        let what = format!("first archive of {conversations} conversations: processor time a request");
        line(&what, &format!("{a_request:.2} ms"), "less than 1 ms, flat");
        // The first after an archive has grown may still have to write out what it left. Of the others the least is what
        // the program takes, and more is what the machine had to do for others.
        case.run(&folder);
        let idle = (0..IDLE_RUNS).map(|_| case.run(&folder)).min_by(|a, b| a.cpu.total_cmp(&b.cpu)).unwrap();
        assert_eq!((idle.requests, idle.outcome.as_str()), (1.0, "complete"));
        let what = format!("idle run over {conversations} conversations: processor time");
        line(&what, &format!("{:.1} ms", idle.cpu * 1000.0), "at most 15 ms, flat");
        let what = format!("idle run over {conversations} conversations: memory");
        line(&what, &format!("{:.1} MiB", idle.memory_mib), "less than 20 MiB, flat");
    }
}

/// How long an answer takes.
fn latency(case: Case) -> Duration {
    Duration::from_millis(case.latency_ms)
}
