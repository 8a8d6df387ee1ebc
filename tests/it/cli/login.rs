//! `archiver login`: from a script and at a terminal, what it leaves, what it spends, how it fails.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use fake_linkup::behaviour::LoginStyle;
use fake_linkup::{Fault, FaultRule};
use serde_json::Value;

use super::terminal::at_terminal;
use crate::binary::{FakeApi, Home, Process, Ran, server};

/// What every login of a script says.
const SCRIPT: &[&str] = &["login", "--yes", "--json"];

fn api(style: LoginStyle) -> FakeApi {
    let mut server = server(&[("Ada Example", 12)]);
    server.behaviour.login = style;
    FakeApi::serve(server)
}

/// A folder whose session is over.
fn home(api: &FakeApi, version: &str) -> Home {
    let home = Home::of(api, version);
    api.server().account_mut(0).unwrap().active = false;
    fs::remove_file(home.path("token.me")).unwrap();
    home
}

/// Runs with these lines on standard input.
fn with_input(home: &Home, args: &[&str], input: &str) -> Ran {
    let mut command = home.archiver(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::of(command.spawn().unwrap());
    // One that asks for nothing may be gone already.
    drop(process.child().stdin.take().unwrap().write_all(input.as_bytes()));
    process.finish()
}

fn email(api: &FakeApi) -> String {
    api.server().accounts()[0].email.clone()
}

fn password(api: &FakeApi) -> String {
    api.server().accounts()[0].password.clone()
}

fn code(api: &FakeApi) -> String {
    api.server().accounts()[0].code.clone()
}

/// A script's login with address and password, then these flags and these further lines.
fn by_password(home: &Home, api: &FakeApi, flags: &[&str], more: &str) -> Ran {
    let email = email(api);
    let args = [SCRIPT, &["--email", &email, "--password-stdin"], flags].concat();
    with_input(home, &args, &format!("{}\n{more}", password(api)))
}

#[track_caller]
fn paths(api: &FakeApi) -> Vec<String> {
    api.server().meter.rows().iter().map(|r| r.path.to_string()).collect()
}

fn private(home: &Home, name: &str) -> bool {
    fs::metadata(home.path(name)).unwrap().mode() & 0o777 == 0o600
}

#[test]
fn a_script_logs_in_and_the_next_run_uses_the_new_token() {
    let api = api(LoginStyle::Direct);
    let home = home(&api, "v1");
    let done = by_password(&home, &api, &[], "").expect(0).json();
    assert_eq!(
        (&done["account"], &done["version"], &done["todo"]),
        (&"me".into(), &"v1".into(), &Value::Null)
    );
    assert_eq!((&done["requests"], &done["credits_spent"]), (&1.into(), &1.into()));
    let token = fs::read_to_string(home.path("token.me")).unwrap();
    assert_eq!(token, format!("{}\n", api.server().accounts()[0].login_token));
    assert!(private(&home, "token.me"));
    assert_eq!(home.sync()["outcome"], "complete");
    assert!(api.server().meter.violations().is_empty());
}

#[test]
fn a_code_is_read_only_when_one_is_asked_for() {
    let api = api(LoginStyle::Code);
    let home = home(&api, "v1");
    let done = by_password(&home, &api, &["--code-stdin"], &format!("{}\r\n", code(&api))).expect(0).json();
    assert_eq!((&done["requests"], &done["credits_spent"]), (&2.into(), &2.into()));
    assert_eq!(paths(&api), ["/v1/auth/login", "/v1/auth/verify"]);
    home.sync();

    // Without one: the line may be missing.
    api.server().behaviour.login = LoginStyle::Direct;
    by_password(&home, &api, &["--code-stdin"], "").expect(0);
}

#[test]
fn what_a_login_spends_is_in_the_ledger_and_within_the_caps() {
    let api = api(LoginStyle::Code);
    let mut home = home(&api, "v1");
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "2");
    by_password(&home, &api, &["--code-stdin"], "wrong\n").expect(77);
    let rows: Vec<String> = home.sql(
        "SELECT concat_ws(' ', account, endpoint, purpose, credits_spent, http_status) FROM request_log",
    );
    assert_eq!(rows, ["me v1/auth/login login 1 200", "me v1/auth/verify login 1 200"]);
    assert_eq!(home.sql::<String>("SELECT kind || ' ' || outcome FROM run_log"), ["login failed"]);
    let ran = by_password(&home, &api, &["--code-stdin"], "wrong\n").expect(2);
    assert!(ran.stderr.contains("leaves no credit"), "{ran:?}");
    assert_eq!(api.requests(), 2);
    home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "3");
    let ran = by_password(&home, &api, &["--code-stdin"], &code(&api)).expect(2);
    assert!(ran.stderr.contains("leaves no credit"), "{ran:?}");
    assert_eq!(api.requests(), 3);
    assert!(!home.path("token.me").exists());
}

