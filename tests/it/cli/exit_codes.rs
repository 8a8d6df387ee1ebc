//! How commands end when something is wrong: the promised codes, and what goes on all the same.

use std::net::TcpListener;

use fake_linkup::server::Server;
use fake_linkup::{Fault, FaultRule, When};
use rustix::process::Signal;

use super::{SYNC, golden};
use crate::binary::{FakeApi, Home, KEY, Process, account, assert_complete, assert_sound, server};

/// Two accounts: `me` with two conversations, `work` with two.
fn two_accounts() -> Server {
    let mut server = server(&[("Ada Example", 12), ("Ben Sample", 3)]);
    server.add_account(account("work", ("Wanda", "Worker"), &[("Cleo Muster", 25), ("Dan Beispiel", 4)]));
    server
}

fn asked_of(api: &FakeApi, account: usize) -> usize {
    api.server().meter.rows().iter().filter(|r| r.account == Some(account)).count()
}

#[test]
fn an_api_that_cannot_be_reached_is_69() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.edit(api.base_url(), &format!("http://{closed}"));
    let ran = home.run(SYNC).expect(69);
    assert_eq!(ran.json()["outcome"], "failed");
    assert_eq!(ran.json()["credits_spent"], 0, "what was never sent costs nothing");
    assert!(ran.stderr.contains("no connection to the API"), "{ran:?}");
    assert_sound(&home, 0);
}

#[test]
fn an_api_that_keeps_failing_is_69_and_is_left_alone_after_a_few_requests() {
    for status in [500, 502, 429] {
        let people: Vec<String> = (0..20).map(|n| format!("Ada Example{n}")).collect();
        let people: Vec<(&str, usize)> = people.iter().map(|name| (name.as_str(), 3)).collect();
        let api = FakeApi::serve(server(&people));
        let home = Home::of(&api, "v1");
        api.server().faults.add(FaultRule::always(Fault::http(status)));
        let report = home.run(SYNC).expect(69).json();
        assert_eq!((&report["outcome"], &report["new_messages"]), (&"failed".into(), &0.into()));
        assert_eq!(api.requests(), 6, "three conversations, each asked and asked again");
        assert_sound(&home, api.charged());
    }
}

#[test]
fn one_failing_target_never_stops_the_others() {
    let faults = [
        Fault::http(500),
        Fault::http(400),
        Fault::Html,
        Fault::DataArray,
        Fault::DataNull,
        Fault::NoMessages,
        Fault::CutJson,
        Fault::CloseAfter,
        Fault::CutConnection,
        Fault::ChannelError,
        Fault::Redirect("http://127.0.0.1:9/".to_owned()),
    ];
    for version in ["v1", "v2"] {
        for fault in &faults {
            let api = FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3), ("Cleo Muster", 25)]));
            let home = Home::of(&api, version);
            let urn = api.server().accounts()[0].mailbox.conversations()[1].urn.clone();
            let when = When { conversation: Some(urn), ..When::default() };
            api.server().faults.add(FaultRule::always(fault.clone()).when(when));
            let report = home.run(SYNC).expect(69).json();
            assert_eq!(report["outcome"], "partial", "{version} {fault}: {report}");
            assert_eq!(report["new_messages"], 37, "{version} {fault}: {report}");
            assert!(report["horizon"].is_null(), "{version} {fault}: {report}");
            let errors: Vec<bool> =
                report["conversations"].as_array().unwrap().iter().map(|c| c["error"].is_string()).collect();
            assert_eq!(errors, [false, true, false], "{version} {fault}: {report}");
            assert_sound(&home, api.charged());
            api.server().faults.clear();
            home.sync_until_complete();
            assert_complete(&home, &api.server());
        }
    }
}

#[test]
fn an_inbox_that_fails_never_stops_the_configured_targets() {
    for fault in [Fault::http(500), Fault::Html, Fault::DataArray, Fault::http(400), Fault::CloseAfter] {
        let api = FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3), ("Cleo Muster", 25)]));
        let mut home = Home::empty();
        home.discovers(2);
        home.point_at(&api, "v1");
        let when = When { path: Some("/v1/messages/inbox".to_owned()), ..When::default() };
        api.server().faults.add(FaultRule::always(fault.clone()).when(when));
        let report = home.run(SYNC).expect(69).json();
        assert_eq!(report["new_messages"], 15, "{fault}: {report}");
        assert_sound(&home, api.charged());
        api.server().faults.clear();
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_refused_key_is_77_and_nothing_more_is_asked_with_it() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(two_accounts());
        let home = Home::of(&api, version);
        home.write_secret("api_key", "sk-another-key-altogether");
        let ran = home.run(SYNC).expect(77);
        assert_eq!(ran.json()["outcome"], "failed", "{ran:?}");
        // One of each account was under way when the first was refused.
        assert!(api.requests() <= 2, "{version}: {}", api.requests());
        home.write_secret("api_key", KEY);
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_session_that_is_over_is_77_and_stops_its_account_alone() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(two_accounts());
        let home = Home::of(&api, version);
        api.server().account_mut(0).unwrap().active = false;
        let ran = home.run(SYNC).expect(77);
        let report = ran.json();
        assert_eq!((&report["outcome"], &report["new_messages"]), (&"partial".into(), &29.into()), "{ran:?}");
        assert_eq!(asked_of(&api, 0), 1, "{version}: the account is not asked again");
        home.run(SYNC).expect(77);
        assert_eq!(asked_of(&api, 0), 2, "{version}: a new run tries once more");
        api.server().account_mut(0).unwrap().active = true;
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn the_worst_failure_decides() {
    let api = FakeApi::serve(two_accounts());
    let home = Home::of(&api, "v1");
    api.server().account_mut(0).unwrap().active = false;
    let urn = api.server().accounts()[1].mailbox.conversations()[1].urn.clone();
    let when = When { conversation: Some(urn), ..When::default() };
    api.server().faults.add(FaultRule::always(Fault::http(500)).when(when));
    let report = home.run(SYNC).expect(77).json();
    assert_eq!(report["new_messages"], 25, "{report}");
}

