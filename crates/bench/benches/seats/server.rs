//! The stand-in: LinkupAPI v2 as far as a run asks, with answers that are worked out and not stored.

use std::net::TcpListener as StdListener;
use std::sync::mpsc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Case, latency};
use archiver_bench::NOW_MS;

/// Begins to serve, for as long as the process lives. Returns the port.
pub(super) fn start(case: Case) -> u16 {
    let (told, port) = mpsc::channel();
    std::thread::spawn(move || {
        let listener = StdListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        told.send(listener.local_addr().unwrap().port()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(connection(stream, case));
            }
        });
    });
    port.recv().unwrap()
}

/// Answers one request after the other; the end of the connection is the end of it.
async fn connection(mut stream: TcpStream, case: Case) {
    stream.set_nodelay(true).unwrap();
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let length: usize = length.unwrap_or(0);
        while read.len() < head + length {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body: Value = serde_json::from_slice(&read[head..head + length]).unwrap_or_default();
        read.drain(..head + length);
        let answer = if body["action"] == "list_inbox" { inbox(&body, case) } else { page(&body, case) };
        let answer = answer.to_string();
        tokio::time::sleep(latency(case)).await;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        if stream.write_all(format!("{head}{answer}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The time of a conversation's message, both counted from the newest.
fn at(conversation: usize, message: usize) -> i64 {
    NOW_MS - 60_000 * i64::try_from(1 + conversation + 1000 * message).unwrap()
}

fn number(value: &Value) -> usize {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
}

fn answer(data: &Value, returned: usize) -> Value {
    json!({"success": true, "data": data, "metadata": {"credits_consumed": returned.div_ceil(10).max(1)}})
}

fn inbox(body: &Value, case: Case) -> Value {
    let from = number(&body["params"]["cursor"]);
    let to = case.conversations.min(from + number(&body["params"]["count"]));
    let account = body["account_id"].as_str().unwrap();
    let row = |conversation: usize| {
        json!({
            "conversation_id": format!("2-{account}x{conversation}"), "unread": 0, "category": "INBOX",
            "participants": [{"name": format!("Person {conversation}")}],
            "last_message": {"text": "hello", "time": at(conversation, 0)},
        })
    };
    let rows: Vec<Value> = (from..to).map(row).collect();
    let next = (to < case.conversations).then(|| to.to_string());
    answer(&json!({"conversations": rows, "next_cursor": next}), to - from)
}

fn page(body: &Value, case: Case) -> Value {
    let name = body["params"]["conversation_id"].as_str().unwrap();
    let conversation: usize = name.rsplit('x').next().unwrap().parse().unwrap();
    let cursor = body["params"]["cursor"].as_str().map_or(i64::MAX, |cursor| cursor.parse().unwrap());
    let below = (0..case.messages).filter(|message| at(conversation, *message) < cursor);
    let (count, below): (usize, Vec<usize>) = (number(&body["params"]["count"]), below.collect());
    let message = |message: &usize| {
        json!({
            "text": "hello", "timestamp": at(conversation, *message), "sender": "Ada Example",
            "sender_info": {"first_name": "Ada", "last_name": "Example"}, "message_type": "TEXT",
            "entity_urn": format!("urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,{name}m{message})"),
        })
    };
    let messages: Vec<Value> = below.iter().take(count).map(message).collect();
    let last = below.get(count.wrapping_sub(1)).filter(|_| below.len() > count);
    let next = last.map(|last| at(conversation, *last).to_string());
    let returned = messages.len();
    answer(
        &json!({"messages": messages, "next_cursor": next, "total_message_count": case.messages}),
        returned,
    )
}
