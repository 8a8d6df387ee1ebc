//! Cursors: where an answer goes on, opaque to whoever carries them, and good for one question only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::failure::ToolFailure;
use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::store::{HeadPlace, MessagePlace};

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Onward {
    /// After so many.
    Skip(usize),
    /// After this conversation of a list that began at this time.
    Head(HeadPlace, Option<Ms>),
    /// Below this message, among those that a search finds.
    Below(MessageId),
    /// Before this place in a conversation.
    Before(MessagePlace),
    /// After it.
    After(MessagePlace),
    /// Within a message's text, from this byte on.
    Within(MessageId, usize),
}

impl Onward {
    /// The cursor of this place in the answer to a question.
    pub(super) fn cursor(self, question: i64) -> String {
        let place = match self {
            Self::Skip(n) => format!("s.{n}"),
            Self::Head(place, top_ms) => format!("h.{}.{}.{}", time(place.newest_ms), place.id, time(top_ms)),
            Self::Below(id) => format!("m.{id}"),
            Self::Before(place) => format!("b.{}.{}", place.at_ms, place.id),
            Self::After(place) => format!("a.{}.{}", place.at_ms, place.id),
            // A text is the same whatever was asked for.
            Self::Within(id, from) => return URL_SAFE_NO_PAD.encode(format!("t.{id}.{from}.0")),
        };
        URL_SAFE_NO_PAD.encode(format!("{place}.{question:x}"))
    }

    /// The place of a cursor that the same question was answered with.
    pub(super) fn of(cursor: &str, question: i64) -> Result<Self, ToolFailure> {
        let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let none = || {
            ToolFailure::argument(
                "cursor",
                "it is not one that this tool has given; leave it out to begin anew".to_owned(),
            )
        };
        let text = text.ok_or_else(none)?;
        let parts: Vec<&str> = text.split('.').collect();
        let place = |at: &str, id: &str| {
            Some(MessagePlace { at_ms: at.parse().ok()?, id: MessageId(id.parse().ok()?) })
        };
        let (found, of) = match parts.as_slice() {
            ["h", at, id, top, of] => {
                let place =
                    || Some(HeadPlace { newest_ms: time_of(at)?, id: ConversationId(id.parse().ok()?) });
                (place().zip(time_of(top)).map(|(place, top_ms)| Self::Head(place, top_ms)), of)
            }
            ["s", n, of] => (n.parse().ok().map(Self::Skip), of),
            ["m", id, of] => (id.parse().ok().map(|id| Self::Below(MessageId(id))), of),
            ["b", at, id, of] => (place(at, id).map(Self::Before), of),
            ["a", at, id, of] => (place(at, id).map(Self::After), of),
            ["t", id, from, _] => {
                let within = id.parse().ok().zip(from.parse().ok());
                return within.map(|(id, from)| Self::Within(MessageId(id), from)).ok_or_else(none);
            }
            _ => return Err(none()),
        };
        let found = found.ok_or_else(none)?;
        if *of == format!("{question:x}") {
            return Ok(found);
        }
        Err(ToolFailure::argument(
            "cursor",
            "it belongs to a call with other arguments; repeat those, or leave the cursor out".to_owned(),
        ))
    }
}

/// A time that there may not be.
fn time(at_ms: Option<Ms>) -> String {
    at_ms.map_or_else(|| "x".to_owned(), |at_ms| at_ms.to_string())
}

fn time_of(text: &str) -> Option<Option<Ms>> {
    if text == "x" { Some(None) } else { text.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cursors_lead_back_to_their_place_and_only_for_their_question() {
        let place = MessagePlace { at_ms: -5, id: MessageId(7) };
        let head = |newest_ms| Onward::Head(HeadPlace { newest_ms, id: ConversationId(4) }, newest_ms);
        for onward in [
            Onward::Skip(3),
            Onward::Below(MessageId(9)),
            Onward::Before(place),
            Onward::After(place),
            head(Some(-7)),
            head(None),
        ] {
            let cursor = onward.cursor(42);
            assert_eq!(Onward::of(&cursor, 42), Ok(onward));
            assert!(Onward::of(&cursor, 43).unwrap_err().to_string().contains("other arguments"));
        }
        let text = Onward::Within(MessageId(9), 2000);
        assert_eq!(Onward::of(&text.cursor(1), 2), Ok(text));
    }

    proptest! {
        #[test]
        fn any_text_is_a_cursor_or_an_error(text in "\\PC{0,40}|[A-Za-z0-9_-]{0,40}", inner in "[smbathx0-9.-]{0,30}") {
            drop(Onward::of(&text, 0));
            drop(Onward::of(&URL_SAFE_NO_PAD.encode(inner), 0));
        }
    }
}
