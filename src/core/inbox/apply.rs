//! What a page of the inbox does to what is known of the inbox.

use super::page::{InboxPage, InboxRow};
use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::ids::MessageId;
use crate::core::model::message::{Message, Sender};
use crate::core::model::page::{Below, Page};
use crate::core::raw::Raw;
use crate::core::timeline::apply::{self as timeline, Update};
use crate::core::timeline::coverage;
use crate::core::timeline::gap::{Asked, Gap, Timeline};
use crate::core::timeline::identity::{Known, Stored};
use crate::core::timeline::stall::Stall;
use crate::core::timeline::timestamps;

/// After so many attempts at a page whose cursor leads nowhere, the inbox is read again from the top.
const TO_BEGIN_AGAIN: u32 = 9;

/// What is known of an inbox, in the words of [`Timeline`]: its rows are its messages, each at the time of its
/// conversation's last message. Rows move up when something happens; one that moves while the inbox is walked is
/// found again above the newest row seen, by the next look.
///
/// `seen` says what is known of the page's rows: only a row that stands as it stood before proves that the walk has come
/// to what was seen then, for many conversations may have news in one millisecond.
///
/// Unlike a conversation's, an inbox's cursor is opaque and only ever sent back as it was given; a gap whose cursor
/// got lost therefore reaches up to now again, and is walked from the top.
#[must_use]
pub fn apply(
    inbox: &Timeline,
    asked: &Asked,
    page: &InboxPage,
    seen: &SeenRows,
    now: Ms,
) -> (Timeline, Option<Stall>) {
    let before = Timeline { messages: 0, gone: 0, ..inbox.clone() };
    let page = as_page(page, now);
    let asked = &begun(asked, now);
    let (mut gaps, mut beginning_seen, mut stall) = (inbox.gaps.clone(), inbox.beginning_seen, None);
    for update in timeline::apply(&before, asked, &page, &seen.as_known(&page), now) {
        match update {
            Update::Gaps(left) => gaps = left,
            Update::Beginning { seen } => beginning_seen = seen,
            Update::Stalled(why) => stall = Some(why),
            // The rows themselves are the store's, and the rest is of conversations only.
            _ => {}
        }
    }
    if stall.is_some() && reads_again(asked) {
        // One that did not get beyond its first page leaves nothing missing.
        return (inbox.clone(), stall);
    }
    if let Some(lost) = gaps.iter().position(|g| g.newer_ms.is_some() && g.cursor.is_none()) {
        let gap = gaps.swap_remove(lost);
        let gap = ask_again(asked, gap);
        let is_apart = |other: &Gap| {
            let is_above =
                other.older_ms.is_some() && gap.newer_ms.is_some() && other.older_ms >= gap.newer_ms;
            is_above || (other.newer_ms.is_some() && other.newer_ms <= gap.older_ms)
        };
        gaps.retain(is_apart);
        gaps.push(gap);
        coverage::sort(&mut gaps);
    }
    let (lo, hi) = page.span().map_or((None, None), |(lo, hi)| (Some(lo), Some(hi)));
    let timeline = Timeline {
        gaps,
        newest_ms: inbox.newest_ms.max(hi.map(|hi| watermark(hi, now))),
        oldest_ms: [inbox.oldest_ms, lo].into_iter().flatten().min(),
        beginning_seen,
        ..Timeline::default()
    };
    (timeline, stall)
}

/// Whether a request is the first one of reading the whole inbox again.
#[must_use]
pub fn reads_again(asked: &Asked) -> bool {
    asked.gap.id == 0 && asked.gap.older_ms.is_none()
}

/// What to ask for where a page's cursor leads nowhere: that page again, some times, then all from the top, in case its own
/// cursor is the cause. It comes to this each time, so that it is tried ever less often.
fn ask_again(asked: &Asked, lost: Gap) -> Gap {
    let (stalls, stalled_run) = match lost.stalled {
        Some(_) => (asked.gap.stalls.saturating_add(1), asked.run),
        None => (lost.stalls, lost.stalled_run),
    };
    let again = Gap { stalled: lost.stalled.clone(), stalls, stalled_run, ..asked.gap.clone() };
    if asked.cursor.is_some() && lost.stalled.is_some() && stalls % TO_BEGIN_AGAIN != 0 {
        again
    } else {
        Gap { newer_ms: None, stalls, stalled_run, ..lost }
    }
}

