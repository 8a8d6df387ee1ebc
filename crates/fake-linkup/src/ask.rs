//! What a request asks for: its path, its account, its parameters, and what is wrong with them.

use serde_json::{Map, Value};

use crate::Ms;
use crate::inbox::{Category, InboxCursor};
use crate::refusal::{Cause, Generation, Refusal};
use crate::server::{Account, Call, Request, Server};

/// The proxy countries of the documentation.
pub(super) const COUNTRIES: [&str; 11] = ["US", "UK", "FR", "DE", "NL", "IT", "IL", "CA", "BR", "ES", "IN"];

/// A request that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Conversation(ConversationAsk),
    Inbox(InboxAsk),
    V1Login,
    V1Verify,
    V2Login,
    V2Checkpoint,
    Accounts,
    Account(usize),
    Credits,
    /// Watch this account.
    Watch(usize),
    /// Delete this webhook.
    Unwatch(usize),
    /// The events of this webhook.
    Events(usize),
}

/// A page of a conversation is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConversationAsk {
    pub(super) account: usize,
    pub(super) conversation: usize,
    pub(super) count: u32,
    pub(super) cursor: Option<Ms>,
    /// The address by which the conversation was named.
    pub(super) profile_url: Option<String>,
}

/// A page of the inbox is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InboxAsk {
    pub(super) account: usize,
    pub(super) count: u32,
    pub(super) category: Category,
    pub(super) cursor: Option<InboxCursor>,
}

/// Reads a request. Whatever is found out about it on the way stands in `call`, also when it is refused.
pub(super) fn read(server: &Server, request: &Request<'_>, call: &mut Call<'_>) -> Result<Ask, Refusal> {
    let path = call.row.path.clone();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method, parts.as_slice()) {
        ("POST", ["v1", "messages", "conversation"]) => with_body(call, |body, call| {
            let account = v1_account(server, &body, call)?;
            conversation(server, account, &body, call).map(Ask::Conversation)
        }),
        ("POST", ["v1", "messages", "inbox"]) => with_body(call, |body, call| {
            let account = v1_account(server, &body, call)?;
            inbox(account, &body, call).map(Ask::Inbox)
        }),
        ("POST", ["v1", "auth", "login"]) => Ok(Ask::V1Login),
        ("POST", ["v1", "auth", "verify"]) => Ok(Ask::V1Verify),
        ("POST", ["v2", "messages"]) => with_body(call, |body, call| action(server, &body, call)),
        ("POST", ["v2", "login"]) => Ok(Ask::V2Login),
        ("POST", ["v2", "checkpoint"]) => Ok(Ask::V2Checkpoint),
        ("GET", ["v2", "accounts"]) => Ok(Ask::Accounts),
        ("GET", ["v2", "accounts", id]) => {
            let index = find(server, call, |a| a.account_id == *id);
            index.map(Ask::Account).ok_or_else(|| Refusal::plain(Cause::Account))
        }
        ("GET", ["v2", "credits"]) => Ok(Ask::Credits),
        ("POST", ["v2", "webhooks"]) => {
            with_body(call, |body, call| v2_account(server, &body, call).map(Ask::Watch))
        }
        ("GET", ["v2", "webhooks", id, "events"]) => webhook(server, id).map(Ask::Events),
        ("DELETE", ["v2", "webhooks", id]) => webhook(server, id).map(Ask::Unwatch),
        _ => Err(Refusal::plain(Cause::Path)),
    }
}

