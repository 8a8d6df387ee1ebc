//! Tests of `client.rs`.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::super::testing::{
    KEY, ScriptedAnswer, Server, Slept, TOKEN, URN, ask_conversation, ask_profile, http, leaks, reservation,
    say, wait_for_hangup,
};
use super::*;
use crate::clock::SystemClock;
use crate::core::model::ids::RequestId;

const EMPTY_V1: &str = r#"{"status":"success","data":{"messages":[]}}"#;

fn settings(base_url: &Url, version: ApiVersion) -> ApiSettings {
    let account = |name: &str, token: Option<&str>, id: Option<&str>| AccountAccess {
        name: name.to_owned(),
        country: "DE".to_owned(),
        login_token: token.map(Secret::new),
        account_id: id.map(str::to_owned),
    };
    ApiSettings {
        base_url: base_url.clone(),
        version,
        api_key: Secret::new(KEY),
        timeout: Duration::from_secs(20),
        rate: Rate::new(60),
        network: Network::default(),
        accounts: vec![account("me", Some(TOKEN), Some("69c1")), account("bare", None, None)],
    }
}

fn api(base_url: &Url) -> HttpApi<SystemClock> {
    speaking(ApiVersion::V1, base_url)
}

/// Asks a server that answers like this for 50 messages.
async fn asked(turn: ScriptedAnswer) -> Answer<Page> {
    let server = Server::start(vec![turn]);
    let answer = ask(&api(&server.url)).await;
    assert_eq!(server.requests().await.len(), 1);
    answer
}

/// The message of an answer that is a failure of this kind.
fn failure<T: fmt::Debug>(answer: &Answer<T>, kind: FailureKind) -> &str {
    match &answer.outcome {
        Err(error) if error.kind == kind => &error.message,
        other => panic!("{other:?}"),
    }
}

fn transient(answer: &Answer<Page>) -> &str {
    failure(answer, FailureKind::Transient)
}

/// An API to ask in either version.
fn speaking(version: ApiVersion, base_url: &Url) -> HttpApi<SystemClock> {
    HttpApi::new(settings(base_url, version), SystemClock).unwrap()
}

/// Asks for 50 messages of the first account.
async fn ask<C: Clock>(api: &HttpApi<C>) -> Answer<Page> {
    api.conversation(api.turn().await, reservation(50), &ask_profile()).await
}

