//! An archive that is nothing but plain lists, with pages applied to them by the function under test.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use archiver::core::Ms;
use archiver::core::model::ids::MessageId;
use archiver::core::model::page::Page;
use archiver::core::timeline::apply::{self, Update};
use archiver::core::timeline::gap::{Asked, Gap, ServerCount, Timeline};
use archiver::core::timeline::identity::{Change, Known, Stored, Window};
use archiver::core::timeline::invariants;
use archiver::core::timeline::stall::Stall;

use super::server::Served;

/// What a page changes, by kind.
pub(super) struct Delta {
    pub(super) changes: Vec<Change>,
    pub(super) gaps: Vec<Gap>,
    pub(super) stall: Option<Stall>,
    beginning_seen: bool,
    oldest_ms: Option<Ms>,
    newest_ms: Option<Ms>,
    count: ServerCount,
    span_moved: bool,
}

impl Delta {
    fn of(timeline: &Timeline, updates: Vec<Update>) -> Self {
        let Timeline { gaps, beginning_seen, oldest_ms, newest_ms, .. } = timeline.clone();
        let (count, span_moved) = (timeline.count, false);
        let mut delta = Self {
            changes: vec![],
            gaps,
            stall: None,
            beginning_seen,
            oldest_ms,
            newest_ms,
            count,
            span_moved,
        };
        for update in updates {
            match update {
                Update::Message(change) => delta.changes.push(change),
                Update::Gaps(gaps) => delta.gaps = gaps,
                Update::Beginning { seen } => delta.beginning_seen = seen,
                Update::Stalled(why) => delta.stall = Some(why),
                Update::Span { oldest_ms, newest_ms } => {
                    (delta.oldest_ms, delta.newest_ms) = (Some(oldest_ms), Some(newest_ms));
                }
                Update::Counted(count) => delta.count = count,
                Update::SpanMoved => delta.span_moved = true,
                Update::HeadAsked | Update::Silent(_) | Update::RecheckAt(_) => {}
            }
        }
        delta
    }
}

pub(super) struct Archive {
    pub(super) timeline: Timeline,
    pub(super) stored: Vec<Stored>,
    /// Which of the server's messages a stored one was taken for.
    pub(super) meant: BTreeMap<MessageId, usize>,
    /// All texts of a stored message, in the order of their versions.
    pub(super) texts: BTreeMap<MessageId, Vec<String>>,
    last_id: i64,
    /// Pages so far, and with which of them a message was found to be gone.
    pages: u32,
    gone_at: BTreeMap<MessageId, u32>,
}

impl Archive {
    pub(super) fn new() -> Self {
        let mut timeline = Timeline::unknown(0);
        timeline.gaps[0].id = 1;
        Self {
            timeline,
            stored: Vec::new(),
            meant: BTreeMap::new(),
            texts: BTreeMap::new(),
            last_id: 1,
            pages: 0,
            gone_at: BTreeMap::new(),
        }
    }

    fn id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// The request as it applies now, as the store sees it.
    pub(super) fn still_asked(&self, asked: &Asked) -> Option<Asked> {
        asked.renewed(&self.timeline, 0)
    }

    /// Of a look at the newest page.
    pub(super) fn head(&self) -> Gap {
        self.timeline.head(0)
    }

    pub(super) fn delta(&self, asked: &Asked, served: &Served) -> Delta {
        let known = self.known(asked, served);
        Delta::of(&self.timeline, apply::apply(&self.timeline, asked, &served.page, &known, 0))
    }

