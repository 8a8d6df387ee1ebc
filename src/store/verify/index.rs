//! The full-text indexes against the texts they are of, without writing anything.
//!
//! FTS5's own comparison is worded as an INSERT and takes the write lock, which a running sync needs. So each index is
//! made a second time, in memory, some thousand rows at a time, and compared: how many words each row has, and how often
//! each word occurs in all. SQLite's integrity check compares the structures.

use rusqlite::{Connection, Rows, params};

use super::{Check, Depth, messages_in, questions};
use crate::core::hash;
use crate::core::search::tokenize;
use crate::store::query::{FromRow, Statements as _};
use crate::store::{Result, SCHEMA};

const BATCH: usize = 8192;

/// What makes both indexes anew: emptied, and every message noted as still to be indexed.
const REBUILD: &str = "with no sync running: sqlite3 ARCHIVE \"INSERT INTO messages_fts (messages_fts) VALUES ('delete-all'); \
                       INSERT INTO messages_cjk_fts (messages_cjk_fts) VALUES ('delete-all'); \
                       INSERT OR IGNORE INTO messages_unindexed SELECT id FROM message\"; the next sync indexes them";

const WORDS: &str = "messages_fts";
/// The index of messages with letters of scripts without spaces, as [`tokenize::indexed`] writes them.
const UNSPACED: &str = "messages_cjk_fts";

/// What is to be indexed, but for the messages that wait for it.
const TEXTS: &str =
    "SELECT id, text FROM message_searched WHERE id NOT IN (SELECT id FROM messages_unindexed) ORDER BY id";

/// The temporary tables that show an index's words: made before the archive is read, as that is a kind of writing.
pub(super) fn prepare(db: &Connection) -> Result<()> {
    db.pragma_update(None, "query_only", false)?;
    let made = show_words(db);
    db.pragma_update(None, "query_only", true)?;
    made
}

fn show_words(db: &Connection) -> Result<()> {
    for index in [WORDS, UNSPACED] {
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
    for index in [WORDS, UNSPACED] {
        looked_at += rows(db, index, check)?;
        if depth == Depth::Full {
            words(db, index, check)?;
        }
    }
    Ok(looked_at)
}

/// The next text that is to be in an index, as it is to be there.
fn next_text(index: &str, rows: &mut Rows<'_>) -> Result<Option<(i64, String)>> {
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        if index == WORDS {
            return Ok(Some((row.get(0)?, text.to_owned())));
        }
        if tokenize::has_unspaced(text) {
            return Ok(Some((row.get(0)?, tokenize::indexed(text))));
        }
    }
    Ok(None)
}

/// The next row of any other query.
fn next<T: FromRow>(rows: &mut Rows<'_>) -> Result<Option<T>> {
    Ok(rows.next()?.map(T::from_row).transpose()?)
}

/// Each message is in the index, and nothing else is.
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

/// Walks through two lists that ascend by id at once, and shows what either has of each id.
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

/// The words of the index are those of the texts.
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
    // Where a row has too few or too many words, that says it better. Missing rows have been named before.
    if wrong_sizes == 0 && check.found == 0 && sum(db, index)? != expected {
        check.broken(index.to_owned(), "its words are not those of the messages", REBUILD);
    }
    Ok(())
}

/// Rows that have another number of words than in the index made again.
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

/// How often each word occurs and in how many rows, as one number: the sum over parts is that of the whole.
fn sum(db: &Connection, index: &str) -> Result<i64> {
    let mut statement = db.prepare_cached(&format!("SELECT term, doc, cnt FROM temp.words_of_{index}"))?;
    let mut rows = statement.query([])?;
    let mut sum = 0_i64;
    while let Some(row) = rows.next()? {
        // A word is what the tokenizer cut, and may end within a letter.
        let word = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned();
        let (doc, count): (i64, i64) = (row.get(1)?, row.get(2)?);
        let hash = hash::of_text(&word);
        sum = sum.wrapping_add(hash.wrapping_mul(count)).wrapping_add(hash.rotate_left(17).wrapping_mul(doc));
    }
    Ok(sum)
}
