//! The API key and the login token reach the API and nothing else: no output, no log, no file, no other host.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fake_linkup::behaviour::LoginStyle;
use fake_linkup::server::Server;
use fake_linkup::{Account, Fault, FaultRule, Mailbox};
use rustix::process::Signal;

use crate::binary::{FakeApi, Home, Process, Ran, START, for_each_case};

/// Both hold what URLs, base64 and JSON write in another way.
const KEY: &str = "sk_live+Kk4R/9xTq7-ThisIsTheKey==z";
const TOKEN: &str = "AQEDAR+sW8/pN3v_ThisIsTheToken%3D=y";

/// So many characters of a secret in a row give it away.
const PART: usize = 12;

/// What a login takes.
const PASSWORD: &str = "Corr3ct+horse/battery==staple é";
const CODE: &str = "code-4711-0815-2342";

/// Everything that is asked of the log, and more than it should ever tell.
const LOUD: &str =
    "trace,hyper=trace,hyper_util=trace,reqwest=trace,h2=trace,rustls=trace,rusqlite=trace,tokio=trace";

/// Whatever would give a secret away, as it stands or written in another way.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms: Vec<Vec<u8>> = bytes.windows(PART).map(<[u8]>::to_vec).collect();
    // Within something longer, base64 has three ways to write it; the ends depend on what stands beside.
    for before in 0..3 {
        let text = [&b"xx"[..before], bytes].concat();
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let encoded = encoded.trim_end_matches('=').as_bytes();
            forms.push(encoded[4..encoded.len() - 4].to_vec());
        }
    }
    let percent: String = url::form_urlencoded::byte_serialize(bytes).collect();
    forms.push(percent.into_bytes());
    forms.push(secret.replace('/', "\\/").into_bytes());
    forms.push(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes());
    forms.push(format!("{bytes:?}").into_bytes());
    forms
}

/// All forms of both secrets, by their first byte.
static FORMS: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
    let mut by_first = vec![Vec::new(); 256];
    for form in [KEY, TOKEN, PASSWORD, CODE].into_iter().flat_map(forms) {
        by_first[usize::from(form[0])].push(form);
    }
    by_first
});

