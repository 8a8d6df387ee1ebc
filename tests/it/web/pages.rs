//! What the pages show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Web;
use crate::support::bench::{Bench, NOW, item, last_page};
use crate::support::export::odd_archive;

fn odd() -> (Bench, Web) {
    let bench = odd_archive();
    let web = Web::of(bench.dir.path());
    (bench, web)
}

#[test]
fn the_home_page_says_how_things_are() {
    let (_bench, web) = odd();
    let home = web.page("/").text;
    for words in [
        "credits today",
        "Needs attention",
        "no answer; retried less and less often",
        "Latest conversations",
        "data-live",
    ] {
        assert!(home.contains(words), "{words}: {home}");
    }
}

#[test]
fn conversations_are_listed_newest_first_with_their_last_line_and_can_be_filtered() {
    let (_bench, web) = odd();
    let all = web.page("/conversations").text;
    let (first, second) = (all.find("one above a gap").unwrap(), all.find("mine").unwrap());
    assert!(first < second);
    for words in ["class=\"missing\"", "gap", "Second, account/..", "class=\"initial\""] {
        assert!(all.contains(words), "{words}");
    }
    let some = web.page("/conversations?q=example").text;
    assert!(some.contains("in the name") && some.len() < all.len());
    assert!(web.page("/conversations?q=nobody").text.contains("0 conversations"));
}

