//! Control from another process: everything under `/_fake/`, free of charge and not logged.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::faults::{FaultRule, Faults};
use crate::model::{Author, Conversation, Draft, Person, TEXT};
use crate::server::{Reply, Request, Server};
use crate::{Ms, synth};

/// Where control requests go.
pub(super) const PREFIX: &str = "/_fake/";

type Told = Result<Value, String>;

pub(super) fn handle(server: &mut Server, request: &Request<'_>, now_ms: Ms) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let name = path.strip_prefix(PREFIX).unwrap_or_default();
    if (request.method, name) == ("GET", "config") {
        let said = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_ref());
        let (version, inbox) = (said("version").unwrap_or("v1"), said("inbox").unwrap_or("discover"));
        let text = server.config_toml(version, inbox, said("targets").unwrap_or("some"));
        return Reply::new(200, "application/toml", text.into_bytes());
    }
    let body: Value = match request.body {
        [] => json!({}),
        body => serde_json::from_slice(body).unwrap_or_default(),
    };
    let told = match (request.method, name) {
        ("GET", "log") => Ok(log(server)),
        ("GET", "meter") => Ok(meter(server)),
        ("POST", "meter") => set_meter(server, &body),
        ("GET", "faults") => Ok(json!({"rules": server.faults.rules().collect::<Vec<_>>()})),
        ("POST", "faults") => set_faults(&mut server.faults, &body),
        ("GET", "behaviour") => Ok(json!(server.behaviour)),
        ("POST", "behaviour") => server.behaviour.changed(&body).map(|changed| {
            server.behaviour = changed;
            json!(server.behaviour)
        }),
        ("GET", "history") => history(server, &query),
        ("POST", "account") => set_account(server, &body),
        ("POST", "conversation") => begin(server, &body),
        ("POST", "set") => set(server, &body),
        ("POST", "send") => send(server, &body, now_ms),
        ("POST", "edit" | "recall" | "delete" | "restore") => change(server, name, &body),
        ("POST", "advance") => advance(server, &body, now_ms),
        _ => return Reply::json(404, json!({"error": "no such control"}).to_string().into_bytes()),
    };
    match told {
        Ok(value) => Reply::json(200, value.to_string().into_bytes()),
        Err(error) => Reply::json(400, json!({ "error": error }).to_string().into_bytes()),
    }
}

fn log(server: &Server) -> Value {
    let rows = server.meter.rows().iter().map(|row| {
        let account = row.account.and_then(|a| server.accounts().get(a));
        let conversation = account
            .zip(row.conversation)
            .and_then(|(a, c)| a.mailbox.conversation(c))
            .map(|c| c.urn.as_str());
        let mut told = json!(row);
        if let Value::Object(fields) = &mut told {
            fields.insert("account".into(), json!(account.map(|a| a.name.as_str())));
            fields.insert("conversation".into(), json!(conversation));
        }
        told
    });
    json!({"requests": rows.collect::<Vec<_>>(), "violations": server.meter.violations()})
}

fn meter(server: &Server) -> Value {
    let meter = &server.meter;
    json!({
        "charged": meter.charged(),
        "balance": meter.balance,
        "requests": meter.rows().len(),
        "violations": meter.violations().len(),
    })
}

fn set_meter(server: &mut Server, body: &Value) -> Told {
    server.meter.balance =
        body.get("balance").and_then(Value::as_u64).ok_or("balance must be a number of credits")?;
    Ok(meter(server))
}

fn set_faults(faults: &mut Faults, body: &Value) -> Told {
    let rules = match body.get("rules") {
        None => Vec::new(),
        Some(rules) => serde_json::from_value::<Vec<FaultRule>>(rules.clone()).map_err(|e| e.to_string())?,
    };
    if body.get("clear").and_then(Value::as_bool) == Some(true) {
        faults.clear();
    }
    if let Some(seed) = body.get("seed").and_then(Value::as_u64) {
        faults.seed(seed);
    }
    rules.into_iter().for_each(|rule| faults.add(rule));
    Ok(json!({"rules": faults.rules().collect::<Vec<_>>()}))
}

