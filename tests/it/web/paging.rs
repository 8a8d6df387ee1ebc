//! Forward and backward, every message is shown once.

use proptest::prelude::*;
use std::collections::BTreeSet;

use super::Web;
use crate::support::bench::{Bench, NOW, item, last_page, more_page};
use crate::support::{sample, share};
use archiver::store::LOOKED_AT;

/// A conversation with a message at each of these times, each text so long.
fn archive(times: &[i64], length: usize) -> Bench {
    let mut bench = Bench::new(1);
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let text = "word ".repeat(length);
    let items: Vec<String> =
        (0..).zip(&sorted).map(|(n, at)| item(&format!("p{n}"), *at, "Ada E", &text)).collect();
    bench.put(0, &last_page(&items)).unwrap();
    bench.next_run();
    bench
}

fn stored(bench: &Bench) -> Vec<i64> {
    bench.all("SELECT id FROM message ORDER BY sent_at_ms, id")
}

fn ids(said: &serde_json::Value) -> Vec<i64> {
    said["items"].as_array().unwrap().iter().map(|m| m["message_id"].as_i64().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(share(40)).unwrap(), ..ProptestConfig::default() })]

    #[test]
    fn the_api_gives_each_message_once_in_either_direction(
        steps in proptest::collection::vec(0_i64..3, 1..60),
        limit in 1_usize..20,
        middle in any::<prop::sample::Index>(),
    ) {
        let times: Vec<i64> = steps.iter().scan(NOW - 1_000_000, |at, step| { *at += step * 700; Some(*at) }).collect();
        let bench = archive(&times, 1);
        let web = Web::of(bench.dir.path());
        let all = stored(&bench);
        let at = |query: String| web.page(&format!("/api/v1/conversations/1/messages?limit={limit}&{query}")).json();
        let (mut back, mut query) = (Vec::new(), String::new());
        loop {
            let page = at(query);
            let mut ids = ids(&page);
            prop_assert!(ids.len() <= limit && !ids.is_empty());
            ids.extend(back);
            back = ids;
            match page["next"].as_str() { Some(next) => query = format!("before={next}"), None => break }
        }
        prop_assert_eq!(&back, &all);
        let (mut on, mut query) = (Vec::new(), "after=0.0".to_owned());
        loop {
            let page = at(query);
            on.extend(ids(&page));
            match page["next"].as_str() { Some(next) => query = format!("after={next}"), None => break }
        }
        prop_assert_eq!(&on, &all);
        // From any message on, both ways.
        let one = all[middle.index(all.len())];
        let page = at(format!("around={one}"));
        let mut found = ids(&page);
        prop_assert!(found.contains(&one) && found.len() <= limit);
        let (mut before, mut after) = (page["before"].clone(), page["after"].clone());
        while let Some(cursor) = before.as_str() {
            let page = at(format!("before={cursor}"));
            let mut older = ids(&page);
            older.extend(found);
            found = older;
            before = page["before"].clone();
        }
        while let Some(cursor) = after.as_str() {
            let page = at(format!("after={cursor}"));
            found.extend(ids(&page));
            after = page["after"].clone();
        }
        prop_assert_eq!(&found, &all);
    }
}

#[test]
fn the_pages_of_a_conversation_show_each_message_once_in_either_direction() {
    for (count, length) in sample(vec![(250_i64, 1), (100, 1), (101, 1), (1, 1), (40, 5_000)], 2) {
        let times: Vec<i64> = (0..count).map(|n| NOW - 1_000_000 + n / 3 * 60_000).collect();
        let bench = archive(&times, length);
        let web = Web::of(bench.dir.path());
        let all = stored(&bench);
        let mut page = web.page("/c/1");
        let mut back = page.messages();
        assert!(page.link("next").is_none());
        while let Some(prev) = page.link("prev") {
            page = web.page(prev.split('#').next().unwrap());
            let mut ids = page.messages();
            ids.extend(back);
            back = ids;
        }
        assert_eq!(back, all);
        let mut on = page.messages();
        while let Some(next) = page.link("next") {
            page = web.page(&next);
            on.extend(page.messages());
        }
        assert_eq!(on, all);
    }
}

#[test]
fn a_search_that_looks_at_its_most_before_it_finds_anything_is_not_at_its_end() {
    let mut bench = Bench::new(1);
    let new = item("p0", NOW, "Ada E", "see https://example.com");
    bench.put(0, &last_page(&[new])).unwrap();
    bench.next_run();
    bench.add_older(3 * i64::try_from(LOOKED_AT).unwrap(), "an old www.example.org");
    let web = Web::of(bench.dir.path());
    let (mut found, mut pages, mut query) = (Vec::new(), 0, String::new());
    loop {
        let page = web.page(&format!("/api/v1/search?q=has:link&limit=5{query}")).json();
        found.extend(ids(&page));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => query = format!("&after={next}"),
            None => break,
        }
    }
    let (newest, oldest) =
        (bench.one("SELECT max(id) FROM message"), bench.one("SELECT min(id) FROM message"));
    assert_eq!((found, pages), (vec![newest, oldest], 4));
    for format in ["json", "csv", "html", "markdown"] {
        let taken = web.page(&format!("/search/take/{format}?q=has:link")).text;
        assert!(taken.contains("example.com") && taken.contains("example.org"), "{taken}");
        if format == "json" {
            assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&taken).unwrap().len(), 2);
        }
    }
}

