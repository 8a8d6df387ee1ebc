//! Who one talks to, how much, and how fast who answers: pure sums over who wrote when.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, PersonId};

/// One message: who wrote when, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentMessage {
    /// The archive's id of the conversation.
    pub conversation: ConversationId,
    /// The archive's id of the sender.
    pub sender: PersonId,
    /// When.
    pub at_ms: Ms,
}

/// A sender as one kind of answer describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderRow {
    /// The archive's id.
    pub id: PersonId,
    /// The account's name.
    pub account: String,
    /// Display name; may be empty.
    pub name: String,
    /// Their page, where served.
    pub profile_url: Option<String>,
    /// Whether this is the account's owner; `None` = unknown.
    pub is_me: Option<bool>,
}

/// How LinkedIn calls everybody who has left: not one person.
pub const LEFT: &str = "LinkedIn Member";

/// One human: all senders of an account that share a page, or a name that no two pages have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Human {
    /// The account's name.
    pub account: String,
    /// Display names, the first seen first.
    pub names: Vec<String>,
    /// Pages.
    pub profile_urls: Vec<String>,
    /// Whether this is the account's owner; `None` = unknown.
    pub is_me: Option<bool>,
}

/// The humans behind senders, and which of them each sender is.
#[must_use]
pub fn humans(senders: &[SenderRow]) -> (Vec<Human>, BTreeMap<PersonId, usize>) {
    let mut group: Vec<usize> = (0..senders.len()).collect();
    let mut join = |a: usize, b: usize| {
        let (a, b) = (root(&group, a), root(&group, b));
        if let Some(parent) = group.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    };
    fn page(sender: &SenderRow) -> Option<&str> {
        sender.profile_url.as_deref().map(|url| url.trim_end_matches('/')).filter(|url| !url.is_empty())
    }
    // A page is one person. A name is, too, unless several pages have it: then nobody knows which of them is meant.
    let mut pages: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut named: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for (index, sender) in senders.iter().enumerate() {
        let Some(page) = page(sender) else { continue };
        join(*pages.entry((&sender.account, page)).or_insert(index), index);
        named.entry((&sender.account, &sender.name)).or_default().entry(page).or_insert(index);
    }
    let mut pageless: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (index, sender) in senders.iter().enumerate().filter(|(_, sender)| page(sender).is_none()) {
        if sender.name.is_empty() {
            continue;
        }
        let key = (sender.account.as_str(), sender.name.as_str());
        join(*pageless.entry(key).or_insert(index), index);
        if let Some(twins) = named.get(&key).filter(|twins| twins.len() == 1) {
            twins.values().for_each(|twin| join(*twin, index));
        }
    }
    let (mut all, mut place, mut of): (Vec<Human>, BTreeMap<usize, usize>, _) = Default::default();
    for (index, sender) in senders.iter().enumerate() {
        let at = *place.entry(root(&group, index)).or_insert(all.len());
        if at == all.len() {
            all.push(Human { account: sender.account.clone(), ..Human::default() });
        }
        BTreeMap::insert(&mut of, sender.id, at);
        let Some(human) = all.get_mut(at) else { continue };
        if !sender.name.is_empty() && !human.names.contains(&sender.name) {
            human.names.push(sender.name.clone());
        }
        if let Some(url) = sender.profile_url.as_ref().filter(|url| !human.profile_urls.contains(url)) {
            human.profile_urls.push(url.clone());
        }
        human.is_me = match (human.is_me, sender.is_me) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (known, other) => known.or(other),
        };
    }
    (all, of)
}

fn root(group: &[usize], mut at: usize) -> usize {
    while let Some(parent) = group.get(at).copied().filter(|parent| *parent != at) {
        at = parent;
    }
    at
}

/// Whose a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The owner's.
    Mine,
    /// Another's.
    Theirs,
    /// Nobody knows.
    Unknown,
}

/// What is known of one conversation.
#[derive(Debug, Clone, Default)]
struct Exchange {
    /// Who else wrote: how many messages, and when last.
    others: Vec<(usize, i64, Ms)>,
    mine: i64,
    /// The last message of either side.
    last: Option<(Author, Ms)>,
    my_last_ms: Option<Ms>,
    /// Seconds until an answer.
    i_answered: Vec<u32>,
    they_answered: Vec<u32>,
}

