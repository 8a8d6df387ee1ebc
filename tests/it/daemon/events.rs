//! Events: the service knows of a message without buying a look, and a day of watching is in the ledger.

use archiver::clock::{Clock as _, SystemClock};
use archiver::fake_api::Author;

use super::{HARDLY_EVER, Service, home, number, runs, until};
use crate::binary::{FakeApi, server};

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
    service.until_logged("is watched for events");
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
