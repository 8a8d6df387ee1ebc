//! An archive by itself, in a folder of its own, and pages for it as the reader of answers makes them.

use std::path::PathBuf;

use archiver::core::Ms;
use archiver::core::budget::{Charge, Purse, Receipt, Reservation};
use archiver::core::model::cursor::Cursor;
use archiver::core::model::ids::RunId;
use archiver::core::model::page::{Below, Oddity, Page};
use archiver::core::raw::read;
use archiver::core::timeline::gap::Asked;
use archiver::core::timeline::timestamps::place;
use archiver::store::{
    Commit, Committed, Configured, Outcome, Purpose, Request, Store, StoreError, Target, Trigger,
};
use rusqlite::Connection;
use serde_json::value::RawValue;

/// 2025-06-08T10:00:00Z.
pub(crate) const NOW: Ms = 1_749_376_800_000;

/// An archive in a directory of its own, in the middle of a run.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) targets: Vec<Target>,
    pub(crate) run: RunId,
    pub(crate) now: Ms,
}

impl Bench {
    /// With so many conversations, `2-c0` and on.
    pub(crate) fn new(conversations: usize) -> Self {
        let names = (0..conversations).map(|i| (format!("2-c{i}"), None)).collect();
        Self::of(&[Configured { account: "me".into(), conversations: names, ..Configured::default() }])
    }

    pub(crate) fn of(accounts: &[Configured]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("archive.db")).unwrap();
        let ids = store.configure(accounts, NOW).unwrap();
        let targets = store.targets(&ids).unwrap();
        let run = store.begin_run(Trigger::Once, NOW).unwrap();
        Self { dir, store, targets, run, now: NOW }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("archive.db")
    }

    /// Another connection to the same file, as any SQLite client opens it.
    pub(crate) fn other(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Ends the process, as far as the archive can tell, and begins another one. Nothing is finished properly.
    pub(crate) fn crash(&mut self) {
        let path = self.path();
        // The lock goes with the store, so the old one has to be gone first.
        let placeholder = std::mem::replace(&mut self.store, Store::in_memory().unwrap());
        drop(placeholder);
        self.store = Store::open(&path).unwrap();
    }

    /// Ends the run and begins another one.
    pub(crate) fn next_run(&mut self) {
        self.store.finish_run(self.run, Outcome::Complete, self.now).unwrap();
        self.now += 60_000;
        self.run = self.store.begin_run(Trigger::Once, self.now).unwrap();
    }

    pub(crate) fn reserve(&mut self, conversation: usize, wanted: u32) -> Reservation {
        let request = Request {
            run: self.run,
            account: self.targets[conversation].account_id,
            endpoint: "test",
            conversation: Some(self.targets[conversation].plan.id),
            purpose: Purpose::Gap,
            wanted,
        };
        self.store.reserve(&Purse::default(), &request, self.now).unwrap().unwrap()
    }

    pub(crate) fn receipt(&mut self, conversation: usize, wanted: u32) -> Receipt {
        self.reserve(conversation, wanted).spend(Charge::Known(1))
    }

    /// The newest page of a conversation comes.
    pub(crate) fn put(&mut self, conversation: usize, page: &Page) -> Result<Committed, StoreError> {
        let id = self.targets[conversation].plan.id;
        let known = self.store.timeline(id).unwrap();
        let gap = known.top_gap().cloned().unwrap_or_else(|| known.head(self.now));
        let count = u32::try_from(page.messages.len().max(50)).unwrap();
        let receipt = self.receipt(conversation, count);
        self.now += 1000;
        let asked = Asked { gap, cursor: None, count, most: u32::MAX, run: self.run };
        self.store.commit_page(&Commit {
            conversation: id,
            asked: &asked,
            page,
            receipt: &receipt,
            http_status: Some(200),
            now: self.now,
            recheck: false,
            longest_silence: 64,
        })
    }

    /// Adds so many messages below the only one there is, the last of which says this.
    pub(crate) fn add_older(&self, many: i64, oldest: &str) {
        let sql = "INSERT INTO message (id, conversation, sent_at_ms, sender, kind, template, text)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             SELECT id - i, conversation, sent_at_ms - i * 1024, sender, kind, template, iif(i = ?1, ?2, 'nothing')
             FROM n, (SELECT * FROM message)";
        self.other().execute(sql, rusqlite::params![many, oldest]).unwrap();
    }

    /// One value of a query on another connection.
    pub(crate) fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.other().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// All values of a query's first column.
    pub(crate) fn all<T: rusqlite::types::FromSql>(&self, sql: &str) -> Vec<T> {
        let db = self.other();
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

/// A page as the reader of answers makes it, of items as they are served, newest first.
pub(crate) fn page(items: &[String], below: Below) -> Page {
    let read_one = |item: &String| {
        let raw: Box<RawValue> = serde_json::from_str(item).unwrap();
        read(&raw).unwrap()
    };
    Page {
        messages: place(items.iter().map(read_one).collect(), None),
        below,
        returned: u32::try_from(items.len()).unwrap(),
        conversation_urn: None,
        total: None,
        unread: None,
        last_seen_ms: None,
        oddities: Vec::<Oddity>::new(),
    }
}

/// The documented end.
pub(crate) fn last_page(items: &[String]) -> Page {
    page(items, Below::End)
}

/// There is more below.
pub(crate) fn more_page(items: &[String], cursor: Ms) -> Page {
    page(items, Below::More(Cursor::made(cursor)))
}

/// A message as v1 serves it.
pub(crate) fn item(id: &str, at: Ms, sender: &str, text: &str) -> String {
    let (first, last) = sender.split_once(' ').unwrap_or((sender, ""));
    serde_json::json!({
        "text": text, "timestamp": at, "sender": sender,
        "sender_info": {"first_name": first, "last_name": last},
        "message_type": "TEXT", "entity_urn": id,
    })
    .to_string()
}
