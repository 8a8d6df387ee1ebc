//! Full-text indexes against the texts they are of, without writing anything.
//!
//! FTS5's own comparison is worded as an INSERT and takes the write lock, which a running sync needs. So each index is
//! made a second time, in memory, some thousand rows at a time, and compared: for each row how many words it has, and
//! over all rows how often each word occurs, as a sum that does not depend on the order. Structures are SQLite's
//! integrity check's to compare.

use rusqlite::{Connection, OptionalExtension as _, params_from_iter, types::Value};

use super::{Check, Depth};
use crate::core::hash;
use crate::core::search::tokenize;
use crate::store::StoreError;

const BATCH: usize = 8192;
/// The index whose texts are made of the messages'.
const UNSPACED: &str = "messages_cjk_fts";

/// What makes both indexes anew: emptied, and every message noted as still to be indexed.
const REBUILD: &str = "with no sync running: sqlite3 ARCHIVE \"INSERT INTO messages_fts (messages_fts) VALUES ('delete-all'); \
                       INSERT INTO messages_cjk_fts (messages_cjk_fts) VALUES ('delete-all'); \
                       INSERT OR IGNORE INTO messages_unindexed SELECT id FROM message\"; the next sync indexes them";

/// A full-text table, and what it is of.
struct FtsIndex {
    name: String,
    sql: String,
    texts: Texts,
    columns: Vec<String>,
}

/// Where an index takes its texts from.
enum Texts {
    /// Columns of a table, as they are.
    Of { table: String, rowid: String },
    /// Those messages that have letters of scripts without spaces, as [`tokenize::indexed`] writes them.
    Unspaced,
}

/// The temporary tables that show an index's words: made before the archive is read, as that is a kind of writing.
pub(super) fn prepare(db: &Connection) -> Result<(), StoreError> {
    db.pragma_update(None, "query_only", false)?;
    for index in indexes(db)? {
        db.execute_batch(&format!(
            "CREATE VIRTUAL TABLE temp.{} USING fts5vocab('main', {}, 'row')",
            quoted(&vocabulary(&index.name)),
            quoted(&index.name)
        ))?;
    }
    db.pragma_update(None, "query_only", true)?;
    Ok(())
}

fn vocabulary(index: &str) -> String {
    format!("words_of_{index}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn indexes(db: &Connection) -> Result<Vec<FtsIndex>, StoreError> {
    let mut statement = db.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%' ORDER BY name",
    )?;
    let named = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut all = Vec::new();
    for row in named {
        let (name, sql) = row?;
        let texts = match (option(&sql, "content"), option(&sql, "content_rowid")) {
            (Some(table), rowid) if !table.is_empty() => {
                Texts::Of { table, rowid: rowid.unwrap_or_else(|| "rowid".to_owned()) }
            }
            _ if name == UNSPACED => Texts::Unspaced,
            _ => continue,
        };
        let mut columns = db.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = columns.query_map([&name], |row| row.get(0))?.collect::<Result<_, _>>()?;
        all.push(FtsIndex { name, sql, texts, columns });
    }
    Ok(all)
}

/// The value of an option in the words that made a table.
fn option(sql: &str, name: &str) -> Option<String> {
    let (_, arguments) = sql.split_once('(')?;
    let mut value = None;
    for argument in arguments.trim_end().trim_end_matches(')').split(',') {
        if let Some((key, given)) = argument.split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            value = Some(given.trim().trim_matches(['\'', '"']).to_owned());
        }
    }
    value
}

pub(super) fn all(db: &Connection, depth: Depth, check: &mut Check<'_>) -> Result<u64, StoreError> {
    waiting(db, check)?;
    let mut looked_at = 0;
    for index in indexes(db)? {
        looked_at += rows(db, &index, check)?;
        if depth == Depth::Full {
            words(db, &index, check)?;
        }
    }
    Ok(looked_at)
}