    fn known(&self, asked: &Asked, served: &Served) -> Known {
        let Window { lo, hi, below } = Window::of(asked, &served.page);
        let mut newest_first: Vec<&Stored> = self.stored.iter().collect();
        newest_first.sort_by_key(|s| std::cmp::Reverse((s.message.at_ms, s.id)));
        let named = |s: &Stored| {
            s.message.urn.is_some() && served.page.messages.iter().any(|m| m.urn == s.message.urn)
        };
        let within = |s: &Stored| (lo..=hi).contains(&s.message.at_ms);
        let near = newest_first.iter().filter(|s| within(s));
        let elsewhere = newest_first.iter().filter(|s| !within(s) && named(s));
        let next = newest_first.iter().filter(|s| s.message.at_ms < lo).take(usize::try_from(below).unwrap());
        Known {
            near: near.chain(elsewhere).map(|s| (*s).clone()).collect(),
            below: next.map(|s| (*s).clone()).collect(),
        }
    }

    /// Applies a page as the store does, and checks what must hold of every step.
    pub(super) fn commit(&mut self, asked: &Asked, served: &Served) -> Result<Delta, String> {
        let known = self.known(asked, served);
        let delta = Delta::of(&self.timeline, apply::apply(&self.timeline, asked, &served.page, &known, 0));
        self.pages += 1;
        for change in &delta.changes {
            match change {
                Change::Insert(index) => {
                    let message = served.page.messages[*index].clone();
                    let id = MessageId(self.id());
                    self.meant.insert(id, served.ids[*index]);
                    self.texts.insert(id, vec![message.text.clone()]);
                    self.stored.push(Stored { id, message, gone: false, exported: false, erased: false });
                }
                Change::Update { id, stored, index, edited, was_gone } => {
                    let message = &served.page.messages[*index];
                    if known.near[*stored].id != *id || known.near[*stored].gone != *was_gone {
                        return Err(format!("{change:?} is about {:?}", known.near[*stored]));
                    }
                    let old = self.stored.iter_mut().find(|s| s.id == *id).unwrap();
                    let (urn, at) = (old.message.urn.take(), (old.message.at_ms, old.message.derived_time));
                    old.gone = false;
                    self.gone_at.remove(id);
                    old.message = message.clone();
                    old.message.urn = message.urn.clone().or(urn);
                    if message.derived_time {
                        (old.message.at_ms, old.message.derived_time) = at;
                    }
                    if *edited {
                        self.texts.get_mut(id).unwrap().push(message.text.clone());
                    }
                }
                Change::Back(id) => self.mark(|s, _| s.id == *id, false),
                Change::Gone(id) => self.mark(|s, _| s.id == *id, true),
                Change::AllGone => self.mark(|_, _| true, true),
                Change::AllBack => {
                    let last = self.gone_at.values().max().copied();
                    self.mark(|_, gone_at| gone_at == last, false);
                }
            }
        }
        let mut gaps = delta.gaps.clone();
        for gap in gaps.iter_mut().filter(|g| g.id == 0) {
            gap.id = self.id();
        }
        let places = || self.stored.iter().map(|s| s.message.at_ms);
        let (newest_ms, oldest_ms) = match delta.span_moved {
            true => (places().max(), places().min()),
            false => (delta.newest_ms, delta.oldest_ms),
        };
        self.timeline = Timeline {
            nothing_until_ms: None,
            announced: None,
            gaps,
            newest_ms,
            oldest_ms,
            count: delta.count,
            messages: i64::try_from(self.stored.len()).unwrap(),
            gone: i64::try_from(self.stored.iter().filter(|s| s.gone).count()).unwrap(),
            beginning_seen: delta.beginning_seen,
        };
        match invariants::broken(&self.timeline).as_slice() {
            [] => Ok(delta),
            wrong => Err(format!("{wrong:?}: {:?}", self.timeline)),
        }
    }

    fn mark(&mut self, which: impl Fn(&Stored, Option<u32>) -> bool, gone: bool) {
        for s in &mut self.stored {
            let gone_at = self.gone_at.get(&s.id).copied();
            if s.gone != gone && which(s, gone_at) {
                s.gone = gone;
                if gone {
                    self.gone_at.insert(s.id, self.pages)
                } else {
                    self.gone_at.remove(&s.id)
                };
            }
        }
    }

