//! Whether to believe a page: all that speaks against one is weighed here, once, and comes to one verdict.
//!
//! What contradicts everything else that is known is a fault more often than the truth, and to believe it may cost
//! every message that is still missing. It may be the truth all the same: messages vanish, and a server's count is
//! not documented to the letter. So it is believed when it is said again and again, by requests ever further apart.

use crate::core::Ms;
use crate::core::budget::RESULTS_PER_CREDIT;
use crate::core::hash;
use crate::core::model::cursor::Cursor;
use crate::core::model::message::Message;
use crate::core::model::page::{Below, Page};
use crate::core::timeline::coverage::{Reach, shows};
use crate::core::timeline::gap::{Announced, Asked, Gap, LARGEST_ASK, Timeline};
use crate::core::timeline::identity::Matches;
use crate::core::timeline::pairing::NEAR_MS;
use crate::core::timeline::stall::Stall;
use crate::core::timeline::timestamps::{CLOSE_MS, ahead};

/// How often an end must be claimed before a gap is closed for it, which nothing would open again.
const TO_CLOSE_A_GAP: u32 = 4;
/// After so many attempts that came to nothing, for whatever reason, an end is believed although it was not claimed in a
/// row, and so is a page without the border although its times are not trusted.
const TO_BELIEVE_AT_LAST: u32 = 8;
/// How often an attempt must have come to nothing before the server's count settles that nothing is left.
const TO_SETTLE_BY_COUNT: u32 = 2;
/// How often it must be claimed that a conversation is empty: any of its messages that comes back corrects that.
const TO_EMPTY_A_CONVERSATION: u32 = 2;
/// How often the newest page must not reach up to what the inbox shows before that is taken for something that pages
/// never show.
const TO_GIVE_UP_THE_ANNOUNCED: u32 = 5;
/// If so many newest messages have vanished at most, the next look at the newest page would show all of them.
const MISSED_AT_MOST: usize = 10;

/// What a page amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It reaches down to the beginning.
    End,
    /// It covers everything strictly above `lo`, down from where it was asked.
    Progress {
        /// The position of its oldest message.
        lo: Ms,
        /// Whether it shows the beginning although more was asked for than the gap.
        beginning: bool,
        /// Whether what it shows of the stored messages that it seems to have reached proves that it did.
        contact: bool,
        /// What is wrong with the way on from here.
        flaw: Option<Stall>,
    },
    /// It is full of messages of one millisecond: ask for at least so many.
    AskForMore(u32),
    /// The same, but so many can never be asked for: go on below it.
    PassBy(u32),
    /// The same, but the server's own cursor, which names a place exactly, leads on within that millisecond.
    Onward(Cursor),
    /// It proves nothing.
    Disbelieved(Stall),
    /// The server has nothing more to give, but counts so many more than are stored: they are somewhere else.
    MissingElsewhere(i64),
}

/// All that a verdict rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// The conversation as it is known.
    pub(super) timeline: &'a Timeline,
    /// What was asked.
    pub(super) asked: &'a Asked,
    /// What came.
    pub(super) page: &'a Page,
    /// Which stored messages the page shows.
    pub(super) matches: &'a Matches<'a>,
}

/// Weighs a page.
pub(super) fn weigh(evidence: Evidence<'_>) -> Verdict {
    let Evidence { asked, page, .. } = evidence;
    let ends = page.below == Below::End;
    if let Some(why) = evidence.mixed() {
        return Verdict::Disbelieved(why);
    }
    let believed = |verdict| evidence.against_beginning().map_or(verdict, Verdict::Disbelieved);
    let whole = || evidence.elsewhere().map_or_else(|| believed(Verdict::End), Verdict::MissingElsewhere);
    let end = || evidence.against_end().map_or_else(whole, Verdict::Disbelieved);
    let untrusted = page.untrusted() && !ends && times_said(&asked.gap, &Stall::NoTimes) < TO_CLOSE_A_GAP;
    if !ends && evidence.shows_all_again() {
        return Verdict::End;
    }
    let Some((lo, hi)) = page.span().filter(|_| !untrusted) else {
        if asked.gap.newer_ms.is_some()
            && page.messages.is_empty()
            && !ends
            && let Some(verdict) = evidence.nothing_left()
        {
            return verdict;
        }
        return match (ends, page.messages.is_empty()) {
            (true, _) => end(),
            (false, true) => Verdict::Disbelieved(Stall::EmptyButMore),
            (false, false) => past_untrusted(asked, page),
        };
    };
    // To reach the segment below says more than the end does.
    let contact = evidence.makes_contact(lo);
    let reached = asked.gap.older_ms.is_some_and(|older| lo < older) && contact;
    // Neither below its border nor, asked for as the newest page, below what was newest.
    let no_further = asked.gap.newer_ms.or(asked.gap.older_ms).is_some_and(|border| lo >= border);
    if no_further
        && !ends
        && let Some(verdict) = evidence.nothing_left()
    {
        return verdict;
    }
    if ends && !reached {
        return end();
    }
    match asked.gap.newer_ms.filter(|newer| lo >= *newer && !ends) {
        Some(newer) => evidence.above_gap(hi.saturating_sub(newer)),
        None => believed(Verdict::Progress {
            lo,
            beginning: evidence.shows_beginning(lo),
            contact,
            flaw: flaw(asked, page),
        }),
    }
}