/// What waits to be indexed is a message.
fn waiting(db: &Connection, check: &mut Check<'_>) -> Result<(), StoreError> {
    let mut statement = db.prepare(
        "SELECT u.id FROM messages_unindexed u WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = u.id)",
    )?;
    for id in statement.query_map([], |row| row.get::<_, i64>(0))? {
        let what = "a message that is not there waits to be indexed";
        check.broken(format!("messages_unindexed {}", id?), what, "let a sync run: it forgets such rows");
    }
    Ok(())
}

/// The rows that are to be in an index, those that wait for it left out.
fn content(index: &FtsIndex) -> String {
    let columns: String = index.columns.iter().map(|c| format!(", {}", quoted(c))).collect();
    let (table, rowid) = match &index.texts {
        Texts::Of { table, rowid } => (table.as_str(), rowid.as_str()),
        Texts::Unspaced => ("message", "id"),
    };
    let (table, rowid) = (quoted(table), quoted(rowid));
    format!(
        "SELECT {rowid}{columns} FROM {table} WHERE {rowid} NOT IN (SELECT id FROM messages_unindexed) ORDER BY {rowid}"
    )
}

/// The next row that is to be in an index: its id and its texts.
fn next_text(
    index: &FtsIndex,
    rows: &mut rusqlite::Rows<'_>,
) -> Result<Option<(i64, Vec<Value>)>, StoreError> {
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        match &index.texts {
            Texts::Of { .. } => {
                let texts = (1..=index.columns.len()).map(|i| row.get(i)).collect::<Result<_, _>>()?;
                return Ok(Some((id, texts)));
            }
            Texts::Unspaced => {
                let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
                if tokenize::has_unspaced(text) {
                    return Ok(Some((id, vec![Value::Text(tokenize::indexed(text))])));
                }
            }
        }
    }
    Ok(None)
}

/// Each message is in the index, and nothing else is: both lists ascend, and are read side by side.
fn rows(db: &Connection, index: &FtsIndex, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let Some(sizes) = sizes(db, &index.name)? else { return Ok(0) };
    let mut there = db.prepare(&content(index))?;
    let mut indexed = db.prepare(&format!("SELECT id FROM {sizes} ORDER BY id"))?;
    let (mut there, mut indexed) = (there.query([])?, indexed.query([])?);
    let next = |rows: &mut rusqlite::Rows<'_>| -> Result<Option<i64>, StoreError> {
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    };
    let to_be =
        |rows: &mut rusqlite::Rows<'_>| Ok::<_, StoreError>(next_text(index, rows)?.map(|(id, _)| id));
    let (mut message, mut entry) = (to_be(&mut there)?, next(&mut indexed)?);
    let mut looked_at = 0;
    while let Some(id) = [message, entry].into_iter().flatten().min() {
        let place = || format!("message {id}");
        match (message == Some(id), entry == Some(id)) {
            (true, false) => check.broken(place(), format!("is not in {}", index.name), REBUILD),
            (false, true) => check.broken(
                place(),
                format!("is in {} but not there, or to be indexed", index.name),
                REBUILD,
            ),
            _ => {}
        }
        if message == Some(id) {
            message = to_be(&mut there)?;
            looked_at += 1;
        }
        if entry == Some(id) {
            entry = next(&mut indexed)?;
        }
    }
    Ok(looked_at)
}

/// The table of each row's number of words, unless the index keeps none.
fn sizes(db: &Connection, index: &str) -> Result<Option<String>, StoreError> {
    let name = format!("{index}_docsize");
    let there: Option<i64> =
        db.query_row("SELECT 1 FROM sqlite_schema WHERE name = ?1", [&name], |row| row.get(0)).optional()?;
    Ok(there.map(|_| quoted(&name)))
}

