//! What a row of the inbox means for its conversation: new messages, none since an import, or one more to archive.

use super::apply;
use super::page::{InboxPage, InboxRow};
use crate::core::budget::RESULTS_PER_CREDIT;
use crate::core::model::ids::RunId;
use crate::core::model::urn;
use crate::core::timeline::gap::{Asked, Gap, Timeline};
use crate::core::timeline::pairing::{NEAR_MS, plain};
use crate::core::timeline::timestamps::ahead;
use crate::core::{Ms, hash};

/// What the archive knows of the conversation that a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownConversation {
    /// Whether the inbox showed it before.
    pub in_inbox: bool,
    /// Time of its last message, as the inbox last showed it.
    pub last_message_ms: Option<Ms>,
    /// [`text_hash`] of that message.
    pub last_text_hash: Option<i64>,
    /// Unread messages, as last served.
    pub unread: Option<i64>,
    /// Whether nobody asks for it: only an export has shown it, or it was not wanted so far.
    pub left_out: bool,
    /// Whether it was erased for good.
    pub stopped: bool,
    /// The messages stored within [`around`] the row's time, except those that the API no longer returns.
    pub near: Vec<Near>,
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Near {
    /// When it was sent.
    pub at_ms: Ms,
    /// Its text.
    pub text: String,
    /// Whether only LinkedIn's data export has shown it.
    pub exported: bool,
    /// Whether its time was not to be trusted when it came.
    pub derived: bool,
}

/// What changes for a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowUpdate {
    /// Whether it is archived from now on.
    pub adopted: bool,
    /// Whether it has messages that the archive does not have.
    pub news: bool,
    /// Its gaps from now on.
    pub gaps: Vec<Gap>,
}

/// The times between which stored messages may be the row's last message.
#[must_use]
pub fn around(at: Ms) -> (Ms, Ms) {
    (at.saturating_sub(NEAR_MS), at.saturating_add(NEAR_MS))
}

/// The hash by which the text of a last message is recognised.
#[must_use]
pub fn text_hash(row: &InboxRow) -> Option<i64> {
    row.last_text.as_deref().map(hash::of_text)
}

/// What a row changes for its conversation. A conversation with news has a gap up to now from then on, so that nothing
/// is forgotten if the run ends before it is requested.
#[must_use]
pub fn update(
    row: &InboxRow,
    known: &KnownConversation,
    timeline: &Timeline,
    wanted: bool,
    now: Ms,
) -> RowUpdate {
    let exported = ends_with_export(row, known, timeline.newest_ms);
    let news = exported.is_none() && has_news(row, known, timeline.newest_ms, now);
    let mut gaps = timeline.gaps.clone();
    if let Some(newest) = exported {
        // Nothing was sent since the export, so there is nothing between what it covers and now.
        let covered = Some(newest.saturating_sub(NEAR_MS));
        gaps.retain(|gap| gap.newer_ms.is_some() || gap.older_ms < covered || gap.stalled.is_some());
    }
    match gaps.first_mut().filter(|gap| gap.newer_ms.is_none()) {
        None if news => gaps.insert(0, timeline.head(now)),
        // There is more to wait for, and it may be there already.
        Some(gap) if news && gap.waits() => (gap.stalls, gap.stalled_run) = (0, RunId::default()),
        _ => {}
    }
    RowUpdate { adopted: wanted && known.left_out, news, gaps }
}

/// Whether a row shows something that the archive has not seen: its last message is neither the one that the inbox
/// showed last time, with no more unread, nor the newest one stored.
fn has_news(row: &InboxRow, known: &KnownConversation, newest: Option<Ms>, now: Ms) -> bool {
    let text = text_hash(row);
    let Some(at) = row.last_at_ms else {
        // Without a time, the same text and as many unread messages are what was there before.
        let comparable = text.is_some() || row.unread.is_some();
        let same = known.last_text_hash == text && known.unread == row.unread;
        return !(known.in_inbox && known.last_message_ms.is_none() && comparable && same);
    };
    if known.last_message_ms == Some(at) && (text.is_none() || known.last_text_hash == text) {
        // One that is dated ahead stays the last message, whatever comes after it, until its time has come.
        let shows_again = !known.in_inbox && !may_hide_more(row, now);
        let more_unread = row.unread.zip(known.unread).is_some_and(|(now, before)| now > before);
        return (shows_again || more_unread) && !is_last_stored(row, at, known, newest);
    }
    !is_last_stored(row, at, known, newest)
}

/// Whether a row's last message, sent then, is the newest one stored. One that was dated ahead says nothing of what came
/// while it was.
fn is_last_stored(row: &InboxRow, at: Ms, known: &KnownConversation, newest: Option<Ms>) -> bool {
    let is_last = |near: &Near| {
        near.at_ms == at && !near.derived && row.last_text.as_ref().is_none_or(|text| *text == near.text)
    };
    newest == Some(at) && known.near.iter().any(is_last)
}