#[test]
fn a_login_goes_on_beside_a_run_that_holds_the_archive() {
    let api = api(LoginStyle::Direct);
    let home = Home::of(&api, "v1");
    api.server().faults.add(FaultRule::once(Fault::Hang));
    let requests = api.requests_as_they_come();
    let run = Process::start(&mut home.archiver(&["sync", "--once"]));
    requests.recv().unwrap();
    api.at_no_request();
    by_password(&home, &api, &[], "").expect(0);
    assert_eq!(
        home.sql::<String>("SELECT kind || ' ' || ifnull(outcome, '-') FROM run_log"),
        ["sync -", "login complete"]
    );
    run.signal(rustix::process::Signal::KILL);
    run.finish();
}

#[test]
fn each_refusal_says_what_to_do_and_leaves_the_old_token() {
    for version in ["v1", "v2"] {
        let api = api(LoginStyle::Code);
        let home = Home::of(&api, version);
        let before = home.files();
        let email = email(&api);
        let args = [SCRIPT, &["--email", &email, "--password-stdin", "--code-stdin"]].concat();

        let ran = with_input(&home, &args, "guess\n").expect(77);
        assert!(ran.stderr.contains("Invalid email or password"), "{ran:?}");
        assert!(ran.stderr.contains("help: check address, password and country"), "{ran:?}");
        let ran = by_password(&home, &api, &["--code-stdin"], "000\n").expect(77);
        assert!(ran.stderr.contains("Invalid verification code"), "{ran:?}");
        assert!(ran.stderr.contains("run `archiver login` to get another"), "{ran:?}");
        let ran = by_password(&home, &api, &[], "").expect(77);
        assert!(ran.stderr.contains("LinkedIn asks for the code"), "{ran:?}");
        assert!(ran.stderr.contains("--code-stdin"), "{ran:?}");

        home.write_secret("api_key", "sk-another-key-altogether");
        by_password(&home, &api, &[], "").expect(77);
        home.write_secret("api_key", crate::binary::KEY);
        api.server().meter.balance = 0;
        if version == "v2" {
            by_password(&home, &api, &[], "").expect(69);
        }
        let kept: Vec<String> = home.files().into_iter().filter(|f| !f.starts_with("archive.db")).collect();
        assert_eq!(kept, before);
        assert_eq!(home.count("SELECT count(*) FROM request_log WHERE credits_spent IS NULL"), 0);
    }
}

#[test]
fn an_answer_that_nobody_understands_is_no_token_and_is_not_asked_for_again() {
    let api = api(LoginStyle::Direct);
    let home = home(&api, "v1");
    for fault in [Fault::Html, Fault::CutJson, Fault::Http(503, None), Fault::CloseAfter] {
        let requests = api.requests();
        api.server().faults.add(FaultRule::always(fault.clone()));
        let ran = by_password(&home, &api, &[], "").expect(69);
        assert!(ran.stderr.contains("wait a few minutes"), "{fault}: {ran:?}");
        assert_eq!(api.requests(), requests + 1, "{fault}");
        api.server().faults = fake_linkup::faults::Faults::default();
    }
    assert!(!home.path("token.me").exists());
}

#[test]
fn v2_connects_the_account_and_its_id_is_found() {
    let api = api(LoginStyle::Direct);
    let home = home(&api, "v2");
    let id = api.server().accounts()[0].account_id.clone();
    home.edit(&format!("account_id = {id:?}\n"), "");
    let before = home.run(&["sync", "--once"]).expect(78);
    assert!(before.stderr.contains("archiver login"), "{before:?}");
    let done = by_password(&home, &api, &[], "").expect(0).json();
    assert_eq!((&done["account_id"], &done["todo"]), (&id.as_str().into(), &Value::Null));
    assert_eq!(fs::read_to_string(home.path("account_id")).unwrap(), format!("{id}\n"));
    assert!(private(&home, "account_id"));
    assert_eq!(home.sync()["outcome"], "complete");
    assert_eq!(api.charged(), home.count("SELECT sum(credits_spent) FROM request_log"));
}

#[test]
fn v2_takes_a_code_or_a_confirmation_in_the_app() {
    let api = api(LoginStyle::Code);
    let home = home(&api, "v2");
    let code = code(&api);
    let done = by_password(&home, &api, &["--challenge", "code", "--code-stdin"], &code).expect(0).json();
    assert_eq!(done["credits_spent"], 2);
    // It is connected by now, so that its state tells nothing: the wait is over, then it is concluded.
    let done = by_password(&home, &api, &["--challenge", "app", "--wait", "0"], "").expect(0).json();
    assert_eq!(done["credits_spent"], 2);
    // A state that changes does: the last request is not needed.
    api.server().account_mut(0).unwrap().active = false;
    let shared = api.shared();
    let mut looks = 0;
    api.at_each_request(move || {
        looks += 1;
        if looks == 3 {
            shared.lock().unwrap().account_mut(0).unwrap().active = true;
        }
    });
    let done = by_password(&home, &api, &["--challenge", "app", "--wait", "9"], "").expect(0).json();
    assert_eq!((&done["requests"], &done["credits_spent"]), (&1.into(), &1.into()));
}