/// The account that a body or query names, by index or by name; the first when it names none.
fn account(server: &Server, named: Option<&Value>) -> Result<usize, String> {
    let index = match named {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(name)) => {
            server.accounts().iter().position(|a| a.name == *name).or_else(|| name.parse().ok())
        }
        Some(other) => other.as_u64().and_then(|n| usize::try_from(n).ok()),
    };
    index.filter(|i| *i < server.accounts().len()).ok_or_else(|| "no such account".to_owned())
}

/// The conversation that a body or query names, by index, URN, thread id or profile page.
fn conversation(server: &Server, account: usize, named: Option<&Value>) -> Result<usize, String> {
    let mailbox = server.mailbox(account).ok_or("no such account")?;
    let index = match named {
        Some(Value::String(name)) => mailbox.resolve(name).or_else(|| name.parse().ok()),
        Some(other) => other.as_u64().and_then(|n| usize::try_from(n).ok()),
        None => None,
    };
    index.filter(|i| mailbox.conversation(*i).is_some()).ok_or_else(|| "no such conversation".to_owned())
}

fn place(server: &Server, body: &Value) -> Result<(usize, usize), String> {
    let account = account(server, body.get("account"))?;
    Ok((account, conversation(server, account, body.get("conversation"))?))
}

fn set_account(server: &mut Server, body: &Value) -> Told {
    let index = account(server, body.get("account"))?;
    let account = server.account_mut(index).ok_or("no such account")?;
    if let Some(active) = body.get("active") {
        account.active = active.as_bool().ok_or("active must be true or false")?;
    }
    Ok(json!({
        "name": account.name, "account_id": account.account_id, "login_token": account.login_token,
        "email": account.email, "password": account.password, "code": account.code, "active": account.active,
    }))
}

fn begin(server: &mut Server, body: &Value) -> Told {
    let index = account(server, body.get("account"))?;
    let names = body.get("others").and_then(Value::as_array).ok_or("others must be a list of names")?;
    let others = names.iter().map(|name| {
        let (first, last) = name.as_str().and_then(|n| n.split_once(' ')).ok_or("a name has two words")?;
        Ok(Person::named(first, last))
    });
    let others = others.collect::<Result<Vec<Person>, String>>()?;
    let mailbox = server.mailbox_mut(index).ok_or("no such account")?;
    let conversation = mailbox.new_conversation(others);
    Ok(
        json!({"conversation": conversation, "conversation_id": mailbox.conversation(conversation).map(|c| c.urn.as_str())}),
    )
}

fn set(server: &mut Server, body: &Value) -> Told {
    let (account, index) = place(server, body)?;
    let mailbox = server.mailbox_mut(account).ok_or("no such account")?;
    let c = mailbox.conversation_mut(index).ok_or("no such conversation")?;
    let time = |name: &str| match body.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(at) => at.as_i64().map(|at| Some(Some(at))).ok_or(format!("{name} must be a number or null")),
    };
    let (seen, retained) = (time("last_seen_at")?, time("retained_from")?);
    if let Some(shown) = body.get("in_inbox") {
        c.in_inbox = shown.as_bool().ok_or("in_inbox must be true or false")?;
    }
    if let Some(unread) = body.get("unread") {
        let unread = unread.as_u64().and_then(|n| u32::try_from(n).ok());
        c.unread = unread.ok_or("unread must be a number")?;
    }
    c.last_seen_at = seen.unwrap_or(c.last_seen_at);
    c.retained_from = retained.unwrap_or(c.retained_from);
    Ok(json!({"conversation_id": c.urn}))
}

