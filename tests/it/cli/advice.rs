//! What `status`, `check`, a dry run and the start of the service warn of, and what a monitor can go by.

use fake_linkup::{Fault, FaultRule};

use crate::binary::{FakeApi, Home, Process, server};

const HEADER: &str = "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,SUBJECT,CONTENT,FOLDER,IS MESSAGE DRAFT";

fn people() -> FakeApi {
    FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3)]))
}

#[test]
fn what_is_configured_no_more_and_holds_nothing_is_forgotten() {
    let api = people();
    let mut home = Home::of(&api, "v1");
    home.env("ARCHIVER_METRICS__TEXTFILE", "figures.prom");
    home.edit("profiles = [", "profiles = [\"https://www.linkedin.com/in/nobody-of-that-name/\", ");
    home.run(&["sync", "--once"]).expect(69);
    let shown = home.run(&["status"]).expect(0).stdout;
    assert!(
        shown.contains("nobody-of-that-name") && shown.contains("Something recent is missing."),
        "{shown}"
    );
    home.edit("\"https://www.linkedin.com/in/nobody-of-that-name/\", ", "");
    let shown = home.run(&["status"]).expect(0).stdout;
    assert!(!shown.contains("nobody-of-that-name") && !shown.contains("missing."), "{shown}");
    assert!(shown.contains("15 messages in 2 conversations, 2 complete, 0 gaps"), "{shown}");
    let status = home.run(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["gaps"], &status["gaps_not_synced"]), (&0.into(), &0.into()));
    assert_eq!(
        (&status["accounts"][0]["gaps"], &status["accounts"][0]["conversations"]),
        (&0.into(), &2.into())
    );
    assert!(!status["horizon"].is_null(), "{status:#}");
    home.sync();
    let figures = std::fs::read_to_string(home.path("figures.prom")).unwrap();
    assert!(figures.contains("archiver_horizon_timestamp_seconds"), "{figures}");
}

#[test]
fn what_sync_does_not_ask_for_is_named_with_how_to_add_it() {
    let home = Home::empty();
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\nowner_name = \"Me\"\n");
    let row = "2-QUJD=,,Ada,https://www.linkedin.com/in/ada/,Me,2021-02-03 10:00:00 UTC,,hello,INBOX,No\n";
    home.write("messages.csv", &format!("{HEADER}\n{row}"));
    let imported = home.run(&["import", "linkedin-export", "messages.csv"]).expect(0).stdout;
    assert!(imported.contains("`archiver status` names the others"), "{imported}");
    let status = home.run(&["status"]).expect(0).stdout;
    assert!(
        status.contains("that sync does not ask for: Ada (2-QUJD). Add their ids to conversations"),
        "{status}"
    );
    assert!(status.contains("before and after 2021-02-03"), "{status}");
    assert_eq!(home.run(&["status", "--json"]).expect(0).json()["conversations"][0]["asked"], false);
    let shown = home.run(&["show", "ada"]).expect(0).stdout;
    assert!(
        shown.contains("sync does not ask for this conversation") && !shown.contains("fills it"),
        "{shown}"
    );
    let searched = home.run(&["search", "absent"]).expect(0).stderr;
    assert!(searched.contains("fills those that it asks for"), "{searched}");

    home.edit("owner_name", "conversations = [\"2-QUJD\"]\nowner_name");
    let shown = home.run(&["show", "ada"]).expect(0).stdout;
    assert!(shown.contains("`archiver sync --once` fills it"), "{shown}");
    assert!(!home.run(&["status"]).expect(0).stdout.contains("does not ask"));
    assert_eq!(home.run(&["status", "--json"]).expect(0).json()["conversations"][0]["asked"], true);
}

#[test]
fn a_parked_account_fails_a_check_and_a_status_that_is_asked_for_its_exit_code() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    home.run(&["status", "--exit-code"]).expect(0);
    api.server().account_mut(0).unwrap().active = false;
    home.run(&["sync", "--once"]).expect(77);
    home.run(&["status"]).expect(0);
    let ran = home.run(&["status", "--exit-code"]).expect(1);
    assert!(ran.stderr.contains("1 thing needs your attention"), "{ran:?}");
    let ran = home.run(&["check"]).expect(77);
    assert!(ran.stdout.contains("WRONG account") && ran.stdout.contains("me: parked: "), "{ran:?}");

    let token = api.server().accounts()[0].login_token.clone();
    home.write_secret("token.me", &token);
    api.server().account_mut(0).unwrap().active = true;
    home.run(&["check"]).expect(0);
    home.sync();
    home.run(&["status", "--exit-code"]).expect(0);

    api.server().faults.add(FaultRule::always(Fault::http(500)));
    home.run(&["sync", "--once"]).expect(69);
    let ran = home.run(&["status", "--exit-code", "--json"]).expect(1);
    assert!(ran.stderr.contains("the last run ended failed") && ran.json()["messages"] == 15, "{ran:?}");
}

#[test]
fn a_renamed_account_is_noticed_before_a_second_mailbox_is_paid_for() {
    let api = people();
    let home = Home::of(&api, "v1");
    home.sync();
    home.edit("name = \"me\"", "name = \"sven\"");
    let says = |text: &str| text.contains("the archive knows the account \"me\", not \"sven\"");
    let ran = home.run(&["check"]).expect(1);
    assert!(says(&ran.stdout), "{ran:?}");
    for args in [&["sync", "--once", "--dry-run"][..], &["plan"]] {
        let ran = home.run(args).expect(0);
        assert!(says(&ran.stderr), "{ran:?}");
    }

    home.edit("name = \"sven\"", "name = \"me\"");
    assert!(!says(&home.run(&["check"]).expect(0).stdout));
}

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
