//! Errors as the two generations of the API word, number and charge them.

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, V1ErrorBody, V1Exhausted, V1Status};
use crate::{Ms, wire};

/// The two generations of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Login token in each body; a status in most answers.
    V1,
    /// Account ids, actions, a standard envelope.
    V2,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The API key is missing or unknown.
    Key,
    /// The session with LinkedIn is over: v1 token expired, v2 account inactive.
    Session,
    /// No such account.
    Account,
    /// No such conversation.
    Conversation,
    /// Parameters are missing or wrong.
    Params,
    /// No such action.
    Action,
    /// No such path.
    Path,
    /// Too many requests.
    RateLimited,
    /// The balance does not pay for it.
    Credits,
    /// LinkedIn could not be reached or answered with nonsense.
    Channel,
    /// The server broke.
    Internal,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// What the answer says.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }

    /// The refusal with the usual words for its cause.
    pub(super) fn plain(cause: Cause) -> Self {
        let message = match cause {
            Cause::Key => "Invalid API key",
            Cause::Session => "LinkedIn session expired, please log in again",
            Cause::Account => "Account not found",
            Cause::Conversation => "Conversation not found",
            Cause::Params => "Invalid parameters",
            Cause::Action => "Invalid action",
            Cause::Path => "Not found",
            Cause::RateLimited => "Rate limit exceeded",
            Cause::Credits => "Insufficient credits",
            Cause::Channel => "The channel did not answer as expected",
            Cause::Internal => "Internal server error",
        };
        Self::new(cause, message)
    }

    /// What the refusal costs: v1 charges its errors except 500, but a request without a valid key, a path or any
    /// credit has nobody or nothing to charge; v2 never charges an error.
    #[must_use]
    pub fn credits(&self, generation: Generation) -> u32 {
        let free = matches!(self.cause, Cause::Key | Cause::Path | Cause::Credits | Cause::Internal);
        u32::from(generation == Generation::V1 && !free)
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self, generation: Generation, behaviour: &Behaviour) -> u16 {
        if generation == Generation::V2 {
            return self.code().1;
        }
        let real = match self.cause {
            Cause::Key => 401,
            Cause::Session | Cause::Account | Cause::Credits => 403,
            Cause::Conversation | Cause::Path => 404,
            Cause::Params | Cause::Action => 400,
            Cause::RateLimited => 429,
            Cause::Channel | Cause::Internal => 500,
        };
        let own = !matches!(self.cause, Cause::Conversation | Cause::Params | Cause::Action | Cause::Channel);
        match (behaviour.v1_status, self.cause) {
            (V1Status::Real, _) => real,
            (_, Cause::Credits) if behaviour.v1_exhausted == V1Exhausted::Status200 => 200,
            (V1Status::Mostly200, _) if own => real,
            (V1Status::Mostly200 | V1Status::Always200, _) => 200,
        }
    }

    /// The body of the answer. `about` is the v2 action and account, as far as they are known.
    #[must_use]
    pub fn body(&self, generation: Generation, behaviour: &Behaviour, about: About<'_>) -> Vec<u8> {
        let body = match generation {
            Generation::V1 => match behaviour.v1_error_body {
                V1ErrorBody::Message => json!({"status": "error", "message": self.message}),
                V1ErrorBody::Data => json!({"status": "error", "data": self.message}),
                V1ErrorBody::Error => json!({"error": self.message}),
                V1ErrorBody::Text => return self.message.clone().into_bytes(),
            },
            Generation::V2 => json!({
                "success": false,
                "error": {"code": self.code().0, "message": self.message},
                "metadata": about.metadata(0, behaviour),
            }),
        };
        body.to_string().into_bytes()
    }

    /// v2's code and HTTP status.
    fn code(&self) -> (&'static str, u16) {
        match self.cause {
            Cause::Key => ("INVALID_API_KEY", 403),
            Cause::Session => ("ACCOUNT_INACTIVE", 403),
            Cause::Account | Cause::Path => ("INVALID_ACCOUNT", 404),
            Cause::Conversation | Cause::Params => ("INVALID_PARAMS", 400),
            Cause::Action => ("INVALID_ACTION", 400),
            Cause::RateLimited => ("RATE_LIMITED", 429),
            Cause::Credits => ("INSUFFICIENT_CREDITS", 402),
            Cause::Channel => ("CHANNEL_ERROR", 200),
            Cause::Internal => ("INTERNAL_ERROR", 500),
        }
    }
}

