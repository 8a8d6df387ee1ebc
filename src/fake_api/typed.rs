//! The server without its wire: what a simulation asks, thousands of times a second.
//!
//! Faults, charges and the log are those of [`Server::handle`]; JSON, keys and tokens are left out.

use std::borrow::Cow;

use super::faults::{Fault, Stage, Target};
use super::inbox::{Category, InboxCursor, InboxPage};
use super::meter::RequestRow;
use super::mischief::{self, BentPage};
use super::model::{Conversation, ServerMessage};
use super::pages::{credits, to_usize};
use super::refusal::{Cause, Generation, Refusal};
use super::server::Server;
use crate::core::Ms;
use crate::core::message::{Message, Sender};
use crate::core::page::{Below, Cursor, Page};
use crate::core::raw::{Raw, mark};

/// A page of a conversation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageAsk {
    /// By whose rules it is charged.
    pub generation: Generation,
    /// Index of the account.
    pub account: usize,
    /// Index of the conversation in its mailbox.
    pub conversation: usize,
    /// Where to start; `None` is the newest page.
    pub cursor: Option<Ms>,
    /// Messages asked for.
    pub count: u32,
}

/// A page of the inbox is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxAsk {
    /// By whose rules it is charged.
    pub generation: Generation,
    /// Index of the account.
    pub account: usize,
    /// Which conversations.
    pub category: Category,
    /// Where to start; `None` is the newest page.
    pub cursor: Option<InboxCursor>,
    /// Rows asked for.
    pub count: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed<T> {
    /// A page, perhaps a bent one.
    Page(T),
    /// A fault that left nothing to read. It may have been processed and charged.
    Fault(Fault),
    /// An error.
    Refused(Refusal),
}

/// An answer and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedAnswer<T> {
    /// The request's number.
    pub request_id: u64,
    /// Credits charged, whether or not the client can know.
    pub charged: u32,
    /// What came of it.
    pub outcome: Typed<T>,
}

/// Returned results and price, when there is a page.
type Counted<T> = Result<(T, u32), Refusal>;

impl Server {
    /// Answers a request for a page of a conversation.
    pub fn ask_page(&mut self, ask: &PageAsk, now_ms: Ms) -> TypedAnswer<BentPage<'_>> {
        let path = match ask.generation {
            Generation::V1 => "/v1/messages/conversation",
            Generation::V2 => "/v2/messages",
        };
        let mut row = self.row(path, ask.account, ask.count, now_ms);
        row.conversation = Some(ask.conversation);
        let fault = self.typed_fault(&mut row, ask.cursor.is_some());
        let Self { behaviour, accounts, meter, .. } = self;
        let account = accounts.get(ask.account).filter(|a| a.active);
        let page = account.map_or(Err(Refusal::plain(Cause::Session)), |account| {
            account
                .mailbox
                .conversation(ask.conversation)
                .ok_or_else(|| Refusal::plain(Cause::Conversation))?;
            let count = ask.count.min(behaviour.page_limit.unwrap_or(u32::MAX));
            let bent = mischief::page(
                fault.as_ref(),
                &account.mailbox,
                ask.conversation,
                ask.cursor,
                to_usize(count),
                behaviour.inclusive(),
            );
            let returned = u32::try_from(bent.page.messages.len()).unwrap_or(u32::MAX);
            Ok((bent, returned))
        });
        let price = |returned| credits(ask.generation, behaviour, ask.count, returned);
        settle(meter, row, ask.generation, fault, page, price)
    }

    /// Answers a request for a page of the inbox.
    pub fn ask_inbox(&mut self, ask: &InboxAsk, now_ms: Ms) -> TypedAnswer<InboxPage<'_>> {
        let path = match ask.generation {
            Generation::V1 => "/v1/messages/inbox",
            Generation::V2 => "/v2/messages",
        };
        let mut row = self.row(path, ask.account, ask.count, now_ms);
        let fault = self.typed_fault(&mut row, ask.cursor.is_some());
        let Self { behaviour, accounts, meter, .. } = self;
        let account = accounts.get(ask.account).filter(|a| a.active);
        let page = account.map_or(Err(Refusal::plain(Cause::Session)), |account| {
            if ask.count > behaviour.inbox_limit {
                return Err(Refusal::new(Cause::Params, "too many inbox rows were asked for"));
            }
            let cursor = ask.cursor.as_ref();
            let count = to_usize(ask.count);
            let page = mischief::inbox(fault.as_ref(), &account.mailbox, ask.category, cursor, count);
            let returned = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
            Ok((page, returned))
        });
        let price = |returned| credits(ask.generation, behaviour, ask.count, returned);
        settle(meter, row, ask.generation, fault, page, price)
    }

    fn row(&mut self, path: &'static str, account: usize, asked: u32, now_ms: Ms) -> RequestRow {
        RequestRow {
            id: self.meter.next_number(),
            at_ms: now_ms,
            path: Cow::Borrowed(path),
            account: Some(account),
            conversation: None,
            asked,
            returned: 0,
            charged: 0,
            status: 200,
            fault: None,
        }
    }

    fn typed_fault(&mut self, row: &mut RequestRow, cursor: bool) -> Option<Fault> {
        let mailbox = row.account.and_then(|a| self.accounts.get(a)).map(|a| &a.mailbox);
        let target = Target {
            number: row.id,
            path: &row.path,
            account: row.account,
            conversation: mailbox.zip(row.conversation).and_then(|(m, c)| m.conversation(c)),
            cursor,
        };
        let fault = self.faults.pick(&target);
        row.fault = fault.as_ref().map(Fault::word);
        fault
    }
}

