//! One run, as a process of its own: it prints what it took as JSON.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use archiver::api::{AccountAccess, ApiSettings, ApiVersion, HttpApi, Network, Rate};
use archiver::clock::SystemClock;
use archiver::core::budget::Caps;
use archiver::core::planner::backoff::Backoff;
use archiver::secret::Secret;
use archiver::store::{Configured, Store, Trigger};
use archiver::sync::{self, NoProgress, Settings, Stopper};
use archiver_bench::peak_memory_kib;

/// Runs as the arguments say.
pub(super) fn run(arguments: &[String]) {
    let number = |at: usize| arguments[at].parse::<u32>().unwrap();
    let (accounts, in_flight, per_account, per_minute, port) =
        (number(2), number(3), number(4), number(5), number(6));
    let names: Vec<String> = (0..accounts).map(|account| format!("a{account}")).collect();
    let api = HttpApi::new(
        ApiSettings {
            base_url: format!("http://127.0.0.1:{port}/").parse().unwrap(),
            version: ApiVersion::V2,
            api_key: Secret::new("key"),
            timeout: Duration::from_secs(60),
            rate: Rate::new(per_minute),
            network: Network::default(),
            accounts: names.iter().map(|name| access(name)).collect(),
        },
        SystemClock,
    );
    let api = api.unwrap();
    let configured =
        |name: &String| Configured { account: name.clone(), discover: true, ..Configured::default() };
    let settings = Settings {
        trigger: Trigger::Once,
        caps: Caps::default(),
        account_caps: vec![],
        page_size: 100,
        in_flight,
        in_flight_per_account: per_account,
        retries: 0,
        backoff: Backoff { base: Duration::from_secs(1), max: Duration::from_secs(1) },
        jitter: || 0.5,
        accounts: names.iter().map(configured).collect(),
        only: vec![],
        inbox: true,
        longest_silence: 64,
        recheck_days: Some(30),
        reconcile: false,
        events: false,
        parked: BTreeSet::new(),
        probe: false,
    };
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async {
        let mut store = Store::open(&Path::new(&arguments[1]).join("archive.db")).unwrap();
        let (_stopper, stop) = Stopper::new();
        let report =
            sync::run(&mut store, &api, &SystemClock, &settings, &stop, &mut NoProgress).await.unwrap();
        store.close().unwrap();
        report
    });
    let told = serde_json::json!({
        "seconds": begun.elapsed().as_secs_f64(), "cpu": cpu_seconds(), "requests": report.requests,
        "memory_kib": peak_memory_kib(), "outcome": report.outcome.as_str(),
    });
    println!("{told}");
}

fn access(name: &str) -> AccountAccess {
    AccountAccess {
        name: name.to_owned(),
        country: "FR".into(),
        login_token: None,
        account_id: Some(name.to_owned()),
    }
}

/// Processor time of this thread so far, which does everything.
fn cpu_seconds() -> f64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
