//! Which message of a page is which stored one: identity, versions, and what has vanished.
//!
//! A message is known by its URN. Where the API gives none, it is known by its position, sender and text, and by
//! its number among those that agree in all three; when the URN of such a message shows up later it is the same.
//!
//! A message that only the member's own export has shown so far has no URN and whole seconds; [`super::pairing`] says
//! which served message it is. It then becomes that one. A served page that covers the place of such a message, two
//! seconds either way, and lacks it, marks it as gone like any other: the API was asked there and did not return it.
//! Drafts and advertisements are never gone: the API is not expected to return those.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::Ms;
use crate::core::model::ids::MessageId;
use crate::core::model::message::{Message, is_outside};
use crate::core::model::page::{Below, Page};
use crate::core::model::urn;
use crate::core::raw::mark;
use crate::core::timeline::coverage::Reach;
use crate::core::timeline::gap::Asked;
use crate::core::timeline::pairing::{NEAR_MS, Pairing};
use crate::core::timeline::timestamps::CLOSE_MS;

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The archive's id.
    pub id: MessageId,
    /// The message as last served.
    pub message: Message,
    /// Whether the API has stopped returning it.
    pub gone: bool,
    /// Whether only the member's own export has shown it so far.
    pub exported: bool,
    /// Whether it was erased on purpose, and this is what stands in for it: see [`crate::core::erasure`].
    pub erased: bool,
}

impl Stored {
    /// Whether the API is not expected to return it.
    pub(crate) fn outside(&self) -> bool {
        self.exported && is_outside(&self.message.kind)
    }
}

/// The stored messages that matter for a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Those in the page's stretch, and those with a URN of the page.
    pub near: Vec<Stored>,
    /// Those next below the page, newest first: the first, or where the page claims to be the last, as many as it had
    /// room for and one more.
    pub below: Vec<Stored>,
}

/// What happens to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The page's message is new.
    Insert(usize),
    /// The page's message is this stored one, and something about it is different.
    Update {
        /// The stored message.
        id: MessageId,
        /// Its place in `Known::near`.
        stored: usize,
        /// The page's message.
        index: usize,
        /// Whether text or type differ: an edit, and so a new version.
        edited: bool,
        /// Whether it had been marked as gone.
        was_gone: bool,
    },
    /// The stored message is as it was, and is no longer gone.
    Back(MessageId),
    /// The API no longer returns this stored message.
    Gone(MessageId),
    /// The API no longer returns any of the conversation's messages.
    AllGone,
    /// It does after all: every message that was marked as gone last is back.
    AllBack,
}

impl Change {
    /// Whether a message that had been marked as gone is there again.
    #[must_use]
    pub fn returns(&self) -> bool {
        matches!(self, Self::Back(_) | Self::Update { was_gone: true, .. } | Self::AllBack)
    }
}

/// Which stored messages a page has to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The lowest position, included.
    pub lo: Ms,
    /// The highest position, included.
    pub hi: Ms,
    /// So many more, next below the lowest.
    pub below: u32,
}

impl Window {
    /// Of a page that answers this request. [`Known`] also needs those with a URN of the page, wherever they stand.
    #[must_use]
    pub fn of(asked: &Asked, page: &Page) -> Self {
        // A page without any place shows nothing from where it was asked for downward.
        let asked_from = asked.gap.newer_ms.unwrap_or(Ms::MAX);
        let (lo, hi) = page.span().unwrap_or((asked_from, asked_from));
        let derived = page.messages.iter().filter(|m| m.derived_time).map(|m| m.at_ms);
        let lo = derived.clone().fold(lo, Ms::min);
        let hi = match asked.gap.newer_ms {
            None => Ms::MAX,
            Some(newer) => derived.fold(hi, Ms::max).max(newer),
        };
        let room = asked.count.saturating_sub(page.returned).saturating_add(1);
        Self { lo, hi, below: if page.below == Below::End { room } else { 1 } }
    }
}

/// What a page that shows everything within a [`Reach`] says of messages.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    /// Of those that it shows, oldest first.
    pub(super) shown: Vec<Change>,
    /// The stored ones that it should show and lacks, whether or not they were known to be gone.
    pub(super) lacking: Vec<&'a Stored>,
}

