//! A monitoring service hears of each run: that it began, and how it ended.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fake_linkup::{Fault, FaultRule};

use super::{HARDLY_EVER, Service, home, runs, until};
use crate::binary::{FakeApi, KEY, server};

/// A server that tells of the paths it is asked for.
fn monitor() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ping/the-uuid", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {}
            assert!(!request.contains(KEY));
            tell.send(request.split(' ').nth(1).unwrap_or_default().to_owned()).unwrap_or_default();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (url, told)
}

fn next(told: &mpsc::Receiver<String>) -> String {
    told.recv_timeout(Duration::from_secs(20)).unwrap()
}

#[test]
fn each_run_is_told_when_it_begins_and_how_it_ends() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let (url, told) = monitor();
    home.env("ARCHIVER_ALERTS__PING_URL", &url);
    let ran = home.run(&["sync", "--once"]).expect(0);
    assert_eq!([next(&told), next(&told)], ["/ping/the-uuid/start", "/ping/the-uuid"]);
    assert!(!ran.stderr.contains("the-uuid"));
    api.server().faults.add(FaultRule::always(Fault::http(500)));
    home.run(&["sync", "--once"]).expect(69);
    assert_eq!([next(&told), next(&told)], ["/ping/the-uuid/start", "/ping/the-uuid/fail"]);
    api.server().faults.clear();
    let service = Service::start(&home);
    home.run(&["sync", "--now"]).expect(0);
    assert_eq!([next(&told), next(&told)], ["/ping/the-uuid/start", "/ping/the-uuid"]);
    service.stop();
}

#[test]
fn a_monitor_that_cannot_be_reached_stops_no_run_and_is_not_named() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let mut home = home(&api, "v1", HARDLY_EVER);
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.env("ARCHIVER_ALERTS__PING_URL", &format!("http://{nowhere}/ping/the-uuid"));
    let service = Service::start(&home);
    until("the run", || runs(&home) == 1);
    service.until_logged("the ping has not been delivered");
    assert!(!service.log().contains("the-uuid"));
    service.stop();
    home.env("ARCHIVER_ALERTS__PING_URL", "ftp://the-uuid");
    let refused = home.run(&["sync", "--once"]).expect(78);
    assert!(
        refused.stderr.contains("alerts.ping_url") && !refused.stderr.contains("the-uuid"),
        "{refused:?}"
    );
}
