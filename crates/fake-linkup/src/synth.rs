//! Invented mailboxes, and time that moves in them. The same seed gives the same mailbox for ever.

use std::borrow::Cow;

use serde_json::json;

use super::dialogues::Pause;
use super::model::{Author, Draft, Mailbox, Person, TEXT};
use super::people;
use super::script::{Cue, Script};
use super::server::{Account, Server};
use crate::Ms;

const MINUTE_MS: Ms = 60_000;
const HOUR_MS: Ms = 3_600_000;
const DAY_MS: Ms = 86_400_000;
/// Before this, nobody wrote messages on LinkedIn (spring 2003).
const BEGINNING_MS: Ms = 1_052_000_000_000;

/// The API key of [`server`].
pub const API_KEY: &str = "fake-api-key";

/// What an invented mailbox is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthOptions {
    /// How many conversations.
    pub conversations: usize,
    /// The most messages in one; most have far fewer.
    pub max_messages: usize,
    /// The present: nothing is newer.
    pub now_ms: Ms,
    /// How many years back conversations reach.
    pub years: u32,
}

impl SynthOptions {
    /// Sixty conversations of up to 400 messages, over eight years.
    #[must_use]
    pub fn at(now_ms: Ms) -> Self {
        Self { conversations: 60, max_messages: 400, now_ms, years: 8 }
    }
}

/// A server with the key [`API_KEY`] and one account, `me`, over an invented mailbox.
#[must_use]
pub fn server(seed: u64, options: &SynthOptions) -> Server {
    let mut server = Server::new(API_KEY);
    server.faults.seed(seed);
    server.add_account(Account::new("me", mailbox(seed, options)));
    server
}

/// An invented mailbox.
#[must_use]
pub fn mailbox(seed: u64, options: &SynthOptions) -> Mailbox {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut owner = Person::named("Olivia", "Owner");
    owner.headline = "Keeper of an archive at Example Ltd".to_owned();
    owner.id = super::urn::profile_id(seed ^ 0x0b_5e55ed);
    let mut mailbox = Mailbox::new(owner);
    for number in 0..options.conversations {
        invent(&mut mailbox, &mut rng, number, options);
    }
    mailbox
}

/// Adds one conversation with its whole history.
fn invent(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, number: usize, options: &SynthOptions) {
    let conversation = begin(mailbox, rng, number);
    // The product of three: many short conversations, few long ones; the first is as long as any.
    let thousandths: usize = (0..3).map(|_| rng.usize(0..=1_000)).product::<usize>() / 1_000_000;
    let share = if number == 0 { 1_000 } else { thousandths };
    let count = 1 + options.max_messages.saturating_sub(1) * share / 1_000;
    let lines = lines(mailbox, conversation, count);
    let times = times(rng, lines.iter().map(|(cue, _)| cue.pause()), options);
    for ((cue, text), at_ms) in lines.into_iter().zip(times) {
        if let Some(index) = mailbox.deliver(conversation, draft(cue, text, at_ms, rng)) {
            age(mailbox, conversation, index, rng);
        }
    }
    let last = mailbox.conversation(conversation).and_then(|c| c.last()).map(|m| (m.at_ms, m.author));
    if let (Some(c), Some((at_ms, author))) = (mailbox.conversation_mut(conversation), last) {
        c.unread = if author == Author::Owner || rng.u8(..4) > 0 { 0 } else { rng.u32(1..4) };
        c.last_seen_at = (rng.u8(..3) > 0).then(|| at_ms + rng.i64(-DAY_MS..DAY_MS));
    }
}

/// Begins a conversation with somebody or a few, all of one language.
fn begin(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, number: usize) -> usize {
    let culture = people::of_turn(number);
    let first = u64::try_from(number).unwrap_or_default() * 64;
    let group = rng.u8(..8) == 0;
    let size = if group { rng.usize(2..7) } else { 1 };
    let mut others: Vec<Person> = Vec::with_capacity(size);
    // A few more tries than there are seats: two people of one name would be hard to tell apart.
    for id in (first..first + 64).take(4 * size) {
        let person = if rng.u8(..40) > 0 { people::invent(rng, culture, id) } else { people::gone(id) };
        if others.len() < size && others.iter().all(|other| other.first_name != person.first_name) {
            others.push(person);
        }
    }
    let conversation = mailbox.new_conversation(others);
    if let Some(c) = mailbox.conversation_mut(conversation) {
        if group {
            c.title = rng.choice(culture.language.titles).map(|t| (*t).to_owned());
        } else if rng.u8(..12) == 0 {
            c.kind = Cow::Borrowed("INMAIL");
        }
        c.in_inbox = rng.u8(..16) > 0;
    }
    conversation
}

