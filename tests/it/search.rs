//! What a search finds, in the two indexes and through the filters; that no input can break it, nor the work grow.

use std::collections::BTreeSet;
use std::time::Duration;

use archiver::core::Ms;
use archiver::core::search::query::{Query, Term};
use archiver::core::search::tokenize;
use archiver::store::{LOOKED_AT, RANKED, Reader, Search, Store};
use fastrand::Rng;

use crate::bench::{Bench, NOW, item, last_page};
use crate::support::{share, worked};

/// Texts of all kinds.
const TEXTS: &[&str] = &[
    "Meet me on Thursday for the quarterly report",
    "the green house is not a greenhouse",
    "Café crème à la crémerie",
    "see https://example.com/a?b=c and www.example.org",
    "我们希望世界和平",
    "今週の木曜日にLinkedInの件で会いましょう",
    "학교에서 만나요, 내일 report",
    "พบกันวันพฤหัสบดีที่สำนักงาน",
    "🎉🎉 well done! 50% off",
    "don't co-operate with a.b@c.com",
    "thursday again",
    "世界 hello",
    "",
    "A \"quoted\" (thing) -- with * signs: NEAR AND OR NOT",
    "Ελλάδα: λόγος και ΈΡΓΟ",
    "die Straße nach Łódź, von Øyvind Økland",
    "मैं हिन्दी में लिखता हूँ",
    "هٰذا كِتابٌ جـــديد عن القرآن",
    "שָׁלוֹם, עולם",
    "𝗯𝗼𝗹𝗱 ＦＵＬＬ ﬁne Ⓐ 東、京 ﾃﾞｰﾀ",
    "мой ёж, мои ежи: rea\u{ad}dy🤣to go",
];

/// Half of the texts in each of two conversations, alternately by two people, an hour apart.
fn archive() -> Bench {
    let mut bench = Bench::new(2);
    for conversation in 0..2 {
        let items: Vec<String> = (0..TEXTS.len())
            .rev()
            .filter(|i| i % 2 == conversation)
            .map(|i| {
                let who = if i % 4 < 2 { "Ada Example" } else { "Béla Sample" };
                item(&format!("m{i}"), at(i), who, TEXTS[i])
            })
            .collect();
        bench.put(conversation, &last_page(&items)).unwrap();
    }
    bench.store.index_texts().unwrap();
    bench
}

fn at(index: usize) -> Ms {
    NOW - 100 * 3_600_000 + i64::try_from(index).unwrap() * 3_600_000
}

fn search(query: &str) -> Search {
    Search { query: Query::parse(query), ..Search::default() }
}

/// Whether a text is what a query asks for, read without any index.
pub(crate) fn fits(text: &str, query: &Query) -> bool {
    let has = |term: &Term| {
        let phrase = tokenize::Phrase::new(&term.text, term.prefix);
        if phrase.is_empty() {
            text.contains(&term.text)
        } else {
            !tokenize::hits(text, &[phrase]).0.is_empty()
        }
    };
    query.all.iter().all(|group| group.iter().any(has)) && !query.none.iter().any(has)
}

/// Which of the texts are found, newest first.
fn found(store: &Store, search: &Search) -> Vec<usize> {
    let found = store.queries().search(search, 1000).unwrap();
    let place = |text: &String| TEXTS.iter().position(|t| t == text).unwrap();
    found.messages.iter().map(|m| place(&m.message.text)).collect()
}

#[test]
fn words_phrases_beginnings_alternatives_and_exclusions_are_found_newest_first() {
    let bench = archive();
    for (query, expected) in [
        ("thursday", vec![10, 0]),
        ("THURSDAY report", vec![0]),
        ("report", vec![6, 0]),
        ("thurs", vec![]),
        ("thurs*", vec![10, 0]),
        ("\"green house\"", vec![1]),
        ("greenhouse OR again", vec![10, 1]),
        ("thursday -again", vec![0]),
        ("creme cremerie", vec![2]),
        ("don't", vec![9]),
        ("a.b@c.com", vec![9]),
        ("NEAR", vec![13]),
        ("quoted -\"with signs\"", vec![]),
        ("nowhere", vec![]),
    ] {
        assert_eq!(found(&bench.store, &search(query)), expected, "{query}");
    }
}

