//! Webhooks, from the real program to a receiver that answers well, badly, or not at all.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use archiver::clock::{Clock as _, SystemClock};
use fake_linkup::{Author, Fault, FaultRule};
use rustix::process::Signal;
use serde_json::Value;

use super::receiver::{Came, HookReply, HookServer, SIGNING_KEY, secret};
use crate::binary::{FakeApi, Home, Process, server};

const SYNC: [&str; 2] = ["sync", "--once"];

/// A mailbox whose history is archived, and a sink for what comes.
struct Bed {
    api: FakeApi,
    home: Home,
}

impl Bed {
    fn new(sinks: &str) -> Self {
        let api = FakeApi::serve(server(&[("Ada Example", 12), ("Ben Sample", 3)]));
        let mut home = Home::of(&api, "v1");
        home.env("ARCHIVER_NOTIFY", sinks);
        home.write_secret("hook_secret", &secret());
        home.sync_until_complete();
        Self { api, home }
    }

    fn send(&self, conversation: usize, text: &str) {
        let mut server = self.api.server();
        let now = SystemClock.now_ms();
        server.mailbox_mut(0).unwrap().send(conversation, Author::Other(0), now, text).unwrap();
    }

    /// Waits for these words in the service's log.
    #[track_caller]
    fn until_logged(&self, words: &str) {
        let begun = Instant::now();
        let log = || fs::read_to_string(self.home.path("service.log")).unwrap_or_default();
        while !log().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(30), "never: {words}: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How it is with the first sink.
    fn sink(&self) -> Value {
        self.home.run(&["notify", "status", "--json"]).expect(0).json()["sinks"][0].clone()
    }
}

fn webhook(server: &HookServer, more: &str) -> String {
    format!(
        "[{{ name = \"crm\", kind = \"webhook\", url = \"{}\", secret_file = \"hook_secret\"{more} }}]",
        server.url
    )
}

fn kinds(all: &[Came]) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter().map(|came| (word(&came.json()["type"]), word(&came.json()["data"]["text"]))).collect()
}

fn events(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn what_is_new_edited_and_gone_is_sent_once_and_signed_and_history_is_not() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ""));
    assert!(hook.all().is_empty(), "history was sent");
    bed.send(0, "hello");
    bed.send(0, "and more");
    bed.send(0, "the last one");
    bed.home.run(&SYNC).expect(0);
    let all = hook.all();
    let new = [("message.new", "hello"), ("message.new", "and more"), ("message.new", "the last one")];
    assert_eq!(kinds(&all), events(&new));
    for came in &all {
        assert!(came.is_signed(&SIGNING_KEY) && !came.is_signed(&[8; 32]), "{came:?}");
        let json = came.json();
        assert_eq!((&json["data"]["kind"], &json["data"]["account"]), (&"new".into(), &"me".into()));
        assert_eq!(json["data"]["conversation"], "Ada Example");
        assert!(json["timestamp"].as_str().unwrap().ends_with('Z') && json["data"]["seq"].is_i64());
        assert_eq!(came.headers["content-type"], "application/json");
    }
    {
        let mut server = bed.api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        let last = mailbox.conversation(0).unwrap().messages().len() - 1;
        assert!(mailbox.edit(0, last - 2, "hello there") && mailbox.delete(0, last - 1));
    }
    bed.home.run(&SYNC).expect(0);
    bed.home.run(&SYNC).expect(0);
    let mut changed = kinds(&hook.all());
    changed.sort();
    assert_eq!(changed, events(&[("message.edited", "hello there"), ("message.gone", "and more")]));
    let sink = bed.sink();
    assert_eq!(
        (&sink["state"], &sink["waiting"], &sink["delivered"]),
        (&"working".into(), &0.into(), &5.into())
    );
}

