//! Server and archive together, moved by scripts; after each step the naive oracle has its say.
//!
//! The oracle knows no gaps. It knows the server's full list and which messages were ever on a page that the archive
//! took: what never was may be missing, and so must lie in a gap or be newer than the last look at the head.

use std::collections::BTreeMap;

use archiver::core::Ms;
use archiver::core::model::cursor::Cursor;
use archiver::core::model::ids::{MessageId, RunId};
use archiver::core::model::page::{Below, Page};
use archiver::core::timeline::gap::{Asked, Gap};
use archiver::core::timeline::identity::Change;

use super::archive::{Archive, Delta, lies_in, name};
use super::server::{Manner, Served, Server, T0, Urns};

/// What happens next. Numbers pick among what is there, whatever that is.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// So many messages are sent, so long after one another.
    Send {
        count: u8,
        later: u8,
        order: u8,
        timeless: bool,
    },
    /// The newest page is asked for.
    Head {
        count: u8,
    },
    /// A page of a gap is asked for, with the server's own cursor or a client's.
    Fill {
        gap: u8,
        count: u8,
        verbatim: bool,
    },
    Edit {
        message: u8,
    },
    Delete {
        message: u8,
    },
    /// An answer of long ago arrives again.
    Again {
        page: u8,
    },
    /// The same, but as the answer to another request.
    Instead {
        page: u8,
        gap: u8,
    },
    /// A page of a gap is asked for and answered with this untruth.
    Lie {
        gap: u8,
        count: u8,
        lie: Lie,
    },
}

/// What is wrong with an answer. Its messages are real ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    CursorUp,
    NoCursor,
    EmptyButMore,
    EmptyEnd,
    FalseEnd,
    NoTimes,
    Short,
    Twice,
    TopInstead,
    UpsideDown,
}

pub(super) struct World {
    pub(super) server: Server,
    pub(super) archive: Archive,
    /// Every text that a message was seen with, without repetitions.
    pub(super) shown: BTreeMap<usize, Vec<String>>,
    /// Looks at the head so far.
    heads: usize,
    pages: Vec<(Asked, Served)>,
    run: RunId,
    /// Pages of this world may be stale, so that what they say of versions and deletions is.
    pub(super) stale: bool,
    log: Vec<String>,
}

impl World {
    pub(super) fn new(manner: &Manner) -> Self {
        Self {
            server: Server::new(manner.clone()),
            archive: Archive::new(),
            shown: BTreeMap::new(),
            heads: 0,
            pages: Vec::new(),
            run: RunId::default(),
            stale: false,
            log: vec![format!("{manner:?}")],
        }
    }

