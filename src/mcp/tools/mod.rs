//! The tools: what each is called, takes and answers.

mod conversations;
mod people;
mod read;
mod search;
mod status;

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answers::{self, ConversationsAnswer, PeopleAnswer, ReadAnswer, SearchAnswer, StatusAnswer};
use super::arguments::{Argument, Arguments};
use super::failure::ToolFailure;
use crate::core::model::ids::ConversationId;
use crate::core::planner::target;
use crate::look::Glance;

/// A tool.
pub(super) struct ToolSpec {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) arguments: &'static [Argument],
    /// The schema of its answers.
    pub(super) answers: fn() -> Map<String, Value>,
    pub(super) call: Call,
}

/// Answers are in this time zone, and so are the dates of questions.
const ZONE: Tz = Tz::UTC;

/// Makes an answer, as JSON.
type Call = fn(&Glance<'_>, &Arguments) -> Result<Value, ToolFailure>;

/// Every tool there is. None of them writes, spends, or takes a path.
pub(super) const TOOLS: [ToolSpec; 5] = [
    ToolSpec {
        name: "search_messages",
        title: "Search messages",
        about: "Search the archived LinkedIn messages. Words must all occur; \"phrases\", beginnings*, OR and -not work, \
            and so do the filters from:NAME (from:me is the owner) in:CONVERSATION before:DATE after:DATE on:DATE type:TEXT \
            has:link has:attachment is:edited is:gone is:mine, each also with - before it. Dates (UTC) are 2024, 2024-03, \
            2024-03-05, yesterday, 7d, 2w, 6mo or 1y. Finds text as it is written, not what it means: try several words. \
            Read around a hit with read_conversation and its message_id.",
        arguments: search::ARGUMENTS,
        answers: answers::schema::<SearchAnswer>,
        call: search::call,
    },
    ToolSpec {
        name: "list_conversations",
        title: "List conversations",
        about: "List the archived conversations, most recently active first, each with how much of it is archived.",
        arguments: conversations::ARGUMENTS,
        answers: answers::schema::<ConversationsAnswer>,
        call: conversations::call,
    },
    ToolSpec {
        name: "read_conversation",
        title: "Read a conversation",
        about: "Read a conversation, oldest message first: its end, its beginning, from a date on, or around a message. \
            older_cursor and newer_cursor lead on; a message's text_cursor leads on in a long text.",
        arguments: read::ARGUMENTS,
        answers: answers::brief_schema::<ReadAnswer>,
        call: read::call,
    },
    ToolSpec {
        name: "list_people",
        title: "List people",
        about: "List the people that the owner corresponds with: messages both ways, and how fast each side answers.",
        arguments: people::ARGUMENTS,
        answers: answers::schema::<PeopleAnswer>,
        call: people::call,
    },
    ToolSpec {
        name: "archive_status",
        title: "Status of the archive",
        about: "How complete and how fresh the archive is, what is missing and what filling it costs, credits spent and \
            left, and what needs the user's attention.",
        arguments: status::ARGUMENTS,
        answers: answers::whole_schema::<StatusAnswer>,
        call: status::call,
    },
];

/// An answer as JSON.
fn json(answer: &impl Serialize) -> Result<Value, ToolFailure> {
    serde_json::to_value(answer).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        ToolFailure::new("something went wrong in archiver", "ask for less, or for something else")
    })
}

/// Conversations that an error lists.
const LISTED: usize = 10;

/// The conversation that a word names: its number, LinkedIn's id of it, a profile, or a part of its name.
fn conversation_called(look: &Glance<'_>, word: &str) -> Result<ConversationId, ToolFailure> {
    if let Some(id) = word.parse().ok().map(ConversationId)
        && look.queries.has_conversation(id)?
    {
        return Ok(id);
    }
    if let Some(id) = look.queries.conversation_by_key(word)? {
        return Ok(id);
    }
    // Names have no index.
    let candidates = look.candidates()?;
    match target::matching(&candidates, word).as_slice() {
        [one] => Ok(one.id),
        [] => Err(ToolFailure::argument(
            "conversation",
            "no conversation has this number, id, profile or name; list_conversations with `name` finds parts of names"
                .to_owned(),
        )),
        several => {
            let named = several.iter().take(LISTED).map(|one| format!("{}: {}", one.id, one.label()));
            let why = format!("it may mean {} conversations; give the number of one, as list_conversations has it", several.len());
            Err(ToolFailure::argument("conversation", why).with_untrusted(&named.collect::<Vec<_>>().join("; ")))
        }
    }
}