#[test]
fn a_receiver_that_fails_is_tried_again_with_the_same_id_and_gets_nothing_twice() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ""));
    hook.answers(HookReply::Status(500));
    bed.send(0, "one");
    bed.send(1, "two");
    let ran = bed.home.run(&SYNC).expect(0);
    assert!(ran.stderr.contains("an event was not delivered") && !ran.stderr.contains(&hook.url), "{ran:?}");
    let first = hook.all();
    assert_eq!(kinds(&first), events(&[("message.new", "one")]));
    let sink = bed.sink();
    assert_eq!(
        (&sink["state"], &sink["waiting"], &sink["attempts"]),
        (&"failing".into(), &2.into(), &1.into())
    );
    assert!(sink["next_try_at"].is_string() && sink["last_error"] == "the receiver answered 500");
    let status = bed.home.run(&["status", "--json"]).expect(0).json();
    assert!(status["attention"][0].as_str().unwrap().starts_with("sink crm: failing since"), "{status}");
    assert_eq!(status["sinks"][0]["waiting"], 2);
    // It is not due again yet.
    bed.home.run(&SYNC).expect(0);
    assert!(hook.all().is_empty());
    let refused = bed.home.run(&["notify", "retry", "crm"]).expect(1);
    assert!(refused.stderr.contains("1 sink still fails"), "{refused:?}");
    hook.answers(HookReply::Status(200));
    bed.home.run(&["notify", "retry"]).expect(0);
    let later = hook.all();
    assert_eq!(
        kinds(&later),
        events(&[("message.new", "one"), ("message.new", "one"), ("message.new", "two")])
    );
    assert_eq!([later[0].id(), later[1].id()], [first[0].id(); 2]);
    assert_ne!(later[2].id(), first[0].id());
    bed.home.run(&["notify", "retry"]).expect(0);
    assert!(hook.all().is_empty());
}

#[test]
fn a_redirect_is_not_followed_and_410_ends_the_sink_until_its_owner_acts() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ""));
    let elsewhere = format!("location: {}/elsewhere", hook.url);
    hook.answers(HookReply::With(307, elsewhere));
    bed.send(0, "one");
    bed.home.run(&SYNC).expect(0);
    let came = hook.all();
    assert_eq!((came.len(), came[0].path.as_str()), (1, "/hook"));
    assert!(bed.sink()["last_error"].as_str().unwrap().contains("307"));

    hook.answers(HookReply::Status(410));
    bed.home.run(&["notify", "retry"]).expect(1);
    assert_eq!(hook.all().len(), 1);
    bed.send(0, "two");
    bed.home.run(&SYNC).expect(0);
    assert!(hook.all().is_empty(), "an ended sink was called");
    let sink = bed.sink();
    assert_eq!((&sink["state"], &sink["waiting"]), (&"ended".into(), &2.into()));
    let status = bed.home.run(&["status"]).expect(0).stdout;
    assert!(
        status.contains("sink crm: ended at") && status.contains("archiver notify retry crm"),
        "{status}"
    );

    hook.answers(HookReply::Status(204));
    bed.home.run(&["notify", "retry", "crm"]).expect(0);
    let later = hook.all();
    assert_eq!(kinds(&later), events(&[("message.new", "one"), ("message.new", "two")]));
    assert_eq!(later[0].id(), came[0].id());

    // What is skipped is not sent.
    hook.answers(HookReply::Status(500));
    bed.send(0, "three");
    bed.home.run(&SYNC).expect(0);
    let skipped = bed.home.run(&["notify", "skip", "crm", "--json"]).expect(0).json();
    assert_eq!(skipped["skipped"], 1);
    hook.answers(HookReply::Status(204));
    hook.all();
    bed.home.run(&["notify", "retry"]).expect(0);
    assert!(hook.all().is_empty());
}