impl Exchange {
    fn add(&mut self, at_ms: Ms, human: Option<usize>, side: Author) {
        match self.last {
            Some((Author::Theirs, then)) if side == Author::Mine => {
                self.i_answered.push(seconds(then, at_ms))
            }
            Some((Author::Mine, then)) if side == Author::Theirs => {
                self.they_answered.push(seconds(then, at_ms))
            }
            _ => {}
        }
        self.last = Some((side, at_ms));
        match (side, human) {
            (Author::Mine, _) => {
                self.mine += 1;
                self.my_last_ms = self.my_last_ms.max(Some(at_ms));
            }
            (_, Some(human)) => match self.others.iter_mut().find(|(other, ..)| *other == human) {
                Some((_, messages, last_ms)) => {
                    *messages += 1;
                    *last_ms = (*last_ms).max(at_ms);
                }
                None => self.others.push((human, 1, at_ms)),
            },
            _ => {}
        }
    }
}

/// What is known of one human.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contact {
    /// Index into the humans.
    pub human: usize,
    /// Messages they wrote.
    pub received: i64,
    /// Messages to them alone, of dialogues; `None` where nobody knows who the owner is.
    pub sent: Option<i64>,
    /// When either wrote last to the other.
    pub last_ms: Ms,
    /// Conversations they wrote in.
    pub conversations: i64,
    /// Half of their answers came within so many seconds.
    pub they_answer: Option<u32>,
    /// Half of the owner's answers to them did.
    pub i_answer: Option<u32>,
}

/// A dialogue that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The archive's id of the conversation.
    pub conversation: ConversationId,
    /// For whose answer.
    pub for_side: Author,
    /// Since when.
    pub since_ms: Ms,
}

/// Sums over lines.
#[derive(Debug)]
pub struct Correspondence {
    humans: Vec<Human>,
    of: BTreeMap<PersonId, usize>,
    /// Accounts whose owner is known.
    known: BTreeSet<String>,
    courses: BTreeMap<ConversationId, Exchange>,
    /// The conversation of the last message, which is not among the others.
    current: Option<(ConversationId, Exchange)>,
    /// Who its senders are.
    senders: Vec<(PersonId, Option<usize>, Author)>,
    /// Those who have left, by conversation, and whether any has been met.
    left: BTreeMap<(usize, ConversationId), usize>,
    met: BTreeSet<usize>,
}

impl Correspondence {
    /// Of nothing yet.
    #[must_use]
    pub fn new(senders: &[SenderRow]) -> Self {
        let (humans, of) = humans(senders);
        let known = humans.iter().filter(|h| h.is_me == Some(true)).map(|h| h.account.clone()).collect();
        Self {
            humans,
            of,
            known,
            courses: BTreeMap::new(),
            current: None,
            senders: Vec::new(),
            left: BTreeMap::new(),
            met: BTreeSet::new(),
        }
    }

    /// The humans.
    #[must_use]
    pub fn humans(&self) -> &[Human] {
        &self.humans
    }

    /// The humans alone.
    #[must_use]
    pub fn into_humans(self) -> Vec<Human> {
        self.humans
    }

    /// Whether it is known of every account who its owner is.
    #[must_use]
    pub fn owner_known(&self) -> bool {
        self.humans.iter().all(|h| self.known.contains(&h.account))
    }

    /// Who it is in this conversation: of those who have left, somebody else in each.
    fn in_conversation(&mut self, human: usize, conversation: ConversationId) -> usize {
        let Some(one) =
            self.humans.get(human).filter(|one| one.names == [LEFT] && one.profile_urls.is_empty())
        else {
            return human;
        };
        let (one, next) = (one.clone(), self.humans.len());
        match self.left.entry((human, conversation)) {
            Entry::Occupied(known) => *known.get(),
            // The first of them takes the place of all.
            Entry::Vacant(new) if self.met.insert(human) => *new.insert(human),
            Entry::Vacant(new) => {
                self.humans.push(one);
                *new.insert(next)
            }
        }
    }

    /// Counts a message; those of one conversation come oldest first. Says whose it is.
    pub fn add(&mut self, line: SentMessage) -> Author {
        if self.current.as_ref().is_none_or(|(id, _)| *id != line.conversation) {
            self.courses.extend(self.current.take());
            self.senders.clear();
        }
        let known =
            self.senders.iter().find(|(id, ..)| *id == line.sender).map(|(_, human, side)| (*human, *side));
        let (human, side) = match known {
            Some(known) => known,
            None => self.meet(line),
        };
        let courses = &mut self.courses;
        let begun = || (line.conversation, courses.remove(&line.conversation).unwrap_or_default());
        self.current.get_or_insert_with(begun).1.add(line.at_ms, human, side);
        side
    }