#[test]
fn a_balance_that_is_used_up_ends_a_run_like_a_budget() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(two_accounts());
        let home = Home::of(&api, version);
        api.server().meter.balance = 2;
        home.run(SYNC).expect(0);
        assert!(api.server().meter.balance < 2, "{version}");
        let requests = api.requests();
        let report = home.run(SYNC).expect(0).json();
        assert!(report["gaps_left"].as_u64().unwrap() > 0 && report["horizon"].is_null(), "{report}");
        assert!(api.requests() <= requests + 2, "an empty purse is not asked again and again");
        api.server().meter.balance = 1_000;
        home.sync_until_complete();
        assert_complete(&home, &api.server());
    }
}

#[test]
fn a_second_process_is_75_and_reading_goes_on() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    home.sync();
    api.server().faults.add(FaultRule::once(Fault::Hang));
    let requests = api.requests_as_they_come();
    let first = Process::start(&mut home.archiver(SYNC));
    requests.recv().unwrap();
    let second = home.run(SYNC).expect(75);
    assert!(second.stderr.contains("another process is syncing"), "{second:?}");
    assert!(second.stdout.is_empty());
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["messages"], 12);
    home.run(&["sync", "--once", "--dry-run"]).expect(0);
    first.signal(Signal::KILL);
    first.finish();
    home.sync();
}

#[test]
fn bad_usage_is_2_and_says_what_would_be_good() {
    let home = Home::empty();
    for args in [
        &[][..],
        &["sink"],
        &["sync", "--onze"],
        &["sync", "--budget", "3"],
        &["sync", "--now", "--once"],
        &["sync", "--once", "--budget", "-1"],
        &["sync", "--once", "--budget", "many"],
        &["status", "--log-level", "loud"],
        &["completions", "cmd"],
    ] {
        let ran = home.run(args).expect(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("--help"), "{args:?}: {ran:#?}");
    }
}

#[test]
fn a_bad_configuration_is_78_and_names_file_key_and_value() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    let good = std::fs::read_to_string(home.path("archiver.toml")).unwrap();
    for (from, to, key, value) in [
        ("inbox = \"off\"", "inbox = \"of\"", "sync.inbox", "\"of\""),
        ("inbox = \"off\"", "inbux = \"off\"", "sync.inbux", "inbox"),
        ("credits_per_run = 1000", "credits_per_run = -3", "budget.credits_per_run", "-3"),
        ("credits_per_run = 1000", "credits_per_run = \"lots\"", "budget.credits_per_run", "lots"),
        ("http://127.0.0.1", "http://example.org", "api.base_url", "http://example.org"),
        ("retries = 1", "retries = 11", "api.retries", "11"),
        ("timeout_secs = 20", "timeout_secs = 0", "api.timeout_secs", "0"),
        ("name = \"me\"", "name = \"\"", "accounts[0].name", ""),
        ("[sync]", "[sink]", "sink", "sync"),
        ("[api]", "[api", "", ""),
    ] {
        home.edit(from, to);
        for command in [SYNC, &["status"], &["sync", "--once", "--dry-run"]] {
            let ran = home.run(command).expect(78);
            for word in ["archiver.toml:", key, value, "help: "] {
                assert!(ran.stderr.contains(word), "{word:?} is not in {ran:#?}");
            }
            assert!(ran.stdout.is_empty(), "{ran:?}");
        }
        home.write("archiver.toml", &good);
    }
    home.edit("inbox = \"off\"", "inbox = \"of\"\npage_size = 7\npage_sice = 1");
    golden("bad-config", &home, &home.run(SYNC).expect(78).stderr);
    assert_eq!(api.requests(), 0);
}

#[test]
fn a_missing_configuration_key_token_or_account_is_78() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let missing = |file: &str| {
        let home = Home::of(&api, "v1");
        std::fs::remove_file(home.path(file)).unwrap();
        home.run(SYNC).expect(78).stderr
    };
    assert!(missing("archiver.toml").contains("there is no configuration file"));
    assert!(missing("api_key").contains("api.api_key"));
    assert!(missing("token.me").contains("accounts[0].login_token_file"));
    let home = Home::empty();
    let default = home.run(&["default-config"]).expect(0).stdout;
    home.write("archiver.toml", &default);
    home.write_secret("api_key", KEY);
    let ran = home.run(SYNC).expect(78);
    assert!(ran.stderr.contains("[[accounts]]"), "{ran:?}");
    assert!(home.run(&["--config", "elsewhere.toml", "status"]).expect(78).stderr.contains("elsewhere.toml"));
    assert_eq!(api.requests(), 0);
}
