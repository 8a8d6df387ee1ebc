//! Every shape of answer that the contract knows, word for word over a socket: what becomes of each, and its price.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use archiver::api::{
    AccountAccess, Answer, Api as _, ApiSettings, ApiVersion, Ask, ConversationRef, FailureKind, HttpApi,
    Network, Rate, Turn,
};
use archiver::clock::SystemClock;
use archiver::core::budget::{Reservation, grant};
use archiver::core::inbox::InboxPage;
use archiver::core::model::cursor::Cursor;
use archiver::core::model::ids::RequestId;
use archiver::core::model::page::{Below, Page};
use archiver::secret::Secret;
use serde_json::{Value, json};

const KEY: &str = "the-api-key-of-the-tests";
const TOKEN: &str = "AQEDARtoken-of-the-tests";
const URN: &str = "urn:li:msg_conversation:(urn:li:fsd_profile:ACoAAOWNER,2-OTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)";
/// What every request reserves: 50 results.
const RESERVED: u32 = 5;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A server for one request, which it gives back when it is joined.
struct Once {
    base_url: String,
    thread: JoinHandle<String>,
}

impl Once {
    fn answering(head: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let answer =
            format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            request
        });
        Self { base_url, thread }
    }

    fn request(self) -> String {
        self.thread.join().unwrap()
    }
}

fn request(stream: &mut TcpStream) -> String {
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the client hung up in the middle of a request");
        seen.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return seen;
        }
    }
}

fn api(base_url: &str, version: ApiVersion) -> HttpApi<SystemClock> {
    let account = AccountAccess {
        name: "me".to_owned(),
        country: "FR".to_owned(),
        login_token: Some(Secret::new(TOKEN)),
        account_id: Some("69c1".to_owned()),
    };
    let settings = ApiSettings {
        base_url: base_url.parse().unwrap(),
        version,
        api_key: Secret::new(KEY),
        timeout: Duration::from_secs(20),
        rate: Rate::new(600),
        network: Network::default(),
        accounts: vec![account],
    };
    HttpApi::new(settings, SystemClock).unwrap()
}

fn reservation() -> Reservation {
    grant(&[], 50).unwrap().recorded(RequestId(1))
}

fn version_of(name: &str) -> ApiVersion {
    if name.starts_with("v2") { ApiVersion::V2 } else { ApiVersion::V1 }
}

/// Asks for the conversation of the fixtures and is answered with this one.
async fn answered(name: &str, head: &str, version: ApiVersion) -> Answer<Page> {
    let server = Once::answering(&format!("{head}\r\ncontent-type: application/json"), &fixture(name));
    let ask = Ask { account: 0, conversation: ConversationRef::by_id(URN).unwrap(), cursor: None };
    let answer = api(&server.base_url, version).conversation(Turn::free(), reservation(), &ask).await;
    let said = format!("{:?}", answer.outcome);
    assert!(!said.contains(KEY) && !said.contains(TOKEN), "{said}");
    server.request();
    answer
}

async fn listed(name: &str) -> Answer<InboxPage> {
    let server = Once::answering("200 OK\r\ncontent-type: application/json", &fixture(name));
    let answer = api(&server.base_url, version_of(name)).inbox(Turn::free(), reservation(), 0, None).await;
    server.request();
    answer
}

fn more(cursor: &str) -> Below {
    Below::More(Cursor::served(cursor.to_owned()))
}

