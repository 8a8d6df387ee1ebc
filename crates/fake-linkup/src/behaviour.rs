//! Switches for everything that the API's documentation leaves open.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether a cursor's own millisecond belongs to the page below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CursorRule {
    /// Only what is older.
    #[default]
    Exclusive,
    /// What is older or as old.
    Inclusive,
}

/// How a cursor is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CursorForm {
    /// As a string.
    #[default]
    String,
    /// As a number.
    Number,
}

/// What stands for the cursor where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCursor {
    /// `null`.
    #[default]
    Null,
    /// Nothing: no such field.
    Absent,
    /// The empty string.
    Empty,
}

/// Where `has_next_page` stands in a v1 answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HasNext {
    /// In `data`.
    #[default]
    Data,
    /// In `data.pagination`.
    Pagination,
    /// Beside `data`.
    TopLevel,
    /// Nowhere.
    Absent,
}

/// How the time of a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeForm {
    /// Milliseconds as a number.
    #[default]
    Millis,
    /// Milliseconds as a string.
    String,
    /// Whole seconds as a number.
    Seconds,
    /// `null`.
    Null,
}

/// How the sender of a message is written in a v1 conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SenderForm {
    /// The name as a string.
    #[default]
    Name,
    /// An object, as in the inbox.
    Object,
}

/// Whether a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// With its value.
    #[default]
    Present,
    /// As `null`.
    Null,
    /// Not at all.
    Absent,
}

/// What a v1 request is charged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pricing {
    /// By the results in the answer.
    #[default]
    Returned,
    /// By the results asked for.
    Requested,
}

/// The HTTP status of v1 errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum V1Status {
    /// 200 for what is wrong with the request, real codes for keys, tokens, limits and faults.
    #[default]
    Mostly200,
    /// 200 for everything.
    Always200,
    /// The real code for everything.
    Real,
}

/// The form of a v1 error's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum V1ErrorBody {
    /// `{"status":"error","message":…}`
    #[default]
    Message,
    /// `{"status":"error","data":…}`
    Data,
    /// `{"error":…}`
    Error,
    /// No JSON at all.
    Text,
}

/// How v1 says that the credits are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum V1Exhausted {
    /// 403, like an expired token.
    #[default]
    Forbidden,
    /// 200 and a body with `"status":"error"`.
    Status200,
}

/// How a login goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginStyle {
    /// The token at once.
    #[default]
    Direct,
    /// A code by mail first.
    Code,
}

/// The other side of a conversation in an inbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParticipantForm {
    /// One object; of a group an array.
    #[default]
    ArrayForGroups,
    /// One object, also of a group: the first member.
    First,
    /// One object; of a group `null`.
    NullForGroups,
    /// One object; of a group no such field.
    AbsentForGroups,
}

/// All switches. The default is the documented behaviour where there is one, and the likeliest where not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Whether cursors are inclusive.
    pub cursor: CursorRule,
    /// How `next_cursor` is written.
    pub cursor_form: CursorForm,
    /// What `next_cursor` is at the end.
    pub end_cursor: EndCursor,
    /// Where `has_next_page` stands.
    pub has_next: HasNext,
    /// Whether messages have an `entity_urn`.
    pub entity_urn: Presence,
    /// How timestamps are written.
    pub timestamps: TimeForm,
    /// How senders are written.
    pub sender: SenderForm,
    /// Whether messages have `sender_info`.
    pub sender_info: bool,
    /// Whether every message and every page has fields that nobody documented.
    pub extra_fields: bool,
    /// Whether a v1 page names its conversation.
    pub v1_conversation_id: bool,
    /// Whether a v2 page names its conversation.
    pub v2_conversation_id: bool,
    /// Whether a v2 page tells the thread's number of messages.
    pub v2_total: bool,
    /// Whether v2 tells what it charged.
    pub v2_credits: Presence,
    /// What v1 charges by.
    pub v1_pricing: Pricing,
    /// Price of an answer without results.
    pub empty_charge: u32,
    /// The status of v1 errors.
    pub v1_status: V1Status,
    /// The body of v1 errors.
    pub v1_error_body: V1ErrorBody,
    /// How v1 says that the credits are used up.
    pub v1_exhausted: V1Exhausted,
    /// How logins go.
    pub login: LoginStyle,
    /// How groups look in the inbox.
    pub participants: ParticipantForm,
    /// The most messages in a page, whatever is asked for; `None` is without limit.
    pub page_limit: Option<u32>,
    /// The most inbox rows that can be asked for.
    pub inbox_limit: u32,
    /// Requests a minute before 429; `None` is without limit, though 300 is documented.
    pub requests_per_minute: Option<u32>,
    /// How long an answer takes on the socket (ms).
    pub latency_ms: u64,
    /// How far the clock of its `Date` headers is ahead (ms); `None` is without such headers.
    pub date_ahead_ms: Option<i64>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            cursor: CursorRule::default(),
            cursor_form: CursorForm::default(),
            end_cursor: EndCursor::default(),
            has_next: HasNext::default(),
            entity_urn: Presence::default(),
            timestamps: TimeForm::default(),
            sender: SenderForm::default(),
            sender_info: true,
            extra_fields: false,
            v1_conversation_id: true,
            v2_conversation_id: false,
            v2_total: true,
            v2_credits: Presence::default(),
            v1_pricing: Pricing::default(),
            empty_charge: 1,
            v1_status: V1Status::default(),
            v1_error_body: V1ErrorBody::default(),
            v1_exhausted: V1Exhausted::default(),
            login: LoginStyle::default(),
            participants: ParticipantForm::default(),
            page_limit: None,
            inbox_limit: 25,
            requests_per_minute: None,
            latency_ms: 0,
            date_ahead_ms: None,
        }
    }
}

impl Behaviour {
    /// Whether cursors are inclusive.
    #[must_use]
    pub fn inclusive(&self) -> bool {
        self.cursor == CursorRule::Inclusive
    }

    /// These switches with those of a JSON object changed.
    ///
    /// # Errors
    /// When a name or a value is not known.
    pub fn changed(&self, switches: &Value) -> Result<Self, String> {
        let Value::Object(switches) = switches else { return Err("an object of switches is wanted".into()) };
        let mut all = serde_json::to_value(self).map_err(|e| e.to_string())?;
        if let Value::Object(all) = &mut all {
            all.extend(switches.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        serde_json::from_value(all).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_few_switches_can_be_changed_and_the_rest_stays() {
        let before = Behaviour { empty_charge: 0, ..Behaviour::default() };
        let after = before.changed(&json!({"cursor": "inclusive", "has_next": "top-level"})).unwrap();
        assert_eq!(
            after,
            Behaviour { cursor: CursorRule::Inclusive, has_next: HasNext::TopLevel, ..before.clone() }
        );
        assert!(before.changed(&json!({"curser": "inclusive"})).is_err());
        assert!(before.changed(&json!({"cursor": "sideways"})).is_err());
        assert!(before.changed(&json!([])).is_err());
    }
}
