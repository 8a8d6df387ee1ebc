//! An archive's messages against the mailbox that they came from, one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Conversation, Mailbox, ServerMessage};
use crate::Ms;

/// A message as an archive holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its `entity_urn`.
    pub urn: String,
    /// When it was sent.
    pub at_ms: Ms,
    /// The sender's name.
    pub sender: String,
    /// Its text.
    pub text: String,
    /// Whether the archive knows that the server no longer shows it.
    pub gone: bool,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Messages that the server shows and the archive holds just so.
    pub same: usize,
    /// Messages that were deleted on the server since, which the archive keeps and marks as gone.
    pub kept: usize,
    /// Messages that were deleted before anything could fetch them, and that the archive does not hold.
    pub never_served: usize,
    /// How many messages of which conversations (by index) the archive does not hold.
    pub missing: BTreeMap<usize, usize>,
    /// What else differs, in words.
    pub different: Vec<String>,
}

impl Comparison {
    /// How many messages the archive should hold.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.same + self.kept + self.missing.values().sum::<usize>() + self.different.len()
    }

    /// How many it holds just as it should.
    #[must_use]
    pub fn right(&self) -> usize {
        self.same + self.kept
    }

    /// Whether there is nothing to complain of.
    #[must_use]
    pub fn identical(&self) -> bool {
        self.missing.is_empty() && self.different.is_empty()
    }
}

/// Compares URN, time, sender and text of every message. `never_served` names the deleted messages that no request
/// could have been answered with.
#[must_use]
pub fn compare(
    mailbox: &Mailbox,
    never_served: &BTreeSet<String>,
    archived: impl IntoIterator<Item = Archived>,
) -> Comparison {
    let mut found = Comparison::default();
    let mut rows: BTreeMap<String, Archived> = BTreeMap::new();
    for row in archived {
        if let Some(twice) = rows.insert(row.urn.clone(), row) {
            found.different.push(format!("{} is archived twice", twice.urn));
        }
    }
    for (index, conversation) in mailbox.conversations().iter().enumerate() {
        for message in conversation.messages() {
            match rows.remove(&message.urn) {
                None if message.deleted && never_served.contains(&message.urn) => found.never_served += 1,
                None => *found.missing.entry(index).or_default() += 1,
                Some(row) => match difference(mailbox, conversation, message, &row) {
                    Some(what) => found.different.push(format!("{}: {what}", message.urn)),
                    None if message.deleted => found.kept += 1,
                    None => found.same += 1,
                },
            }
        }
    }
    found.different.extend(rows.into_keys().map(|urn| format!("{urn} was never on the server")));
    found
}

fn difference(
    mailbox: &Mailbox,
    conversation: &Conversation,
    message: &ServerMessage,
    row: &Archived,
) -> Option<String> {
    let sender = &mailbox.author(conversation, message.author).name;
    if row.at_ms != message.at_ms {
        Some(format!("sent at {}, archived as sent at {}", message.at_ms, row.at_ms))
    } else if row.sender != *sender {
        Some(format!("sent by {sender:?}, archived as sent by {:?}", row.sender))
    } else if row.text != message.text {
        Some(format!("says {:?}, archived as {:?}", message.text, row.text))
    } else if message.deleted && !row.gone {
        Some("deleted, but not marked as gone".to_owned())
    } else if row.gone && !message.deleted {
        Some("marked as gone, but still there".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Author, Person};

    fn mailbox() -> Mailbox {
        let mut mailbox = Mailbox::plain(("Olivia", "Owner"), ("Ada", "Example"), 4, 1_000_000);
        mailbox.with_messages(Person::named("Béla", "Sample"), 2, 2_000_000, 1_000);
        mailbox.delete(0, 1);
        mailbox.delete(0, 2);
        mailbox
    }

    fn urn(mailbox: &Mailbox, index: usize) -> String {
        mailbox.conversation(0).unwrap().messages()[index].urn.clone()
    }

    /// An archive that holds everything but what was never served.
    fn archive(mailbox: &Mailbox, never_served: &BTreeSet<String>) -> Vec<Archived> {
        let all = mailbox.conversations().iter().flat_map(|c| c.messages().iter().map(move |m| (c, m)));
        all.filter(|(_, m)| !never_served.contains(&m.urn))
            .map(|(c, m)| Archived {
                urn: m.urn.clone(),
                at_ms: m.at_ms,
                sender: mailbox.author(c, m.author).name.clone(),
                text: m.text.clone(),
                gone: m.deleted,
            })
            .collect()
    }

    #[test]
    fn an_archive_that_holds_everything_is_identical() {
        let mailbox = mailbox();
        let unserved = BTreeSet::from([urn(&mailbox, 1)]);
        let found = compare(&mailbox, &unserved, archive(&mailbox, &unserved));
        assert_eq!((found.same, found.kept, found.never_served), (4, 1, 1), "{found:?}");
        assert!(found.identical() && (found.right(), found.expected()) == (5, 5));
    }

    type Damage<'a> = &'a dyn Fn(&mut Vec<Archived>);

    #[test]
    fn every_kind_of_difference_is_found() {
        let mailbox = mailbox();
        let nothing = BTreeSet::new();
        let whole = archive(&mailbox, &nothing);
        let with = |change: Damage<'_>| {
            let mut rows = whole.clone();
            change(&mut rows);
            compare(&mailbox, &nothing, rows)
        };
        assert!(with(&|_| ()).identical());
        let changes: [(&str, Damage<'_>); 7] = [
            ("archived as sent at", &|rows| rows[0].at_ms += 1),
            ("archived as sent by", &|rows| rows[0].sender = "Ada".into()),
            ("archived as \"\"", &|rows| rows[0].text.clear()),
            ("not marked as gone", &|rows| rows[1].gone = false),
            ("still there", &|rows| rows[0].gone = true),
            ("twice", &|rows| rows.push(rows[0].clone())),
            ("never on the server", &|rows| rows.push(Archived { urn: "x".into(), ..rows[0].clone() })),
        ];
        for (words, change) in changes {
            let found = with(change);
            assert!(!found.identical() && found.different[0].contains(words), "{words}: {found:?}");
        }
        // A deleted message that was served is missed as any other.
        let found = with(&|rows| {
            rows.pop();
            rows.remove(1);
        });
        assert_eq!((found.missing, found.different), (BTreeMap::from([(0, 1), (1, 1)]), Vec::new()));
    }

    #[test]
    fn an_edited_message_is_compared_by_its_present_text() {
        let mut mailbox = mailbox();
        let before = archive(&mailbox, &BTreeSet::new());
        mailbox.send(1, Author::Owner, 3_000_000, "hello");
        mailbox.edit(0, 0, "edited");
        let found = compare(&mailbox, &BTreeSet::new(), before);
        assert_eq!((found.different.len(), found.missing), (1, BTreeMap::from([(1, 1)])));
    }
}
