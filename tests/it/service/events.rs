//! Events: the service knows of a message without buying a look, and a day of watching is in the ledger.

use archiver::clock::{Clock as _, SystemClock};
use fake_linkup::Author;
use fake_linkup::faults::{Fault, FaultRule, When};
use rustix::process::Signal;

use super::{HARDLY_EVER, Service, home, number, runs, until};
use crate::binary::{FakeApi, Home, account, server};

const MESSAGES: &str = "SELECT count(*) FROM message_log";
const WATCHING: &str = "SELECT sum(credits_spent) FROM request_log WHERE endpoint LIKE 'v2/webhooks%'";

#[test]
fn a_message_is_fetched_as_soon_as_an_event_tells_of_it_and_the_watch_is_paid_once() {
    let api = FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3)]));
    let mut home = home(&api, "v2", HARDLY_EVER);
    home.env("ARCHIVER_EVENTS__ENABLED", "true");
    home.env("ARCHIVER_EVENTS__POLL_SECS", "1");
    home.env("ARCHIVER_SYNC__INBOX", "discover");
    let service = Service::start(&home);
    until("the first run", || number(&home, MESSAGES) == 15);
    service.until_logged("watching the account for events");
    for (index, text) in ["first news", "second news"].into_iter().enumerate() {
        let at = SystemClock.now_ms();
        api.server().mailbox_mut(0).unwrap().send(index, Author::Other(0), at, text).unwrap();
        let expected = 16 + i64::try_from(index).unwrap();
        until("the news are here", || number(&home, MESSAGES) == expected);
    }
    service.stop();
    assert_eq!(number(&home, WATCHING), 10, "one day of watching, once");
    let spent = home.count("SELECT sum(credits_spent) FROM request_log");
    assert_eq!(spent, api.charged(), "the ledger and the vendor agree");
    assert!(runs(&home) >= 4);
}

#[test]
fn where_the_caps_do_not_pay_for_watching_nobody_is_watched() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v2", HARDLY_EVER);
    home.env("ARCHIVER_EVENTS__ENABLED", "true");
    home.env("ARCHIVER_EVENTS__POLL_SECS", "1");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "8");
    home.env("ARCHIVER_LOG_LEVEL", "debug");
    let service = Service::start(&home);
    until("the first run", || number(&home, MESSAGES) == 12);
    until("events were thought of", || service.log().contains("the caps leave nothing for watching"));
    service.stop();
    assert_eq!(number(&home, "SELECT count(*) FROM request_log WHERE endpoint LIKE 'v2/webhooks%'"), 0);
}

/// Two accounts that are watched, in a service that runs hardly ever but looks at the events each second.
fn two_watched(fault: FaultRule) -> (FakeApi, Home) {
    let mut server = server(&[("Ada Example", 12)]);
    server.add_account(account("work", ("Wanda", "Worker"), &[("Cleo Muster", 5)]));
    server.faults.add(fault.when(When { path: Some("v2/webhooks".into()), ..When::default() }));
    let api = FakeApi::serve(server);
    let mut home = home(&api, "v2", HARDLY_EVER);
    home.env("ARCHIVER_EVENTS__ENABLED", "true");
    home.env("ARCHIVER_EVENTS__POLL_SECS", "1");
    (api, home)
}

/// Waits until the events of the second account have been looked at so often.
fn looks(api: &FakeApi, times: usize) {
    until("some looks at the events", || {
        api.server().meter.rows().iter().filter(|r| r.path.ends_with("/events")).count() >= times
    });
}

fn tries(home: &Home, account: &str) -> i64 {
    number(
        home,
        &format!("SELECT count(*) FROM request_log WHERE endpoint = 'v2/webhooks' AND account = '{account}'"),
    )
}

#[test]
fn an_answer_that_gets_lost_is_the_days_only_try_to_be_watched() {
    let (api, home) = two_watched(FaultRule::once(Fault::CloseAfter));
    let service = Service::start(&home);
    service.until_logged("cannot watch the account for events");
    looks(&api, 4);
    service.stop();
    assert_eq!((tries(&home, "me"), tries(&home, "work")), (1, 1));
    assert_eq!(number(&home, WATCHING), 20, "what was lost counts in full");
}

