//! One page for each verdict, and how often an end has to be claimed before it is believed.

use super::*;
use crate::core::model::cursor::Cursor;
use crate::core::model::ids::{MessageId, RunId};
use crate::core::model::message::{Message, Sender};
use crate::core::raw::Raw;
use crate::core::timeline::identity::{Known, Stored, match_page};

/// Around a day in 2023, so that cursors are milliseconds.
const T0: Ms = 1_700_000_000_000;

fn message(at: Ms) -> Message {
    Message {
        urn: Some(format!("u{at}")),
        at_ms: T0 + at,
        derived_time: at < 0,
        untrusted_ms: None,
        sender: Sender::default(),
        kind: "TEXT".into(),
        text: String::new(),
        raw: Raw::default(),
    }
}

/// A page of messages at these times; one before 0 has none of its own.
fn page(times: &[Ms], below: Below, total: Option<i64>) -> Page {
    Page {
        messages: times.iter().map(|at| message(*at)).collect(),
        below,
        returned: u32::try_from(times.len()).unwrap(),
        conversation_urn: None,
        total,
        unread: None,
        last_seen_ms: None,
        oddities: Vec::new(),
    }
}

fn more(at: Ms) -> Below {
    Below::More(Cursor::made(T0 + at))
}

/// A request for two messages of a gap, from just above its newer edge or, without one, from the newest message.
fn asked(newer: Option<Ms>, older: Option<Ms>) -> Asked {
    let (newer_ms, older_ms) = (newer.map(|at| T0 + at), older.map(|at| T0 + at));
    let gap = Gap { id: 1, newer_ms, older_ms, ..Gap::default() };
    Asked { cursor: gap.cursor_to_send(), gap, count: 2, most: 12, run: RunId(1) }
}

/// The verdict on a page where these messages are stored.
fn verdict(asked: &Asked, page: &Page, stored: &[Ms]) -> Verdict {
    let near = |at: &Ms| Stored {
        id: MessageId(*at),
        message: message(*at),
        gone: false,
        exported: false,
        erased: false,
    };
    let known = Known { near: stored.iter().map(near).collect(), below: Vec::new() };
    let timeline = Timeline {
        gaps: vec![asked.gap.clone()],
        newest_ms: stored.iter().max().map(|at| T0 + at),
        oldest_ms: stored.iter().min().map(|at| T0 + at),
        messages: i64::try_from(stored.len()).unwrap(),
        ..Timeline::default()
    };
    weigh(Evidence { timeline: &timeline, asked, page, matches: &match_page(page, &known) })
}

#[test]
fn each_kind_of_page_has_its_verdict() {
    let progress = |lo: Ms, flaw| Verdict::Progress { lo: T0 + lo, beginning: false, contact: true, flaw };
    let (head, gap) = (asked(None, Some(50)), asked(Some(50), Some(10)));
    let bottom = asked(Some(50), None);
    let full = Asked { most: 11, ..gap.clone() };
    let opaque = Asked { cursor: Some(Cursor::Opaque("x".into())), ..full.clone() };
    let place = |name: &str| Some(Cursor::Opaque(name.into()));
    let given = Gap { cursor: place("50/2"), ..full.gap.clone() };
    let given = Asked { cursor: place("50/2"), gap: given, ..full.clone() };
    let said = Gap { stalled: Some(Stall::EndBeforeCount(7)), stalls: 3, ..bottom.gap.clone() };
    let said = Asked { gap: said, ..bottom.clone() };
    let doubt = Gap { stalled: Some(Stall::CountDiffers(2)), ..bottom.gap.clone() };
    let doubt = Asked { gap: doubt, ..bottom.clone() };
    let again = asked(None, Some(90));
    let instant = Gap { stalled: Some(Stall::RepeatedPage), stalls: 4, ..asked(Some(50), Some(50)).gap };
    let instant = Asked { gap: instant, ..asked(Some(50), Some(50)) };
    let stored = [90, 50, 10, 5];
    let no = Verdict::Disbelieved;
    for (asked, page, expected) in [
        // Believed.
        (&gap, page(&[50, 40], more(40), None), progress(40, None)),
        (&gap, page(&[50, 5], more(5), None), progress(5, None)),
        (&bottom, page(&[50, 40], Below::End, None), Verdict::End),
        (
            &gap,
            page(&[50, 5], Below::End, None),
            Verdict::Progress { lo: T0 + 5, beginning: true, contact: true, flaw: None },
        ),
        // Believed, but it does not lead on.
        (&gap, page(&[50, 40], Below::MoreWithoutCursor, None), progress(40, Some(Stall::MoreWithoutCursor))),
        (&gap, page(&[50, 40], more(60), None), progress(40, Some(Stall::CursorNotDown))),
        // One millisecond fills the page.
        (&gap, page(&[50, 50], more(50), None), Verdict::AskForMore(12)),
        (&full, page(&[50, 50], more(50), None), Verdict::PassBy(12)),
        (&opaque, page(&[50, 50], more(50), None), no(Stall::OneMillisecond)),
        // Unless the server's own cursor leads on within it.
        (
            &given,
            page(&[50, 50], Below::More(Cursor::Opaque("50/0".into())), None),
            Verdict::Onward(Cursor::Opaque("50/0".into())),
        ),
        // The server counts more than it has at the bottom, until all was read again.
        (&said, page(&[50, 5], Below::End, Some(6)), Verdict::MissingElsewhere(2)),
        (&doubt, page(&[50, 5], Below::End, Some(6)), Verdict::End),
        (&doubt, page(&[50, 5], Below::End, Some(7)), no(Stall::EndBeforeCount(7))),
        // The newest page shows all that the server counts, which is of one instant.
        (&again, page(&[90], more(90), Some(1)), Verdict::End),
        (&again, page(&[90], more(90), Some(2)), progress(90, None)),
        // An instant that is shown again and again without anything new, whatever is missing elsewhere.
        (&instant, page(&[50], more(50), Some(9)), Verdict::End),
        // Not believed.
        (&gap, page(&[90, 70], more(70), None), no(Stall::RepeatedPage)),
        (&gap, page(&[], more(40), None), no(Stall::EmptyButMore)),
        (&gap, page(&[-3, -4], more(40), None), no(Stall::NoTimes)),
        (&gap, page(&[40, 30], more(30), None), no(Stall::BorderMissing)),
        (&head, page(&[40, 30], more(30), None), no(Stall::NewestMissing)),
        (&bottom, page(&[], Below::End, None), no(Stall::EmptyButStored)),
        (&gap, page(&[50, 40], Below::End, None), no(Stall::EndAboveKnown)),
        (&bottom, page(&[50, 40], Below::End, Some(7)), no(Stall::EndBeforeCount(7))),
    ] {
        assert_eq!(verdict(asked, &page, &stored), expected, "{asked:?} {page:?}");
    }
}

