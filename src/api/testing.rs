//! What the tests of this module share: requests, answers, and a server that answers as it is told.

use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::outcome::{Reading, judge};
use super::reply::Reply;
use super::scrub::Scrubber;
use super::{ApiVersion, Ask, ConversationRef, conversation};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::{Reservation, grant};
use crate::core::model::cursor::Cursor;
use crate::core::model::ids::RequestId;
use crate::core::model::page::Page;
use crate::secret::Secret;

pub(super) const KEY: &str = "key-0123456789-abcdef";
pub(super) const TOKEN: &str = "AQEDARtoken9876543210zyx";
pub(super) const THREAD: &str = "2-OTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==";
pub(super) const URN: &str = "urn:li:msg_conversation:(urn:li:fsd_profile:ACoAAOWNER,2-OTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)";
pub(super) const MESSAGE_URN: &str = "urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)";

pub(super) fn scrubber() -> Scrubber {
    Scrubber::new([Secret::new(KEY), Secret::new(TOKEN)])
}

pub(super) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, body: body.into(), ..Reply::default() }
}

/// What an answer to a request for a page of a conversation is read as.
pub(super) fn read_page(version: ApiVersion, reply: &Reply, ask: &Ask) -> Reading<Page> {
    judge(version, reply, &scrubber(), |body| conversation::read_page(body, version, ask, 50, reply.came_ms))
}

pub(super) fn ask_profile() -> Ask {
    let conversation = ConversationRef::by_profile("https://www.linkedin.com/in/ada-example/").unwrap();
    Ask { account: 0, conversation, cursor: None }
}

pub(super) fn ask_conversation(id: &str, cursor: Option<&str>) -> Ask {
    let conversation = ConversationRef::by_id(id).unwrap();
    Ask { account: 0, conversation, cursor: cursor.map(|c| Cursor::served(c.to_owned())) }
}

pub(super) fn reservation(results: u32) -> Reservation {
    grant(&[], results).unwrap().recorded(RequestId(7))
}

/// A clock whose time only goes on while somebody sleeps.
#[derive(Default)]
pub(super) struct Slept {
    pub(super) now: Cell<Ms>,
    pub(super) sleeps: RefCell<Vec<u64>>,
}

impl Clock for Slept {
    fn now_ms(&self) -> Ms {
        self.now.get()
    }

    async fn sleep(&self, duration: Duration) {
        self.sleeps.borrow_mut().push(duration.as_secs());
        self.now.set(self.now.get() + Ms::try_from(duration.as_millis()).unwrap());
    }
}

/// Whether a text gives away the key or the token.
pub(super) fn leaks(text: &str) -> bool {
    [KEY, TOKEN].iter().any(|secret| text.contains(secret.split_at(8).0))
}

/// One exchange of the server: it reads a whole request and hands the stream to this.
pub(super) type ScriptedAnswer = Box<dyn FnOnce(&mut TcpStream) + Send>;

/// Answers with these bytes and closes.
pub(super) fn say(bytes: impl Into<Vec<u8>>) -> ScriptedAnswer {
    let bytes = bytes.into();
    Box::new(move |stream| stream.write_all(&bytes).unwrap())
}

/// An HTTP answer with a JSON body.
pub(super) fn http(status: u16, body: &str) -> ScriptedAnswer {
    say(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

/// Waits until the client goes away.
pub(super) fn wait_for_hangup(stream: &mut TcpStream) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) {}
}

/// A server for as many connections as there are turns. Joined, it gives the requests that it read.
pub(super) struct Server {
    pub(super) url: url::Url,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    pub(super) fn start(turns: Vec<ScriptedAnswer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let thread = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for turn in turns {
                let (mut stream, _) = listener.accept().unwrap();
                requests.push(read_request(&mut stream));
                turn(&mut stream);
            }
            requests
        });
        Self { url, thread }
    }

    /// The requests, once all turns are done.
    pub(super) async fn requests(self) -> Vec<String> {
        // Beside the runtime, which may still have to close a connection.
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the client hung up in the middle of a request");
        seen.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}