fn send(server: &mut Server, body: &Value, now_ms: Ms) -> Told {
    let (account, conversation) = place(server, body)?;
    let mailbox = server.mailbox_mut(account).ok_or("no such account")?;
    let author = match body.get("from") {
        None => Author::Other(0),
        Some(from) => serde_json::from_value(from.clone())
            .or_else(|e| if from == "other" { Ok(Author::Other(0)) } else { Err(e) })
            .map_err(|e| e.to_string())?,
    };
    let newest = mailbox.conversation(conversation).and_then(|c| c.messages().last()).map(|m| m.at_ms);
    let at_ms = match body.get("at_ms") {
        None => now_ms.max(newest.unwrap_or(now_ms)),
        Some(at) => at.as_i64().ok_or("at_ms must be a number")?,
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let draft = Draft {
        author,
        at_ms,
        kind: Cow::Owned(text("message_type").unwrap_or_else(|| TEXT.to_owned())),
        text: text("text").unwrap_or_default(),
        extra: body.get("extra").and_then(Value::as_object).cloned().map(Box::new),
    };
    let index = mailbox.deliver(conversation, draft).ok_or("no such conversation")?;
    let urn =
        mailbox.conversation(conversation).and_then(|c| c.messages().get(index)).map(|m| m.urn.as_str());
    Ok(json!({"message": index, "entity_urn": urn, "timestamp": at_ms}))
}

fn change(server: &mut Server, what: &str, body: &Value) -> Told {
    let (account, conversation) = place(server, body)?;
    let mailbox = server.mailbox_mut(account).ok_or("no such account")?;
    let messages = mailbox.conversation(conversation).map(Conversation::messages).unwrap_or_default();
    let index = match body.get("message") {
        Some(Value::String(urn)) => messages.iter().position(|m| m.urn == *urn),
        Some(other) => other.as_u64().and_then(|n| usize::try_from(n).ok()),
        None => messages.len().checked_sub(1),
    };
    let index = index.ok_or("no such message")?;
    let done = match what {
        "edit" => {
            let text = body.get("text").and_then(Value::as_str).ok_or("text is wanted")?;
            mailbox.edit(conversation, index, text)
        }
        "recall" => mailbox.recall(conversation, index),
        "restore" => mailbox.restore(conversation, index),
        _ => mailbox.delete(conversation, index),
    };
    if done { Ok(json!({"message": index})) } else { Err("no such message".to_owned()) }
}

fn advance(server: &mut Server, body: &Value, now_ms: Ms) -> Told {
    let number = |name: &str, default: u64| match body.get(name) {
        None => Ok(default),
        Some(value) => value.as_u64().ok_or(format!("{name} must be a number")),
    };
    let mut rng = fastrand::Rng::with_seed(number("seed", 0)?);
    let mut told: Map<String, Value> = Map::new();
    for _ in 0..number("events", 10)?.min(100_000) {
        let done = synth::live(server, &mut rng, now_ms);
        let count = told.entry(done.word()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or_default() + 1);
    }
    Ok(Value::Object(told))
}

fn history(server: &Server, query: &[(Cow<'_, str>, Cow<'_, str>)]) -> Told {
    let named = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| json!(v));
    let index = account(server, named("account").as_ref())?;
    let mailbox = server.mailbox(index).ok_or("no such account")?;
    if let Some(name) = named("conversation") {
        let conversation = conversation(server, index, Some(&name))?;
        let told = mailbox.conversation(conversation).map(|c| told(mailbox, c, true));
        return told.ok_or_else(|| "no such conversation".to_owned());
    }
    let all: Vec<Value> = mailbox.conversations().iter().map(|c| told(mailbox, c, false)).collect();
    Ok(json!({"account": server.accounts().get(index).map(|a| a.name.as_str()), "conversations": all}))
}

/// A conversation as it truly is, oldest message first.
fn told(mailbox: &crate::model::Mailbox, c: &Conversation, messages: bool) -> Value {
    let mut told = json!({
        "conversation_id": c.urn,
        "others": c.others.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        "profile_url": c.others.first().and_then(|p| p.profile_url.as_deref()),
        "in_inbox": c.in_inbox,
        "unread": c.unread,
        "messages": c.visible().count(),
    });
    if let (true, Value::Object(fields)) = (messages, &mut told) {
        let all = c.messages().iter().map(|m| {
            json!({
                "entity_urn": m.urn,
                "timestamp": m.at_ms,
                "sender": mailbox.author(c, m.author).name,
                "from_me": m.author == Author::Owner,
                "message_type": m.kind,
                "text": m.text,
                "extra": m.extra,
                "deleted": m.deleted,
                "earlier": m.earlier,
            })
        });
        fields.insert("messages".into(), all.collect());
    }
    told
}
