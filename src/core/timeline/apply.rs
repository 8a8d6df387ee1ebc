//! The road of a page: matched with what is stored, weighed, and turned into what it changes.
//!
//! The invariants ([`crate::core::timeline::invariants`] checks them):
//!
//! 1. Gaps are disjoint and ordered; only the first may be open at the top, only the last at the bottom.
//! 2. Every message of the server's history that is not stored, and was there when the newest segment was last
//!    asked for, lies within a gap, edges included: messages of the same millisecond as an edge may be missing.
//! 3. A gap that is open at the bottom exists exactly as long as the beginning has not been seen.
//!
//! Paging is by time, so one millisecond at the border of two pages is the only thing that can slip through.
//! Therefore a page is always asked for from one millisecond *above* the border, which both an inclusive and an
//! exclusive server answer with everything at the border again: that costs one re-read message a page and loses
//! no neighbour of the same millisecond, so nothing has to be known about the server. For the same reason
//! reaching a message of the segment below is no proof of contact: only a message strictly below its upper edge is.

use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::{Below, Page};
use crate::core::timeline::coverage::{self, Covered, Reach};
use crate::core::timeline::doubt::{self, Evidence, Verdict};
use crate::core::timeline::gap::{Asked, Gap, ServerCount, Timeline};
use crate::core::timeline::identity::{Change, Known, Matches, Stored, at_known_places, match_page};
use crate::core::timeline::stall::Stall;
use crate::core::timeline::timestamps::dated_otherwise;

/// One thing that a page changes in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// What becomes of a message, or of all.
    Message(Change),
    /// The positions of the oldest and the newest message from now on.
    Span {
        /// The oldest.
        oldest_ms: Ms,
        /// The newest.
        newest_ms: Ms,
    },
    /// Messages have moved by up to two seconds: the oldest and the newest have to be found again.
    SpanMoved,
    /// All gaps of the conversation from now on, newest first; those with id 0 are new.
    Gaps(Vec<Gap>),
    /// Whether the beginning has been seen from now on.
    Beginning {
        /// It has.
        seen: bool,
    },
    /// The newest page was asked for.
    HeadAsked,
    /// Whether the conversation goes on being silent: at its head there was nothing new.
    Silent(bool),
    /// How the server counts messages from now on.
    Counted(ServerCount),
    /// The second reading of the conversation goes on here; `None`: it is done.
    RecheckAt(Option<Ms>),
    /// Why the walk stops here.
    Stalled(Stall),
}

/// Applies a page to a conversation. `known` holds the stored messages that
/// [`Window`](crate::core::timeline::identity::Window) names.
#[must_use]
pub fn apply(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known, now: Ms) -> Vec<Update> {
    let page = &*at_known_places(page, known);
    let matches = match_page(page, known);
    let evidence = Evidence { timeline, asked, page, matches: &matches };
    let verdict = doubt::weigh(evidence);
    let lags = evidence.lags(now);
    let changes = changes(evidence, &verdict, lags.is_some());
    let course = Course::after(evidence, verdict, &changes, lags, now);
    updates(evidence, changes, course)
}

/// What becomes of messages. A conversation that was taken for empty and shows one of its messages again never was:
/// what went with that one comes back too, because the stretch below this page may not be looked at again for long.
///
/// What a page lacks that lags behind says nothing.
fn changes(evidence: Evidence<'_>, verdict: &Verdict, lags: bool) -> Vec<Change> {
    let reach = match verdict {
        _ if lags => Reach::NOWHERE,
        Verdict::End if evidence.shows_nothing() => return vec![Change::AllGone],
        Verdict::End | Verdict::MissingElsewhere(_) | Verdict::Progress { contact: true, .. } => {
            Reach::of(evidence.asked, evidence.page)
        }
        // Where stored times may be wrong, a place says nothing of what should be there.
        Verdict::Progress { contact: false, .. }
        | Verdict::Disbelieved(_)
        | Verdict::AskForMore(_)
        | Verdict::PassBy(_)
        | Verdict::Onward(_) => Reach::NOWHERE,
    };
    let findings = evidence.matches.within(&reach);
    let were_gone = evidence.timeline.standing() <= 0 && findings.shown.iter().any(Change::returns);
    let is_gone = |stored: &&&Stored| were_gone || (!stored.gone && !dated_otherwise(&stored.message));
    let lacking = findings.lacking.iter().filter(is_gone).map(|s| Change::Gone(s.id));
    let all_back = were_gone.then_some(Change::AllBack);
    all_back.into_iter().chain(findings.shown).chain(lacking).collect()
}