#[tokio::test]
async fn a_page_is_read_wherever_it_says_whether_there_is_more() {
    for (name, messages, below, credits) in [
        ("v1-page.json", 2, more("1745266498889"), 1),
        ("v1-last-page.json", 2, Below::End, 1),
        ("v1-last-page-with-cursor.json", 2, Below::End, 1),
        ("v1-pagination.json", 2, more("1745266498889"), 1),
        ("v1-top-level.json", 2, more("1745266498889"), 1),
        ("v1-no-has-next.json", 2, more("1745266498889"), 1),
        ("v1-no-paging-at-all.json", 2, Below::End, 1),
        ("v1-empty-cursor.json", 2, Below::End, 1),
        ("v1-number-cursor.json", 2, more("1745266498889"), 1),
        ("v1-renamed-cursor.json", 2, more("1745266498889"), 1),
        ("v1-more-without-cursor.json", 2, Below::MoreWithoutCursor, 1),
        ("v1-empty.json", 0, Below::End, 1),
        ("v1-empty-but-more.json", 0, more("1745266498889"), 1),
        ("v2-page.json", 1, more("1777146285823"), 1),
        ("v2-last-page.json", 1, Below::End, 1),
        ("v2-null-cursor.json", 1, Below::End, 1),
        ("v2-credits-null.json", 1, more("1777146285823"), 1),
        ("v2-no-metadata.json", 1, more("1777146285823"), 1),
        ("v2-dear.json", 1, more("1777146285823"), 4),
    ] {
        let answer = answered(name, "200 OK", version_of(name)).await;
        assert_eq!((answer.http_status, answer.receipt.credits()), (Some(200), credits), "{name}");
        let page = answer.outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((page.messages.len(), page.below.clone()), (messages, below), "{name}");
        assert_eq!(page.conversation_urn.as_deref(), Some(URN), "{name}");
        assert_eq!((page.oddities.len(), page.total), (0, version_total(name)), "{name}");
    }
}

fn version_total(name: &str) -> Option<i64> {
    name.starts_with("v2").then_some(55)
}

#[tokio::test]
async fn what_is_no_page_is_never_taken_for_an_empty_one() {
    for (name, version, credits, why) in [
        ("v1-data-array.json", ApiVersion::V1, RESERVED, "`data` is an empty list"),
        ("v1-data-null.json", ApiVersion::V1, RESERVED, "`data` is null"),
        ("v1-no-data.json", ApiVersion::V1, RESERVED, "no `data`"),
        ("v1-no-messages.json", ApiVersion::V1, RESERVED, "no `messages`"),
        ("v1-messages-null.json", ApiVersion::V1, RESERVED, "`messages` is null"),
        ("v1-messages-object.json", ApiVersion::V1, RESERVED, "`messages` is an object"),
        ("v1-cut.json", ApiVersion::V1, RESERVED, "cut or broken"),
        ("v1-other-conversation.json", ApiVersion::V1, 1, "another conversation"),
        ("v1-other-conversation-by-messages.json", ApiVersion::V1, 1, "another conversation"),
        ("page.html", ApiVersion::V1, RESERVED, "HTML"),
        ("page.html", ApiVersion::V2, RESERVED, "HTML"),
        ("empty.txt", ApiVersion::V1, RESERVED, "empty body"),
        ("list.json", ApiVersion::V1, RESERVED, "a list"),
        ("words.txt", ApiVersion::V1, RESERVED, "something else"),
        ("v2-data-null.json", ApiVersion::V2, 0, "`data` is null"),
        // Answers to other questions.
        ("v1-inbox.json", ApiVersion::V1, RESERVED, "no `messages`"),
        ("v1-login-token.json", ApiVersion::V1, RESERVED, "no `data`"),
        ("v2-inbox.json", ApiVersion::V2, 1, "no `messages`"),
        ("v2-credits.json", ApiVersion::V2, 0, "no `messages`"),
        ("v2-login-connected.json", ApiVersion::V2, 0, "no `messages`"),
        ("v2-login-checkpoint.json", ApiVersion::V2, 1, "no `messages`"),
    ] {
        let answer = answered(name, "200 OK", version).await;
        assert!(
            matches!(&answer.outcome, Err(e) if e.kind == FailureKind::Malformed && e.message.contains(why)),
            "{name}: {:?}",
            answer.outcome
        );
        assert_eq!(answer.receipt.credits(), credits, "{name}");
    }
}

