//! HTML: pages that load nothing and mark what was edited, vanished or is missing. What a browser makes of them is for
//! the suite of foreign programs.

use std::fs;
use std::path::PathBuf;

use archiver::export::Format;

use crate::bench::Bench;
use crate::support::export::{export, files, job, odd_archive};

fn pages() -> (Bench, PathBuf) {
    let bench = odd_archive();
    let out = bench.dir.path().join("pages");
    export(&bench.path(), &job(Format::Html, &out)).unwrap();
    (bench, out)
}

#[test]
fn pages_ask_nothing_of_any_network() {
    let (_bench, out) = pages();
    for file in files(&out).iter().filter(|f| f.extension().is_some_and(|e| e == "html")) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains("default-src 'none'"), "{}", file.display());
        for (at, _) in text.match_indices("http") {
            let (before, from) = text.split_at(at);
            let loads = before.ends_with("src=\"") || before.ends_with("url(");
            let link = before.ends_with("href=\"")
                && !from.split('>').next().unwrap().contains("rel=\"noopener noreferrer");
            assert!(!loads && !link, "{}: {}", file.display(), from.chars().take(80).collect::<String>());
        }
    }
}

#[test]
fn edits_vanished_messages_and_gaps_are_marked() {
    let (bench, out) = pages();
    let id: i64 = bench.one("SELECT conversation FROM message WHERE text LIKE 'as it is now%' LIMIT 1");
    let page = fs::read_to_string(out.join(format!("conversations/{id}.html"))).unwrap();
    for words in [
        "as it <del>was</del><ins>is</ins> <del>first</del><ins>now, edited</ins>",
        "What it said before",
        ">edited<",
        "vanished from LinkedIn",
        "Messages may be missing here",
        "Unknown sender",
    ] {
        assert!(page.contains(words), "{words}");
    }
}
