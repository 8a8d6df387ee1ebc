//! What each fault does to a request, a page or an answer.

use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::faults::{Fault, Form, RetryAfter};
use crate::inbox::{Category, InboxCursor, InboxPage};
use crate::model::{Mailbox, TypedPage};
use crate::refusal::{Cause, Generation, Refusal};
use crate::server::{Action, Call, Reply, Server};
use crate::{Ms, bomb};

/// Size of an oversized body: more than any client should take.
const OVERSIZED: usize = 16 * 1024 * 1024;
const TWO_HOURS_MS: Ms = 2 * 3_600_000;
/// Time between the bytes of a dripping body (ms).
const DRIP_MS: u64 = 100;

/// What a fault of [`Stage::Instead`](crate::faults::Stage::Instead) costs.
#[must_use]
pub fn price_instead(fault: &Fault, generation: Generation) -> u32 {
    match fault {
        Fault::Http(status, _) => u32::from(generation == Generation::V1 && *status != 500 && *status >= 400),
        Fault::ExpiredToken => Refusal::plain(Cause::Session).credits(generation),
        Fault::ChannelError => Refusal::plain(Cause::Channel).credits(generation),
        _ => 0,
    }
}

/// The reply of a fault that strikes instead of processing.
pub(super) fn instead(call: &Call<'_>, server: &Server) -> Option<Reply> {
    let cause = match call.fault.as_ref()? {
        Fault::ExpiredToken => Cause::Session,
        Fault::ExhaustedCredits => Cause::Credits,
        Fault::ChannelError => Cause::Channel,
        Fault::Http(status, wait) => return Some(http(*status, *wait, call, server)),
        Fault::Redirect(to) => {
            let mut reply = Reply::new(302, "text/html", b"<a href>Found</a>".to_vec());
            reply.headers.push(("location".to_owned(), to.clone()));
            return Some(reply);
        }
        Fault::Block(status, form) => return Some(blocked(*status, *form)),
        Fault::CloseBefore => return Some(Reply { action: Action::Close, ..Reply::json(502, Vec::new()) }),
        _ => return None,
    };
    Some(server.refused(&Refusal::plain(cause), call))
}

/// What a CDN says in the API's place.
fn blocked(status: u16, form: Form) -> Reply {
    match form {
        Form::Html => {
            let page = "<!DOCTYPE html><html><title>Access denied</title><body>Log in to go on</body></html>";
            Reply::new(status, "text/html", page.into())
        }
        Form::Text => Reply::new(status, "text/plain", b"error code: 1020 (access denied)".to_vec()),
        Form::Empty => Reply::new(status, "text/plain", Vec::new()),
    }
}

fn http(status: u16, wait: Option<RetryAfter>, call: &Call<'_>, server: &Server) -> Reply {
    let cause = match status {
        400 => Cause::Params,
        401 => Cause::Key,
        402 => Cause::Credits,
        403 => Cause::Session,
        404 => Cause::Account,
        429 => Cause::RateLimited,
        _ => Cause::Internal,
    };
    let mut reply = if status > 500 {
        // A gateway in front of the API answers these, and it does not speak JSON.
        let page = format!("<html><head><title>{status}</title></head><body>nginx</body></html>");
        Reply::new(status, "text/html", page.into_bytes())
    } else {
        let refusal = Refusal::plain(cause);
        Reply::json(status, refusal.body(call.generation, &server.behaviour, call.about(server)))
    };
    let wait = wait.map(|w| match w {
        RetryAfter::Seconds(s) => s.to_string(),
        RetryAfter::DateIn(s) => http_date(call.now_ms + i64::from(s) * 1000),
    });
    reply.headers.extend(wait.map(|w| ("retry-after".to_owned(), w)));
    reply
}

pub(super) fn http_date(at_ms: Ms) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .map(|t| t.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}

/// A page that a fault may have bent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BentPage<'a> {
    /// The mailbox that it is from.
    pub mailbox: &'a Mailbox,
    /// The conversation that it is of.
    pub conversation: usize,
    /// The page.
    pub page: TypedPage<'a>,
    /// Whether "there is more" must be said in so many words.
    pub force_has_next: bool,
}

