//! Every key of the configuration outside the accounts: its kind, its range, its default.
//!
//! One list serves files, variables and their error messages.

use std::str::FromStr as _;

use chrono_tz::Tz;
use config::ValueKind;
use url::Url;

use super::node::{Node, Plain, parse_variable, quoted};
use super::problem::{Problem, nearest};
use crate::core::schedule::Schedule;

/// The prefix of all environment variables.
pub(super) const PREFIX: &str = "ARCHIVER_";

/// One key.
pub(super) struct Key {
    /// `section.name`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
}

/// What a key's value may be.
pub(super) enum Kind {
    Text(fn(&str) -> Result<(), String>),
    /// A text that no message may show.
    Secret,
    /// The name of a file that holds a secret: somebody may have put the secret itself there.
    SecretFile,
    Whole {
        min: i64,
        max: i64,
        /// Only multiples of this.
        step: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Switch,
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
}

/// A built-in default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Default {
    None,
    Text(&'static str),
    Whole(i64),
    Number(f64),
    Switch(bool),
}

const fn key(path: &'static str, kind: Kind, default: Default) -> Key {
    Key { path, kind, default }
}

const fn whole(min: i64, max: i64) -> Kind {
    Kind::Whole { min, max, step: 1 }
}

/// The most that a credit counter can hold.
const CREDITS: Kind = whole(0, u32::MAX as i64);

pub(super) const KEYS: &[Key] = &[
    key("api.base_url", Kind::Text(check_base_url), Default::Text("https://api.linkupapi.com")),
    key("api.version", Kind::Choice(&["v1", "v2"]), Default::Text("v1")),
    key("api.api_key", Kind::Secret, Default::None),
    key("api.api_key_file", Kind::SecretFile, Default::Text("api_key")),
    key("api.timeout_secs", whole(1, 600), Default::Whole(60)),
    key("api.requests_per_minute", whole(1, 60_000), Default::Whole(60)),
    key("api.retries", whole(0, 10), Default::Whole(3)),
    key("api.retry_base_secs", Kind::Number { min: 0.0, max: 3_600.0 }, Default::Number(2.0)),
    key("api.retry_max_secs", Kind::Number { min: 0.0, max: 86_400.0 }, Default::Number(300.0)),
    key("archive.path", Kind::Text(check_path), Default::Text("archive.db")),
    key("budget.credits_per_run", CREDITS, Default::Whole(50)),
    key("budget.credits_per_day", CREDITS, Default::None),
    key("budget.credits_per_month", CREDITS, Default::None),
    key("budget.reconcile", Kind::Switch, Default::Switch(true)),
    key("schedule.cron", Kind::Text(check_cron), Default::Text("0 */30 * * * *")),
    key("schedule.timezone", Kind::Text(check_timezone), Default::Text("UTC")),
    key("schedule.run_at_start", Kind::Switch, Default::Switch(true)),
    key("schedule.jitter_secs", whole(0, 3_600), Default::Whole(0)),
    key("attention.command", Kind::Texts, Default::None),
    key("events.enabled", Kind::Switch, Default::Switch(false)),
    key("events.poll_secs", whole(1, 3_600), Default::Whole(60)),
    key("metrics.textfile", Kind::Text(check_path), Default::None),
    key("sync.page_size", Kind::Whole { min: 10, max: 1_000, step: 10 }, Default::Whole(50)),
    key("sync.inbox", Kind::Choice(&["discover", "probe", "off"]), Default::Text("discover")),
    key("sync.unlisted_max_runs", whole(1, 10_000), Default::Whole(64)),
    key("sync.recheck_days", whole(0, 3_650), Default::Whole(0)),
];

/// The sections that these keys stand in; `accounts` is a list and has keys of its own.
pub(super) const SECTIONS: &[&str] =
    &["api", "archive", "budget", "schedule", "events", "attention", "metrics", "sync", "accounts"];

impl Key {
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// The default of a key that is a text.
    pub(super) fn default_text(path: &str) -> Option<&'static str> {
        match Self::find(path)?.default {
            Default::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The environment variable that sets this key.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "__").to_ascii_uppercase())
    }

    /// The default as a layer of the configuration takes it.
    pub(super) fn default_value(&self) -> Option<ValueKind> {
        match self.default {
            Default::None => None,
            Default::Text(text) => Some(text.into()),
            Default::Whole(n) => Some(n.into()),
            Default::Number(n) => Some(n.into()),
            Default::Switch(b) => Some(b.into()),
        }
    }

    /// A variable's text as the kind of value that this key wants; left a text where it is no such value.
    pub(super) fn read_variable(&self, text: &str) -> Plain {
        let trimmed = text.trim();
        let read = match self.kind {
            Kind::Whole { .. } => trimmed.parse().ok().map(Plain::Whole),
            Kind::Number { .. } => trimmed.parse().ok().map(Plain::Number),
            Kind::Switch => trimmed.parse().ok().map(Plain::Switch),
            Kind::Choice(_) => Some(Plain::Text(trimmed.to_owned())),
            Kind::Texts => parse_variable(&self.variable(), text).ok().map(|node| node.value),
            Kind::Text(_) | Kind::Secret | Kind::SecretFile => None,
        };
        read.unwrap_or_else(|| Plain::Text(text.to_owned()))
    }

    /// The value that this node gives the key, or what is wrong with it.
    pub(super) fn check(&self, node: &Node) -> Result<ValueKind, Problem> {
        self.checked(&node.value).map_err(|what| {
            let problem = Problem::new(what).at(&node.place).key(self.path);
            match self.shown(&node.value) {
                Some(value) => problem.value(value),
                None => problem,
            }
        })
    }

    /// The value as a message may show it; nothing where it is or may be a secret.
    fn shown(&self, value: &Plain) -> Option<String> {
        match (&self.kind, value) {
            (Kind::Secret | Kind::SecretFile, _) => None,
            // User name and password of a URL are secrets too, and its query may hold one.
            (Kind::Text(_), Plain::Text(text)) if text.contains('@') => None,
            (Kind::Text(_), Plain::Text(text)) if text.contains("://") && text.contains(['?', '#']) => None,
            _ => Some(value.shown()),
        }
    }

    fn checked(&self, value: &Plain) -> Result<ValueKind, String> {
        match (&self.kind, value) {
            (Kind::Text(check), Plain::Text(text)) => check(text).map(|()| text.as_str().into()),
            (Kind::Secret | Kind::SecretFile, Plain::Text(text)) if text.trim().is_empty() => {
                Err("must not be empty".into())
            }
            (Kind::Secret | Kind::SecretFile, Plain::Text(text)) => Ok(text.as_str().into()),
            (&Kind::Whole { min, max, step }, &Plain::Whole(n)) => {
                check_whole(n, min, max, step).map(|()| n.into())
            }
            (&Kind::Number { min, max }, &Plain::Number(n)) => check_number(n, min, max).map(|()| n.into()),
            (&Kind::Number { min, max }, &Plain::Whole(n)) => {
                // Every whole number in range is exact as a float; one beyond is refused either way.
                let n = i32::try_from(n).map_or(f64::INFINITY, f64::from);
                check_number(n, min, max).map(|()| n.into())
            }
            (Kind::Switch, Plain::Switch(b)) => Ok((*b).into()),
            (Kind::Choice(allowed), Plain::Text(text)) => match allowed.contains(&text.as_str()) {
                true => Ok(text.as_str().into()),
                false => Err(format!("must be {}", one_of(allowed))),
            },
            (Kind::Texts, Plain::List(items)) => texts(items).map(Into::into),
            _ => Err(format!("must be {}, not {}", self.kind.wanted(), value.kind())),
        }
    }
}