#[test]
fn scripts_without_spaces_are_found_by_any_piece_of_a_run() {
    let bench = archive();
    for (query, expected) in [
        ("世界", vec![11, 4]),
        ("希望世界", vec![4]),
        ("界", vec![11, 4]),
        ("平", vec![4]),
        ("世界和平", vec![4]),
        ("界世", vec![]),
        ("木曜日", vec![5]),
        ("linkedin", vec![5]),
        ("LinkedInの件", vec![5]),
        ("학교", vec![6]),
        ("학교 report", vec![6]),
        ("พฤหัสบดี", vec![7]),
        ("สำนักงาน", vec![7]),
        ("\"世界 hello\"", vec![11]),
        ("世界 OR thursday", vec![11, 10, 4, 0]),
        ("report -학교", vec![0]),
        ("hello -世界", vec![]),
        ("世界 -hello", vec![4]),
    ] {
        assert_eq!(found(&bench.store, &search(query)), expected, "{query}");
    }
}

#[test]
fn signs_and_exclusions_alone_are_looked_for_in_the_texts() {
    let bench = archive();
    assert_eq!(found(&bench.store, &search("🎉")), [8]);
    assert_eq!(found(&bench.store, &search("🎉 OR again")), [10, 8]);
    assert_eq!(found(&bench.store, &search("done -🎉")), [] as [usize; 0]);
    assert_eq!(found(&bench.store, &search("-thursday")).len(), TEXTS.len() - 2);
    assert_eq!(found(&bench.store, &search("")).len(), TEXTS.len());
}

#[test]
fn filters_narrow_what_is_found() {
    let bench = archive();
    let here = bench.targets[0].plan.id;
    let all = || search("thursday OR report OR 世界 OR house OR creme OR https");
    let base: Vec<usize> = found(&bench.store, &all());
    let check = |name: &str, search: Search, fits: &dyn Fn(usize) -> bool| {
        let expected: Vec<usize> = base.iter().copied().filter(|i| fits(*i)).collect();
        assert!(!expected.is_empty() && expected.len() < base.len(), "{name}");
        assert_eq!(found(&bench.store, &search), expected, "{name}");
    };
    check("in", Search { within: Some([here].into()), ..all() }, &|i| i % 2 == 0);
    check("not in", Search { without: [here].into(), ..all() }, &|i| i % 2 == 1);
    check("from", Search { from: vec!["bela".into()], ..all() }, &|i| i % 4 >= 2);
    check("not from", Search { not_from: vec!["BÉLA".into()], ..all() }, &|i| i % 4 < 2);
    check("since", Search { since: Some(at(4)), ..all() }, &|i| i >= 4);
    check("until", Search { until: Some(at(4)), ..all() }, &|i| i < 4);
    check("outside", Search { outside: vec![(at(2), at(5))], ..all() }, &|i| !(2..5).contains(&i));
    check("link", Search { link: Some(true), ..all() }, &|i| i == 3);
    check("no link", Search { link: Some(false), ..all() }, &|i| i != 3);
    assert_eq!(found(&bench.store, &Search { kinds: vec!["text".into()], ..all() }), base);
    assert_eq!(found(&bench.store, &Search { kinds: vec!["VOICE".into()], ..all() }), [] as [usize; 0]);
    assert_eq!(found(&bench.store, &Search { from: vec!["nobody".into()], ..all() }), [] as [usize; 0]);
    assert_eq!(bench.store.queries().search_count(&all()).unwrap(), u64::try_from(base.len()).unwrap());
}

#[test]
fn edits_are_found_by_what_they_say_now_and_by_having_been_made() {
    let mut bench = archive();
    bench.next_run();
    let edited = item("m4", at(4), "Ada Example", "戦争と平和");
    bench.put(0, &last_page(&[item("m12", at(12), "Ada Example", ""), edited])).unwrap();
    bench.store.index_texts().unwrap();
    let texts = |search: &Search| -> Vec<String> {
        let found = bench.store.queries().search(search, 1000).unwrap();
        found.messages.iter().map(|m| m.message.text.clone()).collect()
    };
    assert_eq!(texts(&search("希望")), [] as [String; 0]);
    assert_eq!(texts(&search("戦争")), ["戦争と平和"]);
    assert_eq!(texts(&Search { edited: Some(true), ..search("") }), ["戦争と平和"]);
    assert!(texts(&Search { gone: Some(true), ..search("") }).contains(&"thursday again".to_owned()));
    let found = bench.store.queries().search(&search("戦争"), 1).unwrap();
    let former = bench.store.queries().former_versions(found.messages[0].id).unwrap();
    assert_eq!(former[0].text, "我们希望世界和平");
}

