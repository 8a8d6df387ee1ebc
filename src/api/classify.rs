//! What kind of failure an error body speaks of, by its words and the HTTP status.
//!
//! v1 has no error codes and answers most errors with HTTP 200, so that words are all there is to tell an
//! expired token, which must stop the account, from a wrong id, which must stop one target only.

use serde_json::value::RawValue;

use crate::api::policy::FailureKind;
use crate::api::reply::Object;
use crate::core::raw::read_string;

/// All that an error body says in words, in one text; empty when it says nothing.
pub(super) fn words(top: &Object<'_>) -> String {
    let mut said: Vec<String> = Vec::new();
    for name in ["error", "message", "error_message", "msg", "detail", "details", "reason", "code", "data"] {
        if let Some(value) = top.get(name) {
            collect(value, &mut said, 2);
        }
    }
    said.join(": ")
}

/// The HTTP status that an error body gives as a number, where it is one that says what to do.
pub(super) fn status(top: &Object<'_>) -> Option<u16> {
    let inner = top.object("error");
    let places = [Some(top), inner.as_ref()];
    let numbers = places.into_iter().flatten().flat_map(|place| {
        ["status_code", "code", "status"].into_iter().filter_map(|name| place.integer(name))
    });
    numbers.filter_map(|n| u16::try_from(n).ok()).find(|n| matches!(n, 401..=403 | 429))
}

fn collect(value: &RawValue, said: &mut Vec<String>, depth: u8) {
    if let Some(text) = read_string(value) {
        let text = text.trim();
        if !text.is_empty() && !said.iter().any(|s| s == text) {
            said.push(text.to_owned());
        }
    } else if depth == 0 {
    } else if let Some(object) = Object::parse(value.get()) {
        for name in ["code", "message", "msg", "detail", "error", "reason"] {
            if let Some(value) = object.get(name) {
                collect(value, said, depth - 1);
            }
        }
    } else if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        for value in list.into_iter().take(3) {
            collect(value, said, depth - 1);
        }
    }
}

/// What an error is about.
pub(super) fn kind(status: u16, words: &str) -> FailureKind {
    let said = Wording::new(words);
    match status {
        402 => FailureKind::Credits,
        400..=499 if said.no_credits() => FailureKind::Credits,
        401 | 403 if said.key() => FailureKind::Key,
        401 | 403 => FailureKind::Account,
        408 | 500 | 502..=504 | 520..=529 => FailureKind::Transient,
        501..=599 => FailureKind::Refused,
        429 => FailureKind::RateLimited,
        // A wrong token may also be called a wrong parameter; taken for one, it would cost a credit a target.
        400 | 422 if said.key() && said.refusal() => FailureKind::Key,
        400 | 422 if said.session() && said.refusal() => FailureKind::Account,
        300..=499 => FailureKind::Refused,
        _ if said.no_credits() => FailureKind::Credits,
        _ if said.too_many() => FailureKind::RateLimited,
        _ if said.key() => FailureKind::Key,
        _ if said.session() => FailureKind::Account,
        _ => FailureKind::Refused,
    }
}

/// A text to look for topics in.
struct Wording(String);

impl Wording {
    fn new(words: &str) -> Self {
        Self(words.to_lowercase().replace(['_', '-'], " "))
    }

    fn any(&self, topics: &[&str]) -> bool {
        topics.iter().any(|t| self.0.contains(t))
    }

    /// Credits that are lacking. "This call was charged 1 credit: token expired" speaks of a token.
    fn no_credits(&self) -> bool {
        self.any(&["credit", "quota"])
            && !self.any(&["credential"])
            && (!(self.session() || self.key())
                || self.any(&[
                    "insufficient",
                    "not enough",
                    "no more credit",
                    "no credits left",
                    "no credits remaining",
                    "out of credit",
                    "exhausted",
                    "depleted",
                    "used up",
                    "run out",
                    "ran out",
                ]))
    }

    fn too_many(&self) -> bool {
        self.any(&["too many", "rate limit", "ratelimit", "slow down", "throttl"])
    }

    fn key(&self) -> bool {
        self.any(&["api key", "apikey"])
    }

