//! The program: what it prints, how it is reached, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::binary::{FakeApi, HOUR, Home, Process, START, server};
use fake_linkup::Author;

/// The program at work, and where.
struct Serving {
    process: Process,
    address: String,
    key: String,
}

fn archived() -> (FakeApi, Home) {
    let api = FakeApi::serve(server(&[("Ada Example", 14), ("Béla Sample", 5)]));
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once"]).expect(0);
    (api, home)
}

fn serve(home: &Home, args: &[&str]) -> Serving {
    let mut process = Process::start(home.archiver(&["serve"]).args(args));
    let mut line = String::new();
    BufReader::new(process.child().stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let (address, key) = line.trim_end().split_once("/#key=").unwrap_or_else(|| panic!("{line:?}"));
    let address = address.trim_start_matches("http://").to_owned();
    Serving { address, key: key.to_owned(), process }
}

impl Serving {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// What comes back for this head, until the other side closes.
    fn raw(&self, head: &str) -> String {
        let mut stream = self.connect();
        // It may have been refused before all of it is sent.
        drop(stream.write_all(head.as_bytes()));
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said));
        String::from_utf8_lossy(&said).into_owned()
    }

    fn get(&self, url: &str) -> String {
        let Self { address, key, .. } = self;
        self.raw(&format!("GET {url} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"))
    }
}

#[test]
fn one_line_has_the_address_and_the_key_and_a_signal_ends_it() {
    let (_api, home) = archived();
    for signal in [Signal::TERM, Signal::INT] {
        let serving = serve(&home, &["--listen", "127.0.0.1:0"]);
        assert!(serving.address.starts_with("127.0.0.1:") && serving.key.len() == 43);
        let health = serving
            .raw(&format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", serving.address));
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with("ok\n"), "{health}");
        assert!(serving.get("/api/v1/status").contains("\"messages\":19"));
        assert!(serving.get("/conversations").contains("Ada Example"));
        assert!(!home.path("archive.db").with_extension("db-journal").exists());
        // Somebody who listens to news does not keep it.
        let mut live = serving.connect();
        let (address, key) = (&serving.address, &serving.key);
        write!(live, "GET /live HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\r\n").unwrap();
        serving.process.signal(signal);
        let ran = serving.process.finish();
        assert_eq!((ran.code, ran.signal, ran.stdout.as_str()), (Some(0), None, ""), "{ran:?}");
        assert!(!ran.stderr.contains(&serving.key), "{}", ran.stderr);
    }
}

#[test]
fn a_key_in_a_file_is_made_once_for_its_owner_only_and_kept() {
    let (_api, home) = archived();
    let keys: Vec<String> =
        (0..2).map(|_| serve(&home, &["--listen", "127.0.0.1:0", "--key-file", "web.key"]).key).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(fs::metadata(home.path("web.key")).unwrap().permissions().mode() & 0o777, 0o600);
    home.write("short.key", "abc");
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--key-file", "short.key"]).expect(2);
    assert!(ran.stderr.contains("holds no key"), "{}", ran.stderr);
}

#[test]
fn other_machines_are_let_in_only_on_demand_and_with_a_warning() {
    let (_api, home) = archived();
    let ran = home.run(&["serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert!(ran.stderr.contains("not encrypted") && ran.stderr.contains("--allow-remote"), "{}", ran.stderr);
    let serving = serve(&home, &["--listen", "0.0.0.0:0", "--allow-remote"]);
    assert!(serving.get("/healthz").ends_with("ok\n"));
    serving.process.signal(Signal::TERM);
    assert!(serving.process.finish().stderr.contains("nothing is encrypted"));
}

#[test]
fn what_cannot_be_served_is_said() {
    let (_api, home) = archived();
    let serving = serve(&home, &["--listen", "127.0.0.1:0"]);
    let ran = home.run(&["serve", "--listen", &serving.address]).expect(69);
    assert!(ran.stderr.contains("cannot listen on") && ran.stderr.contains("127.0.0.1:0"), "{}", ran.stderr);
    for bad in ["example.org:80", "nonsense", "127.0.0.1:99999"] {
        home.run(&["serve", "--listen", bad]).expect(2);
    }
    let stored = home.count("SELECT count(*) FROM message");
    let ran = home.run(&["serve", "--listen", "unix:archive.db"]).expect(69);
    assert!(ran.stderr.contains("it is there, and is no socket"), "{}", ran.stderr);
    assert_eq!(home.count("SELECT count(*) FROM message"), stored, "it stays");
    let empty = Home::empty();
    let ran = empty.run(&["--archive", "none.db", "serve", "--listen", "127.0.0.1:0"]).expect(74);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_socket_in_the_file_system_is_for_a_proxy() {
    let (_api, home) = archived();
    let path = home.path("web.sock");
    let mut process = Process::start(&mut home.archiver(&[
        "serve",
        "--listen",
        &format!("unix:{}", path.display()),
        "--host",
        "archive.example",
    ]));
    let mut line = String::new();
    BufReader::new(process.child().stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("unix:"), "{line}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    for (host, status) in [("archive.example", "200"), ("evil.example", "421")] {
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
    }
    process.signal(Signal::TERM);
    assert_eq!(process.finish().code, Some(0));
    assert!(!path.exists());
}

#[test]
fn large_heads_and_nonsense_are_refused_and_nobody_else_notices() {
    let (_api, home) = archived();
    let serving = serve(&home, &["--listen", "127.0.0.1:0"]);
    let address = serving.address.clone();
    let long = format!("GET /?{} HTTP/1.1\r\nHost: {address}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n", "A: b\r\n".repeat(200));
    let odd = format!("GET / HTTP/1.1\r\nHost: {address}\r\nBad\0Header: x\r\n\r\n");
    for head in [long.as_str(), &many, &odd, "nonsense\r\n\r\n", "\r\n\r\n", "GET / HTTP/9\r\n\r\n"] {
        let said = serving.raw(head);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    // Those who say nothing, and those who take nothing, keep nobody from being answered.
    let silent: Vec<TcpStream> = (0..100).map(|_| serving.connect()).collect();
    for _ in 0..20 {
        let mut stream = serving.connect();
        write!(
            stream,
            "GET /c/1/take/html HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
            serving.key
        )
        .unwrap();
    }
    assert!(serving.get("/conversations").contains("Ada Example"));
    drop(silent);
}

#[test]
fn a_page_is_told_when_a_run_has_brought_something() {
    let (api, home) = archived();
    let serving = serve(&home, &["--listen", "127.0.0.1:0"]);
    let mut live = serving.connect();
    write!(
        live,
        "GET /live HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        serving.address, serving.key
    )
    .unwrap();
    let mut lines = BufReader::new(live).lines();
    let mut until = |word: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(word)).unwrap();
    until("watching");
    api.server().mailbox_mut(0).unwrap().send(0, Author::Other(0), START + 1000 * HOUR, "hello again");
    home.run(&["sync", "--once"]).expect(0);
    assert_eq!(until("event:"), "event: change");
    assert!(serving.get("/c/1").contains("hello again"));
}