/// The verdict on a page without a place: if it is the newest one, a larger one may get past messages dated ahead.
fn past_untrusted(asked: &Asked, page: &Page) -> Verdict {
    let larger = asked.count.saturating_add(RESULTS_PER_CREDIT);
    let full = page.untrusted() && page.returned >= asked.count && asked.cursor.is_none();
    if full && larger <= asked.most.min(LARGEST_ASK) {
        Verdict::AskForMore(larger)
    } else {
        Verdict::Disbelieved(Stall::NoTimes)
    }
}

/// What is wrong with the way on from a page.
fn flaw(asked: &Asked, page: &Page) -> Option<Stall> {
    match (&page.below, &asked.cursor) {
        (Below::MoreWithoutCursor, _) => Some(Stall::MoreWithoutCursor),
        (Below::More(next), Some(sent)) => {
            let down = match (next.number(), sent.number()) {
                (Some(next), Some(sent)) => next < sent,
                _ => next != sent,
            };
            (!down).then_some(Stall::CursorNotDown)
        }
        (Below::More(_) | Below::End, _) => None,
    }
}

impl Evidence<'_> {
    /// The verdict on a page that does not reach into its gap, but so far above it: it repeats what is stored, unless so
    /// many messages share the border's millisecond that they fill the page.
    fn above_gap(&self, height: Ms) -> Verdict {
        let (asked, page) = (self.asked, self.page);
        if let Some(cursor) = self.leads_on().filter(|_| height == 0) {
            return Verdict::Onward(cursor.clone());
        }
        if height > asked.instant() || page.returned < asked.count {
            return Verdict::Disbelieved(Stall::RepeatedPage);
        }
        match asked.count.saturating_add(RESULTS_PER_CREDIT) {
            larger if larger <= asked.most.min(LARGEST_ASK) => Verdict::AskForMore(larger),
            larger if asked.cursor.as_ref().is_some_and(|c| c.number().is_some()) => Verdict::PassBy(larger),
            _ => Verdict::Disbelieved(Stall::OneMillisecond),
        }
    }

    /// The cursor that leads on from a page of one instant: the server's own after another one of its own, neither of them
    /// a time. As long as it brings something new, and for as many as can be asked for at once, it is followed.
    fn leads_on(&self) -> Option<&Cursor> {
        let Below::More(next) = &self.page.below else { return None };
        let sent = self.asked.as_given().filter(|sent| sent.number().is_none())?;
        let so_far = self.asked.gap.filled.saturating_add(self.page.returned);
        let goes_on = self.matches.fresh() > 0 || so_far <= LARGEST_ASK;
        (sent.text() != next.text() && next.number().is_none() && goes_on).then_some(next)
    }

    /// So many more the server counts in a conversation of which it has no more at the bottom, and of which this page does
    /// not show all: what is missing may stand higher up. After a doubt was read to its end, what turned up since.
    fn elsewhere(&self) -> Option<i64> {
        let all_shown = if self.asked.gap.is_doubt() {
            self.asked.gap.stalls == 0 || self.still_doubted()
        } else {
            self.shows_all_stored()
        };
        self.counted_more().filter(|_| self.is_all_below() && !all_shown)
    }

    /// Whether the gap that was asked for is the only one, and reaches down to the beginning.
    fn is_all_below(&self) -> bool {
        let gap = &self.asked.gap;
        gap.older_ms.is_none() && self.timeline.gaps.iter().all(|other| other.is(gap))
    }

    /// Whether the page says that the conversation is empty.
    pub(super) fn shows_nothing(&self) -> bool {
        self.page.messages.is_empty() && self.asked.gap.newer_ms.is_none()
    }

    /// Whether the page proves that it reached the stored messages below its gap and below any other that it seems to
    /// get past: it shows one of them. A stored position alone proves nothing, for its time may have been wrong. A page
    /// that ends below all of them needs no other proof.
    fn makes_contact(&self, lo: Ms) -> bool {
        let below_all = self.timeline.oldest_ms.is_none_or(|oldest| lo <= oldest);
        if self.page.below == Below::End && below_all {
            return true;
        }
        let passed = |gap: &&Gap| gap.older_ms.is_some_and(|older| lo < older);
        let gaps = self.timeline.gaps.iter().filter(passed).chain(std::iter::once(&self.asked.gap));
        let floor = gaps.filter(passed).filter_map(|gap| gap.older_ms).min();
        floor.is_none_or(|floor| self.matches.known_below(floor, &Reach::of(self.asked, self.page)))
    }

    /// Of a server that goes on naming cursors, has had room for more and given nothing several times: its count tells
    /// whether anything is left. That alone proves nothing, because messages that were deleted unnoticed make up for
    /// others that are missing.
    fn nothing_left(&self) -> Option<Verdict> {
        let gap = &self.asked.gap;
        let total = self.page.total.filter(|_| self.gives_nothing())?;
        if gap.stalls >= TO_SETTLE_BY_COUNT && total <= self.expected(0) {
            return Some(Verdict::End);
        }
        if gap.stalls < TO_CLOSE_A_GAP {
            return None;
        }
        let missing = total.saturating_sub(self.expected(0));
        // Of an instant that is shown again and again without anything new nothing is missing, whatever is elsewhere.
        let instant = gap.newer_ms.filter(|newer| gap.older_ms == Some(*newer));
        match (instant.is_some_and(|at| shows(self.page, at)), self.is_all_below()) {
            (true, _) => Some(Verdict::End),
            (false, true) if gap.is_doubt() => Some(Verdict::End),
            (false, true) => Some(Verdict::MissingElsewhere(missing)),
            (false, false) => None,
        }
    }

    /// Whether the page shows every message that the server is expected to return, if there is none at all as well.
    fn shows_all_stored(&self) -> bool {
        i64::try_from(self.matches.known()).unwrap_or(i64::MAX) >= self.timeline.standing()
    }

    /// Whether the page had room for more and gives nothing that is new.
    fn gives_nothing(&self) -> bool {
        self.page.returned < self.asked.count && self.matches.fresh() == 0
    }

    /// Whether the newest page shows once more all that the server counts, or all that is stored where it should count no
    /// more, and does not get below what was newest: all of that is of one instant, or its times cannot be trusted.
    fn shows_all_again(&self) -> bool {
        let Some(border) = self.asked.gap.older_ms.filter(|_| self.asked.cursor.is_none()) else {
            return false;
        };
        let in_place = self.page.untrusted() || self.page.span().is_some_and(|(lo, _)| lo == border);
        let shown = i64::try_from(self.matches.known()).unwrap_or(i64::MAX);
        let all = |total| total <= shown || (self.shows_all_stored() && total <= self.expected(0));
        in_place && shown > 0 && self.page.total.is_some_and(all) && self.gives_nothing()
    }

    /// The doubt that items of other threads stand where the page's own should, unless that was so often enough.
    fn mixed(&self) -> Option<Stall> {
        let strangers = self.page.oddities.iter().any(|oddity| oddity.of_other_thread);
        let why = strangers.then_some(Stall::MixedThreads)?;
        let believed = !self.page.messages.is_empty() && times_said(&self.asked.gap, &why) >= TO_CLOSE_A_GAP;
        (!believed).then_some(why)
    }

    /// Whether a page that made contact also shows the beginning: it ends, and nothing is known below it.
    fn shows_beginning(&self, lo: Ms) -> bool {
        self.page.below == Below::End
            && self.timeline.oldest_ms.is_none_or(|oldest| lo <= oldest)
            && self.missing_from_count().is_none()
    }

    /// What speaks against the end that the page claims, unless it was claimed often enough.
    fn against_end(&self) -> Option<Stall> {
        let emptied = self.shows_nothing() && self.timeline.standing() > 0;
        let contradicts_itself = emptied && self.page.total.is_some_and(|total| total > 0);
        let often_enough = if emptied { TO_EMPTY_A_CONVERSATION } else { TO_CLOSE_A_GAP };
        let contradiction = self.end_contradiction()?;
        let gap = &self.asked.gap;
        let said = times_said(gap, &contradiction) >= often_enough || gap.stalls >= TO_BELIEVE_AT_LAST;
        (contradicts_itself || !said).then_some(contradiction)
    }

    fn end_contradiction(&self) -> Option<Stall> {
        let (asked, page) = (self.asked, self.page);
        let expected = match asked.gap.newer_ms {
            None => self.timeline.standing() > 0,
            // Such a page shows at least the border again. The server's own number need not lead there, but proves no more:
            // if the server's clock is wrong by now, it skips as much. A cursor that is no time leads to the end.
            Some(_) => asked.above_border() || asked.as_given().is_some_and(|sent| sent.number().is_some()),
        };
        let lo = page.span().map(|(lo, _)| lo);
        let above_known =
            asked.gap.older_ms.is_some_and(|older| lo.is_none_or(|lo| older < lo || !self.makes_contact(lo)));
        // A page that shows all that is stored ends above none of it, whatever the times are worth.
        let above_known = above_known && !self.shows_all_stored();
        if page.messages.is_empty() && expected {
            Some(Stall::EmptyButStored)
        } else if above_known {
            Some(Stall::EndAboveKnown)
        } else {
            self.missing_from_count().filter(|_| !self.ends_doubt(lo))
        }
    }

    /// Whether a doubt has come to its end, and either no more is missing than when it arose, since all was read again by
    /// then, or that was no mistake: what is new at the head is known by now, and the rest is doubted once more.
    fn ends_doubt(&self, lo: Option<Ms>) -> bool {
        let read = self.timeline.oldest_ms.is_none_or(|oldest| lo.is_some_and(|lo| lo <= oldest));
        let again = self.asked.gap.stalls > 0 && self.is_all_below();
        read && self.asked.gap.is_doubt() && (again || self.still_doubted())
    }

    /// Whether no more is missing than a doubt says, without what it has brought to light, with this page.
    fn still_doubted(&self) -> bool {
        let Some(Stall::CountDiffers(doubted)) = self.asked.gap.stalled else { return false };
        let fresh = i64::try_from(self.matches.fresh()).unwrap_or(i64::MAX);
        let found = i64::from(self.asked.gap.filled).saturating_add(fresh);
        self.counted_more().is_none_or(|more| more <= doubted.saturating_sub(found))
    }

    /// The doubt that the server counts more messages than the archive will hold with this page.
    fn missing_from_count(&self) -> Option<Stall> {
        self.counted_more().and(self.page.total).map(Stall::EndBeforeCount)
    }

    /// How many more messages the server counts than the archive will hold with this page.
    fn counted_more(&self) -> Option<i64> {
        let more = self.page.total?.saturating_sub(self.expected(self.matches.fresh()));
        (more > 0).then_some(more)
    }

    /// What the server should count with so many messages more.
    fn expected(&self, fresh: usize) -> i64 {
        let standing = self.timeline.standing().saturating_add(i64::try_from(fresh).unwrap_or(i64::MAX));
        self.timeline.count.expected(standing, self.timeline.gone)
    }

    /// What speaks against where the page begins, unless the last attempt came to nothing as well: one that should show
    /// what is known, and does not, may be an old one, or one from further down. To believe it would close the gap above
    /// it over messages that were never seen.
    fn against_beginning(&self) -> Option<Stall> {
        // A server whose clock is wrong for a while skips as much as it is wrong by, each time that it is asked.
        let again = if self.page.clock_in_doubt() { TO_BELIEVE_AT_LAST } else { 1 };
        // That the last page was an old one is no reason to believe this one.
        let stalls = if self.asked.gap.waits() { 0 } else { self.asked.gap.stalls };
        if stalls >= again {
            return None;
        }
        match self.asked.gap.newer_ms {
            // Where nothing has a time, nothing can be said to have vanished either.
            None if stalls > 0 || self.page.without_times() => None,
            None => self.newest_missing(),
            Some(newer) => self.border_missing(newer),
        }
    }

    /// How often the newest page, this time included, has lagged behind the inbox, which shows a newer message than any that
    /// is known with this page. `None` if it does not, or has done so often enough. What could not be read may be that
    /// message.
    pub(super) fn lags(&self, now: Ms) -> Option<u32> {
        let (timeline, gap, page) = (self.timeline, &self.asked.gap, self.page);
        let announced = timeline.announced.filter(|announced| !ahead(announced.at_ms, now))?;
        let is_open = gap.id != 0 && gap.newer_ms.is_none() && self.asked.cursor.is_none();
        let is_known = timeline.newest_ms.max(timeline.nothing_until_ms) >= Some(announced.at_ms);
        let is_shown = page.messages.iter().any(|message| may_be(message, announced));
        if !is_open || is_known || is_shown || !page.oddities.is_empty() {
            return None;
        }
        // A page that brings what the last one lacked only lags, and a failed request says nothing.
        let goes_on = page.span().is_some_and(|(_, hi)| gap.older_ms.is_none_or(|older| hi > older));
        let begins = goes_on || matches!(gap.stalled, Some(Stall::RequestFailed(_)));
        let times = if begins { 1 } else { gap.stalls.saturating_add(1) };
        // Where the newest message says the same, something else may have moved the inbox's time, a reaction for one.
        let text = |message: &Message| Some(hash::of_text(&message.text));
        let says_the_same = page.messages.first().is_some_and(|newest| text(newest) == announced.text_hash);
        let times = if says_the_same { times.max(TO_GIVE_UP_THE_ANNOUNCED - 1) } else { times };
        (times < TO_GIVE_UP_THE_ANNOUNCED).then_some(times)
    }

    /// The doubt that what should be the newest page is an old one: what stood above it, or level with its top, has
    /// vanished. Where that is little, and nothing is known to be missing up there, it does no harm to believe it: either
    /// it was deleted, or the next look at the head brings it back.
    fn newest_missing(&self) -> Option<Stall> {
        let (lo, hi) = self.page.span()?;
        let vanished = self.vanished(lo.max(hi.saturating_sub(1)), Ms::MAX);
        let gaps_above = self.timeline.gaps.iter().any(|g| g.newer_ms.is_some_and(|newer| newer >= hi));
        let messages_within = self.asked.gap.older_ms < self.timeline.newest_ms;
        let risky = messages_within || gaps_above || vanished > MISSED_AT_MOST;
        (vanished > 0 && risky).then_some(Stall::NewestMissing)
    }

    /// The doubt that the page begins too far down, or is an old one: a cursor just above the border is answered with
    /// all of the border's messages again, so a page that lacks one has skipped something, unless it was deleted.
    fn border_missing(&self, newer: Ms) -> Option<Stall> {
        // The server's own cursor may begin below the border. One that shows it is an inclusive number, and shows all of
        // it; one that is a number means another time to a server whose clock is wrong now.
        if let Some(sent) = self.asked.as_given() {
            let elsewhere = sent.number().is_some() && self.page.clock_in_doubt();
            if !elsewhere && (sent.number().is_none() || !shows(self.page, newer)) {
                return None;
            }
        }
        let vanished = self.vanished(newer.saturating_sub(1), newer.saturating_add(1));
        (vanished > 0).then_some(Stall::BorderMissing)
    }

    /// How many stored messages strictly between two positions the page lacks.
    fn vanished(&self, above: Ms, below: Ms) -> usize {
        let findings =
            self.matches.within(&Reach { above, below, room_below: 0, edge_again: false, top_whole: false });
        findings.lacking.iter().filter(|stored| !stored.gone).count()
    }
}

/// Whether a message may be the one that the inbox has announced, or a later one. Where its own time was not served, or not to
/// the millisecond, it is compared as exactly as that allows; where it says the same, the two answers may tell its time
/// differently.
fn may_be(message: &Message, announced: Announced) -> bool {
    let grace = match (message.derived_time, message.at_ms.rem_euclid(1000)) {
        _ if announced.text_hash == Some(hash::of_text(&message.text)) => NEAR_MS,
        (true, _) => CLOSE_MS,
        (false, 0) => 999,
        (false, _) => 0,
    };
    message.untrusted_ms == Some(announced.at_ms) || message.at_ms.saturating_add(grace) >= announced.at_ms
}

/// How often the same was said in a row, this time included.
fn times_said(gap: &Gap, contradiction: &Stall) -> u32 {
    let again = gap.is_doubt() || gap.stalled.as_ref().map(Stall::code) == Some(contradiction.code());
    if again { gap.stalls.saturating_add(1) } else { 1 }
}

#[cfg(test)]
mod tests;
