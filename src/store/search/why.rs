//! Why a search found nothing: a word that no message has, filters that leave nothing, or messages that are missing.

use rusqlite::Connection;

use super::Search;
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::search::query::Term;
use crate::core::search::tokenize;
use crate::store::Queries;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::search::match_expr::{self, Look};
use crate::store::search::spelling::nearest;

/// At most this many messages are counted.
const COUNTED: u64 = 10_000;

/// How many gaps, from when to when (ms); `None` is the beginning or now.
pub type GapsWithin = (usize, Option<Ms>, Option<Ms>);

/// Why nothing was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nothing {
    /// Words that no message contains, each with the most similar word that occurs.
    pub unknown: Vec<(String, Option<String>)>,
    /// Sender names that match nobody.
    pub nobody: Vec<String>,
    /// How many messages match without the filters, and whether there may be more.
    pub without_filters: Option<(u64, bool)>,
    /// Gaps within the requested time and conversations.
    pub gaps: Option<GapsWithin>,
    /// Messages not indexed yet, which no search finds.
    pub waiting: i64,
    /// Whether the archive has no messages.
    pub empty: bool,
}

impl Queries<'_> {
    /// How many messages are not indexed yet: no search for words finds them.
    pub fn unindexed(&self) -> Result<i64> {
        self.db().one("SELECT count(*) FROM messages_unindexed", [])
    }

    /// Why a search found nothing.
    pub fn why_nothing(&self, search: &Search) -> Result<Nothing> {
        // One read transaction for all lookups: locking takes longer than looking up a word.
        let look = self.db().is_autocommit().then(|| self.db().unchecked_transaction()).transpose()?;
        let db: &Connection = self.db();
        let mut why = Nothing {
            empty: !db.prepare("SELECT 1 FROM message")?.exists([])?,
            gaps: gaps(db, search)?,
            waiting: self.unindexed()?,
            ..Nothing::default()
        };
        for term in search.query.all.iter().filter(|group| group.len() == 1).flatten() {
            let is_there = known(db, term)? || (why.waiting > 0 && waits(db, term)?);
            if !is_there {
                why.unknown.push((term.text.clone(), nearest(db, term)?));
            }
        }
        let people: Vec<String> = names(db)?;
        let nobody = |part: &&String| {
            let part = tokenize::fold(part);
            part != "me" && !people.iter().any(|name| name.contains(&part))
        };
        why.nobody = search.from.iter().filter(nobody).cloned().collect();
        if why.unknown.is_empty() && search.has_filters() {
            let bare = Search { query: search.query.clone(), ..Search::default() };
            let most = usize::try_from(COUNTED).unwrap_or(usize::MAX);
            let (ids, ended) = self.ids(&bare, most, COUNTED)?;
            let count = super::count(ids.len());
            why.without_filters = Some((count, count == COUNTED || ended.is_some()));
        }
        drop(look);
        Ok(why)
    }
}

/// Whether any message contains the word.
pub(super) fn known(db: &Connection, term: &Term) -> Result<bool> {
    let Some((words, cjk)) = match_expr::alone(term) else { return Ok(true) };
    let cjk_has = "SELECT 1 FROM messages_cjk_fts WHERE messages_cjk_fts MATCH ?1";
    if db.prepare_cached(cjk_has)?.exists([cjk])? {
        return Ok(true);
    }
    let Some(words) = words else { return Ok(false) };
    let words_have =
        "SELECT 1 FROM (SELECT rowid AS id FROM messages_fts WHERE messages_fts MATCH ?1 LIMIT 10000)
                      WHERE id NOT IN (SELECT id FROM messages_cjk_fts_docsize)";
    Ok(db.prepare_cached(words_have)?.exists([words])?)
}

/// Whether a message that is not indexed yet contains the word.
fn waits(db: &Connection, term: &Term) -> Result<bool> {
    let look = Look::of(term);
    let mut statement =
        db.prepare_cached("SELECT m.text FROM messages_unindexed u JOIN message_searched m ON m.id = u.id")?;
    // One at a time: after an import, these are all messages that there are.
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if look.is_in(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn names(db: &Connection) -> Result<Vec<String>> {
    let names: Vec<String> = db.all("SELECT DISTINCT name FROM person", [])?;
    Ok(names.iter().map(|name| tokenize::fold(name)).collect())
}

fn gaps(db: &Connection, search: &Search) -> Result<Option<GapsWithin>> {
    let all: Vec<(ConversationId, Option<Ms>, Option<Ms>)> =
        db.all("SELECT conversation, newer_ms, older_ms FROM gap WHERE conversation IS NOT NULL", [])?;
    let within = |(conversation, newer, older): &(_, Option<Ms>, Option<Ms>)| {
        search.within.as_ref().is_none_or(|within| within.contains(conversation))
            && newer.is_none_or(|newer| search.since.is_none_or(|since| newer >= since))
            && older.is_none_or(|older| search.until.is_none_or(|until| older < until))
    };
    let within = all.into_iter().filter(within).map(|(_, newer, older)| (1, older, newer));
    // `None` is further than any date.
    Ok(within.reduce(|(n, from, to), (more, older, newer)| {
        let (from, to) = (from.zip(older), to.zip(newer));
        (n + more, from.map(|(a, b)| a.min(b)), to.map(|(a, b)| a.max(b)))
    }))
}
