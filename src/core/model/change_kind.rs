//! How a message can change.

/// How a message was changed. A CHECK of the schema has the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was stored for the first time.
    New,
    /// Its text, its type or something else has changed.
    Edited,
    /// The API no longer returns it.
    Gone,
    /// The API returns it again.
    Back,
    /// It was erased on purpose.
    Erased,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::New, Self::Edited, Self::Gone, Self::Back, Self::Erased];

    /// As the archive and the configuration name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Edited => "edited",
            Self::Gone => "gone",
            Self::Back => "back",
            Self::Erased => "erased",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