#[tokio::test]
async fn a_v1_error_of_the_api_costs_a_credit_unless_it_is_500_and_one_of_a_gateway_may_have_cost_everything()
{
    for (name, head, expected, credits) in [
        ("v1-expired.json", "200 OK", "account", 1),
        ("v1-expired.json", "403 Forbidden", "account", 1),
        ("v1-expired.json", "401 Unauthorized", "account", 1),
        ("v1-expired-data.json", "200 OK", "account", 1),
        ("v1-forbidden.json", "403 Forbidden", "account", 1),
        ("v1-bad-key.json", "401 Unauthorized", "key", 1),
        ("v1-bad-key.json", "200 OK", "key", 1),
        ("v1-bad-params.json", "200 OK", "refused", 1),
        ("v1-bad-params.json", "400 Bad Request", "refused", 1),
        ("v1-not-found.json", "200 OK", "refused", 1),
        ("v1-not-found.json", "404 Not Found", "refused", 1),
        ("v1-no-credits.json", "200 OK", "credits", 1),
        ("v1-no-credits.json", "403 Forbidden", "credits", 1),
        ("v1-no-credits.json", "402 Payment Required", "credits", 1),
        ("v1-too-many.json", "200 OK", "rate_limited", 1),
        ("v1-too-many.json", "429 Too Many Requests", "rate_limited", 1),
        ("v1-internal.json", "500 Internal Server Error", "transient", 0),
        ("v1-error-object.json", "500 Internal Server Error", "transient", 0),
        ("v1-internal.json", "503 Service Unavailable", "transient", 1),
        ("page.html", "502 Bad Gateway", "transient", RESERVED),
        ("empty.txt", "504 Gateway Timeout", "transient", RESERVED),
        ("page.html", "403 Forbidden", "transient", RESERVED),
        ("words.txt", "404 Not Found", "refused", RESERVED),
        // The status of success beside a body of failure, and the other way round.
        ("v1-error-object.json", "200 OK", "refused", 1),
        ("v1-login-code.json", "200 OK", "malformed", RESERVED),
    ] {
        let answer = answered(name, head, ApiVersion::V1).await;
        let error = answer.outcome.unwrap_err();
        assert_eq!(
            (error.kind.as_str(), answer.receipt.credits()),
            (expected, credits),
            "{name} with {head}: {error}"
        );
        let retried = matches!(expected, "rate_limited" | "transient");
        assert_eq!(error.policy().retry != archiver::api::Retry::Never, retried, "{name} with {head}");
    }
}

#[tokio::test]
async fn a_v2_error_is_what_its_code_says_and_costs_what_its_metadata_says() {
    for (name, head, expected, credits) in [
        ("v2-invalid-api-key.json", "403 Forbidden", "key", 0),
        ("v2-invalid-account.json", "404 Not Found", "account", 0),
        ("v2-account-inactive.json", "403 Forbidden", "account", 0),
        ("v2-invalid-action.json", "400 Bad Request", "refused", 0),
        ("v2-invalid-params.json", "400 Bad Request", "refused", 0),
        ("v2-rate-limited.json", "429 Too Many Requests", "rate_limited", 0),
        ("v2-insufficient-credits.json", "402 Payment Required", "credits", 0),
        ("v2-internal-error.json", "500 Internal Server Error", "transient", 0),
        ("v2-channel-error.json", "200 OK", "transient", 0),
        ("v2-charged-error.json", "200 OK", "transient", 1),
        ("v2-unknown-error.json", "200 OK", "refused", 0),
        ("v2-unknown-error.json", "503 Service Unavailable", "transient", 0),
        ("page.html", "502 Bad Gateway", "transient", RESERVED),
        ("empty.txt", "403 Forbidden", "transient", RESERVED),
    ] {
        let answer = answered(name, head, ApiVersion::V2).await;
        let error = answer.outcome.unwrap_err();
        assert_eq!(
            (error.kind.as_str(), answer.receipt.credits()),
            (expected, credits),
            "{name} with {head}: {error}"
        );
    }
}

