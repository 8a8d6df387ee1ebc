//! Messages erased at random between the runs of a history, and what must not come back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use archiver::store::{ConversationRow, Erasure, MessageRow, Scope, Selection, Store, Trigger};
use fastrand::Rng;

use super::{History, wild, world::Msg};

/// What was erased of each conversation.
#[derive(Default)]
pub(crate) struct Erasures {
    /// Messages by the numbers in their ids.
    numbers: BTreeSet<(usize, u32)>,
    /// Messages without ids: time and text.
    texts: BTreeMap<usize, Vec<(i64, String)>>,
    /// Before this, everything.
    floors: BTreeMap<usize, i64>,
}

impl Erasures {
    pub(crate) fn has(&self, conversation: usize, number: u32) -> bool {
        self.numbers.contains(&(conversation, number))
    }

    pub(crate) fn floor(&self, conversation: usize) -> i64 {
        self.floors.get(&conversation).copied().unwrap_or(i64::MIN)
    }

    /// What the server has of a conversation without ids that is not erased.
    pub(crate) fn leave<'a>(&self, conversation: usize, there: &'a [Msg]) -> Vec<&'a Msg> {
        let floor = self.floor(conversation);
        let mut left: Vec<&Msg> = there.iter().filter(|m| m.at >= floor).collect();
        for (at, text) in self.texts.get(&conversation).into_iter().flatten() {
            let as_stored = left.iter().position(|m| m.at == *at && m.versions[0] == *text);
            // One that is dated ahead was stored at another time.
            let ahead = || left.iter().position(|m| m.ahead && m.versions[0] == *text);
            if let Some(erased) = as_stored.or_else(ahead) {
                left.remove(erased);
            }
        }
        left
    }

    /// Erases nothing, a message, what somebody wrote, or everything before a moment.
    pub(crate) fn erase_something(&mut self, history: &History, store: &mut Store, rng: &mut Rng) {
        let rows: Vec<ConversationRow> = store.queries().conversations().unwrap();
        if rows.is_empty() || rng.u8(0..3) == 0 {
            return;
        }
        let conversation = &rows[rng.usize(0..rows.len())];
        let stored = stored_of(store, conversation);
        let Some(chosen) = stored.get(rng.usize(0..stored.len().max(1))) else { return };
        let (of, only, at) = (Some(vec![conversation.id]), chosen.id, chosen.message.at_ms);
        // Above a floor the server's count says nothing, and nothing else tells the end where pages never do.
        let kinds = if history.server.0.borrow().traits.wild.endless { 4 } else { 6 };
        let selection = match rng.u8(0..kinds) {
            0 | 1 => Selection { messages: Some(vec![only]), ..Selection::default() },
            2 | 3 => {
                let senders = store.queries().senders().unwrap();
                let same = senders.iter().filter(|s| s.name == chosen.message.sender.name);
                Selection {
                    conversations: of,
                    people: Some(same.map(|s| s.id).collect()),
                    ..Selection::default()
                }
            }
            4 => Selection { conversations: of, before_ms: Some(at), ..Selection::default() },
            _ => Selection { conversations: of, ..Selection::default() },
        };
        let goes = |row: &&MessageRow| {
            selection.messages.as_ref().is_none_or(|ids| ids.contains(&row.id))
                && selection.before_ms.is_none_or(|before| row.message.at_ms < before)
                && (selection.people.is_none() || row.message.sender.name == chosen.message.sender.name)
        };
        let preview = store.queries().erasure_preview(&selection).unwrap();
        let now = history.server.0.borrow().now;
        let erasure = Erasure { selection: &selection, reason: None, trigger: Trigger::Once, now };
        store.erase(&erasure).unwrap();
        let left: BTreeMap<_, _> =
            stored_of(store, conversation).into_iter().map(|row| (row.id, row)).collect();
        let place = wild::conversation_of(conversation.thread.as_deref().unwrap());
        let (erased, undated): (Vec<_>, Vec<_>) =
            stored.iter().filter(goes).partition(|row| !left.contains_key(&row.id));
        assert_eq!(preview.messages, i64::try_from(erased.len()).unwrap());
        assert_eq!(left.len() + erased.len(), stored.len(), "others have gone");
        // What is dated ahead may have been sent after that date, whatever it stands beside.
        let stays = |row: &&MessageRow| Some(left[&row.id].message.at_ms) >= selection.before_ms;
        assert!(undated.iter().all(|row| row.message.derived_time && stays(row)));
        for row in erased {
            match &row.message.urn {
                Some(urn) => drop(self.numbers.insert((place, wild::id_of(urn)))),
                None => {
                    self.texts.entry(place).or_default().push((row.message.at_ms, row.message.text.clone()))
                }
            }
        }
        // What nobody has seen yet stays.
        let newest = stored.iter().map(|row| row.message.at_ms).max().map(|newest| newest + 1);
        let before = selection.before_ms.or(newest).filter(|_| selection.is_stretch());
        if let Some(before) = before {
            let floor = self.floors.entry(place).or_insert(before);
            *floor = before.max(*floor);
        }
    }
}

fn stored_of(store: &Store, conversation: &ConversationRow) -> Vec<MessageRow> {
    let mut stored: Vec<MessageRow> = Vec::new();
    let scope = Scope { conversation: Some(conversation.id), ..Scope::default() };
    let add = |row: MessageRow| {
        stored.push(row);
        ControlFlow::<()>::Continue(())
    };
    store.queries().messages(&scope, None, add).unwrap();
    stored
}
