//! Checks the full-text indexes against the texts, without writing.
//!
//! FTS5's own check is an INSERT and takes the write lock, which a running sync needs. So each index is built again in
//! memory, some thousand rows at a time, and compared: the number of words of each row, and the occurrences of each word.
//! SQLite's integrity check covers the structures.

use rusqlite::{Connection, Rows, params};

use super::{Check, Depth, messages_in, questions};
use crate::core::hash;
use crate::core::search::tokenize;
use crate::store::query::{FromRow, Statements as _};
use crate::store::{Result, SCHEMA};

const BATCH: usize = 8192;

/// How to rebuild both indexes: empty them, and mark every message as not indexed yet.
const REBUILD: &str = "with no sync running: sqlite3 ARCHIVE \"INSERT INTO messages_fts (messages_fts) VALUES ('delete-all'); \
                       INSERT INTO messages_cjk_fts (messages_cjk_fts) VALUES ('delete-all'); \
                       INSERT OR IGNORE INTO messages_unindexed SELECT id FROM message\"; the next sync indexes them";

const WORDS: &str = "messages_fts";
/// Indexes messages that the first index reads in another way, as [`tokenize::indexed`] writes them.
const SECOND: &str = "messages_cjk_fts";

/// The texts that must be indexed by now.
const TEXTS: &str =
    "SELECT id, text FROM message_searched WHERE id NOT IN (SELECT id FROM messages_unindexed) ORDER BY id";

/// Creates temporary tables that list the words. SQLite counts that as writing, so it comes before anything is read.
pub(super) fn prepare(db: &Connection) -> Result<()> {
    db.pragma_update(None, "query_only", false)?;
    let made = show_words(db);
    db.pragma_update(None, "query_only", true)?;
    made
}

fn show_words(db: &Connection) -> Result<()> {
    for index in [WORDS, SECOND] {
        let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1 AND sql LIKE '%USING fts5%')";
        if db.one(there, [index])? {
            let sql =
                format!("CREATE VIRTUAL TABLE temp.words_of_{index} USING fts5vocab('main', {index}, 'row')");
            db.execute_batch(&sql)?;
        }
    }
    Ok(())
}

pub(super) fn all(db: &Connection, depth: Depth, check: &mut Check<'_>) -> Result<u64> {
    questions::unindexed(db, check)?;
    let mut looked_at = 0;
    for index in [WORDS, SECOND] {
        looked_at += rows(db, index, check)?;
        if depth == Depth::Full {
            words(db, index, check)?;
        }
    }
    Ok(looked_at)
}

/// The next text of an index, in the form in which it is indexed.
fn next_text(index: &str, rows: &mut Rows<'_>) -> Result<Option<(i64, String)>> {
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        if index == WORDS {
            return Ok(Some((row.get(0)?, text.to_owned())));
        }
        if !tokenize::is_plain(text) {
            return Ok(Some((row.get(0)?, tokenize::indexed(text))));
        }
    }
    Ok(None)
}

/// The next row of another query.
fn next<T: FromRow>(rows: &mut Rows<'_>) -> Result<Option<T>> {
    Ok(rows.next()?.map(T::from_row).transpose()?)
}

/// The index holds each message and nothing else.
fn rows(db: &Connection, index: &str, check: &mut Check<'_>) -> Result<u64> {
    let (mut there, mut indexed) =
        (db.prepare(TEXTS)?, db.prepare(&format!("SELECT id, NULL FROM {index}_docsize ORDER BY id"))?);
    let (mut there, mut indexed) = (there.query([])?, indexed.query([])?);
    let mut looked_at = 0;
    side_by_side(
        || next_text(index, &mut there),
        || next::<(i64, Option<i64>)>(&mut indexed),
        |id, message, entry| {
            looked_at += u64::from(message.is_some());
            let what = match (message, entry) {
                (Some(_), None) => format!("is not in {index}"),
                (None, Some(_)) => format!("is in {index} but not there, or to be indexed"),
                _ => return,
            };
            check.broken(format!("message {id}"), what, REBUILD);
        },
    )?;
    Ok(looked_at)
}

