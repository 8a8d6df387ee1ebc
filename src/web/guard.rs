//! Who is answered: requests that a page of this server, the person at the browser or a program with the key has made.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, Uri};

use super::key::AccessKey;
use super::reply::Refused;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names under which this server may be asked for.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// Where it listens; `None` is a socket in the file system.
    at: Option<SocketAddr>,
    /// Further names, as a reverse proxy passes them on.
    names: Vec<String>,
}

impl Hosts {
    /// Those of this address, and further names.
    #[must_use]
    pub fn new(at: Option<SocketAddr>, names: Vec<String>) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { at, names }
    }

    /// Whether a `Host` names this server. A name that anybody else can point at this machine does not.
    fn has(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if self.names.contains(&host) {
            return true;
        }
        let (name, port) = name_and_port(&host);
        let port = port.map_or(Some(80), |port| port.parse().ok());
        let Some(at) = self.at else { return name == "localhost" };
        if port != Some(at.port()) {
            return false;
        }
        match literal(name).parse::<IpAddr>() {
            Ok(ip) => {
                at.ip().is_unspecified() || ip == at.ip() || (at.ip().is_loopback() && ip.is_loopback())
            }
            Err(_) => name == "localhost" && (at.ip().is_loopback() || at.ip().is_unspecified()),
        }
    }
}

/// The name and the port of a `Host`.
fn name_and_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// A name without the brackets of an IPv6 address.
fn literal(name: &str) -> &str {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

/// Whether the browser reached this server through TLS, which a proxy ends: browsers send `Sec-Fetch-Site` only over TLS
/// and to the machine itself.
pub(super) fn is_encrypted(headers: &HeaderMap, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let (name, _) = name_and_port(&host);
    let is_here = match literal(name).parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    };
    headers.contains_key(FETCH_SITE) && !is_here
}

/// Whether the request may be looked at. Returns the host it is for.
pub(super) fn admit(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    hosts: &Hosts,
) -> Result<String, Refused> {
    let host = host_of(uri, headers)?;
    if !hosts.has(&host) {
        return Err(Refused::Misdirected);
    }
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let from = text(&FETCH_SITE);
    let own = [format!("http://{host}"), format!("https://{host}")];
    let is_own = |origin: &str| own.iter().any(|own| own.eq_ignore_ascii_case(origin));
    let allowed = match (from, text(&header::ORIGIN)) {
        // A form of a page that sends no referrer has no origin either.
        (Some("same-origin"), Some(origin)) => origin == "null" || is_own(origin),
        (None | Some("none"), Some(origin)) => is_own(origin),
        (None | Some("same-origin" | "none"), None) => true,
        (Some(_), _) => false,
    };
    if !allowed {
        return Err(Refused::CrossSite);
    }
    match *method {
        Method::GET | Method::HEAD | Method::POST => Ok(host),
        _ => Err(Refused::Method),
    }
}

/// The one host that a request is for.
fn host_of(uri: &Uri, headers: &HeaderMap) -> Result<String, Refused> {
    let mut given = headers.get_all(header::HOST).iter();
    let (first, second) = (given.next(), given.next());
    let host = first.and_then(|host| host.to_str().ok()).filter(|_| second.is_none());
    let host = host.ok_or_else(|| Refused::bad("the request names no host"))?;
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(Refused::Misdirected),
        _ => Ok(host.to_owned()),
    }
}

/// Whether the request has the key, or the cookie that stands for it.
pub(super) fn has_key(headers: &HeaderMap, key: &AccessKey, cookie: &str) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if bearer.is_some_and(|(_, given)| key.is(given)) {
        return true;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.any(|(name, value)| name == cookie && key.is_cookie(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(at: &str) -> Hosts {
        Hosts::new(Some(at.parse().unwrap()), vec!["archive.example".to_owned()])
    }

    #[test]
    fn a_browser_that_names_its_site_to_another_machine_came_through_tls() {
        let says = HeaderMap::from_iter([(FETCH_SITE, header::HeaderValue::from_static("same-origin"))]);
        for host in ["archive.example.org", "archive.example.org:8443", "192.0.2.1", "[2001:db8::1]:443"] {
            assert!(is_encrypted(&says, host) && !is_encrypted(&HeaderMap::new(), host), "{host}");
        }
        for host in ["127.0.0.1:8924", "[::1]:8924", "[::1]", "localhost", "LOCALHOST:1", "a.localhost:8924"]
        {
            assert!(!is_encrypted(&says, host), "{host}");
        }
    }

    #[test]
    fn a_loopback_server_is_known_by_loopback_names_and_its_own_port_only() {
        let hosts = hosts("127.0.0.1:8924");
        for host in ["127.0.0.1:8924", "localhost:8924", "LOCALHOST:8924", "[::1]:8924", "127.0.0.2:8924"] {
            assert!(hosts.has(host), "{host}");
        }
        for host in [
            "evil.example:8924",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost",
            "127.0.0.1.evil.example:8924",
            "192.0.2.1:8924",
            "[::1]",
            "",
            ":8924",
            "127.0.0.1:8924:8924",
            "localhost.:8924",
            "0x7f.1:8924",
            "[127.0.0.1]:8924x",
            "archive.example:8924",
        ] {
            assert!(!hosts.has(host), "{host}");
        }
        assert!(hosts.has("archive.example"));
    }

    #[test]
    fn a_server_on_every_address_is_known_by_addresses_but_not_by_names_of_others() {
        let hosts = hosts("0.0.0.0:80");
        assert!(hosts.has("192.0.2.1") && hosts.has("192.0.2.1:80") && hosts.has("localhost"));
        assert!(!hosts.has("evil.example") && !hosts.has("192.0.2.1:81"));
        let one = Hosts::new(Some("192.0.2.7:80".parse().unwrap()), vec![]);
        assert!(
            one.has("192.0.2.7") && !one.has("192.0.2.8") && !one.has("localhost") && !one.has("127.0.0.1")
        );
        let socket = Hosts::new(None, vec![]);
        assert!(socket.has("localhost") && !socket.has("evil.example"));
    }
}