#[test]
fn a_try_to_be_watched_that_fails_for_nothing_is_not_repeated_at_each_look() {
    let (api, home) = two_watched(FaultRule::once(Fault::http(500)));
    let service = Service::start(&home);
    service.until_logged("cannot watch the account for events");
    looks(&api, 4);
    service.stop();
    assert_eq!((tries(&home, "me"), tries(&home, "work")), (1, 1));
    assert_eq!(number(&home, WATCHING), 10);
}

#[test]
fn an_account_that_is_refused_a_watch_is_told_and_left_alone() {
    let (api, home) = two_watched(FaultRule::once(Fault::ExpiredToken));
    let service = Service::start(&home);
    service.until_logged("needs attention");
    looks(&api, 4);
    service.stop();
    assert_eq!((tries(&home, "me"), tries(&home, "work")), (1, 1));
    let told =
        home.sql::<String>("SELECT a.name || ' ' || t.cause FROM alert t JOIN account a ON a.id = t.account");
    assert_eq!(told, ["me account"]);
}

#[test]
fn a_command_does_not_cut_off_the_request_that_begins_a_watch() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v2", HARDLY_EVER);
    home.env("ARCHIVER_EVENTS__ENABLED", "true");
    home.env("ARCHIVER_EVENTS__POLL_SECS", "1");
    api.server().behaviour.latency_ms = 1_000;
    let service = Service::start(&home);
    until("the request", || tries(&home, "me") == 1);
    service.signal(Signal::HUP);
    service.until_logged("watching the account for events");
    service.until_logged("the configuration was read again");
    service.stop();
    assert_eq!((tries(&home, "me"), number(&home, WATCHING)), (1, 10));
    assert_eq!(home.count("SELECT count(*) FROM request WHERE credits_spent IS NULL"), 0);
    assert_eq!(home.count("SELECT count(*) FROM event_feed"), 1);
    // Watching is no run that could be taken for a success.
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["runs"]["complete"], 1, "{status}");
    assert_eq!(status["last_run"]["run_id"], 1);
}

/// A service whose account is watched, with events in its configuration.
fn watched(api: &FakeApi) -> Home {
    let home = home(api, "v2", HARDLY_EVER);
    home.edit("[sync]", "[events]\nenabled = true\npoll_secs = 1\n\n[sync]");
    home
}

const ENDED: &str = "the account is no longer watched for events";
const WATCHES: &str =
    "SELECT count(*) FROM event_feed JOIN account a ON a.id = event_feed.account WHERE a.name = 'me'";

/// The account's only watch has ended, here and at the API.
#[track_caller]
fn nothing_is_watched(api: &FakeApi, home: &Home) {
    assert_eq!(home.count(WATCHES), 0);
    let server = api.server();
    let deleted = server.meter.rows().iter().filter(|row| row.path.starts_with("/v2/webhooks/wh_"));
    assert_eq!(deleted.filter(|row| !row.path.ends_with("/events") && row.status == 200).count(), 1);
}

#[test]
fn a_reload_that_switches_events_off_ends_the_watch() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = watched(&api);
    let service = Service::start(&home);
    service.until_logged("watching the account for events");
    home.edit("enabled = true", "enabled = false");
    service.signal(Signal::HUP);
    service.until_logged(ENDED);
    service.stop();
    nothing_is_watched(&api, &home);
    assert_eq!(number(&home, WATCHING), 10);
}

#[test]
fn a_service_that_starts_without_an_account_ends_its_watch_after_a_failed_try() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = watched(&api);
    let service = Service::start(&home);
    service.until_logged("watching the account for events");
    service.stop();
    home.edit("name = \"me\"", "name = \"another\"");
    let path = Some("v2/webhooks/wh_".into());
    api.server().faults.add(FaultRule::once(Fault::http(500)).when(When { path, ..When::default() }));
    let service = Service::start(&home);
    service.until_logged("cannot end watching the account");
    let log = service.log();
    assert!(log.contains("dashboard") && log.contains("account=\"me\""), "{log}");
    service.stop();
    // A service that starts anew does not wait for an hour.
    let service = Service::start(&home);
    service.until_logged(ENDED);
    service.stop();
    nothing_is_watched(&api, &home);
}

#[test]
fn a_single_run_ends_a_watch_that_nobody_wants() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = watched(&api);
    let service = Service::start(&home);
    service.until_logged("watching the account for events");
    service.stop();
    home.sync();
    assert_eq!(home.count(WATCHES), 1, "it is the service's, which may start again");
    home.edit("enabled = true", "enabled = false");
    home.sync();
    nothing_is_watched(&api, &home);
}
