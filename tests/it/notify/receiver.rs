//! A receiver of webhooks that answers as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

/// The key of the tests' secret.
pub(super) const SIGNING_KEY: [u8; 32] = [7; 32];

/// The secret itself.
pub(super) fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(SIGNING_KEY))
}

/// How it answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HookReply {
    Status(u16),
    /// With this header.
    With(u16, String),
    /// Never.
    Hangs,
    /// More than anybody wants to read.
    Endless,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Came {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Whether one of its signatures is of this key.
    pub(super) fn is_signed(&self, key: &[u8]) -> bool {
        let text = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let signatures = self.headers["webhook-signature"].split(' ');
        let mut decoded = signatures.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        decoded.any(|signature| hmac::verify(&key, text.as_bytes(), &signature).is_ok())
    }
}

pub(super) struct HookServer {
    pub(super) url: String,
    reply: Arc<Mutex<HookReply>>,
    came: mpsc::Receiver<Came>,
}

impl HookServer {
    pub(super) fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let reply = Arc::new(Mutex::new(HookReply::Status(204)));
        let (tell, came) = mpsc::channel();
        let answer = Arc::clone(&reply);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (tell, answer) = (tell.clone(), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), &tell, &answer));
            }
        });
        Self { url, reply, came }
    }

    pub(super) fn answers(&self, reply: HookReply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// The next request, which must come.
    #[track_caller]
    pub(super) fn next(&self) -> Came {
        self.came.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// What has come by now.
    pub(super) fn all(&self) -> Vec<Came> {
        self.came.try_iter().collect()
    }
}

/// Serves one connection as long as it lasts.
fn serve(stream: TcpStream, tell: &mpsc::Sender<Came>, reply: &Mutex<HookReply>) {
    let mut out = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            let (name, value) = line.trim().split_once(": ").unwrap();
            headers.insert(name.to_lowercase(), value.to_owned());
            line.clear();
        }
        let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        let path = first.split(' ').nth(1).unwrap().to_owned();
        let reply = reply.lock().unwrap().clone();
        tell.send(Came { path, headers, body: String::from_utf8(body).unwrap() }).unwrap_or_default();
        let done = match reply {
            HookReply::Status(status) => write!(out, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
            HookReply::With(status, header) => {
                write!(out, "HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: 0\r\n\r\n")
            }
            // Until the other side has had enough.
            HookReply::Hangs => reader.read(&mut [0]).map(|_| ()),
            HookReply::Endless => {
                let mut done = write!(out, "HTTP/1.1 200 X\r\n\r\n");
                while done.is_ok() {
                    done = out.write_all(&[b'x'; 8192]);
                }
                done
            }
        };
        if done.is_err() {
            return;
        }
    }
}
