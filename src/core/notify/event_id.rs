//! What an event is called: the same whenever it is sent again, also after a crash, and never what another one is.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

use crate::core::Ms;
use crate::core::notify::batch::BatchForm;

/// Bytes of a hash that an id has.
const BYTES: usize = 16;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSubject<'a> {
    /// One change of a message. The time tells it from one of the same number in a copy of the archive that was put
    /// back and then went another way.
    Change {
        /// Its number.
        seq: i64,
        /// When it was stored (ms).
        at_ms: Ms,
    },
    /// Several changes, as one sink gets them. The time is there for the same reason.
    Batch {
        /// The sink.
        sink: &'a str,
        /// How they are sent.
        form: BatchForm,
        /// The last change before them.
        after: i64,
        /// The last of them.
        to: i64,
        /// When that was stored (ms).
        at_ms: Ms,
    },
    /// An alert.
    Notice {
        /// Its number.
        id: i64,
        /// When it was raised (ms).
        at_ms: Ms,
    },
    /// A test.
    Test {
        /// When it was asked for (ms).
        at_ms: Ms,
    },
}

/// The id of an event of the archive that is called so.
#[must_use]
pub fn event_id(archive: &str, subject: &EventSubject<'_>) -> String {
    let of = match subject {
        EventSubject::Change { seq, at_ms } => format!("change {seq} {at_ms}"),
        EventSubject::Batch { sink, form, after, to, at_ms } => {
            format!("{} {after} {to} {at_ms} {sink}", form.as_str())
        }
        EventSubject::Notice { id, at_ms } => format!("alert {id} {at_ms}"),
        EventSubject::Test { at_ms } => format!("test {at_ms}"),
    };
    let hash = digest(&SHA256, format!("{archive} {of}").as_bytes());
    hash.as_ref().iter().take(BYTES).fold(String::from("evt_"), |mut id, byte| {
        // Writing to a text cannot fail.
        write!(id, "{byte:02x}").unwrap_or_default();
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_the_same_and_tells_archives_numbers_and_times_apart() {
        let change = |seq, at_ms| EventSubject::Change { seq, at_ms };
        let id = event_id("a", &change(7, 1_000));
        assert_eq!(id, event_id("a", &change(7, 1_000)));
        assert!(id.starts_with("evt_") && id.len() == 36 && !id.contains('.'));
        let batch = |form, after, to, at_ms| EventSubject::Batch { sink: "crm", form, after, to, at_ms };
        let others = [
            event_id("b", &change(7, 1_000)),
            event_id("a", &change(8, 1_000)),
            event_id("a", &change(7, 1_001)),
            event_id("a", &EventSubject::Notice { id: 7, at_ms: 1_000 }),
            event_id("a", &EventSubject::Test { at_ms: 1_000 }),
            event_id("a", &batch(BatchForm::Summary, 1, 2, 1_000)),
            event_id("a", &batch(BatchForm::Digest, 1, 2, 1_000)),
            event_id("a", &batch(BatchForm::Summary, 1, 3, 1_000)),
            event_id("a", &batch(BatchForm::Summary, 1, 2, 1_001)),
        ];
        let all: std::collections::BTreeSet<&String> = others.iter().chain([&id]).collect();
        assert_eq!(all.len(), others.len() + 1);
    }
}
