//! Answers: what is said, and the headers that keep a browser from doing anything else with it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use maud::Markup;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::error::Failure;
use crate::look::Unseen;
use crate::store::StoreError;

/// What a browser may do with a page: show it in its own style, run its one script, and ask this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every answer.
pub const HEADERS: [(HeaderName, &str); 9] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// What an answer carries.
#[derive(Debug)]
pub enum SiteBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// Pieces as they come. A piece that failed breaks the connection off.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body for SiteBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => {
                pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().and_then(|b| u64::try_from(b.len()).ok()).unwrap_or(0))
            }
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct SiteReply {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: SiteBody,
}

impl SiteReply {
    pub(super) fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self::with(kind, SiteBody::Whole(Some(body.into())))
    }

    pub(super) fn with(kind: &'static str, body: SiteBody) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Self { status: StatusCode::OK, headers, body }
    }

    pub(super) fn page(page: Markup) -> Self {
        Self::new("text/html; charset=utf-8", page.into_string())
    }

    pub(super) fn json(value: &impl Serialize) -> Result<Self, Refused> {
        let text = serde_json::to_vec(value).map_err(|_| Refused::Internal)?;
        Ok(Self::new("application/json", text))
    }

    /// Sends the browser to another page of this server.
    pub(super) fn see_other(to: &str) -> Self {
        let reply = Self::new("text/plain; charset=utf-8", "").header(header::LOCATION, to);
        Self { status: StatusCode::SEE_OTHER, ..reply }
    }

    /// The same with a header. One whose value cannot be sent is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn into_response(self) -> Response<SiteBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Why something is not shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There is no such thing.
    #[error("The archive has no {0}.")]
    NotFound(&'static str),
    /// What was asked makes no sense.
    #[error("{0}")]
    Bad(String),
    /// The request is for another server.
    #[error(
        "This server is not known by that name. Open it by the address that `archiver serve` has printed."
    )]
    Misdirected,
    /// Another site has made the browser ask.
    #[error("A link on another site has led here. Open the address that `archiver serve` has printed.")]
    CrossSite,
    /// Nothing can be changed here.
    #[error("This server only shows the archive: GET and HEAD are all it answers.")]
    Method,
    /// Assistants ask with POST.
    #[error("This address answers assistants, and only POST. docs/mcp.md says how to connect one.")]
    PostOnly,
    /// The key is missing or wrong.
    #[error("The key is missing or wrong. `archiver serve` prints it.")]
    Key,
    /// More was sent than is read.
    #[error("The request is too large.")]
    TooLarge,
    /// Others are asking already.
    #[error("Too many requests at once. Try again in a moment.")]
    Busy,
    /// It took too long.
    #[error("That took too long and was stopped. Narrow it down.")]
    Slow,
    /// The archive cannot be read.
    #[error("The archive cannot be read at the moment. The log of `archiver serve` says why.")]
    Archive,
    /// A fault of this program.
    #[error("Something went wrong here. The log of `archiver serve` says what.")]
    Internal,
}

impl Refused {
    pub(super) fn bad(why: impl Into<String>) -> Self {
        Self::Bad(why.into())
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Method | Self::PostOnly => StatusCode::METHOD_NOT_ALLOWED,
            Self::Key => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy | Self::Slow | Self::Archive => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        if error.was_stopped() {
            return Self::Slow;
        }
        tracing::warn!(%error, "the archive cannot be read");
        Self::Archive
    }
}

impl From<Unseen> for Refused {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Busy => Self::Busy,
            Unseen::Slow => Self::Slow,
            Unseen::Fault => Self::Internal,
        }
    }
}

impl From<Infallible> for Refused {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What a person has asked for in words that make no sense, such as a date that is none.
impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Usage { message, help } => Self::Bad(format!("{message}: {help}")),
            other => {
                tracing::warn!(error = %other, "a request failed");
                Self::Archive
            }
        }
    }
}
