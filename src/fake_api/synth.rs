//! Invented mailboxes, and time that moves in them.

use super::model::Author;
use super::server::Server;
use crate::core::Ms;

/// What happened in a step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A message arrived.
    Message,
}

impl Happening {
    /// One word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        "message"
    }
}

/// One step of time.
pub fn live(server: &mut Server, rng: &mut fastrand::Rng, now_ms: Ms) -> Happening {
    if let Some(m) = server.mailbox_mut(0) {
        let c = rng.usize(..m.conversations().len().max(1));
        m.send(c, Author::Other(0), now_ms, "hello");
    }
    Happening::Message
}
