//! The server: keys, accounts, switches, faults and the meter, and the one function that answers a request.

use std::borrow::Cow;

use serde_json::Value;

use crate::ask::{self, Ask};
use crate::behaviour::Behaviour;
use crate::faults::{Fault, Faults, Stage, Target};
use crate::meter::{Meter, RequestRow};
use crate::model::Mailbox;
use crate::refusal::{About, Cause, Generation, Refusal};
use crate::webhooks::{self, Webhook};
use crate::{Ms, control, login, mischief, pages, urn};

/// Credits that a new server begins with.
pub const CREDITS: u64 = 10_000;

const MINUTE_MS: Ms = 60_000;

/// An account: the two ways to name it, how to log in to it, and its mailbox.
#[derive(Debug, Clone)]
pub struct Account {
    /// A name for people.
    pub name: String,
    /// v1's session cookie.
    pub login_token: String,
    /// v2's id.
    pub account_id: String,
    /// Who logs in.
    pub email: String,
    /// With what.
    pub password: String,
    /// The code that a login by mail asks for.
    pub code: String,
    /// Proxy country.
    pub country: String,
    /// Whether the session with LinkedIn holds. Logging in again mends it.
    pub active: bool,
    /// What it holds.
    pub mailbox: Mailbox,
    pub(super) logins: u64,
    pub(super) awaits_code: bool,
}

impl Account {
    /// An account over a mailbox; everything else follows from its owner.
    #[must_use]
    pub fn new(name: &str, mailbox: Mailbox) -> Self {
        let seed = urn::hash(&mailbox.owner.id);
        Self {
            name: name.to_owned(),
            login_token: token(seed, 0),
            account_id: format!("{:016x}{:08x}", urn::mix(seed), urn::mix(seed + 1) >> 32),
            email: format!("{name}@example.org"),
            password: format!("password of {name}"),
            code: format!("{:06}", urn::mix(seed ^ 6) % 1_000_000),
            country: "FR".to_owned(),
            active: true,
            mailbox,
            logins: 0,
            awaits_code: false,
        }
    }

    /// Begins a new session: another v1 token, the same v2 id.
    pub(super) fn log_in(&mut self) {
        self.awaits_code = false;
        if !self.active {
            self.logins += 1;
            self.login_token = token(urn::hash(&self.mailbox.owner.id), self.logins);
            self.active = true;
        }
    }
}

fn token(seed: u64, login: u64) -> String {
    let part = |n: u64| urn::mix(seed.wrapping_add(login * 3 + n));
    format!("AQEDA{:016x}{:016x}{:08x}", part(0), part(1), part(2) >> 32)
}

/// A request, taken apart.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The header `x-api-key`.
    pub api_key: Option<&'a str>,
    /// The header `content-type`.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What becomes of a reply on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// It is sent.
    #[default]
    Send,
    /// Nothing is sent, the connection stays open.
    Hang,
    /// Nothing is sent, the connection is closed.
    Close,
    /// So many bytes of the body are sent, then the connection is closed.
    CutAfter(usize),
    /// The body is sent byte by byte, with so many milliseconds between.
    Drip(u64),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, `content-type` included, `content-length` not.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What becomes of it.
    pub action: Action,
    /// How long the answer takes (ms).
    pub delay_ms: u64,
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body, action: Action::Send, delay_ms: 0 }
    }

    pub(super) fn json(status: u16, body: Vec<u8>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A successful answer and what it costs.
pub(super) struct Answered {
    pub(super) body: Vec<u8>,
    pub(super) returned: u32,
    pub(super) credits: u32,
}

impl Answered {
    /// An answer that costs nothing.
    pub(super) fn free(body: Vec<u8>) -> Self {
        Self { body, returned: 0, credits: 0 }
    }
}

pub(super) type Handled = Result<Answered, Refusal>;

/// A request on its way through the server.
pub(super) struct Call<'a> {
    pub(super) generation: Generation,
    pub(super) body: Value,
    pub(super) query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) row: RequestRow,
    pub(super) cursor: bool,
    pub(super) notes: Vec<String>,
    pub(super) fault: Option<Fault>,
    pub(super) now_ms: Ms,
}

/// The stand-in for LinkupAPI.
#[derive(Debug, Clone)]
pub struct Server {
    /// The switches.
    pub behaviour: Behaviour,
    /// The faults in force.
    pub faults: Faults,
    /// Requests, charges, balance, violations.
    pub meter: Meter,
    /// Where the server can be reached; set when it is bound to a port.
    pub base_url: String,
    pub(super) key: String,
    pub(super) accounts: Vec<Account>,
    pub(super) hooks: Vec<Webhook>,
}

