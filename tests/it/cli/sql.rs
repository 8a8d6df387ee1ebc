//! `sql`: it answers questions, and changes nothing.

use crate::binary::{FakeApi, Home, server};

#[test]
fn nothing_but_reading_gets_through() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v1");
    home.sync();
    let before = std::fs::read(home.archive()).unwrap();
    for statement in [
        "DELETE FROM message",
        "ATTACH 'other.db' AS other",
        "PRAGMA user_version = 9",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = 0",
        "PRAGMA writable_schema = 1",
        "CREATE TEMP TABLE t (a)",
        "VACUUM INTO 'copy.db'",
        "BEGIN IMMEDIATE",
        "INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM message",
        "WITH x AS (SELECT 1) UPDATE message SET text = ''",
        "",
        "SELEC 1",
        "SELECT nothing FROM nowhere",
    ] {
        let ran = home.run(&["sql", statement]).expect(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("help:"), "{statement}: {ran:?}");
    }
    assert_eq!(std::fs::read(home.archive()).unwrap(), before);
    assert!(!home.files().iter().any(|f| f == "other.db" || f == "copy.db"));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let stopped = home.run(&["sql", "--timeout", "1", endless]).expect(2);
    assert!(stopped.stderr.contains("took too long"), "{stopped:?}");
}
