//! The archive's row ids, each a type of its own, so that none can be passed where another is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// An account.
    AccountId,
    /// A conversation.
    ConversationId,
    /// A message.
    MessageId,
    /// A sender, as one kind of answer describes them.
    PersonId,
    /// A run; later runs have greater ids. 0 stands for none.
    RunId,
    /// A row of the ledger.
    RequestId,
}

impl RunId {
    /// The run that comes so many runs after this one.
    #[must_use]
    pub fn plus(self, runs: i64) -> Self {
        Self(self.0.saturating_add(runs))
    }
}
