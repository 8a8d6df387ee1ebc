//! The server over a real socket, asked by a bare TCP client and by a real HTTP client.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::model::Mailbox;
use crate::serve::*;
use crate::server::Account;
use crate::{Fault, FaultRule};

const NOW: Ms = 1_760_000_000_000;

fn server() -> Server {
    let mut server = Server::new("key");
    let start = NOW - 100 * 3_600_000;
    server.add_account(Account::new("me", Mailbox::plain(("Olga", "Owner"), ("Ada", "Example"), 25, start)));
    server
}

async fn running(server: Server) -> (Running, Arc<Mutex<Server>>) {
    let server = Arc::new(Mutex::new(server));
    let running = bind(Arc::clone(&server), 0, || NOW).await.unwrap();
    (running, server)
}

fn ask(server: &Server) -> String {
    let token = &server.accounts()[0].login_token;
    json!({"login_token": token, "linkedin_url": "https://www.linkedin.com/in/ada-example/"}).to_string()
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: key\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Everything that comes until the server closes.
async fn to_the_end(stream: &TcpStream) -> String {
    let mut all = Vec::new();
    while http::more(stream, &mut all).await.unwrap_or(0) > 0 {}
    String::from_utf8_lossy(&all).into_owned()
}

/// One whole answer: head and body.
async fn one_answer(stream: &TcpStream) -> (String, Value) {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").unwrap().1;
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                return (head.to_owned(), serde_json::from_str(body).unwrap_or_default());
            }
        }
        assert!(http::more(stream, &mut all).await.unwrap() > 0, "closed early: {text}");
    }
}

async fn strike(fault: Fault) -> String {
    let mut server = server();
    server.faults.add(FaultRule::once(fault));
    let body = ask(&server);
    let (running, _) = running(server).await;
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let request = post("/v1/messages/conversation", &body).replace("host: x", "host: x\r\nconnection: close");
    http::write(&stream, request.as_bytes()).await.unwrap();
    let answer = to_the_end(&stream).await;
    running.stop().await;
    answer
}

/// What has come of an answer with this fault when the server is stopped in the middle of it.
async fn cut_short(fault: Fault) -> String {
    let mut server = server();
    server.faults.add(FaultRule::once(fault));
    let body = ask(&server);
    let (running, server) = running(server).await;
    let stream = TcpStream::connect(running.addr).await.unwrap();
    http::write(&stream, post("/v1/messages/conversation", &body).as_bytes()).await.unwrap();
    while server.lock().unwrap().meter.rows().is_empty() {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    assert_eq!(server.lock().unwrap().meter.charged(), 1);
    to_the_end(&stream).await
}

#[tokio::test]
async fn two_requests_are_answered_over_one_connection() {
    let server = server();
    let body = ask(&server);
    let (running, server) = running(server).await;
    let stream = TcpStream::connect(running.addr).await.unwrap();
    for _ in 0..2 {
        http::write(&stream, post("/v1/messages/conversation", &body).as_bytes()).await.unwrap();
        let (head, answer) = one_answer(&stream).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(answer["data"]["messages"][0]["text"], "message 25");
        assert_eq!(answer["data"]["messages"].as_array().unwrap().len(), 10);
    }
    running.stop().await;
    assert_eq!(server.lock().unwrap().meter.charged(), 2);
}

#[tokio::test]
async fn a_closed_connection_says_nothing_whether_processed_or_not() {
    assert_eq!(strike(Fault::CloseBefore).await, "");
    assert_eq!(strike(Fault::CloseAfter).await, "");
}

#[tokio::test]
async fn a_cut_connection_ends_in_the_middle_of_the_body() {
    let answer = strike(Fault::CutConnection).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length: usize =
        head.split_once("content-length: ").unwrap().1.split("\r\n").next().unwrap().parse().unwrap();
    assert!(!body.is_empty() && body.len() < length);
}

#[tokio::test]
async fn stopping_gives_up_a_hanging_answer() {
    assert_eq!(cut_short(Fault::Hang).await, "");
}

#[tokio::test]
async fn nonsense_is_answered_with_400_and_closed() {
    let (running, _) = running(server()).await;
    for nonsense in ["hello\r\n\r\n", "POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n"] {
        let stream = TcpStream::connect(running.addr).await.unwrap();
        http::write(&stream, nonsense.as_bytes()).await.unwrap();
        assert!(to_the_end(&stream).await.starts_with("HTTP/1.1 400"), "{nonsense}");
    }
    running.stop().await;
}

fn client() -> reqwest::Client {
    // A second installation in the same process is refused, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(std::iter::empty())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_real_client_drives_it_and_reads_back_what_happened() {
    let (running, _) = running(server()).await;
    let (client, base) = (client(), running.base_url());
    let posted = |path: &str, body: Value| client.post(format!("{base}{path}")).json(&body).send();
    let config = client.get(format!("{base}/_fake/config")).send().await.unwrap().text().await.unwrap();
    let config: toml::Table = config.parse().unwrap();
    assert_eq!(config["api"]["base_url"].as_str(), Some(base.as_str()));
    let token = config["accounts"][0]["login_token"].as_str().unwrap().to_owned();

    let sent =
        posted("/_fake/send", json!({"conversation": 0, "from": "other", "text": "новое 🎉"})).await.unwrap();
    assert_eq!(sent.status(), 200);
    posted("/_fake/faults", json!({"rules": [{"fault": "http-503-after-3"}]})).await.unwrap();
    let ask = json!({"login_token": token, "total_results": 3, "linkedin_url": "https://linkedin.com/in/ada-example"});
    let request =
        || client.post(format!("{base}/v1/messages/conversation")).header("x-api-key", "key").json(&ask);
    let refused = request().send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "3"));
    let page: Value = request().send().await.unwrap().json().await.unwrap();
    assert_eq!(page["data"]["messages"][0]["text"], "новое 🎉");

    let log: Value = client.get(format!("{base}/_fake/log")).send().await.unwrap().json().await.unwrap();
    let rows: Vec<(u64, u64, &str)> = log["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (r["status"].as_u64().unwrap(), r["charged"].as_u64().unwrap(), r["account"].as_str().unwrap())
        })
        .collect();
    assert_eq!(rows, [(503, 1, "me"), (200, 1, "me")]);
    assert_eq!(log["violations"], json!([]));
    running.stop().await;
}

#[tokio::test]
async fn a_gzip_bomb_is_a_valid_answer_to_a_client_that_reads_on() {
    let mut server = server();
    server.faults.add(FaultRule::once(Fault::GzipBomb));
    let body = ask(&server);
    let (running, _) = running(server).await;
    let mut response = client()
        .post(format!("{}/v1/messages/conversation", running.base_url()))
        .header("x-api-key", "key")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let mut size = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        size += chunk.len();
    }
    assert!(size > 64 * 1024 * 1024, "{size}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dripping_body_arrives_in_the_end() {
    let answer = strike(Fault::Drip).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let page: Value = serde_json::from_str(body).unwrap();
    assert_eq!(page["status"], "success");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_cannot_keep_the_server() {
    assert!(cut_short(Fault::Oversized).await.len() < 16 * 1024 * 1024);
}
