//! The name that a request gives to a conversation.

/// The conversation that a request is about: by its own id or by the other side's profile, never by both, and never by
/// nothing, for a request about nobody would still be charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRef {
    name: String,
    is_id: bool,
}

impl ConversationRef {
    /// By the conversation's URN or bare thread id; `None` where that is empty.
    #[must_use]
    pub fn by_id(id: &str) -> Option<Self> {
        Self::new(id, true)
    }

    /// By the other side's profile URL, from which the API finds the conversation; `None` where that is empty.
    #[must_use]
    pub fn by_profile(url: &str) -> Option<Self> {
        Self::new(url, false)
    }

    fn new(name: &str, is_id: bool) -> Option<Self> {
        (!name.trim().is_empty()).then(|| Self { name: name.to_owned(), is_id })
    }

    /// The conversation's URN or bare thread id, where it is named by that.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.is_id.then_some(&self.name)
    }

    /// The other side's profile URL, where the conversation is named by that.
    #[must_use]
    pub fn profile_url(&self) -> Option<&str> {
        (!self.is_id).then_some(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_named_by_its_id_or_a_profile_but_never_by_nothing() {
        let by_id = ConversationRef::by_id("2-abc").unwrap();
        assert_eq!((by_id.id(), by_id.profile_url()), (Some("2-abc"), None));
        let by_profile = ConversationRef::by_profile("https://www.linkedin.com/in/ada-example/").unwrap();
        assert_eq!(by_profile.id(), None);
        assert_eq!(by_profile.profile_url(), Some("https://www.linkedin.com/in/ada-example/"));
        assert_eq!([ConversationRef::by_id(" "), ConversationRef::by_profile("")], [None, None]);
    }
}
