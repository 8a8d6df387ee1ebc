//! How `object_store` reaches a server: through archiver's own kind of client.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::Client;
use url::{Host, Url};

use super::trouble::{Last, Trail, read_error};
use crate::api::{self, Network};

/// No request takes longer, whatever is sent or received.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The slowest line on which an object can be sent, in bytes a second.
const SLOWEST: u64 = 32 * 1024;
/// A machine of the cloud gives credentials within this time, or there is none.
const METADATA_PATIENCE: Duration = Duration::from_secs(2);
/// So much is made room for at once, whatever length an answer announces.
const MOST_AHEAD: usize = 64 * 1024 * 1024;
/// An idle connection is let go before a server would close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// What every list of a bucket has in it.
const LIST: &[u8] = b"<ListBucketResult";
/// What the address of EC2's metadata in IPv6 begins with.
const EC2: [u16; 2] = [0xfd00, 0x0ec2];

/// Makes clients of one network.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) network: Network,
    pub(super) patience: Duration,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let may_be_plain = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let direct = Network::default();
        Ok(HttpClient::new(Service {
            tls: self.client(true, &self.network),
            plain: self.client(false, &self.network),
            near: self.client(false, &direct),
            may_be_plain,
            patience: self.patience,
        }))
    }
}

impl Connector {
    /// A client, or why there can be none, which matters only if it is needed.
    fn client(&self, https: bool, network: &Network) -> Result<Client, String> {
        let builder = api::builder(https, LONGEST, network).map_err(|error| error.to_string())?;
        // What is stored compressed is to come as it is stored.
        let builder = builder.no_gzip().http1_only().pool_idle_timeout(IDLE_TIMEOUT);
        api::build(builder).map_err(|error| error.to_string())
    }

    /// Says early that https cannot be spoken here.
    pub(super) fn check(&self) -> Result<(), String> {
        self.client(true, &self.network).map(drop)
    }
}

/// Sends requests and notes what became of them.
struct Service {
    tls: Result<Client, String>,
    plain: Result<Client, String>,
    /// Never through a proxy: to this machine and to its cloud's metadata.
    near: Result<Client, String>,
    may_be_plain: bool,
    patience: Duration,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(&request.uri().to_string());
        let url = url.map_err(|_| failed(HttpErrorKind::Unknown, "no such URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_metadata = is_link_local(&url);
        let is_list = url.query_pairs().any(|(name, _)| name == "list-type");
        match self.send(url, request).await {
            Ok((response, body)) => {
                let status = response.status();
                let (code, message, region) = match status.is_success() {
                    true => Default::default(),
                    false => read_error(&body),
                };
                let of_header = response.headers().get("x-amz-bucket-region").and_then(|r| r.to_str().ok());
                let region = of_header.map(str::to_owned).or(region);
                Trail::note(match is_metadata && !status.is_success() {
                    true => Last::NoMetadata,
                    false => Last::Answer { host, status, code, message, region },
                });
                if is_list && status.is_success() && !body.windows(LIST.len()).any(|part| part == LIST) {
                    // It would be read as a list of nothing, such as what a hotel's network answers to everything.
                    return Err(failed(HttpErrorKind::Decode, "no list"));
                }
                let (parts, ()) = response.into_parts();
                Ok(HttpResponse::from_parts(parts, body.into()))
            }
            Err((_, _)) if is_metadata => {
                Trail::note(Last::NoMetadata);
                // Trying again would keep those waiting who forgot their credentials.
                Err(failed(HttpErrorKind::Unknown, "no metadata"))
            }
            Err((kind, why)) => {
                Trail::note(Last::Lost { host, why: why.clone() });
                Err(failed(kind, &why))
            }
        }
    }
}

/// A request that failed: whether it can be sent again, and why.
type LostRequest = (HttpErrorKind, String);

impl Service {
    fn client_for(&self, url: &Url) -> Result<&Client, LostRequest> {
        let client = match url.scheme() {
            "https" => &self.tls,
            _ if api::is_loopback(url) || is_link_local(url) => &self.near,
            _ if self.may_be_plain => &self.plain,
            _ => return Err((HttpErrorKind::Unknown, "plain http is not allowed".to_owned())),
        };
        client.as_ref().map_err(|why| (HttpErrorKind::Unknown, why.clone()))
    }

    async fn send(&self, url: Url, request: HttpRequest) -> Result<(http::Response<()>, Bytes), LostRequest> {
        let client = self.client_for(&url)?;
        let patience = if is_link_local(&url) { METADATA_PATIENCE } else { self.patience };
        let (parts, body) = request.into_parts();
        let body =
            body.collect().await.map_err(|error| (HttpErrorKind::Unknown, error.to_string()))?.to_bytes();
        let sending = u64::try_from(body.len()).unwrap_or(u64::MAX) / SLOWEST;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        if !body.is_empty() || request.headers().contains_key(CONTENT_LENGTH) {
            *request.body_mut() = Some(body.into());
        }
        let answer = within(patience + Duration::from_secs(sending), client.execute(request));
        let mut answer = answer.await?;
        let mut response = http::Response::new(());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        let body = read(&mut answer, patience).await?;
        // Whoever reads the object wants to know its length, and not every answer says so.
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| body.len().into());
        Ok((response, body))
    }
}

/// The whole body: as long as some of it comes, it may take its time.
async fn read(answer: &mut reqwest::Response, patience: Duration) -> Result<Bytes, LostRequest> {
    let Some(first) = within(patience, answer.chunk()).await? else { return Ok(Bytes::new()) };
    let Some(second) = within(patience, answer.chunk()).await? else { return Ok(first) };
    let mut body = BytesMut::from(first);
    let length = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    body.reserve(length.min(MOST_AHEAD).saturating_sub(body.len()));
    body.extend_from_slice(&second);
    while let Some(chunk) = within(patience, answer.chunk()).await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn within<T>(
    patience: Duration,
    wait: impl Future<Output = reqwest::Result<T>>,
) -> Result<T, LostRequest> {
    match tokio::time::timeout(patience, wait).await {
        Ok(done) => done.map_err(|error| lost(error, patience)),
        Err(_) => Err((HttpErrorKind::Timeout, format!("silent for {} s", patience.as_secs_f32()))),
    }
}

/// What became of a request that failed. `Request` is what can be sent again even if it must not be done twice, so that
/// nothing is called that which may have arrived.
fn lost(error: reqwest::Error, patience: Duration) -> LostRequest {
    let error = error.without_url();
    let kind = match () {
        () if error.is_builder() => HttpErrorKind::Unknown,
        () if error.is_connect() => HttpErrorKind::Connect,
        () if error.is_timeout() => HttpErrorKind::Timeout,
        () => HttpErrorKind::Interrupted,
    };
    if kind == HttpErrorKind::Timeout {
        return (kind, format!("no complete answer within {} s", patience.as_secs_f32()));
    }
    (kind, api::innermost(&error))
}

fn failed(kind: HttpErrorKind, why: &str) -> HttpError {
    HttpError::new(kind, io::Error::other(why.to_owned()))
}

/// Whether a URL names what a cloud offers its machines at addresses that lead nowhere else.
fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_unicast_link_local() || ip.segments().starts_with(&EC2),
        Some(Host::Domain(_)) | None => false,
    }
}
