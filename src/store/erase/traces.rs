//! What was erased, as a few bytes of each text, and the search for them in the archive's files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::store::query::Statements as _;
use crate::store::schema::file::{beside, folder_of};
use crate::store::{Result, StoreError};

/// Bytes that are looked for: of long texts so many, of short ones fewer.
const LONG: usize = 16;
const SHORT: usize = 8;
/// Pieces that are looked for at most, since they are kept in memory until the file is rewritten.
const MOST: usize = 1_000_000;
/// Bits of the table that most places of a file fail at.
const TABLE_BITS: u32 = 24;
/// Bytes read at once.
const BLOCK: usize = 1 << 20;

/// What erased texts are looked for by.
#[derive(Debug, Default)]
pub struct Traces {
    long: BTreeSet<[u8; LONG]>,
    short: BTreeSet<[u8; SHORT]>,
    /// Texts that are too short to be looked for.
    too_short: u64,
}

/// What the search for traces has found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Proof {
    /// Files that were searched.
    pub files: Vec<PathBuf>,
    /// Bytes that they have together.
    pub bytes: u64,
    /// Pieces of erased texts, names and ids that were looked for.
    pub looked_for: u64,
    /// Of these, pieces that stand in what stays as well, such as a greeting.
    pub stays: u64,
    /// Texts of fewer than eight bytes, which say too little to be looked for.
    pub too_short: u64,
    /// Pieces that stand somewhere although they should not.
    pub found: u64,
    /// Former archives and logs beside the archive that still hold some of it.
    pub copies: Vec<PathBuf>,
}

impl Traces {
    /// Adds a text that was erased, unless there are many already.
    pub(super) fn add(&mut self, text: &str) {
        if self.long.len().saturating_add(self.short.len()) >= MOST {
            return;
        }
        let bytes = text.as_bytes();
        if let Some(piece) = bytes.first_chunk::<LONG>() {
            self.long.insert(*piece);
            self.long.extend(bytes.last_chunk::<LONG>().copied());
            let middle = bytes.get((bytes.len() - LONG) / 2..).and_then(<[u8]>::first_chunk::<LONG>);
            self.long.extend(middle.copied());
        } else if let Some(piece) = bytes.first_chunk::<SHORT>() {
            self.short.insert(*piece);
        } else if !bytes.is_empty() {
            self.too_short = self.too_short.saturating_add(1);
        }
    }

    /// Searches an archive's files for what should not be there any more. What stands in rows that stay is no trace.
    ///
    /// # Errors
    /// When a row or a file cannot be read.
    pub(super) fn search(self, db: &Connection, archive: Option<&Path>) -> Result<Proof> {
        let count = |traces: &Self| u64::try_from(traces.long.len() + traces.short.len()).unwrap_or(u64::MAX);
        let mut proof = Proof { looked_for: count(&self), too_short: self.too_short, ..Proof::default() };
        let mut left = self;
        let mut filter = Sieve::of(&left);
        each_text(db, |text| left.remove(&filter.hits(text)))?;
        proof.stays = proof.looked_for.saturating_sub(count(&left));
        filter = Sieve::of(&left);
        let mut found = BTreeSet::new();
        let files = archive.map(|archive| ["", "-wal", "-shm", "-journal"].map(|end| beside(archive, end)));
        for path in files.into_iter().flatten() {
            let failed = |source| StoreError::Unreachable { path: path.clone(), source };
            match File::open(&path) {
                Ok(file) => {
                    let bytes = each_block(file, |block| found.extend(left.among(&filter.hits(block))));
                    proof.bytes = proof.bytes.saturating_add(bytes.map_err(failed)?);
                    proof.files.push(path);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        for path in archive.map(siblings).unwrap_or_default() {
            let mut holds = false;
            // One that cannot be read is for its owner to look into.
            let searched = File::open(&path).and_then(|file| {
                each_block(file, |block| holds = holds || !left.among(&filter.hits(block)).is_empty())
            });
            proof.copies.extend(searched.is_ok_and(|_| holds).then_some(path));
        }
        for piece in &found {
            if is_word_that_stays(db, piece)? {
                proof.stays = proof.stays.saturating_add(1);
            } else {
                proof.found = proof.found.saturating_add(1);
            }
        }
        Ok(proof)
    }

    fn remove(&mut self, hits: &[&[u8]]) {
        for hit in hits {
            if let Ok(piece) = <[u8; LONG]>::try_from(*hit) {
                self.long.remove(&piece);
            } else if let Ok(piece) = <[u8; SHORT]>::try_from(*hit) {
                self.short.remove(&piece);
            }
        }
    }

    fn among(&self, hits: &[&[u8]]) -> Vec<Vec<u8>> {
        let is_trace = |hit: &&&[u8]| match hit.len() {
            LONG => <[u8; LONG]>::try_from(**hit).is_ok_and(|piece| self.long.contains(&piece)),
            _ => <[u8; SHORT]>::try_from(**hit).is_ok_and(|piece| self.short.contains(&piece)),
        };
        hits.iter().filter(is_trace).map(|hit| hit.to_vec()).collect()
    }
}

/// Tells of most places at once that nothing that is looked for begins there.
struct Sieve(Vec<u64>);

impl Sieve {
    fn of(traces: &Traces) -> Self {
        let mut filter = Self(vec![0; 1 << (TABLE_BITS - 6)]);
        let long = traces.long.iter().filter_map(|piece| piece.first_chunk::<SHORT>());
        for start in long.chain(&traces.short) {
            let (word, bit) = place(start);
            if let Some(word) = filter.0.get_mut(word) {
                *word |= bit;
            }
        }
        filter
    }

    /// The pieces of a text that may be looked for.
    fn hits<'t>(&self, text: &'t [u8]) -> Vec<&'t [u8]> {
        let mut hits = Vec::new();
        for (at, window) in text.windows(SHORT).enumerate() {
            let Some(start) = window.first_chunk::<SHORT>() else { continue };
            let (word, bit) = place(start);
            if self.0.get(word).is_some_and(|word| word & bit != 0) {
                hits.push(window);
                hits.extend(text.get(at..at + LONG));
            }
        }
        hits
    }
}

fn place(start: &[u8; SHORT]) -> (usize, u64) {
    let mixed = u64::from_le_bytes(*start).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - TABLE_BITS);
    (usize::try_from(mixed >> 6).unwrap_or_default(), 1 << (mixed & 63))
}

