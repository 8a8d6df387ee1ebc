//! One page of the inbox: its conversations, each with its last message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::core::Ms;
use crate::core::model::page::Oddity;
use crate::core::model::urn;
use crate::core::raw::plausible;

/// One page of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxPage {
    /// Most recently active first.
    pub rows: Vec<InboxRow>,
    /// What fetches the next page, as the server gave it; `None` is the end, unless `more_without_cursor`.
    pub next_cursor: Option<String>,
    /// The answer says that there is more but gives no cursor to fetch it with: this page is not the end.
    pub more_without_cursor: bool,
    /// How many items the answer's list held: what the request is charged by.
    pub returned: u32,
    /// Items that name no conversation: kept aside, never dropped.
    pub oddities: Vec<Oddity>,
}

impl InboxPage {
    /// The profile of the mailbox's owner, as the names of all conversations on the page tell it; `None` where they do
    /// not agree.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let mut named = self.rows.iter().filter_map(|row| urn::owner(&row.conversation_urn));
        let first = named.next()?;
        named.all(|other| other == first).then_some(first)
    }

    /// When the last conversation of the page was active, which is what the inbox goes by, as the cursor tells it:
    /// `DESCENDING&<ms>&<thread>` in base64. `None` where it is another one.
    #[must_use]
    pub fn foot_ms(&self) -> Option<Ms> {
        let told = STANDARD_NO_PAD.decode(self.next_cursor.as_deref()?.trim_end_matches('=')).ok()?;
        let active = std::str::from_utf8(&told).ok()?.strip_prefix("DESCENDING&")?.split('&').next()?;
        active.parse().ok().filter(|active| plausible(*active))
    }

    /// Whether the answer says that this is the end of the inbox.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.next_cursor.is_none() && !self.more_without_cursor
    }
}

/// One conversation in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxRow {
    /// The conversation, as the answer names it.
    pub conversation_urn: String,
    /// The other side's display name, a group's title or its members' names.
    pub name: Option<String>,
    /// The other side's headline.
    pub headline: Option<String>,
    /// The other side's profile page.
    pub profile_url: Option<String>,
    /// The other side's picture.
    pub picture_url: Option<String>,
    /// Whether it is known to have more than one other side.
    pub group: bool,
    /// When the last message was sent.
    pub last_at_ms: Option<Ms>,
    /// The last message's text; may be empty.
    pub last_text: Option<String>,
    /// Unread messages.
    pub unread: Option<i64>,
    /// The conversation's type, verbatim.
    pub kind: Option<String>,
    /// The item as served.
    pub raw: String,
}