/// Decides what comes of a page that was made, charges it and logs it.
fn settle<T>(
    meter: &mut super::meter::Meter,
    mut row: RequestRow,
    generation: Generation,
    fault: Option<Fault>,
    page: Counted<T>,
    price: impl Fn(u32) -> u32,
) -> TypedAnswer<T> {
    let page = page.and_then(|(page, returned)| {
        let credits = price(returned);
        if meter.pays(credits) { Ok((page, returned, credits)) } else { Err(Refusal::plain(Cause::Credits)) }
    });
    let outcome = match (fault, page) {
        (Some(fault), _) if fault.stage() == Stage::Instead => {
            row.charged = mischief::price_instead(&fault, generation);
            row.status = 0;
            Typed::Fault(fault)
        }
        (_, Err(refusal)) => {
            row.charged = refusal.credits(generation);
            row.status = 0;
            Typed::Refused(refusal)
        }
        (fault, Ok((page, returned, credits))) => {
            (row.returned, row.charged) = (returned, credits);
            match fault {
                Some(fault) if fault.stage() == Stage::Answer => Typed::Fault(fault),
                _ => Typed::Page(page),
            }
        }
    };
    let request_id = row.id;
    let charged = meter.record(row);
    TypedAnswer { request_id, charged, outcome }
}

impl BentPage<'_> {
    /// The page as a client reads it from an answer in its default form.
    #[must_use]
    pub fn to_core(&self, generation: Generation) -> Page {
        let page = &self.page;
        let conversation = self.mailbox.conversation(self.conversation);
        let below = match page.next_cursor {
            Some(ms) => Below::More(Cursor(ms.to_string())),
            None if page.has_next => Below::MoreWithoutCursor,
            None => Below::End,
        };
        let message = |m: &&ServerMessage| self.message(conversation, m, generation);
        let v2 = generation == Generation::V2;
        Page {
            messages: page.messages.iter().map(message).collect(),
            below,
            returned: u32::try_from(page.messages.len()).unwrap_or(u32::MAX),
            conversation_urn: conversation.map(|c| c.urn.clone()),
            total: conversation.filter(|_| v2).and_then(|c| i64::try_from(c.visible().count()).ok()),
            unread: conversation.map(|c| i64::from(c.unread)),
            last_seen_ms: conversation.and_then(|c| c.last_seen_at),
            oddities: Vec::new(),
        }
    }

    fn message(&self, c: Option<&Conversation>, m: &ServerMessage, generation: Generation) -> Message {
        let person = c.map_or(&self.mailbox.owner, |c| self.mailbox.author(c, m.author));
        let v2 = generation == Generation::V2;
        Message {
            urn: Some(m.urn.clone()),
            at_ms: m.at_ms,
            derived_time: false,
            sender: Sender {
                name: person.name.clone(),
                first_name: Some(person.first_name.clone()),
                last_name: Some(person.last_name.clone()),
                profile_url: person.profile_url.clone().filter(|_| v2),
            },
            kind: m.kind.clone().into_owned(),
            text: m.text.clone(),
            raw: raw(m, v2.then_some(person.profile_url.is_some())),
        }
    }
}

/// How the served JSON is rebuilt from the fields; `profile` is whether the sender has a page, where the answer says.
fn raw(m: &ServerMessage, profile: Option<bool>) -> Raw {
    let (text, time, name, kind, urn) = (mark::TEXT, mark::TIME, mark::NAME, mark::KIND, mark::URN);
    let (first, last) = (mark::FIRST, mark::LAST);
    let page = match profile {
        None => String::new(),
        Some(true) => format!(",\"profile_url\":{}", mark::PROFILE),
        Some(false) => ",\"profile_url\":null".to_owned(),
    };
    let extra = m.extra.as_ref().map(|fields| {
        let members = fields.iter().map(|(k, v)| format!(",{}:{v}", serde_json::Value::from(k.as_str())));
        members.collect::<String>()
    });
    let rest = if extra.is_some() { mark::EXTRA.to_string() } else { String::new() };
    let info = format!("{{\"first_name\":{first},\"last_name\":{last}{page}}}");
    let template = format!(
        "{{\"text\":{text},\"timestamp\":{time},\"sender\":{name},\"sender_info\":{info},\"message_type\":{kind},\"entity_urn\":{urn}{rest}}}"
    );
    Raw { template, extra }
}
