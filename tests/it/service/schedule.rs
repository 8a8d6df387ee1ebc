//! When runs are made, and when not.

use std::fs;

use fake_linkup::{Author, Fault, FaultRule};
use rustix::process::Signal;

use super::{EVERY_SECOND, HARDLY_EVER, Service, assert_one_at_a_time, home, number, runs, until};
use crate::binary::{FakeApi, HOUR, START, assert_complete, assert_sound, server};

#[test]
fn it_runs_at_its_start_and_at_each_slot_and_ends_in_order() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(server(&[("Ada Example", 30), ("Ben Sample", 3)]));
        let home = home(&api, version, EVERY_SECOND);
        let service = Service::start(&home);
        until("two slots", || {
            number(&home, "SELECT count(*) FROM run_log WHERE trigger = 'schedule' AND outcome = 'complete'")
                >= 2
        });
        api.server()
            .mailbox_mut(0)
            .unwrap()
            .send(1, Author::Other(0), START + 900 * HOUR, "late news")
            .unwrap();
        until("the news", || number(&home, "SELECT count(*) FROM message_log WHERE text = 'late news'") == 1);
        service.stop();
        assert_eq!(home.sql::<String>("SELECT trigger FROM run_log LIMIT 1"), ["start"]);
        let early = "SELECT count(*) FROM run_log WHERE trigger = 'schedule' GROUP BY substr(started_at, 1, 19) HAVING count(*) > 1";
        assert_eq!(home.sql::<i64>(early), Vec::<i64>::new(), "two runs for one slot");
        assert_one_at_a_time(&home);
        assert_sound(&home, api.charged());
        assert_complete(&home, &api.server());
    }
}

#[test]
fn without_run_at_start_it_waits() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    home.env("ARCHIVER_SCHEDULE__RUN_AT_START", "false");
    let service = Service::start(&home);
    service.signal(Signal::USR1);
    until("the run that was asked for", || runs(&home) == 1);
    service.stop();
    assert_eq!(home.sql::<String>("SELECT trigger FROM run_log"), ["once"]);
    assert_complete(&home, &api.server());
}

#[test]
fn what_comes_during_a_run_is_made_up_for_once() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let home = home(&api, "v1", EVERY_SECOND);
    // Longer than three slots.
    api.server().behaviour.latency_ms = 3_300;
    let service = Service::start(&home);
    until("a slow run", || runs(&home) == 1);
    api.server().behaviour.latency_ms = 0;
    until("more runs", || runs(&home) >= 4);
    service.stop();
    assert_one_at_a_time(&home);
    let seconds = "SELECT count(*) FROM run_log GROUP BY substr(started_at, 1, 19) HAVING count(*) > 2";
    assert_eq!(home.sql::<i64>(seconds), Vec::<i64>::new(), "a burst");
}

#[test]
fn a_spent_cap_is_said_and_waited_for() {
    for (variable, window) in
        [("ARCHIVER_BUDGET__CREDITS_PER_DAY", "today"), ("ARCHIVER_BUDGET__CREDITS_PER_MONTH", "this month")]
    {
        let api = FakeApi::serve(server(&[("Ada Example", 90)]));
        let mut home = home(&api, "v1", EVERY_SECOND);
        home.env(variable, "4");
        home.env("ARCHIVER_METRICS__TEXTFILE", "figures.prom");
        let service = Service::start(&home);
        let words = format!("the credits of {window} are used up; syncing resumes at 2");
        service.until_logged(&words);
        let before = (runs(&home), api.requests());
        let written = || fs::metadata(home.path("figures.prom")).unwrap().modified().unwrap();
        for _ in 0..2 {
            let last = written();
            until("another slot", || written() > last);
        }
        assert_eq!((runs(&home), api.requests()), before, "a run that can do nothing");
        assert_eq!(service.log().matches(&words).count(), 1, "said more than once");
        let status = home.run(&["status"]).expect(0).stdout;
        assert!(status.contains(&words) && status.contains("The service is running"), "{status}");
        service.stop();
        assert!(api.charged() <= 4);
        // Starting again does not open it.
        let service = Service::start(&home);
        service.until_logged(&words);
        service.stop();
        assert_eq!((runs(&home), api.requests()), before);
    }
}

#[test]
fn an_api_that_is_down_is_probed_with_one_small_request_until_it_is_back() {
    let people: Vec<String> = (0..6).map(|n| format!("Ada Example{n}")).collect();
    let people: Vec<(&str, usize)> = people.iter().map(|name| (name.as_str(), 30)).collect();
    let api = FakeApi::serve(server(&people));
    let home = home(&api, "v1", EVERY_SECOND);
    api.server().faults.add(FaultRule::always(Fault::http(503)));
    let service = Service::start(&home);
    until("some failed runs", || runs(&home) >= 4);
    service.until_logged("the API is down");
    let of_each =
        home.sql::<i64>("SELECT requests FROM run_log WHERE finished_at IS NOT NULL ORDER BY run_id");
    assert_eq!((of_each[0], &of_each[1..4]), (6, &[1, 1, 1][..]));
    let reserved = "SELECT max(credits_reserved) FROM run_log WHERE run_id BETWEEN 2 AND 4";
    assert_eq!(home.count(reserved), 1);
    api.server().faults.clear();
    until("a good run", || number(&home, "SELECT count(*) FROM run_log WHERE outcome = 'complete'") > 0);
    service.stop();
    assert_complete(&home, &api.server());
}

#[test]
fn runs_by_chance_later_keep_their_slots() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = home(&api, "v1", "*/2 * * * * *");
    home.env("ARCHIVER_SCHEDULE__JITTER_SECS", "3600");
    let service = Service::start(&home);
    until("some runs", || runs(&home) >= 4);
    service.stop();
    assert_one_at_a_time(&home);
}