/// Merges two lists sorted by id, and shows what each has for an id.
fn side_by_side<L, R>(
    mut left: impl FnMut() -> Result<Option<(i64, L)>>,
    mut right: impl FnMut() -> Result<Option<(i64, R)>>,
    mut visit: impl FnMut(i64, Option<L>, Option<R>),
) -> Result<()> {
    let (mut l, mut r) = (left()?, right()?);
    while let Some(id) = [l.as_ref().map(|l| l.0), r.as_ref().map(|r| r.0)].into_iter().flatten().min() {
        let (of_left, of_right) = (l.take_if(|l| l.0 == id), r.take_if(|r| r.0 == id));
        if of_left.is_some() {
            l = left()?;
        }
        if of_right.is_some() {
            r = right()?;
        }
        visit(id, of_left.map(|l| l.1), of_right.map(|r| r.1));
    }
    Ok(())
}

/// The index holds the words of the texts.
fn words(db: &Connection, index: &str, check: &mut Check<'_>) -> Result<()> {
    let of = messages_in(db)?;
    let again = Connection::open_in_memory()?;
    again.execute_batch(SCHEMA)?;
    show_words(&again)?;
    let (mut expected, mut done, mut wrong_sizes) = (0_i64, 0, 0_u64);
    let mut texts = db.prepare(TEXTS)?;
    let mut texts = texts.query([])?;
    loop {
        let mut ids = Vec::with_capacity(BATCH);
        let tx = again.unchecked_transaction()?;
        while ids.len() < BATCH {
            let Some((id, text)) = next_text(index, &mut texts)? else { break };
            tx.run(&format!("INSERT INTO {index} (rowid, text) VALUES (?1, ?2)"), params![id, text])?;
            ids.push(id);
        }
        tx.commit()?;
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { break };
        wrong_sizes += lengths(db, &again, (*first, *last), index, check)?;
        expected = expected.wrapping_add(sum(&again, index)?);
        again.run(&format!("INSERT INTO {index} ({index}) VALUES ('delete-all')"), [])?;
        done += u64::try_from(ids.len()).unwrap_or_default();
        check.progress(done, of);
    }
    // Wrong rows were reported already, and say more than this sum.
    if wrong_sizes == 0 && check.found == 0 && sum(db, index)? != expected {
        check.broken(index.to_owned(), "its words are not those of the messages", REBUILD);
    }
    Ok(())
}

/// Counts rows whose number of words differs from the rebuilt index.
fn lengths(
    db: &Connection,
    again: &Connection,
    span: (i64, i64),
    index: &str,
    check: &mut Check<'_>,
) -> Result<u64> {
    let sql = format!("SELECT id, sz FROM {index}_docsize WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
    let (mut ours, mut theirs) = (db.prepare_cached(&sql)?, again.prepare_cached(&sql)?);
    let (mut ours, mut theirs) = (ours.query(span)?, theirs.query(span)?);
    let mut found = 0;
    side_by_side(
        || next::<(i64, Vec<u8>)>(&mut ours),
        || next::<(i64, Vec<u8>)>(&mut theirs),
        |id, our, their| {
            if our.is_some() && their.is_some() && our != their {
                check.broken(format!("message {id}"), format!("has other words in {index}"), REBUILD);
                found += 1;
            }
        },
    )?;
    Ok(found)
}

/// All words with their occurrences as one number. It is additive: the sums of the parts make that of the whole.
fn sum(db: &Connection, index: &str) -> Result<i64> {
    let mut statement = db.prepare_cached(&format!("SELECT term, doc, cnt FROM temp.words_of_{index}"))?;
    let mut rows = statement.query([])?;
    let mut sum = 0_i64;
    while let Some(row) = rows.next()? {
        // The tokenizer may have cut a word within a letter.
        let word = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned();
        let (doc, count): (i64, i64) = (row.get(1)?, row.get(2)?);
        let hash = hash::of_text(&word);
        sum = sum.wrapping_add(hash.wrapping_mul(count)).wrapping_add(hash.rotate_left(17).wrapping_mul(doc));
    }
    Ok(sum)
}