#[test]
fn what_a_crash_left_unindexed_is_found_after_opening() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("m1", at(1), "Ada Example", "世界 one")])).unwrap();
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM messages_cjk_fts"), 0);
    bench.crash();
    assert_eq!(bench.store.queries().search(&search("世界"), 9).unwrap().messages.len(), 1);
}

#[test]
fn the_best_has_the_rarer_word_more_often_in_fewer_words() {
    let mut bench = Bench::new(1);
    let texts = [
        "alpha beta in a long message with many other words that say nothing of either of them at all",
        "alpha beta",
        "alpha alpha alpha and nothing else",
        "beta",
    ];
    let items: Vec<String> =
        (0..60).map(|i| item(&format!("x{i}"), at(50) - i, "Ada Example", "alpha again")).collect();
    let mut all: Vec<String> =
        (0..4).rev().map(|i| item(&format!("m{i}"), at(60 + i), "Ada Example", texts[i])).collect();
    all.extend(items);
    bench.put(0, &last_page(&all)).unwrap();
    bench.store.index_texts().unwrap();
    let best = bench.store.queries().search_best(&search("alpha OR beta"), 3).unwrap();
    let best: Vec<&str> = best.messages.iter().map(|m| m.message.text.as_str()).collect();
    assert_eq!(best[..2], [texts[3], texts[1]]);
}

#[test]
fn a_search_that_finds_nothing_says_why() {
    let bench = archive();
    let path = bench.path();
    let reader = Reader::open(&path).unwrap();
    let why = |search: &Search| reader.queries().why_nothing(search).unwrap();
    let unknown = why(&search("thrusday"));
    assert_eq!(unknown.unknown, [("thrusday".to_owned(), Some("thursday".to_owned()))]);
    let filtered = why(&Search { from: vec!["zoe".into()], ..search("thursday") });
    assert_eq!((filtered.nobody.len(), filtered.without_filters), (1, Some((2, false))));
    assert_eq!(filtered.gaps, None);
    drop(bench);
}

#[test]
fn filters_end_at_a_bound_that_is_told_and_from_there_a_search_goes_on() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("m0", NOW, "Ada Example", "see https://example.com")])).unwrap();
    let many = i64::try_from(LOOKED_AT).unwrap() + 50;
    bench.add_older(many, "an old www.example.org");
    let links = Search { link: Some(true), ..search("") };
    let queries = bench.store.queries();
    for found in [queries.search(&links, 10).unwrap(), queries.search_best(&links, 10).unwrap()] {
        assert_eq!(found.messages.len(), 1, "the oldest is beyond the bound");
        let ended = found.ended.expect("the bound is reached, and told").at_ms;
        assert_eq!(ended, NOW - (many - 51) * 1024, "as many were looked at as it says, the newest first");
        let rest = queries.search(&Search { until: Some(ended), ..links.clone() }, 10).unwrap();
        assert_eq!((rest.messages.len(), rest.ended), (1, None));
        assert_eq!(rest.messages[0].message.text, "an old www.example.org");
    }
    assert_eq!(queries.search_count(&links).unwrap(), 2, "a count looks at all");
}

#[test]
fn only_the_newest_of_many_are_rated() {
    let mut bench = Bench::new(1);
    let old = i64::try_from(RANKED).unwrap();
    let text = |i: i64| if i == 7 || i == old { "needle" } else { "a needle in a great heap of hay" };
    let items: Vec<String> =
        (0..=old).map(|i| item(&format!("m{i}"), NOW - (i + 1) * 2000, "Ada Example", text(i))).collect();
    bench.put(0, &last_page(&items)).unwrap();
    bench.store.index_texts().unwrap();
    let found = bench.store.queries().search_best(&search("needle"), 2).unwrap();
    assert_eq!(found.counted, u64::try_from(RANKED).unwrap(), "one fits that was not rated");
    let times: Vec<Ms> = found.messages.iter().map(|m| m.message.at_ms).collect();
    assert_eq!(times, [NOW - 8 * 2000, NOW - 2000], "the best of them, then the newest");
}