fn assert_free_of_secrets(what: &str, bytes: &[u8]) {
    for (at, first) in bytes.iter().enumerate() {
        for form in &FORMS[usize::from(*first)] {
            if bytes[at..].starts_with(form) {
                let around = &bytes[at.saturating_sub(80)..(at + form.len() + 40).min(bytes.len())];
                panic!("{what} holds a secret: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// Looks for the secrets in what a process said and in every file that it may have written.
fn assert_kept(home: &Home, ran: &Ran, what: &str) {
    assert_free_of_secrets(&format!("{what}: standard output"), ran.stdout.as_bytes());
    assert_free_of_secrets(&format!("{what}: standard error"), ran.stderr.as_bytes());
    for name in home.files() {
        if name != "api_key" && name != "archiver.toml" && !name.starts_with("token.") {
            assert_free_of_secrets(&format!("{what}: {name}"), &fs::read(home.path(&name)).unwrap());
        }
    }
}

/// Runs with everything logged and looks for the secrets.
fn run_loudly(home: &Home, args: &[&str], format: &str, what: &str) -> Ran {
    let ran = home.run(&[args, &["--log-level", LOUD, "--log-format", format]].concat());
    assert_kept(home, &ran, &format!("{what} ({format})"));
    ran
}

/// The same in both formats.
fn run_and_look(home: &Home, args: &[&str], what: &str) -> [Ran; 2] {
    ["text", "json"].map(|format| run_loudly(home, args, format, what))
}

fn server() -> Server {
    let mut server = Server::new(KEY);
    let mailbox = Mailbox::plain(("Olivia", "Owner"), ("Ada", "Example"), 25, START);
    let mut account = Account::new("me", mailbox);
    account.login_token = TOKEN.to_owned();
    server.add_account(account);
    server
}

/// A folder that is set up for this API, with few attempts and short waits.
fn home(api: &FakeApi, version: &str) -> Home {
    let mut home = Home::of(api, version);
    home.write_secret("api_key", KEY);
    home.env("ARCHIVER_API__TIMEOUT_SECS", "1");
    home.env("RUST_BACKTRACE", "full");
    home.env("RUST_LOG", "trace");
    home
}

#[test]
fn a_run_that_goes_well_tells_no_secret() {
    for version in ["v1", "v2"] {
        let api = FakeApi::serve(server());
        let home = home(&api, version);
        let [first, second] = run_and_look(&home, &["sync", "--once", "--json"], version);
        assert_eq!((&first.json()["outcome"], second.code), (&"complete".into(), Some(0)));
        assert!(first.stderr.contains("stored a page"), "the log is not as loud as it should be: {first:?}");
        run_and_look(&home, &["status"], version);
        run_and_look(&home, &["sync", "--once", "--dry-run"], version);
    }
}

#[test]
fn a_run_that_meets_any_fault_tells_no_secret() {
    let mut cases = Vec::new();
    for fault in Fault::all() {
        // A body of drips ends as a hanging one does.
        if fault != Fault::Drip {
            cases.extend([("v1", "text", fault.clone()), ("v2", "json", fault)]);
        }
    }
    for_each_case(cases, |(version, format, fault)| {
        let api = FakeApi::serve(server());
        let mut home = home(&api, version);
        home.env("ARCHIVER_API__RETRIES", "0");
        let what = format!("{version} {fault}");
        api.server().faults.add(FaultRule::always(fault));
        run_loudly(&home, &["sync", "--once"], format, &what);
        assert!(api.requests() > 0, "{what}");
    });
}

#[test]
fn a_run_that_is_killed_leaves_no_secret_in_the_journal() {
    let api = FakeApi::serve(server());
    let home = home(&api, "v1");
    api.server().faults.add(FaultRule::always(Fault::Hang));
    let requests = api.requests_as_they_come();
    let process = Process::start(&mut home.archiver(&["sync", "--once", "--log-level", LOUD]));
    requests.recv().unwrap();
    process.signal(Signal::KILL);
    let ran = process.finish();
    assert!(fs::metadata(home.path("archive.db-wal")).unwrap().len() > 0);
    assert_kept(&home, &ran, "killed");
}

#[test]
fn secrets_from_the_environment_or_the_configuration_itself_are_kept_as_well() {
    let api = FakeApi::serve(server());
    let mut from_env = home(&api, "v1");
    fs::remove_file(from_env.path("api_key")).unwrap();
    fs::remove_file(from_env.path("token.me")).unwrap();
    from_env.env("ARCHIVER_API_KEY", KEY);
    from_env.env("ARCHIVER_LOGIN_TOKEN", TOKEN);
    let inline = home(&api, "v1");
    inline.edit("[api]", &format!("[api]\napi_key = \"{KEY}\""));
    inline.edit("login_token_file = \"token.me\"", &format!("login_token = \"{TOKEN}\""));
    for (home, what) in [(from_env, "from the environment"), (inline, "inline")] {
        for ran in run_and_look(&home, &["sync", "--once"], what) {
            ran.expect(0);
        }
    }
}

#[test]
fn a_secret_in_the_wrong_place_of_the_configuration_is_not_repeated() {
    let api = FakeApi::serve(server());
    for (from, to) in [
        ("[api]", format!("[api]\napi_key_file = \"{KEY}\"")),
        ("[api]", format!("[api]\napi_key = {KEY}")),
        ("[api]", format!("[api]\napi_key = \"{KEY}")),
        ("[api]", format!("[api]\napi_key = [\"{KEY}\"]")),
        ("[api]", format!("[api]\napi_keys = \"{KEY}\"")),
        ("[api]", format!("[api]\napi_key = \"{KEY} {KEY}\"")),
        ("\"token.me\"", format!("\"{TOKEN}\"")),
        ("login_token_file = \"token.me\"", format!("login_token = {{ text = \"{TOKEN}\" }}")),
        ("http://127.0.0.1", format!("http://user:{KEY}@127.0.0.1")),
        ("\"\nversion", format!("?key={KEY}\"\nversion")),
    ] {
        let home = home(&api, "v1");
        home.edit(from, &to);
        for ran in run_and_look(&home, &["sync", "--once"], &to) {
            ran.expect(78);
        }
    }
    assert_eq!(api.requests(), 0);
}

/// Logs in with everything logged, and looks for the secrets.
fn log_in_loudly(home: &Home, flags: &[&str], format: &str, what: &str) -> Ran {
    let loud = ["login", "--yes", "--email", "me@example.org", "--log-level", LOUD, "--log-format", format];
    let mut command = home.archiver(&[&loud, flags].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::of(command.spawn().unwrap());
    write!(process.child().stdin.take().unwrap(), "{PASSWORD}\n{CODE}\n").unwrap();
    let ran = process.finish();
    assert_kept(home, &ran, &format!("login {what} ({format})"));
    ran
}

#[test]
fn a_login_tells_neither_password_nor_code_nor_token() {
    for (version, flags) in [
        ("v1", &["--password-stdin", "--code-stdin"][..]),
        ("v2", &["--password-stdin", "--code-stdin", "--json"]),
    ] {
        let mut server = server();
        server.behaviour.login = LoginStyle::Code;
        let account = server.account_mut(0).unwrap();
        (account.password, account.code) = (PASSWORD.to_owned(), CODE.to_owned());
        let api = FakeApi::serve(server);
        let home = home(&api, version);
        for format in ["text", "json"] {
            log_in_loudly(&home, flags, format, version).expect(0);
        }
        api.server().account_mut(0).unwrap().code = "another".to_owned();
        log_in_loudly(&home, flags, "text", version).expect(77);
        api.server().account_mut(0).unwrap().password = "another".to_owned();
        log_in_loudly(&home, flags, "text", version).expect(77);
        run_and_look(&home, &["status", "--json"], version);
    }
}

#[test]
fn a_server_that_repeats_a_login_is_not_quoted_to_the_letter() {
    let api = FakeApi::serve(server());
    for version in ["v1", "v2"] {
        for status in ["200 OK", "400 Bad", "403 No", "500 Oh"] {
            for success in ["success", "error"] {
                let answering = Answering::with(move |head, body| {
                    let said = format!("{PASSWORD} {head}{body}");
                    let token = (success == "success").then_some("two words");
                    let data = serde_json::json!({"account_id": said, "status": said});
                    let body = serde_json::json!({"status": success, "login_token": token, "message": said,
                                                  "success": success == "success", "data": data});
                    http(status, "", &body.to_string())
                });
                let mut home = home(&api, version);
                home.env("ARCHIVER_API__BASE_URL", &answering.url);
                let ran = log_in_loudly(&home, &["--password-stdin", "--code-stdin"], "text", status);
                assert!(ran.code != Some(0), "{version} {status} {success}: {ran:?}");
                answering.stop();
            }
        }
    }
}

/// A server that answers every request with what a function makes of it.
struct Answering {
    url: String,
    thread: JoinHandle<()>,
}

impl Answering {
    /// `answer` is given the head and the body of a request, and gives the whole answer.
    fn with(answer: impl Fn(&str, &str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                match read_request(&stream) {
                    Some((head, body)) => stream.write_all(answer(&head, &body).as_bytes()).unwrap(),
                    None => return,
                }
            }
        });
        Self { url, thread }
    }

    /// Ends it: a connection that says nothing.
    fn stop(self) {
        drop(TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap());
        self.thread.join().unwrap();
    }
}

fn read_request(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    let length = head.to_lowercase();
    let length = length.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    Some((head, String::from_utf8(body).unwrap()))
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Everything that a careless server might repeat: the whole request, in plain and as a URL would write it.
fn echo(head: &str, body: &str) -> String {
    assert!(head.contains(KEY), "the key did not come: {head}");
    let urlencoded: String =
        url::form_urlencoded::byte_serialize(format!("{KEY}&{TOKEN}").as_bytes()).collect();
    format!("invalid session {TOKEN} for {KEY}; {urlencoded}; request was {head}{body}")
}

#[test]
fn a_server_that_repeats_the_request_is_not_quoted_to_the_letter() {
    let statuses = [
        "200 OK", "400 Bad", "401 No", "402 Pay", "403 No", "404 No", "422 No", "429 Slow", "500 Oh",
        "503 Oh",
    ];
    type Form = fn(&str) -> String;
    let forms: [Form; 8] = [
        |said| serde_json::json!({"status": "error", "message": said}).to_string(),
        |said| serde_json::json!({"status": "error", "data": said}).to_string(),
        |said| serde_json::json!({"error": {"code": said, "message": said}, "success": false}).to_string(),
        |said| serde_json::json!({"status": "success", "message": said, "data": null}).to_string(),
        |said| serde_json::json!({"status": "success", "data": said}).to_string(),
        |said| format!("<!DOCTYPE html><html><title>{said}</title><body>{said}</body></html>"),
        |said| said.to_owned(),
        |said| format!("{{\"status\":\"error\",\"message\":\"{said}"),
    ];
    let mut cases = Vec::new();
    for status in statuses {
        cases.extend(forms.iter().enumerate().map(|(i, form)| (status, i, *form)));
    }
    let api = FakeApi::serve(server());
    for_each_case(cases, |(status, index, form)| {
        let answering = Answering::with(move |head, body| {
            let retry = format!(
                "retry-after: {TOKEN}\r\nwww-authenticate: Bearer {KEY}\r\nset-cookie: li_at={TOKEN}\r\n"
            );
            http(status, &retry, &form(&echo(head, body)))
        });
        let mut home = home(&api, "v1");
        home.env("ARCHIVER_API__RETRIES", "0");
        home.env("ARCHIVER_API__BASE_URL", &answering.url);
        let format = if index % 2 == 0 { "text" } else { "json" };
        let ran = run_loudly(&home, &["sync", "--once"], format, &format!("{status} {index}"));
        // Only an empty purse is no failure.
        assert!(ran.code != Some(0) || status.starts_with("402"), "{status} {index}: {ran:?}");
        assert!(ran.stderr.contains("the request failed"), "{status} {index}: {ran:?}");
        answering.stop();
    });
}

#[test]
fn a_page_that_holds_a_secret_is_stored_without_it_however_it_is_written() {
    let api = FakeApi::serve(server());
    // A client of v2 has no token to know again.
    for_each_case(vec!["v1"], |version| {
        let answering = Answering::with(move |head, body| {
            let said = echo(head, body);
            let hex = |text: &str| text.bytes().map(|b| format!("{b:02X}")).collect::<String>();
            let escaped = |text: &str| text.bytes().map(|b| format!("\\u00{b:02x}")).collect::<String>();
            let base64 = STANDARD.encode(&said);
            let (key, token) = (escaped(KEY), escaped(TOKEN));
            let said = serde_json::json!(said).to_string().replace('/', "\\/");
            let (hex_key, hex_token) = (hex(KEY), hex(TOKEN));
            let cursor = URL_SAFE_NO_PAD.encode(format!("DESCENDING&{TOKEN}&{KEY}"));
            let page = format!(
                r#"{{"status":"success","success":true,"data":{{"messages":[
                {{"text":{said},"timestamp":{START},"sender":"{key}"}},
                {{"text":"{token}","timestamp":{START},"note":"{base64}","hex":["{hex_key}","{hex_token}"]}},
                "{key}", {{"text":"{token}","weight":NaN}}],"has_next_page":true,"next_cursor":"{cursor}"}}}}"#
            );
            http("200 OK", "", &page)
        });
        let mut home = home(&api, version);
        home.env("ARCHIVER_API__BASE_URL", &answering.url);
        run_loudly(&home, &["sync", "--once"], "text", version);
        assert!(home.count("SELECT count(*) FROM message") >= 2, "{version}");
        assert!(home.count("SELECT count(*) FROM quarantine") >= 2, "{version}");
        run_loudly(&home, &["export", "--format", "jsonl", "--out", "out"], "text", version);
        answering.stop();
    });
}

