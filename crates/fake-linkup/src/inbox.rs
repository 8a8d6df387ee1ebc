//! The inbox: conversations by their last activity, newest first, and its opaque cursor.

use std::cmp::Reverse;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Ms;
use crate::model::{Conversation, Mailbox};

/// Which conversations an inbox request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Category {
    /// All that are not archived.
    #[default]
    Inbox,
    /// Those with unread messages.
    Unread,
    /// Those between members.
    MyConnections,
    /// Those that began with an InMail.
    InMail,
    /// Starred ones; this server has none.
    Starred,
}

impl FromStr for Category {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "INBOX" => Ok(Self::Inbox),
            "UNREAD" => Ok(Self::Unread),
            "MY_CONNECTIONS" => Ok(Self::MyConnections),
            "INMAIL" => Ok(Self::InMail),
            "STARRED" => Ok(Self::Starred),
            _ => Err(()),
        }
    }
}

impl Category {
    fn holds(self, c: &Conversation) -> bool {
        c.in_inbox
            && match self {
                Self::Inbox => true,
                Self::Unread => c.unread > 0,
                Self::MyConnections => c.kind != "INMAIL",
                Self::InMail => c.kind == "INMAIL",
                Self::Starred => false,
            }
    }
}

/// Where an inbox page ended: the next one begins below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxCursor {
    /// Last activity of the last row.
    pub at_ms: Ms,
    /// Thread id of the last row.
    pub thread: String,
}

impl InboxCursor {
    /// The opaque text that answers hold.
    #[must_use]
    pub fn encode(&self) -> String {
        STANDARD.encode(format!("DESCENDING&{}&{}", self.at_ms, self.thread))
    }

    /// Reads what [`Self::encode`] wrote.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let (at_ms, thread) = text.strip_prefix("DESCENDING&")?.split_once('&')?;
        Some(Self { at_ms: at_ms.parse().ok()?, thread: thread.to_owned() })
    }
}

/// A page of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxPage<'a> {
    /// Indices and conversations, most recently active first.
    pub rows: Vec<(usize, &'a Conversation)>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<InboxCursor>,
}

impl Mailbox {
    /// At most `count` conversations below the cursor. One without messages has no place in it.
    #[must_use]
    pub fn inbox(&self, category: Category, cursor: Option<&InboxCursor>, count: usize) -> InboxPage<'_> {
        let shown = self.conversations().iter().enumerate().filter(|(_, c)| category.holds(c));
        let mut rows: Vec<(Ms, &str, usize, &Conversation)> = shown
            .filter_map(|(i, c)| {
                let active = Some(c.last()?.at_ms).max(c.moved_up_ms)?;
                Some((active, c.thread.as_str(), i, c))
            })
            .filter(|(at, thread, ..)| {
                cursor.is_none_or(|c| (Reverse(*at), *thread) > (Reverse(c.at_ms), c.thread.as_str()))
            })
            .collect();
        rows.sort_unstable_by_key(|(at, thread, ..)| (Reverse(*at), *thread));
        let more = rows.len() > count;
        rows.truncate(count);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|(at_ms, thread, ..)| InboxCursor { at_ms: *at_ms, thread: (*thread).to_owned() });
        InboxPage { rows: rows.into_iter().map(|(_, _, i, c)| (i, c)).collect(), next_cursor }
    }
}