/// A conversation's course as a page leaves it.
struct Course {
    gaps: Vec<Gap>,
    beginning_seen: bool,
    stall: Option<Stall>,
    count: ServerCount,
}

impl Course {
    fn after(
        evidence: Evidence<'_>,
        verdict: Verdict,
        changes: &[Change],
        lags: Option<u32>,
        now: Ms,
    ) -> Self {
        let Evidence { timeline, asked, .. } = evidence;
        let beginning_seen = timeline.beginning_seen;
        let (gaps, count) = (with_asked(timeline, asked), timeline.count);
        let mut course = Self { gaps, beginning_seen, stall: None, count };
        let ended = verdict == Verdict::End;
        match verdict {
            Verdict::Disbelieved(why) => {
                course.mark(asked, |gap| gap.stalled(&why, asked.run));
                if asked.gap.is_doubt() {
                    course.mark(asked, |gap| Gap {
                        filled: gap.filled.saturating_add(inserted(changes)),
                        ..gap
                    });
                }
                if why == Stall::RepeatedPage {
                    course.mark(asked, Gap::without_high_cursor);
                }
                course.guard_strays(evidence, changes, now);
                course.stall = Some(why);
            }
            Verdict::MissingElsewhere(missing) => course.doubt_all(timeline, missing, now),
            Verdict::AskForMore(count) => course.mark(asked, |gap| Gap { ask_at_least: count, ..gap }),
            Verdict::PassBy(count) => course.pass_by(asked, count, now),
            Verdict::Onward(cursor) => {
                course.mark(asked, |gap| gap.onward(cursor, evidence.page.returned));
                coverage::sort(&mut course.gaps);
            }
            Verdict::End => course.end(evidence, now),
            Verdict::Progress { lo, beginning, contact, flaw } => {
                course.progress(evidence, (lo, contact), flaw.is_none(), beginning && contact, now);
                course.note_filled(evidence, lo, changes);
                course.stall_below(asked, lo, flaw);
            }
        }
        if let Some(times) = lags {
            course.wait(evidence, changes, times);
        }
        course.count(evidence, changes, ended, now);
        if course.stall.is_none() && course.gaps.contains(&asked.gap) {
            // Whatever the reason: a request that changed nothing must not be made again at once.
            course.mark(asked, |gap| gap.stalled(&Stall::RepeatedPage, asked.run));
            course.stall = Some(Stall::RepeatedPage);
        }
        // One that has lost a cursor which led nowhere may be what another one has become before.
        course.gaps.dedup_by(|below, above| above.asks_the_same_as(below));
        // A conversation that was empty to its beginning has begun anew when it is found to hold more than a page.
        course.beginning_seen &= course.gaps.iter().all(|g| g.older_ms.is_some());
        course
    }

    fn mark(&mut self, asked: &Asked, change: impl FnOnce(Gap) -> Gap) {
        if let Some(gap) = self.gaps.iter_mut().find(|g| g.is(&asked.gap)) {
            *gap = change(std::mem::take(gap));
        }
    }

    /// Leaves a gap above a page that lags behind the inbox, for so many times now.
    fn wait(&mut self, evidence: Evidence<'_>, changes: &[Change], times: u32) {
        let Evidence { timeline, asked, page, .. } = evidence;
        if self.gaps.first().is_some_and(|gap| gap.newer_ms.is_none()) {
            return;
        }
        let older_ms = placed(page, changes).into_iter().chain(timeline.newest_ms).max();
        let older_ms = older_ms.or(timeline.nothing_until_ms);
        self.beginning_seen &= older_ms.is_some();
        let opened_ms = asked.gap.opened_ms;
        let gap = Gap { older_ms, opened_ms, stalls: times, stalled_run: asked.run, ..Gap::default() };
        self.gaps.insert(0, gap);
    }