#[test]
fn a_receiver_that_hangs_or_never_ends_delays_no_other() {
    let (slow, endless, quick) = (HookServer::serve(), HookServer::serve(), HookServer::serve());
    let sink = |name: &str, server: &HookServer| {
        format!(
            "{{ name = \"{name}\", kind = \"webhook\", url = \"{}\", secret_file = \"hook_secret\", timeout_secs = 1 }}",
            server.url
        )
    };
    let all = [sink("slow", &slow), sink("endless", &endless), sink("quick", &quick)];
    let bed = Bed::new(&format!("[{}]", all.join(", ")));
    slow.answers(HookReply::Hangs);
    endless.answers(HookReply::Endless);
    bed.send(0, "hello");
    let begun = Instant::now();
    bed.home.run(&SYNC).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let status = bed.home.run(&["notify", "status", "--json"]).expect(0).json();
    let states: Vec<&str> =
        status["sinks"].as_array().unwrap().iter().map(|sink| sink["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failing", "working", "working"], "{status}");
    assert_eq!(status["sinks"][0]["last_error"], "no answer in time");
    assert_eq!((slow.all().len(), endless.all().len(), quick.all().len()), (1, 1, 1));
}

#[test]
fn the_service_sends_what_its_runs_bring_and_a_hanging_receiver_keeps_it_from_nothing() {
    let (hook, slow) = (HookServer::serve(), HookServer::serve());
    let sink = |name: &str, server: &HookServer| {
        format!(
            "{{ name = \"{name}\", kind = \"webhook\", url = \"{}\", secret_file = \"hook_secret\" }}",
            server.url
        )
    };
    let mut bed = Bed::new(&format!("[{}, {}]", sink("crm", &hook), sink("slow", &slow)));
    bed.home.env("ARCHIVER_SCHEDULE__CRON", "0 0 0 29 2 *");
    slow.answers(HookReply::Hangs);
    let service = Process::start(&mut bed.home.archiver_after("exec 2>>service.log", &["sync"]));
    bed.until_logged("the service began");
    bed.send(0, "hello");
    bed.home.run(&["sync", "--now"]).expect(0);
    assert_eq!(kinds(&[hook.next(), slow.next()]), events(&[("message.new", "hello"); 2]));
    // A run goes on while one receiver hangs, and so does a new configuration.
    bed.send(1, "again");
    bed.home.run(&["sync", "--now"]).expect(0);
    assert_eq!(kinds(&[hook.next()]), events(&[("message.new", "again")]));
    service.signal(Signal::HUP);
    bed.until_logged("the configuration was read again");
    bed.send(1, "and again");
    bed.home.run(&["sync", "--now"]).expect(0);
    assert_eq!(kinds(&[hook.next()]), events(&[("message.new", "and again")]));
    let asked = Instant::now();
    service.signal(Signal::TERM);
    service.finish().expect(0);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(!bed.home.path("archive.db-wal").exists(), "the archive was not closed");
    // What hung is sent by the next one, under its id.
    slow.answers(HookReply::Status(204));
    slow.all();
    bed.home.run(&["notify", "retry", "slow"]).expect(0);
    let all = events(&[("message.new", "hello"), ("message.new", "again"), ("message.new", "and again")]);
    assert_eq!((kinds(&slow.all()), hook.all().len()), (all, 0));
}

#[test]
fn alerts_are_sent_as_well() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ", what = [\"alert\"]"));
    bed.api.server().account_mut(0).unwrap().active = false;
    bed.send(0, "hello");
    bed.home.run(&SYNC).expect(77);
    bed.home.run(&SYNC).expect(77);
    let all = hook.all();
    assert_eq!(all.len(), 1, "{all:?}");
    let json = all[0].json();
    assert_eq!(json["type"], "alert");
    assert_eq!((&json["data"]["kind"], &json["data"]["account"]), (&"account".into(), &"me".into()));
    assert!(json["data"]["message"].is_string());
}

#[test]
fn a_gap_that_gets_no_further_raises_one_alert() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ", what = [\"alert\"]"));
    bed.send(0, "hello");
    bed.api.server().faults.add(FaultRule::always(Fault::http(404)));
    let told: Vec<usize> = (0..5)
        .map(|_| {
            bed.home.run(&SYNC);
            hook.all().iter().filter(|came| came.json()["data"]["kind"] == "gap").count()
        })
        .collect();
    assert_eq!(told, [0, 0, 1, 0, 0]);
    assert!(bed.home.sql::<String>("SELECT message FROM notice")[0].contains("cannot be filled: "));
}