#[tokio::test]
async fn a_v1_request_goes_below_the_base_url_with_key_and_token_in_their_places() {
    for prefix in ["", "/", "/some/prefix", "/some/prefix/"] {
        let server = Server::start(vec![http(200, EMPTY_V1)]);
        let api = api(&server.url.join(prefix).unwrap());
        let answer =
            api.conversation(api.turn().await, reservation(30), &ask_conversation(URN, Some("9"))).await;
        assert_eq!(answer.outcome.unwrap().returned, 0);
        assert_eq!(
            (answer.http_status, answer.receipt.request_id(), answer.receipt.credits()),
            (Some(200), RequestId(7), 1)
        );
        let request = server.requests().await.remove(0);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let path = format!("{}/{}", prefix.trim_end_matches('/'), api.endpoint());
        assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
        for header in
            [&format!("x-api-key: {KEY}"), "content-type: application/json", "accept-encoding: gzip"]
        {
            assert!(head.contains(&format!("\r\n{header}")), "{head}");
        }
        assert_eq!(head.matches(KEY).count() + body.matches(KEY).count(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(body).unwrap(),
            json!({"conversation_id": URN, "total_results": 30, "cursor": "9", "country": "DE", "login_token": TOKEN})
        );
    }
}

#[tokio::test]
async fn a_v2_request_names_the_account_and_holds_no_token() {
    let body = r#"{"success":true,"data":{"messages":[]},"metadata":{"credits_consumed":0}}"#;
    let server = Server::start(vec![http(200, body)]);
    let api = speaking(ApiVersion::V2, &server.url);
    let answer = ask(&api).await;
    assert_eq!((answer.receipt.credits(), api.endpoint()), (1, "v2/messages/get_conversation"));
    let request = server.requests().await.remove(0);
    assert!(request.starts_with("POST /v2/messages HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(r#""account_id":"69c1""#) && !request.contains(TOKEN), "{request}");
}

#[tokio::test]
async fn an_account_without_its_credentials_is_not_asked_and_costs_nothing() {
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    for (version, account, missing) in [
        (ApiVersion::V1, 1, "the account `bare` has no login token, which v1 needs"),
        (ApiVersion::V2, 1, "the account `bare` has no account_id, which v2 needs"),
        (ApiVersion::V1, 2, "there is no account number 3"),
    ] {
        let api = speaking(version, &nowhere);
        let ask = Ask { account, ..ask_profile() };
        let answer = api.conversation(api.turn().await, reservation(50), &ask).await;
        assert_eq!(failure(&answer, FailureKind::Account), missing);
        assert_eq!((answer.http_status, answer.receipt.credits()), (None, 0));
    }
}

#[tokio::test]
async fn a_request_that_never_went_out_costs_nothing() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}").parse().unwrap();
    let answer = ask(&api(&url)).await;
    assert!(transient(&answer).starts_with("no connection to the API: "), "{answer:?}");
    assert_eq!((answer.http_status, answer.receipt.credits()), (None, 0));
}

#[tokio::test]
async fn a_closed_connection_is_not_tried_again_and_counts_in_full() {
    for turn in [
        Box::new(|_: &mut _| {}) as ScriptedAnswer,
        say("HTTP/1.1 200 OK\r\ncontent-le"),
        say("key-0123456789-abcdef is no HTTP\r\n\r\n"),
    ] {
        let answer = asked(turn).await;
        assert!(!transient(&answer).contains("key-01234"), "{answer:?}");
        assert_eq!((answer.http_status, answer.receipt.credits()), (None, 5));
    }
}

#[tokio::test]
async fn a_cut_body_is_a_lost_answer_whatever_its_status() {
    let cut = |status: u16| {
        say(format!(
            "HTTP/1.1 {status} X\r\ncontent-length: 99999\r\nconnection: close\r\n\r\n{{\"status\":\"success\""
        ))
    };
    let answer = asked(cut(200)).await;
    assert!(transient(&answer).starts_with("the answer broke off"), "{answer:?}");
    assert_eq!((answer.http_status, answer.receipt.credits()), (Some(200), 5));
    let answer = asked(cut(500)).await;
    assert_eq!((answer.http_status, answer.receipt.credits()), (Some(500), 5));
    transient(&asked(cut(403)).await);
    let torn = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"sta\r\n";
    assert_eq!(asked(say(torn)).await.receipt.credits(), 5);
}

#[tokio::test]
async fn a_server_that_never_finishes_is_left_when_the_time_is_up() {
    for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"status\""] {
        let server = Server::start(vec![Box::new(move |stream| {
            stream.write_all(said.as_bytes()).unwrap();
            wait_for_hangup(stream);
        })]);
        let settings =
            ApiSettings { timeout: Duration::from_millis(300), ..settings(&server.url, ApiVersion::V1) };
        let api = HttpApi::new(settings, SystemClock).unwrap();
        let answer = ask(&api).await;
        assert!(transient(&answer).ends_with("no complete answer within 0.3 s"), "{answer:?}");
        assert_eq!(answer.receipt.credits(), 5);
        server.requests().await;
    }
}