    /// Closes the gap that was asked for, and what the page covers of others: of those below, each gets its own answer.
    fn end(&mut self, Evidence { timeline, asked, page, .. }: Evidence<'_>, now: Ms) {
        self.beginning_seen |= asked.gap.older_ms.is_none();
        self.gaps.retain(|g| !g.is(&asked.gap));
        if let Some((lo, hi)) = page.span() {
            coverage::subtract(&mut self.gaps, &Covered::by(asked, page, lo, hi, None));
        }
        coverage::doubt_border(&mut self.gaps, &timeline.gaps, asked, page, now);
        if self.beginning_seen {
            self.gaps.retain(|g| g.older_ms.is_some());
        }
    }

    /// Takes away from all gaps what the page covers. `sound`: whether its cursor leads on.
    fn progress(
        &mut self,
        evidence: Evidence<'_>,
        (lo, contact): (Ms, bool),
        sound: bool,
        beginning: bool,
        now: Ms,
    ) {
        let Evidence { timeline, asked, page, matches } = evidence;
        let (_, hi) = page.span().unwrap_or((lo, lo));
        let cursor = match &page.below {
            // One that leads above what came would be sent for ever.
            Below::More(cursor) if sound && (page.without_times() || cursor.leads_below(lo)) => {
                Some(cursor.clone())
            }
            _ => None,
        };
        let covered = Covered::by(asked, page, lo, hi, cursor.clone());
        let covered = if contact { covered } else { covered.without_contact(matches.newest_below(lo)) };
        coverage::subtract(&mut self.gaps, &covered);
        coverage::doubt_border(&mut self.gaps, &timeline.gaps, asked, page, now);
        if beginning {
            self.gaps.retain(|g| g.newer_ms.is_none_or(|newer| newer > lo));
            self.beginning_seen = true;
        }
        if reopens(evidence, lo) && self.gaps.iter().all(|g| g.older_ms.is_some()) {
            // A message that has changed its time may have left a gap that reaches further down.
            let lowest = self.gaps.iter().filter_map(|g| g.older_ms).min();
            let newer_ms = Some(lowest.map_or(lo, |lowest| lowest.min(lo)));
            self.gaps.push(Gap { newer_ms, cursor, opened_ms: now, ..Gap::default() });
            self.beginning_seen = false;
        }
    }

    /// Doubts all that is stored, for the server counts more and has nothing more at the bottom.
    fn doubt_all(&mut self, timeline: &Timeline, missing: i64, now: Ms) {
        let stalled = Some(Stall::CountDiffers(missing));
        self.gaps = vec![Gap { newer_ms: timeline.newest_ms, stalled, opened_ms: now, ..Gap::default() }];
    }