/// The words of the index are those of the texts.
fn words(db: &Connection, index: &FtsIndex, check: &mut Check<'_>) -> Result<(), StoreError> {
    let of: i64 = db.query_row("SELECT ifnull(sum(messages), 0) FROM conversation", [], |row| row.get(0))?;
    let of = u64::try_from(of).unwrap_or_default();
    let again = Connection::open_in_memory()?;
    let list: Vec<String> = index.columns.iter().map(|c| quoted(c)).collect();
    if let Texts::Of { table, rowid } = &index.texts {
        let (table, rowid) = (quoted(table), quoted(rowid));
        again.execute_batch(&format!(
            "CREATE TABLE {table} ({rowid} INTEGER PRIMARY KEY, {})",
            list.join(", ")
        ))?;
    }
    again.execute_batch(&index.sql)?;
    again.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {} USING fts5vocab({}, 'row')",
        quoted(&vocabulary(&index.name)),
        quoted(&index.name)
    ))?;
    let sizes = sizes(db, &index.name)?;
    let (mut expected, mut done, mut wrong_sizes) = (0_i64, 0, 0_u64);
    let mut texts = db.prepare(&content(index))?;
    let mut texts = texts.query([])?;
    loop {
        let mut ids = Vec::with_capacity(BATCH);
        let tx = again.unchecked_transaction()?;
        {
            let marks = vec!["?"; index.columns.len() + 1].join(", ");
            let mut insert = tx.prepare_cached(&format!(
                "INSERT INTO {} (rowid, {}) VALUES ({marks})",
                quoted(&index.name),
                list.join(", ")
            ))?;
            while ids.len() < BATCH {
                let Some((id, values)) = next_text(index, &mut texts)? else { break };
                insert.execute(params_from_iter(std::iter::once(Value::Integer(id)).chain(values)))?;
                ids.push(id);
            }
        }
        tx.commit()?;
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { break };
        if let Some(sizes) = &sizes {
            wrong_sizes += lengths(db, &again, sizes, (*first, *last), &index.name, check)?;
        }
        expected = expected.wrapping_add(sum(&again, &index.name, "main")?);
        again.execute(&format!("INSERT INTO {0} ({0}) VALUES ('delete-all')", quoted(&index.name)), [])?;
        done += u64::try_from(ids.len()).unwrap_or_default();
        check.progress(done, of);
    }
    // Where a row has too few or too many words, that says it better. Missing rows have been named before.
    if wrong_sizes == 0 && check.found == 0 && sum(db, &index.name, "temp")? != expected {
        check.broken(index.name.clone(), "its words are not those of the messages", REBUILD);
    }
    Ok(())
}

/// Rows that have another number of words than in the index made again.
fn lengths(
    db: &Connection,
    again: &Connection,
    sizes: &str,
    (first, last): (i64, i64),
    index: &str,
    check: &mut Check<'_>,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT id, sz FROM {sizes} WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
    let (mut ours, mut theirs) = (db.prepare_cached(&sql)?, again.prepare_cached(&sql)?);
    let mut ours = ours.query([first, last])?;
    let mut theirs = theirs.query([first, last])?;
    let mut found = 0;
    let mut our = ours.next()?.map(size).transpose()?;
    while let Some(row) = theirs.next()? {
        let their = size(row)?;
        while our.as_ref().is_some_and(|our| our.0 < their.0) {
            our = ours.next()?.map(size).transpose()?;
        }
        if our.as_ref().is_some_and(|our| our.0 == their.0 && our.1 != their.1) {
            check.broken(format!("message {}", their.0), format!("has other words in {index}"), REBUILD);
            found += 1;
        }
    }
    Ok(found)
}

fn size(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// How often each word occurs and in how many rows, as one number: the sum over parts is that of the whole.
fn sum(db: &Connection, index: &str, schema: &str) -> Result<i64, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT term, doc, cnt FROM {schema}.{}", quoted(&vocabulary(index))))?;
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

#[cfg(test)]
mod tests {
    use super::option;

    #[test]
    fn options_are_read_from_the_words_that_made_a_table() {
        let sql = "CREATE VIRTUAL TABLE f USING fts5 (a, b, content = 'message', content_rowid=\"id\", tokenize = 'trigram')";
        assert_eq!(option(sql, "content").as_deref(), Some("message"));
        assert_eq!(option(sql, "content_rowid").as_deref(), Some("id"));
        assert_eq!(option(sql, "detail"), None);
    }
}
