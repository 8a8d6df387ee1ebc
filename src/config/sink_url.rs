//! The URLs of sinks: which webhooks may be called, and how a mail server is named.

use url::{Host, Url};

use super::notify::MailProtection;
use super::values::is_loopback;
use crate::core::address::is_public;
use crate::secret::Secret;

/// Whether a webhook may have this URL. Returns `http` or `https`.
pub(super) fn check_url(text: &Secret, private_addresses: bool) -> Result<&'static str, &'static str> {
    let url = Url::parse(text.expose()).ok().filter(|url| url.host().is_some());
    let url = url.ok_or("must be a URL that begins with https://")?;
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => Some(ip.into()),
        Some(Host::Ipv6(ip)) => Some(ip.into()),
        Some(Host::Domain(_)) | None => None,
    };
    let scheme = match url.scheme() {
        "http" if is_loopback(&url) => "http",
        "http" => return Err("must be https: plain http is for a receiver on this machine only"),
        "https" => "https",
        _ => return Err("must begin with https://"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or a password");
    }
    if url.fragment().is_some() {
        return Err("must not contain a `#`");
    }
    if ip.is_some_and(|ip| !is_public(ip)) && !private_addresses && !is_loopback(&url) {
        return Err("is an address of a private network: add private_addresses = true to call it anyway");
    }
    Ok(scheme)
}

/// The host and port of a mail server, and how it is talked to.
pub(super) fn mail_server(text: &Secret, tls: bool) -> Result<(String, u16, MailProtection), &'static str> {
    const WANTED: &str = "must be smtps:// and a mail server, or smtp:// for STARTTLS";
    let url = Url::parse(text.expose()).map_err(|_| WANTED)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(WANTED)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or a password: see username and password_file");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("must end with the server's name or its port");
    }
    // The url crate knows hosts of these schemes as names only.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let here = bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let (protection, port) = match (url.scheme(), tls) {
        ("smtps", true) => (MailProtection::Tls, 465),
        ("smtp", true) => (MailProtection::StartTls, 587),
        ("smtp", false) if here => (MailProtection::Plain, 25),
        ("smtp", false) => return Err("must be on this machine where tls = false"),
        ("smtps", false) => return Err("must begin with smtp:// where tls = false"),
        _ => return Err(WANTED),
    };
    Ok((bare.to_owned(), url.port().unwrap_or(port), protection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_called_by_https_and_within_a_network_only_where_that_is_configured() {
        let check = |url: &str, private| check_url(&Secret::new(url), private);
        for good in [
            "https://example.org/hook?key=1",
            "https://1.1.1.1/",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert_eq!(check(good, false).ok(), good.split(':').next(), "{good}");
        }
        for bad in [
            "http://example.org/",
            "ftp://example.org/",
            "example.org",
            "https://ada:secret@example.org/",
            "https://example.org/#top",
            "https://192.168.0.7/",
            "https://[fd00::7]/",
            "https://169.254.169.254/latest",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        assert_eq!(check("https://192.168.0.7/", true), Ok("https"));
        assert!(check("http://192.168.0.7/", true).is_err());
    }

    #[test]
    fn a_mail_server_is_a_name_a_port_and_a_protection() {
        let server = |url: &str, tls| mail_server(&Secret::new(url), tls).ok();
        let of = |host: &str, port, protection| Some((host.to_owned(), port, protection));
        assert_eq!(
            server("smtps://mail.example.org", true),
            of("mail.example.org", 465, MailProtection::Tls)
        );
        assert_eq!(
            server("smtp://mail.example.org/", true),
            of("mail.example.org", 587, MailProtection::StartTls)
        );
        assert_eq!(server("smtp://[::1]:2525", false), of("::1", 2525, MailProtection::Plain));
        assert_eq!(server("smtp://127.0.0.1", false), of("127.0.0.1", 25, MailProtection::Plain));
        for (bad, tls) in [
            ("smtp://mail.example.org", false),
            ("smtps://localhost", false),
            ("https://mail.example.org", true),
            ("smtps://ada:secret@mail.example.org", true),
            ("smtps://mail.example.org/path", true),
            ("mail.example.org", true),
        ] {
            assert_eq!(server(bad, tls), None, "{bad}");
        }
    }
}
