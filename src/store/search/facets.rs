//! Who wrote what a search finds, when and where: counts to narrow it by.

use std::collections::BTreeMap;

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, PersonId};
use crate::store::query::Statements as _;
use crate::store::search::{LOOKED_AT, Search};
use crate::store::{Queries, Result};

/// At most this many matches are counted, the newest ones.
pub const FACETED: usize = 1_000;

/// Counts of the newest matches of a search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facets {
    /// By sender, as the archive describes them.
    pub senders: BTreeMap<PersonId, u64>,
    /// By conversation.
    pub conversations: BTreeMap<ConversationId, u64>,
    /// When each was sent.
    pub times: Vec<Ms>,
    /// Whether there are more matches than were counted.
    pub more: bool,
}

impl Queries<'_> {
    /// Counts the newest matches of a search, wherever a look at them would begin.
    pub fn facets(&self, search: &Search) -> Result<Facets> {
        let search = Search { below: None, ..search.clone() };
        let (ids, ended) = self.ids(&search, FACETED.saturating_add(1), LOOKED_AT)?;
        let mut facets = Facets { more: ids.len() > FACETED || ended.is_some(), ..Facets::default() };
        let sql = "SELECT sender, conversation, sent_at_ms FROM message WHERE id = ?1";
        for id in ids.iter().take(FACETED) {
            let Some((sender, conversation, at)) = self.db().first(sql, [id])? else { continue };
            let count = facets.senders.entry(sender).or_default();
            *count = count.saturating_add(1);
            let count = facets.conversations.entry(conversation).or_default();
            *count = count.saturating_add(1);
            facets.times.push(at);
        }
        Ok(facets)
    }
}
