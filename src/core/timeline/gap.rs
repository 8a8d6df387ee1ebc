//! What is known of a conversation in time, as a list of gaps, and what was asked for to fill one.
//!
//! A conversation reads, newest first: `now … [segment] (gap) [segment] (gap down to the beginning)`. Only gaps
//! are recorded; a segment is what lies between two of them. Everything newer than the newest stored message is
//! the *head*: unknown until asked, and a gap only once there is evidence that something is missing there.

use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::ids::RunId;
use crate::core::timeline::stall::Stall;

/// The largest number of messages asked for at once to get past a single millisecond that fills whole pages.
pub const LARGEST_ASK: u32 = 1000;

/// How far above the border a page is asked for (ms) when it was not on the last one: no time zone is wrong by more.
const WIDE_MS: Ms = 26 * 3_600_000;

/// A stretch in which something may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gap {
    /// The id of its row in the archive; 0 until it is stored.
    pub id: i64,
    /// Position of the oldest message of the segment above; `None`: the gap reaches up to now.
    pub newer_ms: Option<Ms>,
    /// Position of the newest message of the segment below; `None`: the gap reaches down to the beginning.
    pub older_ms: Option<Ms>,
    /// The cursor that fetches from the newer edge downward, exactly as the server gave it.
    pub cursor: Option<Cursor>,
    /// When the gap was opened (ms).
    pub opened_ms: Ms,
    /// Why the last attempt to fill it failed.
    pub stalled: Option<Stall>,
    /// How many attempts in a row failed.
    pub stalls: u32,
    /// The run of the last failed attempt.
    pub stalled_run: RunId,
    /// Asking for fewer makes no progress, because one millisecond fills the page.
    pub ask_at_least: u32,
    /// Messages fetched from it so far; the more, the longer it is likely to be.
    pub filled: u32,
}

impl Gap {
    /// A gap over everything: a conversation of which nothing is known.
    #[must_use]
    pub fn everything(now: Ms) -> Self {
        Self { opened_ms: now, ..Self::default() }
    }

    /// The gap between now and the newest stored message (or the beginning, when none is stored).
    #[must_use]
    pub fn head(newest_ms: Option<Ms>, now: Ms) -> Self {
        Self { older_ms: newest_ms, opened_ms: now, ..Self::default() }
    }

    /// The cursor for this gap's next page: one millisecond above the border (see [`super::apply`]), or a day where the
    /// border was missing on the last page. The server's own is sent unchanged when it is opaque, and at every third
    /// attempt after a stall, in case the server accepts no other.
    #[must_use]
    pub fn cursor_to_send(&self) -> Option<Cursor> {
        let newer = self.newer_ms?;
        let wide = matches!(self.stalled, Some(Stall::BorderMissing | Stall::EmptyButStored));
        let Some(cursor) = &self.cursor else {
            return Some(Cursor::made(newer.saturating_add(if wide { WIDE_MS } else { 1 })));
        };
        match cursor.number() {
            Some(number) if wide && !cursor.in_seconds() => {
                Some(Cursor::made(number.max(newer).saturating_add(WIDE_MS)))
            }
            Some(number) if self.stalls % 3 != 2 => {
                // A cursor in seconds is in the server's own unit and stays in it.
                let newer = if cursor.in_seconds() { newer.div_euclid(1000) } else { newer };
                let border = number.max(newer);
                Some(Cursor::made(border.saturating_add(1)))
            }
            _ => Some(cursor.clone()),
        }
    }

    /// Whether this is the same gap, even if it has changed: by its id, or by its edges until it has one.
    pub(super) fn is(&self, other: &Self) -> bool {
        if self.id != 0 || other.id != 0 {
            return self.id == other.id;
        }
        self.newer_ms == other.newer_ms && self.older_ms == other.older_ms
    }

    /// Whether the same is asked for one as for the other: a gap is there once.
    pub(super) fn asks_the_same_as(&self, other: &Self) -> bool {
        (self.newer_ms, self.older_ms, &self.cursor) == (other.newer_ms, other.older_ms, &other.cursor)
    }

    /// The same gap without a cursor that leads above it: the server's clock was wrong when it was given.
    pub(super) fn without_high_cursor(self) -> Self {
        let newer = self.newer_ms.unwrap_or(Ms::MAX);
        let cursor = self.cursor.filter(|cursor| cursor.leads_below(newer));
        Self { cursor, ..self }
    }

    /// The same gap after a page that is of its newer edge's instant to the last: the server's own cursor leads on.
    pub(super) fn onward(self, cursor: Cursor, returned: u32) -> Self {
        let stalled = self.stalled.filter(Stall::is_doubt);
        let filled = self.filled.saturating_add(returned);
        Self { cursor: Some(cursor), stalled, stalls: 0, ask_at_least: 0, filled, ..self }
    }

    /// Whether it is a stretch that seems to be stored, but that the server's count contradicts.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        self.stalled.as_ref().is_some_and(Stall::is_doubt)
    }

    /// Whether the newest page, which it was asked for, lagged behind the inbox: nothing else is wrong.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.stalled.is_none() && self.stalls > 0
    }

    /// The same gap after a failed attempt. A doubt stays one.
    #[must_use]
    pub fn stalled(mut self, why: &Stall, run: RunId) -> Self {
        if !self.is_doubt() {
            self.stalled = Some(why.clone());
        }
        self.stalls = self.stalls.saturating_add(1);
        self.stalled_run = run;
        self
    }
}