/// The first messages of a conversation; fewer than asked for where they would begin to repeat themselves.
fn lines(mailbox: &Mailbox, conversation: usize, count: usize) -> Vec<(Cue, String)> {
    let Some(c) = mailbox.conversation(conversation) else { return Vec::new() };
    let longest = people::culture_of(c).language.longest_conversation();
    Script::of(mailbox, c).lines(count.min(longest.unwrap_or(usize::MAX)))
}

/// The times of messages with these pauses before them, oldest first: bursts on working days, quiet months, ties.
fn times(
    rng: &mut fastrand::Rng,
    pauses: impl DoubleEndedIterator<Item = Pause>,
    options: &SynthOptions,
) -> Vec<Ms> {
    // A generator of its own: whatever the date, the same conversations follow.
    let rng = &mut rng.fork();
    let span = i64::from(options.years) * 365 * DAY_MS;
    // Recent activity is commoner than old.
    let quiet = rng.i64(0..=span.max(1)) / rng.i64(1..=40);
    let newest = (options.now_ms - quiet - rng.i64(0..MINUTE_MS)).max(BEGINNING_MS);
    let mut at_ms = at_work(newest, rng);
    let mut times = Vec::new();
    for pause in pauses.rev() {
        times.push(at_ms);
        let earlier = before(at_ms, pause, rng);
        // Near the beginning of all things, long pauses become short ones.
        at_ms = if earlier > BEGINNING_MS { earlier } else { (at_ms - 1_000).max(1_000_000_000_000) };
    }
    times.reverse();
    times
}

/// When the message was sent that came so long before this time.
fn before(at_ms: Ms, pause: Pause, rng: &mut fastrand::Rng) -> Ms {
    match pause {
        Pause::Minutes if rng.u8(..20) == 0 => at_ms,
        Pause::Minutes => at_ms - rng.i64(1_500..25 * MINUTE_MS),
        Pause::Hours => {
            let earlier = at_ms - rng.i64(HOUR_MS..6 * HOUR_MS);
            let by_day = (8 * HOUR_MS..18 * HOUR_MS).contains(&earlier.rem_euclid(DAY_MS));
            if by_day { earlier } else { at_work(earlier, rng) }
        }
        Pause::Days => at_work(at_ms - rng.i64(DAY_MS..6 * DAY_MS), rng),
        Pause::Weeks => {
            let days = match rng.u8(..100) {
                0..70 => rng.i64(1..10),
                70..97 => rng.i64(10..60),
                _ => rng.i64(200..700),
            };
            at_work(at_ms - days * DAY_MS, rng)
        }
    }
}

/// The latest time that is not after this one, on a working day between nine and five, give or take chance.
fn at_work(latest: Ms, rng: &mut fastrand::Rng) -> Ms {
    let mut day = latest.div_euclid(DAY_MS);
    loop {
        let at_ms = day * DAY_MS + rng.i64(9 * HOUR_MS..17 * HOUR_MS);
        // The first of January 1970 was a Thursday.
        let weekend = (day + 3).rem_euclid(7) >= 5;
        if !weekend && at_ms <= latest {
            return at_ms;
        }
        day -= 1;
    }
}

fn draft(cue: Cue, text: String, at_ms: Ms, rng: &mut fastrand::Rng) -> Draft {
    let extra = cue.file().map(|name| {
        let mut extra = serde_json::Map::new();
        extra.insert("attachments".into(), json!([{"name": name, "size": rng.u32(10_000..9_000_000)}]));
        Box::new(extra)
    });
    Draft { author: cue.author(), at_ms, kind: Cow::Borrowed(cue.kind), text, extra }
}