/// A page's messages and their stored counterparts. URN and content tell these at once; which of the rest are edits of
/// each other depends on the stretch that the page shows in full.
#[derive(Debug, Clone)]
pub(super) struct Matches<'a> {
    messages: &'a [Message],
    stored: &'a [Stored],
    below: &'a [Stored],
    /// For each message of the page, its stored counterpart.
    partner: Vec<Option<usize>>,
    /// Messages that the page lists a second time.
    repeated: BTreeSet<usize>,
    taken: BTreeSet<usize>,
    /// Messages of the page that are edits of what an export has shown.
    rewritten: BTreeSet<usize>,
}

/// The page with those messages whose time is not trusted this time at the places that they are known to have. One that
/// differs from what is stored in that time alone is what is stored: a clock that is wrong for a while edits nothing.
pub(super) fn at_known_places<'a>(page: &'a Page, known: &Known) -> Cow<'a, Page> {
    if page.messages.iter().all(|m| m.untrusted_ms.is_none()) {
        return Cow::Borrowed(page);
    }
    // Of one that was erased it is not known any more whether its time was trusted.
    let timed = known.near.iter().filter(|s| !s.message.derived_time && !s.exported && !s.erased);
    let stored: BTreeMap<Cow<'_, [u8]>, &Message> =
        timed.filter_map(|s| Some((urn::identity(s.message.urn.as_deref()?), &s.message))).collect();
    let mut page = page.clone();
    for message in &mut page.messages {
        let stored = message.urn.as_deref().and_then(|urn| stored.get(&urn::identity(urn)));
        if let Some((untrusted, stored)) = message.untrusted_ms.zip(stored) {
            (message.at_ms, message.derived_time) = (stored.at_ms, false);
            if stored.raw.template.replace(mark::TIME, &untrusted.to_string()) == message.raw.template {
                message.raw.template.clone_from(&stored.raw.template);
            }
        }
    }
    Cow::Owned(page)
}

/// Matches a page with what is stored.
pub(super) fn match_page<'a>(page: &'a Page, known: &'a Known) -> Matches<'a> {
    let mut matches = Matches {
        messages: &page.messages,
        stored: &known.near,
        below: &known.below,
        partner: vec![None; page.messages.len()],
        repeated: BTreeSet::new(),
        taken: BTreeSet::new(),
        rewritten: BTreeSet::new(),
    };
    matches.by_urn();
    matches.by_content();
    matches
}

