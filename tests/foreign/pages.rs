//! The pages in a real browser: what others wrote stays text, and search finds it, with no network at all.

use std::fs;
use std::path::{Path, PathBuf};

use archiver::export::Format;

use crate::support::bench::Bench;
use crate::support::export::{export, job, odd_archive};
use crate::{out, program};

/// A folder for pictures of the pages, for people to look at.
fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What the browser makes of a page, after its scripts have run.
fn browse(page: &str, how: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = program("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(how)
        .arg(page);
    out(&mut command)
}

fn pages() -> (Bench, PathBuf) {
    let bench = odd_archive();
    let out = bench.dir.path().join("pages");
    export(&bench.path(), &job(Format::Html, &out)).unwrap();
    (bench, out)
}

fn address(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn what_others_wrote_is_text() {
    let (bench, out) = pages();
    let id: i64 = bench.one("SELECT conversation FROM message WHERE text LIKE '<script>%'");
    let dom = browse(&address(&out.join(format!("conversations/{id}.html"))), &["--dump-dom"]);
    assert!(dom.contains("&lt;script&gt;document.title='owned'&lt;/script&gt;"), "the text is shown");
    assert!(!dom.contains("<script") && !dom.contains("<img") && !dom.contains("<title>owned"));
    assert!(dom.contains("<title>=Ada \"&lt;b&gt;\", &amp; co"), "a name is text, too");
    assert!(!dom.contains("href=\"javascript:") && !dom.contains("href=\"data:"));
    assert!(dom.contains("href=\"https://example.org/a?b=c&amp;d=\""));
}

#[test]
fn search_finds_words_by_their_beginnings_whatever_their_accents() {
    let (_bench, out) = pages();
    let index = address(&out.join("index.html"));
    for (query, hits, shown) in [
        ("vanis", "2 messages", "<mark>vanishes</mark>"),
        ("ZURICH zołw", "1 message", "<mark>Zürich</mark>"),
        ("grüße", "1 message", "<mark>Grüße</mark>"),
        ("東京", "1 message", "<mark>東京</mark>"),
        ("script", "2 messages", "<mark>script</mark>"),
        ("edited now", "2 messages", "<mark>edited</mark>"),
        ("nowhere", "0 messages", "0 messages"),
    ] {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let dom = browse(&format!("{index}#q={query}"), &["--dump-dom"]);
        assert!(dom.contains(&format!("<h2>{hits}</h2>")) && dom.contains(shown), "{query}: {dom}");
        assert!(!dom.contains("<title>owned"));
    }
}

#[test]
fn the_pages_can_be_looked_at() {
    let (bench, out) = pages();
    let id: i64 = bench.one("SELECT conversation FROM message WHERE text LIKE 'as it is now%' LIMIT 1");
    let (index, page) =
        (address(&out.join("index.html")), address(&out.join(format!("conversations/{id}.html"))));
    for (name, page, size, dark) in [
        ("index-light", &index, "900,1000", false),
        ("page-light", &page, "900,1000", false),
        ("page-dark", &page, "900,1000", true),
        ("page-narrow", &page, "420,900", false),
    ] {
        let picture = pictures().join(format!("{name}.png"));
        let (to, size) = (format!("--screenshot={}", picture.display()), format!("--window-size={size}"));
        let scheme = if dark {
            "--blink-settings=preferredColorScheme=0"
        } else {
            "--blink-settings=preferredColorScheme=1"
        };
        browse(page, &[&to, &size, scheme, "--hide-scrollbars"]);
        assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
}