#[test]
fn a_sink_that_is_configured_while_the_service_runs_gets_what_comes_from_then_on() {
    let hook = HookServer::serve();
    let mut bed = Bed::new("[]");
    bed.home.env("ARCHIVER_NOTIFY", "");
    bed.home.env("ARCHIVER_SCHEDULE__CRON", "0 0 0 29 2 *");
    bed.send(0, "before");
    bed.home.run(&SYNC).expect(0);
    let service = Process::start(&mut bed.home.archiver_after("exec 2>>service.log", &["sync"]));
    bed.until_logged("the service began");
    let sink = format!(
        "[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"hook_secret\"\n\n[sync]",
        hook.url
    );
    bed.home.edit("[sync]", &sink);
    service.signal(Signal::HUP);
    bed.until_logged("the configuration was read again");
    bed.send(0, "after");
    bed.home.run(&["sync", "--now"]).expect(0);
    assert_eq!(kinds(&[hook.next()]), events(&[("message.new", "after")]));
    // Taken away, it gets nothing; given back, it goes on where it was.
    let reload = |from: &str, to: &str| {
        fs::write(bed.home.path("service.log"), "").unwrap();
        bed.home.edit(from, to);
        service.signal(Signal::HUP);
        bed.until_logged("the configuration was read again");
    };
    reload(&sink, "[sync]");
    bed.send(0, "meanwhile");
    bed.home.run(&["sync", "--now"]).expect(0);
    bed.until_logged("the run ended");
    assert!(hook.all().is_empty());
    reload("[sync]", &sink);
    assert_eq!(kinds(&[hook.next()]), events(&[("message.new", "meanwhile")]));
    service.signal(Signal::TERM);
    service.finish().expect(0);
    assert!(hook.all().is_empty());
}

#[test]
fn a_service_that_is_killed_while_it_sends_sends_the_same_again() {
    let hook = HookServer::serve();
    let mut bed = Bed::new(&webhook(&hook, ", timeout_secs = 2"));
    bed.home.env("ARCHIVER_SCHEDULE__CRON", "0 0 0 29 2 *");
    bed.home.env("ARCHIVER_SCHEDULE__RUN_AT_START", "true");
    let start = || Process::start(&mut bed.home.archiver_after("exec 2>>service.log", &["sync"]));
    hook.answers(HookReply::Hangs);
    bed.send(0, "hello");
    bed.send(0, "again");
    bed.home.run(&["sync", "--once"]).expect(0);
    let first = hook.next();
    let service = start();
    bed.until_logged("the service began");
    bed.home.run(&["notify", "retry"]).expect(0);
    let second = hook.next();
    service.signal(Signal::KILL);
    drop(service);
    hook.answers(HookReply::Status(200));
    let service = start();
    let (third, last) = (hook.next(), hook.next());
    assert_eq!([second.id(), third.id()], [first.id(); 2]);
    assert_eq!(kinds(&[third, last]), events(&[("message.new", "hello"), ("message.new", "again")]));
    service.signal(Signal::TERM);
    service.finish().expect(0);
    assert!(hook.all().is_empty());
}

#[test]
fn credits_that_are_used_up_raise_one_alert_a_day() {
    let hook = HookServer::serve();
    let mut bed = Bed::new(&webhook(&hook, ""));
    bed.home.env("ARCHIVER_BUDGET__CREDITS_PER_DAY", "1");
    for _ in 0..2 {
        bed.home.run(&SYNC).expect(0);
    }
    let all = hook.all();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].json()["data"]["kind"], "budget");
}