/// A text that may be anything: letters of many scripts, signs that mean something to some parser, bytes of chance.
fn random_query(rng: &mut Rng) -> String {
    const PIECES: &[&str] = &[
        "\"",
        "*",
        "-",
        "OR",
        "AND",
        "NOT",
        "NEAR(",
        ")",
        "(",
        ":",
        "^",
        "{",
        "}",
        "+",
        ",",
        "from:",
        "in:",
        "is:gone",
        "before:2024",
        "has:link",
        " ",
        "  ",
        "\0",
        "'",
        ";",
        "--",
        "/*",
        "世",
        "界和",
        "の",
        "ก",
        "ที่",
        "학교",
        "é",
        "e\u{301}",
        "🎉",
        "\u{200d}",
        "\u{202e}",
        "\u{feff}",
        "\u{1b}[2J",
        "thursday",
        "thur",
        "report",
        "a",
        "text:",
        "rowid",
        "rank",
        "messages_fts",
        "\\",
        "%",
        "_",
        "“",
        "”",
        "\u{10ffff}",
        "ß",
        "İ",
        "ǅ",
        "ﬁ",
        "٣",
        "ⅷ",
        "²",
        "𠀀",
        "\u{e000}",
        "\n",
        "\t",
        "Ελλάδα",
        "λογος",
        "έργο",
        "okland",
        "lodz",
        "ø",
        "हि",
        "हिन्दी",
        "ह",
        "\u{94d}",
        "كتاب",
        "قران",
        "\u{640}",
        "\u{64e}",
        "שלום",
        "bold",
        "ａ",
        "の",
        "ﾃﾞ",
        "デー",
        "\u{3099}",
        "й",
        "и",
        "\u{306}",
        "ёж",
        "ежи",
        "\u{ad}",
        "ready",
        "🤣",
    ];
    let mut text = String::new();
    for _ in 0..rng.usize(0..12) {
        match rng.u8(0..10) {
            0 => text.extend(std::iter::repeat_with(|| rng.char('\0'..='\u{10ffff}')).take(4)),
            1 => text.push(rng.char('\u{e00}'..='\u{e7f}')),
            2..=3 => text.push(' '),
            _ => text.push_str(PIECES[rng.usize(0..PIECES.len())]),
        }
    }
    text
}

#[test]
fn no_query_is_an_error_a_panic_or_slow() {
    let bench = archive();
    let rounds: usize = std::env::var("ARCHIVER_FUZZ_QUERIES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(share(share(30_000)));
    let queries = bench.store.queries();
    let mut hits = 0_usize;
    for seed in (0..).take(rounds) {
        let mut rng = Rng::with_seed(seed);
        let text = random_query(&mut rng);
        let search = search(&text);
        let began = worked();
        let found = match rng.u8(0..8) {
            0 => queries.search_best(&search, 5),
            1 => queries.search(
                &Search { within: Some(BTreeSet::from([bench.targets[0].plan.id])), ..search.clone() },
                5,
            ),
            _ => queries.search(&search, 5),
        };
        let found = found.unwrap_or_else(|e| panic!("seed {seed}: {text:?}: {e}"));
        hits += found.messages.len();
        for row in &found.messages {
            let (places, _) = tokenize::hits(&row.message.text, &search.wanted());
            assert!(
                places.iter().all(|p| row.message.text.get(p.clone()).is_some()),
                "seed {seed}: {text:?}"
            );
        }
        // Both ways to find are one: through the indexes, and by reading.
        let all = queries.search(&search, 1000).unwrap();
        let mut texts: Vec<&str> = all.messages.iter().map(|row| row.message.text.as_str()).collect();
        texts.reverse();
        if seed % 4 == 0 {
            let read: Vec<&str> = TEXTS.iter().copied().filter(|text| fits(text, &search.query)).collect();
            assert_eq!(texts, read, "seed {seed}: {text:?}");
        }
        assert_eq!(queries.search_count(&search).unwrap(), all.counted, "seed {seed}: {text:?}");
        if found.messages.is_empty() {
            queries.why_nothing(&search).unwrap_or_else(|e| panic!("seed {seed}: {text:?}: {e}"));
        }
        let took = worked() - began;
        assert!(took < Duration::from_secs(1), "seed {seed}: {text:?} took {took:?}");
    }
    assert!(hits > rounds / 100, "only {hits} hits: the queries are not what they should be");
}

#[test]
fn a_text_that_waits_to_be_indexed_is_not_said_to_be_nowhere() {
    let mut bench = Bench::new(1);
    bench.put(0, &last_page(&[item("u1", NOW, "Ada Example", "Élan vital")])).unwrap();
    let why = |bench: &Bench, text: &str| {
        let why = Reader::open(&bench.path()).unwrap().queries().why_nothing(&search(text)).unwrap();
        (why.waiting, why.unknown.len())
    };
    assert_eq!((why(&bench, "elan"), why(&bench, "élans")), ((1, 0), (1, 1)));
    bench.store.checkpoint().unwrap();
    assert_eq!((why(&bench, "elan"), why(&bench, "élans")), ((0, 0), (0, 1)));
}
