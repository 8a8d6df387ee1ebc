//! Posts to a URL that the user has configured, and nowhere else: no redirect is followed, and the address that its host has
//! at the moment of connecting must be one that it may have.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use url::{Host, Url};

use super::error::BuildError;
use super::network::{self, Network, innermost};
use super::reply;
use crate::core::Ms;
use crate::core::address::is_public;
use crate::secret::Secret;

/// Bytes of an answer that are read: what it says is of no interest, but a connection may serve again.
const MOST_BYTES: usize = 64 * 1024;

/// How a URL is called.
#[derive(Debug, Clone)]
pub struct HookSettings {
    /// The URL. It may be a secret by itself.
    pub url: Secret,
    /// Whether its host may be in a private network.
    pub private_addresses: bool,
    /// The longest that a call may take.
    pub timeout: Duration,
    /// How the network is reached. A proxy is for `https` only and looks the host up itself: what address that has is not
    /// checked.
    pub network: Network,
}

/// A URL to post to.
#[derive(Debug, Clone)]
pub struct Hook {
    client: Client,
    url: Url,
}

/// What the receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookAnswer {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

/// The addresses that a host may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Public,
    Loopback,
    Any,
}

impl Allowed {
    fn has(self, address: SocketAddr) -> bool {
        match self {
            Self::Public => is_public(address.ip()),
            Self::Loopback => address.ip().is_loopback(),
            Self::Any => true,
        }
    }

    /// Those of this URL: one that names this machine means it, and no other.
    fn of(url: &Url, private_addresses: bool) -> Self {
        match url.host() {
            Some(Host::Domain("localhost")) => Self::Loopback,
            Some(Host::Ipv4(ip)) if ip.is_loopback() => Self::Loopback,
            Some(Host::Ipv6(ip)) if ip.is_loopback() => Self::Loopback,
            _ if private_addresses => Self::Any,
            _ => Self::Public,
        }
    }
}

/// Looks hosts up, and gives the client nothing but addresses that are allowed: it connects to one of these, whatever the
/// name means a moment later.
struct GuardedResolver(Allowed);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let fit: Vec<SocketAddr> = found.into_iter().filter(|address| allowed.has(*address)).collect();
            if fit.is_empty() {
                return Err(io::Error::other(REFUSED).into());
            }
            Ok(Box::new(fit.into_iter()) as Addrs)
        })
    }
}

const REFUSED: &str = "the host has a private address; set private_addresses = true to allow it";

impl Hook {
    /// Prepares calls; nothing is sent.
    ///
    /// # Errors
    /// When the URL or the network's settings cannot be used.
    pub fn new(settings: &HookSettings) -> Result<Self, BuildError> {
        let unusable = |what: &str| BuildError::Client(format!("url: {what}"));
        let url = Url::parse(settings.url.expose()).map_err(|_| unusable("no such URL"))?;
        let allowed = Allowed::of(&url, settings.private_addresses);
        // A literal address is not looked up.
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if ip.is_some_and(|ip| !allowed.has(SocketAddr::new(ip, 0))) {
            return Err(unusable(REFUSED));
        }
        let https = url.scheme() == "https";
        if !https && allowed != Allowed::Loopback {
            return Err(unusable("plain http is for a receiver on this machine only"));
        }
        if !https && settings.network.proxy.is_some() {
            return Err(unusable("plain http does not go through a proxy"));
        }
        // The proxy itself may be anywhere.
        let allowed = if settings.network.proxy.is_some() { Allowed::Any } else { allowed };
        let builder = network::builder(https, settings.timeout, &settings.network)?;
        let client = network::build(builder.dns_resolver(GuardedResolver(allowed)))?;
        Ok(Self { client, url })
    }

    /// Posts JSON with these headers.
    ///
    /// # Errors
    /// When no answer came, in words that hold no URL.
    pub async fn post(
        &self,
        headers: &[(&'static str, String)],
        body: String,
        now: Ms,
    ) -> Result<HookAnswer, String> {
        let json = HeaderValue::from_static("application/json");
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, json).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| {
            let error = error.without_url();
            match error.is_timeout() {
                true => "no answer in time".to_owned(),
                false => innermost(&error),
            }
        })?;
        let header = response.headers().get(&RETRY_AFTER).and_then(|value| value.to_str().ok());
        let answer = HookAnswer {
            status: response.status().as_u16(),
            retry_after: header.and_then(|text| reply::retry_after(text, now)),
        };
        let mut read = 0_usize;
        while let Ok(Some(chunk)) = response.chunk().await {
            read = read.saturating_add(chunk.len());
            if read > MOST_BYTES {
                break;
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, private_addresses: bool) -> HookSettings {
        let timeout = Duration::from_secs(5);
        HookSettings { url: Secret::new(url), private_addresses, timeout, network: Network::default() }
    }

    #[test]
    fn an_address_within_a_network_is_called_only_where_that_is_configured() {
        for (url, private, is_fine) in [
            ("http://127.0.0.1:1/", false, true),
            ("http://[::1]:1/", false, true),
            ("http://localhost:1/", false, true),
            ("https://10.0.0.1/", false, false),
            ("https://10.0.0.1/", true, true),
            ("https://[fd00::1]/", false, false),
            ("https://0x7f.1/", false, true),
            ("http://10.0.0.1/", true, false),
            ("http://example.org/", true, false),
        ] {
            assert_eq!(Hook::new(&settings(url, private)).is_ok(), is_fine, "{url} {private}");
        }
        let proxy = Some(Secret::new("http://127.0.0.1:3128"));
        for (url, is_fine) in [("http://127.0.0.1:1/", false), ("https://example.org/", true)] {
            let network = Network { proxy: proxy.clone(), ..Network::default() };
            let settings = HookSettings { network, ..settings(url, false) };
            assert_eq!(Hook::new(&settings).is_ok(), is_fine, "{url} by a proxy");
        }
    }

    #[tokio::test]
    async fn a_name_is_held_against_the_address_that_it_has_when_it_is_called() {
        // A literal address is looked up as a name is, and needs no resolver.
        let resolve = |allowed| GuardedResolver(allowed).resolve("127.0.0.1".parse().unwrap());
        let refused = resolve(Allowed::Public).await.err().unwrap();
        assert_eq!(refused.to_string(), REFUSED);
        for allowed in [Allowed::Loopback, Allowed::Any] {
            assert!(resolve(allowed).await.unwrap().all(|address| address.ip().is_loopback()));
        }
    }
}
