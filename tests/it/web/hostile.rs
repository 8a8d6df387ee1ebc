//! Whatever strangers have written is text, on every page.

use super::Web;
use crate::support::bench::{Bench, NOW, item, last_page};
use crate::support::export::{odd_archive, odd_texts};

/// Names and texts that would like to be something else.
fn hostile() -> Bench {
    let mut bench = Bench::new(2);
    let name = "\"><script>alert(1)</script><b onmouseover=alert(2)> \u{202e}eht";
    let zalgo: String =
        std::iter::repeat_n("Z\u{300}\u{301}\u{302}\u{303}\u{30d}\u{310}\u{489}\u{334}", 200).collect();
    let texts = [
        format!("<img src=x onerror=alert(1)>{}", "A".repeat(1_000_000)),
        zalgo,
        "javascript:alert(1) https://example.org/\"onclick=\"alert(1) <a href=javascript:alert(1)>x</a>"
            .to_owned(),
        "\u{202e}\u{2066}never closed \u{200f}".to_owned(),
        "</p></article></main><script>alert(3)</script>".to_owned(),
        "שלום עולם مرحبا 日本語".to_owned(),
    ];
    let items: Vec<String> =
        (1..).zip(&texts).map(|(n, text)| item(&format!("h{n}"), NOW - n * 1000, name, text)).collect();
    bench.put(0, &last_page(&items)).unwrap();
    bench.other().execute_batch(
        "UPDATE conversation SET name = '\"><script>alert(9)</script>', headline = '<script>', profile_url = 'javascript:alert(1)' WHERE id = 1;
         UPDATE account SET name = '<script>alert(8)</script>';
         UPDATE person SET profile_url = 'javascript:alert(7)';",
    ).unwrap();
    bench.next_run();
    bench
}

/// Every page, the addresses that they link to included.
fn all_pages(web: &Web) -> Vec<(String, String)> {
    let (mut open, mut seen) = (
        vec![
            "/".to_owned(),
            "/help".to_owned(),
            "/search?q=alert".to_owned(),
            "/search?q=%3Cscript%3E".to_owned(),
        ],
        Vec::new(),
    );
    while let Some(url) = open.pop() {
        if seen.iter().any(|(known, _)| *known == url) || seen.len() > 150 {
            continue;
        }
        let said = web.get(&url);
        if said.status.is_redirection() {
            open.push(said.header("location").split('#').next().unwrap().to_owned());
            continue;
        }
        assert!(said.status.is_success(), "{url}: {said:?}");
        let is_page = said.header("content-type").starts_with("text/html");
        if is_page {
            for (at, _) in said.text.match_indices("href=\"/") {
                let href = said.text.get(at + 6..).unwrap().split('"').next().unwrap();
                open.push(href.split('#').next().unwrap().replace("&amp;", "&"));
            }
        }
        seen.push((url, if is_page { said.text } else { String::new() }));
    }
    seen.retain(|(_, text)| !text.is_empty());
    seen
}

/// The tags of a page that a browser would act on.
#[track_caller]
fn is_only_ours(url: &str, text: &str) {
    let tags = text.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
    for tag in tags {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap().to_ascii_lowercase();
        let known = [
            "!doctype",
            "html",
            "head",
            "meta",
            "title",
            "link",
            "body",
            "a",
            "header",
            "nav",
            "form",
            "label",
            "input",
            "main",
            "h1",
            "h2",
            "h3",
            "p",
            "section",
            "article",
            "footer",
            "time",
            "span",
            "script",
            "ul",
            "li",
            "bdi",
            "button",
            "div",
            "details",
            "summary",
            "strong",
            "b",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "caption",
            "svg",
            "g",
            "rect",
            "line",
            "text",
            "figure",
            "figcaption",
            "mark",
            "del",
            "ins",
            "kbd",
            "code",
            "aside",
            "style",
        ];
        assert!(known.contains(&name.as_str()), "{url}: <{tag}>");
        if name == "script" {
            assert!(tag == "script src=\"/app.js\"" || tag == "/script", "{url}: <{tag}>");
        }
        for attribute in [" on", " style=", " srcdoc=", "href=\"javascript", "href=\"data", " src=\"http"] {
            // Within quotes everything is text: quotes of others are escaped.
            let outside: String = tag.split('"').step_by(2).collect();
            let inside = attribute.contains('"') && tag.contains(attribute);
            assert!(!inside && (attribute.contains('"') || !outside.contains(attribute)), "{url}: <{tag}>");
        }
        let loads =
            ["<link", "<script", "<img"].iter().any(|_| tag.starts_with("img") || tag.starts_with("iframe"));
        assert!(!loads, "{url}: <{tag}>");
        if tag.starts_with("a href=\"http") {
            assert!(tag.contains("rel=\"noopener noreferrer nofollow\" target=\"_blank\""), "{url}: <{tag}>");
        }
    }
}

