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
        let shown = home.run(&["check"]).expect(0).stdout;
        // How much room there is differs from disk to disk.
        let shown: Vec<&str> = shown.lines().map(|l| l.split(" MB free").next().unwrap_or(l)).collect();
        golden(&format!("check-{version}"), &home, &without_room(&shown.join("\n")));
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

/// The text without the figure that its line on the disk ends with.
fn without_room(text: &str) -> String {
    let lines = text.lines().map(|line| match line.starts_with("ok    disk") {
        true => line.trim_end_matches(|c: char| c.is_ascii_digit() || c == ','),
        false => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_check_looks_at_files_schedule_and_credentials_too() {
    let api = api();
    let mut home = Home::of(&api, "v1");
    home.sync();
    home.edit("[budget]", "[schedule]\ncron = \"15 0 9 * * *\"\ntimezone = \"Asia/Tokyo\"\n\n[budget]");
    std::fs::create_dir(home.path("creds")).unwrap();
    home.write_secret("creds/api_key", crate::binary::KEY);
    home.env("CREDENTIALS_DIRECTORY", home.path("creds").to_str().unwrap());
    let report = home.run(CHECK).expect(0).json();
    let of = |check: &str| {
        let checks = report["checks"].as_array().unwrap().iter();
        let found: Vec<&serde_json::Value> = checks.filter(|c| c["check"] == check).collect();
        assert_eq!(found.len(), 1, "{check}: {report}");
        (found[0]["result"].as_str().unwrap(), found[0]["detail"].as_str().unwrap())
    };
    assert_eq!(of("key"), ("ok", "accepted"));
    assert_eq!(of("credentials"), ("ok", "api_key from systemd"));
    assert_eq!(of("files").0, "ok");
    let (result, times) = of("schedule");
    assert_eq!((result, times.matches("09:00:15").count()), ("ok", 3), "{times}");
    assert!(times.contains("(Asia/Tokyo)"), "{times}");

    let open = |name: &str, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(home.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open("archive.db", 0o644);
    let report = home.run(CHECK).expect(0).json();
    assert!(report.to_string().contains("other users can read"), "{report}");
    // One that was found is not even read.
    open("archiver.toml", 0o646);
    assert!(home.run(CHECK).expect(78).stderr.contains("other users can write to it"));
    let named = home.run(&[CHECK, &["--config", "archiver.toml"]].concat()).expect(1);
    assert_eq!(wrong(&named.json()), ["files"]);
}

#[test]
fn a_check_reads_the_queries_of_sinks_and_a_run_does_so_before_it_creates_anything() {
    let mut home = Home::of(&api(), "v2");
    home.env(
        "ARCHIVER_NOTIFY",
        "[{ name = \"crm\", kind = \"command\", command = [\"true\"], query = \"after:2026-13-45\" }]",
    );
    for args in [["check"].as_slice(), &["sync", "--once"]] {
        let ran = home.run(args);
        assert!(format!("{ran:?}").contains("2026-13-45"), "{ran:?}");
        assert_ne!(ran.code, Some(0), "{ran:?}");
    }
    assert!(!home.archive().exists());
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