    /// Whether all that a page's count holds is stored.
    pub(super) fn counted(&self, page: &Page) -> bool {
        page.total.is_some_and(|total| {
            total <= self.timeline.count.expected(self.timeline.standing(), self.timeline.gone)
        })
    }

    /// Whether something may be missing at this position, as the archive sees it.
    pub(super) fn in_gap(&self, at: Ms) -> bool {
        lies_in(&self.timeline.gaps, at)
    }

    /// The course of the conversation, newest first: `[c b] (-) [a] (…)` has a gap between b and a and one below a
    /// that reaches down to the beginning. `(!)` is a stalled gap, `(=)` one of a single instant, `(- c )` has c in it.
    /// `~c` is gone, `c'` has a second version.
    pub(super) fn picture(&self) -> String {
        let mut marks: Vec<(Reverse<Ms>, Mark)> = Vec::new();
        for gap in &self.timeline.gaps {
            let (top, bottom) = (gap.newer_ms.unwrap_or(Ms::MAX), gap.older_ms.unwrap_or(Ms::MIN));
            let stalled = if gap.stalled.is_some() { "!" } else { "" };
            if top == bottom {
                marks.push((Reverse(top), Mark::Instant(format!("(={stalled})"))));
                continue;
            }
            let open = if gap.newer_ms.is_none() { "…" } else { "" };
            let close = if gap.older_ms.is_none() { "…" } else { "" };
            let middle =
                if open.is_empty() && close.is_empty() && stalled.is_empty() { "-" } else { stalled };
            marks.push((Reverse(top), Mark::Begin(format!("({open}{middle}"))));
            marks.push((Reverse(bottom), Mark::End(format!("{close})"))));
        }
        for s in &self.stored {
            let id = self.meant[&s.id];
            let gone = if s.gone { "~" } else { "" };
            let versions = "'".repeat(self.texts[&s.id].len() - 1);
            let word = format!("{gone}{}{versions}", name(id));
            marks.push((Reverse(s.message.at_ms), Mark::Message(Reverse(id), word)));
        }
        marks.sort();
        draw(marks.into_iter().map(|(_, mark)| mark))
    }
}

/// What stands at one position, in this order from the top.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    End(String),
    Message(Reverse<usize>, String),
    Instant(String),
    Begin(String),
}

fn draw(marks: impl Iterator<Item = Mark>) -> String {
    let (mut words, mut segment): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    // A gap that has begun, with what lies in it.
    let mut gap: Option<String> = None;
    for mark in marks {
        match (mark, &mut gap) {
            (Mark::Message(_, word), None) => segment.push(word),
            (Mark::Message(_, word), Some(gap)) => *gap = format!("{gap} {word}"),
            (Mark::End(mark), _) => {
                let begun = gap.take().unwrap_or_default();
                let strays = if begun.contains(' ') { " " } else { "" };
                words.push(format!("{begun}{strays}{mark}"));
            }
            (Mark::Begin(mark) | Mark::Instant(mark), _) => {
                if !segment.is_empty() {
                    words.push(format!("[{}]", std::mem::take(&mut segment).join(" ")));
                }
                if mark.ends_with(')') { words.push(mark) } else { gap = Some(mark) }
            }
        }
    }
    if !segment.is_empty() {
        words.push(format!("[{}]", segment.join(" ")));
    }
    words.join(" ")
}

/// Whether a position lies in one of the gaps, edges included.
pub(super) fn lies_in(gaps: &[Gap], at: Ms) -> bool {
    gaps.iter().any(|g| g.newer_ms.is_none_or(|n| at <= n) && g.older_ms.is_none_or(|o| at >= o))
}

/// What a message is called in pictures.
pub(super) fn name(id: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(id % 26).unwrap());
    if id < 26 { letter.to_string() } else { format!("{letter}{}", id / 26) }
}
