//! Proxies and CA files: only what is configured, and a hint where that is missing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use crate::binary::{FakeApi, Home, KEY, assert_complete, server};

fn read_head_and_body(stream: &mut TcpStream) -> String {
    let (mut seen, mut buffer) = (String::new(), [0; 4_096]);
    loop {
        let n = stream.read(&mut buffer).unwrap();
        if n == 0 {
            return seen;
        }
        seen.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return seen;
        }
    }
}

/// A proxy for plain HTTP. Tells of the first line of each request, and refuses tunnels.
fn proxy() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read_head_and_body(&mut stream);
            let Some(line) = request.lines().next() else { continue };
            tell.send(request.clone()).unwrap_or_default();
            let mut answer = b"HTTP/1.1 502 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
            let target = line.split(' ').nth(1).unwrap_or_default();
            if let Some((host, path)) = target.strip_prefix("http://").and_then(|t| t.split_once('/')) {
                let direct = request.replacen(target, &format!("/{path}"), 1);
                let direct = direct.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
                let mut server = TcpStream::connect(host).unwrap();
                server.write_all(direct.as_bytes()).unwrap();
                answer.clear();
                server.read_to_end(&mut answer).unwrap();
            }
            stream.write_all(&answer).unwrap_or_default();
            stream.shutdown(Shutdown::Write).unwrap_or_default();
        }
    });
    (address, told)
}

#[test]
fn requests_go_through_the_configured_proxy() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    let (address, told) = proxy();
    home.edit("[api]", &format!("[api]\nproxy = \"http://me:the-password@{address}\""));
    home.sync_until_complete();
    assert_complete(&home, &api.server());
    let asked = told.try_iter().collect::<Vec<_>>();
    assert_eq!(asked.len(), api.requests());
    assert!(asked[0].starts_with(&format!("POST {}/v1/messages/", api.base_url())), "{asked:?}");
    let check = home.run(&["check"]).expect(0);
    assert!(check.stdout.contains("through api.proxy"), "{check:?}");
    assert!(!check.stdout.contains("the-password") && !check.stderr.contains("the-password"));
}

#[test]
fn a_proxy_gets_a_tunnel_for_https_and_never_the_key() {
    let api = FakeApi::serve(server(&[("Ada Example", 12)]));
    let home = Home::of(&api, "v1");
    let (address, told) = proxy();
    home.edit("[api]", &format!("[api]\nproxy = \"http://me:the-password@{address}\""));
    home.edit(api.base_url(), "https://api.linkupapi.invalid");
    let ran = home.run(&["sync", "--once"]).expect(69);
    assert!(!ran.stderr.contains("the-password") && ran.stderr.contains("no connection"), "{ran:?}");
    assert_eq!(home.count("SELECT sum(credits_spent) FROM request"), 0);
    let asked: Vec<String> = told.try_iter().collect();
    assert!(!asked.is_empty());
    for request in asked {
        assert!(request.starts_with("CONNECT api.linkupapi.invalid:443 "), "{request}");
        assert!(!request.contains(KEY), "{request}");
    }
}

#[test]
fn a_proxy_in_the_environment_is_ignored_but_mentioned() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let mut home = Home::of(&api, "v1");
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.env("https_proxy", "http://proxy.example:3128");
    let check = home.run(&["check"]).expect(0);
    assert!(check.stdout.contains("$https_proxy is set and ignored: set api.proxy"), "{check:?}");
    home.edit(api.base_url(), &format!("http://{nowhere}"));
    let ran = home.run(&["sync", "--once"]).expect(69);
    assert!(ran.stderr.contains("($https_proxy is ignored: set api.proxy"), "{ran:?}");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let api = FakeApi::serve(server(&[("Ada Example", 3)]));
    let home = Home::of(&api, "v1");
    home.edit(api.base_url(), "https://127.0.0.1:9");
    home.edit("[api]", "[api]\nca_file = \"ca.pem\"");
    let missing = home.run(&["sync", "--once"]).expect(69);
    assert!(
        missing.stderr.contains("ca_file") && missing.stderr.contains("ca.pem: No such file"),
        "{missing:?}"
    );
    home.write("ca.pem", "no certificate");
    let empty = home.run(&["check"]).expect(69);
    assert!(empty.stderr.contains("ca.pem: it holds no certificate in PEM"), "{empty:?}");
}
