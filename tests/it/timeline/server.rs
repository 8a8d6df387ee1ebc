//! A server that is nothing but the full list of a conversation's messages.

use archiver::core::Ms;
use archiver::core::model::cursor::Cursor;
use archiver::core::model::message::{Message, Sender};
use archiver::core::model::page::{Below, Page};
use archiver::core::raw::Raw;

/// When the conversation begins. Scripts and pictures count from here.
pub(super) const T0: Ms = 1_700_000_000_000;

/// What a cursor is to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cursors {
    Ms,
    Seconds,
    /// Names a place exactly, and only this server can make one.
    Opaque,
}

/// Which messages carry a URN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urns {
    All,
    None,
    /// Now this one, now that one.
    Sometimes,
}

#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) cursors: Cursors,
    /// Whether a page begins with what stands at the cursor, or below it.
    pub(super) inclusive: bool,
    pub(super) urns: Urns,
    /// Whether the server counts the conversation's messages.
    pub(super) counts: bool,
    /// Whether a page that is full says "more" even when nothing is left.
    pub(super) late_end: bool,
    /// The most messages a page holds, whatever is asked for.
    pub(super) cap: usize,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            cursors: Cursors::Ms,
            inclusive: false,
            urns: Urns::All,
            counts: false,
            late_end: false,
            cap: 1000,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Msg {
    pub(super) id: usize,
    pub(super) at: Ms,
    /// Orders the messages of one instant.
    order: usize,
    pub(super) text: String,
    pub(super) deleted: bool,
    /// Mostly served without a usable timestamp.
    timeless: bool,
    /// The look at the head after which it was sent.
    pub(super) born: usize,
}

/// A page, and which of the server's messages are on it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) page: Page,
    pub(super) ids: Vec<usize>,
}

pub(super) struct Server {
    pub(super) manner: Manner,
    /// Oldest first.
    pub(super) list: Vec<Msg>,
    served: usize,
}

impl Server {
    pub(super) fn new(manner: Manner) -> Self {
        Self { manner, list: Vec::new(), served: 0 }
    }

    fn unit(&self) -> Ms {
        if self.manner.cursors == Cursors::Seconds { 1000 } else { 1 }
    }

    /// A new message so much later than the last one. `order` decides where it stands among those of its instant.
    pub(super) fn send(&mut self, later: Ms, order: usize, timeless: bool, born: usize) {
        let id = self.list.len();
        let newest = self.list.iter().map(|m| m.at).max();
        // A page that cannot hold all of one instant never gets past it.
        let crowded =
            self.list.iter().filter(|m| Some(m.at) == newest).count() >= 5 && self.manner.cap < 1000;
        let later = if crowded { later.max(1) } else { later };
        let at = newest.map_or(T0, |newest| newest + later * self.unit());
        // Without a time and without a URN equal messages are not to be told apart.
        let timeless = timeless && self.manner.urns == Urns::All;
        let timeless = timeless && self.list.iter().max_by_key(|m| m.id).is_none_or(|m| !m.timeless);
        let text = if self.manner.urns == Urns::All { format!("m{id}") } else { format!("t{}", order % 2) };
        self.list.push(Msg { id, at, order, text, deleted: false, timeless, born });
        self.list.sort_by_key(|m| (m.at, m.order, m.id));
    }

    pub(super) fn by_id(&self, id: usize) -> &Msg {
        self.list.iter().find(|m| m.id == id).unwrap()
    }

    pub(super) fn by_id_mut(&mut self, id: usize) -> &mut Msg {
        self.list.iter_mut().find(|m| m.id == id).unwrap()
    }

    fn is_below(&self, m: &Msg, cursor: &Cursor) -> bool {
        let reaches = |at: Ms, number: Ms| if self.manner.inclusive { at <= number } else { at < number };
        match (self.manner.cursors, cursor.number(), cursor.text().split_once('/')) {
            (Cursors::Ms, Some(number), _) => reaches(m.at, number),
            (Cursors::Seconds, Some(number), _) => reaches(m.at / 1000, number),
            (Cursors::Opaque, _, Some((at, rest))) => {
                let (order, id) = rest.split_once('/').unwrap();
                let place = (at.parse().unwrap(), order.parse().unwrap(), id.parse().unwrap());
                (m.at, m.order, m.id) < place
            }
            // A cursor that this server never gave: it begins at the top.
            _ => true,
        }
    }

    pub(super) fn serve(&mut self, cursor: Option<&Cursor>, count: usize) -> Served {
        self.served += 1;
        let all: Vec<&Msg> = self
            .list
            .iter()
            .rev()
            .filter(|m| !m.deleted && cursor.is_none_or(|c| self.is_below(m, c)))
            .collect();
        let on_page: Vec<&Msg> = all.iter().take(count.min(self.manner.cap)).copied().collect();
        let full = on_page.len() == count;
        let more = all.len() > on_page.len() || (self.manner.late_end && full);
        let below = match on_page.last() {
            Some(last) if more => Below::More(self.cursor_at(last)),
            _ => Below::End,
        };
        let total = self.list.iter().filter(|m| !m.deleted).count();
        let page = Page {
            messages: self.messages(&on_page),
            below,
            returned: u32::try_from(on_page.len()).unwrap(),
            conversation_urn: None,
            total: self.manner.counts.then(|| i64::try_from(total).unwrap()),
            unread: None,
            last_seen_ms: None,
            oddities: Vec::new(),
        };
        Served { page, ids: on_page.iter().map(|m| m.id).collect() }
    }

    pub(super) fn cursor_at(&self, last: &Msg) -> Cursor {
        Cursor::served(match self.manner.cursors {
            Cursors::Ms => last.at.to_string(),
            Cursors::Seconds => (last.at / 1000).to_string(),
            Cursors::Opaque => format!("{}/{}/{}", last.at, last.order, last.id),
        })
    }

    /// As the reader of answers makes them: a message without a time stands where its newer neighbour does.
    fn messages(&self, on_page: &[&Msg]) -> Vec<Message> {
        let timeless = |m: &Msg| m.timeless && !(m.id + self.served).is_multiple_of(3);
        let mut place = on_page.iter().find(|m| !timeless(m)).map_or(T0 - 1, |m| m.at);
        let mut messages = Vec::new();
        for m in on_page {
            place = if timeless(m) { place } else { m.at };
            let with_urn = match self.manner.urns {
                Urns::All => true,
                Urns::None => false,
                Urns::Sometimes => (m.id + self.served).is_multiple_of(3),
            };
            messages.push(Message {
                urn: with_urn.then(|| format!("u{}", m.id)),
                at_ms: place,
                derived_time: timeless(m),
                untrusted_ms: None,
                sender: Sender { name: "Ada Example".into(), ..Sender::default() },
                kind: "TEXT".into(),
                text: m.text.clone(),
                raw: Raw::default(),
            });
        }
        messages
    }
}
