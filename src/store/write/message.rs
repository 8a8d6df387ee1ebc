//! Messages as rows: reading those that a page needs, inserting, and updating without losing what was there.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection, Params, params};

use crate::core::Ms;
use crate::core::model::change_kind::ChangeKind;
use crate::core::model::ids::{AccountId, ConversationId, MessageId, PersonId, RunId};
use crate::core::model::message::Message;
use crate::core::model::page::Page;
use crate::core::model::parts::Parts;
use crate::core::model::urn;
use crate::core::timeline::history::Origin;
use crate::core::timeline::identity::{Known, Stored, Window};
use crate::core::timeline::pairing::{NEAR_MS, plain};
use crate::core::written::Line;
use crate::store::Result;
use crate::store::ids as row_ids;
use crate::store::query::Statements as _;
use crate::store::read::message::{NAMELESS, stored};
use crate::store::text_index;
use crate::store::write::changes::{self, Changes};
use crate::store::write::intern::Interned;
use crate::store::write::owner;
use crate::store::written;

/// The stored messages that matter for a page: those that its [`Window`] names.
pub(crate) fn known(db: &Connection, id: ConversationId, page: &Page, window: Window) -> Result<Known> {
    let Window { lo, hi, below } = window;
    let mut near = between(db, id, (lo, hi))?;
    // What only an export has shown may stand a little beside its place.
    let borders = [
        (hi.saturating_add(1), hi.saturating_add(NEAR_MS)),
        (lo.saturating_sub(NEAR_MS), lo.saturating_sub(1)),
    ];
    for (from, to) in borders.into_iter().filter(|(from, _)| *from != Ms::MAX) {
        let exported =
            "m.source = 'export' AND m.sent_at_ms BETWEEN ?2 AND ?3 ORDER BY m.sent_at_ms DESC, m.id DESC";
        near.extend(select(db, exported, params![id, from, to])?);
    }
    let identity = |s: &Stored| s.message.urn.as_deref().map(|urn| urn::identity(urn).into_owned());
    let mut found: BTreeSet<Vec<u8>> = near.iter().filter_map(identity).collect();
    // Most messages of a page are new, so that a look at the index is all they cost.
    let mut is_there =
        db.prepare_cached("SELECT 1 FROM message WHERE conversation = ?1 AND urn_probe = ?2")?;
    for urn in page.messages.iter().filter_map(|m| m.urn.as_deref()) {
        let probe = row_ids::probe(urn);
        if is_there.exists(params![id, probe])? && found.insert(urn::identity(urn).into_owned()) {
            let same_probe = select(db, "m.urn_probe = ?2", params![id, probe])?;
            near.extend(
                same_probe.into_iter().filter(|s| identity(s).is_some_and(|s| *s == *urn::identity(urn))),
            );
        }
    }
    let mut known = Known { near, below: Vec::new() };
    if below > 0 {
        let next = "m.sent_at_ms < ?2 ORDER BY m.sent_at_ms DESC, m.id DESC LIMIT ?3";
        known.below = select(db, next, params![id, lo, below])?;
    }
    Ok(known)
}

/// The stored messages of a conversation from one moment to another, both included, newest first.
pub(crate) fn between(db: &Connection, id: ConversationId, (lo, hi): (Ms, Ms)) -> Result<Vec<Stored>> {
    let within = "m.sent_at_ms BETWEEN ?2 AND ?3 ORDER BY m.sent_at_ms DESC, m.id DESC";
    select(db, within, params![id, lo, hi])
}

fn select(db: &Connection, condition: &str, values: impl Params) -> Result<Vec<Stored>> {
    db.all_by(&format!("{NAMELESS} WHERE m.conversation = ?1 AND {condition}"), values, stored)
}

/// Writes messages of one conversation.
pub(crate) struct MessageWriter<'a> {
    db: &'a Connection,
    ids: &'a mut Interned,
    account: AccountId,
    conversation: ConversationId,
    /// The run that writes, and when.
    run: RunId,
    now: Ms,
    /// How new messages came.
    origin: Origin,
    changes: Changes,
    /// How many messages of each person were inserted.
    wrote: BTreeMap<PersonId, i64>,
    /// Those that figures count, and when.
    lines: Vec<Line>,
    /// Kept at hand: a page inserts many rows.
    inserts: Option<Inserts<'a>>,
}

