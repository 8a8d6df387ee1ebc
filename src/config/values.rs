//! How the values of single keys are read: their ranges, and what an error says they must be.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use chrono_tz::Tz;
use config::{Value, ValueKind};
use serde::de::{Deserialize, Deserializer, Error};
use url::Url;

use super::keys::nearest;
use super::notify::WrittenKind;
use super::{ApiVersion, InboxMode, conversation_id, profile_url};
use crate::core::notify::batch::EventKind;
use crate::core::schedule::Schedule;
use crate::secret::Secret;

/// A whole number from `MIN` to `MAX`.
pub(super) fn whole<'de, D: Deserializer<'de>, const MIN: u32, const MAX: u32>(
    d: D,
) -> Result<u32, D::Error> {
    let n = match Value::deserialize(d)?.kind {
        ValueKind::I64(n) => u32::try_from(n).ok().filter(|n| (MIN..=MAX).contains(n)),
        ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_) => None,
        other => {
            let but = but_is(&other).map(|kind| format!(", not {kind}")).unwrap_or_default();
            return Err(Error::custom(format!("must be a whole number from {MIN} to {MAX}{but}")));
        }
    };
    n.ok_or_else(|| Error::custom(format!("must be from {MIN} to {MAX}")))
}

/// What a value is that should be a number; nothing for a number.
fn but_is(value: &ValueKind) -> Option<&'static str> {
    Some(match value {
        ValueKind::String(_) => "a string",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::Array(_) => "a list",
        ValueKind::Table(_) => "a table",
        _ => return None,
    })
}

/// A cap on credits.
pub(super) fn credits<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    whole::<D, 0, { u32::MAX }>(d).map(Some)
}

/// Days that something is kept: at least one.
pub(super) fn days<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    whole::<D, 1, 36_500>(d).map(Some)
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
    let value = Value::deserialize(d)?;
    if let Some(kind) = but_is(&value.kind) {
        return Err(Error::custom(format!("must be a number from 0 to {MAX}, not {kind}")));
    }
    let seconds = value.into_float().ok().filter(|n| (0.0..=f64::from(MAX)).contains(n));
    let seconds = seconds.and_then(|n| Duration::try_from_secs_f64(n).ok());
    seconds.ok_or_else(|| Error::custom(format!("must be from 0 to {MAX}")))
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

/// How a key is read whose value is a text; a refusal says what is wrong with it.
macro_rules! texts {
    ($($name:ident -> $kind:ty: $read:expr;)*) => {
        $(pub(super) fn $name<'de, D: Deserializer<'de>>(d: D) -> Result<$kind, D::Error> {
            let read: fn(String) -> Result<$kind, String> = $read;
            read(String::deserialize(d)?).map_err(Error::custom)
        })*
    };
}

texts! {
    api_version -> ApiVersion: |text| one_of(&text, &[ApiVersion::V1, ApiVersion::V2], ApiVersion::as_str);
    inbox_mode -> InboxMode: |text| {
        one_of(&text, &[InboxMode::Discover, InboxMode::Probe, InboxMode::Off], InboxMode::as_str)
    };
    sink_kind -> WrittenKind: |text| one_of(&text, &WrittenKind::ALL, WrittenKind::as_str);
    event_kind -> EventKind: |text| one_of(&text, &EventKind::ALL, EventKind::as_str);
    text -> String: some;
    // A secret or the name of its file, which may be the secret itself put into the wrong key.
    secret -> Option<Secret>: |text| some(text).map(Secret::from).map(Some);
    trimmed -> Option<String>: |text| Ok(Some(some(text)?.trim().to_owned()));
    path -> PathBuf: |text| some(text).map(PathBuf::from);
    optional_path -> Option<PathBuf>: |text| some(text).map(PathBuf::from).map(Some);
    proxy -> Option<Secret>: |text| {
        http_url(text, "must be the URL of an HTTP proxy, such as \"http://proxy.example:3128\"")
    };
    ping_url -> Option<Secret>: |text| http_url(text, "must be a URL that begins with https:// or http://");
    base_url -> Url: |text| parse_base_url(&text);
    lake_path -> Option<PathBuf>: |text| parse_lake_path(&some(text)?).map(Some);
    region -> Option<String>: |text| parse_region(some(text)?.trim()).map(Some);
    endpoint -> Option<String>: |text| parse_endpoint(some(text)?.trim()).map(Some);
    cron -> Schedule: |line| Schedule::new(&line, Tz::UTC);
    timezone -> Tz: |name| parse_timezone(&name);
    account_name -> String: parse_account_name;
    country -> String: parse_country;
    profile -> String: |text| profile_url(&some(text)?);
    conversation -> String: |text| conversation_id(&some(text)?);
}

/// A text that is not blank.
fn some(text: String) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}

fn one_of<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    let names = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| format!("must be one of: {}", names()))
}

/// A URL that may hold a password, or that whoever knows it can call.
fn http_url(text: String, wanted: &str) -> Result<Option<Secret>, String> {
    let text = Secret::from(text);
    let url = Url::parse(text.expose()).ok().filter(|url| url.host().is_some());
    let fits = url.is_some_and(|url| ["http", "https"].contains(&url.scheme()));
    if fits { Ok(Some(text)) } else { Err(wanted.to_owned()) }
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

/// An account's name, which is part of a credential's file name and appears in tables and logs.
fn parse_account_name(text: String) -> Result<String, String> {
    let name = some(text)?.trim().to_owned();
    if name.chars().count() > 64 || name.chars().any(|c| c.is_control() || c == '/') {
        return Err("must have at most 64 characters, none of them a slash".to_owned());
    }
    Ok(name)
}

/// A country's two letters, in upper case.
fn parse_country(text: String) -> Result<String, String> {
    let country = some(text)?.trim().to_uppercase();
    if country.len() != 2 || !country.chars().all(|c| c.is_ascii_alphabetic()) {
        return Err("must be a two-letter country code, such as \"FR\"".to_owned());
    }
    Ok(country)
}

pub(super) fn default_country() -> String {
    "FR".to_owned()
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

/// Whether a lake's path is in a bucket, and so relative to nothing.
pub(super) fn is_bucket(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("s3://"))
}

fn parse_lake_path(text: &str) -> Result<PathBuf, String> {
    let text = text.trim();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let bucket = text.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
    match (scheme, bucket) {
        (None, _) => Ok(PathBuf::from(text)),
        (Some(_), Some(bucket)) if !bucket.is_empty() && !text.contains(['@', '?', '#']) => {
            Ok(PathBuf::from(text))
        }
        _ => Err("must be a folder or \"s3://BUCKET/PREFIX\"".to_owned()),
    }
}

/// A region is part of a host's name.
fn parse_region(text: &str) -> Result<String, String> {
    let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits { Ok(text.to_owned()) } else { Err("must be a region, such as \"eu-west-1\"".to_owned()) }
}

fn parse_endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let url =
        url.filter(|url| url.host().is_some()).ok_or("must be a URL that begins with https:// or http://")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not contain a user name or a password: set AWS_ACCESS_KEY_ID and the like".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` or `#`".to_owned());
    }
    Ok(text.to_owned())
}

/// Whether a URL names this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The time zone of this IANA name.
pub fn parse_timezone(text: &str) -> Result<Tz, String> {
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