#[test]
fn v2_connects_an_existing_token_for_nothing() {
    let api = api(LoginStyle::Code);
    let home = Home::of(&api, "v2");
    let token = fs::read_to_string(home.path("token.me")).unwrap();
    let done = with_input(&home, &[SCRIPT, &["--token-stdin"]].concat(), &token).expect(0).json();
    assert_eq!((&done["credits_spent"], api.charged()), (&0.into(), 0));
    // The configuration has this id already.
    assert_eq!(done["todo"], Value::Null);
    let ran = with_input(&home, &[SCRIPT, &["--token-stdin"]].concat(), "some-other-token\n").expect(77);
    assert!(ran.stderr.contains("log in with address and password"), "{ran:?}");
}

#[test]
fn what_has_to_be_done_before_the_new_session_is_used_is_said() {
    let api = api(LoginStyle::Direct);
    let mut home = home(&api, "v1");
    let done = by_password(&home, &api, &["--country", "de", "--out", "elsewhere"], "").expect(0).json();
    let todo = done["todo"].as_str().unwrap();
    assert!(todo.contains("login_token_file = ") && todo.contains("country = \"DE\""), "{todo}");
    assert!(private(&home, "elsewhere") && !home.path("token.me").exists());
    home.env("ARCHIVER_LOGIN_TOKEN", "old");
    let done = by_password(&home, &api, &[], "").expect(0).json();
    assert!(done["todo"].as_str().unwrap().contains("$ARCHIVER_LOGIN_TOKEN"), "{done}");
    assert!(home.path("token.me").exists());
}

#[test]
fn nothing_is_sent_when_something_is_missing() {
    let api = api(LoginStyle::Direct);
    let home = home(&api, "v1");
    let email = email(&api);
    for (args, said) in [
        (vec!["login"], "--yes"),
        (vec!["login", "--yes"], "--email"),
        (vec!["login", "--yes", "--email", &email], "--password-stdin"),
        (vec!["login", "--yes", "--email", &email, "--password-stdin"], "the password"),
        (vec!["login", "--yes", "--account", "you"], "\"me\""),
        (vec!["login", "--yes", "--token-stdin"], "v2"),
        (vec!["login", "--yes", "--challenge", "app"], "v2"),
        (vec!["login", "--yes", "--country", "France"], "two letters"),
        (vec!["login", "--yes", "--token-stdin", "--password-stdin"], "cannot be used with"),
    ] {
        let ran = home.run(&args).expect(2);
        assert!(ran.stderr.contains(said), "{args:?}: {ran:?}");
    }
    home.edit("\"token.me\"", "\"not/there/token\"");
    by_password(&home, &api, &[], "").expect(73);
    assert_eq!(api.requests(), 0);
    assert!(!home.files().iter().any(|f| f.starts_with(".archiver-login")));
}

#[test]
fn at_a_terminal_it_asks_and_neither_password_nor_code_is_shown() {
    let api = api(LoginStyle::Code);
    let home = home(&api, "v1");
    let (email, password, code) = (email(&api), password(&api), code(&api));
    let (shown, _) = at_terminal(
        &home,
        &["login"],
        &[
            ("Continue? [y/N] ", "y\n"),
            ("LinkedIn email address: ", &format!("{email}\n")),
            // Corrected on the way.
            ("Password (hidden): ", &format!("wrong\u{15}{password}é\u{7f}\r")),
            ("Code: ", "000000\n"),
            ("Code: ", &format!("{code}\n")),
            ("run `archiver check`", ""),
        ],
    );
    assert!(shown.contains(&email) && shown.contains("v1 also charges for failures"), "{shown}");
    assert!(shown.contains("Refused: HTTP 200: Invalid verification code"), "{shown}");
    assert!(!shown.contains(&password) && !shown.contains(&code) && !shown.contains("wrong"), "{shown}");
    let token = api.server().accounts()[0].login_token.clone();
    assert_eq!(fs::read_to_string(home.path("token.me")).unwrap().trim(), token);
    assert!(!shown.contains(&token));
}

#[test]
fn at_a_terminal_a_no_sends_nothing_and_so_does_an_interrupt() {
    let api = api(LoginStyle::Code);
    let home = home(&api, "v1");
    at_terminal(&home, &["login"], &[("Continue? [y/N] ", "\n"), ("not confirmed", "")]);
    let interrupted = [
        ("Continue? [y/N] ", "yes\n"),
        ("address: ", "a@example.org\n"),
        ("Password (hidden): ", "abc\u{3}"),
        ("cancelled: interrupted", ""),
    ];
    at_terminal(&home, &["login"], &interrupted);
    assert_eq!(api.requests(), 0);
}
