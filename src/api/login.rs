//! Logging in: v1 gives a token, v2 connects an account; either may ask for a challenge to be passed first.

use serde_json::json;

use super::reply::Object;
use super::request_body;
use super::scrub::Scrubber;
use crate::api::conversation::data;
use crate::api::outcome::{Unusable, says_success};
use crate::core::model::api_version::ApiVersion;
use crate::secret::Secret;

/// What a new session is asked for with.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    /// What LinkedIn knows its member by.
    Password {
        /// The address.
        email: &'a str,
        /// The password.
        password: &'a Secret,
    },
    /// A session that there is already (v2).
    Token(&'a Secret),
}

/// A request for a session.
#[derive(Debug, Clone, Copy)]
pub struct LoginRequest<'a> {
    /// What with.
    pub credentials: Credentials<'a>,
    /// The country that LinkedIn is reached from.
    pub country: &'a str,
    /// What the vendor is to call the account (v2).
    pub name: &'a str,
    /// How LinkedIn is to make sure that it is its member (v2).
    pub challenge: Means,
}

/// How LinkedIn makes sure that it is its member who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A code that it sends.
    Code,
    /// A question in its app.
    App,
}

/// What came of a login, or of passing a challenge.
#[derive(Debug, Clone)]
pub enum Session {
    /// The session itself (v1).
    Token(Secret),
    /// The account of this id is connected (v2).
    Connected(String),
    /// LinkedIn has sent a code (v1).
    CodeSent {
        /// The API's words.
        said: String,
    },
    /// LinkedIn wants to make sure (v2).
    Challenged {
        /// The account that it is about.
        account_id: String,
        /// How.
        means: Means,
    },
}

/// A challenge that is passed.
#[derive(Debug, Clone, Copy)]
pub enum Challenge<'a> {
    /// v1's.
    V1 {
        /// Whose.
        email: &'a str,
        /// As in the login.
        country: &'a str,
        /// What LinkedIn sent.
        code: &'a Secret,
    },
    /// v2's.
    V2 {
        /// Whose.
        account_id: &'a str,
        /// What LinkedIn sent; none where the login was confirmed in its app.
        code: Option<&'a Secret>,
    },
}

impl LoginRequest<'_> {
    /// The body of the request. v1 knows no login by token: there, it is the token.
    pub(super) fn body(&self, version: ApiVersion) -> Vec<u8> {
        let (email, password, token) = match self.credentials {
            Credentials::Password { email, password } => (Some(email), Some(password.expose()), None),
            Credentials::Token(token) => (None, None, Some(token.expose())),
        };
        let challenge = match self.challenge {
            Means::Code => "code_challenge",
            Means::App => "app_challenge",
        };
        request_body(match version {
            ApiVersion::V1 => json!({ "email": email, "password": password, "country": self.country }),
            ApiVersion::V2 => json!({
                "platform": "linkedin",
                "login_token": token,
                "email": email,
                "password": password,
                "country": self.country,
                "account_name": self.name,
                "challenge_type": password.map(|_| challenge),
            }),
        })
    }

    /// What no error may show. The address is no secret, but none of the archive's business either.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self.credentials {
            Credentials::Password { email, password } => vec![password.clone(), Secret::new(email)],
            Credentials::Token(token) => vec![token.clone()],
        }
    }
}

impl Challenge<'_> {
    pub(super) fn body(&self) -> Vec<u8> {
        let code = self.code().map(Secret::expose);
        request_body(match *self {
            Self::V1 { email, country, .. } => json!({ "email": email, "code": code, "country": country }),
            Self::V2 { account_id, .. } => json!({ "account_id": account_id, "code": code }),
        })
    }

    pub(super) fn code(&self) -> Option<&Secret> {
        match *self {
            Self::V1 { code, .. } => Some(code),
            Self::V2 { code, .. } => code,
        }
    }

    /// Where it goes, as the ledger names it as well.
    #[must_use]
    pub fn endpoint(&self) -> &'static str {
        match self {
            Self::V1 { .. } => "v1/auth/verify",
            Self::V2 { .. } => "v2/checkpoint",
        }
    }
}

/// Where a session is asked for, as the ledger names it as well.
#[must_use]
pub fn endpoint(version: ApiVersion) -> &'static str {
    match version {
        ApiVersion::V1 => "v1/auth/login",
        ApiVersion::V2 => "v2/login",
    }
}

/// Reads the answer to a login.
pub(super) fn read(body: &Object<'_>, version: ApiVersion, scrubber: &Scrubber) -> Result<Session, Unusable> {
    if version == ApiVersion::V2 {
        return account(body, scrubber);
    }
    // Both of v1's answers are a success; only a token is a token.
    match token(body)? {
        Some(token) => Ok(Session::Token(token)),
        None if says_success(body) => {
            let said = body.string("message").unwrap_or_default();
            Ok(Session::CodeSent { said: scrubber.clean(&said) })
        }
        None => Err(Unusable::new("it has no `login_token` and does not say that a code was sent")),
    }
}

/// Reads the answer to a challenge that was passed.
pub(super) fn read_passed(
    body: &Object<'_>,
    version: ApiVersion,
    scrubber: &Scrubber,
) -> Result<Session, Unusable> {
    match version {
        ApiVersion::V1 => {
            token(body)?.map(Session::Token).ok_or_else(|| Unusable::new("it has no `login_token`"))
        }
        ApiVersion::V2 => account(body, scrubber),
    }
}

/// v1's token, which stands at the top; where v1's other answers keep things it is looked for as well.
fn token(body: &Object<'_>) -> Result<Option<Secret>, Unusable> {
    let within = || body.object("data")?.string("login_token");
    let Some(token) = body.string("login_token").or_else(within).map(Secret::from) else { return Ok(None) };
    if token.is_empty() || !token.expose().chars().all(|c| c.is_ascii_graphic()) {
        return Err(Unusable::new(
            "its `login_token` is none: it holds white space or other such characters",
        ));
    }
    Ok(Some(token))
}

/// v2's account, connected or challenged.
fn account(body: &Object<'_>, scrubber: &Scrubber) -> Result<Session, Unusable> {
    let data = data(body)?;
    let id = data.string("account_id").map(|id| id.trim().to_owned());
    let id = id.filter(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_graphic()));
    let account_id = id.ok_or_else(|| Unusable::new("its `data` has no `account_id`"))?;
    let status = data.string("status").unwrap_or_default().to_ascii_lowercase();
    match status.as_str() {
        "connected" | "active" => Ok(Session::Connected(account_id)),
        "checkpoint_required" => {
            let app = data.string("challenge_type").is_some_and(|t| t.to_ascii_lowercase().contains("app"));
            Ok(Session::Challenged { account_id, means: if app { Means::App } else { Means::Code } })
        }
        other => {
            let other = scrubber.clean(other);
            let why = format!("its `status` is neither connected nor checkpoint_required, but `{other}`");
            Err(Unusable::new(why))
        }
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
