//! What is particular to a bucket: answers that are lost, late or refused, and what errors say.

use std::time::{Duration, Instant};

use archiver::lake::LakeError;
use archiver::lake::objects::{CloudEnv, ObjectAccess, Objects};
use archiver::lake::storage::{Created, Storage as _};
use bytes::Bytes;

use super::s3::{BUCKET, Fault, KEY_ID, REGION, SECRET, Server, TOKEN};

const LONG: Fault = Fault::Wait(Duration::from_secs(2));

fn bytes() -> Bytes {
    Bytes::from_static(b"bytes")
}

/// What is said when a bucket is opened, and that it holds no secret.
fn refused(place: &str, access: &ObjectAccess) -> String {
    let Err(error) = Objects::open(place.as_ref(), access) else { panic!("{place} is opened") };
    let LakeError::Refused { message, help } = &error else { panic!("{error:?}") };
    without_secrets(&format!("{message}; {help} {error:?} {access:?}"))
}

fn without_secrets(shown: &str) -> String {
    for secret in [KEY_ID, SECRET, TOKEN] {
        assert!(!shown.contains(secret), "{shown}");
    }
    shown.to_owned()
}

#[test]
fn what_a_busy_server_refuses_is_tried_again() {
    let server = Server::start();
    let lake = server.open("lake");
    for status in [503, 500, 429] {
        for method in ["PUT", "GET", "DELETE"] {
            server.fail(method, Fault::Refuse(status));
            let key = format!("{method}{status}");
            assert_eq!(lake.create(&key, bytes()).unwrap(), Created::Yes);
            assert_eq!(lake.get(&key).unwrap(), Some(bytes()));
            lake.delete(&[key]).unwrap();
        }
    }
    assert!(server.shelf.lock().unwrap().faults.is_empty());
}

#[test]
fn a_creation_whose_answer_is_lost_or_wrong_never_succeeds_twice() {
    let server = Server::start();
    let lake = server.open("lake");
    for (n, fault) in [Fault::LoseAnswer, LONG, Fault::LieAboutIt, Fault::CutAnswer].into_iter().enumerate() {
        let key = format!("log/{n}.json");
        server.fail("PUT", fault);
        let first = lake.create(&key, bytes());
        assert!(!matches!(first, Ok(Created::Yes)), "{fault:?}: {first:?}");
        if let Err(error) = first {
            without_secrets(&format!("{error} {error:?}"));
        }
        assert_eq!(lake.create(&key, Bytes::from_static(b"other")).unwrap(), Created::Taken, "{fault:?}");
        assert_eq!(lake.get(&key).unwrap(), Some(bytes()));
    }
}

#[test]
fn what_can_be_done_twice_is_done_again_when_its_answer_is_lost() {
    let server = Server::start();
    let lake = server.open("lake");
    for fault in [Fault::LoseAnswer, LONG] {
        server.fail("PUT", fault);
        lake.put("t/a", bytes()).unwrap();
        server.fail("GET", fault);
        assert_eq!(lake.get("t/a").unwrap(), Some(bytes()));
        server.fail("GET", fault);
        assert_eq!(lake.list("t/").unwrap().len(), 1);
        server.fail("DELETE", fault);
        lake.delete(&["t/a".to_owned()]).unwrap();
    }
    lake.put("t/a", bytes()).unwrap();
    server.fail("GET", Fault::CutAnswer);
    assert_eq!(lake.get("t/a").unwrap(), Some(bytes()));
}

#[test]
fn a_conflict_of_creations_is_looked_into() {
    let server = Server::start();
    let lake = server.open("lake");
    server.fail("PUT", Fault::Refuse(409));
    assert_eq!(lake.create("a", bytes()).unwrap(), Created::Yes);
    server.fail("PUT", Fault::Refuse(409));
    assert_eq!(lake.create("a", bytes()).unwrap(), Created::Taken);
    for _ in 0..6 {
        server.fail("PUT", Fault::Refuse(409));
    }
    assert!(lake.create("b", bytes()).is_err());
}

#[test]
fn a_server_that_overwrites_what_is_to_be_created_is_found_out() {
    let server = Server::start();
    server.shelf.lock().unwrap().forgets_conditions = true;
    let error = server.open("lake").check_create().unwrap_err();
    assert!(error.to_string().contains("If-None-Match"), "{error}");
    assert!(server.shelf.lock().unwrap().objects.is_empty());
}