#[test]
fn a_link_and_a_date_lead_to_one_page_of_a_long_conversation() {
    let times: Vec<i64> = (0..900).map(|n| NOW - 900 * 86_400_000 + n * 86_400_000).collect();
    let bench = archive(&times, 1);
    let web = Web::of(bench.dir.path());
    let all = stored(&bench);
    let said = web.get(&format!("/m/{}", all[450]));
    let to = said.header("location").to_owned();
    assert_eq!(to, format!("/c/1?around={0}#m{0}", all[450]));
    let page = web.page(to.split('#').next().unwrap());
    assert_eq!(page.messages(), all[400..500]);
    let day: String = bench.one(
        "SELECT date((SELECT sent_at_ms FROM message ORDER BY id LIMIT 1 OFFSET 300) / 1000, 'unixepoch')",
    );
    let page = web.page(&format!("/c/1?date={day}"));
    assert_eq!(page.messages()[0], all[300]);
    // Beyond either end, the end itself comes.
    assert_eq!(web.page("/c/1?date=2099-01-01").messages(), all[800..]);
    assert_eq!(web.page("/c/1?date=1999").messages(), all[..100]);
}

#[test]
fn a_search_shows_each_hit_once_and_leads_to_it() {
    let times: Vec<i64> = (0..75).map(|n| NOW - 1_000_000 + n / 2 * 60_000).collect();
    let bench = archive(&times, 3);
    let web = Web::of(bench.dir.path());
    let (mut found, mut url) = (Vec::new(), Some("/search?q=word".to_owned()));
    while let Some(at) = url {
        let page = web.page(&at);
        for (place, _) in page.text.match_indices("?around=") {
            found
                .push(page.text.get(place + 8..).unwrap().split('#').next().unwrap().parse::<i64>().unwrap());
        }
        url = page.link("next");
    }
    let unique: BTreeSet<i64> = found.iter().copied().collect();
    assert_eq!((found.len(), unique.len()), (75, 75));
    let (mut by_api, mut after) = (Vec::new(), String::new());
    loop {
        let page = web.page(&format!("/api/v1/search?q=word&limit=10{after}")).json();
        by_api.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(by_api, found);
    let taken: Vec<serde_json::Value> =
        serde_json::from_str(&web.page("/search/take/json?q=word").text).unwrap();
    assert_eq!(taken.iter().map(|m| m["message_id"].as_i64().unwrap()).collect::<Vec<_>>(), found);
}

#[test]
fn gaps_are_drawn_where_they_lie_once_over_all_pages() {
    let mut bench = Bench::new(1);
    let old: Vec<String> =
        (0..120).map(|n| item(&format!("o{n}"), NOW - 10_000_000 - n * 1000, "Ada E", "old")).collect();
    bench.put(0, &more_page(&old, NOW - 10_000_000 - 119_000)).unwrap();
    bench.next_run();
    let new: Vec<String> = (0..120).map(|n| item(&format!("n{n}"), NOW - n * 1000, "Ada E", "new")).collect();
    bench.put(0, &more_page(&new, NOW - 119_000)).unwrap();
    bench.next_run();
    let gaps: Vec<i64> = bench.all("SELECT id FROM gap WHERE conversation = 1 ORDER BY newer_ms");
    assert_eq!(gaps.len(), 2);
    let web = Web::of(bench.dir.path());
    let (mut text, mut url) = (String::new(), Some("/c/1".to_owned()));
    while let Some(at) = url {
        let page = web.page(at.split('#').next().unwrap());
        url = page.link("prev");
        text = page.text + &text;
    }
    for gap in &gaps {
        assert_eq!(text.matches(&format!("id=\"gap{gap}\"")).count(), 1, "{gap}");
    }
    let between = text.find(&format!("id=\"gap{}\"", gaps[1])).unwrap();
    let (last_old, first_new) = (text.rfind(">old<").unwrap(), text.find(">new<").unwrap());
    assert!(last_old < between && between < first_new);
    assert!(text.find(&format!("id=\"gap{}\"", gaps[0])).unwrap() < text.find(">old<").unwrap());
    for words in [
        "Messages may be missing here:",
        "between 8 June 2025 and 8 June 2025",
        "About ",
        "messages, which cost about ",
        ". Filling it costs at least 1 credit</p>",
    ] {
        assert!(text.contains(words), "{words}");
    }
}
