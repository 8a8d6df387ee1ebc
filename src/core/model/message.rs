//! One message as the API served it, normalised, with everything that the columns do not model kept beside it.

use crate::core::Ms;
use crate::core::model::urn;
use crate::core::raw::Raw;
pub use crate::core::raw::Sender;
use crate::core::raw::render::{Fields, render};

/// The type of a message of an export that was never sent.
pub const DRAFT: &str = "DRAFT";
/// The type of a message of an export that is an advertisement.
pub const SPONSORED: &str = "SPONSORED";

/// Whether messages of this type are in an export only: the API is not expected to return them, so that their absence
/// says nothing, and their times are none of the conversation's.
#[must_use]
pub fn is_outside(kind: &str) -> bool {
    matches!(kind, DRAFT | SPONSORED)
}

/// One message of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The API's own id, stable per mailbox; `None` when the answer has none.
    pub urn: Option<String>,
    /// Where the message stands in time (ms): its `timestamp`, or what could be derived when that is missing
    /// or absurd.
    pub at_ms: Ms,
    /// Whether `at_ms` was derived from the URN or a neighbour because the served timestamp could not be used.
    /// Such a message marks the edge of a stretch only where its whole page has no times.
    pub derived_time: bool,
    /// The timestamp as it was just served, if it is not trusted. Not stored: the JSON holds it.
    pub untrusted_ms: Option<Ms>,
    /// Who sent it.
    pub sender: Sender,
    /// `TEXT`, `SYSTEM` or whatever else was served, verbatim; empty when missing.
    pub kind: String,
    /// The text; may be empty.
    pub text: String,
    /// How to rebuild the served JSON from the fields above, and what they do not model.
    pub raw: Raw,
}

impl Message {
    /// Whether its place is the time of creation that its URN tells.
    #[must_use]
    pub fn stands_at_creation(&self) -> bool {
        self.urn.as_deref().and_then(urn::created_ms) == Some(self.at_ms)
    }

    /// Whether the other message says the same: text and type, which is what an edit changes.
    #[must_use]
    pub fn same_content(&self, kind: &str, text: &str) -> bool {
        self.kind == kind && self.text == text
    }

    /// The JSON as the API served it, rebuilt.
    #[must_use]
    pub fn served_json(&self) -> String {
        let sender = &self.sender;
        let fields = Fields {
            text: &self.text,
            name: &sender.name,
            first_name: sender.first_name.as_deref(),
            last_name: sender.last_name.as_deref(),
            profile_url: sender.profile_url.as_deref(),
            kind: &self.kind,
            urn: self.urn.as_deref().map(|urn| [urn, "", ""]),
            extra: self.raw.extra.as_deref(),
        };
        let mut json = Vec::with_capacity(self.raw.template.len() + self.text.len());
        render(&self.raw.template, self.at_ms, &fields, &mut json);
        String::from_utf8(json).unwrap_or_default()
    }
}
