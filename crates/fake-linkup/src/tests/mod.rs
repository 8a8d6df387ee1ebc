//! The contract, question by question, asked of the pure server.

mod charges;
mod control;
mod faults;
mod inbox;
mod login;
mod v1;
mod v2;
mod webhooks;

use serde_json::{Value, json};

use crate::Ms;
use crate::model::{Mailbox, Person};
use crate::server::{Account, Reply, Request, Server};

/// When every test takes place.
const NOW: Ms = 1_760_000_000_000;
/// When the first message of the plain conversation was sent.
const START: Ms = 1_750_000_000_000;
/// Time between its messages.
const HOUR: Ms = 3_600_000;

/// A server with one account and one conversation of 25 messages, an hour apart.
struct Fixture {
    server: Server,
}

impl Fixture {
    fn new() -> Self {
        let mut server = Server::new("key");
        let mailbox = Mailbox::plain(("Olga", "Owner"), ("Ada", "Example"), 25, START);
        server.add_account(Account::new("me", mailbox));
        Self { server }
    }

    /// With a second conversation, of three messages.
    fn with_two() -> Self {
        let mut fixture = Self::new();
        fixture.mailbox().with_messages(Person::named("Béla", "Sample"), 3, START - 50 * HOUR, HOUR);
        fixture
    }

    fn mailbox(&mut self) -> &mut Mailbox {
        self.server.mailbox_mut(0).unwrap()
    }

    fn urn(&self) -> String {
        self.server.mailbox(0).unwrap().conversations()[0].urn.clone()
    }

    fn token(&self) -> String {
        self.server.accounts()[0].login_token.clone()
    }

    fn account_id(&self) -> String {
        self.server.accounts()[0].account_id.clone()
    }

    fn at(&mut self, now_ms: Ms, method: &str, path: &str, body: &str) -> Reply {
        let request = Request {
            method,
            path,
            api_key: Some("key"),
            content_type: (method == "POST").then_some("application/json; charset=utf-8"),
            body: body.as_bytes(),
        };
        self.server.handle(&request, now_ms)
    }

    fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.at(NOW, "POST", path, &body.to_string())
    }

    fn get(&mut self, path: &str) -> Reply {
        self.at(NOW, "GET", path, "")
    }

    /// A v1 conversation request for the plain conversation, with these fields besides.
    fn v1(&mut self, fields: Value) -> Reply {
        let mut body = json!({"login_token": self.token(), "conversation_id": self.urn()});
        overlay(&mut body, fields);
        self.post("/v1/messages/conversation", &body)
    }

    /// A v2 action with these parameters.
    fn v2(&mut self, action: &str, params: Value) -> Reply {
        let body = json!({"account_id": self.account_id(), "action": action, "params": params});
        self.post("/v2/messages", &body)
    }

    /// A v2 page of the plain conversation, with these parameters besides.
    fn v2_page(&mut self, fields: Value) -> Reply {
        let mut params = json!({"conversation_id": self.urn()});
        overlay(&mut params, fields);
        self.v2("get_conversation", params)
    }

    fn charged(&self) -> u64 {
        self.server.meter.charged()
    }

    fn violations(&self) -> Vec<&str> {
        self.server.meter.violations().iter().map(|v| v.what.as_str()).collect()
    }

    fn switch(&mut self, switches: Value) {
        self.server.behaviour = self.server.behaviour.changed(&switches).unwrap();
    }
}

/// Sets fields; `null` removes one.
fn overlay(body: &mut Value, fields: Value) {
    let (Value::Object(body), Value::Object(fields)) = (body, fields) else { panic!("objects are wanted") };
    for (name, value) in fields {
        if value.is_null() {
            body.remove(&name)
        } else {
            body.insert(name, value)
        };
    }
}

fn texts(reply: &Reply) -> Vec<String> {
    let value = reply.value();
    let messages = value["data"]["messages"].as_array().unwrap_or_else(|| panic!("no messages: {value}"));
    messages.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect()
}
