//! A part of a conversation: the newest messages, those before or after one, or those around it, however many there are.

use rusqlite::{ToSql, params};

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::store::query::Statements as _;
use crate::store::read::message::{COLUMNS, ExportRow, JOINS};
use crate::store::{Queries, Result, StoreError};

/// Where a message is in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessagePlace {
    /// When it was sent.
    pub at_ms: Ms,
    /// The archive's id.
    pub id: MessageId,
}

impl MessagePlace {
    /// Before every message of this time.
    #[must_use]
    pub fn start_of(at_ms: Ms) -> Self {
        Self { at_ms, id: MessageId(i64::MIN) }
    }
}

/// Which part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExcerptAt {
    /// Its newest messages.
    Newest,
    /// The last ones before this place.
    Before(MessagePlace),
    /// The first ones after it.
    After(MessagePlace),
    /// Those around it, it included.
    Around(MessagePlace),
}

/// A part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    /// Its oldest message.
    pub first: MessagePlace,
    /// Its newest message.
    pub last: MessagePlace,
    /// The message before that, if there is one.
    pub older: Option<MessagePlace>,
    /// The message after it.
    pub newer: Option<MessagePlace>,
}

/// How much a part holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExcerptSize {
    /// Messages.
    pub messages: usize,
    /// Bytes of their texts; a single message may have more.
    pub bytes: u64,
}

const OLDER: &str = "SELECT sent_at_ms, id, octet_length(text) FROM message
     WHERE conversation = ?1 AND (sent_at_ms, id) < (?2, ?3) ORDER BY sent_at_ms DESC, id DESC LIMIT ?4";
const NEWER: &str = "SELECT sent_at_ms, id, octet_length(text) FROM message
     WHERE conversation = ?1 AND (sent_at_ms, id) > (?2, ?3) ORDER BY sent_at_ms, id LIMIT ?4";

impl Queries<'_> {
    /// The bounds of a part of a conversation; `None` if no message is there.
    pub fn excerpt(
        &self,
        conversation: ConversationId,
        at: ExcerptAt,
        size: ExcerptSize,
    ) -> Result<Option<Excerpt>> {
        let end = MessagePlace { at_ms: Ms::MAX, id: MessageId(i64::MAX) };
        let older = |from, size| self.run_of(conversation, OLDER, from, size);
        let newer = |from, size| self.run_of(conversation, NEWER, from, size);
        let half = ExcerptSize { messages: size.messages / 2, bytes: size.bytes / 2 };
        let next =
            |(places, next): (Vec<MessagePlace>, Option<MessagePlace>)| next.or(places.first().copied());
        let one = ExcerptSize { messages: 0, bytes: 0 };
        let (mut places, older_one, newer_one) = match at {
            ExcerptAt::Newest => {
                let (places, next) = older(end, size)?;
                (places, next, None)
            }
            ExcerptAt::Before(place) => {
                let (places, older_one) = older(place, size)?;
                let newer_one = places.first().map(|last| newer(*last, one).map(next)).transpose()?;
                (places, older_one, newer_one.flatten())
            }
            ExcerptAt::After(place) => {
                let (places, newer_one) = newer(place, size)?;
                let older_one = places.first().map(|first| older(*first, one).map(next)).transpose()?;
                (places, older_one.flatten(), newer_one)
            }
            ExcerptAt::Around(place) => {
                let (mut places, older_one) = older(place, half)?;
                let just_before = MessagePlace { id: MessageId(place.id.0.saturating_sub(1)), ..place };
                let rest = ExcerptSize { messages: size.messages.saturating_sub(places.len()), ..half };
                let (after, newer_one) = newer(just_before, rest)?;
                places.extend(after);
                (places, older_one, newer_one)
            }
        };
        places.sort_unstable();
        let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else {
            return Ok(None);
        };
        Ok(Some(Excerpt { first, last, older: older_one, newer: newer_one }))
    }

    /// The places on one side of another, nearest first, and the one after those.
    fn run_of(
        &self,
        conversation: ConversationId,
        sql: &str,
        from: MessagePlace,
        size: ExcerptSize,
    ) -> Result<(Vec<MessagePlace>, Option<MessagePlace>)> {
        let most = i64::try_from(size.messages).unwrap_or(i64::MAX).saturating_add(1);
        let rows: Vec<(Ms, i64, i64)> =
            self.db().all(sql, params![conversation, from.at_ms, from.id, most])?;
        let (mut places, mut bytes) = (Vec::new(), 0_u64);
        for (at_ms, id, length) in &rows {
            bytes = bytes.saturating_add(u64::try_from(*length).unwrap_or(0));
            let place = MessagePlace { at_ms: *at_ms, id: MessageId(*id) };
            if places.len() >= size.messages || (bytes > size.bytes && !places.is_empty()) {
                return Ok((places, Some(place)));
            }
            places.push(place);
        }
        Ok((places, None))
    }

    /// Shows the messages of a part of a conversation, oldest first.
    ///
    /// # Errors
    /// What `visit` fails with, or when the archive cannot be read.
    pub fn messages_of_excerpt<E: From<StoreError>>(
        &self,
        conversation: ConversationId,
        excerpt: &Excerpt,
        visit: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Excerpt { first, last, .. } = *excerpt;
        self.rows_of(
            "m.conversation = ?1 AND (m.sent_at_ms, m.id) >= (?2, ?3) AND (m.sent_at_ms, m.id) <= (?4, ?5)
             ORDER BY m.sent_at_ms, m.id",
            params![conversation, first.at_ms, first.id, last.at_ms, last.id],
            visit,
        )
    }

    /// Shows one message.
    ///
    /// # Errors
    /// What `visit` fails with, or when the archive cannot be read.
    pub fn message_row<E: From<StoreError>>(
        &self,
        id: MessageId,
        visit: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows_of("m.id = ?1", params![id], visit)
    }

    /// Shows the newest message of a conversation.
    ///
    /// # Errors
    /// What `visit` fails with, or when the archive cannot be read.
    pub fn newest_message<E: From<StoreError>>(
        &self,
        conversation: ConversationId,
        visit: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let newest = "m.conversation = ?1 ORDER BY m.sent_at_ms DESC, m.id DESC LIMIT 1";
        self.rows_of(newest, params![conversation], visit)
    }

    fn rows_of<E: From<StoreError>>(
        &self,
        which: &str,
        values: &[&dyn ToSql],
        mut visit: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT {COLUMNS} FROM message m {JOINS} WHERE {which}");
        let mut statement = self.db().prepare_cached(&sql).map_err(StoreError::from)?;
        let mut rows = statement.query(values).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            visit(&ExportRow::read(row).map_err(StoreError::from)?)?;
        }
        Ok(())
    }

    /// Where a message is, and of which conversation.
    pub fn place_of(&self, id: MessageId) -> Result<Option<(ConversationId, MessagePlace)>> {
        let sql = "SELECT conversation, sent_at_ms FROM message WHERE id = ?1";
        let found: Option<(ConversationId, Ms)> = self.db().first(sql, [id])?;
        Ok(found.map(|(conversation, at_ms)| (conversation, MessagePlace { at_ms, id })))
    }
}