#[test]
fn markup_script_addresses_and_odd_names_are_text_on_every_page() {
    for bench in [hostile(), odd_archive()] {
        let web = Web::of(bench.dir.path());
        let pages = all_pages(&web);
        assert!(pages.len() > 20, "{}", pages.len());
        for (url, text) in &pages {
            is_only_ours(url, text);
            assert!(text.len() < 1_200_000, "{url}: {} bytes", text.len());
        }
    }
}

#[test]
fn a_long_message_is_cut_on_its_page_and_whole_on_its_own() {
    let bench = hostile();
    let web = Web::of(bench.dir.path());
    let page = web.page("/c/1");
    assert!(page.text.len() < 100_000, "{}", page.text.len());
    let id: i64 = bench.one("SELECT id FROM message ORDER BY length(text) DESC LIMIT 1");
    assert!(page.text.contains(&format!("href=\"/m/{id}/whole\"")));
    assert!(web.page(&format!("/m/{id}/whole")).text.contains(&"A".repeat(1_000_000)));
}

#[test]
fn every_odd_text_is_shown_letter_for_letter() {
    let bench = odd_archive();
    let web = Web::of(bench.dir.path());
    let mut shown = String::new();
    let mut next = Some("/c/1".to_owned());
    while let Some(url) = next {
        let page = web.page(url.split('#').next().unwrap());
        shown.push_str(&page.text);
        next = page.link("prev");
    }
    for text in odd_texts()
        .iter()
        .filter(|text| text.len() < 8_000 && !text.contains("http") && !text.trim().is_empty())
    {
        let escaped: String = text
            .chars()
            .map(|c| match c {
                '&' => "&amp;".to_owned(),
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                '"' => "&quot;".to_owned(),
                '\'' => "&#39;".to_owned(),
                '\r' => "&#13;".to_owned(),
                c if c.is_control() && !matches!(c, '\n' | '\t') => "\u{fffd}".to_owned(),
                c => c.to_string(),
            })
            .collect();
        assert!(shown.contains(&escaped), "{text:?}");
    }
}

#[test]
fn what_is_taken_along_is_text_too() {
    let bench = hostile();
    let web = Web::of(bench.dir.path());
    for url in ["/c/1/take/html", "/search/take/html?q=alert"] {
        let said = web.page(url);
        assert!(
            said.text.starts_with("<!DOCTYPE html>") && said.text.trim_end().ends_with("</html>"),
            "{url}"
        );
        let body = said.text.split_once("</style>").unwrap().1;
        is_only_ours(url, body);
        let policy = said
            .text
            .split_once("Content-Security-Policy\" content=\"")
            .unwrap()
            .1
            .split_once('"')
            .unwrap()
            .0;
        assert!(
            policy.starts_with("default-src &#39;none&#39;") || policy.starts_with("default-src 'none'"),
            "{policy}"
        );
        let name = said.header("content-disposition");
        assert!(
            name.starts_with("attachment; filename=\"")
                && name.is_ascii()
                && !name.contains(['<', '/', '\\']),
            "{name}"
        );
    }
    let csv = web.page("/c/1/take/csv").text;
    assert_eq!(csv.matches("\r\n").count(), 7);
    assert_eq!(
        serde_json::from_str::<Vec<serde_json::Value>>(&web.page("/c/1/take/json").text).unwrap().len(),
        6
    );
    assert!(web.page("/c/1/take/markdown").text.contains("&lt;script>"));
}
