//! One account's mailbox as the server holds it: conversations, messages, and what may happen to them.
//!
//! Pure and fast: times are arguments, lookups are binary searches, and [`Mailbox::page`] touches no JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Ms;
use crate::urn::{self, thread_key};

/// A member, as an answer describes one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// Profile id, `ACoAA…`.
    pub id: String,
    /// Display name.
    pub name: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The line below the name.
    pub headline: String,
    /// Profile page; `None` for a member who left.
    pub profile_url: Option<String>,
    /// Address of the portrait.
    pub picture: Option<String>,
}

impl Person {
    /// A person with everything that follows from a first and a last name.
    #[must_use]
    pub fn named(first_name: &str, last_name: &str) -> Self {
        let name = format!("{first_name} {last_name}");
        let slug = name.to_lowercase().replace(' ', "-");
        Self {
            id: urn::profile_id(urn::hash(&slug)),
            headline: format!("{first_name} at Example"),
            profile_url: Some(format!("https://www.linkedin.com/in/{slug}/")),
            picture: None,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            name,
        }
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// The mailbox's owner.
    Owner,
    /// The other participant with this index.
    Other(usize),
}

/// What a message said before it was edited or recalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Earlier {
    /// The type it had.
    pub kind: Cow<'static, str>,
    /// The text it had.
    pub text: String,
}

/// A message as the server holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// Its number in the mailbox, in order of arrival; never used twice.
    pub serial: u64,
    /// When it was delivered: the `timestamp` of answers.
    pub at_ms: Ms,
    /// When it was created, which its URN tells: a little earlier.
    pub created_ms: Ms,
    /// Its `entity_urn`.
    pub urn: String,
    /// Who wrote it.
    pub author: Author,
    /// Its `message_type`.
    pub kind: Cow<'static, str>,
    /// Its text.
    pub text: String,
    /// Fields that no documentation mentions, served with it.
    pub extra: Option<Box<Map<String, Value>>>,
    /// Whether it has vanished from answers.
    pub deleted: bool,
    /// What it said before, oldest first.
    pub earlier: Vec<Earlier>,
}

impl ServerMessage {
    /// Whether the author took it back.
    #[must_use]
    pub fn recalled(&self) -> bool {
        self.kind == RECALLED
    }

    fn change(&mut self, kind: Cow<'static, str>, text: String) {
        let kind = std::mem::replace(&mut self.kind, kind);
        let text = std::mem::replace(&mut self.text, text);
        self.earlier.push(Earlier { kind, text });
    }
}

/// The type of an ordinary message.
pub const TEXT: &str = "TEXT";
/// The type of a notice by LinkedIn itself.
pub const SYSTEM: &str = "SYSTEM";
/// The type of a message that its author took back.
pub const RECALLED: &str = "RECALLED";

/// A message to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who writes it.
    pub author: Author,
    /// When it is delivered.
    pub at_ms: Ms,
    /// Its type.
    pub kind: Cow<'static, str>,
    /// Its text.
    pub text: String,
    /// Undocumented fields.
    pub extra: Option<Box<Map<String, Value>>>,
}

/// A page of a conversation, as exact as the server can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypedPage<'a> {
    /// Newest first.
    pub messages: Vec<&'a ServerMessage>,
    /// The time of the last message above; `None` at the end.
    pub next_cursor: Option<Ms>,
    /// Whether older messages exist.
    pub has_next: bool,
}

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its full name.
    pub urn: String,
    /// Its bare thread id, `2-…`.
    pub thread: String,
    /// Everybody but the owner.
    pub others: Vec<Person>,
    /// The title of a group.
    pub title: Option<String>,
    /// `type` in the inbox.
    pub kind: Cow<'static, str>,
    /// Whether the inbox shows it; archived threads are not shown.
    pub in_inbox: bool,
    /// Unread messages.
    pub unread: u32,
    /// When the other side last looked.
    pub last_seen_at: Option<Ms>,
    /// Messages older than this are no longer served.
    pub retained_from: Option<Ms>,
    /// Pages lag behind the inbox: they show nothing newer than this.
    pub pages_up_to: Option<Ms>,
    /// When something other than a message moved it up in the inbox.
    pub moved_up_ms: Option<Ms>,
    uuid: String,
    messages: Vec<ServerMessage>,
}