#[tokio::test]
async fn a_redirect_is_an_error_and_the_key_does_not_go_along() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("http://{}/{KEY}/{TOKEN}", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let answer = asked(say(format!(
            "HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )))
        .await;
        let expected = format!("HTTP {status}, a redirect to 127.0.0.1, which is not followed");
        assert_eq!(failure(&answer, FailureKind::Refused), expected);
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let body = gzip(EMPTY_V1.as_bytes());
    let mut said = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    said.extend(body);
    assert!(asked(say(said)).await.outcome.is_ok());
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    // A thousandth of what it unpacks to goes over the wire, until the client has had enough.
    let answer = asked(Box::new(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n").unwrap();
        let mut bomb = GzEncoder::new(stream, Compression::fast());
        while bomb.write_all(&[b' '; 65_536]).is_ok() {}
    }))
    .await;
    assert_eq!(failure(&answer, FailureKind::Malformed), "it is larger than any honest answer");
    assert_eq!((answer.http_status, answer.receipt.credits()), (Some(200), 5));
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_passed_on() {
    let answer =
        asked(say("HTTP/1.1 429 X\r\nretry-after: 17\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
            .await;
    assert_eq!(answer.outcome.unwrap_err().retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let error = format!(r#"{{"status":"error","message":"{KEY} and {TOKEN}"}}"#);
    for turn in [
        http(200, &error),
        http(403, &error),
        http(500, &format!("no JSON: {KEY} {TOKEN}")),
        http(200, &format!(r#"{{"status":"success","data":"{TOKEN}"}}"#)),
        say(format!("HTTP/1.1 302 X\r\nlocation: http://{KEY}.example/\r\ncontent-length: 0\r\n\r\n")),
        say(format!("HTTP/1.1 200 {KEY}\r\ntransfer-encoding: chunked\r\n\r\n{TOKEN}\r\n")),
    ] {
        let answer = asked(turn).await;
        let error = answer.outcome.as_ref().unwrap_err();
        let shown = format!("{error} {error:?} {answer:?}");
        assert!(!leaks(&shown), "{shown}");
    }
    let settings = settings(&"http://localhost:9".parse().unwrap(), ApiVersion::V1);
    let shown = format!("{settings:?} {:?}", HttpApi::new(settings.clone(), SystemClock).unwrap());
    assert!(!leaks(&shown), "{shown}");
}

#[test]
fn a_proxy_in_the_environment_sees_nothing() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let test = "api::client::tests::asks_with_a_proxy_in_the_environment";
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, &address);
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    let run = command.args(["--exact", test, "--ignored"]).output().unwrap();
    let shown = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && shown.contains("1 passed"), "{shown}");
    proxy.set_nonblocking(true).unwrap();
    assert_eq!(proxy.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
#[ignore = "run by the test above, with a proxy in its environment"]
async fn asks_with_a_proxy_in_the_environment() {
    let server = Server::start(vec![http(200, EMPTY_V1)]);
    let settings = ApiSettings { timeout: Duration::from_secs(5), ..settings(&server.url, ApiVersion::V1) };
    let api = HttpApi::new(settings, SystemClock).unwrap();
    assert!(ask(&api).await.outcome.is_ok());
    assert_eq!(server.requests().await.len(), 1);
}

#[tokio::test]
async fn requests_beyond_the_rate_wait_for_their_turn() {
    let server = Server::start((0..5).map(|_| http(200, EMPTY_V1)).collect());
    let settings = ApiSettings { rate: Rate::new(2), ..settings(&server.url, ApiVersion::V1) };
    let clock = Slept::default();
    let api = HttpApi::new(settings, &clock).unwrap();
    for _ in 0..5 {
        assert!(ask(&api).await.outcome.is_ok());
    }
    assert_eq!(*clock.sleeps.borrow(), [60, 60]);
    assert_eq!(server.requests().await.len(), 5);
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let build = |change: &dyn Fn(&mut ApiSettings)| {
        let mut settings = settings(&"http://localhost:9".parse().unwrap(), ApiVersion::V1);
        change(&mut settings);
        HttpApi::new(settings, SystemClock).map(|_| ())
    };
    for (url, usable) in [
        ("https://api.linkupapi.com", true),
        ("https://api.linkupapi.com/prefix/", true),
        ("http://127.1.2.3:8080", true),
        ("http://[::1]:8080", true),
        ("http://localhost", true),
        ("http://api.linkupapi.com", false),
        ("http://localhost.example", false),
        ("http://192.168.1.1", false),
        ("ftp://localhost", false),
        ("unix:/run/api", false),
        ("https://me@api.linkupapi.com", false),
        ("https://:secret@api.linkupapi.com", false),
        ("https://api.linkupapi.com/?key=secret", false),
        ("https://api.linkupapi.com/#x", false),
    ] {
        let built = build(&|s| s.base_url = url.parse().unwrap());
        assert_eq!(matches!(built, Err(BuildError::BaseUrl(_))), !usable, "{url}: {built:?}");
        assert!(!format!("{built:?}").contains("secret"));
    }
    for key in ["", " \n", "a\nb", "schlüssel\u{7f}"] {
        assert_eq!(build(&|s| s.api_key = Secret::new(key)), Err(BuildError::Key), "{key:?}");
    }
    assert_eq!(build(&|s| s.timeout = Duration::ZERO), Err(BuildError::Timeout));
}

#[tokio::test]
async fn balance_and_account_state_are_asked_for_with_the_key_alone() {
    let server = Server::start(vec![
        http(200, r#"{"success":true,"data":{"credits":1234.5}}"#),
        http(200, r#"{"success":true,"data":{"id":"69c1","status":"connected"}}"#),
    ]);
    let api = api(&server.url);
    assert_eq!(api.balance().await, Ok(1234.5));
    assert_eq!(api.account_state(0).await.as_deref(), Ok("connected"));
    let requests = server.requests().await;
    assert!(requests[0].starts_with("GET /v2/credits HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[1].starts_with("GET /v2/accounts/69c1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests.iter().all(|r| r.contains(KEY) && !r.contains(TOKEN)), "{requests:?}");
    assert_eq!(api.account_state(1).await.unwrap_err().kind, FailureKind::Account);
}

#[tokio::test]
async fn balance_and_account_state_fail_as_other_requests_do() {
    for (status, body, expected) in [
        (200, r#"{"success":true,"data":{}}"#, "the answer cannot be used: its `data` has no `credits`"),
        (200, "<html>", "the answer cannot be used: HTTP 200 with HTML instead of JSON"),
        (
            403,
            r#"{"success":false,"error":{"code":"INVALID_API_KEY","message":"no"}}"#,
            "the API key was refused: HTTP 403: INVALID_API_KEY: no",
        ),
    ] {
        let server = Server::start(vec![http(status, body)]);
        assert_eq!(api(&server.url).balance().await.unwrap_err().to_string(), expected);
        server.requests().await;
    }
}

const GONE: &str = r#"{"success":false,"error":{"code":"INVALID_ACCOUNT","message":"Webhook not found"}}"#;

/// Whether the watch `wh_1` has ended, by these answers, and what was asked.
async fn end_watch(answers: &[(u16, &str)]) -> (Result<(), ApiError>, Vec<String>) {
    let server = Server::start(answers.iter().map(|(status, body)| http(*status, body)).collect());
    let ended = speaking(ApiVersion::V2, &server.url).end_watch("wh_1").await;
    (ended, server.requests().await)
}

#[tokio::test]
async fn a_watch_has_ended_when_the_api_says_so_or_no_longer_has_it() {
    let deleted = r#"{"success":true,"data":{"webhook_id":"wh_1"},"metadata":{"credits_consumed":0}}"#;
    let stopped = r#"{"success":false,"error":{"code":"INVALID_PARAMS","message":"Already stopped"}}"#;
    for answers in [
        &[(200, deleted)][..],
        &[(204, "")],
        &[(404, GONE), (404, GONE)],
        &[(410, GONE), (404, GONE)],
        &[(400, stopped), (404, GONE)],
    ] {
        let (ended, requests) = end_watch(answers).await;
        assert_eq!(ended, Ok(()), "{answers:?}");
        assert!(requests[0].starts_with("DELETE /v2/webhooks/wh_1 HTTP/1.1\r\n"), "{requests:?}");
        assert!(requests[0].contains(KEY) && !requests[0].contains(TOKEN), "{requests:?}");
    }
}

#[tokio::test]
async fn a_watch_goes_on_as_long_as_its_events_can_be_read_or_an_answer_says_nothing() {
    let events = r#"{"success":true,"data":{"events":[]}}"#;
    let refused = r#"{"success":false,"error":{"code":"INVALID_API_KEY","message":"no"}}"#;
    for answers in [
        &[(404, GONE), (200, events)][..],
        &[(404, GONE), (503, "")],
        &[(404, "<html>")],
        &[(200, "<html>")],
        &[(200, "{}")],
        &[(403, refused)],
        &[(500, "")],
    ] {
        let (ended, requests) = end_watch(answers).await;
        assert!(ended.is_err(), "{answers:?}");
        assert_eq!(requests.len(), answers.len());
    }
}

#[tokio::test]
async fn the_inbox_is_asked_for_25_rows_at_most_with_the_cursor_under_its_own_name() {
    let row = format!(r#"{{"conversation_id":"{URN}"}}"#);
    let body = format!(
        r#"{{"status":"success","success":true,"data":{{"conversations":[{row}],"next_cursor":"b"}}}}"#
    );
    let server = Server::start(vec![http(200, &body), http(200, &body)]);
    let v1 = api(&server.url);
    let v2 = speaking(ApiVersion::V2, &server.url);
    for api in [&v1, &v2] {
        let answer = api.inbox(api.turn().await, reservation(50), 0, Some("a")).await;
        assert_eq!((answer.http_status, answer.receipt.credits()), (Some(200), 1));
        let page = answer.outcome.unwrap();
        assert_eq!((page.rows.len(), page.next_cursor.as_deref()), (1, Some("b")));
    }
    assert_eq!((v1.inbox_endpoint(), v2.inbox_endpoint()), ("v1/messages/inbox", "v2/messages/list_inbox"));
    let requests = server.requests().await;
    let body =
        |i: usize| serde_json::from_str::<Value>(requests[i].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert!(
        requests[0].starts_with("POST /v1/messages/inbox ") && requests[1].starts_with("POST /v2/messages ")
    );
    assert_eq!(
        body(0),
        json!({"total_results": 25, "category": "INBOX", "next_cursor": "a", "country": "DE", "login_token": TOKEN})
    );
    assert_eq!(
        body(1),
        json!({"account_id": "69c1", "action": "list_inbox", "params": {"count": 25, "category": "INBOX", "cursor": "a"}})
    );
    failure(&v1.inbox(v1.turn().await, reservation(10), 1, None).await, FailureKind::Account);
}