/// How the server's count of a conversation's messages differs from what it serves, once that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCount {
    /// It counts so many more than it serves.
    pub extra: i64,
    /// It goes on counting messages that it no longer returns.
    pub with_gone: bool,
}

impl ServerCount {
    /// What the server counts if so many messages stand and so many are gone.
    #[must_use]
    pub fn expected(self, standing: i64, gone: i64) -> i64 {
        standing.saturating_add(self.extra).saturating_add(if self.with_gone { gone } else { 0 })
    }

    /// The explanation of a count that all that is served was checked against.
    #[must_use]
    pub fn explaining(total: i64, standing: i64, gone: i64) -> Self {
        let extra = total.saturating_sub(standing).max(0);
        if gone > 0 && extra == gone {
            Self { extra: 0, with_gone: true }
        } else {
            Self { extra, with_gone: false }
        }
    }
}

/// What the archive knows of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// Newest first.
    pub gaps: Vec<Gap>,
    /// Position of the newest stored message.
    pub newest_ms: Option<Ms>,
    /// Position of the oldest stored message.
    pub oldest_ms: Option<Ms>,
    /// Of a conversation that was seen to its beginning and of which nothing is stored: everything up to here was erased,
    /// or is too old to be archived.
    pub nothing_until_ms: Option<Ms>,
    /// Messages stored.
    pub messages: i64,
    /// How many of them the API no longer returns.
    pub gone: i64,
    /// Whether the documented end was seen: the archive reaches down to the beginning.
    pub beginning_seen: bool,
    /// How the server counts its messages.
    pub count: ServerCount,
    /// Its last message, as the inbox last showed it.
    pub announced: Option<Announced>,
}

/// A conversation's last message, as the inbox shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// When it was sent.
    pub at_ms: Ms,
    /// The hash of its text: see [`text_hash`](crate::core::inbox::news::text_hash).
    pub text_hash: Option<i64>,
}

impl Timeline {
    /// A conversation of which nothing is known.
    #[must_use]
    pub fn unknown(now: Ms) -> Self {
        Self { gaps: vec![Gap::everything(now)], ..Self::default() }
    }

    /// Messages that the API is expected to return.
    #[must_use]
    pub fn standing(&self) -> i64 {
        self.messages.saturating_sub(self.gone)
    }

    /// Whether nothing is missing as far as was asked: no gap, and the documented end was seen.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.gaps.is_empty() && self.beginning_seen
    }

    /// The gap between now and what is known: the newest stored message, or the highest gap where that is higher because
    /// messages have moved down since; where nothing is stored any more, what is not archived.
    #[must_use]
    pub fn head(&self, now: Ms) -> Gap {
        let known = self.newest_ms.max(self.gaps.first().and_then(|gap| gap.newer_ms));
        Gap::head(known.or(self.nothing_until_ms), now)
    }

    /// The gap that reaches up to now, if there is evidence for one.
    #[must_use]
    pub fn top_gap(&self) -> Option<&Gap> {
        self.gaps.first().filter(|g| g.newer_ms.is_none())
    }
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The gap it was for, as it was when asked; id 0 for a look at the head.
    pub gap: Gap,
    /// The cursor that was sent.
    pub cursor: Option<Cursor>,
    /// How many messages were asked for.
    pub count: u32,
    /// The most that can ever be asked for at once under all caps; never above [`LARGEST_ASK`].
    pub most: u32,
    /// The run that asked.
    pub run: RunId,
}

impl Asked {
    /// Whether this was for everything below a point above the gap's newer edge, and so for that edge as well.
    #[must_use]
    pub fn above_border(&self) -> bool {
        let sent = self.cursor.as_ref().and_then(Cursor::number);
        self.gap.newer_ms.zip(sent).is_some_and(|(newer, sent)| sent > newer)
    }

    /// The cursor that was sent, if it is the server's own, unchanged.
    pub(super) fn as_given(&self) -> Option<&Cursor> {
        self.cursor.as_ref().filter(|sent| self.gap.cursor.as_ref() == Some(*sent))
    }

    /// The request as it applies to the conversation as it is now: a look at the newest page to whatever is known of
    /// the head, a page of a gap only while that gap is as it was.
    #[must_use]
    pub fn renewed(&self, timeline: &Timeline, now: Ms) -> Option<Self> {
        if timeline.gaps.contains(&self.gap) {
            return Some(self.clone());
        }
        let head = || timeline.top_gap().cloned().unwrap_or_else(|| timeline.head(now));
        self.cursor.is_none().then(|| Self { gap: head(), ..self.clone() })
    }

    /// How long an instant is to the server (ms): a millisecond, or a second where its cursors are seconds.
    pub(super) fn instant(&self) -> Ms {
        if self.in_seconds() { 1000 } else { 1 }
    }

    /// Whether the cursor that was sent counts in seconds.
    pub(super) fn in_seconds(&self) -> bool {
        self.cursor.as_ref().is_some_and(Cursor::in_seconds)
    }

    /// How far up the answer covers: to now when it was asked for without a cursor, else to the gap's newer edge, or
    /// higher where the server gave more.
    pub(super) fn upper(&self, hi: Ms) -> Ms {
        self.gap.newer_ms.map_or(Ms::MAX, |newer| newer.max(hi))
    }
}
