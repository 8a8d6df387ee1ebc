//! Stands between client and server, passes everything on, and remembers what was asked.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

pub(crate) struct Relay {
    pub(crate) base_url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Relay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, upstream) = (client.unwrap(), TcpStream::connect(server).unwrap());
                let (answers, client_again) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                let seen = Arc::clone(&seen);
                thread::spawn(move || pass(answers, client_again, |_| {}));
                thread::spawn(move || {
                    let mut said = Vec::new();
                    pass(client, upstream, |bytes| {
                        said.extend_from_slice(bytes);
                        while let Some(body) = take_request(&mut said) {
                            seen.lock().unwrap().push(body);
                        }
                    });
                });
            }
        });
        Self { base_url, bodies }
    }

    /// The bodies of the requests since this was last asked for.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}

/// Passes bytes on until either side has had enough.
fn pass(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(n) if n > 0 => {
                see(&buffer[..n]);
                if to.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
            Ok(_) | Err(_) => break,
        }
    }
    // The other side may be gone already.
    drop(to.shutdown(Shutdown::Write));
}

/// Takes the first whole request out of what was said, and gives its body.
fn take_request(said: &mut Vec<u8>) -> Option<Value> {
    let head_end = said.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(said[..head_end].to_vec()).unwrap().to_lowercase();
    let length: usize = head.split_once("content-length: ")?.1.split("\r\n").next()?.parse().ok()?;
    let body = said.get(head_end..head_end + length)?.to_vec();
    said.drain(..head_end + length);
    Some(serde_json::from_slice(&body).unwrap())
}