    /// Makes one step and checks everything. What is wrong is told with all that led there.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), String> {
        let before = self.archive.picture();
        self.log.push(format!("{step:?}"));
        let done = self.act(step).and_then(|()| self.check());
        let after = self.archive.picture();
        if after != before {
            self.log.push(format!("    {after}"));
        }
        done.map_err(|why| self.told(&why))
    }

    pub(super) fn told(&self, why: &str) -> String {
        let list = self.server.list.iter().rev();
        let list: Vec<String> = list
            .map(|m| format!("{}{}@{}", if m.deleted { "~" } else { "" }, name(m.id), m.at - T0))
            .collect();
        // A walk that goes round in circles is long, and its beginning tells.
        let log: Vec<&str> = self.log.iter().map(String::as_str).take(80).collect();
        format!("\n{why}\nthe server has {}\n{}\n", list.join(" "), log.join("\n"))
    }

    fn act(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send { count, later, order, timeless } => {
                for i in 0..usize::from(*count) {
                    let order = usize::from(*order).wrapping_mul(i + 3) % 5;
                    // An old page cannot know of what came later in an instant that it shows.
                    let later = if self.stale && i == 0 { later.max(&1) } else { later };
                    self.server.send(Ms::from(*later), order, *timeless && i == 0, self.heads);
                }
                Ok(())
            }
            Step::Head { count } => {
                let gap = self.archive.timeline.top_gap().cloned().unwrap_or_else(|| self.archive.head());
                self.ask(&gap, *count, None)
            }
            Step::Fill { gap, count, verbatim } => match self.pick(*gap, *verbatim) {
                Some(gap) => self.ask(&gap, *count, None),
                None => Ok(()),
            },
            Step::Lie { gap, count, lie } => match self.pick(*gap, false) {
                Some(gap) => self.ask(&gap, *count, Some(*lie)),
                None => Ok(()),
            },
            Step::Edit { message } => {
                if let Some(id) = self.message(*message) {
                    self.server.by_id_mut(id).text.push('\'');
                }
                Ok(())
            }
            Step::Delete { message } => {
                if let Some(id) = self.message(*message) {
                    self.server.by_id_mut(id).deleted = true;
                }
                Ok(())
            }
            Step::Again { page } => {
                let Some((asked, served)) = self.page(*page) else { return Ok(()) };
                match self.archive.still_asked(&asked) {
                    Some(asked) if self.fair_again(&asked, &served) => self.take(&asked, &served),
                    _ => Ok(()),
                }
            }
            Step::Instead { page, gap } => {
                let (Some((_, served)), Some(gap)) = (self.page(*page), self.pick(*gap, false)) else {
                    return Ok(());
                };
                let asked = self.asked(&gap, served.ids.len());
                if self.fair_again(&asked, &served) { self.take(&asked, &served) } else { Ok(()) }
            }
        }
    }

    fn page(&self, pick: u8) -> Option<(Asked, Served)> {
        self.pages.get(usize::from(pick) % self.pages.len().max(1)).cloned()
    }

    fn message(&self, pick: u8) -> Option<usize> {
        let there: Vec<usize> = self.server.list.iter().filter(|m| !m.deleted).map(|m| m.id).collect();
        there.get(usize::from(pick) % there.len().max(1)).copied()
    }

    /// One of the gaps. `verbatim`: as it is after two attempts that came to nothing, so that the cursor is next sent as
    /// the server gave it.
    fn pick(&mut self, pick: u8, verbatim: bool) -> Option<Gap> {
        let gaps = &mut self.archive.timeline.gaps;
        let at = usize::from(pick) % gaps.len().max(1);
        let gap = gaps.get_mut(at)?;
        if verbatim {
            gap.stalls = 2;
        }
        Some(gap.clone())
    }

    fn asked(&mut self, gap: &Gap, count: usize) -> Asked {
        self.run = self.run.plus(1);
        let count = u32::try_from(count).unwrap().max(gap.ask_at_least).max(1);
        Asked { gap: gap.clone(), cursor: gap.cursor_to_send(), count, most: u32::MAX, run: self.run }
    }

    fn ask(&mut self, gap: &Gap, count: u8, lie: Option<Lie>) -> Result<(), String> {
        let asked = self.asked(gap, usize::from(count));
        let mut served = self.server.serve(asked.cursor.as_ref(), usize::try_from(asked.count).unwrap());
        if let Some(lie) = lie {
            self.distort(&mut served, lie);
            if !self.fair(&asked, &served) {
                return Ok(());
            }
        } else if asked.cursor.is_none() {
            self.heads += 1;
        }
        self.pages.push((asked.clone(), served.clone()));
        self.take(&asked, &served)
    }

    /// The same untruth told twice is believed.
    fn fair_again(&self, asked: &Asked, served: &Served) -> bool {
        asked.gap.stalls == 0 && self.fair(asked, served)
    }

    /// Whether a false end can be seen through: the documented end is believed where nothing speaks against it, and
    /// otherwise when it is said a second time.
    fn fair(&self, asked: &Asked, served: &Served) -> bool {
        let seen = |id: &usize| self.shown.contains_key(id) || served.ids.contains(id);
        let missing = self.server.list.iter().any(|m| !m.deleted && !seen(&m.id));
        if served.page.below != Below::End || !missing {
            return true;
        }
        let reached = served.page.span().map(|(lo, _)| lo);
        let known_below = asked.gap.older_ms.is_some_and(|older| reached.is_none_or(|lo| older < lo));
        let held = self.server.list.iter().filter(|m| seen(&m.id) && !m.deleted).count();
        let counted = served.page.total.is_some_and(|total| total > i64::try_from(held).unwrap());
        asked.gap.stalled.is_none() && (known_below || counted)
    }

    fn distort(&mut self, served: &mut Served, lie: Lie) {
        let page = &mut served.page;
        match lie {
            Lie::CursorUp => page.below = Below::More(Cursor::made(T0 * 2)),
            Lie::NoCursor => page.below = Below::MoreWithoutCursor,
            Lie::EmptyButMore | Lie::EmptyEnd => {
                (page.messages, page.returned) = (Vec::new(), 0);
                served.ids.clear();
                page.below = if lie == Lie::EmptyEnd { Below::End } else { Below::More(Cursor::made(T0)) };
            }
            Lie::FalseEnd => page.below = Below::End,
            Lie::NoTimes => {
                for m in &mut page.messages {
                    (m.at_ms, m.derived_time) = (T0, true);
                }
            }
            Lie::Short => {
                // Fewer than asked for, though there is more.
                let keep = page.messages.len().div_ceil(2);
                if keep < page.messages.len() {
                    page.below = Below::More(self.server.cursor_at(self.server.by_id(served.ids[keep - 1])));
                    page.messages.truncate(keep);
                    served.ids.truncate(keep);
                    page.returned = u32::try_from(keep).unwrap();
                }
            }
            Lie::Twice => {
                let (again, ids) = (page.messages.clone(), served.ids.clone());
                page.messages.extend(again);
                served.ids.extend(ids);
                page.returned *= 2;
            }
            Lie::TopInstead => {
                let count = page.messages.len();
                *served = self.server.serve(None, count);
            }
            Lie::UpsideDown => {
                page.messages.reverse();
                served.ids.reverse();
            }
        }
    }

    /// The archive takes a page, and the step itself is checked.
    fn take(&mut self, asked: &Asked, served: &Served) -> Result<(), String> {
        let covered_before: Vec<(Ms, bool)> =
            self.server.list.iter().map(|m| (m.at, self.archive.in_gap(m.at))).collect();
        let (newest_before, oldest_before) =
            (self.archive.timeline.newest_ms, self.archive.timeline.oldest_ms);
        // What was taken for the beginning was not it: the server says that there is more below.
        let begins_anew = served.page.below != Below::End
            && served.page.span().is_some_and(|(lo, _)| oldest_before.is_some_and(|oldest| lo < oldest));
        let (met, counted) = (self.meets(asked, served), self.archive.counted(&served.page));
        let delta = self.archive.commit(asked, served)?;
        let counted = counted || self.archive.counted(&served.page);
        for (id, message) in served.ids.iter().zip(&served.page.messages) {
            let texts = self.shown.entry(*id).or_default();
            if texts.last() != Some(&message.text) {
                texts.push(message.text.clone());
            }
        }
        for (at, was_in_gap) in covered_before {
            let now_in_gap = self.archive.in_gap(at);
            let below_newest = newest_before.is_some_and(|newest| at < newest);
            if !was_in_gap && now_in_gap && below_newest && !begins_anew && !self.stale && met {
                let places: Vec<Ms> = served.page.messages.iter().map(|m| m.at_ms - T0).collect();
                let gap = &asked.gap;
                return Err(format!(
                    "a gap was opened at {}, where nothing is missing: {places:?} for {gap:?}",
                    at - T0
                ));
            }
            if was_in_gap && !now_in_gap && !counted && !proves(asked, &served.page, at) {
                return Err(format!("the page does not prove that nothing is missing at {}", at - T0));
            }
        }
        self.check_repetition(asked, served)?;
        if !self.stale {
            self.check_gone(asked, served, &delta, met)?;
        }
        Ok(())
    }

    /// Whether a page that reaches below its gap shows a message that is stored there: only that proves that it did.
    fn meets(&self, asked: &Asked, served: &Served) -> bool {
        let mut shown = served.ids.iter().zip(&served.page.messages);
        shown.any(|(id, message)| {
            let below = asked.gap.older_ms.is_some_and(|older| message.at_ms < older);
            let mut stored = self.archive.stored.iter().filter(|s| self.archive.meant[&s.id] == *id);
            let as_before = stored.any(|s| !s.message.derived_time && s.message.at_ms == message.at_ms);
            below && !message.derived_time && as_before
        })
    }

    /// The same page once more changes nothing but counters.
    fn check_repetition(&self, asked: &Asked, served: &Served) -> Result<(), String> {
        let Some(asked) =
            self.archive.still_asked(asked).or_else(|| (asked.gap.id != 0).then(|| asked.clone()))
        else {
            return Ok(());
        };
        let one_instant = served.page.span().is_none_or(|(lo, hi)| lo == hi);
        if one_instant && asked.cursor.is_none() {
            // A page of one instant proves nothing of that instant, so each such look leaves a doubt.
            return Ok(());
        }
        let again = self.archive.delta(&asked, served);
        // To be told something a second time is news where it was in doubt the first time.
        let believed_now = asked.gap.stalled.is_some();
        let opened =
            self.server.list.iter().find(|m| lies_in(&again.gaps, m.at) && !self.archive.in_gap(m.at));
        // Where the server counts more than is stored, what closes the last gap opens a doubt.
        let counts_more = served.page.total.is_some() && !self.archive.counted(&served.page);
        if let Some(m) = opened.filter(|_| !counts_more) {
            return Err(format!("the same page again opens a gap at {}: {:?}", m.at - T0, again.gaps));
        }
        // A message that had no time the first time may have stood in the way of finding out that another is gone.
        let gone = |id: &MessageId| self.stale || self.server.by_id(self.archive.meant[id]).deleted;
        let news = again.changes.iter().any(|c| !matches!(c, Change::Gone(id) if gone(id)));
        if !believed_now && news {
            return Err(format!("the same page again changes {:?}", again.changes));
        }
        Ok(())
    }

    /// Only what was deleted is gone, and what was deleted strictly inside the stretch that a page shows is.
    fn check_gone(&self, asked: &Asked, served: &Served, delta: &Delta, met: bool) -> Result<(), String> {
        let (lo, hi) = served.page.span().unwrap_or((Ms::MAX, Ms::MIN));
        let as_given = asked.cursor.is_some() && asked.cursor == asked.gap.cursor;
        let hi = asked.gap.newer_ms.map_or(Ms::MAX, |newer| if as_given { hi } else { newer.max(hi) });
        let got_on = delta.stall.is_none() && asked.gap.newer_ms.is_none_or(|newer| lo < newer);
        // A page that seems to have passed what is stored and shows nothing of it says nothing of it either.
        let got_on = got_on && (met || asked.gap.older_ms.is_none_or(|older| lo >= older));
        for s in &self.archive.stored {
            let m = self.server.by_id(self.archive.meant[&s.id]);
            let strictly_inside = lo < s.message.at_ms && s.message.at_ms < hi && !s.message.derived_time;
            if s.gone && !m.deleted && self.server.manner.urns == Urns::All {
                return Err(format!("{} is said to be gone", name(m.id)));
            }
            if !s.gone && m.deleted && strictly_inside && got_on && self.server.manner.urns == Urns::All {
                return Err(format!("{} is not said to be gone", name(m.id)));
            }
        }
        Ok(())
    }

    /// What must hold at any time.
    fn check(&self) -> Result<(), String> {
        for m in &self.server.list {
            let unseen = !m.deleted && !self.shown.contains_key(&m.id) && m.born < self.heads;
            if unseen && !self.archive.in_gap(m.at) {
                return Err(format!("{} is missing, and no gap tells of it", name(m.id)));
            }
        }
        if self.server.manner.urns == Urns::All { self.check_named() } else { self.check_unnamed() }
    }

    fn check_named(&self) -> Result<(), String> {
        let stored: BTreeMap<usize, MessageId> = self.archive.meant.iter().map(|(s, m)| (*m, *s)).collect();
        if stored.len() != self.archive.stored.len() || stored.keys().ne(self.shown.keys()) {
            return Err(format!("stored is {:?}, shown was {:?}", stored.keys(), self.shown.keys()));
        }
        for (id, shown) in &self.shown {
            let texts = &self.archive.texts[&stored[id]];
            if texts != shown {
                return Err(format!("{} has the versions {texts:?}, shown were {shown:?}", name(*id)));
            }
        }
        Ok(())
    }

    /// Without URNs two messages that agree in everything are told apart by their number alone.
    fn check_unnamed(&self) -> Result<(), String> {
        let mut stored: Vec<(Ms, &str)> =
            self.archive.stored.iter().map(|s| (s.message.at_ms, s.message.text.as_str())).collect();
        let mut shown: Vec<(Ms, &str)> = self
            .shown
            .iter()
            .map(|(id, texts)| (self.server.by_id(*id).at, texts.last().unwrap().as_str()))
            .collect();
        // Where something may still be missing, messages of one instant that agree may have been taken for one.
        let settled =
            |at: Ms| !self.archive.in_gap(at) && self.archive.timeline.newest_ms.is_some_and(|n| at < n);
        stored.retain(|(at, _)| settled(*at));
        shown.retain(|(at, _)| settled(*at));
        stored.sort_unstable();
        shown.sort_unstable();
        if stored == shown { Ok(()) } else { Err(format!("stored is {stored:?}, shown was {shown:?}")) }
    }

    /// Fills gaps in an order of its own until none is left, and then holds both sides against each other.
    pub(super) fn settle(&mut self, order: &[u8], count: u8) -> Result<(), String> {
        let most = 60 + 4 * self.server.list.len();
        for i in 0..most {
            let pick = order[i % order.len()];
            let looked = self.heads > 0 && self.server.list.iter().all(|m| m.born < self.heads);
            if looked && self.archive.timeline.gaps.is_empty() {
                return self.check_complete().map_err(|why| self.told(&why));
            }
            let fill = Step::Fill { gap: pick, count, verbatim: false };
            let step = if looked { fill } else { Step::Head { count } };
            self.step(&step)?;
        }
        Err(self.told(&format!("not complete after {most} pages")))
    }

    fn check_complete(&self) -> Result<(), String> {
        if !self.archive.timeline.complete() {
            return Err("the beginning was not seen".into());
        }
        let missing = self.server.list.iter().find(|m| !m.deleted && !self.shown.contains_key(&m.id));
        missing.map_or(Ok(()), |m| Err(format!("{} was never fetched", name(m.id))))
    }
}

/// Whether an answer can show that nothing is missing at a position: only above its lowest message, unless it ends.
pub(super) fn proves(asked: &Asked, page: &Page, at: Ms) -> bool {
    let ends = page.below == Below::End;
    match page.span() {
        Some((lo, hi)) => {
            let top = asked.gap.newer_ms.map_or(Ms::MAX, |newer| newer.max(hi));
            at <= top && (at > lo || ends || asked.gap.older_ms == Some(at))
        }
        None => ends,
    }
}