/// After how many times the end is believed of the gap, if ever.
fn times(timeline: &Timeline, mut asked: Asked, total: Option<i64>) -> Option<u32> {
    let (page, known) = (page(&[], Below::End, total), Known::default());
    let matches = match_page(&page, &known);
    (1..50).find(|_| {
        let evidence = Evidence { timeline, asked: &asked, page: &page, matches: &matches };
        match weigh(evidence) {
            Verdict::End | Verdict::MissingElsewhere(_) => return true,
            Verdict::Disbelieved(why) => asked.gap = std::mem::take(&mut asked.gap).stalled(&why, RunId(1)),
            other => panic!("{other:?}"),
        }
        false
    })
}

#[test]
fn an_end_is_believed_sooner_the_less_contradicts_it_and_the_less_it_can_do() {
    let span = |at: Ms| Some(T0 + at);
    let stored = Timeline { messages: 7, newest_ms: span(900), oldest_ms: span(500), ..Timeline::default() };
    let nothing = Timeline::default();
    let at_border = Asked { cursor: Some(Cursor::made(T0 + 500)), ..asked(Some(500), None) };
    let given = Gap { cursor: at_border.cursor.clone(), ..at_border.gap.clone() };
    let given = Asked { gap: given, ..at_border.clone() };
    for (timeline, asked, total, expected) in [
        (&nothing, asked(None, None), None, Some(1)),
        (&nothing, asked(None, None), Some(0), Some(1)),
        (&nothing, asked(None, None), Some(3), Some(4)),
        (&stored, asked(None, None), None, Some(2)),
        (&stored, asked(None, None), Some(7), None),
        (&stored, asked(Some(500), None), None, Some(4)),
        (&stored, asked(Some(500), None), Some(9), Some(4)),
        (&stored, at_border.clone(), None, Some(1)),
        (&stored, at_border, Some(9), Some(4)),
        (&stored, given, None, Some(4)),
    ] {
        assert_eq!(times(timeline, asked.clone(), total), expected, "{asked:?} {total:?}");
    }
}

#[test]
fn an_end_claimed_between_other_failures_is_believed_at_last() {
    let stored = Timeline { messages: 7, newest_ms: Some(T0 + 900), ..Timeline::default() };
    let failed = |stalls| Gap { stalls, stalled: Some(Stall::RepeatedPage), ..asked(Some(500), None).gap };
    let asked = |stalls| Asked { gap: failed(stalls), ..asked(Some(500), None) };
    let believed = |stalls| times(&stored, asked(stalls), None);
    assert_eq!((believed(0), believed(3), believed(8)), (Some(4), Some(2), Some(1)));
}

#[test]
fn after_an_empty_answer_it_is_asked_from_so_far_above_that_no_wrong_clock_hides_the_border() {
    let gap = asked(Some(500), None).gap;
    let stalled = gap.clone().stalled(&Stall::EmptyButStored, RunId(1));
    assert_eq!(gap.cursor_to_send(), Some(Cursor::made(T0 + 501)));
    assert_eq!(stalled.cursor_to_send(), Some(Cursor::made(T0 + 500 + 26 * 3_600_000)));
}

