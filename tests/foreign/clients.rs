//! The archive as other programs read it: the recipes of docs/querying.md, Datasette, Python and DuckDB.

use std::path::Path;

use fake_linkup::Author;
use serde_json::Value;

use crate::support::binary::{FakeApi, HOUR, Home, server};
use crate::{out, program, python};

/// An archive in which something was edited, something vanished, and something is missing.
fn lively() -> Home {
    let api = FakeApi::serve(server(&[("Ada Example", 25), ("Béla Sample", 3), ("例示 花子", 70)]));
    let home = Home::of(&api, "v1");
    home.run(&["sync", "--once", "--budget", "9"]).expect(0);
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        let last = mailbox.conversation(0).unwrap().last().unwrap().at_ms;
        mailbox.send(0, Author::Owner, last + HOUR, "see https://example.com for the message").unwrap();
        assert!(mailbox.edit(0, 23, "another text"));
        assert!(mailbox.delete(1, 1));
    }
    home.run(&["sync", "--once", "--budget", "6"]).expect(0);
    home
}

/// Two people over a year, from LinkedIn's own export alone: no URNs, no seconds below the minute, a draft.
fn imported() -> Home {
    let home = Home::empty();
    home.write("archiver.toml", "[[accounts]]\nname = \"me\"\nowner_name = \"Me\"\n");
    let mut csv = "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,DATE,CONTENT,FOLDER,IS MESSAGE DRAFT\n"
        .to_owned();
    for (thread, name) in [("2-QUJD=", "Ada Example"), ("2-REVG=", "Béla Sample")] {
        for month in (1..=12).rev() {
            let row = |from: &str, to: &str, hour: u32, text: &str| {
                let profile = from.split(' ').next().unwrap_or_default().to_lowercase();
                format!(
                    "{thread},,{from},https://www.linkedin.com/in/{profile}/,{to},2024-{month:02}-03 {hour:02}:00:00 UTC,{text},INBOX,No\n"
                )
            };
            csv.push_str(&row("Me", name, 11, "an answer with https://example.com/page"));
            csv.push_str(&row(name, "Me", 9, "a message"));
        }
    }
    csv.push_str("2-QUJD=,,Me,,Ada Example,2025-01-05 00:00:00 UTC,not sent,INBOX,Yes\n");
    home.write("messages.csv", &csv);
    home.run(&["import", "linkedin-export", "messages.csv", "--any-owner"]).expect(0);
    home
}

/// The statements of the page, each with whether its sample has rows.
fn recipes() -> Vec<String> {
    let page = include_str!("../../docs/querying.md");
    let blocks = page.split("```sql\n").skip(1);
    let recipes: Vec<String> = blocks.map(|b| b.split("```").next().unwrap().trim().to_owned()).collect();
    assert!(recipes.len() >= 24, "{} recipes", recipes.len());
    assert_eq!(page.matches("```text\n").count(), recipes.len(), "a recipe without a sample");
    recipes
}

#[test]
fn each_recipe_runs_on_served_and_on_imported_messages_in_the_shell_as_by_the_program() {
    for (home, least) in [(lively(), 22), (imported(), 15)] {
        let mut rows = 0;
        for recipe in recipes() {
            let shell = out(program("sqlite3").args(["-readonly", "-json"]).arg(home.archive()).arg(&recipe));
            let expected: Vec<Value> =
                if shell.trim().is_empty() { Vec::new() } else { serde_json::from_str(&shell).unwrap() };
            let ran = home.run(&["sql", "--json", recipe.trim_end_matches(';')]).expect(0);
            let ours: Vec<Value> =
                ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(ours, expected, "{recipe}");
            rows += usize::from(!ours.is_empty());
            home.run(&["sql", &recipe]).expect(0);
            home.run(&["sql", "--csv", &recipe]).expect(0);
        }
        assert!(rows >= least, "only {rows} recipes find anything");
    }
}

#[test]
fn datasette_serves_the_tables_the_search_and_the_ready_made_questions() {
    let home = lively();
    let metadata = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/datasette.yaml");
    let get = |path: &str| -> Value {
        let mut command = python();
        command.args(["-m", "datasette"]).arg(home.archive()).arg("-m").arg(&metadata).args(["--get", path]);
        serde_json::from_str(&out(&mut command)).unwrap()
    };
    let messages =
        get("/archive/message_log.json?_search=message&_shape=objects&_facet=sender&_extra=facet_results");
    assert!(!messages["rows"].as_array().unwrap().is_empty(), "{messages}");
    for (question, least) in [
        ("search.json?words=message", 1),
        ("missing.json?", 0),
        ("edited_or_gone.json?", 1),
        ("credits.json?", 1),
    ] {
        let answer = get(&format!("/archive/{question}&_shape=objects"));
        assert!(answer["rows"].as_array().unwrap().len() >= least, "{question}: {answer}");
    }
}

#[test]
fn python_and_duckdb_read_while_a_writer_writes() {
    let home = lively();
    // A writer in the middle of a transaction.
    let mut writer = rusqlite::Connection::open(home.archive()).unwrap();
    let tx = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    tx.execute("UPDATE message SET text = 'half written'", []).unwrap();
    let script = r#"
import sqlite3, sys, duckdb
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
rows = db.execute("SELECT sender, text FROM message_log").fetchall()
assert rows and all(text != "half written" for _, text in rows)
found = db.execute("SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'message'").fetchone()[0]
assert found > 0
# DuckDB's own reader of SQLite is an extension that it downloads; its engine is fed with the rows instead.
duck = duckdb.connect()
duck.execute("CREATE TABLE m (sender TEXT, text TEXT)")
duck.executemany("INSERT INTO m VALUES (?, ?)", rows)
assert duck.execute("SELECT count(*) FROM m").fetchone()[0] == len(rows)
print(len(rows))
"#;
    let read = out(python().args(["-c", script]).arg(home.archive()));
    tx.commit().unwrap();
    assert!(read.trim().parse::<usize>().unwrap() > 50, "{read}");
}
