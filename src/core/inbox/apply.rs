//! What a page of the inbox does to what is known of the inbox.

use super::page::{InboxPage, InboxRow};
use crate::core::Ms;
use crate::core::model::message::{Message, Sender};
use crate::core::model::page::{Below, Cursor, Page};
use crate::core::raw::Raw;
use crate::core::timeline::apply as timeline;
use crate::core::timeline::apply::{Asked, Gap, Timeline};
use crate::core::timeline::identity::Known;
use crate::core::timeline::order;
use crate::core::timeline::stall::Stall;

/// What is known of an inbox, in the words of [`Timeline`]: its rows are its messages, each at the time of its
/// conversation's last message. Rows move up when something happens; one that moves while the inbox is walked is
/// found again above the newest row seen, by the next look.
///
/// Unlike a conversation's, an inbox's cursor is opaque and only ever sent back as it was given; a gap whose cursor
/// got lost therefore reaches up to now again, and is walked from the top.
#[must_use]
pub fn apply(inbox: &Timeline, asked: &Asked, page: &InboxPage, now: Ms) -> (Timeline, Option<Stall>) {
    let sealed =
        Timeline { gaps: inbox.gaps.iter().map(seal).collect(), messages: 0, gone: 0, ..inbox.clone() };
    let asked =
        Asked { gap: seal(&asked.gap), cursor: asked.cursor.as_ref().map(sealed_cursor), ..asked.clone() };
    let page = as_page(page, now);
    let delta = timeline::apply(&sealed, &asked, &page, &Known::default(), now);
    let mut gaps: Vec<Gap> = delta.gaps.iter().map(unseal).collect();
    if let Some(lost) = gaps.iter().position(|g| g.newer_ms.is_some() && g.cursor.is_none()) {
        let mut gap = gaps.swap_remove(lost);
        gap.newer_ms = None;
        if gap.stalled.is_some() {
            // It comes to this each time, so that it is tried ever less often.
            gap.stalls = asked.gap.stalls.saturating_add(1);
        }
        gaps.retain(|g| g.newer_ms.is_some() && g.newer_ms <= gap.older_ms);
        gaps.insert(0, gap);
    }
    let (lo, hi) = page.span().map_or((None, None), |(lo, hi)| (Some(lo), Some(hi)));
    let timeline = Timeline {
        gaps,
        newest_ms: inbox.newest_ms.max(hi),
        oldest_ms: [inbox.oldest_ms, lo].into_iter().flatten().min(),
        beginning_seen: delta.beginning_seen,
        ..Timeline::default()
    };
    (timeline, delta.stall)
}

/// The inbox page as a page of a conversation. A row out of the order that the others agree in stands there for another
/// reason than its last message, whose time then proves nothing.
fn as_page(page: &InboxPage, now: Ms) -> Page {
    let mut times: Vec<Option<Ms>> = page.rows.iter().map(|row| row.last_at_ms).collect();
    let from_nowhere = order::from_nowhere(&times, now);
    times.iter_mut().take(from_nowhere).for_each(|time| *time = None);
    let stray = order::strays(&times);
    let times = times.into_iter().zip(stray).map(|(time, stray)| time.filter(|_| !stray));
    let below = match (&page.next_cursor, page.more_without_cursor) {
        (Some(cursor), _) => Below::More(sealed_cursor(&Cursor(cursor.clone()))),
        (None, true) => Below::MoreWithoutCursor,
        (None, false) => Below::End,
    };
    let message = |(row, time): (&InboxRow, Option<Ms>)| Message {
        urn: Some(row.conversation_urn.clone()),
        at_ms: time.unwrap_or_default(),
        derived_time: time.is_none(),
        sender: Sender::default(),
        kind: String::new(),
        text: String::new(),
        raw: Raw::default(),
    };
    Page {
        messages: page.rows.iter().zip(times).map(message).collect(),
        below,
        returned: page.returned,
        conversation_urn: None,
        total: None,
        unread: None,
        last_seen_ms: None,
        oddities: Vec::new(),
    }
}

/// Marks an opaque cursor, so that one that happens to be a number is not taken for a time.
fn sealed_cursor(cursor: &Cursor) -> Cursor {
    Cursor(format!("opaque {}", cursor.0))
}

fn seal(gap: &Gap) -> Gap {
    Gap { cursor: gap.cursor.as_ref().map(sealed_cursor), ..gap.clone() }
}

fn unseal(gap: &Gap) -> Gap {
    let open = |c: &Cursor| Cursor(c.0.strip_prefix("opaque ").unwrap_or(&c.0).to_owned());
    Gap { cursor: gap.cursor.as_ref().map(open), ..gap.clone() }
}
