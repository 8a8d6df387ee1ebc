//! Who is answered, and what every answer says to the browser.

use archiver::web::HEADERS;
use hyper::StatusCode;
use proptest::prelude::*;

use super::{HOST, PROXIED, Said, Web};
use crate::support::bench::Bench;
use crate::support::export::odd_archive;

fn odd() -> (Bench, Web) {
    let bench = odd_archive();
    let web = Web::of(bench.dir.path());
    (bench, web)
}

#[track_caller]
fn is_dressed(said: &Said, what: &str) {
    for (name, value) in HEADERS {
        assert_eq!(said.header(name.as_str()), value, "{what}");
    }
    let policy = said.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
        "{what}"
    );
    assert!(said.header("content-type").contains('/') || said.status == StatusCode::SEE_OTHER, "{what}");
    assert_eq!(said.header("access-control-allow-origin"), "", "{what}");
}

#[test]
fn every_answer_of_every_route_has_all_headers() {
    let (_bench, web) = odd();
    let addresses = Web::addresses("1");
    assert!(addresses.len() > 25);
    for (url, _) in addresses {
        for method in ["GET", "HEAD"] {
            let said = web.ask(method, &url, &[("authorization", &web.bearer())], "");
            is_dressed(&said, &url);
            let refused = url.starts_with("/m/") || url == "/mcp";
            assert!(said.status.as_u16() < 400 || refused, "{url}: {said:?}");
        }
        is_dressed(&web.ask("GET", &url, &[], ""), &url);
        is_dressed(&web.ask("POST", &url, &[("authorization", &web.bearer())], ""), &url);
        is_dressed(&web.ask("GET", &url, &[("host", "evil.example")], ""), &url);
        is_dressed(&web.ask("GET", &url, &[("sec-fetch-site", "cross-site")], ""), &url);
    }
    is_dressed(&web.get("/nowhere"), "nowhere");
    is_dressed(&web.get("/c/999"), "unknown");
}

#[test]
fn only_what_tells_nothing_of_the_archive_is_shown_without_the_key() {
    let (_bench, web) = odd();
    let wrong = [
        vec![],
        vec![("authorization", "Bearer wrong")],
        vec![("authorization", "Basic d3Jvbmc6d3Jvbmc=")],
        vec![("cookie", "archiver-8924=wrong; archiver-8924=")],
        vec![("cookie", "archiver-8925=x")],
    ];
    let open: Vec<_> = Web::addresses("1").into_iter().filter(|(_, key)| !key).map(|(url, _)| url).collect();
    assert_eq!(open, ["/healthz", "/style.css", "/app.js", "/icon.svg", "/key"]);
    for (url, key) in Web::addresses("1") {
        for headers in &wrong {
            let said = web.ask("GET", &url, headers, "");
            let expected = if key { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
            assert_eq!(said.status, expected, "{url} {headers:?}");
            assert!(!said.text.contains("Ada"), "{url}");
        }
        // The key is not the cookie, and does not open anything from within an address.
        let said = web.ask(
            "GET",
            &format!("{url}?key={}", web.key),
            &[("cookie", &format!("archiver-8924={}", web.key))],
            "",
        );
        assert_eq!(said.status == StatusCode::UNAUTHORIZED, key, "{url}");
    }
}

#[test]
fn the_key_is_exchanged_once_for_a_cookie_that_no_script_and_no_other_site_gets() {
    let (_bench, web) = odd();
    let own = [("sec-fetch-site", "same-origin"), ("origin", "null")];
    let said = web.ask("POST", "/key", &own, &format!("key={}&to=%2Fc%2F1%3Faround%3D2", web.key));
    assert_eq!((said.status, said.header("location")), (StatusCode::SEE_OTHER, "/c/1?around=2"));
    let cookie = said.header("set-cookie").to_owned();
    for part in ["archiver-8924=", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&web.key) && !cookie.contains("Domain") && !cookie.contains("Secure"));
    // Behind a proxy that encrypts.
    let said = web.ask("POST", "/key", &[own[0], own[1], ("host", PROXIED)], &format!("key={}", web.key));
    assert!(said.header("set-cookie").ends_with("; Secure"), "{said:?}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(web.ask("GET", "/", &[("cookie", &format!("a=b; {pair}"))], "").status, StatusCode::OK);
    for to in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""] {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let said = web.ask("POST", "/key", &own, &format!("key={}&to={to}", web.key));
        assert_eq!(said.header("location"), "/", "{to}");
    }
    for body in ["", "key=", "key=wrong", "to=%2F"] {
        let said = web.ask("POST", "/key", &own, body);
        assert_eq!((said.status, said.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{body}");
    }
    let large = web.ask("POST", "/key", &own, &"x".repeat(5000));
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    for from in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("origin", "null")],
        vec![("origin", "https://evil.example")],
        vec![("origin", "http://127.0.0.1:9999")],
        vec![("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9999")],
    ] {
        let said = web.ask("POST", "/key", &from, &format!("key={}", web.key));
        assert_eq!((said.status, said.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{from:?}");
    }
}

#[test]
fn a_name_that_others_can_point_at_this_machine_is_not_answered() {
    let (_bench, web) = odd();
    let key = web.bearer();
    for host in [
        "evil.example",
        "evil.example:8924",
        "127.0.0.1",
        "127.0.0.1:1",
        "192.0.2.1:8924",
        "localhost",
        "x@127.0.0.1:8924",
    ] {
        let said = web.ask("GET", "/", &[("host", host), ("authorization", &key)], "");
        assert_eq!(said.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!said.text.contains("Ada"));
    }
    for host in [HOST, "localhost:8924", "[::1]:8924"] {
        assert_eq!(
            web.ask("GET", "/", &[("host", host), ("authorization", &key)], "").status,
            StatusCode::OK
        );
    }
    let none = web.ask("GET", "/", &[("host", ""), ("authorization", &key)], "");
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
    let two = web.ask("GET", "/", &[("host", HOST), ("host", "evil.example"), ("authorization", &key)], "");
    assert_eq!(two.status, StatusCode::BAD_REQUEST);
    let absolute =
        web.ask("GET", "http://evil.example:8924/", &[("host", HOST), ("authorization", &key)], "");
    assert_eq!(absolute.status, StatusCode::MISDIRECTED_REQUEST);
}

#[test]
fn what_another_site_makes_a_browser_ask_is_refused_even_with_the_cookie() {
    let (_bench, web) = odd();
    let key = web.bearer();
    for (url, _) in Web::addresses("1") {
        for from in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let said = web.ask("GET", &url, &[from, ("authorization", &key)], "");
            assert_eq!(said.status, StatusCode::FORBIDDEN, "{url} {from:?}");
            assert!(!said.text.contains("Ada"));
        }
    }
    // A person who has followed a link from elsewhere goes on by one of this page's own.
    let said = web.ask("GET", "/c/1?around=2", &[("sec-fetch-site", "cross-site")], "");
    assert!(said.text.contains("href=\"/c/1?around=2\""));
}

#[test]
fn nothing_but_get_and_head_is_answered() {
    let (_bench, web) = odd();
    let key = web.bearer();
    for (url, _) in Web::addresses("1") {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"] {
            let posts = matches!(url.as_str(), "/key" | "/mcp");
            if (posts && method == "POST") || method == "CONNECT" {
                continue;
            }
            let said = web.ask(method, &url, &[("authorization", &key)], "x");
            assert_eq!(
                (said.status, said.header("allow")),
                (StatusCode::METHOD_NOT_ALLOWED, if url == "/mcp" { "POST" } else { "GET, HEAD" }),
                "{method} {url}"
            );
        }
    }
}