impl Conversation {
    /// Every message that ever was, oldest first, vanished ones included.
    #[must_use]
    pub fn messages(&self) -> &[ServerMessage] {
        &self.messages
    }

    /// The messages that answers can hold, oldest first.
    pub fn visible(&self) -> impl DoubleEndedIterator<Item = &ServerMessage> {
        let from = self.first_retained();
        self.messages.get(from..).unwrap_or_default().iter().filter(|m| !m.deleted)
    }

    /// The newest message that answers can hold.
    #[must_use]
    pub fn last(&self) -> Option<&ServerMessage> {
        self.visible().next_back()
    }

    /// At most `count` messages below the cursor, newest first. `inclusive` decides whether the cursor's own
    /// millisecond belongs to the page.
    #[must_use]
    pub fn page(&self, cursor: Option<Ms>, count: usize, inclusive: bool) -> TypedPage<'_> {
        let end = cursor.map_or(self.messages.len(), |c| {
            self.messages.partition_point(|m| m.at_ms < c || (inclusive && m.at_ms == c))
        });
        let end =
            self.pages_up_to.map_or(end, |last| end.min(self.messages.partition_point(|m| m.at_ms <= last)));
        let start = self.first_retained().min(end);
        let below = self.messages.get(start..end).unwrap_or_default();
        let mut visible = below.iter().rev().filter(|m| !m.deleted);
        let messages: Vec<&ServerMessage> = visible.by_ref().take(count).collect();
        let has_next = visible.next().is_some();
        let next_cursor = if has_next { messages.last().map(|m| m.at_ms) } else { None };
        TypedPage { messages, next_cursor, has_next }
    }

    fn first_retained(&self) -> usize {
        self.retained_from.map_or(0, |from| self.messages.partition_point(|m| m.at_ms < from))
    }
}

