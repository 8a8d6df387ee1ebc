//! How every client of HTTP is made: rustls with ring, no redirects, no proxies from the environment, no retries.

use std::error::Error as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Proxy};
use url::{Host, Url};

use super::error::BuildError;
use crate::secret::Secret;

/// No file with CA certificates is larger.
const MOST_CERTIFICATES: u64 = 4 * 1024 * 1024;
/// A connection takes no longer, or will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How the network is reached, if not directly and with the machine's CA certificates.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The URL of the proxy that requests go through.
    pub proxy: Option<Secret>,
    /// Further CA certificates (PEM) that are trusted.
    pub ca_file: Option<PathBuf>,
    /// A variable of the environment that names a proxy and is ignored, to be said when nothing can be reached.
    pub ignored_proxy: Option<&'static str>,
}

/// A client that follows nothing and nobody but what is configured.
pub(crate) fn builder(
    https: bool,
    timeout: Duration,
    network: &Network,
) -> Result<ClientBuilder, BuildError> {
    install_tls_provider();
    let mut builder = Client::builder()
        .user_agent(concat!("archiver/", env!("CARGO_PKG_VERSION")))
        // Every one of these would take a secret, or a second charge, where nobody asked for it.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .https_only(https)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout);
    if !https {
        // Without this, a machine that has no CA certificates could not even talk to itself.
        builder = builder.tls_certs_only(std::iter::empty::<Certificate>());
    }
    if let Some(proxy) = &network.proxy {
        // The error would repeat the URL, which may hold a password.
        let proxy =
            Proxy::all(proxy.expose()).map_err(|_| BuildError::Client("proxy: no such URL".to_owned()))?;
        builder = builder.proxy(proxy);
    }
    if let Some(path) = network.ca_file.as_ref().filter(|_| https) {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    Ok(builder)
}

pub(crate) fn build(builder: ClientBuilder) -> Result<Client, BuildError> {
    builder.build().map_err(|error| BuildError::Client(innermost(&error.without_url())))
}

/// The innermost error says why; the outer ones say ever the same.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, BuildError> {
    let failed = |why: String| BuildError::CaFile { path: path.to_owned(), why };
    let pem = fs::File::open(path).and_then(|file| {
        let mut pem = Vec::new();
        file.take(MOST_CERTIFICATES).read_to_end(&mut pem).map(|_| pem)
    });
    let pem = pem.map_err(|error| failed(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(failed("it holds no certificate in PEM".to_owned())),
    }
}

fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails when there is one already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// Whether a URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
