//! That a search finds words however their letters are written, and that both indexes read texts as the program does.

use std::collections::BTreeMap;

use archiver::core::search::query::Query;
use archiver::core::search::tokenize::{self, Phrase};
use archiver::store::Search;
use archiver::store::verify::{Depth, verify};
use fastrand::Rng;
use rusqlite::{Connection, params};

use crate::bench::{Bench, NOW, item, last_page};
use crate::search::fits;
use crate::support::share;

/// A word, and the same one as others write it.
const PAIRS: &[(&str, &str)] = &[
    ("ελλαδα", "Ελλάδα"),
    ("λογοσ", "ΛΌΓΟΣ"),
    ("елка", "ёлка"),
    ("й", "и\u{306}"),
    ("okland", "Økland"),
    ("aegir", "Ægir"),
    ("oeuvre", "Œuvre"),
    ("pawel", "Paweł"),
    ("dang", "Đặng"),
    ("thor", "Þór"),
    ("gudrun", "Guðrún"),
    ("istanbul", "İSTANBUL"),
    ("balik", "balık"),
    ("hamrun", "Ħamrun"),
    ("strasse", "Straße"),
    ("nuni", "ŋuni"),
    ("كتاب", "كِتاب"),
    ("كتاب", "كـــتاب"),
    ("القران", "القرآن"),
    ("احمد", "أحمد"),
    ("مصطفي", "مصطفى"),
    ("مدرسه", "مدرسة"),
    ("ایران", "ايران"),
    ("שלום", "שָׁלוֹם"),
    ("हिन्दी", "हिन्दी"),
    ("लडका", "लड़का"),
    ("fine", "ﬁne"),
    ("full", "ＦＵＬＬ"),
    ("bold", "𝗯𝗼𝗹𝗱"),
    ("circled", "ⓒⓘⓡⓒⓛⓔⓓ"),
    ("m2", "m²"),
    ("データ", "ﾃﾞｰﾀ"),
    ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
    ("ready", "rea\u{ad}dy"),
    ("struck", "s\u{336}t\u{336}r\u{336}u\u{336}c\u{336}k\u{336}"),
];

/// An archive of these texts, from the oldest on.
fn archive(texts: &[String]) -> Bench {
    let mut bench = Bench::new(1);
    let newest_first = texts.iter().enumerate().rev();
    let at = |i: usize| NOW - 3_600_000 + i64::try_from(i).unwrap() * 2000;
    let items: Vec<String> =
        newest_first.map(|(i, text)| item(&format!("m{i}"), at(i), "Øyvind Økland", text)).collect();
    bench.put(0, &last_page(&items)).unwrap();
    bench.store.index_texts().unwrap();
    bench
}

fn found(bench: &Bench, query: &str) -> Vec<String> {
    let search = Search { query: Query::parse(query), ..Search::default() };
    let mut texts: Vec<String> = bench
        .store
        .queries()
        .search(&search, 5000)
        .unwrap()
        .messages
        .into_iter()
        .map(|m| m.message.text)
        .collect();
    texts.reverse();
    texts
}

#[test]
fn a_word_is_found_however_its_letters_are_written() {
    let texts: Vec<String> = PAIRS
        .iter()
        .flat_map(|(one, other)| [format!("so {one}, yes"), format!("so {other}, yes")])
        .collect();
    let bench = archive(&texts);
    for (one, other) in PAIRS {
        for query in [*one, *other] {
            let folded: Vec<char> = tokenize::fold(query).chars().collect();
            let beginning: String = folded.iter().take(folded.len().saturating_sub(1).max(1)).collect();
            for query in [query.to_owned(), format!("\"so {query}\" yes"), format!("{beginning}*")] {
                let found = found(&bench, &query);
                for word in [one, other] {
                    assert!(found.contains(&format!("so {word}, yes")), "{query} finds {word}: {found:?}");
                }
            }
            let none = found(&bench, &format!("so -{query}"));
            assert!(none.iter().all(|text| !text.contains(one) && !text.contains(other)), "-{query}");
        }
    }
    let findings = verify(&bench.path(), Depth::Full, &mut |_| ()).unwrap().findings;
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn words_are_not_found_by_pieces_between_their_vowel_signs() {
    let bench = archive(&["हिन्दी में".to_owned(), "كِتاب".to_owned()]);
    for (query, number) in [("हिन्दी", 1), ("हिन*", 1), ("हिन्*", 1), ("ह", 0), ("न", 0), ("ك", 0), ("كت*", 1)]
    {
        assert_eq!(found(&bench, query).len(), number, "{query}");
    }
}

#[test]
fn senders_are_found_by_their_names_however_written() {
    let bench = archive(&["one".to_owned()]);
    let by = |name: &str| {
        let search = Search { from: vec![name.to_owned()], ..Search::default() };
        bench.store.queries().search(&search, 5).unwrap().messages.len()
    };
    assert_eq!([by("okland"), by("øyvind ØKLAND"), by("ｏyvind"), by("oakland")], [1, 1, 1, 0]);
}

#[test]
fn words_of_both_indexes_are_suggested() {
    let bench = archive(&["Økland".to_owned(), "हिन्दी".to_owned()]);
    let why = |query: &str| {
        let search = Search { query: Query::parse(query), ..Search::default() };
        archiver::store::Reader::open(&bench.path()).unwrap().queries().why_nothing(&search).unwrap().unknown
    };
    assert_eq!(why("øklund"), [("øklund".to_owned(), Some("okland".to_owned()))]);
    assert_eq!(why("ह"), [("ह".to_owned(), None)], "a piece that only the first index has is no word");
}

/// The words of each text, as the tokenizer of `messages_fts` reads it.
fn tokenized(texts: &[String]) -> Vec<Vec<String>> {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE VIRTUAL TABLE t USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
         CREATE VIRTUAL TABLE v USING fts5vocab (t, instance); BEGIN",
    )
    .unwrap();
    for (at, text) in (0_u32..).zip(texts) {
        db.execute("INSERT INTO t (rowid, text) VALUES (?1, ?2)", params![at, text]).unwrap();
    }
    let mut all: BTreeMap<(u32, u32), String> = BTreeMap::new();
    let mut words = db.prepare("SELECT doc, offset, term FROM v").unwrap();
    let mut rows = words.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        all.insert((row.get(0).unwrap(), row.get(1).unwrap()), row.get(2).unwrap());
    }
    let mut read = vec![Vec::new(); texts.len()];
    all.into_iter().for_each(|((doc, _), word)| read[usize::try_from(doc).unwrap()].push(word));
    read
}

