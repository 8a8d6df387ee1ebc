//! The archive in a browser: pages, and the same as JSON, read-only.
//!
//! A request goes one way: `guard` decides whether it is answered, the table in `routes` what it is for, `look`
//! lends it a connection that cannot write, a page or the API makes the answer, and `reply` dresses it.

mod api;
mod asked;
#[cfg(feature = "mcp")]
mod assistants;
mod chart;
mod guard;
mod key;
pub mod listen;
mod live;
mod pages;
mod patience;
mod reply;
mod routes;
mod shell;
mod take;

use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use chrono_tz::Tz;
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{self, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout};
use url::form_urlencoded;

use self::asked::WebRequest;
use self::reply::{Refused, SiteReply};
use self::routes::{RouteAccess, Serve};
use crate::config::Config;
use crate::look::{Glance, Looks};
#[cfg(feature = "mcp")]
use crate::mcp::{Assistant, McpOverHttp};
use crate::store::StoreError;

pub use self::guard::Hosts;
pub use self::key::{AccessKey, SHORTEST};
pub use self::reply::{HEADERS, SiteBody};
pub use crate::look::THREADS;

/// The port that is listened on unless another is asked for.
pub const PORT: u16 = 8924;

/// Pages that are told of changes at once, and archives that are taken along.
const LISTENERS: usize = 64;
const TAKERS: usize = 4;
/// Bytes of what is sent here, and how long that may take.
const LARGEST: usize = 4096;
const SENDING: Duration = Duration::from_secs(10);
/// How long an answer took to make (ms), for whoever measures it.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What a site is made of.
#[derive(Debug)]
pub struct SiteOptions {
    /// The configuration, which names the archive.
    pub config: Config,
    /// Who may read.
    pub key: AccessKey,
    /// The names under which it may be asked for.
    pub hosts: Hosts,
    /// The zone of its times.
    pub timezone: Tz,
    /// What tells its cookie from those of other sites on the same machine.
    pub port: u16,
}

/// The pages of one archive.
#[derive(Debug, Clone)]
pub struct Site {
    looks: Looks,
    access: Arc<SiteAccess>,
    listeners: Arc<Semaphore>,
    takers: Arc<Semaphore>,
    changes: watch::Sender<u64>,
    #[cfg(feature = "mcp")]
    assistants: McpOverHttp,
}

#[derive(Debug)]
struct SiteAccess {
    key: AccessKey,
    hosts: Hosts,
    cookie: String,
}

impl Site {
    /// The site of an archive that can be read.
    ///
    /// # Errors
    /// When it cannot.
    pub fn new(options: SiteOptions) -> Result<Self, StoreError> {
        let SiteOptions { config, key, hosts, timezone, port } = options;
        let cookie = format!("archiver-{port}");
        let looks = Looks::new(config, timezone)?;
        Ok(Self {
            #[cfg(feature = "mcp")]
            assistants: McpOverHttp::new(Assistant::new(looks.clone())),
            looks,
            access: Arc::new(SiteAccess { key, hosts, cookie }),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            takers: Arc::new(Semaphore::new(TAKERS)),
            changes: watch::Sender::new(0),
        })
    }

    /// Every route: its path, in which `{}` stands for a part that differs, and whether it asks for the key.
    #[must_use]
    pub fn routes() -> Vec<(&'static str, bool)> {
        routes::ROUTES.iter().map(|route| (route.path, route.access == RouteAccess::Key)).collect()
    }