impl Server {
    /// A server with one API key and no accounts.
    #[must_use]
    pub fn new(api_key: &str) -> Self {
        Self {
            behaviour: Behaviour::default(),
            faults: Faults::default(),
            meter: Meter::new(CREDITS),
            base_url: "http://127.0.0.1:0".to_owned(),
            key: api_key.to_owned(),
            accounts: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// Adds an account and gives its index.
    pub fn add_account(&mut self, account: Account) -> usize {
        self.accounts.push(account);
        self.accounts.len() - 1
    }

    /// All accounts, in order of their indices.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// An account by index.
    pub fn account_mut(&mut self, index: usize) -> Option<&mut Account> {
        self.accounts.get_mut(index)
    }

    /// The mailbox of an account by index.
    #[must_use]
    pub fn mailbox(&self, account: usize) -> Option<&Mailbox> {
        self.accounts.get(account).map(|a| &a.mailbox)
    }

    /// The mailbox of an account by index.
    pub fn mailbox_mut(&mut self, account: usize) -> Option<&mut Mailbox> {
        self.accounts.get_mut(account).map(|a| &mut a.mailbox)
    }

    /// Answers a request. Pure: the answer follows from the server's state, the request and `now_ms`.
    pub fn handle(&mut self, request: &Request<'_>, now_ms: Ms) -> Reply {
        if request.path.starts_with(control::PREFIX) {
            return control::handle(self, request, now_ms);
        }
        webhooks::bill(self, now_ms);
        let mut call = Call::begin(self, request, now_ms);
        let asked = self.check(request, &call).and_then(|()| ask::read(self, request, &mut call));
        self.strike(&mut call);
        let reply = match mischief::instead(&call, self) {
            Some(reply) => {
                let price = call.fault.as_ref().map(|f| mischief::price_instead(f, call.generation));
                call.row.charged = price.unwrap_or_default();
                reply
            }
            None => self.answer(asked, &mut call),
        };
        self.finish(call, reply)
    }

    /// What must hold before a request is even read.
    fn check(&self, request: &Request<'_>, call: &Call<'_>) -> Result<(), Refusal> {
        if request.api_key != Some(self.key.as_str()) {
            return Err(Refusal::plain(Cause::Key));
        }
        let limit = self.behaviour.requests_per_minute.and_then(|n| usize::try_from(n).ok());
        if limit.is_some_and(|n| self.meter.requests_since(call.now_ms - MINUTE_MS + 1) >= n) {
            return Err(Refusal::plain(Cause::RateLimited));
        }
        Ok(())
    }

    fn strike(&mut self, call: &mut Call<'_>) {
        let mailbox = call.row.account.and_then(|a| self.accounts.get(a)).map(|a| &a.mailbox);
        let target = Target {
            number: call.row.id,
            path: &call.row.path,
            account: call.row.account,
            conversation: mailbox.zip(call.row.conversation).and_then(|(m, c)| m.conversation(c)),
            cursor: call.cursor,
        };
        call.fault = self.faults.pick(&target);
        call.row.fault = call.fault.as_ref().map(Fault::word);
    }

    fn answer(&mut self, asked: Result<Ask, Refusal>, call: &mut Call<'_>) -> Reply {
        let handled = asked.and_then(|ask| match ask {
            Ask::Conversation(ask) => pages::conversation(self, &ask, call),
            Ask::Inbox(ask) => pages::inbox(self, &ask, call),
            Ask::V1Login => login::v1_login(self, call),
            Ask::V1Verify => login::v1_verify(self, call),
            Ask::V2Login => login::v2_login(self, call),
            Ask::V2Checkpoint => login::v2_checkpoint(self, call),
            Ask::Accounts => login::accounts(self, call),
            Ask::Account(index) => login::account(self, index, call),
            Ask::Credits => login::credits(self, call),
            Ask::Watch(index) => webhooks::create(self, index, call),
            Ask::Unwatch(index) => webhooks::delete(self, index, call),
            Ask::Events(index) => webhooks::events(self, index, call),
        });
        match handled {
            Ok(answered) => {
                call.row.returned = answered.returned;
                call.row.charged = answered.credits;
                let reply = Reply::json(200, answered.body);
                match &call.fault {
                    Some(Fault::ChargedFailure) => self.refused(&Refusal::plain(Cause::Internal), call),
                    Some(fault) if fault.stage() == Stage::Answer => mischief::after(fault, reply),
                    _ => reply,
                }
            }
            Err(refusal) => {
                call.row.charged = refusal.credits(call.generation);
                self.refused(&refusal, call)
            }
        }
    }

    pub(super) fn refused(&self, refusal: &Refusal, call: &Call<'_>) -> Reply {
        let status = refusal.status(call.generation, &self.behaviour);
        Reply::json(status, refusal.body(call.generation, &self.behaviour, call.about(self)))
    }

    fn finish(&mut self, mut call: Call<'_>, mut reply: Reply) -> Reply {
        call.row.status = if matches!(reply.action, Action::Close | Action::Hang) { 0 } else { reply.status };
        reply.delay_ms = self.behaviour.latency_ms;
        let date = self.behaviour.date_ahead_ms.map(|ahead| mischief::http_date(call.now_ms + ahead));
        reply.headers.extend(date.map(|date| ("date".to_owned(), date)));
        for what in call.notes {
            self.meter.violation(call.row.id, what);
        }
        self.meter.record(call.row);
        reply
    }
}

impl<'a> Call<'a> {
    fn begin(server: &mut Server, request: &Request<'a>, now_ms: Ms) -> Self {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let generation = if path.starts_with("/v2/") { Generation::V2 } else { Generation::V1 };
        let mut notes = Vec::new();
        let json = request.content_type.is_some_and(|t| t.starts_with("application/json"));
        if request.method == "POST" && !json {
            notes.push("content-type is not application/json".to_owned());
        }
        Self {
            generation,
            body: serde_json::from_slice(request.body).unwrap_or_default(),
            query: url::form_urlencoded::parse(query.as_bytes()).collect(),
            row: RequestRow {
                id: server.meter.next_number(),
                at_ms: now_ms,
                path: Cow::Owned(path.to_owned()),
                account: None,
                conversation: None,
                asked: 0,
                returned: 0,
                charged: 0,
                status: 0,
                fault: None,
            },
            cursor: false,
            notes,
            fault: None,
            now_ms,
        }
    }

    /// What v2's metadata says about this request.
    pub(super) fn about<'b>(&'b self, server: &'b Server) -> About<'b> {
        About {
            action: self.body.get("action").and_then(Value::as_str),
            account_id: self.row.account.and_then(|a| server.accounts.get(a)).map(|a| a.account_id.as_str()),
            now_ms: self.now_ms,
        }
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_ref())
    }
}