    /// Holds the server's count against what is stored after this page. A count that no longer fits says that something is
    /// missing where nothing seems to be: then all below the page is doubted, until the count fits again or the end was
    /// seen and the difference with it. Only the newest page says so, for below it the count holds what is newer, too.
    fn count(&mut self, evidence: Evidence<'_>, changes: &[Change], ended: bool, now: Ms) {
        let Evidence { timeline, asked, page, .. } = evidence;
        let Some(total) = page.total.filter(|_| self.stall.is_none()) else { return };
        let Some((standing, gone)) = standing_after(timeline, changes) else { return };
        if total <= self.count.expected(standing, gone) && self.gaps.iter().any(Gap::is_doubt) {
            self.gaps.retain(|gap| !gap.is_doubt());
            self.beginning_seen = self.gaps.iter().all(|gap| gap.older_ms.is_some());
        }
        if !self.gaps.is_empty() || !self.beginning_seen {
            return;
        }
        let newest = asked.cursor.is_none();
        let expected = self.count.expected(standing, gone);
        // All of it was read again, or stands on this page. Else a message that went makes up for one that is missing.
        let explained = ended && (asked.gap.is_doubt() || (newest && page.below == Below::End));
        if !newest && !explained && total > expected {
            // Something newer, or something that is missing: the newest page tells.
            let top = timeline.newest_ms.max(page.span().map(|(_, hi)| hi));
            self.gaps.push(Gap::head(top, now));
        }
        if !newest && !ended {
            return;
        }
        let lo = page.span().map(|(lo, _)| lo).filter(|_| newest && !ended && total > expected);
        if let Some(lo) = lo {
            let (newer_ms, stalled) = (Some(lo), Some(Stall::CountDiffers(total.saturating_sub(expected))));
            self.gaps.push(Gap { newer_ms, stalled, opened_ms: now, ..Gap::default() });
            self.beginning_seen = false;
        } else if total < expected || explained {
            self.count = ServerCount::explaining(total, standing, gone);
        }
    }

    /// The gap that begins below the page. Where there is none, it does not matter what the page claims of the rest.
    fn below(&mut self, lo: Ms) -> Option<&mut Gap> {
        self.gaps.iter_mut().find(|g| g.newer_ms == Some(lo))
    }

    /// Adds to the gap below what the page has yielded.
    fn note_filled(&mut self, evidence: Evidence<'_>, lo: Ms, changes: &[Change]) {
        if let Some(gap) = self.below(lo) {
            gap.filled = evidence.asked.gap.filled.saturating_add(inserted(changes));
        }
    }

    fn stall_below(&mut self, asked: &Asked, lo: Ms, flaw: Option<Stall>) {
        if let (Some(why), Some(gap)) = (flaw, self.below(lo)) {
            *gap = std::mem::take(gap).stalled(&why, asked.run);
            self.stall = Some(why);
        }
    }

    /// Leaves an instant that holds more than can ever be asked for at once as a gap of its own, and goes on below it.
    /// How far below is not known of a server that may or may not include its cursor: one step now, another if it takes
    /// that.
    fn pass_by(&mut self, asked: &Asked, ask_at_least: u32, now: Ms) {
        self.stall = Some(Stall::OneMillisecond);
        let Some(newer) = asked.gap.newer_ms else { return };
        let next = newer.saturating_sub(asked.instant());
        let rest = asked.gap.older_ms.is_none_or(|older| older <= next).then(|| Gap {
            newer_ms: Some(next),
            older_ms: asked.gap.older_ms,
            cursor: asked.in_seconds().then(|| Cursor::made(next.div_euclid(1000))),
            opened_ms: now,
            filled: asked.gap.filled,
            ..Gap::default()
        });
        let floor = next.saturating_add(1);
        self.mark(asked, |gap| {
            let older_ms = Some(gap.older_ms.unwrap_or(floor).max(floor));
            Gap { older_ms, ask_at_least, ..gap }.stalled(&Stall::OneMillisecond, asked.run)
        });
        self.gaps.extend(rest);
        coverage::sort(&mut self.gaps);
    }

    /// A page that proves nothing may still hold messages newer than all that is stored. They are kept, and what may
    /// be missing between them and the rest becomes a gap.
    fn guard_strays(&mut self, evidence: Evidence<'_>, changes: &[Change], now: Ms) {
        let newest_ms = evidence.timeline.newest_ms;
        let placed = placed(evidence.page, changes);
        let stray = placed.into_iter().any(|at| at > newest_ms.unwrap_or(Ms::MIN));
        if stray && self.gaps.first().is_none_or(|g| g.newer_ms.is_some()) {
            self.gaps.insert(0, evidence.timeline.head(now));
        }
    }
}

/// How many messages a page brings.
fn inserted(changes: &[Change]) -> u32 {
    let fresh = changes.iter().filter(|c| matches!(c, Change::Insert(_))).count();
    u32::try_from(fresh).unwrap_or(u32::MAX)
}