/// What v2's metadata says about a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The action.
    pub action: Option<&'a str>,
    /// The account.
    pub account_id: Option<&'a str>,
    /// When (ms).
    pub now_ms: Ms,
}

impl About<'_> {
    pub(super) fn metadata(&self, credits: u32, behaviour: &Behaviour) -> Value {
        let mut metadata = json!({"timestamp": wire::iso(self.now_ms)});
        if let Value::Object(fields) = &mut metadata {
            if let Some(credits) = wire::present(behaviour.v2_credits, credits) {
                fields.insert("credits_consumed".into(), json!(credits));
            }
            for (name, value) in [("action", self.action), ("account_id", self.account_id)] {
                if let Some(value) = value {
                    fields.insert(name.into(), value.into());
                }
            }
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSES: [Cause; 11] = [
        Cause::Key,
        Cause::Session,
        Cause::Account,
        Cause::Conversation,
        Cause::Params,
        Cause::Action,
        Cause::Path,
        Cause::RateLimited,
        Cause::Credits,
        Cause::Channel,
        Cause::Internal,
    ];

    #[test]
    fn v1_charges_its_errors_except_500_and_v2_none() {
        let charged: Vec<Cause> =
            CAUSES.into_iter().filter(|c| Refusal::plain(*c).credits(Generation::V1) == 1).collect();
        let expected = [
            Cause::Session,
            Cause::Account,
            Cause::Conversation,
            Cause::Params,
            Cause::Action,
            Cause::RateLimited,
            Cause::Channel,
        ];
        assert_eq!(charged, expected);
        assert!(CAUSES.into_iter().all(|c| Refusal::plain(c).credits(Generation::V2) == 0));
    }

    #[test]
    fn v1_statuses_are_as_real_as_the_behaviour_says() {
        let statuses = |v1_status| {
            let behaviour = Behaviour { v1_status, ..Behaviour::default() };
            CAUSES.map(|c| Refusal::plain(c).status(Generation::V1, &behaviour)).to_vec()
        };
        assert_eq!(statuses(V1Status::Real), [401, 403, 403, 404, 400, 400, 404, 429, 403, 500, 500]);
        assert_eq!(statuses(V1Status::Mostly200), [401, 403, 403, 200, 200, 200, 404, 429, 403, 200, 500]);
        assert!(statuses(V1Status::Always200).into_iter().all(|s| s == 200));
    }

    #[test]
    fn used_up_credits_can_hide_behind_status_200_in_v1() {
        let behaviour = Behaviour { v1_exhausted: V1Exhausted::Status200, ..Behaviour::default() };
        let refusal = Refusal::plain(Cause::Credits);
        assert_eq!(refusal.status(Generation::V1, &behaviour), 200);
        assert_eq!(refusal.status(Generation::V2, &behaviour), 402);
    }

    #[test]
    fn an_error_body_has_the_form_that_is_set() {
        let body = |v1_error_body| {
            let behaviour = Behaviour { v1_error_body, ..Behaviour::default() };
            let body = Refusal::plain(Cause::Params).body(Generation::V1, &behaviour, About::default());
            String::from_utf8(body).unwrap()
        };
        assert_eq!(body(V1ErrorBody::Message), r#"{"message":"Invalid parameters","status":"error"}"#);
        assert_eq!(body(V1ErrorBody::Data), r#"{"data":"Invalid parameters","status":"error"}"#);
        assert_eq!(body(V1ErrorBody::Error), r#"{"error":"Invalid parameters"}"#);
        assert_eq!(body(V1ErrorBody::Text), "Invalid parameters");
    }
}