/// The statements that insert a message.
struct Inserts<'a> {
    message: CachedStatement<'a>,
    unindexed: CachedStatement<'a>,
    /// Whether there are erased messages, whose ids stay theirs.
    any_erased: bool,
}

impl<'a> Inserts<'a> {
    fn prepare(db: &'a Connection) -> Result<Self> {
        let message = db.prepare_cached(
            "INSERT INTO message (id, conversation, sent_at_ms, sender, kind, template, urn_shape, urn_probe, urn_key, derived_time, text, extra, change, source,
               subject, attachments, attachment_names)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?;
        let any_erased = db.one("SELECT EXISTS (SELECT 1 FROM erased)", [])?;
        Ok(Self { message, unindexed: db.prepare_cached(text_index::UNINDEXED)?, any_erased })
    }
}

/// The ids of what a message's row points to.
struct Pointers {
    sender: PersonId,
    kind: i64,
    template: i64,
}

type UrnColumns<'u> = (Option<i64>, Option<i64>, Option<&'u str>);

impl<'a> MessageWriter<'a> {
    pub(crate) fn new(
        db: &'a Connection,
        ids: &'a mut Interned,
        (account, conversation): (AccountId, ConversationId),
        (run, origin): (RunId, Origin),
        now: Ms,
    ) -> Self {
        let (changes, wrote, lines) = (Changes::default(), BTreeMap::new(), Vec::new());
        Self { db, ids, account, conversation, run, now, origin, changes, wrote, lines, inserts: None }
    }