/// What may have happened to a message since it was sent.
fn age(mailbox: &mut Mailbox, conversation: usize, index: usize, rng: &mut fastrand::Rng) {
    match rng.u8(..100) {
        0..2 => {
            edit(mailbox, conversation, index);
        }
        2 => {
            mailbox.recall(conversation, index);
        }
        3 => {
            mailbox.delete(conversation, index);
        }
        _ => {}
    }
}

/// The author adds a word to an ordinary message; whether there is such a message.
pub fn edit(mailbox: &mut Mailbox, conversation: usize, index: usize) -> bool {
    let Some(c) = mailbox.conversation(conversation) else { return false };
    let message = c.messages().get(index).filter(|m| m.kind == TEXT && !m.deleted);
    let edited = people::culture_of(c).language.edited;
    let text = message.map(|m| format!("{} {edited}", m.text));
    text.is_some_and(|text| mailbox.edit(conversation, index, &text))
}

/// What happened in a step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A message arrived or was sent.
    Message,
    /// A message was edited.
    Edit,
    /// A message was recalled.
    Recall,
    /// A message vanished.
    Delete,
    /// Somebody read what there was to read.
    Read,
    /// A new conversation began.
    Conversation,
    /// Nothing.
    Nothing,
}

impl Happening {
    /// One word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Recall => "recall",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Conversation => "conversation",
            Self::Nothing => "nothing",
        }
    }
}

/// One thing happens in one of the server's mailboxes at about `now_ms`. A message never comes before those that
/// are already there: with a clock that stands still, it comes a few milliseconds late, or in the same one.
pub fn live(server: &mut Server, rng: &mut fastrand::Rng, now_ms: Ms) -> Happening {
    if server.accounts().is_empty() {
        return Happening::Nothing;
    }
    let account = rng.usize(..server.accounts().len());
    server.mailbox_mut(account).map_or(Happening::Nothing, |mailbox| bustle(mailbox, rng, now_ms))
}

/// One thing happens in this mailbox: see [`live`].
pub fn bustle(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, now_ms: Ms) -> Happening {
    let all = mailbox.conversations().len();
    let happened = |done: bool, what| if done { what } else { Happening::Nothing };
    if all == 0 || rng.u8(..50) == 0 {
        let conversation = begin(mailbox, rng, all);
        return happened(say(mailbox, conversation, rng, now_ms), Happening::Conversation);
    }
    // Two draws, the later one wins: what was recently begun is livelier.
    let conversation = rng.usize(..all).max(rng.usize(..all));
    let messages = mailbox.conversation(conversation).map_or(0, |c| c.messages().len());
    if messages == 0 {
        return happened(say(mailbox, conversation, rng, now_ms), Happening::Message);
    }
    let recent = messages - 1 - rng.usize(..messages.min(30));
    match rng.u8(..100) {
        0..8 => happened(edit(mailbox, conversation, recent), Happening::Edit),
        8..11 => happened(mailbox.recall(conversation, recent), Happening::Recall),
        11..13 => happened(mailbox.delete(conversation, recent), Happening::Delete),
        13..22 => {
            if let Some(c) = mailbox.conversation_mut(conversation) {
                (c.unread, c.last_seen_at) = (0, Some(now_ms));
            }
            Happening::Read
        }
        _ => happened(say(mailbox, conversation, rng, now_ms), Happening::Message),
    }
}

/// The next message of a conversation is sent at about `now_ms`; whether there is such a conversation.
pub fn say(mailbox: &mut Mailbox, conversation: usize, rng: &mut fastrand::Rng, now_ms: Ms) -> bool {
    let Some(c) = mailbox.conversation(conversation) else { return false };
    let newest = c.messages().last().map(|m| m.at_ms);
    let late = if rng.u8(..8) == 0 { 0 } else { rng.i64(1..60) };
    let at_ms = newest.map_or(now_ms, |newest| now_ms.max(newest + late));
    let Some(cue) = Script::of(mailbox, c).nth(c.messages().len()) else { return false };
    let draft = draft(cue, cue.text(mailbox, c), at_ms, rng);
    mailbox.deliver(conversation, draft).is_some()
}

#[cfg(test)]
mod tests;
