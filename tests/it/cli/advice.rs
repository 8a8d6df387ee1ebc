//! What `check` and the start of the service warn of before it costs anything.

use crate::binary::{FakeApi, Home, Process, server};

#[test]
fn a_schedule_that_no_cap_can_pay_for_is_warned_of() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_SYNC__INBOX", "discover");
    home.env("ARCHIVER_SCHEDULE__CRON", "* * * * * *");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "100");
    let words =
        "the schedule's looks at the inbox cost 86,400 credits a day, but budget.credits_per_day is 100";
    let check = home.run(&["check"]).expect(0);
    assert!(check.stdout.replace("\n", " ").contains(words), "{check:?}");
    let process = Process::start(&mut home.archiver_after("exec 2>>service.log", &["sync"]));
    let log = || std::fs::read_to_string(home.path("service.log")).unwrap_or_default();
    while !log().contains("the service began") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    while !log().contains(words) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    process.signal(rustix::process::Signal::TERM);
    process.finish().expect(0);
}

#[test]
fn a_day_without_a_cap_and_one_account_under_two_names_are_warned_of() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let home = Home::of(&api, "v1");
    let token = api.server().accounts()[0].login_token.clone();
    home.write_secret("token.again", &token);
    let config = std::fs::read_to_string(home.path("archiver.toml")).unwrap();
    let again = "\n[[accounts]]\nname = \"again\"\nlogin_token_file = \"token.again\"\n";
    home.write("archiver.toml", &format!("{config}{again}"));
    let check = home.run(&["check", "--json"]);
    assert!(check.stdout.contains("there is no budget.credits_per_day: 48 runs a day"), "{check:?}");
    assert!(check.stdout.contains("the accounts `me` and `again` have the same login token"), "{check:?}");
    assert!(!check.stdout.contains(&token));
}

#[test]
fn a_named_schedule_is_accepted_and_a_step_that_never_repeats_is_refused_with_the_reason() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_SCHEDULE__CRON", "@daily");
    let check = home.run(&["check"]).expect(0);
    assert!(check.stdout.contains("0 0 0 * * * (UTC)"), "{check:?}");
    home.env("ARCHIVER_SCHEDULE__CRON", "*/90 * * * *");
    let refused = home.run(&["check"]).expect(78);
    assert!(refused.stderr.contains("steps by 90 in its minutes, of which there are 60"), "{refused:?}");
}