#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_heard_in_seconds() {
    for (head, seconds) in [
        ("429 Too Many Requests\r\nretry-after: 7", Some(7)),
        ("503 Service Unavailable\r\nretry-after: 120", Some(120)),
        ("429 Too Many Requests\r\nretry-after: soon", None),
        ("429 Too Many Requests", None),
    ] {
        let error = answered("v1-too-many.json", head, ApiVersion::V1).await.outcome.unwrap_err();
        assert_eq!(error.retry_after.map(|d| d.as_secs()), seconds, "{head}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let head = format!("307 Temporary Redirect\r\nlocation: http://{}/", elsewhere.local_addr().unwrap());
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let answer = answered("empty.txt", &head, version).await;
        assert_eq!(answer.outcome.unwrap_err().kind.as_str(), "refused");
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_documented_message_is_read_to_the_last_member() {
    let page = answered("v1-page.json", "200 OK", ApiVersion::V1).await.outcome.unwrap();
    let served: Value = serde_json::from_str(&fixture("v1-page.json")).unwrap();
    let [first, second] = page.messages.as_slice() else { panic!("{page:?}") };
    assert_eq!((first.text.as_str(), first.at_ms, first.kind.as_str()), ("😃", 1_745_270_025_236, "TEXT"));
    assert_eq!((second.text.as_str(), second.kind.as_str()), ("", "SYSTEM"));
    assert_eq!(
        (second.sender.name.as_str(), second.sender.first_name.as_deref()),
        ("Béla Sample", Some("Béla"))
    );
    assert_eq!(first.urn.as_deref(), served["data"]["messages"][0]["entity_urn"].as_str());
    assert_eq!((page.returned, page.unread, page.last_seen_ms), (2, Some(0), Some(1_749_403_535_456)));
    for (message, item) in page.messages.iter().zip(served["data"]["messages"].as_array().unwrap()) {
        assert_eq!(serde_json::from_str::<Value>(&message.served_json()).unwrap(), *item);
    }
}

#[tokio::test]
async fn odd_messages_are_kept_with_all_they_have_and_what_is_no_message_is_kept_aside() {
    let answer = answered("v1-odd-messages.json", "200 OK", ApiVersion::V1).await;
    let page = answer.outcome.unwrap();
    assert_eq!((page.returned, answer.receipt.credits(), page.below), (9, 1, more("1745266498000")));
    let read: Vec<_> =
        page.messages.iter().map(|m| (m.text.as_str(), m.at_ms, m.derived_time, m.kind.as_str())).collect();
    assert_eq!(
        read,
        [
            ("number as text", 1_745_270_025_236, false, ""),
            ("seconds", 1_745_270_020_000, false, ""),
            ("no time but an id", 1_745_270_025_091, true, ""),
            ("absurd time", 1_745_270_025_091, true, "EDITED"),
            ("", 1_745_266_498_889, false, "RECALLED"),
            ("half a pair \u{fffd} and a \u{fffd}", 1_745_266_498_000, false, ""),
            ("", 1_745_266_498_000, true, ""),
        ]
    );
    let names: Vec<&str> = page.messages.iter().map(|m| m.sender.name.as_str()).collect();
    let ada = "Ada Example";
    assert_eq!(names, [ada, ada, ada, ada, "Béla Sample", "Béla Sample", ""]);
    let aside: Vec<&str> = page.oddities.iter().map(|o| o.json.as_str()).collect();
    assert_eq!(aside, [r#""no message""#, "42"]);
    assert_eq!(page.messages[5].urn, None);
    // Nothing that was served is lost, not even half a pair of surrogates, which no reader of JSON gives back.
    let whole = |text: &str| serde_json::from_str::<Value>(&text.replace(r"\ud83d", "HALF")).unwrap();
    let served = whole(&fixture("v1-odd-messages.json"));
    let items: Vec<&Value> =
        served["data"]["messages"].as_array().unwrap().iter().filter(|i| i.is_object()).collect();
    let rebuilt: Vec<Value> = page.messages.iter().map(|m| whole(&m.served_json())).collect();
    assert_eq!(rebuilt.iter().collect::<Vec<_>>(), items);
    assert!(page.messages[3].served_json().contains(r#""weight":2.50"#));
    assert!(page.messages[4].served_json().contains(r#""deleted_by":null"#));
}

#[tokio::test]
async fn an_inbox_is_read_with_people_groups_and_its_opaque_cursor() {
    let answer = listed("v1-inbox.json").await;
    assert_eq!(answer.receipt.credits(), 1);
    let page = answer.outcome.unwrap();
    let served: Value = serde_json::from_str(&fixture("v1-inbox.json")).unwrap();
    assert_eq!(page.next_cursor.as_deref(), served["data"]["next_cursor"].as_str());
    let rows: Vec<_> = page
        .rows
        .iter()
        .map(|r| (r.name.as_deref(), r.group, r.last_at_ms, r.unread, r.last_text.as_deref()))
        .collect();
    assert_eq!(
        rows,
        [
            (Some("Ada Example"), false, Some(1_745_270_025_236), Some(1), Some("😃")),
            (Some("Ada Example, Carla Else"), true, Some(1_745_266_498_889), Some(0), Some("")),
        ]
    );
    assert_eq!(page.rows[0].conversation_urn, URN);
    for (row, item) in page.rows.iter().zip(served["data"]["conversations"].as_array().unwrap()) {
        assert_eq!(serde_json::from_str::<Value>(&row.raw).unwrap(), *item);
    }
    assert!(listed("v1-inbox-end.json").await.outcome.unwrap().is_end());
    let page = listed("v1-inbox-odd.json").await.outcome.unwrap();
    assert_eq!((page.rows.len(), page.oddities.len(), page.returned, page.is_end()), (1, 2, 3, true));
    assert_eq!((page.rows[0].unread, page.rows[0].last_at_ms), (Some(1), Some(1_745_270_025_236)));
    let page = listed("v2-inbox.json").await.outcome.unwrap();
    assert!(page.is_end());
}

#[tokio::test]
async fn an_inbox_that_is_none_is_an_error() {
    // The first is what v1 answers when more than 25 rows are asked for.
    for name in [
        "v1-data-array.json",
        "v1-data-null.json",
        "v1-page.json",
        "v1-login-token.json",
        "v2-page.json",
        "page.html",
    ] {
        let error = listed(name).await.outcome.unwrap_err();
        assert_eq!(error.kind.as_str(), "malformed", "{name}: {error}");
    }
    assert_eq!(listed("v1-expired.json").await.outcome.unwrap_err().kind.as_str(), "account");
    assert_eq!(listed("v2-channel-error.json").await.outcome.unwrap_err().kind.as_str(), "transient");
}

#[tokio::test]
async fn the_balance_and_an_accounts_state_are_read() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let server = Once::answering("200 OK", &fixture("v2-credits.json"));
        assert_eq!(api(&server.base_url, version).balance().await, Ok(4711.5));
        let request = server.request();
        assert!(request.starts_with("GET /v2/credits HTTP/1.1\r\n") && !request.contains(TOKEN), "{request}");
    }
    let server = Once::answering("200 OK", &fixture("v2-account.json"));
    assert_eq!(api(&server.base_url, ApiVersion::V2).account_state(0).await, Ok("active".to_owned()));
    assert!(server.request().starts_with("GET /v2/accounts/69c1 HTTP/1.1\r\n"));
    let server = Once::answering("404 Not Found", &fixture("v2-invalid-account.json"));
    let error = api(&server.base_url, ApiVersion::V2).account_state(0).await.unwrap_err();
    assert_eq!(error.kind.as_str(), "account");
}

#[tokio::test]
async fn a_request_says_what_the_contract_asks_for_and_no_more() {
    let ask = |cursor: Option<&str>| Ask {
        account: 0,
        conversation: ConversationRef::by_id(URN).unwrap(),
        cursor: cursor.map(|c| Cursor::served(c.to_owned())),
    };
    for (version, name, cursor, path, expected) in [
        (
            ApiVersion::V1,
            "v1-page.json",
            None,
            "/v1/messages/conversation",
            json!({"conversation_id": URN, "total_results": 50, "country": "FR", "login_token": TOKEN}),
        ),
        (
            ApiVersion::V1,
            "v1-page.json",
            Some("1745266498889"),
            "/v1/messages/conversation",
            json!({"conversation_id": URN, "total_results": 50, "country": "FR", "login_token": TOKEN, "cursor": "1745266498889"}),
        ),
        (
            ApiVersion::V2,
            "v2-page.json",
            Some("1745266498889"),
            "/v2/messages",
            json!({"account_id": "69c1", "action": "get_conversation",
                "params": {"conversation_id": URN, "count": 50, "cursor": "1745266498889"}}),
        ),
    ] {
        let server = Once::answering("200 OK", &fixture(name));
        let answer =
            api(&server.base_url, version).conversation(Turn::free(), reservation(), &ask(cursor)).await;
        assert!(answer.outcome.is_ok());
        let request = server.request();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nx-api-key: {KEY}")), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), expected);
    }
}
