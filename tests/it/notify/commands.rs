//! Commands as sinks: what they get, and what becomes of those that fail or never end.

use std::fs;
use std::time::{Duration, Instant};

use archiver::clock::{Clock as _, SystemClock};
use fake_linkup::Author;
use serde_json::Value;

use crate::binary::{FakeApi, Home, server};

/// A folder whose history is archived, and a command for what comes.
fn home(api: &FakeApi, script: &str, more: &str) -> Home {
    let mut home = Home::of(api, "v1");
    let command = format!(
        "[{{ name = \"script\", kind = \"command\", command = [\"sh\", \"-c\", '{script}']{more} }}]"
    );
    home.env("ARCHIVER_NOTIFY", &command);
    home.sync_until_complete();
    home
}

fn send(api: &FakeApi, text: &str) {
    let now = SystemClock.now_ms();
    api.server().mailbox_mut(0).unwrap().send(0, Author::Other(0), now, text).unwrap();
}

fn lines(home: &Home, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(home.path(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_command_gets_one_object_an_event_and_no_secret() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = home(&api, "cat >> told; env > told.env", "");
    home.env("ARCHIVER_API_KEY", crate::binary::KEY);
    send(&api, "hello\nthere");
    send(&api, "again");
    home.run(&["sync", "--once"]).expect(0);
    let told = lines(&home, "told");
    let texts: Vec<&str> = told.iter().map(|line| line["data"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["hello\nthere", "again"]);
    assert!(told.iter().all(|line| line["id"].as_str().unwrap().starts_with("evt_")));
    let env = fs::read_to_string(home.path("told.env")).unwrap();
    assert!(
        env.contains("PATH=") && !env.contains("ARCHIVER_") && !env.contains(crate::binary::KEY),
        "{env}"
    );
}

#[test]
fn a_command_that_fails_is_run_again_and_one_that_hangs_is_ended_with_all_that_it_began() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let script = "cat >> told; test -e fine || exit 3";
    let home = home(&api, script, ", timeout_secs = 1");
    send(&api, "hello");
    home.run(&["sync", "--once"]).expect(0);
    let sink = home.run(&["notify", "status", "--json"]).expect(0).json()["sinks"][0].clone();
    assert!(sink["last_error"].as_str().unwrap().contains("exit status: 3"), "{sink}");
    home.write("fine", "");
    home.run(&["notify", "retry"]).expect(0);
    let told = lines(&home, "told");
    assert_eq!((told.len(), &told[0]["id"]), (2, &told[1]["id"]));

    let hangs = "[{ name = \"script\", kind = \"command\", command = [\"sh\", \"-c\", 'sleep 300 & echo $! > pid; wait'], timeout_secs = 1 }]";
    let mut home = home;
    home.env("ARCHIVER_NOTIFY", hangs);
    send(&api, "more");
    let begun = Instant::now();
    home.run(&["sync", "--once"]).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(20));
    let pid = fs::read_to_string(home.path("pid")).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let begun = Instant::now();
    // Killed, it waits for its parent, if it is there at all.
    while !(state().is_empty() || state().contains(") Z ")) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} is still there", pid.trim());
        std::thread::yield_now();
    }
}