#[test]
fn a_page_that_lacks_the_border_is_not_believed_the_sooner_for_other_failures_while_the_clock_is_wrong() {
    let failed = |stalls| {
        let gap = Gap { stalls, stalled: Some(Stall::EmptyButMore), ..asked(Some(500), Some(10)).gap };
        Asked { gap, ..asked(Some(500), Some(10)) }
    };
    let right = page(&[40, 5], more(5), None);
    let mut wrong = right.clone();
    wrong.messages.iter_mut().for_each(|m| m.untrusted_ms = Some(m.at_ms + 3_600_000));
    let stored = [500, 40, 10, 5];
    assert!(matches!(verdict(&failed(1), &right, &stored), Verdict::Progress { .. }));
    assert_eq!(verdict(&failed(1), &wrong, &stored), Verdict::Disbelieved(Stall::BorderMissing));
    assert!(matches!(verdict(&failed(8), &wrong, &stored), Verdict::Progress { .. }));
}

#[test]
fn what_is_missing_after_a_doubt_was_read_to_its_end_is_doubted_once_more() {
    let doubt = |filled, stalls| {
        let stalled = Some(Stall::CountDiffers(1));
        let gap = Gap { stalled, filled, stalls, ..asked(Some(50), None).gap };
        Asked { gap, ..asked(Some(50), None) }
    };
    let (read, stored) = (page(&[50, 5], Below::End, Some(5)), [90, 50, 10, 5]);
    let another_missing = Verdict::Disbelieved(Stall::EndBeforeCount(5));
    assert_eq!(verdict(&doubt(0, 0), &read, &stored), Verdict::End, "it was what was doubted");
    assert_eq!(verdict(&doubt(1, 0), &read, &stored), another_missing, "it was found before");
    assert_eq!(verdict(&doubt(1, 1), &read, &stored), Verdict::MissingElsewhere(1), "and no newer one");
    let bringing = page(&[50, 10, 5], Below::End, Some(5));
    assert_eq!(verdict(&doubt(0, 0), &bringing, &[90, 50, 5]), another_missing, "it is found here");
}

#[test]
fn a_newest_page_lags_where_the_inbox_shows_a_newer_message_than_all_that_is_known() {
    let known = |announced: Ms| Timeline {
        newest_ms: Some(T0 + 50),
        announced: Some(Announced { at_ms: T0 + announced, text_hash: None }),
        messages: 1,
        ..Timeline::default()
    };
    let lags = |timeline: &Timeline, asked: &Asked, page: &Page| {
        let known = Known::default();
        Evidence { timeline, asked, page, matches: &match_page(page, &known) }.lags(T0 + 1000)
    };
    let head = asked(None, Some(50));
    let old = page(&[50, 40], more(40), None);
    assert_eq!(lags(&known(70), &head, &old), Some(1));
    assert_eq!(lags(&known(50), &head, &old), None, "it is stored");
    assert_eq!(lags(&known(70), &head, &page(&[70, 50], more(50), None)), None, "it is shown");
    assert_eq!(lags(&known(100_000), &head, &old), None, "it is dated ahead");
    assert_eq!(lags(&known(70), &asked(Some(60), Some(10)), &old), None, "not the newest page");
    let look = Asked { gap: Gap { id: 0, ..head.gap.clone() }, ..head.clone() };
    assert_eq!(lags(&known(70), &look, &old), None, "nothing was announced to look for");
    let waits = |stalls| Asked { gap: Gap { stalls, ..head.gap.clone() }, ..head.clone() };
    assert_eq!([1, 3, 4].map(|stalls| lags(&known(70), &waits(stalls), &old)), [Some(2), Some(4), None]);
    let failed = Asked { gap: head.gap.clone().stalled(&Stall::NoTimes, RunId(1)), ..head.clone() };
    assert_eq!(lags(&known(70), &failed, &old), Some(2), "what comes to nothing comes to an end");
    let why = Stall::RequestFailed("HTTP 502".into());
    let failed = Asked { gap: failed.gap.stalled(&why, RunId(2)), ..failed };
    assert_eq!(lags(&known(70), &failed, &old), Some(1), "this says nothing of the page");
    assert_eq!(lags(&known(70), &waits(4), &page(&[60, 50], more(50), None)), Some(1), "it only lags");
    let moved = Announced { at_ms: T0 + 9_000, text_hash: Some(hash::of_text("")) };
    let moved = Timeline { announced: Some(moved), ..known(0) };
    assert_eq!([0, 4].map(|stalls| lags(&moved, &waits(stalls), &old)), [Some(4), None], "once only");
    let near = Announced { at_ms: T0 + 61, text_hash: Some(hash::of_text("")) };
    let near = Timeline { announced: Some(near), ..known(0) };
    assert_eq!(lags(&near, &waits(1), &page(&[60, 50], more(50), None)), None, "it says the same");
}