impl<'a> Matches<'a> {
    /// What the page says of messages if it shows everything within a stretch.
    pub(super) fn within(&self, reach: &Reach) -> Findings<'a> {
        let mut matches = self.clone();
        matches.by_place(reach);
        matches.by_export(reach);
        Findings { shown: matches.shown(), lacking: matches.lacking(reach) }
    }

    /// Whether a message of the page is known to stand below a position: it is stored there, with a time that was trusted
    /// then and is told again now. Position alone proves nothing, because stored times may have been wrong, and neither
    /// does a message whose time has changed, because it may have moved.
    pub(super) fn known_below(&self, position: Ms, reach: &Reach) -> bool {
        let mut matches = self.clone();
        matches.by_place(reach);
        matches.by_export(reach);
        matches.messages.iter().zip(&matches.partner).any(|(message, partner)| {
            let Some(stored) = partner.and_then(|at| matches.stored.get(at)) else { return false };
            let apart = message.at_ms.saturating_sub(stored.message.at_ms).saturating_abs();
            let same = match (message.derived_time, stored.message.derived_time, stored.exported) {
                (_, _, true) => apart <= NEAR_MS,
                // To the second: a server may begin to tell its times in milliseconds.
                (false, false, _) => apart < 1000,
                // Without a time on either side, its id and its neighbours place it.
                (true, true, _) if message.untrusted_ms.is_none() && message.urn.is_some() => true,
                // The time of creation, against that or the time that was served.
                (true, _, _) => apart <= CLOSE_MS && message.stands_at_creation(),
                (false, true, _) => apart <= CLOSE_MS && stored.message.stands_at_creation(),
            };
            same && stored.message.at_ms < position && message.at_ms < position
        })
    }

    /// The newest position below another one at which a message is stored.
    pub(super) fn newest_below(&self, position: Ms) -> Option<Ms> {
        let stored = self.stored.iter().chain(self.below).map(|s| s.message.at_ms);
        stored.filter(|at| *at < position).max()
    }

    /// How many stored messages the page shows for certain.
    pub(super) fn known(&self) -> usize {
        self.taken.len()
    }

    /// How many messages of the page the archive has not, or takes for gone.
    pub(super) fn fresh(&self) -> usize {
        let shown = self.within(&Reach::NOWHERE).shown;
        shown.iter().filter(|c| matches!(c, Change::Insert(_)) || c.returns()).count()
    }

    /// Whether a stored message of [`Known::near`] is one that only an export has shown so far.
    pub(super) fn exported(&self, stored: usize) -> bool {
        self.stored.get(stored).is_some_and(|s| s.exported)
    }

    fn by_urn(&mut self) {
        let named = |(i, s): (usize, &'a Stored)| Some((urn::identity(s.message.urn.as_deref()?), i));
        let stored: BTreeMap<Cow<'a, [u8]>, usize> =
            self.stored.iter().enumerate().filter_map(named).collect();
        let mut seen = BTreeSet::new();
        for (index, message) in self.messages.iter().enumerate() {
            let Some(identity) = message.urn.as_deref().map(urn::identity) else { continue };
            if !seen.insert(identity.clone()) {
                self.repeated.insert(index);
            } else if let Some(stored) = stored.get(&identity) {
                self.pair(index, *stored);
            }
        }
    }

    /// Messages that agree in position, sender and text, where one side lacks the URN. Those that have one go first, on
    /// either side, for only what has none can be their counterpart. Where one side's place is derived it need not agree,
    /// unless a time was served that will be found again.
    fn by_content(&mut self) {
        for (here, there) in [(true, false), (false, true), (false, false)] {
            for derived in [false, true] {
                self.pair_open(|message, Stored { message: stored, .. }| {
                    let may_differ =
                        (message.derived_time || stored.derived_time) && message.untrusted_ms.is_none();
                    message.urn.is_some() == here
                        && stored.urn.is_some() == there
                        && (message.at_ms == stored.at_ms || (derived && may_differ))
                        && message.sender.name == stored.sender.name
                        && message.text == stored.text
                });
            }
        }
    }

    /// Of what is left: a message without URN that stands where one of the same sender has vanished is that one,
    /// edited. Only inside the stretch that the page shows in full, for at its border the other may well exist. An erased
    /// one is taken to be edited there, too, where the border is read once more with what lies below: if it was another
    /// message of that instant, it is stored then.
    fn by_place(&mut self, reach: &Reach) {
        self.pair_open(|message, Stored { message: stored, erased, .. }| {
            let inside = stored.at_ms > reach.above && stored.at_ms < reach.below;
            let at_edge = stored.at_ms == reach.above && reach.edge_again
                || stored.at_ms == reach.below && stored.at_ms > reach.above && reach.top_whole;
            (inside || *erased && at_edge)
                && !message.derived_time
                && message.at_ms == stored.at_ms
                && message.sender.name == stored.sender.name
        });
    }

    /// Of what is left: messages that only an export has shown, by text, sender and about the time; then, unless the
    /// page may begin below them, by sender and about the time: such a one was edited since.
    fn by_export(&mut self, reach: &Reach) {
        if !self.stored.iter().enumerate().any(|(i, s)| s.exported && !self.taken.contains(&i)) {
            return;
        }
        let open = |index: &usize| {
            self.partner.get(*index).is_some_and(Option::is_none) && !self.repeated.contains(index)
        };
        let page = self.messages.iter().enumerate().filter(|(index, _)| open(index));
        let stored = self.stored.iter().enumerate().filter(|(i, s)| s.exported && !self.taken.contains(i));
        let mut pairing = Pairing::new(page, stored.map(|(i, s)| (i, &s.message)));
        let same = pairing.by_text();
        let edits: Vec<(usize, usize)> = pairing
            .by_place()
            .into_iter()
            .filter(|(index, stored)| {
                // Below, the page's last message may be it; above, what is not on the page is older news.
                let place = self
                    .stored
                    .get(*stored)
                    .is_some_and(|s| s.message.at_ms.saturating_add(NEAR_MS) < reach.below && !s.outside());
                place && self.messages.get(*index).is_some_and(|m| !m.derived_time)
            })
            .collect();
        self.rewritten.extend(edits.iter().map(|(index, _)| *index));
        for (index, stored) in same.into_iter().chain(edits) {
            self.pair(index, stored);
        }
    }

    fn pair_open(&mut self, agree: impl Fn(&Message, &Stored) -> bool) {
        let open = |(i, s): &(usize, &Stored)| !self.taken.contains(i) && !s.exported;
        let open: Vec<_> = self.stored.iter().enumerate().filter(open).collect();
        // Of two messages with ids these decide, so that most messages have nobody to be compared with.
        let nameless: Vec<_> = open.iter().copied().filter(|(_, s)| s.message.urn.is_none()).collect();
        for (index, message) in self.messages.iter().enumerate() {
            if self.partner.get(index).is_none_or(Option::is_some) || self.repeated.contains(&index) {
                continue;
            }
            let candidates = if message.urn.is_none() { &open } else { &nameless };
            let found = candidates.iter().find(|(i, s)| !self.taken.contains(i) && agree(message, s));
            if let Some((stored, _)) = found {
                self.pair(index, *stored);
            }
        }
    }

    fn pair(&mut self, index: usize, stored: usize) {
        if let Some(partner) = self.partner.get_mut(index) {
            *partner = Some(stored);
            self.taken.insert(stored);
        }
    }

    fn shown(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        // Oldest first, so that the archive is written in the order of time.
        for (index, message) in self.messages.iter().enumerate().rev() {
            if self.repeated.contains(&index) {
                continue;
            }
            match self.partner.get(index).copied().flatten().and_then(|i| Some((i, self.stored.get(i)?))) {
                None => changes.push(Change::Insert(index)),
                Some((at, stored)) if stored.exported => changes.push(Change::Update {
                    id: stored.id,
                    stored: at,
                    index,
                    edited: self.rewritten.contains(&index),
                    was_gone: stored.gone,
                }),
                Some((at, stored)) => changes.extend(difference(index, message, at, stored)),
            }
        }
        changes
    }

    fn lacking(&self, reach: &Reach) -> Vec<&'a Stored> {
        let expected = |s: &Stored| !s.message.derived_time && !s.outside();
        let near = self.stored.iter().enumerate();
        let near = near.filter(|(i, s)| reach.holds(s) && expected(s) && !self.taken.contains(i));
        let mut lacking: Vec<&Stored> = near.map(|(_, s)| s).collect();
        let room = usize::try_from(reach.room_below).unwrap_or(usize::MAX);
        if self.below.len() <= room {
            // Where either side lacks a time, a message may be stored below the page and yet be on it.
            let on_page: BTreeSet<MessageId> =
                self.taken.iter().filter_map(|i| Some(self.stored.get(*i)?.id)).collect();
            lacking.extend(self.below.iter().filter(|s| expected(s) && !on_page.contains(&s.id)));
        }
        lacking
    }
}