    fn session(&self) -> bool {
        // A token of paging is not one of login.
        let login = [
            "session",
            "cookie",
            "li at",
            "log in",
            "login",
            "logged",
            "unauthori",
            "authenticat",
            "credential",
            "forbidden",
            "access denied",
        ];
        let account = ["checkpoint", "challenge", "reconnect", "disconnected", "restricted", "suspended"];
        self.any(&login)
            || self.any(&account)
            || (self.any(&["token", "expired"]) && !self.any(&["cursor", "page token"]))
    }

    fn refusal(&self) -> bool {
        self.any(&[
            "invalid",
            "expired",
            "revoked",
            "wrong",
            "missing",
            "required",
            "unauthori",
            "not valid",
            "bad",
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_words_tell_what_to_do() {
        use FailureKind::{Account, Credits, Key, RateLimited, Refused, Transient};
        for (status, said, expected) in [
            (200, "Invalid login_token", Account),
            (200, "Your session has expired", Account),
            (200, "LinkedIn cookie is no longer valid", Account),
            (200, "Please log in again", Account),
            (200, "Invalid API key", Key),
            (200, "x-api-key is missing", Key),
            (200, "Not enough credits", Credits),
            (200, "INSUFFICIENT_CREDITS", Credits),
            (200, "No credits left. Log in to buy more", Credits),
            (200, "Token expired, no credits were charged", Account),
            (200, "1 credit charged: token expired", Account),
            (200, "Too many requests", RateLimited),
            (200, "Rate limit exceeded for this API key", RateLimited),
            (200, "Conversation not found", Refused),
            (200, "Invalid cursor token", Refused),
            (200, "Something went wrong", Refused),
            (200, "", Refused),
            (302, "", Refused),
            (400, "conversation_id or linkedin_url is required", Refused),
            (400, "login_token is required", Account),
            (400, "Invalid API key", Key),
            (401, "", Account),
            (401, "Invalid API key", Key),
            (402, "", Credits),
            (402, "token", Credits),
            (403, "Forbidden", Account),
            (403, "Invalid credentials", Account),
            (403, "You have insufficient credits left", Credits),
            (403, "API key disabled", Key),
            (404, "token not found", Refused),
            (404, "", Refused),
            (408, "", Transient),
            (429, "slow down", RateLimited),
            (429, "", RateLimited),
            (500, "Invalid token", Transient),
            (503, "", Transient),
            (501, "", Refused),
            (505, "Your session", Refused),
            (522, "", Transient),
            (200, "Authentication failed", Account),
            (200, "Invalid credentials", Account),
            (200, "Forbidden", Account),
            (200, "Access denied", Account),
            (200, "LinkedIn account restricted", Account),
            (200, "Expired", Account),
            (200, "Cursor expired", Refused),
            (200, "Monthly quota exceeded", Credits),
        ] {
            assert_eq!(kind(status, said), expected, "{status} {said}");
        }
    }

    #[test]
    fn a_body_may_carry_the_status_that_its_answer_should_have() {
        for (json, expected) in [
            (r#"{"status":"error","code":403}"#, Some(403)),
            (r#"{"error":{"status_code":"402"}}"#, Some(402)),
            (r#"{"status":429}"#, Some(429)),
            (r#"{"status":"error","code":404}"#, None),
            (r#"{"status":"error","code":"FORBIDDEN"}"#, None),
        ] {
            assert_eq!(status(&Object::parse(json).unwrap()), expected, "{json}");
        }
    }

    #[test]
    fn words_are_found_wherever_an_error_body_has_them() {
        for (json, said) in [
            (r#"{"status":"error","message":"m"}"#, "m"),
            (r#"{"status":"error","data":"d"}"#, "d"),
            (r#"{"error":"e"}"#, "e"),
            (r#"{"error":{"code":"C","message":"m"},"message":"m"}"#, "C: m"),
            (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, "field required"),
            (r#"{"error":true,"message":null,"data":{"message":"deep"}}"#, "deep"),
            (r#"{"error":{"error":{"error":{"message":"too deep"}}}}"#, ""),
            ("{}", ""),
        ] {
            assert_eq!(words(&Object::parse(json).unwrap()), said, "{json}");
        }
    }
}