/// The page that answers these parameters, bent by a fault of [`Stage::Page`](crate::faults::Stage::Page);
/// others leave it as it is.
#[must_use]
pub fn page<'a>(
    fault: Option<&Fault>,
    mailbox: &'a Mailbox,
    conversation: usize,
    cursor: Option<Ms>,
    count: usize,
    inclusive: bool,
) -> BentPage<'a> {
    let honest = |cursor, count| mailbox.page(conversation, cursor, count, inclusive);
    let mut bent = BentPage { mailbox, conversation, page: honest(cursor, count), force_has_next: false };
    let page = &mut bent.page;
    match fault {
        Some(Fault::RepeatPage) => *page = honest(None, count),
        Some(Fault::RepeatCursor) => {
            page.next_cursor = cursor.or(page.next_cursor);
            page.has_next = page.next_cursor.is_some();
        }
        Some(Fault::CursorUp) => {
            let top = page.messages.first().map(|m| m.at_ms).max(cursor);
            page.next_cursor = top.map(|at| at + 1_000);
            page.has_next = page.next_cursor.is_some();
        }
        Some(Fault::NeverEnds) if page.next_cursor.is_none() => {
            page.next_cursor = page.messages.last().map(|m| m.at_ms).or(cursor).map(|at| at - 1);
            page.has_next = page.next_cursor.is_some();
        }
        Some(Fault::MoreWithoutCursor) => {
            (page.next_cursor, page.has_next) = (None, true);
            bent.force_has_next = true;
        }
        Some(Fault::ShortPage) => *page = honest(cursor, count.div_ceil(3)),
        Some(Fault::DuplicateRows) => {
            // Half as many, each twice: no more rows than were asked for.
            *page = honest(cursor, count.div_ceil(2));
            page.messages = page.messages.iter().flat_map(|m| [*m, *m]).take(count).collect();
        }
        Some(Fault::EarlyEnd) => (page.next_cursor, page.has_next) = (None, false),
        Some(Fault::EmptyMore) => {
            page.next_cursor = page.messages.last().map(|m| m.at_ms).or(cursor);
            page.has_next = page.next_cursor.is_some();
            page.messages.clear();
        }
        Some(Fault::EmptyEnd) => *page = TypedPage::default(),
        Some(Fault::HoleInPage) if page.messages.len() > 2 => {
            page.messages.remove(page.messages.len() / 2);
        }
        Some(Fault::Reversed) => page.messages.reverse(),
        Some(Fault::OtherConversation) => {
            let others = mailbox.conversations().iter().enumerate();
            let other =
                others.filter(|(i, c)| *i != conversation && c.last().is_some()).map(|(i, _)| i).next();
            if let Some(other) = other {
                bent.conversation = other;
                bent.page = mailbox.page(other, None, count, inclusive);
            }
        }
        _ => {}
    }
    bent
}

/// The inbox page that answers these parameters, bent by a fault that has a meaning there.
#[must_use]
pub fn inbox<'a>(
    fault: Option<&Fault>,
    mailbox: &'a Mailbox,
    category: Category,
    cursor: Option<&InboxCursor>,
    count: usize,
) -> InboxPage<'a> {
    let honest = |cursor, count| mailbox.inbox(category, cursor, count);
    let mut page = honest(cursor, count);
    match fault {
        Some(Fault::RepeatPage) => page = honest(None, count),
        Some(Fault::RepeatCursor) => page.next_cursor = cursor.cloned().or(page.next_cursor),
        Some(Fault::CursorUp) => {
            let top = page.rows.first().and_then(|(_, c)| Some((c.last()?.at_ms, c.thread.clone())));
            page.next_cursor = top.map(|(at, thread)| InboxCursor { at_ms: at + 1_000, thread });
        }
        Some(Fault::ShortPage) => page = honest(cursor, count.div_ceil(3)),
        Some(Fault::DuplicateRows) => {
            page = honest(cursor, count.div_ceil(2));
            page.rows = page.rows.iter().flat_map(|r| [*r, *r]).take(count).collect();
        }
        Some(Fault::EarlyEnd) => page.next_cursor = None,
        Some(Fault::EmptyMore) => page.rows.clear(),
        Some(Fault::EmptyEnd) => page = InboxPage::default(),
        Some(Fault::HoleInPage) if page.rows.len() > 2 => {
            page.rows.remove(page.rows.len() / 2);
        }
        Some(Fault::Reversed) => page.rows.reverse(),
        _ => {}
    }
    page
}