#[test]
fn edits_show_the_words_that_changed_and_vanished_messages_stay_in_place() {
    let (bench, web) = odd();
    let id: i64 = bench.one("SELECT conversation FROM message WHERE text LIKE 'as it is now%' LIMIT 1");
    let page = web.page(&format!("/c/{id}")).text;
    for words in [
        "<del>",
        "<ins>",
        "What it said before",
        "vanished from LinkedIn",
        "Unknown sender",
        "class=\"m gone\"",
        ">edited<",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let message: i64 = bench.one("SELECT id FROM message WHERE text = 'mine' LIMIT 1");
    assert!(page.contains(&format!("href=\"/m/{message}\"")) && page.contains(&format!("id=\"m{message}\"")));
}

#[test]
fn a_search_marks_its_hits_and_can_be_narrowed() {
    let mut bench = Bench::new(2);
    let said = |n: i64, who: &str, text: &str| item(&format!("s{n}"), NOW - n * 200 * 86_400_000, who, text);
    bench
        .put(
            0,
            &last_page(&[
                said(1, "Ada Example", "the Report of May"),
                said(2, "Olivia Owner", "which report?"),
            ]),
        )
        .unwrap();
    bench.put(1, &last_page(&[said(3, "Béla Sample", "no report here")])).unwrap();
    bench.next_run();
    let web = Web::of(bench.dir.path());
    let page = web.page("/search?q=report").text;
    for words in [
        "3 messages",
        "<mark>Report</mark>",
        "People",
        "Years",
        "Conversations",
        "from%3A%22Ada+Example%22",
        "on%3A2024",
        "in%3A2-c1",
        "value=\"report\"",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let narrowed = web.page("/search?q=report+from%3A%22Ada+Example%22").text;
    assert!(narrowed.contains("1 message,") && narrowed.contains("of May"));
    let nothing = web.page("/search?q=reprot").text;
    assert!(
        nothing.contains("No message contains &quot;reprot&quot;. Did you mean &quot;report&quot;?"),
        "{nothing}"
    );
    let nobody = web.page("/search?q=from%3Axaver").text;
    assert!(nobody.contains("No sender&#39;s name contains &quot;xaver&quot;"), "{nobody}");
    let of_nothing = web.page("/search?q=in%3Anowhere").text;
    assert!(of_nothing.contains("no conversation is called"), "{of_nothing}");
}

#[test]
fn people_have_figures_and_a_page_each() {
    let (bench, web) = odd();
    let list = web.page("/people").text;
    let id: i64 = bench.one("SELECT min(id) FROM person WHERE name = 'Ada Example'");
    assert!(list.contains(&format!("href=\"/people/{id}\"")), "{list}");
    let page = web.page(&format!("/people/{id}")).text;
    for words in [
        "<h1 dir=\"auto\">Ada Example</h1>",
        "They answer within (median)",
        "Messages per month",
        "from%3A%22Ada+Example%22",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn the_ledger_and_the_coverage_can_be_looked_into() {
    let (bench, web) = odd();
    let ledger = web.page("/ledger").text;
    assert!(ledger.contains("href=\"/ledger/runs/1\"") && ledger.contains("Credits per day"));
    let run = web.page("/ledger/runs/1").text;
    assert!(run.contains("All runs") && run.contains("gap, <bdi>me</bdi>"), "{run}");
    let coverage = web.page("/coverage").text;
    let gaps: i64 =
        bench.one("SELECT count(*) FROM gap WHERE newer_ms IS NOT NULL AND conversation IS NOT NULL");
    assert!(
        coverage.matches("go to it").count() >= usize::try_from(gaps.min(1)).unwrap()
            && coverage.contains("<title>missing: ")
    );
    let stats = web.page("/stats").text;
    assert!(stats.contains("Messages per day of the week") && stats.contains("Monday"));
}

#[test]
fn what_has_changed_is_shown_by_the_next_request() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("a", NOW, "Ada E", "first")])).unwrap();
    let web = Web::of(bench.dir.path());
    assert!(web.page("/c/1").text.contains(">first<"));
    bench
        .put(0, &last_page(&[item("b", NOW + 5000, "Ada E", "second"), item("a", NOW, "Ada E", "first")]))
        .unwrap();
    let page = web.page("/c/1").text;
    assert!(page.contains(">first<") && page.contains(">second<"));
    // In the middle of a write as well: readers see what was before it.
    let other = bench.other();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE conversation SET name = 'Half done'").unwrap();
    assert!(!web.page("/c/1").text.contains("Half done"));
    other.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn another_archive_in_the_same_place_is_the_one_that_is_read() {
    let bench = odd_archive();
    let web = Web::of(bench.dir.path());
    assert!(web.page("/conversations").text.contains("one above a gap"));
    let mut other = Bench::new(1);
    other.put(0, &last_page(&[item("a", NOW, "Ada E", "of another archive")])).unwrap();
    other.next_run();
    let copy = bench.dir.path().join("copy.db");
    other.other().execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    let path = bench.path();
    drop(bench.store);
    for beside in ["-wal", "-shm", ".lock"] {
        std::fs::remove_file(format!("{}{beside}", path.display())).unwrap_or_default();
    }
    std::fs::rename(copy, &path).unwrap();
    assert!(web.page("/conversations").text.contains("of another archive"));
}

#[test]
fn nobody_who_reads_or_writes_is_ever_told_that_the_archive_is_locked() {
    let (bench, web) = odd();
    let stop = Arc::new(AtomicBool::new(false));
    let (path, until) = (bench.path(), Arc::clone(&stop));
    let writer = thread::spawn(move || {
        let db = rusqlite::Connection::open(path).unwrap();
        let mut written = 0;
        while !until.load(Ordering::Relaxed) {
            // With no patience at all: whoever held it up would be noticed.
            db.busy_timeout(Duration::ZERO).unwrap();
            db.execute_batch(
                "BEGIN IMMEDIATE; UPDATE conversation SET unread = ifnull(unread, 0) + 1; COMMIT",
            )
            .unwrap();
            written += 1;
        }
        written
    });
    for round in 0..5 {
        for (url, _) in Web::addresses("1").iter().filter(|(url, _)| !url.starts_with("/m/") && url != "/mcp")
        {
            let said = web.get(url);
            assert!(said.status.as_u16() < 400, "{round} {url}: {said:?}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > 10);
}
