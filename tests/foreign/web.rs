//! `archiver serve` in a real browser: by keys alone, without a script, in the dark, on a phone and in print; and with
//! axe-core, which finds what keeps people from using it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::browser::Browser;
use crate::support::bench::{Bench, NOW, item, last_page};
use crate::support::export::odd_archive;

/// The program at work on an archive.
pub(crate) struct Serving {
    pub(crate) bench: Bench,
    child: Child,
    pub(crate) base: String,
    /// The address with the key.
    pub(crate) address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The conversation with 250 messages.
const LONG: usize = 2;

/// With every oddity, and one long conversation.
fn serve() -> Serving {
    let mut bench = odd_archive();
    let said = |n: i64| {
        item(
            &format!("long{n}"),
            NOW - n * 3_600_000,
            if n % 3 == 0 { "Olivia <Owner>" } else { "Béla Sample" },
            &format!("report number {n}"),
        )
    };
    bench.put(LONG, &last_page(&(0..250).map(said).collect::<Vec<_>>())).unwrap();
    bench.next_run();
    Serving::of(bench)
}

impl Serving {
    pub(crate) fn of(bench: Bench) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_archiver"))
            .args(["--archive", bench.path().to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"])
            .current_dir(bench.dir.path())
            .env("TZ", "UTC")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().to_owned();
        let base = address.split("/#").next().unwrap().to_owned();
        Self { bench, child, base, address }
    }
}

/// A folder for pictures of the pages, for people to look at.
fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("web");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A browser that has come in with the key in the address.
fn inside(serving: &Serving) -> Browser {
    let mut browser = Browser::start();
    browser.open(&serving.address);
    browser.wait("document.querySelector('nav [aria-current]')?.textContent === 'Home'");
    browser
}

#[test]
fn everything_can_be_reached_by_keys_alone() {
    let serving = serve();
    let mut browser = inside(&serving);
    // The key has left the address, and no script sees the cookie.
    assert_eq!(browser.value("location.href"), format!("{}/", serving.base));
    assert_eq!(browser.value("document.cookie"), "");
    browser.press(&["?"]);
    browser.wait("location.pathname === '/help' && document.readyState === 'complete'");
    browser.press(&["g", "c"]);
    browser.wait("location.pathname === '/conversations' && document.readyState === 'complete'");
    browser.press(&["j", "j", "k"]);
    assert_eq!(
        browser
            .value("document.activeElement.closest('[data-item]') === document.querySelector('[data-item]')"),
        true
    );
    // The long conversation, found as one types.
    browser.value("document.querySelector('#filter').focus()");
    browser.write("sample");
    browser.wait("location.search === '?q=sample' && document.querySelectorAll('[data-item]').length === 1");
    browser.press(&["Escape", "j", "Enter"]);
    browser.wait("location.pathname.startsWith('/c/') && document.readyState === 'complete'");
    let first = "document.querySelector('main .m .t').textContent";
    assert_eq!(browser.value(first), "report number 99");
    browser.press(&["p"]);
    browser.wait(&format!("location.search.startsWith('?before=') && {first} === 'report number 199'"));
    browser.press(&["n"]);
    browser.wait(&format!("location.search.startsWith('?after=') && {first} === 'report number 99'"));
    browser.press(&["j", "j", "Enter"]);
    browser
        .wait("location.search.startsWith('?around=') && document.querySelector(':target')?.matches('.m')");
    // Search, and from a hit to the message in its conversation.
    browser.press(&["/"]);
    browser.write("number 123");
    browser.press(&["Enter"]);
    browser
        .wait("location.pathname === '/search' && document.querySelector('mark')?.textContent === 'number'");
    browser.press(&["Escape", "j", "Enter"]);
    browser.wait("document.querySelector(':target .t')?.textContent === 'report number 123'");
    browser.press(&["Escape"]);
    browser.wait("location.pathname === '/conversations'");
    assert_eq!(browser.complaints(&serving.base), Vec::<String>::new());
}

#[test]
fn everything_works_without_a_script() {
    let serving = serve();
    let mut browser = Browser::start();
    browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({"value": true}));
    browser.open(&format!("{}/c/{}", serving.base, LONG + 1));
    browser.wait("document.querySelector('#sign-in')");
    browser.value("document.querySelector('#key').focus()");
    browser.write(serving.address.split("key=").nth(1).unwrap());
    browser.press(&["Enter"]);
    browser.wait("document.querySelectorAll('main .m').length === 100");
    browser.value("document.querySelector('a[rel=prev]').focus()");
    browser.press(&["Enter"]);
    browser.wait("location.search.startsWith('?before=')");
    browser.value("document.querySelector('#q').focus()");
    browser.write("report");
    browser.press(&["Enter"]);
    browser.wait(
        "location.pathname === '/search' && document.querySelectorAll('.hits [data-item]').length === 30",
    );
    browser.value("document.querySelector('.narrow a').focus()");
    browser.press(&["Enter"]);
    browser.wait("location.search.includes('from')");
    for page in ["/", "/people", "/stats", "/ledger", "/coverage", "/help"] {
        browser.open(&format!("{}{page}", serving.base));
        browser.wait("document.querySelector('h1') && document.querySelector('footer.end')");
    }
    assert_eq!(browser.complaints(&serving.base), Vec::<String>::new());
}

#[test]
fn every_page_is_accessible_in_light_and_dark_on_a_phone_and_in_print() {
    let axe = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("axe/package/axe.min.js");
    let axe = fs::read_to_string(&axe)
        .unwrap_or_else(|_| panic!("{} is missing; contrib/test-foreign.sh fetches it", axe.display()));
    let serving = serve();
    let mut browser = inside(&serving);
    let edited: i64 =
        serving.bench.one("SELECT conversation FROM message WHERE text LIKE 'as it is now%' LIMIT 1");
    let message: i64 = serving.bench.one("SELECT id FROM message ORDER BY length(text) DESC LIMIT 1");
    let pages = [
        ("home", "/".to_owned()),
        ("conversations", "/conversations".to_owned()),
        ("conversation", "/c/1".to_owned()),
        ("edits-and-gaps", format!("/c/{edited}")),
        ("long", format!("/c/{}?date=2025-06-02", LONG + 1)),
        ("whole", format!("/m/{message}/whole")),
        ("search", "/search?q=report".to_owned()),
        ("nothing-found", "/search?q=reprot+from:nobody".to_owned()),
        ("people", "/people".to_owned()),
        ("person", "/people/2".to_owned()),
        ("statistics", "/stats".to_owned()),
        ("ledger", "/ledger".to_owned()),
        ("run", "/ledger/runs/1".to_owned()),
        ("coverage", "/coverage".to_owned()),
        ("help", "/help".to_owned()),
        ("key", "/key".to_owned()),
    ];
    let rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}";
    for (name, path) in &pages {
        for (look, width, height, scheme, media) in [
            ("light", 1000, 900, "light", ""),
            ("dark", 1000, 900, "dark", ""),
            ("phone", 320, 700, "light", ""),
            ("print", 794, 1123, "light", "print"),
        ] {
            browser.look(width, height, scheme, media);
            browser.open(&format!("{}{path}", serving.base));
            browser.picture(&pictures().join(format!("{name}-{look}.png")));
            let wide = browser.value("document.documentElement.scrollWidth - innerWidth");
            assert!(wide.as_i64().unwrap() <= 0, "{name}, {look}: {wide} pixels too wide");
            if look == "print" {
                continue;
            }
            browser.value(&axe);
            let found = browser.value(&format!(
                "axe.run(document, {rules}).then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target + ' ' + n.failureSummary).slice(0, 3).join('; ')))"
            ));
            assert_eq!(found, Value::Array(vec![]), "{name}, {look}");
        }
    }
    let unexpected: Vec<String> =
        browser.complaints(&serving.base).into_iter().filter(|c| !c.contains("favicon")).collect();
    assert_eq!(unexpected, Vec::<String>::new());
}

