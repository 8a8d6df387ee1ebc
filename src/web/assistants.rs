//! Assistants over HTTP: a request of theirs is passed on without what proves who they are.

use std::error::Error;

use http_body::Body;
use hyper::Request;
use hyper::header;
use hyper::http::request::Parts;

use super::reply::{Refused, SiteReply};
use super::{Site, received};
use crate::mcp::LARGEST;

impl Site {
    /// Answers an assistant that has the key.
    pub(super) async fn assist<B>(&self, parts: &Parts, body: B) -> Result<SiteReply, Refused>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = received(body, LARGEST).await?;
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().remove(header::AUTHORIZATION);
        request.headers_mut().remove(header::COOKIE);
        let (answered, body) = self.assistants.answer(request).await.into_parts();
        let kind = answered.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let reply = SiteReply::new("text/plain; charset=utf-8", body).status(answered.status);
        Ok(match kind {
            Some(kind) => reply.header(header::CONTENT_TYPE, kind),
            None => reply,
        })
    }
}
