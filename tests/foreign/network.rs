//! A server whose certificate is signed by a CA that only the configuration names.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use fake_linkup::server::Server;

use crate::support::binary::{FakeApi, Home, Process, server};
use crate::{out, program};

/// Makes a CA, and a certificate of it for 127.0.0.1.
pub(crate) fn certificates(home: &Home) {
    let openssl = |args: &str| {
        let mut command = program("openssl");
        command.args(args.split(' ')).current_dir(home.dir()).stderr(Stdio::piped());
        out(&mut command)
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=corporate -keyout ca.key -out ca.pem");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr");
    home.write("names", "subjectAltName=IP:127.0.0.1\n");
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
}

#[test]
fn a_corporate_ca_is_trusted_where_it_is_configured_and_only_there() {
    let api = FakeApi::serve(Server::clone(&server(&[("Ada Example", 3)])));
    let home = Home::of(&api, "v1");
    certificates(&home);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut serving = program("openssl");
    serving.args(["s_server", "-www", "-quiet", "-cert", "server.pem", "-key", "server.key", "-accept"]);
    serving.arg(port.to_string()).current_dir(home.dir()).stdin(Stdio::null()).stdout(Stdio::null());
    let _serving = Process::of(serving.stderr(Stdio::null()).spawn().unwrap());
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    home.edit(api.base_url(), &format!("https://127.0.0.1:{port}"));
    let distrusted = home.run(&["check"]);
    assert!(distrusted.stdout.contains("no connection to the API"), "{distrusted:?}");
    home.edit("[api]", "[api]\nca_file = \"ca.pem\"");
    // It answers with a page of its own.
    let trusted = home.run(&["check"]);
    assert!(!trusted.stdout.contains("no connection to the API"), "{trusted:?}");
    for said in ["trusts the CA certificates in", "HTML instead of JSON"] {
        assert!(trusted.stdout.contains(said), "{said}: {trusted:?}");
    }
}
