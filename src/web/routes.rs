//! Every route there is.

use super::asked::WebRequest;
use super::reply::{Refused, SiteReply};
use super::take::{self, Take};
use super::{api, pages};
use crate::look::Glance;

/// Whether a route asks for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteAccess {
    /// Everybody may have it: it tells nothing of the archive.
    Open,
    /// Only who has the key.
    Key,
}

/// Makes an answer from the archive.
type MakeReply = fn(&Glance<'_>, &WebRequest) -> Result<SiteReply, Refused>;

/// Begins to send many messages.
pub(super) type BeginTake = fn(&Glance<'_>, &WebRequest) -> Result<Take, Refused>;

/// How a route is served.
#[derive(Clone, Copy)]
pub(super) enum Serve {
    /// Always the same text, of this type.
    Fixed(&'static str, &'static str),
    /// A page or an object, made from the archive.
    Read(MakeReply),
    /// Messages to take along.
    Take(BeginTake),
    /// The key, exchanged for a cookie.
    Exchange,
    /// News of changes.
    Live,
    /// Messages of the Model Context Protocol.
    #[cfg(feature = "mcp")]
    Assistants,
}

/// A route.
pub(super) struct Route {
    /// Its path; `{}` is any one part.
    pub(super) path: &'static str,
    pub(super) access: RouteAccess,
    pub(super) serve: Serve,
}

impl Route {
    /// Whether it answers nothing but POST.
    pub(super) fn posts_only(&self) -> bool {
        #[cfg(feature = "mcp")]
        return matches!(self.serve, Serve::Assistants);
        #[cfg(not(feature = "mcp"))]
        false
    }
}

const fn open(path: &'static str, serve: Serve) -> Route {
    Route { path, access: RouteAccess::Open, serve }
}

const fn read(path: &'static str, read: MakeReply) -> Route {
    Route { path, access: RouteAccess::Key, serve: Serve::Read(read) }
}

const fn taken(path: &'static str, begin: BeginTake) -> Route {
    Route { path, access: RouteAccess::Key, serve: Serve::Take(begin) }
}

const STYLE: &str = concat!(include_str!("../export/html/style.css"), include_str!("web.css"));

pub(super) const ROUTES: &[Route] = &[
    open("/healthz", Serve::Read(api::health)),
    open("/style.css", Serve::Fixed("text/css; charset=utf-8", STYLE)),
    open("/app.js", Serve::Fixed("text/javascript; charset=utf-8", include_str!("app.js"))),
    open("/icon.svg", Serve::Fixed("image/svg+xml", include_str!("icon.svg"))),
    open("/key", Serve::Exchange),
    Route { path: "/live", access: RouteAccess::Key, serve: Serve::Live },
    #[cfg(feature = "mcp")]
    Route { path: "/mcp", access: RouteAccess::Key, serve: Serve::Assistants },
    read("/", pages::home::page),
    read("/conversations", pages::conversations::page),
    read("/c/{}", pages::conversation::page),
    read("/m/{}", pages::message::link),
    read("/m/{}/whole", pages::message::whole),
    read("/search", pages::search::page),
    read("/people", pages::people::list),
    read("/people/{}", pages::people::one),
    read("/stats", pages::stats::page),
    read("/ledger", pages::ledger::page),
    read("/ledger/runs/{}", pages::ledger::run),
    read("/coverage", pages::coverage::page),
    read("/help", pages::help::page),
    taken("/c/{}/take/{}", take::conversation),
    taken("/search/take/{}", take::search),
    read("/api/v1/openapi.json", api::openapi),
    read("/api/v1/status", api::status),
    read("/api/v1/conversations", api::conversations),
    read("/api/v1/conversations/{}", api::conversation),
    read("/api/v1/conversations/{}/messages", api::messages),
    read("/api/v1/search", api::search),
    read("/api/v1/people", api::people),
];

/// The route of a path, and the parts of the path that it leaves open, decoded.
pub(super) fn find(path: &str) -> Option<(&'static Route, Vec<String>)> {
    ROUTES.iter().find_map(|route| Some((route, parts(route.path, path)?)))
}

fn parts(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some("{}"), Some(part)) if !part.is_empty() => parts.push(decoded(part)?),
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

/// A part of a path without its escapes; `None` if that is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain => plain,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_the_routes_that_they_look_like_and_nowhere_else() {
        let found = |path| find(path).map(|(route, parts)| (route.path, parts.join("|")));
        assert_eq!(found("/c/12"), Some(("/c/{}", "12".to_owned())));
        assert_eq!(found("/m/7/whole"), Some(("/m/{}/whole", "7".to_owned())));
        assert_eq!(
            found("/api/v1/conversations/2-QUJD%3D%3D/messages"),
            Some(("/api/v1/conversations/{}/messages", "2-QUJD==".to_owned()))
        );
        for path in [
            "",
            "/c",
            "/c/",
            "/c/1/",
            "//",
            "/c//take/csv",
            "/../c/1",
            "/c/%",
            "/c/%ff",
            "/c/%00",
            "/C/1",
            "/style.css/",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        // A part is a part, whatever is in it: it is looked for in the archive, never on a disk.
        assert_eq!(found("/c/..%2f..%2fetc"), Some(("/c/{}", "../../etc".to_owned())));
    }
}
