//! Notifications as others receive them: signatures by the reference library of Standard Webhooks, mail by a real server.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Stdio};

use archiver::clock::{Clock as _, SystemClock};
use fake_linkup::Author;
use serde_json::Value;

use crate::network::certificates;
use crate::python;
use crate::support::binary::{FakeApi, Home, Process, server};

const OLD: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const NEW: &str = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";

/// Says for each request which of the secrets it was signed with, by the library's own judgement.
const RECEIVER: &str = r#"
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRETS = sys.argv[1:]

class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        good, event = [], None
        for secret in SECRETS:
            try:
                event = Webhook(secret).verify(body, headers)
                good.append(secret)
            except WebhookVerificationError:
                pass
        print(json.dumps({"good": good, "event": event}), flush=True)
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

server = HTTPServer(("127.0.0.1", 0), Receiver)
print(json.dumps(server.server_port), flush=True)
server.serve_forever()
"#;

/// A mail server that prints what it is given: by TLS from the first byte, by STARTTLS, or without.
const MAIL: &str = r#"
import email, email.policy, json, socket, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

mode = sys.argv[1]

class Handler:
    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "starttls": session.ssl is not None,
            "user": session.auth_data.decode() if session.auth_data else None,
            "id": letter["message-id"], "subject": letter["subject"], "text": letter.get_content(),
        }), flush=True)
        return "250 OK"

def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"archiver", b"the-password")
    return AuthResult(success=good, handled=good, auth_data=data.login)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if mode != "plain":
    context.load_cert_chain("server.pem", "server.key")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
kind = {}
if mode == "tls":
    kind = {"ssl_context": context}
# What aiosmtpd's own protocol takes.
rules = {}
if mode == "starttls":
    rules = {"tls_context": context, "require_starttls": True}
if mode != "plain":
    rules |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": mode == "starttls"}
controller = Controller(Handler(), hostname="127.0.0.1", port=port, **kind, **rules)
controller.start()
print(json.dumps(port), flush=True)
while True:
    time.sleep(60)
"#;

/// A program in Python, and the lines that it prints.
struct Script {
    _process: Process,
    lines: BufReader<ChildStdout>,
}

impl Script {
    fn start(home: &Home, script: &str, args: &[&str]) -> Self {
        home.write("script.py", script);
        let mut command = python();
        command.arg("script.py").args(args).current_dir(home.dir());
        let mut process = Process::of(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
        let lines = BufReader::new(process.child().stdout.take().unwrap());
        Self { _process: process, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

fn home(api: &FakeApi, sinks: &str) -> Home {
    let mut home = Home::of(api, "v1");
    home.env("ARCHIVER_NOTIFY", sinks);
    home
}

fn send(api: &FakeApi, text: &str) {
    let now = SystemClock.now_ms();
    api.server().mailbox_mut(0).unwrap().send(0, Author::Other(0), now, text).unwrap();
}

#[test]
fn the_reference_library_of_standard_webhooks_verifies_what_is_sent() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = home(&api, "[]");
    let mut receiver = Script::start(&home, RECEIVER, &[OLD, NEW]);
    let port = receiver.next();
    let sink = format!(
        "[{{ name = \"crm\", kind = \"webhook\", url = \"http://127.0.0.1:{port}/\", secret_file = \"hook_secret\" }}]"
    );
    home.env("ARCHIVER_NOTIFY", &sink);
    home.write_secret("hook_secret", OLD);
    home.sync_until_complete();
    send(&api, "schöne Grüße, \u{1f600} \"quoted\"\n平和");
    home.run(&["sync", "--once"]).expect(0);
    let told = receiver.next();
    assert_eq!(told["good"], serde_json::json!([OLD]), "{told}");
    assert_eq!(told["event"]["data"]["text"], "schöne Grüße, \u{1f600} \"quoted\"\n平和");
    for (file, good) in [(format!("{OLD}\n{NEW}\n"), vec![OLD, NEW]), (NEW.to_owned(), vec![NEW])] {
        home.write_secret("hook_secret", &file);
        home.run(&["notify", "test", "crm"]).expect(0);
        let told = receiver.next();
        assert_eq!((&told["good"], &told["event"]["type"]), (&good.into(), &"test".into()), "{told}");
    }
}

#[test]
fn mail_arrives_by_tls_by_starttls_and_on_this_machine_without() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    for mode in ["tls", "starttls", "plain"] {
        let mut home = home(&api, "[]");
        certificates(&home);
        let mut mail = Script::start(&home, MAIL, &[mode]);
        let port = mail.next();
        let (scheme, more) = match mode {
            "tls" => ("smtps", ", username = \"archiver\", password_file = \"password\""),
            "starttls" => ("smtp", ", username = \"archiver\", password_file = \"password\""),
            _ => ("smtp", ", tls = false"),
        };
        let sink = format!(
            "[{{ name = \"mail\", kind = \"email\", url = \"{scheme}://127.0.0.1:{port}\", \
             from = \"archiver <archiver@example.org>\", to = [\"Ada <ada@example.org>\", \"b@example.org\"]{more} }}]"
        );
        home.env("ARCHIVER_NOTIFY", &sink);
        home.write_secret("password", "the-password\n");
        if mode != "plain" {
            let refused = home.run(&["notify", "test", "mail"]).expect(1);
            assert!(refused.stdout.contains("ertificate"), "{mode}: {refused:?}");
            home.edit("[api]", "[api]\nca_file = \"ca.pem\"");
        }
        home.run(&["notify", "test", "mail"]).expect(0);
        let test = mail.next();
        assert_eq!(test["to"], serde_json::json!(["ada@example.org", "b@example.org"]), "{test}");
        let began = (&test["from"], &test["starttls"]);
        assert_eq!(began, (&"archiver@example.org".into(), &(mode == "starttls").into()));
        assert_eq!(test["user"].is_null(), mode == "plain", "{test}");
        home.sync_until_complete();
        let texts = ["eins: schön", "zwei", "drei"];
        texts.iter().for_each(|text| send(&api, text));
        home.run(&["sync", "--once"]).expect(0);
        let digest = mail.next();
        assert_eq!(digest["subject"], "Ada Example: 3 messages", "{digest}");
        let text = digest["text"].as_str().unwrap();
        assert!(texts.iter().all(|one| text.contains(one)), "{text}");
        assert!(digest["id"].as_str().unwrap().starts_with("<evt_"), "{digest}");
        home.write_secret("password", "wrong");
        if mode != "plain" {
            let refused = home.run(&["notify", "test", "mail"]).expect(1);
            assert!(refused.stdout.contains("535"), "{refused:?}");
        }
    }
}