#[test]
fn a_bucket_that_cannot_be_used_is_refused_with_what_to_do() {
    let server = Server::start();
    let shown = refused("s3://nowhere/lake", &server.access());
    assert!(shown.contains("there is no bucket nowhere; create it"), "{shown}");
    let with = |name: &'static str, value: &'static str| {
        let all = [
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_SESSION_TOKEN", TOKEN),
            ("AWS_REGION", REGION),
            ("AWS_ENDPOINT_URL", &server.url),
        ];
        let env = all.into_iter().filter(|(of, _)| *of != name).chain([(name, value)]);
        ObjectAccess { env: env.collect::<CloudEnv>(), ..server.access() }
    };
    for (name, value, wanted) in [
        ("AWS_SECRET_ACCESS_KEY", "MARKERSECRET/wrong", "SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY is missing"),
        ("AWS_ACCESS_KEY_ID", "MARKERKEYIDX", "InvalidAccessKeyId"),
        ("AWS_ENDPOINT_URL", "http://s3.example", "the endpoint must be https"),
        ("AWS_ENDPOINT_URL", "https://a:b@s3.example", "user name"),
        ("AWS_ENDPOINT_URL", "ftp://s3.example", "must begin with https://"),
        ("AWS_ENDPOINT_URL", "s3.example", "is not a URL"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "no answer from 127.0.0.1"),
    ] {
        let shown = refused(&format!("s3://{BUCKET}"), &with(name, value));
        assert!(shown.contains(wanted), "{shown}");
        assert!(!shown.contains("MARKERSECRET"), "{shown}");
    }
}

#[test]
fn an_error_repeats_neither_the_answer_nor_a_secret_in_what_the_server_says() {
    let server = Server::start();
    let lake = server.open("lake");
    let said =
        format!("<Error><Code>Odd</Code><Message>with {SECRET} and {TOKEN}</Message><X>MARKERX</X></Error>");
    for (status, wanted) in [(403, "s3:ListBucket"), (400, "Odd: with *** and ***"), (200, "makes no sense")]
    {
        server.shelf.lock().unwrap().error = Some((status, said.clone()));
        let error = lake.list("t/").unwrap_err();
        let shown = without_secrets(&format!("{error} {error:?} {lake:?}"));
        assert!(shown.contains(wanted) && !shown.contains("MARKERX"), "{shown}");
    }
    server.shelf.lock().unwrap().error = Some((404, "<Error><Code>NoSuchBucket</Code></Error>".to_owned()));
    assert!(lake.get("t/a").unwrap_err().to_string().contains("there is no bucket"));
    assert!(lake.delete(&["t/a".to_owned()]).unwrap_err().to_string().contains("there is no bucket"));
}

#[test]
fn a_redirect_is_not_followed_but_explained() {
    let (server, other) = (Server::start(), Server::start());
    let lake = server.open("lake");
    let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
    for (status, body, wanted) in
        [(301, "", "not in the region eu-test-1"), (400, region, "AWS_REGION to eu-west-3")]
    {
        server.shelf.lock().unwrap().error = Some((status, body.to_owned()));
        let shown = lake.get("a").unwrap_err().to_string();
        assert!(shown.contains(wanted), "{shown}");
    }
    assert_eq!(other.count("GET"), 0);
}

#[test]
fn a_server_that_stays_silent_is_given_up() {
    let server = Server::start();
    let lake = server.open("lake");
    let begun = Instant::now();
    for _ in 0..20 {
        server.fail("PUT", LONG);
    }
    let error = lake.create("a", bytes()).unwrap_err().to_string();
    assert!(error.contains("silent for 0.4 s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn other_objects_of_the_bucket_are_left_alone() {
    let server = Server::start();
    let before = ["lake2/t/a", "lak", "t/a", "lake/t/", "lake/t/a/"];
    for key in before {
        server.shelf.lock().unwrap().objects.insert(key.to_owned(), Vec::new());
    }
    let lake = server.open("lake/");
    assert_eq!(lake.place(), "s3://letters/lake");
    lake.put("t/b", bytes()).unwrap();
    let keys: Vec<String> = lake.list("t/").unwrap().into_iter().map(|listed| listed.key).collect();
    assert!(keys.contains(&"t/b".to_owned()), "{keys:?}");
    lake.delete(&keys).unwrap();
    let left = server.shelf.lock().unwrap().objects.keys().cloned().collect::<Vec<_>>();
    assert!(before.iter().all(|key| left.contains(&(*key).to_owned())), "{left:?}");
}
