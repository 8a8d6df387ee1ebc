//! Ranks a bounded number of messages with BM25.
//!
//! FTS5's `bm25` counts every message with a word before it scores the first one, so common words are slow. Here a word's
//! rarity is estimated from its newest messages, and only the candidates are scored.

use rusqlite::{Connection, params};

use super::Search;
use crate::core::model::ids::MessageId;
use crate::core::search::tokenize;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::search::match_expr;

/// Messages counted to estimate how common a word is.
const COUNTED: i64 = 2_000;
/// BM25's constants, as in FTS5.
const K: f64 = 1.2;
const B: f64 = 0.75;

/// Sorts these ids by score, then newest first, and keeps the first `limit`.
pub(super) fn best(
    db: &Connection,
    search: &Search,
    ids: &[MessageId],
    limit: usize,
) -> Result<Vec<MessageId>> {
    let wanted = search.wanted();
    // Rarity weighs words against each other. A single word needs none, and common words take long to count.
    let rarities = if wanted.len() > 1 { rarities(db, search)? } else { vec![1.0] };
    let mut found: Vec<(MessageId, f64, Vec<u32>)> = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(text) = db.first::<String>("SELECT text FROM message_searched WHERE id = ?1", [id])? else {
            continue;
        };
        let (_, counts) = tokenize::hits(&text, &wanted);
        found.push((*id, length(&text), counts));
    }
    let mean = found.iter().map(|(_, length, _)| length).sum::<f64>() / float(found.len().max(1));
    let score = |(id, length, counts): (MessageId, f64, Vec<u32>)| {
        let weight = |(count, rarity): (&u32, &f64)| {
            let count = f64::from(*count);
            rarity * count * (K + 1.0) / (count + K * (1.0 - B + B * length / mean.max(1.0)))
        };
        (counts.iter().zip(&rarities).map(weight).sum::<f64>(), id)
    };
    let mut scored: Vec<(f64, MessageId)> = found.into_iter().map(score).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    Ok(scored.into_iter().take(limit).map(|(_, id)| id).collect())
}

fn length(text: &str) -> f64 {
    float(text.len()) / 6.0
}

#[expect(clippy::cast_precision_loss, reason = "lengths and counts of messages are far below 2^52")]
fn float(n: usize) -> f64 {
    n as f64
}

/// The weight of each word: rare words weigh more.
fn rarities(db: &Connection, search: &Search) -> Result<Vec<f64>> {
    let total: i64 = db.one("SELECT ifnull(sum(messages), 0) FROM conversation", [])?;
    // `min` and `max` in one plain query would scan the whole table.
    let (first, last): (i64, i64) = db.one(
        "SELECT ifnull((SELECT min(id) FROM message), 0), ifnull((SELECT max(id) FROM message), 0)",
        [],
    )?;
    let total = float(usize::try_from(total).unwrap_or(0));
    let mut all = Vec::new();
    for term in search.query.wanted() {
        let mut have: f64 = 0.0;
        let (words, cjk) = match_expr::alone(term).unzip();
        // A word is in one index or the other, or in both: then the higher number will do.
        for (table, query) in [("messages_fts", words.flatten()), ("messages_cjk_fts", cjk)] {
            let Some(query) = query else { continue };
            let (counted, oldest): (i64, Option<i64>) = db.one(
                &format!("SELECT count(*), min(id) FROM (SELECT rowid AS id FROM {table} WHERE {table} MATCH ?1 ORDER BY rowid DESC LIMIT ?2)"),
                params![query, COUNTED],
            )?;
            let mut count = float(usize::try_from(counted).unwrap_or(0));
            if counted == COUNTED {
                let share = ratio(last.saturating_sub(oldest.unwrap_or(first)), last.saturating_sub(first));
                count = (count / share.max(1e-6)).min(total);
            }
            have = have.max(count);
        }
        all.push(((total - have + 0.5).max(0.5) / (have + 0.5)).ln_1p());
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than a few digits")]
fn ratio(part: i64, whole: i64) -> f64 {
    part as f64 / whole.max(1) as f64
}
