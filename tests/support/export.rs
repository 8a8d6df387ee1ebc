//! Exports of an archive in which there is every oddity.

use std::path::{Path, PathBuf};

use archiver::core::model::page::Oddity;
use archiver::export::{ExportError, Format, Job, Summary, Unwatched, run};
use archiver::store::{Configured, Reader};
use rusqlite::Connection;

use super::bench::{Bench, NOW, item, last_page, more_page};

pub(crate) const MINUTE: i64 = 60_000;

/// The formats that this build writes.
pub(crate) const FORMATS: &[Format] = &[
    Format::Jsonl,
    Format::Csv,
    Format::Html,
    Format::Markdown,
    #[cfg(feature = "parquet")]
    Format::Parquet,
];

/// Texts that a careless writer stumbles over.
pub(crate) fn odd_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "plain",
        "=HYPERLINK(\"http://evil.example\",\"click\")",
        "+1 555 0100",
        "-2+3",
        "@SUM(A1)",
        "'already quoted",
        "a,b;c\t\"quoted\"",
        "two\nlines",
        "carriage\r\nreturn\ralone",
        "<script>document.title='owned'</script>",
        "</script><img src=x onerror=\"document.title='owned'\">",
        "[link](javascript:alert(1)) javascript:alert(1) data:text/html,x",
        "see https://example.org/a?b=c&d=<e>\"f' and http://example.com.",
        "# not a heading\n- not a list\n> not a quote\n1. not one either\n---\n```\ncode",
        "*stars* _lines_ `ticks` [[wiki]] #tag ![x](y) |t|a| ~~s~~ <b> &amp; $x$ %%c%%",
        "Grüße żółw 東京 Zürich Straße İstanbul e\u{301} \u{202e}right to left\u{202c}",
        "👩‍👩‍👧‍👦 🇫🇷 \u{fe0f}\u{200b}\u{feff}",
        "\u{1}\u{2}\u{3}\u{8}\u{b}\u{c}\u{e}\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}\u{fffe}\u{ffff}\u{10ffff}",
        "--> ]]> {{x}} ${x} %s {0} \\u0041 \\ \\n",
        "null",
        "1e5",
        "0123",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    texts.push("long ".repeat(60_000));
    texts
}

/// An archive with every oddity that there is: two accounts, odd texts, edits, vanished messages, gaps, missing ids and
/// times, items that are no messages, imports, balances and an event feed.
pub(crate) fn odd_archive() -> Bench {
    let account = |name: &str, prefix: &str| Configured {
        account: name.into(),
        owner_name: Some("Olivia <Owner>".into()),
        profiles: vec![(
            format!("https://www.linkedin.com/in/{prefix}-example/"),
            Some("=Ada \"<b>\", & co".into()),
        )],
        conversations: (0..3).map(|i| (format!("2-{prefix}{i}"), None)).collect(),
        ..Configured::default()
    };
    let mut bench = Bench::of(&[account("me", "c"), account("Second, account/..", "d")]);
    let texts = odd_texts();
    let all: Vec<String> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(i, text)| {
            let at = NOW - (i64::try_from(texts.len() - i).unwrap()) * MINUTE * 60 * 24 * 9;
            item(
                &format!("urn:li:msg_message:(urn:li:fsd_profile:A,2-{i}&x)"),
                at,
                "Ada <i>Example</i>",
                text,
            )
        })
        .collect();
    bench.put(0, &last_page(&all)).unwrap();
    few(&mut bench, 1);
    bench.next_run();
    few(&mut bench, 5);
    bench
        .put(6, &more_page(&[item("z", NOW - MINUTE, "Olivia <Owner>", "one above a gap")], NOW - MINUTE))
        .unwrap();
    bench.next_run();
    bench
        .other()
        .execute_batch(
            "UPDATE message SET source = 'export' WHERE id = (SELECT min(id) FROM message);
             UPDATE gap SET stall_code = 'request_failed', stall_detail = 'no answer', stalls = 2 WHERE id = (SELECT min(id) FROM gap);
             UPDATE person SET is_me = 1 WHERE name LIKE 'Olivia%';
             INSERT INTO import (run, account, source, file, rows, new_messages, odd_rows) VALUES (1, 1, 'linkedin-export', 'messages.csv', 3, 1, 1);
             INSERT INTO import_oddity (import, line, reason, content) VALUES (1, 2, 'no date', '{\"a\":1}');
             INSERT INTO export_cover (import, conversation, oldest_ms, newest_ms) VALUES (1, 1, 1, 2);
             INSERT INTO balance (run, at_ms, moment, credits) VALUES (1, 5, 'before', 40), (1, 6, 'after', 31.245270191439438), (1, 7, 'after', 121.48791951161945);
             INSERT INTO event_feed (account, webhook, position) VALUES (1, 'wh', 'e-5');
             INSERT INTO run (kind, started_ms, trigger) VALUES ('sync', 1, 'once');
             DELETE FROM run WHERE id = (SELECT max(id) FROM run);",
        )
        .unwrap();
    bench
}

/// A conversation with an edit, a vanished message, one without id, one without time, and what is no message.
fn few(bench: &mut Bench, conversation: usize) {
    let at = |i: i64| NOW - 3 * 24 * 60 * MINUTE - i * MINUTE;
    let served = |text: &str| {
        vec![
            item("u5", at(1), "Olivia <Owner>", "mine"),
            "{\"text\": \"half \\ud83d a pair and \\u0000 a NUL\", \"timestamp\": \"oops\", \"sender\": \"Ada Example\", \"new_field\": {\"a\": [1, 2.50]}}".to_owned(),
            item("u3", at(3), "Ada Example", text),
            item("u2", at(4), "Ada Example", "this one vanishes"),
            item("u1", at(5), "", "nobody said this"),
        ]
    };
    let mut first = more_page(&served("as it was first"), at(5));
    first.oddities.push(Oddity {
        json: "[1,\"\\u0000\"]".into(),
        reason: "not an object".into(),
        of_other_thread: false,
    });
    bench.put(conversation, &first).unwrap();
    let mut later = served("as it is now, edited");
    later.remove(3);
    bench.put(conversation, &more_page(&later, at(5))).unwrap();
}

pub(crate) fn job(format: Format, out: &Path) -> Job {
    Job::new(format, out.to_owned(), NOW)
}

/// Exports an archive's file.
pub(crate) fn export(archive: &Path, job: &Job) -> Result<Summary, ExportError> {
    run(&Reader::open(archive).unwrap(), job, &mut Unwatched)
}

/// Every row of these views or tables, in some order that is the same for equal contents.
pub(crate) fn contents(archive: &Path, names: &[String]) -> Vec<String> {
    let db = Connection::open(archive).unwrap();
    let mut all = Vec::new();
    for name in names {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let from = all.len();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<String> =
                (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
            all.push(format!("{name}: {}", values.join(" ")));
        }
        all[from..].sort();
    }
    all
}

/// The names of what the archive's schema has of a type, without the full-text index.
pub(crate) fn objects(archive: &Path, kind: &str) -> Vec<String> {
    let db = Connection::open(archive).unwrap();
    let mut statement = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'messages\\_%' ESCAPE '\\' ORDER BY 1")
        .unwrap();
    statement.query_map([kind], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The files below a folder, sorted, without those that begin with a dot.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}
