//! Subjects and attachments that the API serves: stored, searched, exported, and kept up with edits and upgrades.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use archiver::export::Format;
use archiver::store::{Configured, Store};
use rusqlite::Connection;

use crate::bench::{Bench, NOW, item, last_page};
use crate::support::export::{export, files, job};

const OFFER: &str =
    r#"[{"name":"offer.pdf","url":"https://e.org/f/1","type":"application/pdf"},"https://e.org/b%20c.png"]"#;
const STORED: &str = r#"[{"name":"offer.pdf","url":"https://e.org/f/1","type":"application/pdf"},{"name":"b c.png","url":"https://e.org/b%20c.png","type":null}]"#;

/// An item with these members besides.
fn with(id: &str, text: &str, members: &str) -> String {
    let item = item(id, NOW - 60_000, "Ada Example", text);
    format!("{},{members}}}", item.strip_suffix('}').unwrap())
}

fn bench() -> Bench {
    let account = Configured {
        account: "me".into(),
        conversations: vec![("2-c0".into(), None)],
        ..Configured::default()
    };
    let mut bench = Bench::of(&[account]);
    let served = with("u1", "", &format!("\"subject\":\"An offer <b>\",\"attachments\":{OFFER}"));
    bench.put(0, &last_page(&[served])).unwrap();
    bench.next_run();
    bench
}

fn found(bench: &Bench, word: &str) -> i64 {
    bench.one(&format!("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH '{word}'"))
}

#[test]
fn what_the_api_serves_is_in_the_view_and_in_every_format() {
    let bench = bench();
    assert_eq!(bench.one::<String>("SELECT subject FROM message_log"), "An offer <b>");
    assert_eq!(bench.one::<String>("SELECT attachments FROM message_log"), STORED);
    assert_eq!(
        bench.one::<String>("SELECT raw ->> 'attachments' FROM message_log"),
        OFFER,
        "as it was served"
    );
    let written = |format: Format| {
        let out = bench.dir.path().join(format.name());
        export(&bench.path(), &job(format, &out)).unwrap();
        let paths = if out.is_dir() { files(&out) } else { vec![out] };
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let html = written(Format::Html);
    assert!(html.contains("<strong>An offer &lt;b&gt;</strong>"), "{html}");
    assert!(html.contains("<a href=\"https://e.org/f/1\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">[attachment: offer.pdf]</a>"));
    assert!(!html.contains("No text"));
    let notes = written(Format::Markdown);
    assert!(
        notes.contains("**Subject: An offer &lt;b>**\n\n[attachment: offer.pdf](<https://e.org/f/1>)"),
        "{notes}"
    );
    assert!(written(Format::Jsonl).contains(&format!("\"attachments\":{STORED}")));
    assert!(written(Format::Csv).contains("An offer <b>"));
}

#[test]
fn an_address_that_is_none_of_the_web_is_no_link() {
    let account = Configured {
        account: "me".into(),
        conversations: vec![("2-c0".into(), None)],
        ..Configured::default()
    };
    let mut bench = Bench::of(&[account]);
    let hostile = r#""attachments":[{"name":"](x)<i>.pdf","url":"javascript:alert(1)"},{"name":"y","url":"https://e.org/><script>"}]"#;
    bench.put(0, &last_page(&[with("u1", "x", hostile)])).unwrap();
    bench.next_run();
    for format in [Format::Html, Format::Markdown] {
        let out = bench.dir.path().join(format.name());
        export(&bench.path(), &job(format, &out)).unwrap();
        let all: String = files(&out)
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e != "js"))
            .map(|f| fs::read_to_string(f).unwrap())
            .collect();
        assert!(!all.contains("javascript:") && !all.contains("<script>") && !all.contains("<i>"), "{all}");
        assert!(format == Format::Html || !all.contains("](x)"), "{all}");
    }
}

#[test]
fn a_subject_and_attachments_that_change_are_found_as_they_are_now() {
    let mut bench = bench();
    assert_eq!((found(&bench, "offer"), found(&bench, "png"), found(&bench, "quote")), (1, 1, 0));
    let served = with("u1", "", "\"subject\":\"A quote\",\"attachments\":[{\"name\":\"quote.pdf\"}]");
    bench.put(0, &last_page(&[served])).unwrap();
    bench.next_run();
    assert_eq!((found(&bench, "offer"), found(&bench, "png"), found(&bench, "quote")), (0, 0, 1));
    bench
        .other()
        .execute_batch("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")
        .unwrap();
}

#[test]
fn an_older_archive_gets_them_with_its_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    let db = Connection::open(&path).unwrap();
    for script in [
        include_str!("../fixtures/schema-2.sql"),
        include_str!("../fixtures/rows-1.sql"),
        include_str!("../fixtures/rows-2.sql"),
    ] {
        db.execute_batch(script).unwrap();
    }
    let id: i64 = db.query_row("SELECT min(id) FROM message", [], |row| row.get(0)).unwrap();
    let extra = format!(",\"subject\":\"Zebra\",\"attachments\":{OFFER}");
    db.execute("UPDATE message SET extra = ?2 WHERE id = ?1", (id, extra)).unwrap();
    drop(db);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Store::open(&path).unwrap().close().unwrap();
    let db = Connection::open(&path).unwrap();
    let stored: (String, String) = db
        .query_row("SELECT subject, attachments FROM message_log WHERE message_id = ?1", [id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((stored.0.as_str(), stored.1.as_str()), ("Zebra", STORED));
    let found: i64 = db
        .query_row("SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'zebra AND png'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(found, id);
}
