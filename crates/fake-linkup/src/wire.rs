//! Pages as JSON, in every form that the switches allow.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Ms;
use crate::behaviour::{Behaviour, CursorForm, EndCursor, HasNext, Presence, SenderForm, TimeForm};
use crate::model::{Author, Conversation, Mailbox, Person, ServerMessage, TypedPage};
use crate::refusal::{About, Generation};

/// A time as ISO 8601 in UTC, whole seconds.
pub(super) fn iso(at_ms: Ms) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_default()
}

/// `None` where the field is left out, `Some(None)` where it is `null`.
pub(super) fn present<T>(presence: Presence, value: T) -> Option<Option<T>> {
    match presence {
        Presence::Present => Some(Some(value)),
        Presence::Null => Some(None),
        Presence::Absent => None,
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Text(String),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Sender<'a> {
    Name(&'a str),
    Object(Member<'a>),
}

/// A member as the inbox and object senders show one.
#[derive(Serialize)]
struct Member<'a> {
    name: &'a str,
    headline: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_me: Option<bool>,
    profile_url: Option<&'a str>,
    profile_picture: Option<&'a str>,
}

impl<'a> Member<'a> {
    fn of(person: &'a Person, is_me: Option<bool>) -> Self {
        Self {
            name: &person.name,
            headline: &person.headline,
            is_me,
            profile_url: person.profile_url.as_deref(),
            profile_picture: person.picture.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct SenderInfo<'a> {
    first_name: &'a str,
    last_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_url: Option<Option<&'a str>>,
}

#[derive(Serialize)]
struct Message<'a> {
    text: &'a str,
    timestamp: Option<Number>,
    sender: Sender<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_info: Option<SenderInfo<'a>>,
    message_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_urn: Option<Option<&'a str>>,
    #[serde(flatten)]
    extra: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct Pagination {
    has_next_page: bool,
}

/// The `data` of a page, of either generation.
#[derive(Serialize)]
struct PageData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_results: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_other_member_message_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_message_count: Option<usize>,
    unread_count: u32,
    last_seen_message: bool,
    last_seen_at: Option<Ms>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Option<Number>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_next_page: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
    #[serde(flatten)]
    extra: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct V1Envelope<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_next_page: Option<bool>,
}

#[derive(Serialize)]
struct V2Envelope<T> {
    success: bool,
    data: T,
    metadata: Value,
}

/// A page to be written.
pub(super) struct PageAnswer<'a> {
    pub(super) generation: Generation,
    pub(super) mailbox: &'a Mailbox,
    pub(super) conversation: &'a Conversation,
    pub(super) page: &'a TypedPage<'a>,
    /// The address in the request, which v1 repeats.
    pub(super) profile_url: Option<&'a str>,
    /// Whether `has_next_page` must be there, whatever the switches say.
    pub(super) force_has_next: bool,
    pub(super) credits: u32,
    pub(super) about: About<'a>,
}

impl PageAnswer<'_> {
    pub(super) fn body(&self, behaviour: &Behaviour) -> Vec<u8> {
        let place = match (self.generation, self.force_has_next) {
            (Generation::V1, false) => behaviour.has_next,
            (Generation::V1, true) if behaviour.has_next != HasNext::Absent => behaviour.has_next,
            (Generation::V1 | Generation::V2, true) => HasNext::Data,
            (Generation::V2, false) => HasNext::Absent,
        };
        let data = self.data(behaviour, place);
        let has_next = (place == HasNext::TopLevel).then_some(self.page.has_next);
        match self.generation {
            Generation::V1 => to_body(&V1Envelope { status: "success", data, has_next_page: has_next }),
            Generation::V2 => to_body(&V2Envelope {
                success: true,
                data,
                metadata: self.about.metadata(self.credits, behaviour),
            }),
        }
    }

    fn data(&self, behaviour: &Behaviour, place: HasNext) -> PageData<'_> {
        let c = self.conversation;
        let v1 = self.generation == Generation::V1;
        let named = if v1 { behaviour.v1_conversation_id } else { behaviour.v2_conversation_id };
        let has_next = self.page.has_next;
        let last = c.last();
        PageData {
            conversation_id: named.then_some(c.urn.as_str()),
            profile_url: self.profile_url.filter(|_| v1),
            total_results: v1.then_some(self.page.messages.len()),
            total_other_member_message_count: v1
                .then(|| c.visible().filter(|m| m.author != Author::Owner).count()),
            total_message_count: (!v1 && behaviour.v2_total).then(|| c.visible().count()),
            unread_count: c.unread,
            last_seen_message: last.is_some_and(|m| c.last_seen_at.is_some_and(|seen| seen >= m.at_ms)),
            last_seen_at: c.last_seen_at,
            messages: self.page.messages.iter().map(|m| self.message(m, behaviour)).collect(),
            next_cursor: cursor(self.page.next_cursor, behaviour),
            has_next_page: (place == HasNext::Data).then_some(has_next),
            pagination: (place == HasNext::Pagination).then_some(Pagination { has_next_page: has_next }),
            extra: behaviour.extra_fields.then(page_extra),
        }
    }

    fn message<'a>(&'a self, m: &'a ServerMessage, behaviour: &Behaviour) -> Message<'a> {
        let person = self.mailbox.author(self.conversation, m.author);
        let v1 = self.generation == Generation::V1;
        let sender = match behaviour.sender {
            SenderForm::Object if v1 => Sender::Object(Member::of(person, None)),
            SenderForm::Name | SenderForm::Object => Sender::Name(&person.name),
        };
        let sender_info = behaviour.sender_info.then(|| SenderInfo {
            first_name: &person.first_name,
            last_name: &person.last_name,
            profile_url: (!v1).then_some(person.profile_url.as_deref()),
        });
        let mut extra = m.extra.as_deref().cloned();
        if behaviour.extra_fields {
            extra.get_or_insert_default().extend(message_extra(m));
        }
        Message {
            text: &m.text,
            timestamp: time(m.at_ms, behaviour.timestamps),
            sender,
            sender_info,
            message_type: &m.kind,
            entity_urn: present(behaviour.entity_urn, m.urn.as_str()),
            extra,
        }
    }
}

