//! A server behind a socket on the loopback interface.
//!
//! HTTP is spoken by hand, in one code path for good answers and bad ones: a web framework would keep promises
//! (whole bodies, closed connections) that the faults are there to break.
//!
//! Another process drives it under `/_fake/`, free of charge and not logged; bodies and answers are JSON. An
//! `account` is an index or a name (the first when left out), a `conversation` an index, a URN, a thread id or a profile
//! page, a `message` an index or a URN (the newest when left out).
//!
//! | request | what it does |
//! |---|---|
//! | `GET log` | every request with its charge and fault, and everything that no client should have sent |
//! | `GET meter`, `POST meter {balance}` | credits charged and left |
//! | `GET faults`, `POST faults {clear?, seed?, rules?}` | [`FaultRule`](super::FaultRule)s |
//! | `GET behaviour`, `POST behaviour {…}` | the switches of [`Behaviour`](super::Behaviour) |
//! | `GET history?account&conversation` | the truth; without a conversation, a list of them |
//! | `GET config?version&inbox&targets` | a ready `archiver.toml` |
//! | `POST send {conversation, text, from?, at_ms?, message_type?, extra?}` | `from`: `"owner"`, `"other"`, `{"other": 1}` |
//! | `POST edit {conversation, message?, text}`, `recall`, `delete`, `restore` | changes a message |
//! | `POST conversation {others: ["First Last", …]}` | begins a conversation |
//! | `POST set {conversation, in_inbox?, unread?, last_seen_at?, retained_from?}` | changes a conversation |
//! | `POST account {account, active?}` | shows how to log in, ends or mends the session |
//! | `POST advance {seed?, events?}` | lets things happen |

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::server::{Action, Reply, Server};
use crate::{Ms, http};

/// How long answers that are under way may still take when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// A server that is being served. Dropping it stops it too, without waiting.
#[derive(Debug)]
#[must_use = "a server that is dropped stops"]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// The address as a base URL.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops: answers that are under way are finished, hanging ones are given up.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the fake API did not stop cleanly");
        }
    }
}

/// Serves `server` on this port of 127.0.0.1; 0 is any that is free. `now_ms` is the server's clock.
///
/// # Errors
/// When the port cannot be had.
pub async fn bind(
    server: Arc<Mutex<Server>>,
    port: u16,
    now_ms: impl Fn() -> Ms + Send + Sync + 'static,
) -> io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let addr = listener.local_addr()?;
    server.lock().unwrap_or_else(PoisonError::into_inner).base_url = format!("http://{addr}");
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared { server, now_ms });
    let task = tokio::spawn(accept(listener, shared, stopped));
    Ok(Running { addr, stop, task })
}

struct Shared<C> {
    server: Arc<Mutex<Server>>,
    now_ms: C,
}

async fn accept<C: Fn() -> Ms + Send + Sync + 'static>(
    listener: TcpListener,
    shared: Arc<Shared<C>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared), stopped.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, mostly: others may free some.
                    tracing::warn!(%error, "the fake API could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    // A client that does not read its answer must not keep the server: what is left is given up with the set.
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::debug!("the fake API gave up answers that nobody read");
    }
}

async fn connection<C: Fn() -> Ms>(
    stream: TcpStream,
    shared: Arc<Shared<C>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut buffer = Vec::new();
    loop {
        let request = tokio::select! {
            _ = stopped.changed() => return,
            request = http::read(&stream, &mut buffer) => request,
        };
        let (reply, close) = match request {
            Ok(Some(request)) => {
                let now_ms = (shared.now_ms)();
                let mut server = shared.server.lock().unwrap_or_else(PoisonError::into_inner);
                (server.handle(&request.request(), now_ms), request.wants_close())
            }
            Ok(None) => return,
            Err(error) => (Reply::new(400, "text/plain", error.to_string().into_bytes()), true),
        };
        // A client that went away has nobody to be told about it.
        if !answer(&stream, &reply, close, &mut stopped).await.unwrap_or(false) {
            return;
        }
    }
}

/// Sends a reply as its action says; whether the connection stays open.
async fn answer(
    stream: &TcpStream,
    reply: &Reply,
    close: bool,
    stopped: &mut watch::Receiver<bool>,
) -> io::Result<bool> {
    if reply.delay_ms > 0 && !pause(reply.delay_ms, stopped).await {
        return Ok(false);
    }
    let head = http::head(reply, close);
    match reply.action {
        Action::Close => return Ok(false),
        Action::Hang => {
            let mut ignored = Vec::new();
            tokio::select! {
                _ = stopped.changed() => {}
                _ = http::more(stream, &mut ignored) => {}
            }
            return Ok(false);
        }
        Action::Send => http::write(stream, &[head.as_slice(), &reply.body].concat()).await?,
        Action::CutAfter(bytes) => {
            let part = reply.body.get(..bytes).unwrap_or(&reply.body);
            http::write(stream, &[head.as_slice(), part].concat()).await?;
            return Ok(false);
        }
        Action::Drip(every_ms) => {
            http::write(stream, &head).await?;
            for byte in reply.body.chunks(1) {
                http::write(stream, byte).await?;
                if !pause(every_ms, stopped).await {
                    return Ok(false);
                }
            }
        }
    }
    Ok(!close)
}

/// Waits; whether the server is still to run.
async fn pause(ms: u64, stopped: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = stopped.changed() => false,
        () = tokio::time::sleep(Duration::from_millis(ms)) => true,
    }
}

#[cfg(test)]
mod tests;