    /// Who a sender is in the conversation that is counted now.
    fn meet(&mut self, line: SentMessage) -> (Option<usize>, Author) {
        let human = self.of.get(&line.sender).copied();
        let human = human.map(|human| self.in_conversation(human, line.conversation));
        let side = match human.and_then(|h| self.humans.get(h)).map(|h| h.is_me) {
            Some(Some(true)) => Author::Mine,
            Some(Some(false)) => Author::Theirs,
            _ => Author::Unknown,
        };
        self.senders.push((line.sender, human, side));
        (human, side)
    }

    fn exchanges(&self) -> impl Iterator<Item = (&ConversationId, &Exchange)> {
        self.courses.iter().chain(self.current.iter().map(|(id, exchange)| (id, exchange)))
    }

    /// Everybody else who wrote, most messages either way first.
    #[must_use]
    pub fn contacts(&self) -> Vec<Contact> {
        let mut all: BTreeMap<usize, (Contact, Vec<u32>, Vec<u32>)> = BTreeMap::new();
        for (_, course) in self.exchanges() {
            let dialogue = course.others.len() == 1;
            for (human, received, last_ms) in &course.others {
                let (contact, theirs, mine) = all.entry(*human).or_default();
                contact.human = *human;
                contact.received += received;
                contact.conversations += 1;
                contact.last_ms = contact.last_ms.max(*last_ms);
                if dialogue {
                    contact.sent = Some(contact.sent.unwrap_or_default() + course.mine);
                    contact.last_ms = contact.last_ms.max(course.my_last_ms.unwrap_or_default());
                    theirs.extend(&course.they_answered);
                    mine.extend(&course.i_answered);
                }
            }
        }
        let mut contacts: Vec<Contact> = all
            .into_values()
            .map(|(contact, theirs, mine)| {
                let known = self.humans.get(contact.human).is_some_and(|h| self.known.contains(&h.account));
                Contact {
                    sent: known.then(|| contact.sent.unwrap_or_default()),
                    they_answer: median(theirs),
                    i_answer: median(mine),
                    ..contact
                }
            })
            .collect();
        contacts.sort_by_key(|c| (-(c.received + c.sent.unwrap_or_default()), -c.last_ms, c.human));
        contacts
    }

    /// How fast the owner answers in dialogues, and how fast the others do (median, seconds).
    #[must_use]
    pub fn answers(&self) -> (Option<u32>, Option<u32>) {
        let dialogues = || self.exchanges().map(|(_, c)| c).filter(|c| c.others.len() == 1);
        let mine = dialogues().flat_map(|c| &c.i_answered).copied().collect();
        let theirs = dialogues().flat_map(|c| &c.they_answered).copied().collect();
        (median(mine), median(theirs))
    }

    /// Dialogues and whose answer they wait for, the most recent first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut all: Vec<Waiting> = self
            .exchanges()
            .filter(|(_, course)| course.others.len() <= 1)
            .filter_map(|(conversation, course)| {
                let (last, since_ms) = course.last?;
                let for_side = match last {
                    Author::Mine => Author::Theirs,
                    Author::Theirs => Author::Mine,
                    Author::Unknown => return None,
                };
                Some(Waiting { conversation: *conversation, for_side, since_ms })
            })
            .collect();
        all.sort_by_key(|w| (-w.since_ms, w.conversation));
        all
    }
}

fn seconds(from: Ms, to: Ms) -> u32 {
    u32::try_from(to.saturating_sub(from).max(0) / 1000).unwrap_or(u32::MAX)
}

