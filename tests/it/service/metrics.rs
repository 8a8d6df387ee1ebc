//! The file for Prometheus, and what is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fake_linkup::{Fault, FaultRule};

use super::{EVERY_SECOND, HARDLY_EVER, Service, home, runs, until};
use crate::binary::{FakeApi, Home, server};

/// The samples of a file in Prometheus' format, which must be sound.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut declared) = (BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["gauge", "counter"].contains(&kind) && declared.insert(name), "{line}");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(declared.contains(name), "{line} is not declared");
            assert_eq!(name.ends_with("_total"), text.contains(&format!("# TYPE {name} counter")), "{line}");
            let value = value.replace("+Inf", "inf").parse::<f64>().unwrap();
            assert!(samples.insert(series.to_owned(), value).is_none(), "{line} is there twice");
        }
    }
    samples
}

fn figures(home: &Home) -> BTreeMap<String, f64> {
    parsed(&fs::read_to_string(home.path("figures.prom")).unwrap())
}

#[test]
fn the_file_says_the_same_as_the_status() {
    let api = FakeApi::serve(server(&[("Ada Example", 60), ("Ben Sample", 3)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    home.env("ARCHIVER_METRICS__TEXTFILE", "figures.prom");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "500");
    home.edit("credits_per_run = 1000", "credits_per_run = 3");
    api.server().faults.add(FaultRule::once(Fault::http(502)));
    let service = Service::start(&home);
    until("the first run", || {
        home.path("figures.prom").exists() && figures(&home).contains_key("archiver_last_run_requests")
    });
    let mode = fs::metadata(home.path("figures.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let ours = figures(&home);
    let status = home.run(&["status", "--json"]).expect(0).json();
    service.stop();
    for (series, path) in [
        ("archiver_messages{account=\"me\"}", "/accounts/0/messages"),
        ("archiver_conversations{account=\"me\"}", "/accounts/0/conversations"),
        ("archiver_conversations_complete{account=\"me\"}", "/accounts/0/complete"),
        ("archiver_conversations_failing{account=\"me\"}", "/accounts/0/failing"),
        ("archiver_gaps{account=\"me\"}", "/accounts/0/gaps"),
        ("archiver_credits_spent{window=\"run\"}", "/credits/spent_last_run"),
        ("archiver_credits_spent{window=\"day\"}", "/credits/spent_today"),
        ("archiver_credits_spent{window=\"month\"}", "/credits/spent_this_month"),
        ("archiver_credits_left{window=\"run\"}", "/credits/left_last_run"),
        ("archiver_credits_left{window=\"day\"}", "/credits/left_today"),
        ("archiver_last_run_requests", "/last_run/requests"),
        ("archiver_last_run_new_messages", "/last_run/new_messages"),
        ("archiver_runs_total{outcome=\"budget\"}", "/runs/budget"),
        ("archiver_runs_total{outcome=\"partial\"}", "/runs/partial"),
        ("archiver_failures_total{kind=\"transient\"}", "/failures/transient"),
    ] {
        assert_eq!(ours.get(series).copied(), status.pointer(path).unwrap().as_f64(), "{series}: {status:#}");
    }
    assert_eq!(ours["archiver_failures_total{kind=\"transient\"}"], 1.0);
    assert_eq!(ours["archiver_credits_left{window=\"month\"}"], f64::INFINITY);
    // What is not known is not there.
    let horizon = ours.contains_key("archiver_horizon_timestamp_seconds");
    assert_eq!(horizon, status["horizon"].is_string(), "{status:#}");
    assert_eq!(horizon, ours.contains_key("archiver_horizon_age_seconds"));
    assert!(ours["archiver_next_run_timestamp_seconds"] > ours["archiver_written_timestamp_seconds"]);
    assert!(
        !fs::read_to_string(home.path("figures.prom")).unwrap().contains("Ada"),
        "no conversation is named"
    );
    let left: Vec<String> = home.files().into_iter().filter(|f| f.starts_with(".archiver-")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_file_that_cannot_be_written_stops_no_run() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = home(&api, "v1", EVERY_SECOND);
    home.env("ARCHIVER_METRICS__TEXTFILE", "/nowhere/figures.prom");
    let service = Service::start(&home);
    until("runs", || runs(&home) >= 2);
    service.until_logged("the figures cannot be written");
    service.stop();
    home.run(&["sync", "--once"]).expect(0);
}

/// The names of this program's metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("archiver_") && word.len() > 9).map(str::to_owned).collect()
}

#[test]
fn what_the_alerts_and_the_dashboard_name_is_written() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_METRICS__TEXTFILE", "figures.prom");
    home.env("ARCHIVER_NOTIFY", "[{ name = \"x\", kind = \"command\", command = [\"true\"] }]");
    home.sync();
    home.run(&["backup", "copy.db"]).expect(0);
    home.sync();
    let mut written: BTreeSet<String> = named(&fs::read_to_string(home.path("figures.prom")).unwrap());
    // Only the service knows it.
    written.insert("archiver_next_run_timestamp_seconds".to_owned());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    for file in ["prometheus-alerts.yml", "grafana-dashboard.json"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let unknown: Vec<String> = named(&text).difference(&written).cloned().collect();
        assert_eq!(unknown, Vec::<String>::new(), "{file} names what is not written");
        assert!(named(&text).len() > 5, "{file} names next to nothing");
    }
    let dashboard = fs::read_to_string(folder.join("grafana-dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.iter().all(|p| p["title"].is_string() && p["targets"][0]["expr"].is_string()));
}
