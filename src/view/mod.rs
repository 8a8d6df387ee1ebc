//! What a reader is shown, on whichever way they look: status, messages, search, people and statistics as values and JSON.

pub(crate) mod dates;
pub(crate) mod erasures;
pub(crate) mod lake;
pub(crate) mod local_time;
pub(crate) mod message;
pub(crate) mod people;
pub(crate) mod person;
pub(crate) mod search;
pub(crate) mod sinks;
pub(crate) mod stats;
pub(crate) mod status;

use crate::core::model::ids::ConversationId;
use crate::core::people::{Author, Correspondence, SentMessage};
use crate::core::planner::target;
use crate::core::printable::one_line;
use crate::store::{ConversationRow, Queries, Scope, StoreError};

/// What a conversation is called, on one line.
pub(crate) fn label(row: &ConversationRow) -> String {
    name(row.name.as_deref(), row.profile_url.as_deref(), row.conversation_id.as_deref(), row.id)
}

/// The same of its parts.
pub(crate) fn name(
    name: Option<&str>,
    profile_url: Option<&str>,
    conversation_id: Option<&str>,
    id: ConversationId,
) -> String {
    one_line(&target::label(name, profile_url, conversation_id, id))
}

/// Who wrote how much to whom in these messages; `each` sees every one.
pub(crate) fn correspondence(
    queries: &Queries<'_>,
    scope: &Scope,
    mut each: impl FnMut(Author, SentMessage),
) -> Result<Correspondence, StoreError> {
    let mut tally = Correspondence::new(&queries.senders()?);
    queries.lines(scope.conversation, scope.since_ms, scope.until_ms, |line| each(tally.add(line), line))?;
    Ok(tally)
}
