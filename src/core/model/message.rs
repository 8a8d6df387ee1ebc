//! One message as the API served it, normalised, with everything that the columns do not model kept beside it.

use crate::core::Ms;
use crate::core::model::urn;
use crate::core::raw::Raw;

/// Who sent a message, as far as the answer says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Sender {
    /// Display name; empty when the API gave none.
    pub name: String,
    /// First name, where the answer has `sender_info`.
    pub first_name: Option<String>,
    /// Last name, where the answer has `sender_info`.
    pub last_name: Option<String>,
    /// Profile page, which v2 adds.
    pub profile_url: Option<String>,
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
}