impl Kind {
    fn wanted(&self) -> String {
        match self {
            Self::Text(_) | Self::Secret | Self::SecretFile => "a text in quotes".into(),
            Self::Whole { min, max, .. } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Switch => "true or false".into(),
            Self::Choice(allowed) => one_of(allowed),
            Self::Texts => "a list of texts in brackets".into(),
        }
    }
}

fn texts(items: &[Node]) -> Result<Vec<String>, String> {
    let text = |node: &Node| match &node.value {
        Plain::Text(text) if !text.contains('\0') => Ok(text.clone()),
        Plain::Text(_) => Err("must not hold a NUL character".to_owned()),
        other => Err(format!("must be a list of texts, and {} is in it", other.kind())),
    };
    match items {
        [] => Err("must not be empty".into()),
        _ => items.iter().map(text).collect(),
    }
}

fn one_of(allowed: &[&str]) -> String {
    allowed.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
}

fn check_whole(n: i64, min: i64, max: i64, step: i64) -> Result<(), String> {
    if n < min || n > max {
        return Err(format!("must be from {min} to {max}"));
    }
    match n % step {
        0 => Ok(()),
        over => {
            Err(format!("must be a multiple of {step}; the nearest are {} and {}", n - over, n - over + step))
        }
    }
}

fn check_number(n: f64, min: f64, max: f64) -> Result<(), String> {
    // Not a number is in no range.
    if (min..=max).contains(&n) { Ok(()) } else { Err(format!("must be from {min} to {max}")) }
}

fn check_path(path: &str) -> Result<(), String> {
    if path.trim().is_empty() { Err("must not be empty".into()) } else { Ok(()) }
}

fn check_base_url(text: &str) -> Result<(), String> {
    base_url(text).map(|_| ())
}

/// The base URL, ending in a slash so that endpoints can be joined to it.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("must be a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` or `#`".into());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(
                "must be https: over http the key could be read on the way (http is for loopback only)"
                    .into(),
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

fn check_cron(text: &str) -> Result<(), String> {
    Schedule::new(text, Tz::UTC).map(drop)
}

fn check_timezone(text: &str) -> Result<(), String> {
    timezone(text).map(|_| ())
}

/// The time zone of this IANA name.
pub(super) fn timezone(text: &str) -> Result<Tz, String> {
    Tz::from_str(text).map_err(|_| {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let near = nearest(&text.replace(' ', "_"), names).unwrap_or("UTC");
        format!("is no time zone's IANA name; the nearest is {}", quoted(near))
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
            assert!(base_url(good).unwrap().path().ends_with('/'), "{good}");
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
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_time_zone_is_answered_with_the_nearest() {
        assert_eq!(timezone("Europe/Berlin").unwrap(), Tz::Europe__Berlin);
        assert!(timezone("Europe/Berln").unwrap_err().contains("\"Europe/Berlin\""));
        assert!(timezone("America/New York").unwrap_err().contains("\"America/New_York\""));
    }

    #[test]
    fn every_default_is_in_its_own_range() {
        for key in KEYS {
            let value = match key.default {
                Default::None => continue,
                Default::Text(text) => Plain::Text(text.into()),
                Default::Whole(n) => Plain::Whole(n),
                Default::Number(n) => Plain::Number(n),
                Default::Switch(b) => Plain::Switch(b),
            };
            assert_eq!(key.checked(&value).ok(), key.default_value(), "{}", key.path);
            let (section, _) = key.path.split_once('.').unwrap();
            assert!(SECTIONS.contains(&section));
        }
    }
}
