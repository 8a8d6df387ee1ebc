//! Plain mailboxes for tests: so many messages, evenly spaced.

use crate::Ms;
use crate::model::{Author, Mailbox, Person};

impl Mailbox {
    /// The mailbox of an owner of this name.
    #[must_use]
    pub fn of(first_name: &str, last_name: &str) -> Self {
        Self::new(Person::named(first_name, last_name))
    }

    /// Adds a conversation with one person, of `count` messages from `start_ms` on, `every_ms` apart, the two sides
    /// taking turns, and gives its index. The texts are `message 1`, `message 2` and so on; all have been read.
    pub fn with_messages(&mut self, other: Person, count: usize, start_ms: Ms, every_ms: Ms) -> usize {
        let conversation = self.new_conversation(vec![other]);
        let mut at_ms = start_ms;
        for number in 1..=count {
            let author = if number % 2 == 0 { Author::Owner } else { Author::Other(0) };
            // There is such a conversation: it has just been made.
            let _index = self.send(conversation, author, at_ms, &format!("message {number}"));
            at_ms += every_ms;
        }
        if let Some(c) = self.conversation_mut(conversation) {
            c.unread = 0;
        }
        conversation
    }

    /// A mailbox with one conversation of `count` messages, an hour apart from `start_ms` on.
    #[must_use]
    pub fn plain(owner: (&str, &str), other: (&str, &str), count: usize, start_ms: Ms) -> Self {
        let mut mailbox = Self::of(owner.0, owner.1);
        mailbox.with_messages(Person::named(other.0, other.1), count, start_ms, 3_600_000);
        mailbox
    }
}
