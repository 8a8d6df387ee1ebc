//! `archiver check`: is everything well? For nothing.

use super::golden;
use crate::binary::{FakeApi, Home, server};

const CHECK: &[&str] = &["check", "--json"];

fn api() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3)]))
}

fn wrong(report: &serde_json::Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|c| c["result"] == "wrong").map(|c| c["check"].as_str().unwrap()).collect()
}

#[test]
fn a_check_of_what_is_well_is_0_and_spends_and_creates_nothing() {
    for version in ["v1", "v2"] {
        let api = api();
        let home = Home::of(&api, version);
        let files = home.files();
        golden(&format!("check-{version}"), &home, &home.run(&["check"]).expect(0).stdout);
        let report = home.run(CHECK).expect(0).json();
        assert_eq!((&report["ok"], wrong(&report)), (&true.into(), vec![]));
        assert_eq!(home.files(), files);
        assert_eq!(api.charged(), 0);
        assert!(api.requests() > 0, "the key was not tried");
        home.sync();
        let requests = api.charged();
        home.run(CHECK).expect(0);
        assert_eq!(api.charged(), requests);
    }
}

#[test]
fn a_check_names_what_is_wrong_and_ends_with_the_code_of_the_worst() {
    let api = api();
    let refused = Home::of(&api, "v2");
    refused.write_secret("api_key", "sk-another-key-altogether");
    assert!(wrong(&refused.run(CHECK).expect(77).json()).contains(&"balance"));

    let down = Home::of(&api, "v1");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    down.edit(api.base_url(), &format!("http://{closed}"));
    assert_eq!(wrong(&down.run(CHECK).expect(69).json()), ["balance"]);

    let mut nowhere = Home::of(&api, "v1");
    nowhere.env("ARCHIVER_ARCHIVE__PATH", "not/there/archive.db");
    assert_eq!(wrong(&nowhere.run(CHECK).expect(1).json()), ["archive"]);

    let other = Home::of(&api, "v1");
    other.write("archive.db", "Dear diary,\n");
    assert_eq!(wrong(&other.run(CHECK).expect(73).json()), ["archive"]);

    let ended = Home::of(&api, "v2");
    api.server().account_mut(0).unwrap().active = false;
    assert_eq!(wrong(&ended.run(CHECK).expect(77).json()), ["account"]);
    api.server().account_mut(0).unwrap().active = true;

    let poor = Home::of(&api, "v1");
    api.server().meter.balance = 0;
    assert_eq!(wrong(&poor.run(CHECK).expect(1).json()), ["balance"]);
}

#[test]
fn without_a_target_a_check_is_well_as_long_as_the_inbox_finds_some() {
    let api = api();
    let mut home = Home::empty();
    home.discovers(0);
    home.point_at(&api, "v1");
    assert_eq!(wrong(&home.run(CHECK).expect(0).json()), [""; 0]);
    assert_eq!(home.sync()["new_messages"], 15);
    home.env("ARCHIVER_SYNC__INBOX", "off");
    assert_eq!(wrong(&home.run(CHECK).expect(1).json()), ["configuration"]);
}
