//! People, with how much each wrote and how fast they answer.

use serde::Serialize;

use crate::core::format::{IsoTime, plural};
use crate::core::people::{Contact, Correspondence, Human};

#[derive(Serialize)]
pub(crate) struct PeopleReport<'a> {
    /// Whether the owner of every account is known.
    pub(crate) owner_known: bool,
    pub(crate) people: Vec<PersonLine<'a>>,
}

#[derive(Serialize)]
pub(crate) struct PersonLine<'a> {
    pub(crate) account: &'a str,
    pub(crate) name: Option<&'a String>,
    pub(crate) other_names: &'a [String],
    pub(crate) profile_urls: &'a [String],
    pub(crate) received: i64,
    pub(crate) sent: Option<i64>,
    pub(crate) last_at: IsoTime,
    pub(crate) conversations: i64,
    pub(crate) they_answer_median_secs: Option<u32>,
    pub(crate) you_answer_median_secs: Option<u32>,
}

impl<'a> PeopleReport<'a> {
    /// The first `most` of these contacts.
    pub(crate) fn of(tally: &'a Correspondence, contacts: &[Contact], most: usize) -> Self {
        let people =
            contacts.iter().take(most).filter_map(|contact| person(tally.humans(), contact)).collect();
        Self { owner_known: tally.owner_known(), people }
    }
}

/// A contact as JSON has them.
pub(crate) fn person<'a>(humans: &'a [Human], contact: &Contact) -> Option<PersonLine<'a>> {
    let human = humans.get(contact.human)?;
    Some(PersonLine {
        account: &human.account,
        name: human.names.first(),
        other_names: human.names.get(1..).unwrap_or_default(),
        profile_urls: &human.profile_urls,
        received: contact.received,
        sent: contact.sent,
        last_at: IsoTime(contact.last_ms),
        conversations: contact.conversations,
        they_answer_median_secs: contact.they_answer,
        you_answer_median_secs: contact.i_answer,
    })
}

/// Printed if it is not known which messages are the owner's.
pub(crate) const UNKNOWN_OWNER: &str =
    "It is not known for every account which person is you: set `owner_name` in the configuration.";

/// A duration in its largest unit.
pub(crate) fn duration(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => plural(seconds / 86_400, "day"),
    }
}
