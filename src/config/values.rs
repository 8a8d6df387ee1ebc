//! How the values of single keys are read: their ranges, and what an error says they must be.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use chrono_tz::Tz;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use url::Url;

use super::problem::nearest;
use super::{conversation_id, profile_url};
use crate::core::schedule::Schedule;
use crate::secret::Secret;

/// A whole number from `MIN` to `MAX`.
pub(super) fn whole<'de, D: Deserializer<'de>, const MIN: u32, const MAX: u32>(
    d: D,
) -> Result<u32, D::Error> {
    d.deserialize_any(Whole { min: MIN, max: MAX })
}

/// A cap on credits.
pub(super) fn credits<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    whole::<D, 0, { u32::MAX }>(d).map(Some)
}

/// Whole seconds from `MIN` to `MAX`.
pub(super) fn seconds<'de, D: Deserializer<'de>, const MIN: u32, const MAX: u32>(
    d: D,
) -> Result<Duration, D::Error> {
    whole::<D, MIN, MAX>(d).map(|secs| Duration::from_secs(secs.into()))
}

/// Seconds from 0 to `MAX`, fractions allowed.
pub(super) fn fractional_seconds<'de, D: Deserializer<'de>, const MAX: u32>(
    d: D,
) -> Result<Duration, D::Error> {
    d.deserialize_any(Seconds { max: MAX })
}

/// Messages per request.
pub(super) fn page_size<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    const STEP: u32 = 10;
    let size = whole::<D, 10, 1_000>(d)?;
    match size % STEP {
        0 => Ok(size),
        over => Err(Error::custom(format!(
            "must be a multiple of {STEP}; the nearest are {} and {}",
            size - over,
            size - over + STEP
        ))),
    }
}

/// A string that is not blank.
pub(super) fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text = String::deserialize(d)?;
    if text.trim().is_empty() { Err(Error::custom("must not be empty")) } else { Ok(text) }
}

pub(super) fn optional_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    text(d).map(Some)
}

/// A trimmed string that is not blank.
pub(super) fn trimmed<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    text(d).map(|text| Some(text.trim().to_owned()))
}

pub(super) fn path<'de, D: Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
    text(d).map(PathBuf::from)
}

pub(super) fn optional_path<'de, D: Deserializer<'de>>(d: D) -> Result<Option<PathBuf>, D::Error> {
    path(d).map(Some)
}

/// A program and its arguments.
pub(super) fn command<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let command = Vec::<String>::deserialize(d)?;
    if command.is_empty() {
        return Err(Error::custom("must not be empty"));
    }
    if command.iter().any(|argument| argument.contains('\0')) {
        return Err(Error::custom("must not contain a NUL character"));
    }
    Ok(command)
}

pub(super) fn base_url<'de, D: Deserializer<'de>>(d: D) -> Result<Url, D::Error> {
    parse_base_url(&String::deserialize(d)?).map_err(Error::custom)
}

/// The URL of a proxy. It may hold a password, so that no error repeats it.
pub(super) fn proxy<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Secret>, D::Error> {
    let text = Secret::from(String::deserialize(d)?);
    let url = Url::parse(text.expose()).ok().filter(|url| url.host().is_some());
    match url.as_ref().map(Url::scheme) {
        Some("http" | "https") => Ok(Some(text)),
        _ => Err(Error::custom("must be the URL of an HTTP proxy, such as \"http://proxy.example:3128\"")),
    }
}

/// A URL that is called. Whoever knows it can call it, too, so that no error repeats it.
pub(super) fn ping_url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Secret>, D::Error> {
    let text = Secret::from(String::deserialize(d)?);
    let url = Url::parse(text.expose()).ok().filter(|url| url.host().is_some());
    match url.as_ref().map(Url::scheme) {
        Some("http" | "https") => Ok(Some(text)),
        _ => Err(Error::custom("must be a URL that begins with https:// or http://")),
    }
}

pub(super) fn cron<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let line = String::deserialize(d)?;
    Schedule::new(&line, Tz::UTC).map_err(Error::custom)?;
    Ok(line)
}

pub(super) fn timezone<'de, D: Deserializer<'de>>(d: D) -> Result<Tz, D::Error> {
    parse_timezone(&String::deserialize(d)?).map_err(Error::custom)
}

/// An account's name, which is part of a credential's file name and appears in tables and logs.
pub(super) fn account_name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let name = text(d)?.trim().to_owned();
    if name.chars().count() > 64 || name.chars().any(|c| c.is_control() || c == '/') {
        return Err(Error::custom("must have at most 64 characters, none of them a slash"));
    }
    Ok(name)
}

/// A country's two letters, in upper case.
pub(super) fn country<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let country = text(d)?.trim().to_uppercase();
    if country.len() != 2 || !country.chars().all(|c| c.is_ascii_alphabetic()) {
        return Err(Error::custom("must be a two-letter country code, such as \"FR\""));
    }
    Ok(Some(country))
}

pub(super) fn profile<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    profile_url(&text(d)?).map_err(Error::custom)
}

pub(super) fn conversation<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    conversation_id(&text(d)?).map_err(Error::custom)
}

struct Whole {
    min: u32,
    max: u32,
}

impl Visitor<'_> for Whole {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<u32, E> {
        let n = u32::try_from(n).ok().filter(|n| (self.min..=self.max).contains(n));
        n.ok_or_else(|| E::custom(format!("must be from {} to {}", self.min, self.max)))
    }
}

struct Seconds {
    max: u32,
}

impl Visitor<'_> for Seconds {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from 0 to {}", self.max)
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Duration, E> {
        // What is no `u32` is out of range in any case.
        self.visit_f64(u32::try_from(n).map_or(f64::INFINITY, f64::from))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Duration, E> {
        let seconds = Some(n).filter(|n| (0.0..=f64::from(self.max)).contains(n));
        let seconds = seconds.and_then(|n| Duration::try_from_secs_f64(n).ok());
        seconds.ok_or_else(|| E::custom(format!("must be from 0 to {}", self.max)))
    }
}

/// The base URL, ending in a slash so that endpoints can be joined to it.
fn parse_base_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("must be a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or a password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` or `#`".into());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(
                "must be https: plain http would expose the API key (it is allowed for loopback only)".into(),
            );
        }
        _ => return Err("must begin with https://".into()),
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The time zone of this IANA name.
fn parse_timezone(text: &str) -> Result<Tz, String> {
    Tz::from_str(text).map_err(|_| {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let near = nearest(&text.replace(' ', "_"), names);
        let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        format!("is not an IANA time zone name{near}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in
            ["https://api.linkupapi.com", "http://127.0.0.1:8080", "http://[::1]:1/x", "http://localhost"]
        {
            assert!(parse_base_url(good).unwrap().path().ends_with('/'), "{good}");
        }
        for bad in [
            "http://api.linkupapi.com",
            "http://127.0.0.1.example.com",
            "ftp://localhost",
            "api.linkupapi.com",
            "https://ada:secret@api.linkupapi.com",
            "https://api.linkupapi.com/?key=1",
            "https://",
            "",
        ] {
            assert!(parse_base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_time_zone_suggests_the_nearest() {
        assert_eq!(parse_timezone("Europe/Berlin").unwrap(), Tz::Europe__Berlin);
        assert!(parse_timezone("Europe/Berln").unwrap_err().contains("\"Europe/Berlin\""));
        assert!(parse_timezone("America/New York").unwrap_err().contains("\"America/New_York\""));
        assert!(!parse_timezone("#").unwrap_err().contains("did you mean"));
    }
}