/// The answer after a fault of [`Stage::Answer`](crate::faults::Stage::Answer).
pub(super) fn after(fault: &Fault, mut reply: Reply) -> Reply {
    let middle = reply.body.len() / 2;
    match fault {
        Fault::CloseAfter => reply.action = Action::Close,
        Fault::Hang => reply.action = Action::Hang,
        Fault::CutConnection => reply.action = Action::CutAfter(middle),
        Fault::Drip => reply.action = Action::Drip(DRIP_MS),
        Fault::CutJson => reply.body.truncate(middle),
        Fault::Html => {
            let page =
                b"<!DOCTYPE html><html><title>One moment</title><body>Checking your browser</body></html>";
            return Reply::new(200, "text/html; charset=utf-8", page.to_vec());
        }
        Fault::Gateway(status) => return blocked(*status, Form::Html),
        Fault::NotJson => {
            let mut body = String::from_utf8_lossy(&reply.body).into_owned();
            for text in ["\"text\":\"NaN", "\"text\": \"NaN"] {
                body = body.replace(text, &format!("\"weight\":NaN,{text}"));
            }
            reply.body = body.into_bytes();
        }
        Fault::GzipBomb => {
            reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
            reply.body = bomb::gzip_of_spaces();
        }
        Fault::Flood => {
            let lists = [&b"\"messages\":["[..], &b"\"conversations\":["[..]];
            let list = lists.into_iter().find_map(|name| {
                Some(reply.body.windows(name.len()).position(|part| part == name)? + name.len())
            });
            if let Some(start) = list {
                reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
                reply.body = bomb::gzip_of_items(reply.body.get(..start).unwrap_or_default());
            }
        }
        Fault::Oversized => reply.body.resize(reply.body.len() + OVERSIZED, b' '),
        Fault::DataArray => reply.body = with_data(&reply, |data| *data = json!([])),
        Fault::DataNull => reply.body = with_data(&reply, |data| *data = Value::Null),
        Fault::NoMessages => {
            reply.body = with_data(&reply, |data| {
                if let Value::Object(data) = data {
                    data.remove("messages");
                    data.remove("conversations");
                }
            });
        }
        Fault::TimesAhead => reply.body = with_times_ahead(&reply),
        Fault::Respelled => {
            reply.body = with_messages(&reply, |message| {
                if let Some(id) = message.get_mut("entity_urn")
                    && let Some(urn) = id.as_str()
                {
                    *id = json!(urn.replace("msg_message", "fs_event").replace('=', ""));
                }
            })
        }
        Fault::SaidFree => reply.body = with_credits(&reply, 0),
        Fault::SaidDear => reply.body = with_credits(&reply, 99_999),
        Fault::OddItem => {
            reply.body = with_data(&reply, |data| {
                for list in ["messages", "conversations"] {
                    if let Some(Value::Array(items)) = data.get_mut(list) {
                        items.insert(items.len() / 2, json!("no message"));
                    }
                }
            });
        }
        _ => {}
    }
    reply
}

fn with_messages(reply: &Reply, change: impl Fn(&mut Map<String, Value>)) -> Vec<u8> {
    with_data(reply, |data| {
        let messages = data.get_mut("messages").and_then(Value::as_array_mut);
        messages.into_iter().flatten().filter_map(Value::as_object_mut).for_each(change);
    })
}

/// Changes nothing else, the order of fields included: a server's clock edits no message.
fn with_times_ahead(reply: &Reply) -> Vec<u8> {
    const FIELD: &str = "\"timestamp\":";
    let body = String::from_utf8_lossy(&reply.body);
    let mut parts = body.split(FIELD);
    let mut late = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
        late.push_str(FIELD);
        match digits.parse::<i64>() {
            Ok(ms) => late.push_str(&(ms + TWO_HOURS_MS).to_string()),
            Err(_) => late.push_str(digits),
        }
        late.push_str(rest);
    }
    late.into_bytes()
}

/// Tells this price wherever the answer tells one.
fn with_credits(reply: &Reply, credits: u32) -> Vec<u8> {
    let mut body = reply.value();
    // v1 does not tell.
    if let Some(told) = body.pointer_mut("/metadata/credits_consumed") {
        *told = json!(credits);
    }
    body.to_string().into_bytes()
}

fn with_data(reply: &Reply, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut body = reply.value();
    if let Some(data) = body.get_mut("data") {
        change(data);
    }
    body.to_string().into_bytes()
}
