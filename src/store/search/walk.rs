//! Walks through matches from the newest back: in both indexes at once, or in the table of messages.

use std::collections::BTreeSet;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Rows, params};

use super::{Search, SearchEnd};
use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId, PersonId};
use crate::core::search::tokenize;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::rowid_of;
use crate::store::search::match_expr::Match;

/// Ids follow time only roughly: many messages of one instant take later ids, and derived times may be corrected. So the
/// walk covers a day more on either side.
const SLACK: i64 = 86_400_000 >> 10;

/// Up to this many candidates are read one by one, instead of walking through the index.
const ONE_BY_ONE: usize = 3_000;

/// The filters as ids.
#[derive(Debug, Default)]
pub(super) struct Checks {
    senders: Option<BTreeSet<PersonId>>,
    not_senders: BTreeSet<PersonId>,
    kinds: Option<BTreeSet<i64>>,
    not_kinds: BTreeSet<i64>,
    /// The only candidates, newest first, if there are few.
    few: Option<Vec<MessageId>>,
}

impl Checks {
    /// `None` if nothing can match.
    pub(super) fn of(db: &Connection, search: &Search, matched: &Match) -> Result<Option<Self>> {
        let Some(mut checks) = Self::of_filters(db, search)? else { return Ok(None) };
        if matched.positive && matched.words.is_none() && matched.cjk.is_none() {
            return Ok(None);
        }
        checks.few = few(db, search, &checks)?;
        Ok(Some(checks))
    }

    /// Those that look at a message's row, for whoever has the candidates; `None` if nothing can match.
    pub(super) fn of_filters(db: &Connection, search: &Search) -> Result<Option<Self>> {
        let mut checks = Self::default();
        if !search.from.is_empty() {
            checks.senders = Some(people(db, &search.from)?);
        }
        checks.not_senders = people(db, &search.not_from)?;
        if !search.kinds.is_empty() {
            checks.kinds = Some(kinds(db, &search.kinds)?);
        }
        checks.not_kinds = kinds(db, &search.not_kinds)?;
        let nobody = checks.senders.as_ref().is_some_and(BTreeSet::is_empty);
        let no_kind = checks.kinds.as_ref().is_some_and(BTreeSet::is_empty);
        let backwards = matches!((search.since, search.until), (Some(since), Some(until)) if since >= until);
        Ok((!nobody && !no_kind && !backwards).then_some(checks))
    }
}

/// The people whose names contain one of these.
fn people(db: &Connection, parts: &[String]) -> Result<BTreeSet<PersonId>> {
    let parts: Vec<String> = parts.iter().map(|p| tokenize::fold(p)).collect();
    let is_one = |name: &str, is_me: bool| {
        let is_part =
            |part: &String| if part == "me" { is_me } else { !part.is_empty() && name.contains(part) };
        parts.iter().any(is_part)
    };
    let mut found = BTreeSet::new();
    if !parts.is_empty() {
        let sql = "SELECT id, name, is_me IS 1 FROM person";
        db.each(sql, [], |(id, name, is_me): (_, String, _)| {
            found.extend(is_one(&tokenize::fold(&name), is_me).then_some::<PersonId>(id));
            Ok(())
        })?;
    }
    Ok(found)
}

fn kinds(db: &Connection, names: &[String]) -> Result<BTreeSet<i64>> {
    let all: Vec<(i64, String)> = db.all("SELECT id, name FROM kind", [])?;
    let is_one = |name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    Ok(all.into_iter().filter(|(_, name)| is_one(name)).map(|(id, _)| id).collect())
}

/// The messages of the candidate conversations, or the edited messages, newest first, if there are few.
fn few(db: &Connection, search: &Search, checks: &Checks) -> Result<Option<Vec<MessageId>>> {
    let only = match (&search.within, &checks.senders) {
        (Some(within), _) => Some(within.clone()),
        (None, Some(senders)) => Some(conversations_of(db, senders)?),
        (None, None) if search.gone == Some(true) => {
            Some(db.all("SELECT id FROM conversation WHERE gone > 0", [])?)
        }
        (None, None) => None,
    };
    if let Some(only) = only {
        return messages_of(db, search, &only);
    }
    if search.edited == Some(true) {
        let edited: Vec<MessageId> = db.all(
            "SELECT DISTINCT message FROM message_version WHERE edited = 1 ORDER BY message DESC LIMIT 3001",
            [],
        )?;
        return Ok((edited.len() <= ONE_BY_ONE).then_some(edited));
    }
    Ok(None)
}