/// Runs `act` with the body's fields beside the call that they came in.
fn with_body<T>(
    call: &mut Call<'_>,
    act: impl FnOnce(Fields<'_>, &mut Call<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let body = std::mem::take(&mut call.body);
    let done = match &body {
        Value::Object(fields) => act(Fields(fields), call),
        _ => {
            call.notes.push("the body is no JSON object".to_owned());
            Err(Refusal::new(Cause::Params, "Invalid JSON body"))
        }
    };
    call.body = body;
    done
}

fn find(server: &Server, call: &mut Call<'_>, is: impl Fn(&Account) -> bool) -> Option<usize> {
    let index = server.accounts.iter().position(is)?;
    call.row.account = Some(index);
    Some(index)
}

/// A webhook that was not deleted. Another one is answered like a path that is not there: with 404.
fn webhook(server: &Server, id: &str) -> Result<usize, Refusal> {
    let index = server.hooks.iter().position(|hook| hook.id == id && hook.is_active());
    index.ok_or_else(|| Refusal::new(Cause::Path, "Webhook not found"))
}

fn v1_account(server: &Server, body: &Fields<'_>, call: &mut Call<'_>) -> Result<usize, Refusal> {
    if let Some(country) = body.text("country", call)?.filter(|c| !COUNTRIES.contains(c)) {
        let what = format!("country `{country}` is not available");
        call.notes.push(what.clone());
        return Err(Refusal::new(Cause::Params, what));
    }
    let token = body.text("login_token", call)?.filter(|t| !t.is_empty());
    let token = token.ok_or_else(|| Refusal::new(Cause::Params, "login_token is required"))?;
    let index = find(server, call, |a| a.login_token == token);
    active(server, index.ok_or_else(|| Refusal::plain(Cause::Session))?)
}

fn v2_account(server: &Server, body: &Fields<'_>, call: &mut Call<'_>) -> Result<usize, Refusal> {
    let id = body.text("account_id", call)?.filter(|t| !t.is_empty());
    let id = id.ok_or_else(|| Refusal::new(Cause::Params, "account_id is required"))?;
    let index = find(server, call, |a| a.account_id == id);
    active(server, index.ok_or_else(|| Refusal::plain(Cause::Account))?)
}

fn active(server: &Server, index: usize) -> Result<usize, Refusal> {
    let active = server.accounts.get(index).is_some_and(|a| a.active);
    if active { Ok(index) } else { Err(Refusal::plain(Cause::Session)) }
}

fn action(server: &Server, body: &Fields<'_>, call: &mut Call<'_>) -> Result<Ask, Refusal> {
    let account = v2_account(server, body, call)?;
    let none = Map::new();
    let params = match body.0.get("params") {
        Some(Value::Object(params)) => Fields(params),
        None | Some(Value::Null) => Fields(&none),
        Some(_) => return Err(wrong("params must be an object".to_owned(), call)),
    };
    match body.text("action", call)? {
        Some("get_conversation") => conversation(server, account, &params, call).map(Ask::Conversation),
        Some("list_inbox") => inbox(account, &params, call).map(Ask::Inbox),
        Some(other) => {
            call.notes.push(format!("action `{other}` is none that only reads"));
            Err(Refusal::new(Cause::Action, format!("Invalid action: {other}")))
        }
        None => Err(Refusal::new(Cause::Action, "action is required")),
    }
}

fn conversation(
    server: &Server,
    account: usize,
    fields: &Fields<'_>,
    call: &mut Call<'_>,
) -> Result<ConversationAsk, Refusal> {
    let v1 = call.generation == Generation::V1;
    let url_name = if v1 { "linkedin_url" } else { "profile_url" };
    if fields.0.contains_key("mark_as_read") {
        call.notes.push("mark_as_read was sent".to_owned());
    }
    let count = fields.count(if v1 { "total_results" } else { "count" }, call)?;
    call.row.asked = count;
    let cursor = fields.cursor("cursor", call)?;
    let cursor = match cursor.map(|c| c.parse::<Ms>()) {
        None => None,
        Some(Ok(ms)) => Some(ms),
        Some(Err(_)) => return Err(wrong("cursor is no time in milliseconds".to_owned(), call)),
    };
    call.cursor = cursor.is_some();
    let url = fields.text(url_name, call)?.filter(|t| !t.is_empty());
    let id = fields.text("conversation_id", call)?.filter(|t| !t.is_empty());
    let mailbox = server.mailbox(account).ok_or_else(|| Refusal::plain(Cause::Account))?;
    let found = match (url, id) {
        (Some(_), Some(_)) => {
            return Err(wrong(format!("both {url_name} and conversation_id were sent"), call));
        }
        (None, None) => {
            let message = format!("Either {url_name} or conversation_id must be provided");
            return Err(Refusal::new(Cause::Params, message));
        }
        (Some(url), None) => mailbox.find_profile(url),
        (None, Some(id)) => mailbox.find(id),
    };
    let conversation = found.ok_or_else(|| Refusal::plain(Cause::Conversation))?;
    call.row.conversation = Some(conversation);
    Ok(ConversationAsk { account, conversation, count, cursor, profile_url: url.map(str::to_owned) })
}

fn inbox(account: usize, fields: &Fields<'_>, call: &mut Call<'_>) -> Result<InboxAsk, Refusal> {
    let v1 = call.generation == Generation::V1;
    let count = fields.count(if v1 { "total_results" } else { "count" }, call)?;
    call.row.asked = count;
    let category = match fields.text("category", call)? {
        None => Category::Inbox,
        Some(name) => match name.parse() {
            Ok(category) => category,
            Err(()) => return Err(wrong(format!("category `{name}` is unknown"), call)),
        },
    };
    let cursor = match fields.cursor(if v1 { "next_cursor" } else { "cursor" }, call)? {
        None => None,
        Some(text) => match InboxCursor::decode(text) {
            Some(cursor) => Some(cursor),
            None => return Err(wrong("the inbox cursor is none of this server's".to_owned(), call)),
        },
    };
    call.cursor = cursor.is_some();
    Ok(InboxAsk { account, count, category, cursor })
}

/// A request that a correct client would not have sent.
fn wrong(what: String, call: &mut Call<'_>) -> Refusal {
    call.notes.push(what.clone());
    Refusal::new(Cause::Params, what)
}

/// The fields of a JSON object, with their types checked.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// A string; `None` when missing or `null`.
    pub(super) fn text(&self, name: &str, call: &mut Call<'_>) -> Result<Option<&'a str>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(format!("{name} must be a string"), call)),
        }
    }

    /// A number of results, 10 when missing.
    fn count(&self, name: &str, call: &mut Call<'_>) -> Result<u32, Refusal> {
        let count = match self.0.get(name) {
            None => Some(10),
            Some(value) => value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
        };
        count.ok_or_else(|| wrong(format!("{name} must be a positive integer"), call))
    }

    /// A cursor; `null` and the empty string are none.
    fn cursor(&self, name: &str, call: &mut Call<'_>) -> Result<Option<&'a str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(Value::String(_) | Value::Null) => {
                call.notes.push(format!("{name} was sent without a value"));
                Ok(None)
            }
            Some(_) => Err(wrong(format!("{name} must be a string"), call)),
        }
    }
}