/// The one in the middle; of two, the lesser.
fn median(mut values: Vec<u32>) -> Option<u32> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(id: i64, name: &str, url: Option<&str>, is_me: Option<bool>) -> SenderRow {
        SenderRow {
            id: PersonId(id),
            account: "me".into(),
            name: name.into(),
            profile_url: url.map(Into::into),
            is_me,
        }
    }

    fn line(conversation: i64, sender: i64, minute: i64) -> SentMessage {
        SentMessage {
            conversation: ConversationId(conversation),
            sender: PersonId(sender),
            at_ms: minute * 60_000,
        }
    }

    #[test]
    fn senders_that_share_a_page_or_a_name_are_one_person() {
        let senders = [
            sender(1, "Ada Example", None, Some(false)),
            sender(2, "Ada Example-Sample", Some("https://x/in/ada/"), Some(false)),
            sender(3, "Ada Example", Some("https://x/in/ada"), Some(false)),
            sender(4, "", None, None),
            sender(5, "", None, None),
            SenderRow { account: "other".into(), ..sender(6, "Ada Example", None, None) },
        ];
        let (humans, of) = humans(&senders);
        assert_eq!(of.values().copied().collect::<Vec<_>>(), [0, 0, 0, 1, 2, 3]);
        assert_eq!(humans[0].names, ["Ada Example", "Ada Example-Sample"]);
        assert_eq!(humans[0].profile_urls.len(), 2);
    }

    #[test]
    fn people_of_one_name_are_told_apart_by_their_pages() {
        let senders = [
            sender(1, "Ada Example", Some("https://x/in/ada1"), Some(false)),
            sender(2, "Ada Example", Some("https://x/in/ada2"), Some(false)),
            sender(3, "Ada Example", None, Some(false)),
            sender(4, "Ada Example", Some("https://x/in/ada1/"), Some(false)),
        ];
        let (humans, of) = humans(&senders);
        assert_eq!(of.values().copied().collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert_eq!(humans.len(), 3, "of whoever has no page nobody knows which of the two it is");
    }

    #[test]
    fn those_who_have_left_are_somebody_else_in_each_conversation() {
        let mut tally =
            Correspondence::new(&[sender(1, LEFT, None, Some(false)), sender(2, "Me", None, Some(true))]);
        for conversation in 1..=3 {
            tally.add(line(conversation, 1, conversation));
            tally.add(line(conversation, 1, conversation + 10));
            tally.add(line(conversation, 2, conversation + 20));
        }
        let contacts = tally.contacts();
        assert_eq!(contacts.iter().map(|c| (c.received, c.conversations)).collect::<Vec<_>>(), [(2, 1); 3]);
        assert!(contacts.iter().all(|c| tally.humans()[c.human].names == [LEFT]));
    }

    #[test]
    fn answers_are_counted_both_ways_in_dialogues_only() {
        let senders = [
            sender(1, "Me", None, Some(true)),
            sender(2, "Ada", None, Some(false)),
            sender(3, "Bob", None, Some(false)),
        ];
        let mut tally = Correspondence::new(&senders);
        // Ada asks twice and is answered 8 minutes after the second; she answers after 5, 1 and 60.
        for (who, minute) in [(2, 0), (2, 2), (1, 10), (2, 15), (1, 20), (2, 21), (1, 40), (2, 100)] {
            tally.add(line(1, who, minute));
        }
        // A group says nothing of whom a message is for.
        for (who, minute) in [(1, 200), (2, 201), (3, 202), (1, 203)] {
            tally.add(line(2, who, minute));
        }
        let contacts = tally.contacts();
        let ada = &contacts[0];
        assert_eq!((ada.received, ada.sent, ada.conversations), (6, Some(3), 2));
        assert_eq!((ada.they_answer, ada.i_answer), (Some(300), Some(480)));
        assert_eq!((contacts[1].received, contacts[1].sent, contacts[1].they_answer), (1, Some(0), None));
        assert_eq!(ada.last_ms, 201 * 60_000);
        let waiting = tally.waiting();
        assert_eq!(
            waiting,
            [Waiting { conversation: ConversationId(1), for_side: Author::Mine, since_ms: 6_000_000 }]
        );
        assert_eq!(tally.answers(), (Some(480), Some(300)));
        assert!(tally.owner_known());
    }

    #[test]
    fn nothing_is_guessed_while_the_owner_is_unknown() {
        let mut tally = Correspondence::new(&[sender(1, "Ada", None, None), sender(2, "Bob", None, None)]);
        assert_eq!(tally.add(line(1, 1, 0)), Author::Unknown);
        tally.add(line(1, 2, 1));
        let contacts = tally.contacts();
        assert_eq!(contacts.len(), 2);
        assert!(contacts.iter().all(|c| c.sent.is_none() && c.they_answer.is_none()));
        assert!(tally.waiting().is_empty() && !tally.owner_known());
    }
}
