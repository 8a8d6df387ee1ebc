//! What only a person can mend: told once, left alone, taken up again.

use std::fs;

use fake_linkup::server::Server;
use rustix::process::Signal;

use super::{EVERY_SECOND, Service, asked_of, home, number, runs, until};
use crate::binary::{FakeApi, Home, KEY, Process, account, assert_complete, server};

/// Two accounts: `me` and `work`.
fn two_accounts() -> Server {
    let mut server = server(&[("Ada Example", 12), ("Ben Sample", 3)]);
    server.add_account(account("work", ("Wanda", "Worker"), &[("Cleo Muster", 25)]));
    server
}

/// A command that leaves a line and its environment for each thing it is told.
fn told_by_command(home: &mut Home) {
    let command =
        r#"["sh", "-c", "echo $ARCHIVER_ALERT_KIND $ARCHIVER_ALERT_ACCOUNT >> told; env >> told.env"]"#;
    home.env("ARCHIVER_ALERTS__COMMAND", command);
    home.env("ARCHIVER_UNRELATED_TO_THE_COMMAND", "");
}

fn told(home: &Home) -> Vec<String> {
    fs::read_to_string(home.path("told")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Waits for two more runs of the schedule.
fn two_more_runs(home: &Home) {
    let before = runs(home);
    until("two more runs", || runs(home) >= before + 2);
}

#[test]
fn an_account_whose_session_is_over_is_left_alone_until_its_token_file_changes() {
    let api = FakeApi::serve(two_accounts());
    let mut home = home(&api, "v1", EVERY_SECOND);
    told_by_command(&mut home);
    api.server().account_mut(0).unwrap().active = false;
    let service = Service::start(&home);
    service.until_logged("needs attention");
    two_more_runs(&home);
    assert_eq!(asked_of(&api, 0), 1, "hammered");
    until("the command", || !told(&home).is_empty());
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["needs_attention"][0]["kind"], "account");
    assert_eq!(status["needs_attention"][0]["account"], "me");
    assert!(status["horizon"].is_null(), "{status}");
    assert!(home.run(&["status"]).expect(0).stdout.contains("NEEDS ATTENTION since 2"));
    service.stop();
    assert_eq!(number(&home, "SELECT count(*) FROM message_log WHERE account = 'work'"), 25);

    // A new start is no new attention.
    let service = Service::start(&home);
    two_more_runs(&home);
    assert_eq!((asked_of(&api, 0), told(&home)), (1, vec!["account me".to_owned()]));

    // A run that is asked for is one try.
    home.run(&["sync", "--now"]).expect(0);
    until("the try by hand", || asked_of(&api, 0) == 2);
    two_more_runs(&home);
    assert_eq!((asked_of(&api, 0), told(&home).len()), (2, 1));

    // Reading the configuration again is one try, too.
    service.signal(Signal::HUP);
    until("the try after reading again", || asked_of(&api, 0) == 3);
    two_more_runs(&home);
    assert_eq!((asked_of(&api, 0), told(&home).len()), (3, 1));

    // A token that was written anew, and is refused, is news.
    let token = api.server().accounts()[0].login_token.clone();
    home.write_secret("token.me", &token);
    until("the try with the new file", || asked_of(&api, 0) == 4);
    until("the command again", || told(&home).len() == 2);
    two_more_runs(&home);
    assert_eq!((asked_of(&api, 0), told(&home).len()), (4, 2));

    api.server().account_mut(0).unwrap().active = true;
    home.write_secret("token.me", &token);
    service.until_logged("the account is asked again");
    until("all of it", || number(&home, "SELECT count(*) FROM conversation_log WHERE complete = 0") == 0);
    service.stop();
    assert_complete(&home, &api.server());
    assert_eq!(home.count("SELECT count(*) FROM alert"), 0);
    let env = fs::read_to_string(home.path("told.env")).unwrap();
    assert!(env.contains("ARCHIVER_ALERT_MESSAGE=the account was refused"), "{env}");
    let own: Vec<&str> = env
        .lines()
        .filter(|l| {
            l.starts_with("ARCHIVER_")
                && !l.starts_with("ARCHIVER_ALERT_")
                && !l.starts_with("ARCHIVER_ATTENTION_")
        })
        .collect();
    assert_eq!(own, Vec::<&str>::new());
    let kept = fs::read(home.archive()).unwrap();
    for secret in [KEY, &token] {
        assert!(!env.contains(secret) && !service_log_holds(&home, secret));
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
}

fn service_log_holds(home: &Home, secret: &str) -> bool {
    super::log(home).contains(secret)
}

#[test]
fn status_and_metrics_park_an_account_exactly_while_the_service_would() {
    let api = FakeApi::serve(two_accounts());
    let mut home = home(&api, "v1", EVERY_SECOND);
    home.env("ARCHIVER_METRICS__TEXTFILE", "figures.prom");
    api.server().account_mut(0).unwrap().active = false;
    home.run(&["sync", "--once"]).expect(77);
    let parked = || -> Vec<bool> {
        let status = home.run(&["status", "--json"]).expect(0).json();
        status["accounts"].as_array().unwrap().iter().map(|a| a["parked"].as_bool().unwrap()).collect()
    };
    assert_eq!(parked(), [true, false]);
    let figures = fs::read_to_string(home.path("figures.prom")).unwrap();
    for sample in ["archiver_account_parked{account=\"me\"} 1", "archiver_account_parked{account=\"work\"} 0"]
    {
        assert!(figures.contains(sample), "{figures}");
    }
    let token = api.server().accounts()[0].login_token.clone();
    home.write_secret("token.me", &token);
    assert_eq!(parked(), [false, false]);
    assert!(home.run(&["status"]).expect(0).stdout.contains("renewed since: the next run tries again"));
    fs::remove_file(home.path("token.me")).unwrap();
    assert_eq!(parked(), [true, false], "a token that cannot be read is taken for the refused one");
}

#[test]
fn a_refused_key_parks_every_account_and_v2_too() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(two_accounts());
        let mut home = home(&api, version, EVERY_SECOND);
        told_by_command(&mut home);
        home.env("ARCHIVER_METRICS__TEXTFILE", "figures.prom");
        home.write_secret("api_key", "sk-another-key-altogether");
        let service = Service::start(&home);
        service.until_logged("every account needs attention");
        let written = || fs::metadata(home.path("figures.prom")).unwrap().modified().unwrap();
        let first = written();
        until("another slot", || written() > first);
        // One of each account was under way.
        assert_eq!((api.requests().min(2), runs(&home)), (api.requests(), 1), "{version}");
        until("the command", || told(&home) == ["key"]);
        home.write_secret("api_key", KEY);
        until("all of it", || number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'complete'") > 0);
        service.stop();
        assert_complete(&home, &api.server());
        assert_eq!((home.count("SELECT count(*) FROM alert"), told(&home).len()), (0, 1));
    }
}

#[test]
fn a_single_run_tells_too_and_is_one_try_each() {
    let api = FakeApi::serve(two_accounts());
    let mut home = home(&api, "v2", EVERY_SECOND);
    told_by_command(&mut home);
    api.server().account_mut(1).unwrap().active = false;
    for tries in 1..=2 {
        home.run(&["sync", "--once"]).expect(77);
        assert_eq!((asked_of(&api, 1), told(&home)), (tries, vec!["account work".to_owned()]));
    }
    let service = Service::start(&home);
    two_more_runs(&home);
    assert_eq!(asked_of(&api, 1), 2, "what a single run was refused, the service leaves alone");
    service.stop();
    api.server().account_mut(1).unwrap().active = true;
    home.run(&["sync", "--once"]).expect(0);
    assert_complete(&home, &api.server());
    assert_eq!(home.count("SELECT count(*) FROM alert"), 0);
}

#[test]
fn a_balance_that_is_used_up_is_told_once_and_tried_again() {
    // Refused by the API, or seen before from the balance that it tells.
    for reconcile in ["false", "true"] {
        for balance in [0, 1] {
            let api = FakeApi::serve(two_accounts());
            let mut home = home(&api, "v1", EVERY_SECOND);
            told_by_command(&mut home);
            home.env("ARCHIVER_BUDGET__RECONCILE", reconcile);
            api.server().meter.balance = balance;
            let service = Service::start(&home);
            two_more_runs(&home);
            until("the command", || !told(&home).is_empty());
            assert_eq!(told(&home), ["credits"]);
            let status = home.run(&["status", "--json"]).expect(0).json();
            assert_eq!(status["needs_attention"][0]["kind"], "credits", "{reconcile} {balance}");
            api.server().meter.balance = 1_000;
            until("all of it", || {
                number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'complete'") > 0
            });
            service.stop();
            assert_eq!((home.count("SELECT count(*) FROM alert"), told(&home).len()), (0, 1));
            assert_complete(&home, &api.server());
        }
    }
}

#[test]
fn a_new_login_to_the_same_account_of_v2_is_tried() {
    let api = FakeApi::serve(two_accounts());
    let mut home = home(&api, "v2", EVERY_SECOND);
    told_by_command(&mut home);
    api.server().account_mut(0).unwrap().active = false;
    let id = api.server().accounts()[0].account_id.clone();
    let config = fs::read_to_string(home.path("archiver.toml")).unwrap();
    let inline = format!("account_id = {id:?}");
    assert!(config.contains(&inline), "{config}");
    fs::write(home.path("archiver.toml"), config.replace(&inline, "account_id_file = \"id.me\"")).unwrap();
    fs::write(home.path("id.me"), &id).unwrap();
    let service = Service::start(&home);
    service.until_logged("needs attention");
    two_more_runs(&home);
    assert_eq!(asked_of(&api, 0), 1, "hammered");
    // A login writes the same id again.
    api.server().account_mut(0).unwrap().active = true;
    fs::write(home.path("id.me"), &id).unwrap();
    service.until_logged("the account is asked again");
    until("all of it", || number(&home, "SELECT count(*) FROM conversation_log WHERE complete = 0") == 0);
    service.stop();
    assert_complete(&home, &api.server());
}

#[test]
fn a_command_that_a_stop_cut_short_runs_again_after_the_next_start() {
    let api = FakeApi::serve(two_accounts());
    let mut home = home(&api, "v1", EVERY_SECOND);
    home.env("ARCHIVER_ALERTS__COMMAND", r#"["sleep", "60"]"#);
    api.server().account_mut(0).unwrap().active = false;
    let service = Service::start(&home);
    service.until_logged("needs attention");
    service.stop();
    told_by_command(&mut home);
    let service = Service::start(&home);
    until("the command", || told(&home) == ["account me"]);
    two_more_runs(&home);
    service.stop();
    assert_eq!((asked_of(&api, 0), told(&home).len()), (2, 1));
}

#[test]
fn a_signal_ends_a_single_run_that_waits_for_its_command() {
    let api = FakeApi::serve(two_accounts());
    let mut home = home(&api, "v1", EVERY_SECOND);
    home.env("ARCHIVER_ALERTS__COMMAND", r#"["sh", "-c", "echo begun > begun; exec sleep 60"]"#);
    api.server().account_mut(0).unwrap().active = false;
    let process = Process::start(&mut home.archiver(&["sync", "--once"]));
    until("the command", || home.path("begun").exists());
    // The archive is free meanwhile.
    home.run(&["sync", "--once", "--only", "Cleo Muster"]).expect(0);
    process.signal(Signal::TERM);
    process.finish().expect(77);
}

#[test]
fn a_command_that_fails_or_is_not_there_stops_nothing() {
    for (command, words) in
        [(r#"["false"]"#, "the alert command failed"), (r#"["/nowhere/tell"]"#, "cannot be run")]
    {
        let api = FakeApi::serve(two_accounts());
        let mut home = home(&api, "v1", EVERY_SECOND);
        home.env("ARCHIVER_ALERTS__COMMAND", command);
        api.server().account_mut(0).unwrap().active = false;
        let service = Service::start(&home);
        service.until_logged(words);
        two_more_runs(&home);
        service.stop();
    }
}