fn conversations_of(db: &Connection, people: &BTreeSet<PersonId>) -> Result<BTreeSet<ConversationId>> {
    let all: Vec<(ConversationId, PersonId)> = db.all("SELECT conversation, person FROM participant", [])?;
    Ok(all.into_iter().filter(|(_, person)| people.contains(person)).map(|(id, _)| id).collect())
}

fn messages_of(
    db: &Connection,
    search: &Search,
    conversations: &BTreeSet<ConversationId>,
) -> Result<Option<Vec<MessageId>>> {
    let mut found: Vec<MessageId> = Vec::new();
    for conversation in conversations {
        let room = ONE_BY_ONE.saturating_sub(found.len()).saturating_add(1);
        let (since, until) = (search.since.unwrap_or(i64::MIN), search.until.unwrap_or(i64::MAX));
        found.append(&mut db.all(
            "SELECT id FROM message WHERE conversation = ?1 AND sent_at_ms >= ?2 AND sent_at_ms < ?3 LIMIT ?4",
            params![conversation, since, until, i64::try_from(room).unwrap_or(i64::MAX)],
        )?);
        if found.len() > ONE_BY_ONE {
            return Ok(None);
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(Some(found))
}

/// A walk over the candidates.
pub(super) struct Walk<'a> {
    pub(super) db: &'a Connection,
    pub(super) search: &'a Search,
    pub(super) matched: &'a Match,
    pub(super) checks: &'a Checks,
    /// How many messages to look at, at most.
    pub(super) bound: u64,
}

const WORDS: &str = "SELECT rowid FROM messages_fts WHERE messages_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC";
const CJK: &str = "SELECT rowid FROM messages_cjk_fts WHERE messages_cjk_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC";
/// The newest message of `messages_cjk_fts` that is no newer than this one.
const HELD: &str = "SELECT id FROM messages_cjk_fts_docsize WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
const ALL: &str = "SELECT id FROM message WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC";

impl Walk<'_> {
    /// The newest matches, up to `limit`, and where the bound ended the walk.
    pub(super) fn newest(&self, limit: usize) -> Result<(Vec<MessageId>, Option<SearchEnd>)> {
        let mut ids = Vec::new();
        let ended = self.each(|id| {
            ids.push(id);
            ids.len() < limit
        })?;
        Ok((ids, ended))
    }

    /// Calls `take` with the id of each match, newest first, until it returns false. Returns where the bound ended the
    /// walk.
    fn each(&self, mut take: impl FnMut(MessageId) -> bool) -> Result<Option<SearchEnd>> {
        let lowest = self.search.since.map_or(i64::MIN, |ms| rowid_of(ms).0.saturating_sub(SLACK));
        let highest = self.search.until.map_or(i64::MAX, |ms| rowid_of(ms).0.saturating_add(SLACK));
        let below = self.search.below.unwrap_or(MessageId(i64::MAX));
        let highest = highest.min(below.0.saturating_sub(1));
        if let Some(few) = &self.checks.few {
            // Reading a few texts is quicker than asking the indexes for each of them.
            let matched = Match::by_hand(&self.search.query);
            let by_hand = Walk { matched: &matched, ..*self };
            for id in few.iter().filter(|id| **id < below) {
                if by_hand.fits(*id)?.0 && !take(*id) {
                    break;
                }
            }
            return Ok(None);
        }
        let mut all = self.db.prepare_cached(ALL)?;
        let (mut words, mut cjk) = (self.db.prepare_cached(WORDS)?, self.db.prepare_cached(CJK)?);
        let mut sides = if self.matched.positive {
            let start = |statement, query: &Option<String>| {
                IndexWalk::start(statement, query.as_deref(), lowest, highest)
            };
            [start(&mut words, &self.matched.words)?, start(&mut cjk, &self.matched.cjk)?]
        } else {
            [IndexWalk::over(all.query(params![lowest, highest])?)?, IndexWalk::default()]
        };
        let mut looked = 0_u64;
        // On messages that the second index holds, it alone decides.
        let mut held = self.db.prepare_cached(HELD)?;
        let mut newest_held = i64::MAX;
        let simple = !self.search.has_filters() && !self.matched.reads_text();
        while let Some((id, by_cjk)) = next(&mut sides)? {
            if self.matched.positive && !by_cjk {
                if newest_held > id.0 {
                    newest_held = held.query_row([id], |row| row.get(0)).optional()?.unwrap_or(i64::MIN);
                }
                if newest_held == id.0 {
                    continue;
                }
            }
            looked = looked.saturating_add(1);
            // Without filters every candidate matches, and only the caller's limit counts.
            if simple {
                if take(id) {
                    continue;
                }
                return Ok(None);
            }
            let (fits, at_ms) = self.fits(id)?;
            if fits && !take(id) {
                return Ok(None);
            }
            if looked >= self.bound {
                return Ok(Some(SearchEnd { id, at_ms }));
            }
        }
        Ok(None)
    }

    /// Whether a message passes the filters, and its time.
    pub(super) fn fits(&self, id: MessageId) -> Result<(bool, Ms)> {
        let (search, checks) = (self.search, self.checks);
        let mut statement = self.db.prepare_cached(
            "SELECT m.conversation, m.sent_at_ms, m.sender, m.kind, m.versions > 1, m.gone_since_ms IS NOT NULL, s.text,
               m.attachments IS NOT NULL
             FROM message m CROSS JOIN message_searched s ON s.id = m.id WHERE m.id = ?1",
        )?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok((false, 0)) };
        let at: Ms = row.get(1)?;
        let (conversation, sender, kind): (ConversationId, PersonId, i64) =
            (row.get(0)?, row.get(2)?, row.get(3)?);
        let flag = |wanted: Option<bool>, column: usize| -> Result<bool> {
            Ok(match wanted {
                Some(wanted) => row.get::<_, bool>(column)? == wanted,
                None => true,
            })
        };
        let fits = search.since.is_none_or(|since| at >= since)
            && search.until.is_none_or(|until| at < until)
            && !search.outside.iter().any(|(from, to)| (*from..*to).contains(&at))
            && search.within.as_ref().is_none_or(|within| within.contains(&conversation))
            && !search.without.contains(&conversation)
            && checks.senders.as_ref().is_none_or(|senders| senders.contains(&sender))
            && !checks.not_senders.contains(&sender)
            && checks.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && !checks.not_kinds.contains(&kind)
            && flag(search.edited, 4)?
            && flag(search.gone, 5)?
            && flag(search.attachment, 7)?;
        if !fits || (!self.matched.reads_text() && search.link.is_none()) {
            return Ok((fits, at));
        }
        let text = row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?;
        Ok((self.text_fits(text), at))
    }

    pub(super) fn text_fits(&self, text: &str) -> bool {
        let matched = self.matched;
        self.search.link.is_none_or(|wanted| has_link(text) == wanted)
            && matched.groups.iter().all(|group| group.iter().any(|look| look.is_in(text)))
            && !matched.none.iter().any(|look| look.is_in(text))
    }
}