/// Whether a row may hide what comes after its last message, because that is dated ahead: until its time has come, the
/// conversation is looked at by itself, too, ever less often.
#[must_use]
pub fn may_hide_more(row: &InboxRow, now: Ms) -> bool {
    row.last_at_ms.is_some_and(|at| ahead(at, now))
}

/// Whether a row shows its conversation as the inbox last showed it.
#[must_use]
pub fn is_unchanged(row: &InboxRow, known: &KnownConversation) -> bool {
    let text = text_hash(row);
    (known.in_inbox || row.last_at_ms.is_some())
        && known.last_message_ms == row.last_at_ms
        && (text.is_none() || known.last_text_hash == text)
}

/// The time of the newest message stored, if a row's last message is the end of what LinkedIn's data export has shown:
/// it has that text and about that time, and nothing newer is stored.
fn ends_with_export(row: &InboxRow, known: &KnownConversation, newest: Option<Ms>) -> Option<Ms> {
    let (at, text) = (row.last_at_ms?, plain(row.last_text.as_deref()?));
    let newest = newest.filter(|newest| *newest <= around(at).1)?;
    known.near.iter().any(|near| near.exported && plain(&near.text) == text).then_some(newest)
}

/// Which conversations a page should show that the archive has seen in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShouldShow {
    /// Those whose last message is newer than this,
    pub above: Ms,
    /// and older than this,
    pub below: Ms,
    /// unless an earlier page of the same walk, begun then, has shown them.
    pub seen_before: Ms,
    /// Of those whose last message is older, so many, newest first.
    pub most_older: u32,
}

/// What a page should show: what neither it nor an earlier one of the same walk shows has left the inbox. `None` if it
/// has no times or is out of order, and its cursor does not tell where it ends. A page that says it is the last one may be
/// wrong, and is believed for a few conversations at a time.
#[must_use]
pub fn should_show(page: &InboxPage, asked: &Asked, now: Ms) -> Option<ShouldShow> {
    let (is_first, is_last) = (asked.cursor.is_none(), page.is_end());
    let in_order = || page.rows.iter().filter_map(|row| row.last_at_ms).is_sorted_by(|a, b| a >= b);
    let span = apply::span(page, now).filter(|_| apply::foot(page, now).is_some() || in_order());
    // Whatever their order, an inbox that ends has shown all that it holds.
    let (lo, hi) = span.or(is_last.then_some((Ms::MAX, Ms::MAX)))?;
    Some(ShouldShow {
        above: lo,
        // The first page reaches up to now.
        below: if is_first { Ms::MAX } else { asked.gap.newer_ms.unwrap_or(hi).max(hi) },
        seen_before: if is_first { Ms::MAX } else { asked.gap.opened_ms },
        most_older: if is_last { RESULTS_PER_CREDIT } else { 0 },
    })
}