    /// The description of the API.
    #[must_use]
    pub fn openapi() -> &'static str {
        api::OPENAPI
    }

    /// Answers a request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<SiteBody>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (begun, (parts, body)) = (Instant::now(), request.into_parts());
        let reply = self.reply(&parts, body).await;
        let reply = reply.unwrap_or_else(|refusal| refused(&refusal, &parts.uri));
        let took = format!("total;dur={:.1}", begun.elapsed().as_secs_f64() * 1000.0);
        reply.header(SERVER_TIMING, &took).into_response()
    }

    async fn reply<B>(&self, parts: &Parts, body: B) -> Result<SiteReply, Refused>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let host = guard::admit(&parts.method, &parts.uri, &parts.headers, &self.access.hosts)?;
        let path = parts.uri.path();
        let (route, open) = routes::find(path).ok_or(Refused::NotFound("such page"))?;
        let (posts, only) = (parts.method == Method::POST, route.posts_only());
        if posts && !only && !matches!(route.serve, Serve::Exchange) {
            return Err(Refused::Method);
        }
        if route.access == RouteAccess::Key
            && !guard::has_key(&parts.headers, &self.access.key, &self.access.cookie)
        {
            return Err(Refused::Key);
        }
        if only && !posts {
            return Err(Refused::PostOnly);
        }
        let asked = WebRequest::new(open, parts.uri.query());
        match route.serve {
            Serve::Fixed(kind, text) => Ok(SiteReply::new(kind, text)),
            Serve::Exchange if posts => {
                self.exchange(body, &host, guard::is_encrypted(&parts.headers, &host)).await
            }
            Serve::Exchange => Ok(SiteReply::page(pages::sign_in::page("/", None))),
            Serve::Read(read) => self.look(move |look| read(look, &asked)).await,
            Serve::Live => self.live(&asked).await,
            Serve::Take(take) => self.take(take, asked).await,
            #[cfg(feature = "mcp")]
            Serve::Assistants => self.assist(parts, body).await,
        }
    }

    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Glance<'_>) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        self.looks.look(work).await
    }

    /// Exchanges the key for the cookie that stands for it.
    async fn exchange<B>(&self, body: B, host: &str, encrypted: bool) -> Result<SiteReply, Refused>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = received(body, LARGEST).await?;
        let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        // Only to a page of this server.
        let is_own = |to: &&str| to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
        let to = field("to").filter(is_own).unwrap_or("/");
        if !self.access.key.is(field("key").unwrap_or_default()) {
            tracing::warn!(host, "somebody has come with a wrong key");
            let page = SiteReply::page(pages::sign_in::page(to, Some("This is not the key.")));
            return Ok(page.status(StatusCode::FORBIDDEN));
        }
        let cookie = format!(
            "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000{}",
            self.access.cookie,
            self.access.key.cookie(),
            if encrypted { "; Secure" } else { "" }
        );
        Ok(SiteReply::see_other(to).header(header::SET_COOKIE, &cookie))
    }

    /// Tells a page whenever the archive has changed.
    async fn live(&self, asked: &WebRequest) -> Result<SiteReply, Refused> {
        let place = Arc::clone(&self.listeners).try_acquire_owned().map_err(|_| Refused::Busy)?;
        let changes = self.changes.subscribe();
        let now = self.look(|look| Ok(look.version())).await?;
        let since = asked.number("since")?.and_then(|since| u64::try_from(since).ok());
        let (tell, pieces) = mpsc::channel(4);
        tokio::spawn(async move {
            live::tell(changes, (since.unwrap_or(now), now), tell).await;
            drop(place);
        });
        Ok(SiteReply::with("text/event-stream", SiteBody::Pieces(pieces)))
    }

    /// Sends many messages, a piece at a time. Each is read when the one before has been sent: a slow reader keeps
    /// nothing open.
    async fn take(&self, begin: routes::BeginTake, asked: WebRequest) -> Result<SiteReply, Refused> {
        let place = Arc::clone(&self.takers).try_acquire_owned().map_err(|_| Refused::Busy)?;
        let mut take = self.look(move |look| begin(look, &asked)).await?;
        let (send, pieces) = mpsc::channel::<io::Result<Bytes>>(1);
        let (kind, name) = (take.kind, format!("attachment; filename=\"{}\"", take.name));
        let site = self.clone();
        tokio::spawn(async move {
            loop {
                let read = site.look(move |look| {
                    let piece = take.next(look)?;
                    Ok((take, piece))
                });
                match read.await {
                    Ok((rest, Some(piece))) => {
                        take = rest;
                        if send.send(Ok(piece.into())).await.is_err() {
                            break;
                        }
                    }
                    Ok((_, None)) => break,
                    Err(error) => {
                        // Nobody must take a part for all of it. That the other side has gone is no news.
                        drop(send.send(Err(io::Error::other(error.to_string()))).await);
                        break;
                    }
                }
            }
            drop(place);
        });
        let reply = SiteReply::with(kind, SiteBody::Pieces(pieces));
        Ok(reply.header(header::CONTENT_DISPOSITION, &name))
    }

    /// Gathers what takes long before anybody asks for it.
    pub(crate) async fn warm(&self) {
        // Whoever asks for it is told what went wrong.
        drop(self.look(|look| Ok(look.figures().map(drop)?)).await);
        drop(self.look(|look| Ok(look.outlook().map(drop)?)).await);
    }

    /// Looks for changes of the archive, as long as a page wants to be told of them.
    pub(crate) fn watch(&self) -> impl Future<Output = ()> + use<> {
        let (shared, changes) = (Arc::clone(&self.looks.shared), self.changes.clone());
        live::watch(shared, changes)
    }
}

/// What is sent here, if it is no more than so many bytes and comes in time.
async fn received<B>(body: B, most: usize) -> Result<Bytes, Refused>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let body = timeout(SENDING, Limited::new(body, most).collect()).await.map_err(|_| Refused::Slow)?;
    let mut body = body.map_err(|_| Refused::TooLarge)?.aggregate();
    Ok(body.copy_to_bytes(body.remaining()))
}

/// What is answered instead.
fn refused(refusal: &Refused, uri: &Uri) -> SiteReply {
    let status = refusal.status();
    let reply = if uri.path().starts_with("/api/") || uri.path() == "/mcp" {
        let error = serde_json::json!({"error": {"status": status.as_u16(), "message": refusal.to_string()}});
        SiteReply::new("application/json", error.to_string())
    } else {
        let url = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        SiteReply::page(pages::refused(refusal, url))
    };
    let reply = match refusal {
        Refused::Key => reply.header(header::WWW_AUTHENTICATE, "Bearer"),
        Refused::PostOnly => reply.header(header::ALLOW, "POST"),
        Refused::Method if uri.path() == "/mcp" => reply.header(header::ALLOW, "POST"),
        Refused::Method => reply.header(header::ALLOW, "GET, HEAD"),
        Refused::Busy | Refused::Archive => reply.header(HeaderName::from_static("retry-after"), "2"),
        _ => reply,
    };
    reply.status(status)
}