#[test]
fn what_is_not_there_is_not_found_and_what_makes_no_sense_is_said() {
    let (bench, web) = odd();
    let missing = [
        "/c/0",
        "/c/-1",
        "/c/99999",
        "/c/x",
        "/c/1/",
        "/c/..%2f..%2fetc%2fpasswd",
        "/../etc/passwd",
        "/c/%00",
        "/c/1/take/exe",
        "/c/99999/take/csv",
        "/m/1",
        "/m/x",
        "/m/9223372036854775807/whole",
        "/people/99999",
        "/ledger/runs/99999",
        "/coverage?c=99999",
        "/conversations?account=nobody",
        "/c/1?around=1",
        "/archive.db",
        "/api/v1/conversations/99999",
        "/api/v1/conversations/2-nope/messages",
        "/api/v1/nothing",
        "/api/v1/conversations/1/messages?around=1",
        "/api/v1/conversations/1?account=nobody",
        "/search/take/sql?q=a",
    ];
    for url in missing {
        let said = web.get(url);
        assert_eq!(said.status, StatusCode::NOT_FOUND, "{url}: {said:?}");
        assert_eq!(url.starts_with("/api/"), said.header("content-type") == "application/json", "{url}");
    }
    for url in [
        "/c/1?before=x",
        "/c/1?after=1",
        "/c/1?around=x",
        "/c/1?date=soon",
        "/conversations?after=x",
        "/search?q=a&after=x",
        "/api/v1/search",
        "/api/v1/search?q=after:soon",
        "/api/v1/search?q=a&limit=0",
        "/api/v1/people?limit=-1",
        "/api/v1/conversations?after=99999",
        "/api/v1/conversations/1/messages?before=1.1&after=1.1",
        "/ledger?before=x",
        "/search/take/csv?q=in:nobody",
    ] {
        assert_eq!(web.get(url).status, StatusCode::BAD_REQUEST, "{url}");
    }
    // A search that makes no sense is said where it can be mended.
    let said = web.page("/search?q=after:soon");
    assert!(said.text.contains("is not a date"), "{}", said.text);
    drop(bench);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_address_makes_the_server_fail(
        path in "(/(c|m|people|search|api|v1|conversations|messages|take|ledger|runs|[0-9]{1,20}|-1|%2e%2e|[a-z%.]{0,4})){0,5}",
        query in "((q|limit|after|before|around|date|c|account)=[-0-9a-z.%\"*:]{0,24}&){0,3}",
    ) {
        thread_local!(static ODD: (Bench, Web) = odd());
        ODD.with(|(_, web)| {
            let url = format!("/{}?{query}", path.trim_start_matches('/'));
            if url.parse::<hyper::Uri>().is_ok() {
                let said = web.get(&url);
                prop_assert!(said.status.as_u16() < 500, "{url}: {said:?}");
                is_dressed(&said, &url);
            }
            Ok(())
        })?;
    }
}