/// The rows that name a profile which no other row of the page names. Of several conversations with one person, only
/// the API knows which one a profile leads to.
pub fn of_one_profile(page: &InboxPage) -> impl Iterator<Item = &InboxRow> {
    let profile =
        |row: &InboxRow| row.profile_url.as_deref().and_then(urn::profile_slug).filter(|_| !row.group);
    let alone = move |row: &&InboxRow| page.rows.iter().filter(|o| profile(o) == profile(row)).count() == 1;
    page.rows.iter().filter(|row| row.profile_url.is_some() && !row.group).filter(alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    const NOW: Ms = 1_749_376_800_000;

    fn row(at: Option<Ms>, text: Option<&str>) -> InboxRow {
        InboxRow { last_at_ms: at, last_text: text.map(str::to_owned), ..InboxRow::default() }
    }

    fn stored(newest: Ms) -> Timeline {
        Timeline { newest_ms: Some(newest), messages: 1, beginning_seen: true, ..Timeline::default() }
    }

    fn near(at_ms: Ms, text: &str, exported: bool) -> KnownConversation {
        KnownConversation {
            near: vec![Near { at_ms, text: text.to_owned(), exported, derived: false }],
            ..KnownConversation::default()
        }
    }

    #[test]
    fn a_last_message_that_is_not_known_is_news_and_leaves_a_gap_up_to_now() {
        let known = near(900, "hi", false);
        let update = |row: &InboxRow, known: &KnownConversation| update(row, known, &stored(900), false, NOW);
        assert!(!update(&row(Some(900), Some("hi")), &known).news);
        assert!(!update(&row(Some(900), None), &known).news);
        let mut ahead_then = known.clone();
        ahead_then.near[0].derived = true;
        assert!(update(&row(Some(900), Some("hi")), &ahead_then).news);
        assert!(update(&row(Some(900), Some("hi, edited")), &known).news);
        let later = update(&row(Some(901), Some("hi")), &known);
        assert_eq!((later.news, later.gaps), (true, vec![Gap::head(Some(900), NOW)]));
        let shown = row(Some(950), Some("seen"));
        let again = KnownConversation {
            in_inbox: true,
            last_message_ms: Some(950),
            last_text_hash: text_hash(&shown),
            ..known.clone()
        };
        assert!(!update(&shown, &again).news);
        let unread = |row, known, both: [i64; 2]| {
            let known = KnownConversation { unread: Some(both[0]), ..known };
            update(&InboxRow { unread: Some(both[1]), ..row }, &known).news
        };
        let hidden = KnownConversation { in_inbox: false, ..again.clone() };
        assert!(update(&shown, &hidden).news, "what came while it was dated ahead");
        let ahead = row(Some(NOW + 3_600_000), Some("seen"));
        let hidden = KnownConversation { last_message_ms: ahead.last_at_ms, ..hidden };
        assert!(!update(&ahead, &hidden).news, "it still is");
        assert!(unread(shown.clone(), again.clone(), [2, 3]), "something came that is not the last message");
        assert!(!unread(shown, again.clone(), [3, 0]), "it was read");
        assert!(!unread(row(Some(900), Some("hi")), known.clone(), [0, 1]), "it is stored");
        let told = row(Some(900), Some("hi"));
        let stored = KnownConversation {
            in_inbox: true,
            last_message_ms: Some(900),
            last_text_hash: text_hash(&told),
            ..known.clone()
        };
        assert!(!unread(told, stored, [0, 1]), "the two answers count differently");
        assert!(update(&row(Some(950), Some("another")), &again).news);
    }

    #[test]
    fn without_a_time_the_same_text_and_unread_count_are_no_news() {
        let shown = InboxRow { unread: Some(1), ..row(None, Some("hi")) };
        let before = KnownConversation {
            in_inbox: true,
            last_text_hash: text_hash(&shown),
            unread: Some(1),
            ..KnownConversation::default()
        };
        let news =
            |row: &InboxRow, known: &KnownConversation| update(row, known, &stored(9), false, NOW).news;
        assert!(!news(&shown, &before));
        assert!(news(&InboxRow { unread: Some(2), ..shown.clone() }, &before));
        assert!(news(&shown, &KnownConversation { in_inbox: false, ..before.clone() }));
        assert!(news(&row(None, None), &KnownConversation { last_text_hash: None, unread: None, ..before }));
    }

    #[test]
    fn what_ends_as_the_export_does_has_no_gap_up_to_now() {
        let exported = near(9_000, "see <b>this</b>", true);
        let open =
            Timeline { gaps: vec![Gap { id: 1, older_ms: Some(9_000), ..Gap::default() }], ..stored(9_000) };
        let update = |row: &InboxRow, known: &KnownConversation| update(row, known, &open, true, NOW);
        let ends = update(&row(Some(9_900), Some("see this")), &exported);
        assert_eq!((ends.news, ends.gaps), (false, vec![]));
        let goes_on = update(&row(Some(9_900), Some("see that")), &exported);
        assert_eq!((goes_on.news, goes_on.gaps), (true, open.gaps.clone()));
        let adopted = KnownConversation { left_out: true, ..exported };
        assert!(update(&row(Some(9_900), Some("see this")), &adopted).adopted);
    }

    #[test]
    fn a_page_in_order_should_show_all_between_its_ends() {
        let page = |times: &[Ms], next: Option<&str>| InboxPage {
            rows: times.iter().map(|at| row(Some(*at), None)).collect(),
            next_cursor: next.map(str::to_owned),
            ..InboxPage::default()
        };
        let first = Asked { gap: Gap::default(), cursor: None, count: 10, most: 10, run: RunId(1) };
        let shown = |times: &[Ms], next: Option<&str>| {
            let page = InboxPage { returned: u32::try_from(times.len()).unwrap(), ..page(times, next) };
            let should = should_show(&page, &first, NOW)?;
            Some((should.above, should.below, should.most_older))
        };
        assert_eq!(shown(&[9, 5], None), Some((5, Ms::MAX, 10)));
        assert_eq!(shown(&[5, 9], None), Some((Ms::MAX, Ms::MAX, 10)));
        assert_eq!(shown(&[5, 9], Some("c")), None);
        assert_eq!(shown(&[], None), Some((Ms::MAX, Ms::MAX, 10)), "none is left, if that is true");
        assert_eq!(shown(&[], Some("c")), None);
        assert_eq!(shown(&[9, 7, 5], Some("c")), Some((5, Ms::MAX, 0)));
        let told = STANDARD.encode(format!("DESCENDING&{}&2-abc", NOW - 60));
        let times = [NOW - 10, NOW - 90, NOW - 50, NOW - 80];
        assert_eq!(
            shown(&times, Some(&told)),
            Some((NOW - 60, Ms::MAX, 0)),
            "the cursor tells where it ends"
        );
    }
}