    /// Inserts a message, which an export or the API has shown.
    pub(crate) fn insert(&mut self, message: &Message, exported: bool) -> Result<MessageId> {
        let to = self.pointers(message)?;
        let (shape, probe, key) = self.urn_columns(message.urn.as_deref())?;
        let statements = match self.inserts.take() {
            Some(at_hand) => at_hand,
            None => Inserts::prepare(self.db)?,
        };
        let statements = self.inserts.insert(statements);
        let history = self.origin.is_history(message.at_ms, self.now);
        let change = self.changes.next(self.db, ChangeKind::New, history, message.at_ms)?;
        let derived = message.derived_time.then_some(1);
        let source = exported.then_some("export");
        let parts = Parts::of(message.raw.extra.as_deref(), exported);
        let (attachments, names) = (parts.attachments_json(), parts.attachment_names());
        let mut id = row_ids::rowid_of(message.at_ms);
        if statements.any_erased && self.db.one("SELECT EXISTS (SELECT 1 FROM erased WHERE id = ?1)", [id])? {
            id = free_above(self.db, id)?;
        }
        loop {
            let done = statements.message.execute(params![
                id,
                self.conversation,
                message.at_ms,
                to.sender,
                to.kind,
                to.template,
                shape,
                probe,
                key,
                derived,
                message.text,
                message.raw.extra,
                change,
                source,
                parts.subject,
                attachments,
                names
            ]);
            match done {
                Ok(_) => break,
                Err(rusqlite::Error::SqliteFailure(e, _))
                    if e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY =>
                {
                    id = free_above(self.db, id)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        statements.unindexed.execute([id])?;
        *self.wrote.entry(to.sender).or_default() += 1;
        if written::counts(&message.kind, exported) {
            self.lines.push((message.at_ms, to.sender));
        }
        Ok(id)
    }

    /// Brings a stored message to what was served now; what was there before becomes a row of `message_version`.
    /// One that was gone is back.
    pub(crate) fn update(&mut self, stored: &Stored, message: &Message, edited: bool) -> Result<()> {
        self.db.run(
            "INSERT INTO message_version (message, replaced_ms, edited, sent_at_ms, sender, kind, template, text, extra)
             SELECT id, ?2, ?3, sent_at_ms, sender, kind, template, text, extra FROM message WHERE id = ?1",
            params![stored.id, self.now, edited],
        )?;
        changes::keep(self.db, "id = ?1", &stored.id, Some(self.db.last_insert_rowid()))?;
        let before = &stored.message;
        let parts = Parts::of(message.raw.extra.as_deref(), false);
        let had = Parts::of(before.raw.extra.as_deref(), stored.exported);
        if before.text != message.text || parts != had {
            text_index::forget(self.db, stored.id)?;
            self.db.run(text_index::UNINDEXED, [stored.id])?;
        }
        let to = self.pointers(message)?;
        let from = self.move_participant(stored.id, to.sender)?;
        // A time and an id that were served once are kept when a later answer leaves them out.
        let (at_ms, derived) = match message.derived_time {
            true => (before.at_ms, before.derived_time),
            false => (message.at_ms, false),
        };
        let (shape, probe, key) = self.urn_columns(message.urn.as_deref().or(before.urn.as_deref()))?;
        self.move_line(stored, from, message, (at_ms, to.sender))?;
        let change_kind = if stored.gone { ChangeKind::Back } else { ChangeKind::Edited };
        let change = self.changes.next(self.db, change_kind, false, at_ms)?;
        self.db.run(
            "UPDATE message SET sent_at_ms = ?2, derived_time = ?3, sender = ?4, kind = ?5, template = ?6, text = ?7, extra = ?8,
               urn_shape = ?9, urn_probe = ?10, urn_key = ?11, versions = versions + ?12, gone_since_ms = NULL,
               source = NULL, change = ?13, subject = ?14, attachments = ?15, attachment_names = ?16 WHERE id = ?1",
            params![
                stored.id, at_ms, derived.then_some(1), to.sender, to.kind, to.template, message.text,
                message.raw.extra, shape, probe, key, i64::from(edited), change,
                parts.subject, parts.attachments_json(), parts.attachment_names()
            ],
        )
    }

    /// Keeps another text of a stored message as if it had been replaced, unless it is there already.
    pub(crate) fn add_version(&mut self, stored: &Stored, message: &Message) -> Result<()> {
        let texts: Vec<String> =
            self.db.all("SELECT text FROM message_version WHERE message = ?1", [stored.id])?;
        if texts.iter().any(|text| plain(text) == plain(&message.text)) {
            return Ok(());
        }
        let to = self.pointers(message)?;
        self.db.run(
            "INSERT INTO message_version (message, replaced_ms, edited, sent_at_ms, sender, kind, template, text, extra)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                stored.id, self.now, message.at_ms, to.sender, to.kind, to.template, message.text, message.raw.extra
            ],
        )?;
        changes::keep(self.db, "id = ?1", &stored.id, None)?;
        let change = self.changes.next(self.db, ChangeKind::Edited, false, stored.message.at_ms)?;
        self.db.run("UPDATE message SET change = ?2 WHERE id = ?1", params![stored.id, change])
    }

    /// Marks a message as gone, and returns how many that are: none when it already was.
    pub(crate) fn set_gone(&mut self, id: MessageId) -> Result<u32> {
        self.mark(Some(self.now), "id = ?1 AND gone_since_ms IS NULL", &id)
    }

    /// Marks a message as back, and returns how many that are: none when it was not gone.
    pub(crate) fn set_back(&mut self, id: MessageId) -> Result<u32> {
        self.mark(None, "id = ?1 AND gone_since_ms IS NOT NULL", &id)
    }

    /// Marks all of the messages as gone that are not yet, and returns how many that are.
    pub(crate) fn set_all_gone(&mut self) -> Result<u32> {
        self.mark(Some(self.now), "conversation = ?1 AND gone_since_ms IS NULL", &self.conversation.clone())
    }

    /// Marks those messages as back that were marked as gone last, and returns how many that are.
    pub(crate) fn set_all_back(&mut self) -> Result<u32> {
        let last = "conversation = ?1
           AND gone_since_ms = (SELECT max(gone_since_ms) FROM message WHERE conversation = ?1)";
        self.mark(None, last, &self.conversation.clone())
    }

    fn mark(&mut self, gone_since: Option<Ms>, which: &str, id: &dyn ToSql) -> Result<u32> {
        let sql = format!("SELECT count(*), min(sent_at_ms), max(sent_at_ms) FROM message WHERE {which}");
        let (count, oldest, newest): (i64, Option<Ms>, Option<Ms>) = self.db.one(&sql, [id])?;
        let Some(span) = oldest.zip(newest) else { return Ok(0) };
        let kind = if gone_since.is_some() { ChangeKind::Gone } else { ChangeKind::Back };
        changes::keep(self.db, which, id, None)?;
        let before = self.changes.take(self.db, (kind, false), count, span)?;
        let sql = format!(
            "UPDATE message SET gone_since_ms = ?2, change = ?3 + x.number
             FROM (SELECT id, row_number() OVER (ORDER BY sent_at_ms, id) AS number FROM message WHERE {which}) AS x
             WHERE message.id = x.id"
        );
        self.db.run(&sql, params![id, gone_since, before])?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Notes that a message is stored already, as it is.
    pub(crate) fn pass(&mut self) {
        self.changes.pass();
    }

    /// Counts the messages that were inserted for those who wrote them, and notes what changed.
    pub(crate) fn finish(self) -> Result<()> {
        self.changes.write(self.db, self.conversation, self.run, self.now)?;
        written::add(self.db, self.conversation, self.lines)?;
        let Self { db, account, conversation, .. } = self;
        let place = (account, conversation);
        self.wrote.iter().try_for_each(|(person, messages)| count(db, place, *person, *messages))
    }

    /// Counts a message for its sender as now served, and no longer for the one it was of.
    /// Returns who that is.
    fn move_participant(&self, id: MessageId, to: PersonId) -> Result<PersonId> {
        let from: PersonId = self.db.one("SELECT sender FROM message WHERE id = ?1", [id])?;
        if from == to {
            return Ok(from);
        }
        let one_less =
            "UPDATE participant SET messages = messages - 1 WHERE conversation = ?1 AND person = ?2";
        self.db.run(one_less, params![self.conversation, from])?;
        let none_left = "DELETE FROM participant WHERE conversation = ?1 AND person = ?2 AND messages = 0";
        self.db.run(none_left, params![self.conversation, from])?;
        count(self.db, (self.account, self.conversation), to, 1)?;
        Ok(from)
    }

    /// Lets figures count a message as it is served now, and no longer as it was.
    fn move_line(&mut self, stored: &Stored, from: PersonId, message: &Message, now: Line) -> Result<()> {
        let (before, then) = (&stored.message, (stored.message.at_ms, from));
        let counted = written::counts(&before.kind, stored.exported);
        let counts = written::counts(&message.kind, false);
        if (counted, then) == (counts, now) {
            return Ok(());
        }
        if counted {
            written::remove(self.db, self.conversation, then)?;
        }
        self.lines.extend(counts.then_some(now));
        Ok(())
    }

    fn pointers(&mut self, message: &Message) -> Result<Pointers> {
        Ok(Pointers {
            sender: self.ids.person(self.db, self.account, &message.sender)?,
            kind: self.ids.kind(self.db, &message.kind)?,
            template: self.ids.template(self.db, &message.raw.template)?,
        })
    }

    fn urn_columns<'u>(&mut self, urn: Option<&'u str>) -> Result<UrnColumns<'u>> {
        let Some(urn) = urn else { return Ok((None, None, None)) };
        let parts = urn::split(urn);
        let shape = self.ids.shape(self.db, parts.prefix, parts.suffix)?;
        Ok((Some(shape), Some(row_ids::probe(urn)), Some(parts.key)))
    }
}

/// Counts messages of a person. Whoever is new in a conversation may be the one it is named after.
fn count(
    db: &Connection,
    (account, conversation): (AccountId, ConversationId),
    person: PersonId,
    messages: i64,
) -> Result<()> {
    let more = "UPDATE participant SET messages = messages + ?3 WHERE conversation = ?1 AND person = ?2";
    if db.changed(more, params![conversation, person, messages])? > 0 {
        return Ok(());
    }
    let first = "INSERT INTO participant (conversation, person, messages) VALUES (?1, ?2, ?3)";
    db.run(first, params![conversation, person, messages])?;
    owner::forget_names(db, account)
}

/// A free id just above a crowd that begins with this taken one. Steps that double find its end, and halving them finds
/// the place next to it, so that even thousands of messages of one instant take few looks each and stay together.
fn free_above(db: &Connection, taken: MessageId) -> Result<MessageId> {
    let is_taken = |id: i64| {
        db.one::<bool>(
            "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1) OR EXISTS (SELECT 1 FROM erased WHERE id = ?1)",
            [id],
        )
    };
    let (mut taken, mut step) = (taken.0, 1_i64);
    while is_taken(taken.saturating_add(step))? {
        taken = taken.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let mut free = taken.saturating_add(step);
    while free.saturating_sub(taken) > 1 {
        let middle = taken.midpoint(free);
        if is_taken(middle)? { taken = middle } else { free = middle }
    }
    Ok(MessageId(free))
}