fn difference(index: usize, message: &Message, at: usize, stored: &Stored) -> Option<Change> {
    let old = &stored.message;
    let edited = !old.same_content(&message.kind, &message.text);
    // A URN once known is kept when a later answer leaves it out, and so is a time once served.
    let urn_news = message.urn.is_some() && message.urn != old.urn;
    let time_news = !message.derived_time && message.at_ms != old.at_ms;
    let other = old.sender != message.sender || old.raw != message.raw;
    if edited || urn_news || time_news || other {
        return Some(Change::Update { id: stored.id, stored: at, index, edited, was_gone: stored.gone });
    }
    stored.gone.then_some(Change::Back(stored.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::message::Sender;
    use crate::core::raw::Raw;

    fn message(urn: Option<&str>, at_ms: Ms, derived_time: bool) -> Message {
        Message {
            urn: urn.map(str::to_owned),
            at_ms,
            derived_time,
            untrusted_ms: None,
            sender: Sender::default(),
            kind: "TEXT".into(),
            text: "hello".into(),
            raw: Raw::default(),
        }
    }

    fn page(messages: Vec<Message>) -> Page {
        Page {
            returned: u32::try_from(messages.len()).unwrap(),
            messages,
            below: Below::End,
            conversation_urn: None,
            total: None,
            unread: None,
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    fn stored(id: i64, message: Message) -> Stored {
        Stored { id: MessageId(id), message, gone: false, exported: false, erased: false }
    }

    #[test]
    fn a_message_on_the_last_page_is_not_gone_for_being_stored_below_it() {
        // "a" comes without a time and so stands beside "c" on the page; "x" never had one.
        let served = page(vec![message(Some("c"), 90, false), message(Some("a"), 90, true)]);
        let a = stored(1, message(Some("a"), 10, false));
        let b = stored(2, message(Some("b"), 20, false));
        let x = stored(3, message(Some("x"), 5, true));
        let known =
            Known { near: vec![stored(4, message(Some("c"), 90, false)), a.clone()], below: vec![b, a, x] };
        let reach = Reach { above: 90, below: Ms::MAX, room_below: 8, edge_again: false, top_whole: false };
        let lacking = match_page(&served, &known).within(&reach).lacking;
        assert_eq!(lacking.iter().map(|s| s.id.0).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn an_erased_message_that_was_edited_is_known_at_the_border_of_a_page_too() {
        let edited = Message { text: "hello, edited".into(), ..message(None, 10, false) };
        let served = page(vec![message(None, 90, false), edited]);
        let erased = Stored { erased: true, ..stored(1, message(None, 10, false)) };
        let stored = stored(1, message(None, 10, false));
        let new = |before: &Stored, above, below, whole| {
            let reach = Reach { above, below, room_below: 0, edge_again: whole, top_whole: whole };
            let known = Known { near: vec![before.clone()], below: vec![] };
            let shown = match_page(&served, &known).within(&reach).shown;
            shown.iter().filter(|change| matches!(change, Change::Insert(_))).count()
        };
        for (above, below) in [(10, Ms::MAX), (5, 10)] {
            assert_eq!(new(&erased, above, below, true), 1);
            assert_eq!(new(&erased, above, below, false), 2);
            assert_eq!(new(&stored, above, below, true), 2);
        }
    }

    #[test]
    fn a_time_that_is_not_trusted_moves_and_edits_nothing_that_is_known() {
        let with_time =
            |time: &str| Raw { template: format!("{{\"timestamp\":{time},\"n\":1}}"), extra: None };
        let known = Message { raw: with_time(&mark::TIME.to_string()), ..message(Some("a"), 10, false) };
        let served =
            Message { untrusted_ms: Some(7210), raw: with_time("7210"), ..message(Some("a"), 9, true) };
        let known = Known { near: vec![stored(1, known)], below: vec![] };
        let changes = |served: &Message| {
            let page = page(vec![served.clone()]);
            let page = at_known_places(&page, &known);
            assert_eq!((page.messages[0].at_ms, page.messages[0].derived_time), (10, false));
            match_page(&page, &known).within(&Reach::NOWHERE).shown.len()
        };
        assert_eq!(changes(&served), 0);
        let other = with_time("7210").template.replace("1}", "2}");
        assert_eq!(changes(&Message { raw: Raw { template: other, extra: None }, ..served }), 1);
    }

    #[test]
    fn a_urn_goes_to_the_message_that_has_none() {
        // Two messages agree in everything. The archive knows the URN of the first, the page that of the second.
        let served = page(vec![message(None, 10, false), message(Some("second"), 10, false)]);
        let known = Known {
            near: vec![stored(2, message(None, 10, false)), stored(1, message(Some("first"), 10, false))],
            below: vec![],
        };
        let changes = match_page(&served, &known).within(&Reach::NOWHERE).shown;
        let updated: Vec<(MessageId, usize)> = changes
            .iter()
            .filter_map(|c| if let Change::Update { id, index, .. } = c { Some((*id, *index)) } else { None })
            .collect();
        assert_eq!((changes.len(), updated), (1, vec![(MessageId(2), 1)]));
    }
}