#[test]
fn many_messages_after_an_outage_are_one_summary() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ", summary_over = 5"));
    for n in 0..30 {
        bed.send(n % 2, &format!("message {n}"));
    }
    bed.home.sync_until_complete();
    let all = hook.all();
    let json = all[0].json();
    assert_eq!((all.len(), &json["type"]), (1, &"summary".into()), "{all:?}");
    assert_eq!((&json["data"]["new"], &json["data"]["conversations"]), (&30.into(), &2.into()));
    assert_eq!(json["data"]["busiest"][0]["new"], 15);
    let since = json["data"]["since"].to_string();
    let changes = bed.home.run(&["changes", "--since", &since]).expect(0).stdout;
    assert_eq!(changes.lines().count(), 30);
}

#[test]
fn a_test_is_sent_at_once_and_two_secrets_sign_it() {
    let hook = HookServer::serve();
    let bed = Bed::new(&webhook(&hook, ""));
    let ran = bed.home.run(&["notify", "test", "crm", "--json"]).expect(0).json();
    let came = hook.next();
    assert_eq!((&came.json()["type"], ran["id"].as_str()), (&"test".into(), Some(came.id())));
    let new = "whsec_CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    bed.home.write_secret("hook_secret", &format!("{}\n{new}\n", secret()));
    bed.home.run(&["notify", "test", "crm"]).expect(0);
    let came = hook.next();
    assert!(came.is_signed(&SIGNING_KEY) && came.is_signed(&[9; 32]) && !came.is_signed(&[8; 32]));
    let mut through = bed.home.copy();
    let proxy = hook.url.trim_end_matches("/hook");
    let nowhere =
        webhook(&hook, &format!(", proxy = \"{proxy}\"")).replace(&hook.url, "https://receiver.invalid/x");
    through.env("ARCHIVER_NOTIFY", &nowhere);
    hook.answers(HookReply::Status(403));
    through.run(&["notify", "test", "crm"]).expect(1);
    assert_eq!(hook.next().path, "receiver.invalid:443", "the proxy is asked for a tunnel");
    let refused = bed.home.run(&["notify", "test", "crm"]).expect(1);
    assert!(refused.stdout.contains("the receiver answered 403"), "{refused:?}");
    let unknown = bed.home.run(&["notify", "test", "crn"]).expect(2);
    assert!(
        unknown.stderr.contains("there is no sink \"crn\"") && unknown.stderr.contains("crm"),
        "{unknown:?}"
    );
    bed.home.write_secret("hook_secret", "not-a-secret-of-webhooks");
    for args in [["notify", "test", "crm"].as_slice(), &SYNC] {
        let refused = bed.home.run(args).expect(78);
        assert!(refused.stderr.contains("secret_file") && refused.stderr.contains("whsec_"), "{refused:?}");
        assert!(!refused.stderr.contains("not-a-secret"), "{refused:?}");
    }
}

#[test]
fn a_name_that_leads_into_this_network_is_not_called() {
    // It speaks no TLS, but it would see a connection.
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    // A name that everybody takes for this machine, but that does not say so itself.
    let sink = |more: &str| {
        format!(
            "[{{ name = \"crm\", kind = \"webhook\", url = \"https://ip6-localhost:{port}/\", secret_file = \"hook_secret\"{more} }}]"
        )
    };
    let mut bed = Bed::new(&sink(""));
    bed.send(0, "hello");
    bed.home.run(&SYNC).expect(0);
    let error = bed.sink()["last_error"].as_str().unwrap().to_owned();
    // Machines differ in which names they know; none of them may be connected to.
    assert!(error.contains("private_addresses") || error.contains("lookup"), "{error}");
    let accepted = listener.accept();
    assert!(matches!(&accepted, Err(error) if error.kind() == ErrorKind::WouldBlock), "{accepted:?}");
    bed.home.env("ARCHIVER_NOTIFY", &sink("").replace("ip6-localhost", "10.1.2.3"));
    let refused = bed.home.run(&SYNC).expect(78);
    assert!(refused.stderr.contains("private_addresses = true"), "{refused:?}");
}