fn has_link(text: &str) -> bool {
    text.contains("://") || text.contains("www.")
}

/// The matches of one index, newest first.
#[derive(Default)]
struct IndexWalk<'s> {
    rows: Option<Rows<'s>>,
    head: Option<MessageId>,
}

impl<'s> IndexWalk<'s> {
    fn start(
        statement: &'s mut CachedStatement<'_>,
        query: Option<&str>,
        lowest: i64,
        highest: i64,
    ) -> Result<Self> {
        match query {
            Some(query) => Self::over(statement.query(params![query, lowest, highest])?),
            None => Ok(Self::default()),
        }
    }

    fn over(rows: Rows<'s>) -> Result<Self> {
        let mut side = Self { rows: Some(rows), head: None };
        side.step()?;
        Ok(side)
    }

    fn step(&mut self) -> Result<()> {
        self.head = match &mut self.rows {
            Some(rows) => rows.next()?.map(|row| row.get(0)).transpose()?,
            None => None,
        };
        Ok(())
    }
}

/// The next id of either index, and whether the second one has it.
fn next(sides: &mut [IndexWalk<'_>; 2]) -> Result<Option<(MessageId, bool)>> {
    let [first, second] = sides;
    let Some(id) = first.head.max(second.head) else { return Ok(None) };
    let by_second = second.head == Some(id);
    if first.head == Some(id) {
        first.step()?;
    }
    if by_second {
        second.step()?;
    }
    Ok(Some((id, by_second)))
}