#[test]
fn a_redirect_takes_no_secret_to_another_host() {
    let api = FakeApi::serve(server());
    let mut cases = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        for form in 0..3 {
            cases.push((status, form));
        }
    }
    for_each_case(cases, |(status, form)| {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = elsewhere.local_addr().unwrap().port();
        let answering = Answering::with(move |head, body| {
            let said: String = url::form_urlencoded::byte_serialize(KEY.as_bytes()).collect();
            let to = match form {
                0 => format!("http://127.0.0.1:{port}/v1/messages/conversation?key={said}#{TOKEN}"),
                1 => format!("http://localhost:{port}/{said}"),
                _ => format!("//{said}:{said}@127.0.0.1:{port}/"),
            };
            http(&format!("{status} Moved"), &format!("location: {to}\r\n"), &echo(head, body))
        });
        let mut home = home(&api, "v1");
        home.env("ARCHIVER_API__RETRIES", "0");
        home.env("ARCHIVER_API__BASE_URL", &answering.url);
        run_loudly(&home, &["sync", "--once"], "text", &format!("{status} {form}")).expect(69);
        answering.stop();
        assert_nobody_came(&elsewhere, &format!("{status} {form}"));
    });
}

#[test]
fn a_proxy_of_the_environment_sees_nothing() {
    let api = FakeApi::serve(server());
    for version in ["v1", "v2"] {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let mut home = home(&api, version);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            home.env(name, &address);
        }
        let ran = home.run(&["sync", "--once"]);
        assert_nobody_came(&proxy, version);
        ran.expect(0);
    }
}

fn assert_nobody_came(listener: &TcpListener, what: &str) {
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "{what}: somebody connected");
}
