//! What stands in for an erased message when a page is compared with what is stored.
//!
//! The timeline knows nothing of erasure: to it, an erased message is one that is stored. If a page shows it, its twin
//! has the content of the page's message, so that nothing about it is new; if not, its twin has a content that no
//! message has, so that it is missing from the page like any other.

use crate::core::Ms;
use crate::core::erasure::{MarkKey, Marks};
use crate::core::model::ids::MessageId;
use crate::core::model::message::{Message, Sender};
use crate::core::raw::Raw;
use crate::core::timeline::identity::Stored;
use crate::core::timeline::pairing::NEAR_MS;

/// What no message says, and no sender is called.
const NOTHING: &str = "\0";

/// What is left of an erased message.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// The archive's id of the message.
    pub id: MessageId,
    /// What its marks are made with.
    pub key: MarkKey,
    /// When it was sent.
    pub at_ms: Ms,
    /// Its marks.
    pub marks: Marks,
    /// Whether the API has stopped returning it.
    pub gone: bool,
    /// Whether only the member's own export had shown it.
    pub exported: bool,
    /// Whether it says nothing of what a page covers: a draft or an advertisement of such an export, or a message that was
    /// dated ahead of when it came.
    pub outside: bool,
}

/// Whether a stand-in is of an erased message that was shown.
#[must_use]
pub fn is_shown(twin: &Stored) -> bool {
    twin.message.sender.name != NOTHING
}

/// Stand-ins for erased messages, given the messages that they are to be compared with.
#[must_use]
pub fn twins(tombstones: &[Tombstone], messages: &[Message]) -> Vec<Stored> {
    let mut partner: Vec<Option<(usize, Likeness)>> = vec![None; tombstones.len()];
    let mut taken = vec![false; messages.len()];
    for likeness in [Likeness::Urn, Likeness::Text, Likeness::Place] {
        for (tombstone, partner) in tombstones.iter().zip(&mut partner) {
            if partner.is_some() {
                continue;
            }
            let alike = |(index, message): &(usize, &Message)| {
                taken.get(*index).is_some_and(|taken| !taken) && likeness.is_of(tombstone, message)
            };
            if let Some((index, _)) = messages.iter().enumerate().find(alike) {
                *partner = Some((index, likeness));
                taken.get_mut(index).map(|taken| *taken = true).unwrap_or_default();
            }
        }
    }
    let twin = |(tombstone, partner): (&Tombstone, Option<(usize, Likeness)>)| {
        let shown = partner.and_then(|(index, likeness)| Some((messages.get(index)?, likeness)));
        tombstone.twin(shown)
    };
    tombstones.iter().zip(partner).map(twin).collect()
}

/// How a message of a page is known to be an erased one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// By its id.
    Urn,
    /// One side has no id: by time, sender and text.
    Text,
    /// The same but for the text: it was edited since.
    Place,
}

impl Likeness {
    fn is_of(self, tombstone: &Tombstone, message: &Message) -> bool {
        let Tombstone { key, at_ms, marks, .. } = tombstone;
        if self == Self::Urn {
            return marks.urn.is_some() && marks.urn == message.urn.as_deref().map(|urn| key.of_urn(urn));
        }
        if marks.urn.is_some() && message.urn.is_some() {
            return false;
        }
        // An export tells whole seconds, and not always the same one.
        let coarse = tombstone.exported || message.urn.is_none() && message.at_ms.rem_euclid(1000) == 0;
        let apart = message.at_ms.saturating_sub(*at_ms).saturating_abs();
        let near = if coarse { apart <= NEAR_MS } else { apart == 0 };
        let near = near || message.derived_time && (tombstone.outside || !tombstone.exported);
        let sender = message.sender.name.as_str();
        near && match self {
            Self::Urn => false,
            Self::Text => key.of_text(*at_ms, sender, &message.text) == marks.text,
            Self::Place => key.of_place(*at_ms, sender) == marks.place,
        }
    }
}

impl Tombstone {
    fn twin(&self, shown: Option<(&Message, Likeness)>) -> Stored {
        let placeholder = || format!("erased {}", self.id);
        let mut message = match shown {
            Some((message, _)) => message.clone(),
            None => Message {
                urn: None,
                at_ms: self.at_ms,
                derived_time: false,
                untrusted_ms: None,
                sender: Sender { name: NOTHING.to_owned(), ..Sender::default() },
                kind: if self.outside { "DRAFT" } else { "" }.to_owned(),
                text: NOTHING.to_owned(),
                raw: Raw::default(),
            },
        };
        // Only one without a time of its own is shown although it is outside.
        let derived = self.outside && shown.is_some();
        (message.at_ms, message.derived_time, message.untrusted_ms) = (self.at_ms, derived, None);
        match shown {
            Some((_, Likeness::Urn)) => {}
            _ => message.urn = self.marks.urn.map(|_| placeholder()),
        }
        if let Some((_, Likeness::Place)) = shown {
            NOTHING.clone_into(&mut message.text);
        }
        let exported = self.exported && !derived;
        Stored { id: self.id, message, gone: self.gone, exported, erased: true }
    }
}