#[test]
fn a_new_message_appears_by_itself() {
    let mut serving = serve();
    let mut browser = inside(&serving);
    browser.open(&format!("{}/c/{}", serving.base, LONG + 1));
    browser.value("window.same = true");
    let said = |n: i64, text: &str| item(&format!("long{n}"), NOW - n * 3_600_000, "Béla Sample", text);
    serving.bench.put(LONG, &last_page(&[said(-1, "news of today"), said(0, "report number 0")])).unwrap();
    browser
        .wait("[...document.querySelectorAll('main .m .t')].some((t) => t.textContent === 'news of today')");
    assert_eq!(browser.value("window.same"), true, "the page is the same one");
    browser.wait("document.querySelector('#news').textContent === '1 new message'");
    assert_eq!(browser.complaints(&serving.base), Vec::<String>::new());
}

#[test]
fn a_page_of_another_site_gets_nothing() {
    let serving = serve();
    let mut browser = inside(&serving);
    let evil = serving.bench.dir.path().join("evil.html");
    fs::write(&evil, format!(
        "<a id=a href='{0}/conversations'>x</a><iframe src='{0}/'></iframe><img src='{0}/icon.svg' onload='window.got=1'>\
         <script src='{0}/app.js' onload='window.got=2'></script>\
         <script>fetch('{0}/api/v1/status', {{credentials: 'include'}}).then(() => window.got = 3, () => window.refused = true)</script>",
        serving.base
    )).unwrap();
    browser.open(&format!("file://{}", evil.display()));
    browser.wait("window.refused");
    assert_eq!(browser.value("window.got ?? null"), Value::Null);
    // Who follows the link is asked, and then goes on with the cookie.
    browser.value("document.querySelector('#a').click()");
    browser.wait("document.querySelector('h1')?.textContent === 'Go on?'");
    browser.value("document.querySelector('main a').click()");
    browser.wait("document.querySelector('h1')?.textContent === 'Conversations'");
}
