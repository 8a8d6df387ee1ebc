//! What tests of imports want of the world of the engine: importing a file, and holding the archive against the server.

use std::collections::BTreeMap;

use archiver::core::Ms;
use archiver::core::timeline::pairing::{NEAR_MS, plain};
use archiver::linkedin_export::{self, ExportFile, ImportReport, Options};
use archiver::store::Store;
use archiver::store::verify::{Depth, verify};
use fake_linkup::ServerMessage;

use crate::engine::world::World;

/// A message of the archive.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) urn: Option<String>,
    pub(super) at_ms: Ms,
    pub(super) sender: String,
    pub(super) text: String,
    pub(super) gone: bool,
}

/// Imports a file with this text.
pub(super) fn import(world: &World, csv: &str, check: u32) -> ImportReport {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("messages.csv");
    std::fs::write(&path, csv).unwrap();
    let export = ExportFile::open(&path, world.clock_ms()).unwrap();
    let mut store = Store::open(&world.path()).unwrap();
    let accounts = &world.settings.accounts;
    let options = Options {
        accounts,
        account: &accounts[0],
        file: "messages.csv",
        check,
        any_owner: false,
        now: world.clock_ms(),
    };
    let report = linkedin_export::import(&mut store, &export, &options, &mut |_| {}).unwrap();
    store.close().unwrap();
    report
}

/// What the archive holds, by thread, newest first.
pub(super) fn held(world: &World) -> BTreeMap<String, Vec<Held>> {
    let rows = world.query(
        "SELECT c.thread, m.entity_urn, m.sent_at_ms, m.sender, m.text, m.gone_since IS NOT NULL
         FROM message_log m JOIN message x ON x.id = m.message_id JOIN conversation c ON c.id = x.conversation
         ORDER BY m.sent_at_ms DESC, m.message_id DESC",
        [],
        |r| {
            let held = Held {
                urn: r.get(1)?,
                at_ms: r.get(2)?,
                sender: r.get(3)?,
                text: r.get(4)?,
                gone: r.get(5)?,
            };
            Ok((r.get::<_, String>(0)?, held))
        },
    );
    let mut held: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for (thread, row) in rows {
        held.entry(thread).or_default().push(row);
    }
    held
}

/// How many messages are in the archive because they were edited after the export: once as the export has it, once as
/// the API does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) twice_for_an_edit: usize,
}

/// Every message that the server would serve is in the archive, in a text that it really had, and no message is twice.
pub(super) fn compare(world: &World) -> Result<Told, String> {
    let verification = verify(&world.path(), Depth::Full, &mut |_| ()).unwrap();
    if verification.broken() > 0 {
        return Err(format!("{:#?}", verification.findings));
    }
    let mut all = held(world);
    let mut told = Told::default();
    let server = world.server();
    let mailbox = server.mailbox(0).unwrap();
    for c in mailbox.conversations() {
        let mut rows = all.remove(c.thread.trim_end_matches('=')).unwrap_or_default();
        let mut open: Vec<&ServerMessage> = c.messages().iter().rev().collect();
        rows.retain(|row| {
            let at = row.urn.as_ref().and_then(|urn| open.iter().position(|m| m.urn == *urn));
            at.map(|at| open.remove(at)).is_none()
        });
        if let Some(twice) = rows.iter().find(|r| r.urn.is_some()) {
            return Err(format!(
                "{}: the server has no such message, or it is there twice: {twice:?}",
                c.urn
            ));
        }
        let place = |m: &ServerMessage, row: &Held| {
            mailbox.author(c, m.author).name == row.sender
                && m.at_ms.abs_diff(row.at_ms) <= NEAR_MS.unsigned_abs()
        };
        let now = |m: &ServerMessage, row: &Held| place(m, row) && plain(&m.text) == plain(&row.text);
        let once = |m: &ServerMessage, row: &Held| {
            place(m, row) && m.earlier.iter().any(|e| plain(&e.text) == plain(&row.text))
        };
        let served = |m: &ServerMessage, row: &Held| !m.deleted && now(m, row);
        // What is served and says the same goes first; of equals, the newest.
        for says in [&served as &dyn Fn(&ServerMessage, &Held) -> bool, &now, &once] {
            rows.retain(|row| open.iter().position(|m| says(m, row)).map(|at| open.remove(at)).is_none());
        }
        for row in &rows {
            let edited = c.messages().iter().any(|m| once(m, row));
            if !edited {
                return Err(format!("{}: it is there twice: {row:?}", c.urn));
            }
            told.twice_for_an_edit += usize::from(!row.gone);
        }
        if let Some(lost) = open.iter().find(|m| !m.deleted) {
            return Err(format!("{}: it is missing: {lost:?}", c.urn));
        }
    }
    match all.keys().next() {
        Some(thread) => Err(format!("nobody knows the conversation {thread}")),
        None => Ok(told),
    }
}