fn time(at_ms: Ms, form: TimeForm) -> Option<Number> {
    match form {
        TimeForm::Millis => Some(Number::Plain(at_ms)),
        TimeForm::String => Some(Number::Text(at_ms.to_string())),
        TimeForm::Seconds => Some(Number::Plain(at_ms.div_euclid(1000))),
        TimeForm::Null => None,
    }
}

fn cursor(next: Option<Ms>, behaviour: &Behaviour) -> Option<Option<Number>> {
    match (next, behaviour.cursor_form, behaviour.end_cursor) {
        (Some(ms), CursorForm::String, _) => Some(Some(Number::Text(ms.to_string()))),
        (Some(ms), CursorForm::Number, _) => Some(Some(Number::Plain(ms))),
        (None, _, EndCursor::Null) => Some(None),
        (None, _, EndCursor::Empty) => Some(Some(Number::Text(String::new()))),
        (None, _, EndCursor::Absent) => None,
    }
}

/// Fields such as a later version of the API might add; the same for the same message.
fn message_extra(m: &ServerMessage) -> Map<String, Value> {
    let mut extra = Map::new();
    extra.insert("attachments".into(), json!([]));
    extra.insert("is_edited".into(), json!(!m.earlier.is_empty()));
    extra.insert("reactions".into(), json!([{"emoji": "👍", "count": m.serial % 3}]));
    extra.insert("weight".into(), json!(0.5));
    extra
}

fn page_extra() -> Map<String, Value> {
    let mut extra = Map::new();
    extra.insert("served_by".into(), json!({"region": "eu", "cached": null}));
    extra
}

/// A success of v1: fields beside `status`, as the login endpoints answer.
pub(super) fn v1_flat(mut fields: Value) -> Vec<u8> {
    if let Value::Object(fields) = &mut fields {
        fields.insert("status".into(), "success".into());
    }
    fields.to_string().into_bytes()
}

/// A success of v1 with `data`.
pub(super) fn v1_data(data: &Value) -> Vec<u8> {
    to_body(&V1Envelope { status: "success", data, has_next_page: None })
}

/// A success of v2.
pub(super) fn v2_data(data: &Value, credits: u32, about: About<'_>, behaviour: &Behaviour) -> Vec<u8> {
    to_body(&V2Envelope { success: true, data, metadata: about.metadata(credits, behaviour) })
}

/// An inbox row's idea of a member.
pub(super) fn member(person: &Person, is_me: Option<bool>) -> Value {
    serde_json::to_value(Member::of(person, is_me)).unwrap_or_default()
}

fn to_body(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
