//! From an answer to an outcome and its price: what v1 and v2 have in common.
//!
//! The body is asked first, then the HTTP status, because v1 answers most errors with 200. Nothing but a list
//! that can be read is ever taken for one: an answer that says success and holds none is malformed.

use crate::api::classify;
use crate::api::error::ApiError;
use crate::api::lenient;
use crate::api::policy::FailureKind;
use crate::api::reply::{Cut, Object, Reply};
use crate::api::scrub::Scrubber;
use crate::api::{v1, v2};
use crate::core::budget::Charge;
use crate::core::model::api_version::ApiVersion;

/// What an answer turned out to be, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading<T> {
    pub(super) charge: Charge,
    pub(super) outcome: Result<T, ApiError>,
}

/// Why an answer that is no error cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) why: String,
    /// How many items its list held, when there was one.
    pub(super) returned: Option<u32>,
}

impl Unusable {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), returned: None }
    }
}

/// What the price depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// A list with so many items.
    List(u32),
    /// What was asked for, which is no list.
    NoList,
    /// An error.
    Error,
    /// Neither: nobody can tell whether it was charged.
    Neither,
}

/// Judges an answer; `read` takes what was asked for out of the body, and says how many items its list held.
pub(super) fn judge<T>(
    version: ApiVersion,
    reply: &Reply,
    scrubber: &Scrubber,
    read: impl FnOnce(&Object<'_>) -> Result<(T, Seen), Unusable>,
) -> Reading<T> {
    let text = scrubber.mask(reply.text());
    let is_whole = reply.cut.is_none();
    let repaired = (is_whole && Object::parse(&text).is_none()).then(|| lenient::repair(&text)).flatten();
    let body = Object::parse(repaired.as_deref().unwrap_or(&text));
    let charge = |seen| match version {
        ApiVersion::V1 => v1::charge(reply.status, seen),
        ApiVersion::V2 => v2::charge(body.as_ref(), seen),
    };
    let failed = |seen, error| Reading { charge: charge(seen), outcome: Err(error) };
    let malformed = |seen, why| failed(seen, ApiError::new(FailureKind::Malformed, why));
    // What a gateway answers in the API's place tells nothing of what the API has done, and charged, behind it.
    let own = body.as_ref().is_some_and(is_own);
    let refused = || {
        let seen = if own { Seen::Error } else { Seen::Neither };
        failed(seen, error(version, reply, body.as_ref(), own, &text, scrubber))
    };

    match &reply.cut {
        Some(Cut::TooLarge) if reply.ok() => {
            return malformed(Seen::Neither, "it is larger than any honest answer".to_owned());
        }
        Some(Cut::Broken(why)) if reply.ok() => {
            let message = format!("the answer broke off: {}", scrubber.clean(why));
            return failed(Seen::Neither, ApiError::new(FailureKind::Transient, message));
        }
        _ => {}
    }
    let Some(body) = &body else {
        if !reply.ok() {
            return refused();
        }
        let why = format!("HTTP {} with {} instead of JSON", reply.status, nature(&text));
        return malformed(Seen::Neither, why);
    };
    let says = says(body);
    if says == Says::Failure || (says == Says::Nothing && !reply.ok()) {
        return refused();
    }
    match read(body) {
        Ok((value, seen)) => Reading { charge: charge(seen), outcome: Ok(value) },
        Err(_) if !reply.ok() || (says == Says::Nothing && !classify::words(body).is_empty()) => refused(),
        Err(Unusable { why, returned }) => {
            let said = classify::words(body);
            let why = if said.is_empty() { why } else { format!("{why}: {}", scrubber.clean(&said)) };
            malformed(returned.map_or(Seen::Neither, Seen::List), why)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Success,
    Failure,
    Nothing,
}

fn says(body: &Object<'_>) -> Says {
    let status = body.string("status").map(|s| s.to_ascii_lowercase());
    match status.as_deref() {
        Some("success" | "ok") => return Says::Success,
        Some("error" | "fail" | "failed" | "failure") => return Says::Failure,
        _ => {}
    }
    match body.flag("success") {
        Some(true) => return Says::Success,
        Some(false) => return Says::Failure,
        None => {}
    }
    match body.get("error").map(|e| e.get()) {
        None | Some("false" | "\"\"" | "{}" | "[]") => Says::Nothing,
        Some(_) => Says::Failure,
    }
}

/// Whether a body has the form of the API's own answers.
fn is_own(body: &Object<'_>) -> bool {
    says(body) != Says::Nothing
        || body.string("status").is_some_and(|status| status.parse::<u16>().is_err())
        || body.member("data").is_some()
        || (body.get("detail").is_some() && body.get("title").is_none())
}

/// Whether the body itself says that all went well.
pub(super) fn says_success(body: &Object<'_>) -> bool {
    says(body) == Says::Success
}

fn error(
    version: ApiVersion,
    reply: &Reply,
    body: Option<&Object<'_>>,
    own: bool,
    text: &str,
    scrubber: &Scrubber,
) -> ApiError {
    let said = match body {
        Some(body) => classify::words(body),
        None if is_markup(text) => String::new(),
        None => text.chars().take(500).collect(),
    };
    let told = body.filter(|_| reply.ok()).and_then(classify::status);
    let coded = body.filter(|_| version == ApiVersion::V2).and_then(v2::coded);
    let kind = match coded {
        Some(kind) => kind,
        None if !own && is_of_a_gateway(reply.status, &said) => FailureKind::Transient,
        None => classify::kind(told.unwrap_or(reply.status), &said),
    };
    let mut message = format!("HTTP {}", reply.status);
    if let Some(host) = &reply.redirect_host {
        message.push_str(&format!(", a redirect to {}, which is not followed", scrubber.clean(host)));
    }
    let said = scrubber.clean(&said);
    if !said.is_empty() {
        message.push_str(": ");
        message.push_str(&said);
    }
    ApiError { kind, message, retry_after: reply.retry_after.filter(|_| kind.may_pass()) }
}

/// Whether an answer that is not the API's own says nothing about what was asked for. A CDN or a proxy refuses whom it
/// likes for a while: no session ends, no balance is used up by its words.
fn is_of_a_gateway(status: u16, said: &str) -> bool {
    matches!(status, 401..=403 | 407) || ((400..500).contains(&status) && status != 429 && said.is_empty())
}

fn is_markup(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

fn nature(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        None => "an empty body",
        Some(b'<') => "HTML",
        Some(b'{') => "a cut or broken object",
        Some(b'[') => "a list or a piece of one",
        Some(_) => "something else",
    }
}
