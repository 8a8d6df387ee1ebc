//! One HTTP request, one answer: time-outs, a size cap, no redirects, no proxies from the environment, no retries.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Body, Client, Method, Response};
use url::Url;

use super::error::BuildError;
use super::network::{Network, build, builder, innermost, is_loopback};
use super::rate::Turn;
use super::reply::{self, Cut, Reply};
use crate::clock::Clock;
use crate::secret::Secret;

/// The most bytes of an answer that are read, after decompression, whatever was asked for.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The same of an answer without items, and what each item that was asked for adds.
const BYTES_BESIDE_ITEMS: usize = 512 * 1024;
const BYTES_PER_ITEM: usize = 64 * 1024;
/// How long an answer may take that costs nothing.
const FREE_PATIENCE: Duration = Duration::from_secs(10);
/// As many connections as requests may be under way at once.
const MOST_IDLE: usize = 64;
/// An idle connection is let go before a server would close it: a request that meets a connection just being
/// closed is lost, and may be charged.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// A request that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// Whether the server may have seen it.
    pub(super) sent: bool,
    /// What happened; to be scrubbed.
    pub(super) message: String,
}

/// The connection to one API.
pub(super) struct Transport {
    client: Client,
    base: Url,
    key: HeaderValue,
    timeout: Duration,
}

impl Transport {
    pub(super) fn new(
        base: &Url,
        key: &Secret,
        timeout: Duration,
        network: &Network,
    ) -> Result<Self, BuildError> {
        check_base(base)?;
        let mut key = Some(key.expose())
            .filter(|k| !k.is_empty())
            .and_then(|k| HeaderValue::from_str(k).ok())
            .ok_or(BuildError::Key)?;
        key.set_sensitive(true);
        if timeout.is_zero() {
            return Err(BuildError::Timeout);
        }
        let client = client(base.scheme() == "https", timeout, network)?;
        Ok(Self { client, base: base.clone(), key, timeout })
    }

    /// Posts a JSON body to a path below the base URL, which asks for so many items.
    pub(super) async fn post(
        &self,
        turn: Turn,
        path: &str,
        body: Vec<u8>,
        items: u32,
        clock: &impl Clock,
    ) -> Result<Reply, Lost> {
        let segments: Vec<&str> = path.split('/').collect();
        let flight = turn.flight();
        let body = Body::wrap(flight.body(body));
        tokio::select! {
            biased;
            () = flight.until_off() => {
                Err(Lost { sent: false, message: "cancelled before it was sent".to_owned() })
            }
            reply = self.send(Method::POST, &segments, &[], Some(body), items, clock) => reply,
        }
    }

    /// Gets a path below the base URL, given by its segments.
    pub(super) async fn get(
        &self,
        _turn: Turn,
        path: &[&str],
        query: &[(&str, &str)],
        clock: &impl Clock,
    ) -> Result<Reply, Lost> {
        self.send(Method::GET, path, query, None, 0, clock).await
    }

    /// Deletes what is at a path below the base URL, given by its segments.
    pub(super) async fn delete(&self, _turn: Turn, path: &[&str], clock: &impl Clock) -> Result<Reply, Lost> {
        self.send(Method::DELETE, path, &[], None, 0, clock).await
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Body>,
        items: u32,
        clock: &impl Clock,
    ) -> Result<Reply, Lost> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .client
            .request(method, url)
            .header("x-api-key", self.key.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        // What is free is asked for in passing, and nobody waits long for it.
        let patience = if body.is_some() { self.timeout } else { self.timeout.min(FREE_PATIENCE) };
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body);
        }
        let sent = request.timeout(patience).send().await;
        let mut response = sent.map_err(|e| lost(e, patience))?;
        let mut reply = Reply {
            status: response.status().as_u16(),
            retry_after: header(response.headers(), &RETRY_AFTER)
                .and_then(|h| reply::retry_after(h, clock.now_ms())),
            came_ms: Some(clock.now_ms()),
            date_ms: header(response.headers(), &DATE).and_then(reply::date),
            redirect_host: header(response.headers(), &LOCATION)
                .filter(|_| response.status().is_redirection())
                .and_then(|l| Some(self.base.join(l).ok()?.host_str()?.to_owned())),
            ..Reply::default()
        };
        (reply.body, reply.cut) = read_body(&mut response, most_bytes(items), patience).await;
        Ok(reply)
    }
}

fn most_bytes(items: u32) -> usize {
    let items = usize::try_from(items).unwrap_or(usize::MAX);
    items.saturating_mul(BYTES_PER_ITEM).saturating_add(BYTES_BESIDE_ITEMS).min(MOST_BYTES)
}

/// Reads the body as far as it comes and as long as it is not too large.
async fn read_body(response: &mut Response, most: usize, patience: Duration) -> (Vec<u8>, Option<Cut>) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => {
                return (body, Some(Cut::TooLarge));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, None),
            Err(e) => return (body, Some(Cut::Broken(lost(e, patience).message))),
        }
    }
}

/// What became of a request that failed. The URL stays out of it: it may name an account.
fn lost(error: reqwest::Error, patience: Duration) -> Lost {
    let error = error.without_url();
    let sent = !(error.is_connect() || error.is_builder());
    if error.is_timeout() && sent {
        let message = format!("no complete answer within {} s", patience.as_secs_f32());
        return Lost { sent, message };
    }
    let what = if error.is_connect() { "no connection to the API".to_owned() } else { error.to_string() };
    let why = innermost(&error);
    let message = if what.contains(&why) { what } else { format!("{what}: {why}") };
    Lost { sent, message }
}

/// The client of the API, which keeps its connections.
pub(super) fn client(https: bool, timeout: Duration, network: &Network) -> Result<Client, BuildError> {
    let builder = builder(https, timeout, network)?;
    build(builder.pool_max_idle_per_host(MOST_IDLE).pool_idle_timeout(IDLE_TIMEOUT))
}

/// Only https, except to this machine; no user name, password, query or fragment, which would end up in logs.
fn check_base(base: &Url) -> Result<(), BuildError> {
    let refuse = |why: &'static str| Err(BuildError::BaseUrl(why));
    match base.scheme() {
        "https" => {}
        "http" if is_loopback(base) => {}
        "http" => return refuse("it must be https: only a server on this machine may be asked through http"),
        _ => return refuse("it must begin with https://"),
    }
    if base.host().is_none() {
        return refuse("it names no host");
    }
    if !base.username().is_empty() || base.password().is_some() {
        return refuse("it must not hold a user name or a password");
    }
    if base.query().is_some() || base.fragment().is_some() {
        return refuse("it must not hold a query or a fragment");
    }
    Ok(())
}

fn header<'a>(headers: &'a HeaderMap, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