/// Files beside an archive that were part of a former one: replaced archives and logs that were set aside.
pub(crate) fn siblings(archive: &Path) -> Vec<PathBuf> {
    let Some(name) = archive.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return Vec::new();
    };
    let former = [format!("{name}.replaced-"), format!("{name}-wal.former-")];
    let Ok(entries) = std::fs::read_dir(folder_of(archive)) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut all: Vec<PathBuf> = names
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            former.iter().any(|former| name.starts_with(former))
        })
        .collect();
    all.sort();
    all
}

/// Shows a file block by block, each with the end of the one before. Returns its size.
fn each_block(mut file: impl Read, mut seen: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut block = Vec::with_capacity(BLOCK + LONG);
    let mut size = 0_u64;
    loop {
        let kept = block.len().min(LONG - 1);
        block.drain(..block.len() - kept);
        let wanted = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        let read = file.by_ref().take(wanted).read_to_end(&mut block)?;
        if read == 0 {
            return Ok(size);
        }
        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        seen(&block);
    }
}

/// Shows every text of every row that stays.
fn each_text(db: &Connection, mut seen: impl FnMut(&[u8])) -> Result<()> {
    // The schema's own comments are texts in the file, too.
    db.each("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL", [], |sql: String| {
        seen(sql.as_bytes());
        Ok(())
    })?;
    let tables: Vec<String> = db.all(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'",
        [],
    )?;
    for table in tables {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                if let ValueRef::Text(text) = row.get_ref(column)? {
                    seen(text);
                }
            }
        }
    }
    Ok(())
}

/// Whether a piece is part of one word that messages which stay have: the full-text index holds it folded.
fn is_word_that_stays(db: &Connection, piece: &[u8]) -> Result<bool> {
    let Ok(text) = std::str::from_utf8(piece) else { return Ok(false) };
    if !text.chars().all(char::is_alphanumeric) {
        return Ok(false);
    }
    db.one("SELECT EXISTS (SELECT 1 FROM messages_fts WHERE messages_fts MATCH ?1)", [format!("\"{text}\"*")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(erased: &[&str], file: &[u8]) -> usize {
        let mut traces = Traces::default();
        erased.iter().for_each(|text| traces.add(text));
        let filter = Sieve::of(&traces);
        let mut found = BTreeSet::new();
        each_block(file, |block| found.extend(traces.among(&filter.hits(block)))).unwrap();
        found.len()
    }

    #[test]
    fn pieces_of_erased_texts_are_found_wherever_they_stand() {
        let text = "a text of some length, the middle of which counts too";
        assert_eq!(found(&[text], text.as_bytes()), 3);
        assert_eq!(found(&[text], b"which counts too"), 1);
        assert_eq!(found(&[text], b"which counts to"), 0);
        assert_eq!(found(&["Ada Lovelace"], b"x Ada Lovelace x"), 1);
        assert_eq!(found(&["Ada"], b"Ada"), 0, "too short");
        let mut large = vec![b'.'; BLOCK - 9];
        large.extend_from_slice(text.as_bytes());
        assert_eq!(found(&[text], &large), 3, "also across the border of two blocks");
    }
}