/// How many messages stand and how many are gone after these changes; `None` where nothing is sure.
fn standing_after(timeline: &Timeline, changes: &[Change]) -> Option<(i64, i64)> {
    let (mut standing, mut gone) = (timeline.standing(), timeline.gone);
    for change in changes {
        match change {
            Change::Insert(_) => standing += 1,
            Change::Gone(_) => (standing, gone) = (standing - 1, gone + 1),
            Change::Back(_) | Change::Update { was_gone: true, .. } => {
                (standing, gone) = (standing + 1, gone - 1);
            }
            Change::Update { was_gone: false, .. } => {}
            Change::AllGone | Change::AllBack => return None,
        }
    }
    Some((standing, gone))
}

/// The conversation's gaps with the one that was asked for among them, also when that was a look at the head.
fn with_asked(timeline: &Timeline, asked: &Asked) -> Vec<Gap> {
    let mut gaps = timeline.gaps.clone();
    if asked.gap.id == 0 && !gaps.iter().any(|g| g.is(&asked.gap)) {
        gaps.insert(0, asked.gap.clone());
    }
    gaps
}

/// Whether a page shows that there is more below what was taken for the beginning.
fn reopens(Evidence { timeline, asked, page, .. }: Evidence<'_>, lo: Ms) -> bool {
    let older_than_all = timeline.oldest_ms.is_some_and(|oldest| lo < oldest);
    let open = asked.gap.older_ms.is_none() || timeline.gaps.iter().any(|g| g.older_ms.is_none());
    older_than_all && !open && page.below != Below::End
}

/// Where the messages stand that a page brings or moves.
fn placed(page: &Page, changes: &[Change]) -> Vec<Ms> {
    let place = |change: &Change| match change {
        Change::Insert(index) => page.messages.get(*index).map(|m| m.at_ms),
        Change::Update { index, .. } => {
            page.messages.get(*index).filter(|m| !m.derived_time).map(|m| m.at_ms)
        }
        Change::Back(_) | Change::Gone(_) | Change::AllGone | Change::AllBack => None,
    };
    changes.iter().filter_map(place).collect()
}

/// What is different from what was known, as updates.
fn updates(evidence: Evidence<'_>, changes: Vec<Change>, course: Course) -> Vec<Update> {
    let Evidence { timeline, asked, page, matches } = evidence;
    let span = span(timeline, &placed(page, &changes));
    let span_moved = changes.iter().any(|c| merges_export(c, matches));
    let fresh = changes.iter().any(|c| matches!(c, Change::Insert(_)));
    let head = asked.cursor.is_none();
    let gaps = (course.gaps != timeline.gaps).then_some(Update::Gaps(course.gaps));
    let seen = course.beginning_seen;
    let beginning = (seen != timeline.beginning_seen).then_some(Update::Beginning { seen });
    let course = [
        span,
        span_moved.then_some(Update::SpanMoved),
        head.then_some(Update::HeadAsked),
        (fresh || head).then_some(Update::Silent(!fresh)),
        gaps,
        beginning,
        (course.count != timeline.count).then_some(Update::Counted(course.count)),
        course.stall.map(Update::Stalled),
    ];
    changes.into_iter().map(Update::Message).chain(course.into_iter().flatten()).collect()
}

/// The oldest and newest position, where messages at these places change them.
fn span(timeline: &Timeline, placed: &[Ms]) -> Option<Update> {
    let oldest_ms = placed.iter().copied().chain(timeline.oldest_ms).min()?;
    let newest_ms = placed.iter().copied().chain(timeline.newest_ms).max()?;
    let moved = (timeline.oldest_ms, timeline.newest_ms) != (Some(oldest_ms), Some(newest_ms));
    moved.then_some(Update::Span { oldest_ms, newest_ms })
}

/// Whether a message that only an export has shown so far becomes a served one.
fn merges_export(change: &Change, matches: &Matches<'_>) -> bool {
    matches!(change, Change::Update { stored, .. } if matches.exported(*stored))
}
