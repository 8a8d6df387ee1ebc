//! The archive in a browser: through the router, and through the program.

mod access;
mod api;
mod hostile;
#[cfg(feature = "mcp")]
mod mcp;
mod pages;
mod paging;
mod program;

use std::path::Path;

use archiver::config::Config;
use archiver::web::{AccessKey, Hosts, Site, SiteOptions};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The host of [`Web`].
const HOST: &str = "127.0.0.1:8924";
/// The name that a reverse proxy in front of it passes on.
const PROXIED: &str = "read.example.org";

/// A site and what asks it.
struct Web {
    site: Site,
    key: String,
    runtime: Runtime,
}

/// What it said.
#[derive(Debug)]
struct Said {
    status: StatusCode,
    headers: hyper::HeaderMap,
    text: String,
}

impl Said {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The ids of the messages on a page, in its order.
    fn messages(&self) -> Vec<i64> {
        let ids = self.text.split("<article ").skip(1);
        let id = |article: &str| {
            article.split_once(" id=\"m").unwrap().1.split_once('"').unwrap().0.parse().unwrap()
        };
        ids.map(id).collect()
    }

    /// Where the link with this relation leads.
    fn link(&self, rel: &str) -> Option<String> {
        let (_, after) = self.text.split_once(&format!("rel=\"{rel}\" href=\""))?;
        Some(after.split_once('"')?.0.replace("&amp;", "&"))
    }
}

impl Web {
    /// The site of the archive in a folder.
    fn of(folder: &Path) -> Self {
        Self::configured(folder, "")
    }

    fn configured(folder: &Path, config: &str) -> Self {
        let key = AccessKey::random().unwrap();
        let options = SiteOptions {
            config: Config::parse(config, &folder.join("archiver.toml")).unwrap(),
            hosts: Hosts::new(Some(HOST.parse().unwrap()), vec![PROXIED.to_owned()]),
            timezone: "UTC".parse().unwrap(),
            port: 8924,
            key: key.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { site: Site::new(options).unwrap(), key: key.expose().to_owned(), runtime }
    }

    /// The answer to a request with these headers and this body; a `Host` is added where none is given.
    fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Said {
        let mut request = Request::builder().method(method).uri(url);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        self.runtime.block_on(async {
            let response = self.site.answer(request).await;
            let (parts, body) = response.into_parts();
            // News never end; their head is all that is asked for here.
            let live = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
            let bytes = if live { Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Said { status: parts.status, headers: parts.headers, text }
        })
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    /// What is at this address for whoever has the key.
    fn get(&self, url: &str) -> Said {
        self.ask("GET", url, &[("authorization", &self.bearer())], "")
    }

    /// The same, which must be there.
    #[track_caller]
    fn page(&self, url: &str) -> Said {
        let said = self.get(url);
        assert_eq!(said.status, StatusCode::OK, "{url}: {}", said.text);
        said
    }

    /// Every route as an address, with these in place of its open parts.
    fn addresses(id: &str) -> Vec<(String, bool)> {
        let address = |(path, key): (&str, bool)| {
            let path = match path.rsplit_once("/take/{}") {
                Some((before, _)) => format!("{before}/take/html"),
                None => path.to_owned(),
            };
            let query = if path == "/api/v1/search" { "?q=a" } else { "" };
            (path.replace("{}", id) + query, key)
        };
        Site::routes().into_iter().map(address).collect()
    }
}
