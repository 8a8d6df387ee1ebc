//! Who wrote what a search finds, when and where: counts to narrow it by.

use std::collections::BTreeMap;

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, PersonId};
use crate::store::query::Statements as _;
use crate::store::search::{Found, Search, count};
use crate::store::{Queries, Result};

/// At most this many matches are counted, the newest ones.
pub const FACETED: usize = 500;

/// A search whose matches are counted looks at no more than this many messages.
const LOOKED_AT: u64 = 12_000;

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
    /// The newest matches, up to `limit`, and counts of these and more. The search is walked through once for both.
    pub fn search_with_facets(&self, search: &Search, limit: usize) -> Result<(Found, Facets)> {
        let (mut ids, ended) = self.ids(search, FACETED.saturating_add(1), LOOKED_AT)?;
        let mut facets = Facets { more: ids.len() > FACETED || ended.is_some(), ..Facets::default() };
        let mut statement =
            self.db().prepare_cached("SELECT sender, conversation, sent_at_ms FROM message WHERE id = ?1")?;
        for id in ids.iter().take(FACETED) {
            let mut rows = statement.query([id])?;
            let Some(row) = rows.next()? else { continue };
            let count = facets.senders.entry(row.get(0)?).or_default();
            *count = count.saturating_add(1);
            let count = facets.conversations.entry(row.get(1)?).or_default();
            *count = count.saturating_add(1);
            facets.times.push(row.get(2)?);
        }
        // Where the walk ended says something of what is shown only if all of that is shown.
        let ended = ended.filter(|_| ids.len() < limit);
        ids.truncate(limit);
        Ok((Found { counted: count(ids.len()), messages: self.found(ids)?, ended }, facets))
    }

    /// What these senders are called.
    pub fn names_of(&self, people: impl IntoIterator<Item = PersonId>) -> Result<BTreeMap<PersonId, String>> {
        let name = |id: PersonId| {
            let name = self.db().first::<String>("SELECT name FROM person WHERE id = ?1", [id])?;
            Ok((id, name.unwrap_or_default()))
        };
        people.into_iter().map(name).collect()
    }
}