/// What the archive knows of an inbox's rows when a page comes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenRows {
    /// For each row of the page, whether it stands as it stood when the inbox was last read, or is of no concern.
    pub unchanged: Vec<bool>,
    /// The newest last message below the page's, of the conversations that the inbox has shown.
    pub below_ms: Option<Ms>,
}

impl SeenRows {
    /// In the words of a conversation: what is stored.
    fn as_known(&self, page: &Page) -> Known {
        // A row of the inbox has no id of its own.
        let id = MessageId(0);
        let stored = |message: &Message| Stored {
            id,
            message: message.clone(),
            gone: false,
            exported: false,
            erased: false,
        };
        let rows = page.messages.iter().zip(&self.unchanged).filter(|(_, unchanged)| **unchanged);
        let below = self.below_ms.map(|at_ms| Stored {
            id,
            message: row(String::new(), Some(at_ms)),
            gone: true,
            exported: false,
            erased: false,
        });
        Known { near: rows.map(|(message, _)| stored(message)).collect(), below: below.into_iter().collect() }
    }
}

/// The lowest and the highest place of a page's rows.
#[must_use]
pub fn span(page: &InboxPage, now: Ms) -> Option<(Ms, Ms)> {
    as_page(page, now).span()
}

/// A request for the newest page is the beginning of a walk, if that page does not reach down to what was seen.
fn begun(asked: &Asked, now: Ms) -> Asked {
    let begins = asked.gap.id == 0;
    let opened_ms = if begins { now } else { asked.gap.opened_ms };
    Asked { gap: Gap { opened_ms, ..asked.gap.clone() }, ..asked.clone() }
}

/// Up to where, exclusive, everything has been seen once the rows above have: other conversations may still get a
/// message in the same millisecond as the newest one, unless that is long past.
fn watermark(newest: Ms, now: Ms) -> Ms {
    if timestamps::ahead(now, newest) { newest.saturating_add(1) } else { newest }
}

fn row(urn: String, time: Option<Ms>) -> Message {
    Message {
        urn: Some(urn),
        at_ms: time.unwrap_or_default(),
        derived_time: time.is_none(),
        untrusted_ms: None,
        sender: Sender::default(),
        kind: String::new(),
        text: String::new(),
        raw: Raw::default(),
    }
}

fn trusted(row: &InboxRow, now: Ms) -> Option<Ms> {
    row.last_at_ms.filter(|at| !timestamps::ahead(*at, now))
}

/// When the last conversation of a page was active, if its cursor tells. A number above the times of all rows is something
/// else.
pub(super) fn foot(page: &InboxPage, now: Ms) -> Option<Ms> {
    page.foot_ms().filter(|foot| page.rows.iter().any(|row| trusted(row, now) >= Some(*foot)))
}

/// The place of each row: the time of its last message, where that is what it stands there for. A row out of the order
/// that the others agree in stands there for another reason, and so does one whose last message is older than what the
/// page's last conversation was active at, if the cursor tells; the time then proves nothing.
fn places(page: &InboxPage, now: Ms) -> Vec<Option<Ms>> {
    let mut times: Vec<Option<Ms>> = page.rows.iter().map(|row| trusted(row, now)).collect();
    if let (Some(foot), Some((last, above))) = (foot(page, now), times.split_last_mut()) {
        above.iter_mut().for_each(|time| *time = time.filter(|time| *time >= foot));
        *last = Some(last.unwrap_or(foot).max(foot));
    }
    let stray = timestamps::strays(&times);
    times.into_iter().zip(stray).map(|(time, stray)| time.filter(|_| !stray)).collect()
}

/// The inbox page as a page of a conversation.
fn as_page(page: &InboxPage, now: Ms) -> Page {
    let below = match (&page.next_cursor, page.more_without_cursor) {
        (Some(cursor), _) => Below::More(Cursor::opaque(cursor.clone())),
        (None, true) => Below::MoreWithoutCursor,
        (None, false) => Below::End,
    };
    let message = |(shown, time): (&InboxRow, Option<Ms>)| row(shown.conversation_urn.clone(), time);
    Page {
        messages: page.rows.iter().zip(places(page, now)).map(message).collect(),
        below,
        returned: page.returned,
        conversation_urn: None,
        total: None,
        unread: None,
        last_seen_ms: None,
        oddities: Vec::new(),
    }
}