#[test]
fn the_tokenizer_reads_every_plain_character_as_the_program_does() {
    let all = ('\u{1}'..='\u{323ff}').chain('\u{e0000}'..='\u{e01ff}').chain('\u{10ff00}'..='\u{10ffff}');
    let texts: Vec<String> = all
        .flat_map(|c| [format!("x{c}x"), format!("x {c} x {c}")])
        .filter(|text| tokenize::is_plain(text))
        .collect();
    assert!(texts.len() > 10_000, "{} are plain", texts.len());
    for (text, theirs) in texts.iter().zip(tokenized(&texts)) {
        let ours: Vec<String> = tokenize::words(text).map(|word| word.folded).collect();
        assert_eq!(ours, theirs, "{text:?} {:?}", text.escape_unicode().to_string());
    }
}

/// Letters and signs of many scripts, close to each other.
fn random_text(rng: &mut Rng, longest: usize) -> String {
    const PIECES: &[&str] = &[
        "a", "A", "b", "é", "e", "\u{301}", "ø", "o", "æ", "ae", "ß", "ss", "ﬁ", "fi", "Ａ", "𝗯", "ⓑ", "m²",
        "½", "ª", "ά", "α", "ς", "σ", "ё", "е", "й", "и", "\u{306}", "ї", "і", "\u{308}", "أ", "ا", "ب",
        "\u{640}", "\u{64e}", "ש", "\u{5c1}", "ह", "ि", "\u{94d}", "क़", "क", "\u{93c}", "世", "界", "ｶ", "ﾞ",
        "ガ", "\u{3099}", "한", "\u{1112}", "\u{1161}", "ก", "\u{e34}", "\u{ad}", "\u{200d}", "\u{200c}",
        "\u{fe0f}", "\u{200f}", "\u{336}", "🤣", "👍", " ", " ", " ", " ", ", ", "'", "´", "1", "٣", "🅑",
        "\u{e000}", "\n",
    ];
    (0..rng.usize(1..=longest)).map(|_| PIECES[rng.usize(0..PIECES.len())]).collect()
}

#[test]
fn a_search_through_the_indexes_finds_what_reading_the_texts_finds() {
    let mut rng = Rng::with_seed(11);
    let texts: Vec<String> = (0..200).map(|i| format!("{} #{i}", random_text(&mut rng, 9))).collect();
    let bench = archive(&texts);
    let plain: Vec<String> = texts.iter().filter(|text| tokenize::is_plain(text)).cloned().collect();
    assert!(plain.len() > 5 && plain.len() < 195, "{} are plain", plain.len());
    for (text, theirs) in plain.iter().zip(tokenized(&plain)) {
        let ours: Vec<String> = tokenize::words(text).map(|word| word.folded).collect();
        assert_eq!(ours, theirs, "{text:?}");
    }
    let mut hits = 0;
    let queries = share(4_000);
    for _ in 0..queries {
        let mut query = random_text(&mut rng, 3);
        match rng.u8(0..6) {
            0 => query.push('*'),
            1 => query = format!("\"{query}\""),
            2 => query = format!("{query} -{}", random_text(&mut rng, 2)),
            3 => query = format!("{query} OR {}", random_text(&mut rng, 2)),
            _ => {}
        }
        let parsed = Query::parse(&query);
        let read: Vec<String> = texts.iter().filter(|text| fits(text, &parsed)).cloned().collect();
        hits += read.len();
        assert_eq!(found(&bench, &query), read, "{query:?}");
    }
    assert!(hits > queries / 2, "only {hits} hits");
    let own = Phrase::new(&texts[0], false);
    assert!(!tokenize::hits(&texts[0], &[own]).0.is_empty());
}