/// One account's conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Whose mailbox it is.
    pub owner: Person,
    conversations: Vec<Conversation>,
    next_serial: u64,
    by_thread: BTreeMap<String, usize>,
    by_profile: BTreeMap<String, usize>,
}

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new(owner: Person) -> Self {
        Self {
            owner,
            conversations: Vec::new(),
            next_serial: 1,
            by_thread: BTreeMap::new(),
            by_profile: BTreeMap::new(),
        }
    }

    /// All conversations, in order of creation; their position is the index that other functions take.
    #[must_use]
    pub fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    /// A conversation by index.
    #[must_use]
    pub fn conversation(&self, index: usize) -> Option<&Conversation> {
        self.conversations.get(index)
    }

    /// A conversation by index, to change what does not depend on its messages.
    pub fn conversation_mut(&mut self, index: usize) -> Option<&mut Conversation> {
        self.conversations.get_mut(index)
    }

    /// Begins a conversation and gives its index. A profile leads to the first one with that person alone.
    pub fn new_conversation(&mut self, others: Vec<Person>) -> usize {
        let index = self.conversations.len();
        let number = u64::try_from(index).unwrap_or(u64::MAX);
        let uuid = urn::uuid(urn::hash(&self.owner.id).wrapping_add(number));
        let thread = urn::thread(&uuid);
        self.by_thread.insert(thread_key(&thread), index);
        if let [only] = others.as_slice() {
            let address = only.profile_url.as_deref().and_then(urn::profile_key);
            for key in [address, Some(only.id.to_lowercase())].into_iter().flatten() {
                self.by_profile.entry(key).or_insert(index);
            }
        }
        let kind = if others.len() > 1 { "GROUP" } else { "MEMBER_TO_MEMBER" };
        self.conversations.push(Conversation {
            urn: urn::conversation(&self.owner.id, &thread),
            thread,
            others,
            title: None,
            kind: Cow::Borrowed(kind),
            in_inbox: true,
            unread: 0,
            last_seen_at: None,
            retained_from: None,
            pages_up_to: None,
            moved_up_ms: None,
            uuid,
            messages: Vec::new(),
        });
        index
    }

    /// The conversation of this name: the full URN, or the bare thread id with or without its `=`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let index = *self.by_thread.get(&thread_key(name))?;
        // Somebody else's mailbox holds the same thread under another owner: that name is not known here.
        let full = crate::urn::is_conversation(name);
        let owner = format!("(urn:li:fsd_profile:{},", self.owner.id);
        (!full || name.contains(&owner)).then_some(index)
    }

    /// The conversation with the member whose profile page this is.
    #[must_use]
    pub fn find_profile(&self, address: &str) -> Option<usize> {
        self.by_profile.get(&urn::profile_key(address)?).copied()
    }

    /// The conversation that any of its names or its profile's address leads to.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<usize> {
        self.find(name).or_else(|| self.find_profile(name))
    }

    /// Delivers an ordinary message and gives its index; `None` when there is no such conversation.
    pub fn send(&mut self, conversation: usize, author: Author, at_ms: Ms, text: &str) -> Option<usize> {
        let draft = Draft { author, at_ms, kind: Cow::Borrowed(TEXT), text: text.to_owned(), extra: None };
        self.deliver(conversation, draft)
    }

    /// Delivers any message and gives its index. One that is older than those already there is sorted in, after
    /// those of the same millisecond.
    pub fn deliver(&mut self, conversation: usize, draft: Draft) -> Option<usize> {
        let serial = self.next_serial;
        let owner_id = &self.owner.id;
        let c = self.conversations.get_mut(conversation)?;
        let before = 80 + i64::try_from(urn::mix(serial) % 121).unwrap_or_default();
        let created_ms = draft.at_ms - before;
        let message = ServerMessage {
            serial,
            at_ms: draft.at_ms,
            created_ms,
            urn: urn::message(owner_id, created_ms, serial, &c.uuid),
            author: draft.author,
            kind: draft.kind,
            text: draft.text,
            extra: draft.extra,
            deleted: false,
            earlier: Vec::new(),
        };
        let index = c.messages.partition_point(|m| m.at_ms <= draft.at_ms);
        c.messages.insert(index, message);
        c.unread = if draft.author == Author::Owner { 0 } else { c.unread.saturating_add(1) };
        self.next_serial += 1;
        Some(index)
    }

    /// Gives a message another text; whether there is such a message.
    pub fn edit(&mut self, conversation: usize, index: usize, text: &str) -> bool {
        self.with(conversation, index, |m| {
            let kind = m.kind.clone();
            m.change(kind, text.to_owned());
        })
    }

    /// Takes a message back: its place stays, its text goes.
    pub fn recall(&mut self, conversation: usize, index: usize) -> bool {
        self.with(conversation, index, |m| m.change(Cow::Borrowed(RECALLED), String::new()))
    }

    /// Makes a message vanish from answers.
    pub fn delete(&mut self, conversation: usize, index: usize) -> bool {
        self.with(conversation, index, |m| m.deleted = true)
    }

    /// Makes a vanished message appear again.
    pub fn restore(&mut self, conversation: usize, index: usize) -> bool {
        self.with(conversation, index, |m| m.deleted = false)
    }

    /// A page of a conversation: see [`Conversation::page`]. Empty when there is no such conversation.
    #[must_use]
    pub fn page(
        &self,
        conversation: usize,
        cursor: Option<Ms>,
        count: usize,
        inclusive: bool,
    ) -> TypedPage<'_> {
        self.conversation(conversation).map(|c| c.page(cursor, count, inclusive)).unwrap_or_default()
    }

    /// The person who wrote a message.
    #[must_use]
    pub fn author<'a>(&'a self, conversation: &'a Conversation, author: Author) -> &'a Person {
        match author {
            Author::Owner => &self.owner,
            Author::Other(index) => conversation.others.get(index).unwrap_or(&self.owner),
        }
    }

    fn with(&mut self, conversation: usize, index: usize, act: impl FnOnce(&mut ServerMessage)) -> bool {
        let message = self.conversations.get_mut(conversation).and_then(|c| c.messages.get_mut(index));
        message.map(act).is_some()
    }
}

#[cfg(test)]
mod tests;
